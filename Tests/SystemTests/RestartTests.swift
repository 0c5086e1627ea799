import Foundation
import Store
import Testing

/// The real program, asked to end: for good, or to be started again.
@Suite struct RestartTests {
    @Test("openagent restart ends the agent with 75 behind its running turn; started again, the conversation goes on")
    func restartEndsWith75AndTheConversationGoesOn() async throws {
        let world = try TestHome()
        let server = try await world.serveBrieflySlow()
        let reader = try world.start(["chat", "--json", "-m", "read brief"])
        reader.closeInput()
        try await reader.line(containing: "word5 ")
        let restart = try await world.run(["restart", "--node", "alice@my-agent"])
        #expect(restart.status == 0 && restart.output.hasPrefix("Restarting..."), "\(restart)")
        #expect(try await server.program.exit() == 75)
        #expect(try await reader.exit() == 0, "\(reader.errors)")
        let response = try await reader.line { $0.contains("\"type\":\"response\"") }
        #expect(response.contains("word60"))
        #expect(try await reader.line { $0.contains("\"turn_complete\"") }.contains("completed"))
        #expect(try Database(path: world.agent.appendingPathComponent("openagent.db").path).integrityProblems() == [])

        let again = try await world.serve()
        let status = try await world.run(["chat", "-m", "/context"])
        #expect(status.output.contains("Messages: 2"), "\(status)")
        let answer = try await world.run(["chat", "-m", "hello"])
        #expect(answer.status == 0 && answer.output.contains("librarian"), "\(answer)")
        again.program.signal(SIGTERM)
        #expect(try await again.program.exit() == 0)
    }

    @Test("the command /restart, the operator's restart and SIGTERM end it with 75, 75 and 0; a member is refused")
    func whoMayRestart() async throws {
        let world = try TestHome()
        var server = try await world.serve()
        let joined = try await world.join(try await server.ticket())
        #expect(joined.status == 0, "\(joined)")
        let bob = world.root.appendingPathComponent("bob")
        try await world.admit("bob", home: bob)

        let refused = try await world.run(["restart", "--node", "bob@my-agent"], home: bob)
        #expect(refused.status == 77 && AdministrationTests.isAdvice(refused.errors), "\(refused)")
        let command = try await world.run(["chat", "-m", "/restart"], home: bob)
        #expect(command.status == 77 && !command.output.contains("Restarting"), "\(command)")

        let admins = try await world.run(["chat", "-m", "/restart"])
        #expect(admins.status == 0 && admins.output.contains("Restarting..."), "\(admins)")
        #expect(try await server.program.exit() == 75)

        server = try await world.serve()
        let operators = try await world.run(["restart", "--json"])
        #expect(operators.status == 0 && operators.output == #"{"ok":true}"#, "\(operators)")
        #expect(try await server.program.exit() == 75)

        let nobody = try await world.run(["restart", "--agent", world.agent.path])
        #expect(nobody.status == 73 && nobody.errors.contains("openagent serve"), "\(nobody)")

        server = try await world.serve()
        server.program.signal(SIGTERM)
        #expect(try await server.program.exit() == 0)
    }

    @Test("SIGTERM lets a running turn end within its grace, and its client has the whole answer")
    func sigtermLetsARunningTurnEnd() async throws {
        let world = try TestHome()
        let server = try await world.serveBrieflySlow()
        let reader = try world.start(["chat", "--json", "-m", "read brief"])
        reader.closeInput()
        try await reader.line(containing: "word5 ")
        server.program.signal(SIGTERM)
        #expect(try await server.program.exit() == 0)
        #expect(try await reader.exit() == 0, "\(reader.errors)")
        let response = try await reader.line { $0.contains("\"type\":\"response\"") }
        #expect(response.contains("word60"))
    }

    @Test("the unit that the manual documents is one that systemd takes")
    func theDocumentedUnitIsRight() async throws {
        let world = try TestHome()
        let manual = URL(filePath: #filePath).appending(path: "../../../docs/operations.md").standardized
        let text = try String(contentsOf: manual, encoding: .utf8)
        let match = try #require(text.firstMatch(of: /```ini\n((?s).*?)```/))
        let unit = String(match.1)
        for line in ["Restart=always", "SuccessExitStatus=75", "TimeoutStopSec=30"] {
            #expect(unit.contains("\n\(line)\n"), "\(line)")
        }
        guard FileManager.default.isExecutableFile(atPath: "/usr/bin/systemd-analyze") else { return }
        let file = world.root.appendingPathComponent("openagent.service")
        // What it starts need not be there to see whether the rest is right.
        try Data(unit.replacing("/home/me/.local/bin/openagent", with: "/bin/true").utf8).write(to: file)
        let verify = try world.launch(
            "/usr/bin/systemd-analyze", ["verify", "--user", file.path],
            environment: ["XDG_RUNTIME_DIR": world.root.path])
        #expect(try await verify.exit() == 0, "\(verify.errors)")
        #expect(verify.errors == "")
    }
}

extension TestHome {
    /// Serves an agent that takes three seconds for `read brief`, and joins it.
    fileprivate func serveBrieflySlow() async throws -> Server {
        _ = try await run(["init", agent.path])
        let words = (1...60).map { "word\($0)" }.joined(separator: " ")
        try Data("# Brief\n\n\(words)\n".utf8).write(to: agent.appendingPathComponent("memories/brief.md"))
        let file = agent.appendingPathComponent("openagent.yaml")
        let configuration = try String(contentsOf: file, encoding: .utf8)
        try Data((configuration + "\nlibrarian:\n  words_per_second: 20\n").utf8).write(to: file)
        let server = try await serve()
        let joined = try await join(try await server.ticket())
        #expect(joined.status == 0, "\(joined)")
        return server
    }
}
