import Foundation
import Testing

/// P-71, P-72: which agent an administrator's command means, and what is said when there is none.
@Suite struct TargetTests {
    @Test("P-71: without a flag the agent of the folder is meant, else what runs, else the network that was joined")
    func theNearestAgentIsMeant() async throws {
        let world = try await AdministeredWorld(.network)
        func handle(_ arguments: [String], _ environment: [String: String] = [:], home: URL? = nil) async throws
            -> String
        {
            let program = try world.home.start(["whoami", "--json"] + arguments, home: home, environment: environment)
            #expect(try await program.exit() == 0, "\(arguments) \(environment) \(program.errors)")
            let caller = try JSONSerialization.jsonObject(with: Data(program.output.utf8)) as? [String: Any]
            return caller?["handle"] as? String ?? program.output
        }
        let (_, url) = try await world.home.startProxy(["alice@my-agent"])
        let socket = world.home.root.appendingPathComponent("proxy.sock").path
        let listening = try world.home.start(["proxy", "--token", "--unix", socket, "alice@my-agent"])
        try await listening.line(containing: socket)
        #expect(try await handle([]) == "operator")
        #expect(try await handle(["--node", world.server.nodeID]) == "operator")
        #expect(try await handle(["--node", "my-agent"]) == "operator")
        #expect(try await handle(["--node", "alice@my-agent"]) == "alice")
        #expect(try await handle(["--proxy", url]) == "alice")
        #expect(try await handle(["--proxy", "unix:" + socket]) == "alice", "with the token of this user's home")
        #expect(try await handle([], ["OPENAGENT_PROXY": url]) == "alice")
        #expect(try await handle([], ["OPENAGENT_NODE": "alice@my-agent"]) == "alice")
        #expect(try await handle(["--agent", world.home.agent.path], ["OPENAGENT_PROXY": url]) == "operator")
        let token = try String(
            contentsOf: world.home.home.appendingPathComponent("user/proxy.token"), encoding: .utf8
        ).trimmingCharacters(in: .whitespacesAndNewlines)
        #expect(
            try await handle(
                ["--proxy", "unix:" + socket], ["OPENAGENT_PROXY_TOKEN": token],
                home: world.home.root.appendingPathComponent("nobody")) == "alice")
        let mistaken = try world.home.start(
            ["whoami", "--proxy", url], environment: ["OPENAGENT_PROXY_TOKEN": "nonsense"])
        #expect(try await mistaken.exit() == 64)
        #expect(AdministrationTests.isAdvice(mistaken.errors), "\(mistaken.errors)")
        let stranger = try await world.home.run(
            ["whoami", "--proxy", "unix:" + socket], home: world.home.root.appendingPathComponent("nobody"))
        #expect(stranger.status == 77 && stranger.errors.contains("OPENAGENT_PROXY_TOKEN"), "\(stranger)")

