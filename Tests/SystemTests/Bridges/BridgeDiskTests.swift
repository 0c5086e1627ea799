import Foundation
import TestPlatforms
import Testing

// What becomes of a chat while the bridge's disk is full? It waits: the platform keeps what is not kept here.

@Suite struct BridgeDiskTests {
    private static let messages = 8

    /// What is said: more than fits into what the database has left of its own.
    private static func text(_ number: Int) -> String {
        "find tulip\(number)\n\n" + String(repeating: "花", count: 3_900)
    }

    /// Talks while the disk is full, and then has each answered once.
    private static func talk(_ telegram: FakeTelegram, _ bridge: Program, disk: String) async throws {
        telegram.say("find violets")
        try await telegram.waitFor("an answer", within: .seconds(30)) { state in
            state.sent(to: 1001).contains { $0.text.contains("violets") } ? true : nil
        }
        try SmallDisk.fill(disk + "/filler")
        for number in 0..<messages { telegram.say(text(number)) }
        try await bridge.line(containing: "bridge::not_saved")
        #expect(!telegram.now.sent(to: 1001).contains { $0.text.contains("tulip\(messages - 1)") })
        try FileManager.default.removeItem(atPath: disk + "/filler")
        telegram.say("find roses")
        try await telegram.waitFor("the last answer", within: .seconds(90)) { state in
            state.sent(to: 1001).contains { $0.text.contains("roses") } ? true : nil
        }
        let sent = telegram.now.sent(to: 1001)
        for word in (0..<messages).map({ "tulip\($0)" }) + ["violets", "roses"] {
            #expect(
                sent.count(where: { $0.text.contains("“\(word)") }) == 1, "\(word): \(sent.map { $0.text.prefix(80) })")
        }
    }

    @Test(
        "P-66: an agent with a channel whose disk is full loses no message, and answers each once when there is room",
        .enabled(if: SmallDisk.canMount))
    func inTheAgent() async throws {
        try await FakeTelegram.run { telegram in
            let world = try TestHome()
            try world.setChannel(telegram, "allowed_users: [1001]")
            let server = try world.start(
                ["serve", world.agent.path], onDiskOf: 16, at: world.agent,
                environment: [
                    "OPENAGENT_HOME": world.root.path + "/server", TestHome.tokenVariable: FakeTelegram.token,
                ])
            try await Self.talk(telegram, server, disk: world.path(world.agent.path, of: server))
            server.signal(SIGTERM)
            #expect(try await server.exit() == 0)
        }
    }

    @Test("P-66: so does a bridge on another device", .enabled(if: SmallDisk.canMount))
    func elsewhere() async throws {
        try await FakeTelegram.run { telegram in
            let world = try TestHome()
            let server = try await world.serve()
            #expect(try await world.join(try await server.ticket()).status == 0)
            let home = world.home.path
            let bridge = try world.start(
                ["bridge", "telegram", "--user", "1001", "--api-base", telegram.url], onDiskOf: 16, at: world.home,
                environment: ["OPENAGENT_HOME": home, TestHome.tokenVariable: FakeTelegram.token])
            try await Self.talk(telegram, bridge, disk: world.path(home, of: bridge))
            bridge.signal(SIGTERM)
            #expect(try await bridge.exit() == 0, "\(bridge.errors)")
            server.program.signal(SIGTERM)
            #expect(try await server.program.exit() == 0)
        }
    }
}
