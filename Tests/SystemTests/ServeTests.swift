import Foundation
import Store
import Testing

@Suite struct ServeTests {
    @Test("P-12: serving opens UDP sockets and no TCP port")
    func servingOpensNoTCPPort() async throws {
        let world = try TestHome()
        let server = try await world.serve()
        #expect(try listeningTCPSockets(of: server.program.pid) == [])
        #expect(try udpSocketCount(of: server.program.pid) > 0)
        server.program.signal(SIGTERM)
        #expect(try await server.program.exit() == 0)
    }

    @Test("P-68: a second server says who runs, and leaves")
    func secondServerLeaves() async throws {
        let world = try TestHome()
        let server = try await world.serve()
        let second = try await world.run(["serve", world.agent.path])
        #expect(second.status == 73)
        #expect(second.errors.contains("\(server.program.pid)"))
        server.program.signal(SIGTERM)
        #expect(try await server.program.exit() == 0)
    }

    @Test("P-68: what a killed server left behind is replaced, also when its pid lives on in another process")
    func staleRecordIsReplaced() async throws {
        let world = try TestHome()
        let first = try await world.serve()
        first.program.signal(SIGKILL)
        #expect(try await first.program.exit() == -SIGKILL)

        let record = world.agent.appendingPathComponent(".openagent/run.json")
        var fields = try #require(
            try JSONSerialization.jsonObject(with: Data(contentsOf: record)) as? [String: any Sendable])
        #expect(fields["pid"] as? Int == Int(first.program.pid))
        fields["pid"] = Int(ProcessInfo.processInfo.processIdentifier)
        try JSONSerialization.data(withJSONObject: fields).write(to: record)

