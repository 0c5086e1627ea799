public import JSON
internal import Store

// How does the agent make workflows? Block by block, as an administrator does in an editor: each change is checked whole before it is
// kept. What runs them is given from outside, and running is not offered where nothing does.

/// What the tools about workflows can't do by themselves.
public struct WorkflowActions: Sendable {
    /// How a run is asked for.
    public struct RunRequest: Sendable {
        /// The workflow's id.
        public var workflowID: String
        public var inputs: [String: JSONValue]
        /// Whether the caller waits for the end.
        public var waits: Bool
        /// For how long.
        public var timeLimit: Duration
    }

    /// Starts a run and returns what is to be shown of it.
    public var run: (@Sendable (RunRequest, ToolContext) async throws -> JSONValue)?
    /// The tools that blocks can call.
    public var availableTools: (@Sendable (ToolContext) async -> [OfferedTool])?

    public init(
        run: (@Sendable (RunRequest, ToolContext) async throws -> JSONValue)? = nil,
        availableTools: (@Sendable (ToolContext) async -> [OfferedTool])? = nil
    ) {
        self.run = run
        self.availableTools = availableTools
    }
}

/// The tools of the server `workflow-manager`.
struct WorkflowTools: Sendable {
    let workflows: Workflows
    let actions: WorkflowActions

    static let workflow = ToolParameter.text(
        "workflow_id", "The workflow's id, its first characters, or its name", required: true)
    private static let node = ToolParameter.text("node_id", "The block's id", required: true)
    private static let from = ToolParameter.text("from", "The block where the edge begins", required: true)
    private static let to = ToolParameter.text("to", "The block to which it leads", required: true)
    private static let config = ToolParameter.object("config", "As describe_block_type tells")

    static func server(_ workflows: Workflows, _ actions: WorkflowActions) -> BuiltinServer {
        let tools = WorkflowTools(workflows: workflows, actions: actions)
        return BuiltinServer("workflow-manager", tools.whole + tools.blocks + tools.words + tools.runs)
    }

    // MARK: Workflows

    private var whole: [BuiltinTool] {
        let described: [ToolParameter] = [
            .text("description", "What it is for"), .object("graph", "nodes, edges and variables"),
            .flag("enabled", "Whether it starts by itself"),
        ]
        return [
            BuiltinTool(
                "list_workflows", .query, "Lists workflows in the order of their names",
                [
                    .flag("enabled_only", "Leaves out those that are switched off"),
                    .text("after", "Goes on behind this name"),
                ],
                needsAdmin: true
            ) { arguments, _ in
                let page = try await workflows.repository.workflows(
                    after: try arguments.optionalText("after"), limit: 50,
                    enabledOnly: try arguments.flag("enabled_only", usual: false))
                return [
                    "workflows": .array(page.rows.prefix(50).map { Self.shown($0, graph: false) }),
                    "has_more": .bool(page.isCut || page.rows.count > 50),
                ]
            },
            BuiltinTool("get_workflow", .query, "Shows a workflow with its graph", [Self.workflow], needsAdmin: true) {
                arguments, _ in Self.shown(try await workflows.workflow(arguments.text("workflow_id")))
            },
            BuiltinTool(
                "create_workflow", .action, "Makes a workflow; without a graph it has one manual trigger",
                [.text("name", "What it is called", required: true)] + described, needsAdmin: true
            ) { arguments, context in
                let first: JSONValue = ["nodes": [["id": "start", "type": "trigger-manual"]]]
                let graph = try arguments.optionalObject("graph").map(JSONValue.object) ?? first
                var draft = Workflows.Draft(
                    name: try arguments.text("name"), graph: try WorkflowGraphEdit(graph).text)
                draft.description = try arguments.optionalText("description")
                draft.isEnabled = try arguments.flag("enabled", usual: true)
                return Self.shown(try await workflows.create(draft, by: context.handle))
            },
            BuiltinTool(
                "update_workflow", .action, "Changes what is given of a workflow",
                [Self.workflow, .text("name", "Its new name")] + described, needsAdmin: true
            ) { arguments, _ in
                var change = Workflows.Change()
                change.name = try arguments.optionalText("name")
                if let description = try arguments.optionalText("description") { change.description = description }
                change.isEnabled = try arguments.optionalFlag("enabled")
                if let graph = try arguments.optionalObject("graph") {
                    let text = try WorkflowGraphEdit(.object(graph)).text
                    change.graph = { _ in text }
                }
                return Self.shown(try await workflows.update(arguments.text("workflow_id"), change))
            },
            BuiltinTool(
                "delete_workflow", .action, "Deletes a workflow and its runs", [Self.workflow], needsAdmin: true
            ) {
                arguments, _ in ["deleted": .string(try await workflows.delete(arguments.text("workflow_id")))]
            },
        ]
    }

