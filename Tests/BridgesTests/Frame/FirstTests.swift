import Testing

@testable import Bridges
@testable import Wire

@Suite(.timeLimit(.minutes(1))) struct FrameTests {
    @Test func aMessageIsAnsweredOnceAndConfirmed() async throws {
        let (platform, host) = (FakePlatform(), try TestAgentHost())
        let bridge = try TestBridge(platform, host)
        try await host.run {
            try await bridge.run {
                platform.give(.say("hello", id: "1"))
                platform.give(.say("again", id: "2"))
                try await platform.waitFor("two answers") { $0.messages.count == 2 && $0.confirmed.count == 2 }
                #expect(platform.texts(in: "ana") == ["echo: hello", "echo: again"])
                #expect(platform.messages.map(\.replyTo) == ["u-1", "u-2"])
            }
        }
        #expect(host.agent.texts == ["hello", "again"])
    }
}
