import Foundation
import JSON
import Testing

@testable import Agent
@testable import Gateway
@testable import Store
@testable import Wire

// The agent as an MCP server, over real streams: what it answers, in whose name it acts, and what it never says.

@Suite(.timeLimit(.minutes(2))) struct MCPServerTests {
    private static func message(_ method: String, _ parameters: JSONValue? = nil, id: Int64? = 1) throws -> String {
        var fields: [String: JSONValue] = ["jsonrpc": "2.0", "method": .string(method)]
        if let id { fields["id"] = .integer(id) }
        if let parameters { fields["params"] = parameters }
        return try Gateway.JSON.text(JSONValue.object(fields))
    }

    private static func call(
        _ tool: String, _ arguments: JSONValue = [:], id: Int64 = 1, token: JSONValue? = nil
    ) throws -> String {
        var parameters: [String: JSONValue] = ["name": .string(tool), "arguments": arguments]
        if let token { parameters["_meta"] = ["progressToken": token] }
        return try message("tools/call", .object(parameters), id: id)
    }

    private static func value(_ response: TestResponse) throws -> JSONValue {
        try JSONDecoder().decode(JSONValue.self, from: Data(response.body.utf8))
    }

    private static func text(_ response: TestResponse) throws -> (text: String, isError: Bool) {
        let result = try #require(try value(response)["result"], "\(response)")
        guard case .array(let content)? = result["content"] else { throw Timeout(what: "content") }
        return (try #require(content.first?["text"]?.string), result["isError"] == true)
    }

    @Test("initialize agrees on a version, tells what there is and names a session")
    func initialize() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let stream = try await running.stream(gateway.device())
            for (wanted, agreed) in [("2025-06-18", "2025-06-18"), ("1999-01-01", "2025-11-25")] {
                let answer = try await stream.ask(
                    "POST", "/mcp", try Self.message("initialize", ["protocolVersion": .string(wanted)]))
                let result = try #require(try Self.value(answer)["result"])
                #expect(result["protocolVersion"] == .string(agreed) && result["capabilities"]?["tools"] != nil)
                #expect(result["serverInfo"]?["name"] == "openagent")
                #expect(answer.headers["mcp-session-id"]?.isEmpty == false)
            }
            #expect(
                try await stream.ask("POST", "/mcp", try Self.message("notifications/initialized", id: nil)).status
                    == 202)
            #expect(try Self.value(try await stream.ask("POST", "/mcp", try Self.message("ping")))["result"] == [:])
            #expect(try await stream.ask("GET", "/mcp").status == 405)
            #expect(try await stream.ask("DELETE", "/mcp").status == 204)
        }
    }

    @Test(
        "what is no message of the protocol is told so",
        arguments: [
            ("{", -32700, 400), ("[]", -32600, 400), ("7", -32600, 400), (#"{"id":1,"method":"ping"}"#, -32600, 400),
            (#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, -32600, 400),
            (#"{"jsonrpc":"2.0","id":1}"#, -32600, 400), (#"{"jsonrpc":"2.0","id":1,"method":"nothing"}"#, -32601, 200),
            (#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#, -32602, 200),
            (#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"rm"}}"#, -32602, 200),
            (
                #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"vault_read","arguments":[]}}"#,
                -32602, 200
            ),
        ] as [(String, Int64, Int)])
    func faults(_ body: String, _ code: Int64, _ status: Int) async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let answer = try await running.stream(gateway.device()).ask("POST", "/mcp", body)
            #expect(answer.status == status, "\(answer)")
            #expect(try Self.value(answer)["error"]?["code"] == .integer(code))
        }
    }

    @Test("notes, conversations and schedule are there with the caller's rights, and no others")
    func rights() async throws {
        let notes = try TestNotes(["House/Router.md": "The router is in the [[Hall]]."])
        let gateway = try TestGateway(
            ScriptedAgent(.immediate { "you said \($0.text)" }), place: .coordinator, vault: notes.vault)
        try await gateway.run { running in
            let ana = try await running.stream(try await gateway.join("ana"))
            let root = try await running.stream(try await gateway.join("root", role: .admin))
            func names(_ stream: TestStream) async throws -> [String] {
                let answer = try Self.value(try await stream.ask("POST", "/mcp", try Self.message("tools/list")))
                guard case .array(let tools)? = answer["result"]?["tools"] else { return [] }
                return tools.compactMap { $0["name"]?.string }
            }
            #expect(try await names(root) == OutsideTool.all.map(\.name))
            #expect(
                Set(OutsideTool.all.map(\.name)).subtracting(try await names(ana)) == [
                    "schedule_list", "schedule_create",
                ])
            func ask(_ tool: String, _ arguments: JSONValue, _ stream: TestStream) async throws -> (
                text: String, isError: Bool
            ) {
                try Self.text(try await stream.ask("POST", "/mcp", try Self.call(tool, arguments)))
            }
            #expect(
                try await ask("vault_read", ["path": "House/Router.md"], ana).text == "The router is in the [[Hall]].")
            #expect(
                try await ask("vault_search", ["query": "router", "limit": 3], ana).text.contains("House/Router.md"))
            #expect(try await !ask("vault_write", ["path": "New note.md", "content": "x & y"], ana).isError)
            #expect(notes.text(of: "New note.md") == "x & y")
            for path in ["../openagent.yaml", "/etc/passwd", "House/../../x", "..%2f..%2fx", ".git/config", ""] {
                #expect(try await ask("vault_read", ["path": .string(path)], ana).isError, "\(path)")
                #expect(try await ask("vault_write", ["path": .string(path), "content": "x"], ana).isError, "\(path)")
            }
            let answer = try await ask("ask_agent", ["message": "hello", "session_id": "s"], ana)
            #expect(answer.text == "you said hello" && !answer.isError)
            #expect(try await ask("session_read", ["session_id": "s"], ana).text.contains("you said hello"))
            #expect(try await ask("session_read", ["session_id": "s"], root).isError, "another's conversation")
            #expect(try await ask("sessions_list", [:], root).text.contains(#""sessions":[]"#))
            #expect(try await ask("schedule_describe", ["expression": "0 9 * * *"], ana).text.contains("upcoming"))
            let task: JSONValue = ["name": "water", "cron_expression": "0 9 * * *", "prompt": "Water"]
            #expect(try await !ask("schedule_create", task, root).isError)
            #expect(try await ask("schedule_list", [:], root).text.contains("water"))
            let refused = try await ana.ask("POST", "/mcp", try Self.call("schedule_create", task))
            #expect(try Self.value(refused)["error"] != nil)
            for arguments in [["path": 7], ["path": "a.md", "more": 1], [:]] as [JSONValue] {
                #expect(try await ask("vault_read", arguments, ana).isError)
            }
        }
    }

    @Test("a turn tells what happens in it to whoever wants to hear, and its answer comes last")
    func progress() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let stream = try await running.stream(gateway.device("ana"))
            let body = try Self.call("ask_agent", ["message": "go", "session_id": "s"], id: 7, token: "t")
            try await stream.send(
                "POST /mcp HTTP/1.1\r\nHost: a\r\nAccept: application/json, text/event-stream\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
            )
            let run = try await gateway.agent.nextRun()
            run.status("Reading")
            try await stream.read(through: #""message":"Reading","progress":1,"progressToken":"t"}}"#)
            run.answer("done")
            try await stream.read(
                through:
                    #"{"id":7,"jsonrpc":"2.0","result":{"content":[{"text":"done","type":"text"}],"isError":false}}"#)
        }
    }

    @Test("a caller who leaves stops waiting, the turn goes on; one who cancels stops the turn")
    func cancelled() async throws {
        let gateway = try TestGateway(
            limits: {
                var limits = GatewayLimits.patient; limits.chatTime = .seconds(60); return limits
            }())
        try await gateway.run { running in
            let ana = gateway.device("ana")
            func begin(_ id: Int64, _ session: String) async throws -> (TestStream, ScriptedRun) {
                let stream = try await running.stream(ana)
                let body = try Self.call(
                    "ask_agent", ["message": "go", "session_id": .string(session)], id: id, token: 1)
                try await stream.send(
                    "POST /mcp HTTP/1.1\r\nHost: a\r\nMcp-Session-Id: c\r\nAccept: text/event-stream\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
                )
                return (stream, try await gateway.agent.nextRun())
            }
            let (left, first) = try await begin(1, "left")
            await left.close()
            first.answer("heard by nobody")
            #expect(try await !first.wasCancelled())

            let (waiting, second) = try await begin(2, "cancelled")
            // Another client's request of the same number is another one, and so is another user's.
            let cancel = try Self.message("notifications/cancelled", ["requestId": 2], id: nil)
            let head = "POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Length: \(cancel.utf8.count)\r\n"
            let other = try await running.stream(ana)
            try await other.send(head + "Mcp-Session-Id: d\r\n\r\n" + cancel)
            #expect(try await other.response()?.status == 202)
            let stranger = try await running.stream(gateway.device("bob"))
            try await stranger.send(head + "Mcp-Session-Id: c\r\n\r\n" + cancel)
            #expect(try await stranger.response()?.status == 202)
            second.status("Still here")
            try await waiting.read(through: "Still here")
            try await other.send(head + "Mcp-Session-Id: c\r\n\r\n" + cancel)
            #expect(try await other.response()?.status == 202)
            #expect(try await second.wasCancelled())
            try await waiting.read(through: "-32800")
        }
    }

    @Test("the policy can close the door to other programs, tool by tool; every call and every refusal has a row")
    func policy() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let root = try await running.stream(gateway.device("root", standing: .active(role: .admin)))
            // What is said of everything is said of the agent's own tools.
            #expect(try await root.ask("PUT", "/api/tool-policies/*", #"{"rule":"deny"}"#).status == 201)
            #expect(try await !Self.text(try await root.ask("POST", "/mcp", try Self.call("sessions_list"))).isError)
            #expect(try await root.ask("PUT", "/api/tool-policies/outside_*", #"{"rule":"deny"}"#).status == 201)
            let refused = try await Self.text(try await root.ask("POST", "/mcp", try Self.call("sessions_list")))
            #expect(refused.isError && refused.text.contains("policy"))
            let audit: AuditBody = try await root.ask("GET", "/api/audit?action=tool").decode()
            #expect(audit.entries.map(\.action) == ["tool.denied", "tool.result", "tool.call"])
        }
    }

    @Test("a version of the protocol that is not spoken here is refused with those that are")
    func versions() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let stream = try await running.stream(gateway.device())
            let body = try Self.message("ping")
            for (version, status) in [("2025-03-26", 200), ("2031-01-01", 400)] {
                try await stream.send(
                    "POST /mcp HTTP/1.1\r\nHost: a\r\nMcp-Protocol-Version: \(version)\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
                )
                #expect(try await stream.response()?.status == status)
            }
        }
    }
}
