internal import Agent
internal import Foundation
internal import JSON
internal import Logging
internal import Store

// What does a block of a long workflow cost? A chain of the largest graph that is taken: of blocks that reckon, and of tools that answer
// at once, each of which is on disk before it is called and before the next one is.

struct WorkflowBench {
    let directory: String
    let count: Int

    private static let rounds = 5

    func run() async throws {
        let database = try Database(path: directory + "/openagent.db")
        let workflows = Workflows(WorkflowRepository(database), now: { Date().timeIntervalSince1970 })
        let toolbox = InstantTools()
        let runner = WorkflowRunner(
            workflows, means: WorkflowMeans(toolbox: { toolbox }), logger: Logger(label: "bench"))
        for (name, node) in [
            (
                "reckon",
                #""type":"set-variable","config":{"key":"n","value_expr":"(vars.n | default(0)) + 1"}"#
            ),
            (
                "tools",
                #""type":"mcp-tool","config":{"mcp_name":"bench","tool_name":"echo","args":{"n":"{{ inputs.n }}"}}"#
            ),
        ] {
            let nodes = (0..<count).map { #"{"id":"n\#($0)",\#(node)}"# }.joined(separator: ",")
            let edges = (1..<count).map {
                #"{"id":"e\#($0)","source":"n\#($0 - 1)","target":"n\#($0)","sourceHandle":"out","targetHandle":"in"}"#
            }.joined(separator: ",")
            _ = try await workflows.create(
                .init(name: name, graph: #"{"nodes":[\#(nodes)],"edges":[\#(edges)],"variables":{}}"#), by: "bench")
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await runner.run() }
            let before = Memory.resident
            let reckoning = try await time("reckon", runner)
            let tools = try await time("tools", runner)
            Report.write([
                ("reckon_us", .number(reckoning * 1e6 / Double(count))),
                ("tools_us", .number(tools * 1e6 / Double(count))),
                ("memory_mib", .number((Memory.resident - before) / 1_024)),
            ])
            group.cancelAll()
        }
        try database.close()
    }

    /// Seconds of a run, the middle of several.
    private func time(_ name: String, _ runner: WorkflowRunner) async throws -> Double {
        var times: [Double] = []
        for _ in 0..<Self.rounds {
            let started = ContinuousClock.now
            let run = try await runner.start(workflow: name, trigger: .manual, inputs: ["n": 1], by: "bench")
            guard let ended = try await runner.end(of: run.id, within: .seconds(300)), ended.status == .success else {
                throw BenchError.unexpected("the workflow \(name) failed")
            }
            times.append((.now - started) / .seconds(1))
        }
        return times.sorted()[times.count / 2]
    }
}

private struct InstantTools: Toolbox {
    func tools(isAdmin: Bool) async -> [OfferedTool] {
        [
            OfferedTool(
                fullName: "bench_echo", server: "bench",
                definition: ToolDefinition(name: "echo", description: "Says it again", parameters: ["type": "object"]))
        ]
    }

    func call(
        _ fullName: String, _ arguments: [String: JSONValue], for context: ToolContext,
        emit: @Sendable (TurnEvent) async -> Void, willRun: @Sendable () async throws -> Void
    ) async throws -> ToolResult {
        try await willRun()
        return ToolResult("again")
    }
}
