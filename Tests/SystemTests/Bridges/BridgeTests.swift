import Foundation
import TestPlatforms
import Testing

// A phone's chat app as a client of the agent, through the real program.

@Suite struct BridgeTests {
    @Test(
        "P-36, P-65: an agent with a channel answers who may talk, is silent to others, and shows the token to nobody")
    func aServedAgentAnswersInAChat() async throws {
        try await FakeTelegram.run { telegram in
            let world = try TestHome()
            try world.setChannel(telegram, "allowed_users: [1001]")
            let server = try await world.serveWithToken()
            telegram.say("hello?", by: .bob)
            telegram.say("remember that the backup runs at 03:00", by: .ann)
            try await telegram.waitFor("the note", within: .seconds(30)) { state in
                state.sent(to: 1001).contains { $0.text.contains("03:00") } ? true : nil
            }
            telegram.say("when does the backup run?", by: .ann)
            try await telegram.waitFor("the answer", within: .seconds(30)) { state in
                state.sent(to: 1001).count(where: { $0.text.contains("03:00") }) >= 2 ? true : nil
            }
            #expect(telegram.now.sent(to: 1002).isEmpty)
            let bridge = try await world.waitForBridge()
            #expect(bridge["platform"] as? String == "telegram" && bridge["device"] == nil)
            #expect((bridge["account"] as? String)?.contains(FakeTelegram.bot.username) == true, "\(bridge)")

            // What programs of the agent see: nothing of it. (Of the shell ShellToolsTests say the same.)
            let seen = world.root.appendingPathComponent("seen").path
            let added = try await world.run([
                "mcps", "add", "spy", "--agent", world.agent.path, "--", "sh", "-c",
                "env > \(seen).part; mv \(seen).part \(seen)",
            ])
            #expect(added.status == 0, "\(added)")
            let end = ContinuousClock.now + .seconds(20)
            while !FileManager.default.fileExists(atPath: seen), ContinuousClock.now < end {
                try await Task.sleep(for: .milliseconds(20))
            }
            let variables = try String(contentsOfFile: seen, encoding: .utf8)
            #expect(variables.contains("PATH=") && !variables.contains("TELEGRAM"), "\(variables)")
            let config = try await world.run(["api", "GET", "/api/config", "--agent", world.agent.path])
            #expect(config.output.contains("telegram"))
            for text in [config.output, server.program.output, server.program.errors, variables] {
                #expect(!text.contains(FakeTelegram.token))
            }
            let doctor = try await world.run(["doctor", world.agent.path])
            #expect(!doctor.output.contains(FakeTelegram.token))
            server.program.signal(SIGTERM)
            #expect(try await server.program.exit() == 0)
            // A stopped agent knows its channels, too.
            let stopped = try await world.asked("bridge", "list")["bridges"] as? [[String: Any]]
            #expect(stopped?.map { $0["state"] as? String } == ["stopped"])
        }
    }

    @Test("P-65: the same bridge runs on another device; revoking the device ends it with 77 and says so")
    func aBridgeElsewhere() async throws {
        try await FakeTelegram.run { telegram in
            let world = try TestHome()
            let server = try await world.serve()
            _ = try await world.join(try await server.ticket())
            let environment = [TestHome.tokenVariable: FakeTelegram.token]
            let nobody = try world.start(["bridge", "telegram"], environment: environment)
            #expect(try await nobody.exit() == 64)
            #expect(AdministrationTests.isAdvice(nobody.errors), "\(nobody.errors)")
            let noToken = try world.start(["bridge", "telegram", "--user", "1001"])
            #expect(try await noToken.exit() == 64)
            #expect(noToken.errors.contains(TestHome.tokenVariable))

            let words = ["bridge", "telegram", "--user", "1001", "--api-base", telegram.url]
            let bridge = try world.start(words, environment: environment)
            telegram.say("find violets", by: .ann)
            try await telegram.waitFor("an answer", within: .seconds(30)) { state in
                state.sent(to: 1001).contains { $0.text.contains("violets") } ? true : nil
            }
            let found = try await world.waitForBridge(elsewhere: true)
            #expect(found["handle"] as? String == "alice")
            let twice = try world.start(words, environment: environment)
            #expect(try await twice.exit() == 73)
            #expect(AdministrationTests.isAdvice(twice.errors), "\(twice.errors)")

            // Ended in good order it takes up where it was.
            bridge.signal(SIGTERM)
            #expect(try await bridge.exit() == 0, "\(bridge.errors)")
            telegram.say("find roses", by: .ann)
            let again = try world.start(words, environment: environment)
            try await telegram.waitFor("an answer", within: .seconds(30)) { state in
                state.sent(to: 1001).contains { $0.text.contains("roses") } ? true : nil
            }
            #expect(telegram.now.sent(to: 1001).count(where: { $0.text.contains("violets") }) == 1)
            let device = try #require(found["device"] as? String)
            let revoked = try await world.run(["devices", "revoke", device, "--agent", world.agent.path])
            #expect(revoked.status == 0, "\(revoked)")
            #expect(try await again.exit(within: 30) == 77, "\(again.errors)")
            #expect(again.errors.contains("revoked") && again.errors.contains("hint: "), "\(again.errors)")
            #expect(!again.output.contains(FakeTelegram.token))
        }
    }

