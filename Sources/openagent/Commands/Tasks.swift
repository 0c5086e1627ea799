internal import ArgumentParser
internal import Foundation
internal import Wire

// What does the agent do at times? Its scheduled tasks from the command line: the same requests whether the agent runs here, is
// stopped, or is somewhere else. What makes and changes them is in TaskChanges.

struct Tasks: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Tell the agent what to do at times.",
        discussion: "A task is named by its name, its id, or at least four first characters of that.",
        subcommands: [
            List.self, Add.self, Show.self, Update.self, Remove.self, Enable.self, Disable.self, Run.self, Stop.self,
            Runs.self, Describe.self,
        ])

    static let path = "/api/scheduled-tasks"
    static let hint = "see: openagent tasks list"

    static func one(_ task: String, _ rest: String = "") -> String { Administration.path(path, task) + rest }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the tasks in the order of their names.")

        @Flag(help: "Only those that are enabled.")
        var enabled = false
        @OptionGroup var target: TargetOptions

        func run() async throws {
            try await target.run { agent in
                var all: [TaskBody] = []
                var cursor: String?
                repeat {
                    let page = try await agent.get(
                        Administration.path(
                            Tasks.path, query: [("enabled_only", enabled ? "true" : nil), ("cursor", cursor)]),
                        as: TasksBody.self)
                    all += page.value.tasks
                    cursor = page.value.nextCursor
                } while cursor != nil
                return try Administration.answer(TasksBody(tasks: all, nextCursor: nil))
            } show: { body in
                var table = Table("NAME", "SCHEDULE", "NEXT", "LAST", "PROMPT", texts: ["PROMPT", "NAME"])
                for task in body.tasks {
                    table.add(
                        task.name, task.cronExpression, task.enabled ? task.nextRun.map(timeText) : "disabled",
                        task.lastRun.map(timeText), Tasks.line(task.prompt))
                }
                table.show(empty: "There is no task. Make one with: openagent tasks add")
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show a task with its whole prompt.")

        @OptionGroup var task: OneTask

        func run() async throws {
            try await task.target.run {
                try await $0.get(Tasks.one(task.name), as: TaskBody.self, hint: Tasks.hint)
            } show: { body in
                var facts = Facts()
                facts.add("Name", body.name)
                facts.add("Id", body.id)
                facts.add("Schedule", "\(body.cronExpression) (\(body.timezone))")
                facts.add("Enabled", body.enabled ? "yes" : "no")
                facts.add("Next", body.nextRunISO)
                facts.add("Last", body.lastRunISO)
                facts.add("Missed", body.catchUp == "once" ? "made up for once" : "skipped")
                facts.add("Model", body.model)
                facts.add("Made by", body.owner)
                facts.show()
                Output.write("\n" + Screen.lines(body.prompt) + "\n")
            }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Remove a task and the record of its runs.")

        @OptionGroup var task: OneTask
        @Flag(help: "Do not ask.")
        var yes = false

        func run() async throws {
            try Confirmation.ask("Remove the task \(task.name)?", given: yes)
            try await task.target.run {
                try await $0.delete(Tasks.one(task.name), as: PlanDeleted.self, hint: Tasks.hint)
            } show: { _ in
                print("Removed \(Screen.plain(task.name)).")
            }
        }
    }

    struct Enable: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Let a task fire.")
        @OptionGroup var task: OneTask
        func run() async throws { try await task.turn("enable") }
    }

    struct Disable: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Keep a task from firing.")
        @OptionGroup var task: OneTask
        func run() async throws { try await task.turn("disable") }
    }

    struct Run: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Run a task now.")

        @OptionGroup var task: OneTask
        @Flag(help: "Do not wait until it has ended.")
        var noWait = false

        func run() async throws {
            try await task.target.run {
                try await $0.post(
                    Tasks.one(task.name, "/run"), TaskRunRequest(wait: !noWait), as: TaskRunBody.self,
                    hint: Tasks.hint)
            } show: { run in
                print("\(Screen.plain(run.status)).")
                if let text = run.output ?? run.error { Output.write(Screen.lines(text) + "\n") }
            }
        }
    }

    struct Stop: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Stop a task that runs.")
        @OptionGroup var task: OneTask

        func run() async throws {
            try await task.target.run {
                try await $0.post(
                    Tasks.one(task.name, "/stop"), [String: String](), as: TaskRunBody.self, hint: Tasks.hint)
            } show: { run in
                print("\(Screen.plain(run.status)).")
            }
        }
    }

    struct Runs: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List a task's runs, newest first.")

        @OptionGroup var task: OneTask
        @Option(help: ArgumentHelp("At most so many.", valueName: "n"))
        var limit = 20

        func run() async throws {
            let path = Administration.path(Tasks.one(task.name, "/runs"), query: [("limit", "\(limit)")])
            try await task.target.run {
                try await $0.get(path, as: TaskRunsBody.self, hint: Tasks.hint)
            } show: { body in
                var table = Table("STARTED", "ENDED", "BY", "STATUS", "SAID", texts: ["SAID"])
                for run in body.runs {
                    table.add(
                        timeText(run.startedAt), run.finishedAt.map(timeText), run.trigger, run.status,
                        Tasks.line(run.error ?? run.output ?? ""))
                }
                table.show(empty: "It has not run yet.")
            }
        }
    }

    struct Describe: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Say when a schedule fires next.",
            discussion: "For example: openagent tasks describe '0 9 * * mon-fri' --timezone Europe/Berlin")

        @Argument(help: "Five fields of cron, @daily, '@every 10m', @once:2026-12-24T18:00 …")
        var expression: String
        @Option(help: ArgumentHelp("Where the wall clock hangs; UTC without it.", valueName: "zone"))
        var timezone: String?
        @Option(help: ArgumentHelp("So many times, up to 20.", valueName: "n"))
        var count = 3
        @OptionGroup var target: TargetOptions

        func run() async throws {
            let path = Administration.path(
                "/api/cron/describe",
                query: [("expression", expression), ("timezone", timezone), ("count", "\(count)")])
            try await target.run { agent in
                let answer = try await agent.get(path, as: ScheduleBody.self)
                guard answer.value.valid else {
                    throw CommandError(
                        .usage, answer.value.error ?? "that is no schedule",
                        hint: "see: openagent tasks describe --help")
                }
                return answer
            } show: { body in
                for time in body.upcoming { Output.write(Screen.plain(time.iso) + "\n") }
                if body.upcoming.isEmpty, Screen.isTerminal { Output.write("Never again.\n") }
            }
        }
    }

    /// The beginning of a text, as one line.
    static func line(_ text: String) -> String {
        text.prefix(200).split(whereSeparator: \.isNewline).joined(separator: " ")
    }
}

/// The task that a command is about.
struct OneTask: ParsableArguments {
    @Argument(help: ArgumentHelp("The task's name or id.", valueName: "task"))
    var name: String
    @OptionGroup var target: TargetOptions

    /// - Parameter way: `enable` or `disable`.
    func turn(_ way: String) async throws {
        try await target.run {
            try await $0.post(Tasks.one(name, "/\(way)"), [String: String](), as: TaskBody.self, hint: Tasks.hint)
        } show: { task in
            guard task.enabled else { return print("\(Screen.plain(task.name)) does not fire any more.") }
            print("\(Screen.plain(task.name)) fires next: \(Screen.plain(task.nextRunISO ?? "never")).")
        }
    }
}
