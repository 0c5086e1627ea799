internal import ArgumentParser
internal import Foundation
internal import JSON
internal import Wire

// How is a workflow run by hand, and what became of it? A run is started and then asked after, so that neither a long run nor a restart
// of the agent leaves the command without an answer.

extension Workflows {
    static let runs = "/api/workflow-runs"

    struct Run: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Run a workflow now.",
            discussion:
                "What it gets is checked against what its trigger asks for. The command ends with 1 when the run fails."
        )

        @OptionGroup var workflow: OneWorkflow
        @Option(
            name: .customLong("input"),
            help: ArgumentHelp("One thing that it gets: a value as JSON, or else a text.", valueName: "name=value"))
        var single: [String] = []
        @Option(help: ArgumentHelp("All that it gets, as a JSON object.", valueName: "json"))
        var inputs: String?
        @Flag(inversion: .prefixedNo, help: "Whether to wait until it has ended.")
        var wait = true

        func run() async throws {
            let request = WorkflowRunRequest(inputs: try values(), wait: false)
            let name = workflow.name
            guard wait else {
                return try await workflow.target.run {
                    try await $0.post(
                        Workflows.one(name, "/run"), request, as: WorkflowRunStarted.self, hint: Workflows.hint)
                } show: { run in
                    print("Started \(Screen.plain(run.runID)).")
                }
            }
            let answer = try await workflow.target.ask { agent -> Administration.Answer<WorkflowRunBody> in
                let begun = try await agent.post(
                    Workflows.one(name, "/run"), request, as: WorkflowRunStarted.self, hint: Workflows.hint)
                var pause = Duration.milliseconds(50)
                while true {
                    let run = try await agent.get(
                        Administration.path(Workflows.runs, begun.value.runID), as: WorkflowRunBody.self)
                    if run.value.status != "running" { return run }
                    try await Task.sleep(for: pause)
                    pause = min(pause * 2, .seconds(2))
                }
            }
            if workflow.target.json {
                Output.write(Screen.json(answer.json) + "\n")
            } else {
                print("\(Screen.plain(answer.value.status)).")
                if let error = answer.value.error {
                    Output.write(Screen.lines(error) + "\n")
                } else {
                    Output.write(Screen.json(try Administration.answer(answer.value.outputs).json) + "\n")
                }
            }
            if answer.value.status != "success" { throw ExitCode(CommandError.Kind.failed.rawValue) }
        }

        private func values() throws -> [String: JSONValue]? {
            var values: [String: JSONValue] = [:]
            if let inputs {
                guard let read = try? JSONDecoder().decode([String: JSONValue].self, from: Data(inputs.utf8)) else {
                    throw CommandError(
                        .usage, "what --inputs holds is no JSON object", hint: #"give one such as {"city":"Rome"}"#)
                }
                values = read
            }
            for text in single {
                let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                guard parts.count == 2, !parts[0].isEmpty else {
                    throw CommandError(
                        .usage, "'\(text)' is no input", hint: "give a name and a value, e.g. --input city=Rome")
                }
                let value = String(parts[1])
                values[String(parts[0])] =
                    (try? JSONDecoder().decode(JSONValue.self, from: Data(value.utf8))) ?? .string(value)
            }
            return inputs == nil && single.isEmpty ? nil : values
        }
    }

    struct Stop: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Stop a workflow's runs, or one of them.")

        @OptionGroup var workflow: OneWorkflow
        @Option(name: .customLong("run"), help: ArgumentHelp("Only this run.", valueName: "id"))
        var only: String?

        func run() async throws {
            let name = workflow.name
            if let only {
                return try await workflow.target.run {
                    try await $0.post(
                        Administration.path(Workflows.runs, only) + "/stop", [String: String](),
                        as: WorkflowRunBody.self, hint: "see: openagent workflows runs \(name)")
                } show: { run in
                    print("\(Screen.plain(run.status)).")
                }
            }
            try await workflow.target.run {
                try await $0.post(
                    Workflows.one(name, "/stop"), [String: String](), as: WorkflowRunsBody.self, hint: Workflows.hint)
            } show: { body in
                print(body.runs.isEmpty ? "Nothing ran." : "Stopped \(body.runs.count).")
            }
        }
    }

    struct RunShow: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "run-show", abstract: "Show what each block of a run did.")

        @Argument(help: ArgumentHelp("The run's id.", valueName: "run"))
        var id: String
        @OptionGroup var target: TargetOptions

        func run() async throws {
            try await target.run {
                try await $0.get(
                    Administration.path(Workflows.runs, id), as: WorkflowRunBody.self,
                    hint: "see: openagent workflows runs WORKFLOW")
            } show: { run in
                var facts = Facts()
                facts.add("Run", run.id)
                facts.add("Status", run.status)
                facts.add("By", run.trigger)
                facts.add("Started", run.startedAtISO)
                facts.add("Ended", run.finishedAtISO)
                facts.add("Error", run.error)
                facts.show()
                Output.write("\n")
                var table = Table("BLOCK", "TYPE", "STATUS", "SECONDS", "SAID", texts: ["BLOCK", "SAID"])
                guard case .array(let lines) = run.trace else { return }
                for line in lines {
                    let seconds = Self.number(line["finished_at"]).flatMap { end in
                        Self.number(line["started_at"]).map { String(format: "%.1f", max(0, end - $0)) }
                    }
                    let output = line["output"].flatMap { try? Administration.answer($0).json }
                    table.add(
                        line["node_id"]?.string ?? "", line["type"]?.string ?? "", line["status"]?.string ?? "",
                        seconds,
                        Tasks.line(line["error"]?.string ?? (line["output"] == .null ? "" : output ?? "")))
                }
                table.show(empty: "No block has run yet.")
            }
        }

        private static func number(_ value: JSONValue?) -> Double? {
            switch value {
            case .integer(let number)?: Double(number)
            case .number(let number)?: number
            default: nil
            }
        }
    }
}
