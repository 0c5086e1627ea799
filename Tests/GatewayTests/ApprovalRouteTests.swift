import Foundation
import JSON
import Testing

@testable import Agent
@testable import Gateway
@testable import Store
@testable import Wire

// P-29, P-30, P-31 as clients see them: questions on whichever client is there, the policy, and the account of what was done.

@Suite(.timeLimit(.minutes(2))) struct ApprovalRouteTests {
    private static let tool = OfferedTool(
        fullName: "other_write", server: "other",
        definition: ToolDefinition(name: "write", description: "", parameters: [:]))

    /// Lets the turn that runs call a tool, as a toolbox does.
    private static func call(
        _ run: ScriptedRun, in gateway: TestGateway, _ arguments: [String: JSONValue] = ["path": "a"]
    ) async throws -> ToolVerdict {
        let context = ToolContext(
            turnID: run.request.turnID, callID: "c", sessionID: run.request.sessionID, handle: run.request.handle,
            isAdmin: false)
        return try await #require(gateway.configuration.approvals).admit(tool, arguments, for: context) {
            run.emit($0)
        }
    }

    private static func request(_ messages: [ServerMessage]) throws -> ServerMessage.ApprovalRequest {
        let found = messages.compactMap { message -> ServerMessage.ApprovalRequest? in
            if case .approvalRequest(let request) = message.body { request } else { nil }
        }
        return try #require(found.last)
    }

    private static func isStatus(_ message: ServerMessage) -> Bool {
        if case .status(let text) = message.body { text.hasPrefix("Waiting until other_write") } else { false }
    }

    @Test("P-29: a question is an event of the session: a client that comes back sees it, and its answer counts")
    func overWebSocket() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let (ana, bob) = (gateway.device("ana"), gateway.device("bob"))
            let first = try await running.webSocket(ana)
            try await first.say("go")
            let run = try await gateway.agent.nextRun()
            async let verdict = Self.call(run, in: gateway)
            let seen = try await first.messages(through: Self.isStatus)
            let asked = try Self.request(seen)
            #expect(asked.tool == "other_write" && asked.arguments == #"{"path":"a"}"#)
            #expect(asked.expiresAt > gateway.clock.now && asked.expiresAt < gateway.clock.now + 601)
            await first.close()

            // Another user's word is none, whatever they know.
            let stranger = try await running.webSocket(bob)
            try await stranger.send(.approvalReply(id: asked.id, decision: .approve))
            #expect(try await stranger.message().errorCode == .notFound)

            let second = try await running.webSocket(ana)
            try await second.send(.sessionOpen(.init(sessionID: "s", afterSequence: 0)))
            let again = try await second.messages(through: Self.isStatus)
            #expect(try Self.request(again) == asked)
            let event = try #require(again.first { $0.body == .approvalRequest(asked) })
            #expect(event.sessionID == "s" && event.turnID == run.request.turnID && event.sequence != nil)
            try await second.send(.approvalReply(id: asked.id, decision: .approve))
            #expect(try await verdict == .allowed)
            let settled = try await second.messages { $0.body == .approvalSettled(id: asked.id, decision: "approved") }
            #expect(settled.last?.sequence != nil)
            try await second.send(.approvalReply(id: asked.id, decision: .deny))
            let late = try await second.message()
            #expect(late.errorCode == .conflict)
            run.answer("done")
            _ = try await second.messages { if case .turnComplete = $0.body { true } else { false } }
        }
    }

    @Test("P-29: over REST everybody sees and answers their own, admins on request all")
    func overREST() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let ana = try await running.stream(gateway.device("ana"))
            let bob = try await running.stream(gateway.device("bob"))
            let root = try await running.stream(gateway.device("root", standing: .active(role: .admin)))
            let socket = try await running.webSocket(gateway.device("ana"))
            try await socket.say("go")
            let run = try await gateway.agent.nextRun()
            async let verdict = Self.call(run, in: gateway)
            let id = try Self.request(try await socket.messages(through: Self.isStatus)).id

            let own: ApprovalsBody = try await ana.ask("GET", "/api/approvals?state=pending").decode()
            #expect(own.approvals.map(\.id) == [id] && own.approvals[0].arguments == #"{"path":"a"}"#)
            let none: ApprovalsBody = try await bob.ask("GET", "/api/approvals").decode()
            #expect(none.approvals.isEmpty)
            #expect(try await bob.ask("GET", "/api/approvals?all=1").status == 403)
            let all: ApprovalsBody = try await root.ask("GET", "/api/approvals?all=1&state=pending").decode()
            #expect(all.approvals == own.approvals)
            #expect(try await ana.ask("GET", "/api/approvals?state=maybe").code == "invalid")

            let path = "/api/approvals/\(id)"
            #expect(try await bob.ask("POST", path, #"{"decision":"approve"}"#).status == 404)
            #expect(try await ana.ask("POST", path, #"{"decision":"always"}"#).status == 400)
            let denied: OneApproval = try await ana.ask("POST", path, #"{"decision":"deny"}"#).decode()
            #expect(denied.approval.state == "denied" && denied.approval.decidedBy == "ana")
            #expect(try await verdict != .allowed)
            #expect(try await ana.ask("POST", path, #"{"decision":"approve"}"#).status == 409)
            run.answer("done")
        }
    }

    @Test("P-29: stopping the turn takes its question back")
    func stopped() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device("ana"))
            try await socket.say("go")
            let run = try await gateway.agent.nextRun()
            // The gate waits in the task of the turn, which an interruption cancels.
            let call = Task { try await Self.call(run, in: gateway) }
            let id = try Self.request(try await socket.messages(through: Self.isStatus)).id
            try await socket.send(.interrupt(sessionID: "s"))
            #expect(try await run.wasCancelled())
            call.cancel()
            await #expect(throws: CancellationError.self) { try await call.value }
            #expect(try await gateway.configuration.approvals?.repository.question(id)?.state == .withdrawn)
        }
    }

    @Test("a request that waits for the answer to its message is told which call holds it up, and the turn goes on")
    func toldToWhoeverWaits() async throws {
        let gateway = try TestGateway(limits: .patient)
        try await gateway.run { running in
            let ana = gateway.device("ana")
            let stream = try await running.stream(ana)
            async let answer = stream.ask("POST", "/api/chat", #"{"message":"go","session_id":"s","message_id":"m"}"#)
            let run = try await gateway.agent.nextRun()
            async let verdict = Self.call(run, in: gateway)
            let waited = try await answer
            #expect(waited.status == 504 && waited.message?.contains("other_write waits") == true, "\(waited)")
            let id = try #require(
                try await gateway.configuration.approvals?.repository.questions(
                    of: "ana", state: .pending, before: nil, limit: 1
                ).first?.id)
            #expect(waited.hint?.contains("/api/approvals/\(id)") == true)
            #expect(try await stream.ask("POST", "/api/approvals/\(id)", #"{"decision":"approve"}"#).status == 200)
            #expect(try await verdict == .allowed)
            run.answer("done")
        }
    }

    @Test("P-30: a wider grant leaves an audit row with before and after, and everybody hears of it")
    func policy() async throws {
        let gateway = try TestGateway(place: .coordinator)
        try await gateway.run { running in
            let root = try await gateway.join("root", role: .admin)
            let admin = try await running.stream(root)
            let ana = try await gateway.join("ana")
            let member = try await running.stream(ana)
            let socket = try await running.webSocket(ana)
            #expect(try await member.ask("PUT", "/api/tool-policies/shell_*", #"{"rule":"allow"}"#).status == 403)
            #expect(try await admin.ask("PUT", "/api/tool-policies/shell_*", #"{"rule":"deny"}"#).status == 201)
            #expect(try await admin.ask("PUT", "/api/tool-policies/shell_%2A", #"{"rule":"allow"}"#).status == 200)
            let made = try await socket.resourceEvent { $0.resource == "tool_policy" }
            #expect(made.action == "updated" && made.id == "shell_*")
            #expect(try await socket.resourceEvent { $0.resource == "tool_policy" }.action == "updated")
            let lines: ToolPoliciesBody = try await member.ask("GET", "/api/tool-policies").decode()
            #expect(lines.policies.map { [$0.pattern, $0.rule, $0.updatedBy] } == [["shell_*", "allow", "root"]])
            let audit: AuditBody = try await admin.ask("GET", "/api/audit?action=tool_policy").decode()
            let row = try #require(audit.entries.first)
            #expect(row.actor == "root" && row.device == root.nodeID.hex && row.subject == "shell_*")
            #expect(row.details == ["after": "allow", "before": "deny", "widens": true])
            #expect(try await admin.ask("DELETE", "/api/tool-policies/shell_*").status == 200)
            #expect(try await socket.resourceEvent { $0.resource == "tool_policy" }.action == "deleted")
            #expect(try await admin.ask("DELETE", "/api/tool-policies/shell_*").status == 404)
            for (pattern, body) in [
                ("a%20b", #"{"rule":"allow"}"#), ("a_b", #"{"rule":"maybe"}"#), ("ab*", #"{"rule":"ask"}"#),
            ] {
                #expect(try await admin.ask("PUT", "/api/tool-policies/\(pattern)", body).status == 400, "\(pattern)")
            }
        }
    }

    @Test("P-31: a config write, a revocation, a call of a model and one of a tool each have a row")
    func account() async throws {
        let config = try TestConfiguration("name: Ada\n")
        let gateway = try TestGateway(place: .coordinator, store: config.store)
        try await gateway.run { running in
            let host = try await running.operatorStream()
            let ana = try await gateway.join("ana")
            #expect(try await host.ask("PATCH", "/api/config/name", #""Bea""#).status == 200)
            #expect(try await host.ask("PATCH", "/api/config/name", #""Bea""#).status == 200, "changes nothing")
            let socket = try await running.webSocket(ana)
            try await socket.say("go")
            let run = try await gateway.agent.nextRun()
            run.emit(.used(ModelCall(model: "m", inputTokens: 3, outputTokens: 4, cost: 0.5)))
            run.answer(TurnOutcome(text: "done", model: "m"))
            _ = try await socket.messages { if case .turnComplete = $0.body { true } else { false } }
            let call = #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"sessions_list"}}"#
            #expect(try await running.stream(ana).ask("POST", "/mcp", call).status == 200)
            #expect(try await host.ask("DELETE", "/api/network/devices/\(ana.nodeID.hex)").status == 200)
            func rows(_ action: String) async throws -> [AuditEntryBody] {
                let body: AuditBody = try await host.ask("GET", "/api/audit?action=\(action)").decode()
                return body.entries
            }
            #expect(
                try await rows("config").map { [$0.actor, $0.action, $0.subject] } == [
                    ["operator", "config.write", "name"]
                ])
            #expect(try await rows("device.revoke").map(\.subject) == [ana.nodeID.hex])
            let model = try #require(try await rows("model.call").first)
            #expect(model.actor == "ana" && model.subject == "m" && model.device == ana.nodeID.hex)
            #expect(model.details?["input_tokens"] == 3 && model.details?["cost_billionths"] == 500_000_000)
            #expect(
                try await rows("tool").map { [$0.actor, $0.action, $0.subject, $0.result] } == [
                    ["ana", "tool.result", "outside_sessions_list", "ok"],
                    ["ana", "tool.call", "outside_sessions_list", "began"],
                ])
        }
    }

    @Test("tools are listed with what holds for each, and why")
    func tools() async throws {
        let gateway = try TestGateway(place: .coordinator)
        var configuration = gateway.configuration
        configuration.tools = { isAdmin in isAdmin ? [Self.tool] : [] }
        let policies = try #require(configuration.approvals?.policies)
        _ = try await policies.set("other_*", to: .deny, by: Registry.Actor(name: "root"))
        let route = try #require(
            ToolPolicyRoutes.routes(policies, tools: configuration.tools).first { $0.path == "/api/tools" })
        #expect(route.method == .get)
        let lines = try await policies.lines()
        #expect(ToolPolicy.rule(for: Self.tool, in: lines) == .deny)
    }
}