        let second = try await world.serve()
        #expect(second.nodeID == first.nodeID)
        second.program.signal(SIGTERM)
        #expect(try await second.program.exit() == 0)
    }

    @Test("P-69: a signal in mid-turn ends cleanly: exit 0, sound database, the turn marked interrupted")
    func signalInMidTurnEndsCleanly() async throws {
        let world = try TestHome()
        let (server, reader) = try await world.serveSlowAnswer()
        server.program.signal(SIGTERM)
        #expect(try await server.program.exit() == 0)
        #expect(try Database(path: world.agent.appendingPathComponent("openagent.db").path).integrityProblems() == [])
        let again = try await world.serve()
        let end = try await reader.line { $0.contains("\"turn_complete\"") }
        #expect(end.contains("cancelled"))
        again.program.signal(SIGINT)
        #expect(try await again.program.exit() == 0)
    }

    @Test("P-69: a second signal forces the end")
    func secondSignalForces() async throws {
        let world = try TestHome()
        let (server, reader) = try await world.serveSlowAnswer()
        server.program.signal(SIGINT)
        try await server.program.line(containing: "stopping")
        server.program.signal(SIGINT)
        #expect(try await server.program.exit(within: 3) == 130)
        reader.signal(SIGKILL)
    }

    @Test("P-71: a second shell finds the server with no configuration, and says so when it is dead")
    func secondShellFindsTheServer() async throws {
        let world = try TestHome()
        let server = try await world.serve()
        let status = try await world.run(["status"])
        #expect(status.status == 0, "\(status)")
        #expect(status.output.contains(server.nodeID))

        server.program.signal(SIGKILL)
        try await server.program.exit()
        let dead = try await world.run(["status"])
        #expect(dead.status == 73)
        #expect(dead.errors.contains("not running"))
        #expect(dead.errors.contains("hint: "))
    }

    @Test("stop ends the running server, and says when there is none")
    func stopEndsTheServer() async throws {
        let world = try TestHome()
        let server = try await world.serve()
        let stop = try await world.run(["stop", "--agent", world.agent.path])
        #expect(stop.status == 0, "\(stop)")
        #expect(try await server.program.exit() == 0)
        let again = try await world.run(["stop", "--agent", world.agent.path])
        #expect(again.status == 73)
    }

    @Test("init makes an agent once; id and version tell what they say")
    func smallCommands() async throws {
        let world = try TestHome()
        let made = try await world.run(["init", world.agent.path])
        #expect(made.status == 0, "\(made)")
        #expect(FileManager.default.fileExists(atPath: world.agent.appendingPathComponent("openagent.yaml").path))
        let id = try await world.run(["id", "--agent", world.agent.path])
        #expect(id.output.count == 64)
        let version = try await world.run(["version"])
        #expect(version.output.hasPrefix("openagent "))
        let other = try await world.run(["status", "--agent", "/nowhere"])
        #expect(other.status != 0)
        #expect(other.errors.hasPrefix("error: "))
    }

    @Test("a bad configuration names file, line and key, and nothing is served")
    func badConfigurationIsNamed() async throws {
        let world = try TestHome()
        _ = try await world.run(["init", world.agent.path])
        let file = world.agent.appendingPathComponent("openagent.yaml")
        try Data("name: x\nnetwork:\n  port: many\n".utf8).write(to: file)
        let serve = try await world.run(["serve", world.agent.path])
        #expect(serve.status == 64)
        #expect(serve.errors.contains("openagent.yaml:3"))
        #expect(serve.errors.contains("network.port"))
    }

    @Test("the port comes from the flag, else the environment, else openagent.yaml; what is no port is refused")
    func theNearestPortCounts() async throws {
        let world = try TestHome()
        _ = try await world.run(["init", world.agent.path])
        let ports = try freeUDPPorts(3)
        let yaml = world.agent.appendingPathComponent("openagent.yaml")
        try Data("network:\n  port: \(ports[0])\n".utf8).write(to: yaml)
        let environment = ["OPENAGENT_PORT": "\(ports[1])"]
        for (arguments, environment, port) in [
            ([], [:], ports[0]), ([], environment, ports[1]), (["--port", "\(ports[2])"], environment, ports[2]),
        ] as [([String], [String: String], Int)] {
            let server = try await world.serve(arguments, environment: environment)
            let status = try await world.run(["status", "--json"])
            #expect(status.output.contains("\"udp_port\":\(port)"), "\(status)")
            server.program.signal(SIGTERM)
            #expect(try await server.program.exit() == 0)
        }
        let wrong = try world.start(["serve", world.agent.path], environment: ["OPENAGENT_PORT": "many"])
        #expect(try await wrong.exit() == 64)
        #expect(wrong.errors.contains("OPENAGENT_PORT"))
    }

    @Test("an agent that cannot be served is not: the message says why and what to do")
    func whatCannotBeServedIsNamed() async throws {
        let world = try TestHome()
        let server = try await world.serve()
        let status = try await world.run(["status", "--json"])
        let record = try #require(
            try JSONSerialization.jsonObject(with: Data(status.output.utf8)) as? [String: any Sendable])
        let port = try #require(record["udp_port"] as? Int)

        let other = world.root.appendingPathComponent("other").path
        let taken = try await world.run(["serve", other, "--port", "\(port)"])
        #expect(taken.status == 1)
        #expect(taken.errors.contains("UDP port \(port)") && taken.errors.contains("--port"), "\(taken)")
        server.program.signal(SIGTERM)
        #expect(try await server.program.exit() == 0)
        let leftovers = try FileManager.default.contentsOfDirectory(atPath: world.agent.path)
        #expect(!leftovers.contains { $0.hasSuffix("-wal") || $0.hasSuffix("-shm") }, "\(leftovers)")

        let key = world.agent.appendingPathComponent("identity.key").path
        try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: key)
        let readable = try await world.run(["serve", world.agent.path])
        #expect(readable.status == 1)
        #expect(readable.errors.contains("chmod 600"), "\(readable)")

        let inTheWay = world.root.appendingPathComponent("file")
        try Data().write(to: inTheWay)
        let unwritable = try await world.run(["serve", inTheWay.appendingPathComponent("agent").path])
        #expect(unwritable.status == 1)
        #expect(unwritable.errors.contains("cannot create"), "\(unwritable)")
    }

    @Test("every local command takes a directory, a node id or a name, by flag and by environment")
    func agentsAreNamedTheSameWayEverywhere() async throws {
        let world = try TestHome()
        let server = try await world.serve(["--name", "Ada"])
        _ = try await world.join(try await server.ticket())
        let other = world.root.appendingPathComponent("other").path
        _ = try await world.run(["init", other])
        for command in [["status"], ["id"], ["devices", "list"]] {
            for (flags, environment) in [
                (["--agent", world.agent.path], [:]), (["--node", server.nodeID], [:]), (["--node", "my-agent"], [:]),
                ([], ["OPENAGENT_AGENT": world.agent.path]), ([], ["OPENAGENT_NODE": server.nodeID]),
                (["--node", server.nodeID], ["OPENAGENT_AGENT": other]),
            ] as [([String], [String: String])] {
                let program = try world.start(command + flags, environment: environment)
                #expect(try await program.exit() == 0, "\(command) \(flags) \(environment) \(program.errors)")
            }
            let both = try await world.run(command + ["--agent", other, "--node", "x"])
            #expect(both.status == 64)
        }
        for (flags, environment) in [
            (["--agent", world.agent.path], [:]), (["--node", server.nodeID], [:]), (["--node", "Ada"], [:]),
            ([], ["OPENAGENT_AGENT": world.agent.path]), ([], ["OPENAGENT_NODE": "Ada"]), (["alice@ada"], [:]),
            (["--agent", world.agent.path], ["OPENAGENT_NODE": "nobody"]),
        ] as [([String], [String: String])] {
            let chat = try world.start(["chat", "-m", "/status"] + flags, environment: environment)
            #expect(try await chat.exit() == 0, "\(flags) \(environment) \(chat.errors)")
        }
        let unknown = try await world.run(["chat", "-m", "hello", "--node", "nobody"])
        #expect(unknown.status == 64)
        #expect(unknown.errors.contains("alice@Ada"), "\(unknown)")
    }

    @Test("when standard output is no terminal it carries JSON lines only, and no ticket")
    func logsAreJSONLines() async throws {
        let world = try TestHome()
        let server = try await world.serve()
        let ticket = try await server.ticket()
        server.program.signal(SIGTERM)
        try await server.program.exit()
        let lines = server.program.output.split(separator: "\n")
        #expect(!lines.isEmpty)
        for line in lines {
            let fields = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            #expect(fields?["time"] != nil && fields?["level"] != nil, "\(line)")
        }
        #expect(!server.program.output.contains(ticket))
    }
}

extension TestHome {
    /// Serves an agent that answers slowly, 20 words a second, and joins it.
    func serveSlowly() async throws -> Server {
        _ = try await run(["init", agent.path])
        let words = (1...400).map { "word\($0)" }.joined(separator: " ")
        try Data("# Long\n\n\(words)\n".utf8).write(to: agent.appendingPathComponent("memories/long.md"))
        let file = agent.appendingPathComponent("openagent.yaml")
        let configuration = try String(contentsOf: file, encoding: .utf8)
        try Data((configuration + "\nlibrarian:\n  words_per_second: 20\n").utf8).write(to: file)
        let server = try await serve(["--grace", "1"])
        let joined = try await join(try await server.ticket())
        #expect(joined.status == 0, "\(joined)")
        return server
    }

    /// Asks a slow agent for a long answer.
    ///
    /// - Returns: the server and the asking `chat --json`, of which some text has arrived.
    func serveSlowAnswer() async throws -> (Server, Program) {
        let server = try await serveSlowly()
        let reader = try start(["chat", "--json", "-m", "read long"])
        reader.closeInput()
        try await reader.line(containing: "word5")
        return (server, reader)
    }
}