    // MARK: Blocks

    private var blocks: [BuiltinTool] {
        [
            BuiltinTool(
                "add_block", .action, "Adds a block to a workflow",
                [
                    Self.workflow, .text("type", "As list_block_types tells", required: true), Self.config,
                    .text("node_id", "Its id; usually made from the type"), .text("label", "What editors show"),
                    .text("after_node_id", "A block from which an edge leads to the new one"),
                ], needsAdmin: true
            ) { arguments, _ in
                let type = try arguments.text("type")
                let config = try arguments.optionalObject("config") ?? [:]
                let (id, label) = (try arguments.optionalText("node_id"), try arguments.optionalText("label"))
                let after = try arguments.optionalText("after_node_id")
                return try await edit(arguments) { graph in
                    _ = try graph.add(type: type, config: config, id: id, label: label, after: after)
                }
            },
            BuiltinTool(
                "update_block", .action, "Changes values of a block's configuration; null takes one away",
                [Self.workflow, Self.node, Self.config, .text("label", "What editors show")], needsAdmin: true
            ) { arguments, _ in
                let id = try arguments.text("node_id")
                // Nulls are kept here: they say what goes.
                let config = try arguments.optionalObject("config")
                let label = try arguments.optionalText("label")
                return try await edit(arguments) { try $0.update(id, config: config, label: label) }
            },
            BuiltinTool(
                "remove_block", .action, "Takes away a block and the edges that touch it", [Self.workflow, Self.node],
                needsAdmin: true
            ) { arguments, _ in
                let id = try arguments.text("node_id")
                return try await edit(arguments) { try $0.remove(id) }
            },
            BuiltinTool(
                "connect_blocks", .action, "Adds an edge from one block to another",
                [
                    Self.workflow, Self.from, Self.to, .text("source_handle", "Usually out"),
                    .text("target_handle", "Usually in"),
                ], needsAdmin: true
            ) { arguments, _ in
                let (from, to) = (try arguments.text("from"), try arguments.text("to"))
                let source = try arguments.optionalText("source_handle") ?? "out"
                let target = try arguments.optionalText("target_handle") ?? "in"
                return try await edit(arguments) {
                    try $0.connect(from, to: to, sourceHandle: source, targetHandle: target)
                }
            },
            BuiltinTool(
                "disconnect_blocks", .action, "Takes away the edges from one block to another",
                [Self.workflow, Self.from, Self.to, .text("source_handle", "Only of this way out")], needsAdmin: true
            ) { arguments, _ in
                let (from, to) = (try arguments.text("from"), try arguments.text("to"))
                let source = try arguments.optionalText("source_handle")
                return try await edit(arguments) { _ = try $0.disconnect(from, from: to, sourceHandle: source) }
            },
        ]
    }

    private func edit(
        _ arguments: ToolArguments, _ body: @escaping @Sendable (inout WorkflowGraphEdit) throws -> Void
    ) async throws -> JSONValue {
        var change = Workflows.Change()
        change.graph = { text in
            var graph = try WorkflowGraphEdit(text: text)
            try body(&graph)
            return graph.text
        }
        return Self.shown(try await workflows.update(arguments.text("workflow_id"), change))
    }

    static func shown(_ workflow: WorkflowRecord, graph: Bool = true) -> JSONValue {
        var fields: [String: JSONValue] = [
            "id": .string(workflow.id), "name": .string(workflow.name),
            "description": JSONValue(workflow.description), "enabled": .bool(workflow.isEnabled),
            "triggers": JSONValue(texts: workflow.triggerTypes), "owner": .string(workflow.owner),
            "last_run": JSONValue(workflow.lastRunAt.map(ScheduleTools.iso)),
            "next_runs": JSONValue(texts: workflow.schedules.compactMap(\.nextRunAt).map(ScheduleTools.iso)),
        ]
        if graph { fields["graph"] = (try? JSONValue(json: workflow.graph)) ?? .null }
        return .object(fields)
    }
}
