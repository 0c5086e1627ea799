import Foundation
import Testing

/// The configuration with the real binary; that commands do the same on every way to an agent is in AdministrationTests.
@Suite struct ConfigTests {
    private func config(
        _ home: TestHome, _ words: String..., input: String? = nil
    ) async throws -> (status: Int32, output: String, errors: String) {
        try await home.run(["config"] + words + ["--agent", home.agent.path], input: input)
    }

    private func file(_ home: TestHome, _ suffix: String = "") -> String {
        home.agent.appendingPathComponent("openagent.yaml" + suffix).path
    }

    private func text(_ home: TestHome, _ suffix: String = "") throws -> String {
        try String(contentsOfFile: file(home, suffix), encoding: .utf8)
    }

    /// In one step, as editors save.
    private func put(_ text: String, _ home: TestHome) throws {
        try Data(text.utf8).write(to: URL(filePath: file(home, "~")))
        #expect(rename(file(home, "~"), file(home)) == 0)
    }

    @Test("a stopped agent is set, and comments and secrets of its file stay")
    func aStoppedAgent() async throws {
        let home = try TestHome()
        #expect(try await home.run(["init", home.agent.path]).status == 0)
        let before = try text(home)
        #expect(try await config(home, "set", "limits.waiting_turns", "7").output == "Set limits.waiting_turns.")
        #expect(try text(home) == before + "limits:\n  waiting_turns: 7\n")
        #expect(try text(home, ".bak") == before)
        #expect(try await config(home, "get", "limits.waiting_turns").output == "7")
        let port = try await config(home, "set", "network.port", "4433")
        #expect(port.output == "Set network.port.\nAfter a restart: network.port (openagent restart).", "\(port)")
        let secret = try await config(home, "set", "channels.bot.token", "--stdin", input: "hunter2\n")
        #expect(secret.status == 0 && !secret.output.contains("hunter2"), "\(secret)")
        #expect(try text(home).contains("channels:\n  bot:\n    token: hunter2\n"))
        #expect(try await config(home, "set", "channels.bot.chat", "yes", "--text").status == 0)
        #expect(try text(home).contains("    token: hunter2\n    chat: \"yes\"\n"))
        let all = try await config(home, "get")
        #expect(all.output.contains("token: \"[redacted]\"") && !all.output.contains("hunter2"), "\(all)")
        #expect(try await config(home, "get", "channels.bot.token").output == "[redacted]")
        let wrong = try await config(home, "set", "network.port", "70000")
        #expect(wrong.status == 64 && wrong.errors.contains("network.port"), "\(wrong)")
        #expect(try await config(home, "unset", "network").status == 0)
        #expect(try await config(home, "unset", "channels").status == 0)
        #expect(try await config(home, "unset", "limits.waiting_turns").status == 0)
        #expect(try text(home) == before)
        #expect(try await config(home, "path").output == file(home))
    }

