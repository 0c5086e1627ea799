internal import ArgumentParser
internal import Foundation
internal import JSON
internal import Wire

// Which workflows has the agent? They are listed, read and run from the command line like everything else that it keeps. What
// makes and changes them is in WorkflowChanges.

struct Workflows: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Let the agent go through several steps by itself.",
        discussion: "A workflow is named by its name, its id, or at least four first characters of that.",
        subcommands: [
            List.self, Show.self, Create.self, Update.self, Remove.self, Enable.self, Disable.self, Run.self,
            Stop.self, Runs.self, RunShow.self, Stats.self, Blocks.self, Validate.self, Webhook.self,
        ])

    static let path = "/api/workflows"
    static let hint = "see: openagent workflows list"

    static func one(_ workflow: String, _ rest: String = "") -> String { Administration.path(path, workflow) + rest }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the workflows in the order of their names.")

        @Flag(help: "Only those that are enabled.")
        var enabled = false
        @OptionGroup var target: TargetOptions

        func run() async throws {
            try await target.run { agent in
                var all: [WorkflowBody] = []
                var cursor: String?
                repeat {
                    let page = try await agent.get(
                        Administration.path(
                            Workflows.path, query: [("enabled_only", enabled ? "true" : nil), ("cursor", cursor)]),
                        as: WorkflowsBody.self)
                    all += page.value.workflows
                    cursor = page.value.nextCursor
                } while cursor != nil
                return try Administration.answer(WorkflowsBody(workflows: all, nextCursor: nil))
            } show: { body in
                var table = Table(
                    "NAME", "BLOCKS", "STARTS", "NEXT", "LAST", "DESCRIPTION", texts: ["NAME", "DESCRIPTION"])
                for workflow in body.workflows {
                    let starts = workflow.triggerTypes.map { $0.replacing("trigger-", with: "") }
                    table.add(
                        workflow.name, "\(workflow.graph.nodes.count)", starts.joined(separator: ", "),
                        workflow.enabled ? workflow.schedules.compactMap(\.nextRunAt).min().map(timeText) : "disabled",
                        workflow.lastRunAt.map(timeText), Tasks.line(workflow.description ?? ""))
                }
                table.show(empty: "There is no workflow. Make one with: openagent workflows create FILE")
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show a workflow. With --json it is what 'create' and 'update' take.")

        @OptionGroup var workflow: OneWorkflow

        func run() async throws {
            try await workflow.target.run {
                try await $0.get(Workflows.one(workflow.name), as: WorkflowBody.self, hint: Workflows.hint)
            } show: { body in
                var facts = Facts()
                facts.add("Name", body.name)
                facts.add("Id", body.id)
                facts.add("About", body.description)
                facts.add("Enabled", body.enabled ? "yes" : "no")
                for schedule in body.schedules {
                    facts.add("Starts", "\(schedule.cronExpression) (\(schedule.timezone)), by \(schedule.nodeID)")
                    facts.add("Next", schedule.nextRunAtISO)
                }
                facts.add("Last", body.lastRunAtISO)
                facts.add("Made by", body.owner)
                facts.show()
                Output.write("\n")
                var table = Table("BLOCK", "TYPE", "LEADS TO", texts: ["BLOCK", "LEADS TO"])
                for node in body.graph.nodes {
                    let next = body.graph.edges.filter { $0.source == node.id }.map {
                        $0.sourceHandle == "out" ? $0.target : "\($0.sourceHandle): \($0.target)"
                    }
                    table.add(node.id, node.type, next.joined(separator: ", "))
                }
                table.show(empty: "It has no blocks.")
            }
        }
    }

    struct Runs: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List a workflow's runs, newest first.")

        @OptionGroup var workflow: OneWorkflow
        @Option(help: ArgumentHelp("At most so many.", valueName: "n"))
        var limit = 20
        @Option(help: ArgumentHelp("Only such: running, success, failed or cancelled.", valueName: "status"))
        var status: String?

        func run() async throws {
            let path = Administration.path(
                Workflows.one(workflow.name, "/runs"), query: [("limit", "\(limit)"), ("status", status)])
            try await workflow.target.run {
                try await $0.get(path, as: WorkflowRunsBody.self, hint: Workflows.hint)
            } show: { body in
                var table = Table("ID", "STARTED", "ENDED", "BY", "STATUS", "ERROR", ids: ["ID"], texts: ["ERROR"])
                for run in body.runs {
                    table.add(
                        run.id, timeText(run.startedAt), run.finishedAt.map(timeText), run.trigger, run.status,
                        run.error.map(Tasks.line))
                }
                table.show(empty: "It has not run yet.")
            }
        }
    }

    struct Stats: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Say how a workflow's runs went.")

        @OptionGroup var workflow: OneWorkflow

        func run() async throws {
            try await workflow.target.run {
                try await $0.get(
                    Workflows.one(workflow.name, "/stats"), as: WorkflowStatsBody.self, hint: Workflows.hint)
            } show: { body in
                var facts = Facts()
                facts.add("Runs", "\(body.totalRuns)")
                facts.add("Succeeded", "\(body.successCount)")
                facts.add("Failed", "\(body.failedCount)")
                facts.add("Cancelled", "\(body.cancelledCount)")
                facts.add("Running", "\(body.runningCount)")
                facts.add("Seconds", body.averageDuration.map { String(format: "%.1f on average", $0) })
                facts.show()
            }
        }
    }

    struct Blocks: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the kinds of blocks and what each asks for.")

        @OptionGroup var target: TargetOptions

        func run() async throws {
            try await target.run {
                try await $0.get("/api/workflow-block-types", as: BlockTypesBody.self)
            } show: { body in
                var table = Table(
                    "TYPE", "CONFIGURATION", "HANDLES", "WHAT IT DOES", ids: ["HANDLES"],
                    texts: ["CONFIGURATION", "WHAT IT DOES"])
                for block in body.blockTypes {
                    table.add(
                        block.type, block.settings, block.sourceHandles.joined(separator: ", "), block.description)
                }
                table.show(empty: "There is none.")
            }
        }
    }
}

extension BlockTypesBody.BlockType {
    /// The names of its settings; what is required has a star.
    fileprivate var settings: String {
        guard case .object(let fields)? = configSchema["properties"] else { return "" }
        var required: Set<String> = []
        if case .array(let names)? = configSchema["required"] { required = Set(names.compactMap(\.string)) }
        return fields.keys.sorted().map { required.contains($0) ? $0 + "*" : $0 }.joined(separator: ", ")
    }
}

/// The workflow that a command is about.
struct OneWorkflow: ParsableArguments {
    @Argument(help: ArgumentHelp("The workflow's name or id.", valueName: "workflow"))
    var name: String
    @OptionGroup var target: TargetOptions

    /// - Parameter way: `enable` or `disable`.
    func turn(_ way: String) async throws {
        try await target.run {
            try await $0.post(
                Workflows.one(name, "/\(way)"), [String: String](), as: WorkflowBody.self, hint: Workflows.hint)
        } show: { workflow in
            print("\(Screen.plain(workflow.name)) is \(workflow.enabled ? "enabled" : "disabled").")
        }
    }
}
