import Foundation
import Synchronization
import Testing

@testable import Bridges
@testable import Wire

// What can be watched of an answer, and what is left of that when it is there.

@Suite(.timeLimit(.minutes(2))) struct LiveTests {
    private func run(
        _ limits: PlatformLimits = .quick, change: (inout ChannelSettings) -> Void = { _ in },
        _ body: @escaping @Sendable (FakePlatform, TestAgentHost, TestBridge) async throws -> Void
    ) async throws {
        let (platform, host) = (FakePlatform(limits), try TestAgentHost(ScriptedAgent()))
        let bridge = try TestBridge(platform, host, change: change)
        try await host.run { try await bridge.run { try await body(platform, host, bridge) } }
    }

    @Test func anAnswerIsWrittenInOneMessageThatTheWholeOfItReplaces() async throws {
        try await run { platform, host, _ in
            platform.give(.say("hello", id: "1"))
            let run = try await host.agent.nextRun()
            try await platform.waitFor("typing") { $0.typing > 0 }
            run.tool("vault_search")
            try await platform.waitFor("the step") { $0.texts(in: "ana") == ["🔧 vault_search …"] }
            run.tool("vault_search", result: "found")
            run.delta("The answer ")
            try await platform.waitFor("the beginning") { $0.texts(in: "ana") == ["The answer "] }
            #expect(platform.messages[0].buttons.map(\.label) == [Words.stopLabel])
            #expect(platform.messages[0].replyTo == "u-1")
            run.delta("is 42.")
            try await platform.waitFor("the rest") { $0.texts(in: "ana") == ["The answer is 42."] }
            run.answer("The answer is 42!")
            try await platform.waitFor("the end") { $0.texts(in: "ana") == ["The answer is 42!"] }
            #expect(platform.messages[0].buttons.isEmpty && platform.messages.count == 1)
            let calls = platform.calls
            platform.give(.say("next", by: "bob"))
            try await host.agent.nextRun().answer("for Bob")
            try await platform.waitFor("Bob's answer") { $0.texts(in: "bob") == ["for Bob"] }
            // Nobody writes to Ana any more.
            #expect(platform.messages(in: "ana")[0].edits <= calls)
        }
    }

    @Test func whatGetsLongerThanAMessageShowsItsEndAndIsSentWhole() async throws {
        try await run { platform, host, _ in
            platform.give(.say("hello"))
            let run = try await host.agent.nextRun()
            let words = (1...3_000).map { "w\($0)" }.joined(separator: " ")
            run.delta(words)
            try await platform.waitFor("the end of it") { $0.texts(in: "ana").first?.hasSuffix("w3000") ?? false }
            #expect(platform.texts(in: "ana")[0].utf16.count <= 4_096)
            run.answer(words)
            try await platform.waitFor("all of it") {
                $0.messages.count > 3 && $0.texts(in: "ana").last?.hasSuffix("w3000") ?? false
            }
            let said = platform.texts(in: "ana").joined(separator: " ").split { $0 == " " || $0 == "\n" }
            #expect(said.joined(separator: " ") == words)
        }
    }

    @Test func anAnswerWhoseMessageIsGoneIsANewOne() async throws {
        try await run { platform, host, _ in
            platform.give(.say("hello"))
            let run = try await host.agent.nextRun()
            run.delta("Hm")
            try await platform.waitFor("the beginning") { $0.texts(in: "ana") == ["Hm"] }
            platform.delete(platform.messages[0].id)
            run.answer("Hm. Yes.")
            try await platform.waitFor("the answer") { $0.texts(in: "ana") == ["Hm. Yes."] }
        }
    }

    @Test func afterACrashTheAnswerStillTakesThePlaceOfItsMessage() async throws {
        let (platform, host) = (FakePlatform(), try TestAgentHost(ScriptedAgent()))
        let bridge = try TestBridge(platform, host)
        try await host.run {
            let run = try await bridge.run {
                platform.give(.say("hello"))
                let run = try await host.agent.nextRun()
                run.delta("Hm")
                try await platform.waitFor("the beginning") { $0.texts(in: "ana") == ["Hm"] }
                return run
            }
            try await bridge.run {
                run.delta(", let me see")
                try await platform.waitFor("more of it") { $0.texts(in: "ana") == ["Hm, let me see"] }
                run.answer("Hm. Yes.")
                try await platform.waitFor("the answer") { $0.texts(in: "ana") == ["Hm. Yes."] }
                #expect(platform.messages.count == 1)
            }
        }
    }

    @Test func aStoppedAnswerLeavesNoButton() async throws {
        try await run { platform, host, _ in
            platform.give(.say("hello"))
            let run = try await host.agent.nextRun()
            run.tool("web_search")
            try await platform.waitFor("the step") { $0.messages.first?.buttons.count == 1 }
            platform.give(.command("stop"))
            try await platform.waitFor("the button to go") { $0.messages.first?.buttons.isEmpty ?? false }
            #expect(platform.messages[0].text == Words.stopped)
        }
    }

    @Test func whereNothingCanBeEditedThereIsTypingAndNowAndThenAWordAboutATool() async throws {
        var limits = PlatformLimits.quick
        limits.canEdit = false
        try await run(limits) { platform, host, _ in
            platform.give(.say("hello"))
            let run = try await host.agent.nextRun()
            run.delta("Some text that nobody sees yet")
            run.tool("web_search")
            try await platform.waitFor("the word") { $0.messages.count == 1 }
            run.tool("vault_search", call: "2")
            run.tool("vault_search", call: "2", result: "found")
            run.answer("done")
            try await platform.waitFor("the answer") { $0.texts(in: "ana").last == "done" }
            // The second within eight seconds is not told.
            #expect(platform.texts(in: "ana") == ["🔧 web_search …", "done"])
            #expect(platform.typing > 0)
        }
    }

    @Test func withoutLiveMessagesThereIsOnlyTyping() async throws {
        try await run(change: { $0.live = false }) { platform, host, _ in
            platform.give(.say("hello"))
            let run = try await host.agent.nextRun()
            run.tool("web_search")
            run.delta("Some text")
            try await platform.waitFor("typing") { $0.typing > 1 }
            run.answer("done")
            try await platform.waitFor("the answer") { !$0.messages.isEmpty }
            #expect(platform.texts(in: "ana") == ["done"] && platform.messages[0].edits == 0)
        }
    }

    @Test func whenThePlatformWantsToBeLeftAloneOnlyTheNewestTextIsShown() async throws {
        try await run { platform, host, _ in
            platform.give(.say("hello"))
            let run = try await host.agent.nextRun()
            run.delta("0")
            try await platform.waitFor("the beginning") { $0.messages.count == 1 }
            let before = platform.calls
            platform.fail(1, .wait(.milliseconds(300), .everything))
            for number in 1...50 { run.delta(",\(number)") }
            try await platform.waitFor("the newest") { $0.texts(in: "ana")[0].hasSuffix(",50") }
            #expect(platform.calls - before < 10)
            run.answer("done")
            try await platform.waitFor("the answer") { $0.texts(in: "ana") == ["done"] }
        }
    }

    // MARK: Pure

    @Test func theEndOfATextIsCutByThePlatformsOwnCounting() {
        let text = String(repeating: "😀", count: 10)
        #expect(LiveTurn.tail(text, 20, .utf16) == text)
        #expect(LiveTurn.tail(text, 19, .utf16).utf16.count <= 19)
        #expect(LiveTurn.tail(text, 9, .scalars) == "…" + String(repeating: "😀", count: 8))
        #expect(LiveTurn.tail("abc", 0, .scalars).count <= 1)
    }

    @Test func whatIsNotAToolIsNotShown() {
        var live = LiveTurn(id: "1", session: "s", anchor: nil, style: .message)
        let now = ContinuousClock.now
        for status in ["Thinking...", "{", "{}", #"{"tool_name":3}"#, "[1]"] {
            let isShown = live.add(status: status, at: now)
            #expect(!isShown)
        }
        #expect(!live.isChanged && live.since == nil)
        for number in 1...20 {
            _ = live.add(status: #"{"tool_name":"t\#(number)","tool_call_id":"\#(number)"}"#, at: now)
        }
        let shown = live.show(limit: 4_096, unit: .utf16)
        #expect(shown.split(separator: "\n").count == 5)
    }
}
