internal import Store
internal import Wire

// What do the routes of approvals, of the tools' policy and of the MCP server say about themselves?

extension Operation {
    static let approvals = Operation(
        "The calls of tools that wait or waited for your word, newest first",
        [
            .limit(), .cursor, .before,
            .query("all", .boolean, "Also what others were asked; for admins"),
            .query("state", .oneOf(ApprovalState.allCases.map(\.rawValue)), "Only those in this state"),
        ], answer: ApprovalsBody.self, errors: [403])
    static let answerApproval = Operation(
        "Say whether a call may run; the first word counts", body: .json(ApprovalAnswer.self),
        answer: OneApproval.self, errors: [409])
    static let tools = Operation(
        "The tools that the agent has, and what the policy says about each", [.limit(), .cursor],
        answer: ToolsBody.self)
    static let toolPolicies = Operation(
        "The lines of the tools' policy; where none speaks of a tool, what is usual holds", [.limit(), .cursor],
        answer: ToolPoliciesBody.self)
    static let setToolPolicy = Operation(
        "Put a line of the policy in the place of that of the same pattern", body: .json(ToolPolicyWrite.self),
        answers: [.json(ToolPolicyChanged.self, status: 201), .json(ToolPolicyChanged.self)], errors: [409])
    static let removeToolPolicy = Operation(
        "Take a line of the policy away: what is more general holds", answer: ToolPolicyRemoved.self)
    static let mcpCall = Operation(
        "One message of the Model Context Protocol (streamable HTTP)",
        [
            .header("Mcp-Session-Id", "What the answer to initialize said, or any text of the client's own"),
            .header("Mcp-Protocol-Version", "The version that was agreed on"),
        ], body: .anyJSON,
        answers: [
            Answer(status: 200, content: .anyJSON, summary: "The answer"),
            Answer(status: 200, content: .events, summary: "Progress and the answer"),
            .empty(202, "There is none to what was sent"),
            Answer(status: 400, content: .anyJSON, summary: "Why not, as JSON-RPC says it"),
        ], errors: [406])
    static let mcpEnd = Operation(
        "End a session of the Model Context Protocol: its calls are cancelled",
        [.header("Mcp-Session-Id", "Which")], answers: [.empty(204, "Done")])
}