        // Where no agent's folder is: what runs for this user, and for another user what that one has joined.
        try FileManager.default.createDirectory(
            at: world.home.root.appendingPathComponent("elsewhere"), withIntermediateDirectories: true)
        func elsewhere(_ home: URL) async throws -> String {
            let program = try world.home.launch(
                "/usr/bin/env", ["-C", "elsewhere", TestHome.binary, "whoami", "--json"],
                environment: ["OPENAGENT_HOME": home.path])
            #expect(try await program.exit() == 0, "\(program.errors)")
            return program.output
        }
        #expect(try await elsewhere(world.home.home).contains("\"handle\":\"operator\""))
        #expect(try await elsewhere(world.bob).contains("\"handle\":\"bob\""))
    }

    @Test(
        "P-71: whoever names no agent, none that exists or two of them reads what to do, and the status tells the kind")
    func whatCannotBeMeantIsNamed() async throws {
        let world = try TestHome()
        for (arguments, status, word) in [
            ([], 73, "--agent DIR"), (["--agent", "/nowhere"], 73, "openagent init"),
            (["--node", "nobody"], 64, "--agent"),
            (["--node", "nobody@nowhere"], 64, "--agent"), (["--proxy", "http://127.0.0.1:9"], 69, "openagent proxy"),
            (["--proxy", "http://example.org:8080"], 64, "openagent proxy"),
            (["--proxy", "nonsense"], 64, "openagent proxy"),
            (["--proxy", "unix:/nowhere.sock"], 69, "openagent proxy"),
        ] as [([String], Int32, String)] {
            let result = try await world.run(["users", "list"] + arguments)
            #expect(result.status == status, "\(arguments) \(result)")
            #expect(AdministrationTests.isAdvice(result.errors) && result.errors.contains(word), "\(result)")
        }
        let both = try await world.run(["users", "list", "--agent", "x", "--proxy", "y"])
        #expect(both.status == 64, "\(both)")
    }

    @Test("network init makes a network without a server, once; a running agent's stays, and another name is refused")
    func networkIsMadeOnce() async throws {
        let world = try TestHome()
        _ = try await world.run(["init", world.agent.path])
        let made = try await world.run(["network", "init", "--name", "home", "--json"])
        #expect(made.status == 0 && made.output.contains("\"name\":\"home\""), "\(made)")
        let again = try await world.run(["network", "init", "--json"])
        #expect(again.status == 0 && again.output == made.output, "\(again)")
        let other = try await world.run(["network", "init", "--name", "other"])
        #expect(other.status == 73 && AdministrationTests.isAdvice(other.errors), "\(other)")
        let server = try await world.serve()
        #expect(try await world.run(["network", "init", "--json"]).output == made.output)
        #expect(try await world.run(["network", "info", "--json"]).output == made.output)
        #expect(try await world.join(try await server.ticket()).status == 0)
    }

    @Test("the spellings of other OpenAgent programs mean the same")
    func otherSpellings() async throws {
        let world = try await AdministeredWorld(.running)
        for (spelling, ours) in [
            ("network users", "users list"), ("network agents", "agents list"), ("network list-agents", "agents list"),
            ("network invites", "network invites list"),
        ] {
            let mine = try await world.run(ours.split(separator: " ").map(String.init))
            let theirs = try await world.run(spelling.split(separator: " ").map(String.init))
            #expect(theirs.status == 0 && theirs.output == mine.output, "\(spelling): \(theirs) \(mine)")
        }
        let invitation = try #require(try await world.document(["network", "invite", "carol"])["id"] as? String)
        let revoked = try await world.run(["network", "invites", "--revoke", String(invitation.prefix(6))])
        #expect(revoked.status == 0 && revoked.output.contains("Took invitation \(invitation) back"), "\(revoked)")
        let list = try await world.run(["devices", "list", "--user", "bob"])
        let id = try #require(list.output.split(separator: "\t").first.map(String.init))
        #expect(try await world.run(["network", "revoke-device", id]).output.hasPrefix("Revoked \(id)"))
    }

    @Test("a member agent administers nothing, running or stopped: it says so, and which agent coordinates its network")
    func memberAgentsNameTheirCoordinator() async throws {
        let world = try TestHome()
        let coordinator = try await world.serve(["--name", "home"])
        _ = try await world.join(try await coordinator.ticket())
        let invited = try await world.run(["network", "invite", "--role", "agent"])
        let ticket = try #require(invited.output.split(separator: "\n").first.map(String.init), "\(invited)")
        let member = world.root.appendingPathComponent("member").path
        let joined = try await world.run(["network", "join", ticket, "--agent", member])
        #expect(joined.status == 0, "\(joined)")

        func refused(_ line: String) async throws {
            let result = try await world.run(line.split(separator: " ").map(String.init) + ["--agent", member])
            #expect(result.status == 64, "\(line): \(result)")
            #expect(AdministrationTests.isAdvice(result.errors), "\(line): \(result)")
            #expect(
                result.errors.contains(coordinator.nodeID) && result.errors.contains("'home'"), "\(line): \(result)")
        }
        for line in ["users list", "devices list", "network invite bob"] { try await refused(line) }
        // What its own tools did is its own account.
        let account = try await world.run(["audit", "--agent", member])
        #expect(account.status == 0 && account.output.contains("network.join"), "\(account)")
        let initialized = try await world.run(["network", "init", "--json", "--agent", member])
        #expect(initialized.status == 0 && initialized.output.contains("\"role\":\"member\""), "\(initialized)")
        let server = try world.start(["serve", member])
        try await server.line { $0.hasPrefix("Listens") }
        for line in ["users list", "devices list", "network invite bob"] { try await refused(line) }
        let info = try await world.run(["network", "info", "--json", "--agent", member])
        #expect(info.status == 0 && info.output == initialized.output, "\(info)")
        #expect(info.output.contains("\"coordinator_node_id\":\"\(coordinator.nodeID)\""), "\(info)")

        let agents = try await world.run(["agents", "list"])
        #expect(agents.output.split(separator: "\n").count == 2, "\(agents)")
        #expect(try await world.run(["agents", "remove", "member", "--yes"]).status == 0)
        #expect(try await world.run(["agents", "list"]).output.split(separator: "\n").count == 1)
    }
}