    @Test("P-36: somebody unknown is told a code, an admin approves it, and taking them off holds at once")
    func pairing() async throws {
        try await FakeTelegram.run { telegram in
            let world = try TestHome()
            try world.setChannel(telegram, "pairing: true")
            let server = try await world.serveWithToken()
            telegram.say("find tulips", by: .bob)
            let told = try await telegram.waitForSent(1, to: 1002, within: .seconds(30))[0].text
            let code = try #require(told.firstMatch(of: /[A-HJ-NP-Z2-9]{8}/), "\(told)").output
            let waiting = try await world.asked("bridge", "senders", "telegram", "--waiting")["pairings"]
            #expect((waiting as? [[String: Any]])?.map { $0["sender"] as? String } == ["1002"])
            let wrong = try await world.run(["bridge", "approve", "AAAAAAAA", "--agent", world.agent.path])
            #expect(wrong.status == 64 && AdministrationTests.isAdvice(wrong.errors), "\(wrong)")
            let approved = try await world.run(["bridge", "approve", String(code), "--agent", world.agent.path])
            #expect(approved.status == 0 && approved.output.contains("Bob"), "\(approved)")
            telegram.say("find lilies", by: .bob)
            try await telegram.waitFor("an answer", within: .seconds(30)) { state in
                state.sent(to: 1002).contains { $0.text.contains("lilies") } ? true : nil
            }
            let removed = try await world.run(["bridge", "remove", "telegram", "1002", "--agent", world.agent.path])
            #expect(removed.status == 0, "\(removed)")
            telegram.say("find asters", by: .bob)
            telegram.say("find a code", by: .ann)
            _ = try await telegram.waitForSent(1, to: 1001, within: .seconds(30))
            #expect(!telegram.now.sent(to: 1002).contains { $0.text.contains("asters") })
            server.program.signal(SIGTERM)
            #expect(try await server.program.exit() == 0)
        }
    }

    @Test("a wrong token is said by status, list and doctor, and hurts nothing else")
    func aWrongToken() async throws {
        try await FakeTelegram.run { telegram in
            let world = try TestHome()
            try world.setChannel(telegram, "token: '1:wrong', pairing: true")
            let server = try await world.serve()
            let deadline = ContinuousClock.now + .seconds(30)
            var status = ""
            while ContinuousClock.now < deadline, !status.contains("Bridge") {
                status = try await world.run(["status", "--agent", world.agent.path]).output
            }
            #expect(status.contains("telegram") && !status.contains("1:wrong"), "\(status)")
            let bridges = try await world.asked("bridge", "list")["bridges"] as? [[String: Any]]
            #expect(bridges?.first?["state"] as? String == "failed")
            let doctor = try await world.run(["doctor", world.agent.path])
            #expect(doctor.output.contains("channels.telegram"), "\(doctor)")
            let ask = try await world.run(["info", "--agent", world.agent.path])
            #expect(ask.status == 0)
            // Mended without a restart.
            try world.setChannel(telegram, "token: '\(FakeTelegram.token)', pairing: true")
            _ = try await world.waitForBridge()
            server.program.signal(SIGTERM)
            #expect(try await server.program.exit() == 0)
        }
    }
}
