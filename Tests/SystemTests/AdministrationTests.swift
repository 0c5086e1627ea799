import Foundation
import Testing

/// P-72: whatever leads to the agent, a command says and does the same.
@Suite struct AdministrationTests {
    /// A command and the status that it has to end with. `BOB` is the id of bob's device, `INVITE` that of an invitation.
    private static let commands: [(line: String, status: Int32)] = [
        ("network info", 0),
        ("users list", 0),
        ("users promote bob", 0),
        ("users promote bob", 0),
        ("users promote nobody", 64),
        ("users demote bob", 0),
        ("users demote alice", 73),
        ("users suspend bob", 0),
        ("users list", 0),
        ("users resume bob", 0),
        ("network invite carol --ttl 2d --uses 3 --label friend", 0),
        ("network invite bob", 0),
        ("network invite --role agent --no-qr", 0),
        ("network invite --ttl 9999d", 64),
        ("network invites", 0),
        ("network invites revoke INVITE", 0),
        ("network invites revoke INVITE", 73),
        ("network invites revoke 0000000000", 64),
        ("devices list", 0),
        ("devices list --user bob", 0),
        ("devices list --user nobody", 64),
        ("devices show BOB", 0),
        ("devices show xyz", 64),
        ("devices rename BOB laptop", 0),
        ("devices list", 0),
        ("devices revoke BOB", 0),
        ("devices revoke BOB", 73),
        ("devices revoke BOB --json", 73),
        ("devices revoke 0000000000000000", 64),
        ("agents list", 0),
        ("bridge list", 0),
        ("bridge approve AAAAAAAA", 64),
        ("bridge senders telegram", 0),
        ("bridge senders telegram --waiting", 0),
        ("bridge remove telegram 155490357", 64),
        ("sessions list", 0),
        ("sessions list --limit 0", 64),
        ("sessions list --limit 1 --all", 64),
        ("sessions show nothing", 64),
        ("sessions messages nothing", 64),
        ("sessions title nothing Plans", 64),
        ("sessions pin plans nothing", 64),
        ("sessions pin plans builtin:librarian", 0),
        ("sessions show plans", 0),
        ("sessions title plans Plans", 0),
        ("sessions list --all", 0),
        ("sessions unpin plans", 0),
        ("sessions messages plans", 0),
        ("sessions clear plans", 0),
        ("sessions remove plans", 64),
        ("sessions remove plans --yes", 0),
        ("sessions remove plans --yes", 64),
        ("sessions clear nothing", 64),
        ("sessions archives", 0),
        ("sessions archive 999", 64),
        ("vault write a/b.md", 0),
        ("vault write a/b.md --new", 73),
        ("vault write a/b.md --if-match 0", 73),
        ("vault write ../b.md", 64),
        ("vault read a/b.md", 0),
        ("vault read a/b.md --json", 0),
        ("vault read nothing.md", 64),
        ("vault read ../openagent.yaml", 64),
        ("vault list", 0),
        ("vault list a/ --limit 1", 0),
        ("vault search changes question", 0),
        ("vault search changes --json", 0),
        ("vault move a/b.md c.md", 0),
        ("vault move a/b.md c.md", 64),
        ("vault move c.md Welcome.md", 73),
        ("vault backlinks Welcome.md", 0),
        ("vault graph --json", 0),
        ("vault tags", 0),
        ("vault reindex", 0),
        ("vault ls --json", 0),
        ("vault mv c.md a/", 0),
        ("vault mv a/c.md c.md", 0),
        ("providers list", 0),
        ("providers add local", 64),
        ("providers add local --base-url http://127.0.0.1:1/v1 --key {env:NO_SUCH_KEY}", 0),
        ("providers add openai --key sk-0123456789", 64),
        ("providers update local --base-url ftp://x", 64),
        ("providers update nobody --no-key", 64),
        ("providers list", 0),
        ("providers test local", 73),
        ("providers update local --no-key --json", 0),
        ("providers test local", 69),
        ("models available local", 69),
        ("models available --json", 0),
        ("models add local small --input-cost 1.5 --tier-hint quick", 0),
        ("models add local small", 73),
        ("models add nobody small", 64),
        ("models list", 0),
        ("models update local:small --output-cost 3 --json", 0),
        ("models default local:small", 0),
        ("models default none", 0),
        ("models default none", 73),
        ("models disable builtin:librarian", 64),
        ("models disable local:small", 0),
        ("models catalog", 0),
        ("models enable 1", 0),
        ("models providers", 0),
        ("models remove local:small --yes", 0),
        ("models remove local:small --yes", 64),
        ("tools list", 0),
        ("tools policy set shell_* deny", 0),
        ("tools policy set shell_* allow", 0),
        ("tools policy set shell allowed", 64),
        ("tools policy list --json", 0),
        ("tools policy remove shell_*", 0),
        ("tools policy remove shell_*", 64),
        ("approvals list", 0),
        ("approvals list --all-users", 0),
        ("approvals approve nothing", 64),
        ("approvals deny nothing", 64),
        ("mcps add files --env TOKEN={env:T} npx server", 0),
        ("mcps add files --url http://127.0.0.1:1", 73),
        ("mcps add other --env TOKEN=plain --url http://127.0.0.1:1", 64),
        ("mcps show files", 0),
        ("mcps list", 0),
        ("mcps update files --unset-env TOKEN --json", 0),
        ("mcps disable files", 0),
        ("mcps enable files", 0),
        ("mcps remove files --yes", 0),
        ("mcps remove files --yes", 64),
        ("providers disable local", 0),
        ("providers enable 1", 0),
        ("providers remove local --yes", 0),
        ("providers remove local --yes", 64),
        ("api GET /api/openapi.json", 0),
        ("api get /api/vault/tags --json", 0),
        ("api HEAD /api/vault/tags", 0),
        ("api GET /api/vault/notes/c.md?raw=true", 0),
        (#"api PUT /api/vault/notes/d.md --data {"content":"four"}"#, 0),
        (#"api PUT /api/vault/notes/d.md --data {"content":"five"} --header If-Match:"0""#, 73),
        ("api DELETE /api/vault/notes/d.md", 0),
        ("api GET /api/nothing", 64),
        ("api GET /api/audit?limit=0", 64),
        ("api GET /ws", 1),
        ("logs --event no::such", 0),
        ("logs --event no::such --json", 0),
        ("logs --level loud", 64),
        ("logs -n 1001", 64),
        ("logs --since yesterday", 64),
        ("usage", 0),
        ("usage --daily", 0),
        ("usage --by model", 0),
        ("usage --by session --month 2026-02", 0),
        ("usage --by day --limit 0", 64),
        ("usage --daily --days 0", 64),
        ("usage --user nobody", 0),
        ("vault delete c.md --yes", 0),
        ("vault delete c.md --yes", 64),
        ("config set limits.waiting_turns 500", 0),
        ("config set limits.waiting_turns none", 64),
        ("config set channels.mail.token hidden", 0),
        ("config set channels.mail.user 5 --json", 0),
        ("config get", 0),
        ("config get --json", 0),
        ("config get limits.waiting_turns", 0),
        ("config get nothing", 64),
        ("config unset nothing", 64),
        ("config unset channels", 0),
        ("config unset limits.waiting_turns", 0),
        ("config validate", 0),
        ("config validate --json", 0),
        ("config set providers.x 1", 64),
        ("tasks list", 0),
        ("tasks add water --cron @daily --prompt Water", 0),
        ("tasks add water --cron @daily --prompt Water", 73),
        ("tasks add water2 --cron 60 --prompt Water", 64),
        ("tasks add water2 --every 0s --prompt Water", 64),
        ("tasks add water2 --every 10m", 64),
        ("tasks add dream-mode --every 10m --prompt Dream", 64),
        ("tasks add trip --at 2099-12-24T18:00 --timezone Europe/Berlin --prompt Pack --disabled --json", 0),
        ("tasks list", 0),
        ("tasks list --enabled", 0),
        ("tasks show trip", 0),
        ("tasks show nothing", 64),
        ("tasks update water --rename tea --catch-up once --timezone Asia/Tokyo --json", 0),
        ("tasks update tea", 64),
        ("tasks disable tea", 0),
        ("tasks enable tea --json", 0),
        ("tasks runs tea", 0),
        ("tasks runs tea --limit 0", 64),
        ("tasks run nothing", 64),
        ("tasks stop nothing", 64),
        ("tasks describe @once:4102444800 --timezone Europe/Berlin", 0),
        ("tasks describe @once:4102444800 --json", 0),
        ("tasks describe @reboot", 64),
        ("tasks remove tea", 64),
        ("tasks remove tea --yes", 0),
        ("tasks remove tea --yes", 64),
        ("workflows list", 0),
        ("workflows validate flow.json", 0),
        ("workflows validate flow.json --json", 0),
        ("workflows validate nowhere.json", 64),
        ("workflows create flow.json", 0),
        ("workflows create flow.json", 73),
        ("workflows create flow.json --name other --json", 0),
        ("workflows create broken.json", 64),
        ("workflows create -", 64),
        ("workflows list", 0),
        ("workflows show flow", 0),
        ("workflows show nothing", 64),
        ("workflows update other --rename third --description Something", 0),
        ("workflows update third --file broken.json", 64),
        ("workflows update third", 64),
        ("workflows disable flow", 0),
        ("workflows enable flow", 0),
        ("workflows run nothing --input a=1 --no-wait", 64),
        ("workflows run flow --input a", 64),
        ("workflows stop nothing", 64),
        ("workflows stop flow --run nothing", 64),
        ("workflows run-show nothing", 64),
        ("workflows run flow --inputs nothing", 64),
        ("workflows runs flow --json", 0),
        ("workflows runs flow --status odd", 64),
        ("workflows stats flow --json", 0),
        ("workflows webhook add flow --slug flow-hook --kind github --json", 0),
        ("workflows webhook add flow --slug flow-hook", 73),
        ("workflows webhook add flow --kind smoke", 64),
        ("workflows webhook list --json", 0),
        ("workflows webhook rotate flow-hook --json", 0),
        ("workflows webhook rotate nothing", 64),
        ("workflows webhook remove flow-hook", 0),
        ("workflows webhook remove flow-hook", 64),
        ("workflows blocks", 0),
        ("workflows remove flow --yes", 0),
        ("workflows remove flow --yes", 64),
        ("agents remove my-agent --yes", 73),
        ("agents remove nobody --yes", 64),
        ("users remove bob", 64),
        ("users remove bob --yes", 0),
        ("users remove bob --yes", 64),
        ("users list", 0),
        ("devices list", 0),
        ("audit --limit 0", 64),
        ("audit --limit 1001", 0),
        ("users list --limit 1", 0),
        ("info", 0),
        ("routes --json", 0),
        ("audit --limit 5", 0),
        ("audit --action user.promote", 0),
        ("audit --subject bob", 0),
    ]

    @Test("P-72: every command of administration says the same and ends the same on each of the four ways to an agent")
    func carriersAreAlike() async throws {
        // All ways at once: each has an agent of its own, and starting the programs is what takes long.
        let transcripts = try await withThrowingTaskGroup(of: (Carrier, [String]).self) { group in
            for carrier in Carrier.allCases {
                group.addTask { (carrier, try await self.transcript(of: AdministeredWorld(carrier))) }
            }
            return try await group.reduce(into: [Carrier: [String]]()) { $0[$1.0] = $1.1 }
        }
        let first = try #require(transcripts[.running])
        for (carrier, transcript) in transcripts {
            #expect(transcript.count == first.count)
            for (mine, theirs) in zip(transcript, first) { #expect(mine == theirs, "\(carrier.rawValue)") }
        }
    }

    /// Runs every command, as text and as JSON in turn, and gives what each said, without times and ids.
    private func transcript(of world: AdministeredWorld) async throws -> [String] {
        let bob = try #require(
            (try await world.document(["devices", "list", "--user", "bob"])["devices"] as? [[String: Any]])?.first?[
                "device"] as? String)
        let invitation = try #require(
            try await world.document(["network", "invite", "dora", "--uses", "1"])["id"] as? String)
        for (name, type) in [("flow", "trigger-manual"), ("broken", "teleport")] {
            try Data(#"{"name":"\#(name)","nodes":[{"id":"a","type":"\#(type)"}]}"#.utf8)
                .write(to: world.home.root.appendingPathComponent("\(name).json"))
        }
        var transcript: [String] = []
        for (line, status) in Self.commands {
            let words = line.replacingOccurrences(of: "BOB", with: String(bob.prefix(16)))
                .replacingOccurrences(of: "INVITE", with: invitation).split(separator: " ").map(String.init)
            let isQuery = ["list", "show", "info", "invites", "audit", "invite"].contains {
                words.prefix(2).contains($0)
            }
            let result = try await world.run(words + (isQuery ? ["--json"] : []))
            #expect(result.status == status, "\(line): \(result)")
            if status == 0 {
                #expect(result.errors == "", "\(line)")
            } else {
                #expect(result.output == "", "\(line)")
                #expect(Self.isAdvice(result.errors), "\(line): \(result.errors)")
            }
            transcript.append(
                "\(line): \(result.status) \(try Self.stable(result.output)) \(Self.masked(result.errors))")
        }
        return transcript
    }

    /// One line of error and one that says what to do.
    static func isAdvice(_ errors: String) -> Bool {
        let lines = errors.split(separator: "\n")
        return lines.count == 2 && lines[0].hasPrefix("error: ") && lines[1].hasPrefix("hint: ")
    }

    private static func masked(_ text: String) -> String {
        text.replacing(/[0-9a-f]{10,64}/, with: "ID")
    }

    /// What is the same on every way: no times, no ids, and not who asked.
    private static func stable(_ output: String) throws -> String {
        guard let document = try? JSONSerialization.jsonObject(with: Data(output.utf8)) else { return masked(output) }
        return masked(text(stable(document, key: "")))
    }

    private static func text(_ document: Any) -> String {
        let json = try? JSONSerialization.data(withJSONObject: document, options: [.sortedKeys])
        return String(decoding: json ?? Data(), as: UTF8.self)
    }

    private static func stable(_ value: Any, key: String) -> Any {
        switch value {
        case let fields as [String: Any]:
            var fields = fields
            // Of an audit row: the operator has no device.
            if fields["actor"] != nil { fields["device"] = nil }
            // Of an MCP server: how it fares where the agent is served.
            for key in ["state", "state_since", "last_error", "tool_count", "restarts", "retry_at"]
            where fields["mcps"] == nil
                && fields["kind"] != nil && fields["env"] != nil
            {
                fields[key] = nil
            }
            // A workflow runs where the agent is served.
            if let tools = fields["tools"] as? [[String: Any]] {
                fields["tools"] = tools.filter { $0["name"] as? String != "workflow_manager_run_workflow" }
            }
            return Dictionary(uniqueKeysWithValues: fields.map { ($0.key, stable($0.value, key: $0.key)) })
        case let items as [Any]:
            return items.map { stable($0, key: key) }
        default: break
        }
        switch key {
        case "actor", "created_by", "updated_by", "owner", "client_id": return "somebody"
        case "agent_dir": return "directory"
        case "ticket", "code", "secret", "secret_hint": return "secret"
        case "addresses": return "addresses"
        case "id", "workflow_id", "next", "connections", "connections_closed": return 0
        case _
        where key.hasSuffix("_at") || key.hasSuffix("_iso") || key == "next_run"
            || ["at", "last_seen", "modified", "last_activity"].contains(key):
            return "time"
        default: return value
        }
    }

    @Test("P-72: whoami tells on each way who is known: the operator, or the user whose certificate is shown")
    func whoAmI() async throws {
        for carrier in Carrier.allCases {
            let world = try await AdministeredWorld(carrier)
            let caller = try await world.document(["whoami"])
            #expect(caller["role"] as? String == "admin")
            #expect(caller["node_id"] as? String == world.server.nodeID)
            switch carrier {
            case .running, .stopped:
                #expect(caller["operator"] as? Bool == true)
                #expect(caller["handle"] as? String == "operator")
                let invite = try await world.run(["devices", "invite"])
                #expect(invite.status == 64 && invite.errors.contains("openagent network invite HANDLE"), "\(invite)")
            case .network, .proxy:
                #expect(caller["operator"] as? Bool == false)
                #expect(caller["handle"] as? String == "alice")
                #expect((caller["certificate"] as? [String: Any])?["expires_at"] is Double)
            }
        }
    }

    @Test("P-72: a user who is no admin is refused with 77 and told whom to ask, and manages their own devices")
    func membersManageTheirOwn() async throws {
        let world = try await AdministeredWorld(.network)
        func bob(_ arguments: [String]) async throws -> (status: Int32, output: String, errors: String) {
            try await world.home.run(arguments + ["--node", "bob@my-agent"], home: world.bob)
        }
        for line in [
            "users list", "users promote bob", "users remove alice --yes", "network invite eve", "network invites",
            "tasks list", "tasks add a --every 10m --prompt b", "workflows list", "agents remove my-agent --yes",
            "audit", "devices list --user alice",
        ] {
            let result = try await bob(line.split(separator: " ").map(String.init))
            #expect(result.status == 77, "\(line): \(result)")
            #expect(Self.isAdvice(result.errors) && result.errors.contains("admin"), "\(line): \(result)")
        }
        for line in ["network info", "agents list", "whoami"] {
            #expect(try await bob(line.split(separator: " ").map(String.init)).status == 0, "\(line)")
        }
        let own = try await bob(["devices", "list"])
        let id = try #require(own.output.split(separator: "\t").first.map(String.init), "\(own)")
        #expect(own.output.split(separator: "\n").count == 1, "no other user's device is shown: \(own)")
        let alice = try #require(
            (try await world.document(["devices", "list", "--user", "alice"])["devices"] as? [[String: Any]])?
                .first?["device"] as? String)
        #expect(try await bob(["devices", "revoke", alice]).status == 64, "it does not exist for bob")
        #expect(try await bob(["devices", "rename", String(id.prefix(8)), "desk"]).status == 0)
        #expect(try await bob(["devices", "show", String(id.prefix(8))]).output.contains("desk"))

        let invite = try await bob(["devices", "invite", "--ttl", "1h"])
        let ticket = try #require(invite.output.split(separator: "\n").first.map(String.init), "\(invite)")
        let phone = world.home.root.appendingPathComponent("phone")
        #expect(try await world.home.join(ticket, handle: "bob", home: phone).status == 0)
        #expect(try await bob(["devices", "list"]).output.split(separator: "\n").count == 2)

        let unsure = try await bob(["devices", "revoke", id])
        #expect(unsure.status == 64 && unsure.errors.contains("--yes"), "the own device asks first: \(unsure)")
        #expect(try await bob(["devices", "revoke", id, "--yes"]).status == 0)
        let gone = try await bob(["whoami"])
        #expect(gone.status == 77 && gone.errors.contains("revoked") && gone.errors.contains("hint: "), "\(gone)")
    }

    @Test("neither the ticket nor the code of an invitation is in any log, at the finest level")
    func ticketsAreNotLogged() async throws {
        let home = try TestHome()
        let server = try await home.serve(["--log-level", "trace"])
        #expect(try await home.join(try await server.ticket()).status == 0)
        var secrets: [String] = []
        for target in [["--agent", home.agent.path], ["--node", "alice@my-agent"]] {
            let made = try await home.run(["network", "invite", "bob", "--json", "--log-level", "trace"] + target)
            let document = try JSONSerialization.jsonObject(with: Data(made.output.utf8)) as? [String: Any]
            secrets += ["ticket", "code"].compactMap { document?[$0] as? String }
        }
        #expect(secrets.count == 4)
        server.program.signal(SIGTERM)
        try await server.program.exit()
        let client = try String(
            contentsOf: home.home.appendingPathComponent("logs/client.log"), encoding: .utf8)
        #expect(server.program.output.contains("/api/network/invitations"), "the requests themselves are logged")
        for secret in secrets {
            #expect(!server.program.output.contains(secret) && !server.program.errors.contains(secret))
            #expect(!client.contains(secret))
        }
    }

    @Test("P-72: from the first user to a revoked device: what is told at each step, and all of it in the audit")
    func story() async throws {
        let world = try await AdministeredWorld(.network)
        let (home, bob) = (world.home, world.bob)
        #expect(try await home.run(["chat", "-m", "hello", "bob@my-agent"], home: bob).status == 0)
        #expect(try await home.run(["users", "list", "--node", "bob@my-agent"], home: bob).status == 77)
        #expect(try await world.run(["users", "promote", "bob"]).output == "bob is an admin of the network now.")
        #expect(try await home.run(["users", "list", "--node", "bob@my-agent"], home: bob).status == 0, "at once")

        let list = try await world.run(["devices", "list", "--user", "bob"])
        let id = try #require(list.output.split(separator: "\t").first.map(String.init))
        let slip = try await world.run(["devices", "revoke", String(id.prefix(3))])
        #expect(slip.status == 64 && slip.errors.contains("4 digits"), "\(slip)")
        let revoked = try await world.run(["devices", "revoke", String(id.prefix(12))])
        #expect(revoked.status == 0 && revoked.output.hasPrefix("Revoked \(id) of bob"), "\(revoked)")
        let chat = try await home.run(["chat", "-m", "hello", "bob@my-agent"], home: bob)
        #expect(chat.status == 77 && chat.errors.contains("revoked") && chat.errors.contains("hint: "), "\(chat)")

        let audit = try await world.run(["audit"])
        for (action, actor) in [
            ("user.register", "alice"), ("invitation.create", "operator"), ("user.register", "bob"),
            ("user.promote", "alice"), ("device.revoke", "alice"),
        ] {
            #expect(
                audit.output.split(separator: "\n").contains {
                    let cells = $0.split(separator: "\t", omittingEmptySubsequences: false)
                    return cells.count == 7 && cells[2] == actor && cells[4] == action && cells[6] == "ok"
                }, "\(action) by \(actor): \(audit)")
        }
        world.server.program.signal(SIGTERM)
        try await world.server.program.exit()
        let stopped = try await home.run(["users", "list", "--agent", home.agent.path])
        #expect(stopped.status == 0 && stopped.output.hasPrefix("alice\tadmin\tactive"), "\(stopped)")
        let unreachable = try await world.run(["users", "list", "--timeout", "1"])
        #expect(unreachable.status == 69 && Self.isAdvice(unreachable.errors), "\(unreachable)")
        let again = try await home.serve()
        #expect(again.nodeID == world.server.nodeID, "the directory is free again")
    }
}