    @Test("the editor comes back with what is wrong, and what somebody else wrote meanwhile is not lost")
    func editing() async throws {
        let home = try TestHome()
        #expect(try await home.run(["init", home.agent.path]).status == 0)
        #expect(try await config(home, "set", "channels.bot.token", "hunter2").status == 0)
        let before = try text(home)
        func edit(_ script: String) async throws -> (status: Int32, output: String, errors: String) {
            let editor = home.root.appendingPathComponent("editor-\(UUID().uuidString)")
            try Data("#!/bin/sh\n\(script)\n".utf8).write(to: editor)
            chmod(editor.path, 0o700)
            let program = try home.start(
                ["config", "edit", "--agent", home.agent.path], environment: ["VISUAL": editor.path])
            program.closeInput()
            let status = try await program.exit()
            return (status, program.output, program.errors)
        }
        #expect(try await edit("true").output == "Nothing was changed.")
        // Wrong at first, then no YAML, then right; what it is told each time is kept.
        let seen = home.root.appendingPathComponent("seen").path
        let done = try await edit(
            """
            head -n 1 "$1" >> '\(seen)'
            grep hunter2 "$1" >> '\(seen)'
            case $(wc -l < '\(seen)') in
            1) sed -i 's/^name: .*/name: Grace/; $a limits: {waiting_turns: 0}' "$1" ;;
            2) sed -i 's/^limits: .*/limits: [/' "$1" ;;
            3) sed -i 's/^limits: .*/limits: {waiting_turns: 9}/' "$1" ;;
            esac
            """)
        #expect(done.status == 0 && done.output.hasPrefix("Changed the configuration."), "\(done)")
        let told = try String(contentsOfFile: seen, encoding: .utf8).split(separator: "\n")
        #expect(told.count == 3 && told[1].contains("limits.waiting_turns") && told[2].contains("line"), "\(told)")
        let after = try text(home)
        #expect(
            after.contains("name: Grace\n") && after.contains("token: hunter2") && after.contains("waiting_turns: 9"))
        #expect(after.contains("# The configuration of this agent.") || before.hasPrefix("#") && after.hasPrefix("#"))
        let rude = try await edit("echo '# theirs' >> '\(file(home))'; sed -i 's/Grace/Mine/' \"$1\"")
        #expect(rude.status == 73 && rude.errors.contains("kept in"), "\(rude)")
        #expect(try text(home) == after + "# theirs\n")
    }

    @Test("every mistake of a file is named, with its line")
    func validating() async throws {
        let home = try TestHome()
        #expect(try await home.run(["init", home.agent.path]).status == 0)
        let other = home.root.appendingPathComponent("other.yaml").path
        try Data("name: ''\nlimits:\n  connections: 1\nnetwork: {port: '${NONE}'}\nx: 1\n".utf8)
            .write(to: URL(filePath: other))
        let found = try await config(home, "validate", other)
        #expect(found.status == 64)
        #expect(found.output.contains("\(other):1: name:") && found.output.contains("\(other):3: limits.connections:"))
        #expect(found.output.contains("NONE") && found.output.contains("Note: \(other):5: x is not known"), "\(found)")
        #expect(try await config(home, "validate").output == "openagent.yaml is good.")
        try FileManager.default.removeItem(atPath: file(home))
        try FileManager.default.copyItem(atPath: other, toPath: file(home))
        let doctor = try await home.run(["doctor", home.agent.path])
        #expect(doctor.status == 1, "\(doctor)")
        for key in ["name", "limits.connections", "network.port"] {
            #expect(doctor.output.contains(" \(key): "), "\(doctor)")
        }
    }

    @Test("an edit by hand counts within a second, and a bad one leaves everything as it was")
    func editsByHand() async throws {
        let home = try TestHome()
        let server = try await home.serve(["--log-level", "info"])
        let before = try text(home)
        func name() async throws -> String? {
            let health = try await home.run(["api", "GET", "/api/health", "--agent", home.agent.path])
            let body = try JSONSerialization.jsonObject(with: Data(health.output.utf8)) as? [String: Any]
            return body?["agent"] as? String
        }
        try put("name: Grace\nlogging: {level: critical}\n", home)
        let start = ContinuousClock.now
        try await server.program.line(containing: "config::changed")
        // Most of it is what a busy machine may add.
        #expect(ContinuousClock.now - start < .seconds(5))
        #expect(try await name() == "Grace")
        try put("name: Eve\nlimits: {file_size: huge}\n", home)
        // The flag wins over the level of the file, so this is still logged.
        let refused = try await server.program.line { $0.contains("config::refused") }
        #expect(refused.contains("limits.file_size"))
        #expect(try await name() == "Grace")
        let bad = try await config(home, "validate")
        #expect(bad.status == 64 && bad.output.contains("line 2: limits.file_size"), "\(bad)")
        let doctor = try await home.run(["doctor", home.agent.path])
        #expect(doctor.status == 1 && doctor.output.contains("limits.file_size"))
        try put(before, home)
        try await server.program.line(containing: "config::repaired")
        #expect(try await config(home, "validate").status == 0)
        server.program.signal(SIGTERM)
        #expect(try await server.program.exit() == 0)
    }

    @Test("killed before a file takes its place, an agent has the old one, and nothing half is left")
    func killedWhileWriting() async throws {
        let home = try TestHome()
        #expect(try await home.run(["init", home.agent.path]).status == 0)
        let before = try text(home)
        for name in ["openagent.yaml", "openagent.yaml.bak"] {
            let dying = try await home.serve(environment: ["OPENAGENT_FAILURE_POINT": "rename:\(name)"])
            let writer = try home.start(
                ["config", "set", "channels.bot.token", "hunter2", "--agent", home.agent.path])
            #expect(try await dying.program.exit() == -SIGKILL)
            // It would wait for the answer of an agent that comes back.
            writer.signal(SIGKILL)
            _ = try await writer.exit()
            #expect(try text(home) == before, "\(name)")
            let next = try await home.serve()
            #expect(try await config(home, "get").status == 0)
            let left = try FileManager.default.contentsOfDirectory(atPath: home.agent.path)
            #expect(!left.contains { $0.hasSuffix(".tmp") }, "\(left)")
            next.program.signal(SIGTERM)
            _ = try await next.program.exit()
        }
        #expect(try await config(home, "set", "channels.bot.token", "hunter2").status == 0)
        #expect(try text(home) == before + "channels:\n  bot:\n    token: hunter2\n")
    }
}
