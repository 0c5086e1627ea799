internal import JSON
internal import Store

// What can a workflow be made of, what do others look like, and how did its runs go?

extension WorkflowTools {
    var words: [BuiltinTool] {
        var tools = [
            BuiltinTool("list_block_types", .query, "Lists the kinds of blocks") { _, _ in
                [
                    "block_types": .array(
                        BlockType.all.map { ["type": .string($0.name), "summary": .string($0.summary)] })
                ]
            },
            BuiltinTool(
                "describe_block_type", .query, "Tells what a kind of block wants to know and gives",
                [.text("type", "The kind of block", required: true)]
            ) { arguments, _ in
                let name = try arguments.text("type")
                guard let type = BlockType.named(name) else {
                    throw ToolRefusal("there is no kind of block '\(name.prefix(64))'")
                }
                return Self.described(type)
            },
            BuiltinTool("list_workflow_examples", .query, "Lists workflows to learn from") { _, _ in
                [
                    "examples": .array(
                        WorkflowExample.all.map {
                            ["name": .string($0.name), "description": .string($0.description)]
                        })
                ]
            },
            BuiltinTool(
                "get_workflow_example", .query, "Shows an example's graph, as create_workflow takes it",
                [.text("name", "The example's name", required: true)]
            ) { arguments, _ in
                let name = try arguments.text("name")
                guard let example = WorkflowExample.all.first(where: { $0.name == name }) else {
                    throw ToolRefusal("there is no example '\(name.prefix(64))'")
                }
                return [
                    "name": .string(example.name), "description": .string(example.description), "graph": example.graph,
                ]
            },
        ]
        if let availableTools = actions.availableTools {
            tools.append(
                BuiltinTool("list_available_tools", .query, "Lists the tools that blocks can call") { _, context in
                    [
                        "tools": .array(
                            await availableTools(context).map {
                                ["mcp_name": .string($0.server), "tool_name": .string($0.definition.name)]
                            })
                    ]
                })
        }
        return tools
    }

    private static func described(_ type: BlockType) -> JSONValue {
        let fields = type.fields.map { field -> JSONValue in
            var shown: [String: JSONValue] = [
                "name": .string(field.name), "required": .bool(field.isRequired), "summary": .string(field.summary),
            ]
            if let usual = field.usual { shown["usual"] = usual }
            switch field.kind {
            case .choice(let choices): shown["one_of"] = JSONValue(texts: choices)
            case .integer(let range): shown["range"] = [JSONValue(range.lowerBound), JSONValue(range.upperBound)]
            case .number(let range): shown["range"] = [.number(range.lowerBound), .number(range.upperBound)]
            case .text, .expression, .schedule, .timeZone, .object, .any: shown["kind"] = .string("\(field.kind)")
            }
            return .object(shown)
        }
        return [
            "type": .string(type.name), "category": .string(type.category.rawValue), "summary": .string(type.summary),
            "config": .array(fields), "source_handles": JSONValue(texts: type.sourceHandles),
            "target_handles": JSONValue(texts: type.targetHandles),
            "output": .object(type.output.mapValues(JSONValue.string)),
        ]
    }

    // MARK: Runs

    private static let longestWait = 1_800

    var runs: [BuiltinTool] {
        var tools = [
            BuiltinTool(
                "list_workflow_runs", .query, "Lists a workflow's runs, newest first",
                [Self.workflow, .integer("limit", 1...100, "Usually 20")], needsAdmin: true
            ) { arguments, _ in
                let limit = try arguments.integer("limit", in: 1...100, usual: 20)
                let page = try await workflows.repository.runs(
                    of: try await workflows.id(arguments.text("workflow_id")), before: nil, limit: limit)
                return ["runs": .array(page.rows.prefix(limit).map { Self.shown($0, whole: false) })]
            },
            BuiltinTool(
                "get_workflow_run", .query, "Shows a run: what went in, what came out and what happened",
                [.text("run_id", "The run's id", required: true)], needsAdmin: true
            ) { arguments, _ in
                let id = try arguments.text("run_id")
                guard let run = try await workflows.repository.run(id) else { throw PlanError.notFound(id) }
                return Self.shown(run, whole: true)
            },
        ]
        guard let run = actions.run else { return tools }
        tools.append(
            BuiltinTool(
                "run_workflow", .action, "Starts a workflow",
                [
                    Self.workflow, .object("inputs", "What its trigger asks for"),
                    .flag("wait", "Waits for its end; usually true"),
                    .integer("timeout_s", 1...Self.longestWait, "For how long to wait; usually 300"),
                ], needsAdmin: true, timeLimit: .seconds(Self.longestWait + 30)
            ) { arguments, context in
                try await run(
                    .init(
                        workflowID: try await workflows.id(arguments.text("workflow_id")),
                        inputs: try arguments.optionalObject("inputs") ?? [:],
                        waits: try arguments.flag("wait", usual: true),
                        timeLimit: .seconds(try arguments.integer("timeout_s", in: 1...Self.longestWait, usual: 300))),
                    context)
            })
        return tools
    }

    private static func shown(_ run: WorkflowRunRecord, whole: Bool) -> JSONValue {
        var fields: [String: JSONValue] = [
            "id": .string(run.id), "workflow_id": .string(run.workflowID), "trigger": .string(run.trigger),
            "status": .string(run.status.rawValue), "started_at": .string(ScheduleTools.iso(run.startedAt)),
            "finished_at": JSONValue(run.finishedAt.map(ScheduleTools.iso)), "error": JSONValue(run.error),
        ]
        if whole {
            for (name, json) in [("inputs", run.inputs), ("outputs", run.outputs), ("trace", run.trace)] {
                fields[name] = (try? JSONValue(json: json)) ?? .null
            }
        }
        return .object(fields)
    }
}
