import JSON
import Logging
import Testing

@testable import Agent
@testable import Store

// P-30: what a tool says is secret of its arguments is neither in the account nor in what people are shown, and the tool gets it whole.

@Suite(.timeLimit(.minutes(1))) struct SecretArgumentsTests {
    private static let arguments: [String: JSONValue] = [
        "name": "issues", "command": ["serve"], "env": ["HOME_KEY": "canary-1", "REF": "{env:KEY}"],
        "headers": ["X-Thing": "canary-2"],
    ]

    /// `mcp-manager` as it is, but for what it does.
    private static func manager(_ got: TestMutex<[[String: JSONValue]]> = TestMutex([])) throws -> FakeTools {
        let place = try TestPlace()
        return FakeTools("mcp-manager", MCPTools.server(place.registry).all.map(\.definition)) { _, arguments, _ in
            got.change { $0.append(arguments) }
            return ToolResult("added")
        }
    }

    private static func offered(_ name: String) async throws -> OfferedTool {
        let tools = await AgentTools([try manager()]).tools(isAdmin: true)
        return try #require(tools.first { $0.fullName == name })
    }

    @Test("keys, environments and headers are secret for every tool that takes them")
    func declared() throws {
        let place = try TestPlace()
        let tools =
            MCPTools.server(place.registry).all + ModelTools.server(place.registry, ModelActions()).all
        var found: [String: Set<String>] = [:]
        for tool in tools where !tool.definition.secretParameters.isEmpty {
            found[tool.definition.name] = tool.definition.secretParameters
        }
        #expect(
            found == [
                "add_custom_mcp": ["env", "headers"], "update_mcp": ["env", "headers"], "add_provider": ["api_key"],
                "update_provider": ["api_key"],
            ])
        for tool in tools {
            let taken = tool.parameters.intersection(["api_key", "env", "headers"])
            #expect(tool.definition.secretParameters == taken, "\(tool.definition.name)")
        }
    }

    @Test("names and references stay, values go, whatever they are")
    func hidden() async throws {
        let tool = try await Self.offered("mcp_manager_add_custom_mcp").definition
        #expect(
            tool.withoutSecrets(Self.arguments) == [
                "name": "issues", "command": ["serve"], "env": ["HOME_KEY": "[redacted]", "REF": "{env:KEY}"],
                "headers": ["X-Thing": "[redacted]"],
            ])
        #expect(
            tool.withoutSecrets(["env": ["canary", 7], "headers": nil])
                == ["env": "[redacted]", "headers": nil])
    }

    @Test("the account of a call has no secret of it")
    func ledger() async throws {
        let desk = try ApprovalDesk()
        let ledger = ToolCallLedger(desk.log, secrets: KnownSecrets(all: { [] }), now: { 7 })
        try await ledger.began(
            try await Self.offered("mcp_manager_add_custom_mcp"), Self.arguments, for: ApprovalDesk.context())
        let text = try #require(try await desk.rows("tool.call").first?.details)
        #expect(!text.contains("canary") && text.contains("HOME_KEY") && text.contains("{env:KEY}"))
    }

    @Test("P-29: a question shows no secret, and its answer still counts for the exact arguments alone")
    func approval() async throws {
        let desk = try ApprovalDesk()
        let tool = try await Self.offered("mcp_manager_add_custom_mcp")
        async let verdict = desk.admit(tool, Self.arguments)
        let question = await desk.question()
        #expect(!question.arguments.contains("canary") && question.arguments.contains("HOME_KEY"))
        let row = try #require(try await desk.approvals.repository.question(question.id))
        let exact = try CallArguments(Self.arguments)
        #expect(!row.arguments.contains("canary") && row.hash == exact.hash)
        try await desk.approvals.decide(question.id, .approve, by: ApprovalDesk.ana)
        #expect(try await verdict == .allowed)
        #expect(try await desk.admit(tool, Self.arguments) == .allowed)
        var others = Self.arguments
        others["env"] = ["HOME_KEY": "canary-3", "REF": "{env:KEY}"]
        #expect(try await desk.admit(tool, others) != .allowed)
    }

    @Test(
        "the statuses of a call show no secret, also when it is called through the search, fails or is not there",
        arguments: ["mcp_manager_add_custom_mcp", "tool_search_call_tool", "mcp_manager_gone"])
    func statuses(_ name: String) async throws {
        let got = TestMutex<[[String: JSONValue]]>([])
        let toolbox = AgentTools([try Self.manager(got)])
        let (journal, listener) = (TestJournal(), TestListener())
        let turn = TurnRequest(turnID: "t1", sessionID: "s1", handle: "ada", text: "", isAdmin: true)
        let run = ToolRun(turn: turn, toolbox: toolbox, journal: journal) { await listener.take($0) }
        let isWrapped = name == "tool_search_call_tool"
        let wrapped: [String: JSONValue] = [
            "server": "mcp-manager", "tool": "add_custom_mcp", "args": .object(Self.arguments),
        ]
        let arguments = JSONValue.object(isWrapped ? wrapped : Self.arguments).text
        _ = try await run.run(id: "1", name: name, arguments: arguments)
        // As after a restart.
        _ = try await run.settleUnknown(id: "2", name: name, arguments: arguments)
        let statuses = await listener.statuses
        let isThere = name != "mcp_manager_gone"
        #expect(statuses.count == (isThere ? 3 : 2))
        for status in statuses {
            #expect(!status.contains("canary"), "\(status)")
            #expect(status.contains("HOME_KEY") == isThere && status.contains("tool_args"), "\(status)")
        }
        #expect(got.value == (isThere ? [Self.arguments] : []), "the tool gets all of it")
    }
}
