internal import ArgumentParser
internal import Foundation
internal import JSON
internal import Wire

// How does a workflow get to the agent? From a file of JSON, as an editor or 'openagent workflows show --json' writes it.

extension Workflows {
    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a workflow out of a file of JSON.",
            discussion: "What blocks there are: openagent workflows blocks")

        @Argument(help: "The file; - is standard input.", completion: .file())
        var file: String
        @Option(help: ArgumentHelp("What it is called, if the file doesn't say so or says other.", valueName: "name"))
        var name: String?
        @OptionGroup var target: TargetOptions

        func run() async throws {
            var fields = try WorkflowFile.read(file)
            if let name { fields["name"] = .string(name) }
            guard fields["name"] != nil else {
                throw CommandError(.usage, "the workflow has no name", hint: "give one with --name")
            }
            let body = fields
            try await target.run {
                try await $0.post(Workflows.path, body, as: WorkflowBody.self, hint: Workflows.hint)
            } show: {
                print("Made \(Screen.plain($0.name)).")
            }
        }
    }

    struct Update: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Change a workflow; what is not named stays.")

        @OptionGroup var workflow: OneWorkflow
        @Option(
            help: ArgumentHelp("What it is from now on, as JSON; - is standard input.", valueName: "file"),
            completion: .file())
        var file: String?
        @Option(help: ArgumentHelp("Another name.", valueName: "name"))
        var rename: String?
        @Option(help: ArgumentHelp("What it is about.", valueName: "text"))
        var description: String?

        func run() async throws {
            var fields = try file.map(WorkflowFile.read) ?? [:]
            if let rename { fields["name"] = .string(rename) }
            if let description { fields["description"] = description.isEmpty ? .null : .string(description) }
            guard !fields.isEmpty else {
                throw CommandError(
                    .usage, "there is nothing to change", hint: "see: openagent workflows update --help")
            }
            let body = fields
            try await workflow.target.run {
                try await $0.patch(
                    Workflows.one(workflow.name), body, as: WorkflowBody.self, hint: Workflows.hint)
            } show: {
                print("Changed \(Screen.plain($0.name)).")
            }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Remove a workflow and the record of its runs.")

        @OptionGroup var workflow: OneWorkflow
        @Flag(help: "Do not ask.")
        var yes = false

        func run() async throws {
            try Confirmation.ask("Remove the workflow \(workflow.name)?", given: yes)
            try await workflow.target.run {
                try await $0.delete(Workflows.one(workflow.name), as: PlanDeleted.self, hint: Workflows.hint)
            } show: { _ in
                print("Removed \(Screen.plain(workflow.name)).")
            }
        }
    }

    struct Enable: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Let a workflow start by itself.")
        @OptionGroup var workflow: OneWorkflow
        func run() async throws { try await workflow.turn("enable") }
    }

    struct Disable: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Keep a workflow from starting by itself.")
        @OptionGroup var workflow: OneWorkflow
        func run() async throws { try await workflow.turn("disable") }
    }

    struct Validate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Say what is wrong with a workflow's file, and change nothing.")

        @Argument(help: "The file; - is standard input.", completion: .file())
        var file: String
        @OptionGroup var target: TargetOptions

        func run() async throws {
            let fields = try WorkflowFile.read(file)
            let verdict = try await target.ask {
                try await $0.post(Workflows.path + "/validate", fields, as: GraphVerdict.self)
            }
            if target.json {
                Output.write(Screen.json(verdict.json) + "\n")
                if !verdict.value.valid { throw ExitCode(CommandError.Kind.usage.rawValue) }
            } else if verdict.value.valid {
                print("\(Screen.plain(file)) is a workflow.")
            } else {
                for problem in verdict.value.problems {
                    let place = problem.node.map { "node \"\($0)\": " } ?? ""
                    Output.writeError(Screen.plain(place + problem.problem) + "\n")
                }
                throw CommandError(
                    .usage, "\(file) is no workflow: problems: \(verdict.value.problems.count)",
                    hint: "see: openagent workflows blocks")
            }
        }
    }
}

/// A workflow in a file.
enum WorkflowFile {
    /// What of a workflow may be said to the agent.
    private static let fields = [
        "name", "description", "nodes", "edges", "variables", "enabled", "max_concurrent_runs",
    ]

    /// - Parameter name: `-` is standard input.
    static func read(_ name: String) throws -> [String: JSONValue] {
        guard var all = try? JSONDecoder().decode([String: JSONValue].self, from: InputFile.read(name)) else {
            // What can't be read at all says so itself.
            _ = name == "-" ? Data() : try InputFile.read(name)
            throw CommandError(
                .usage, "what is in \(name) is no JSON object", hint: "it holds 'name', 'nodes' and 'edges'")
        }
        // As the agent itself shows it.
        if case .object(let graph)? = all["graph"] { all.merge(graph) { outer, _ in outer } }
        return all.filter { fields.contains($0.key) }
    }
}
