internal import ArgumentParser
internal import Foundation
internal import Wire

// How is the agent told what to do at times? Tasks are made and changed: when, what, and how.

extension Tasks {
    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a task: a prompt that the agent is given at times.",
            discussion: """
                For example: openagent tasks add news --cron '0 7 * * *' --timezone Europe/Berlin --prompt 'What is new?'
                """)

        @Argument(help: "What it is called.")
        var name: String
        @OptionGroup var time: TaskTime
        @OptionGroup var settings: TaskSettings
        @Flag(help: "Do not let it fire yet.")
        var disabled = false
        @OptionGroup var target: TargetOptions

        func validate() throws {
            if time.expression == nil { throw ValidationError("say when: --cron, --every or --at") }
        }

        func run() async throws {
            let task = NewTask(
                name: name, cronExpression: time.expression ?? "", prompt: try settings.text() ?? TaskSettings.typed(),
                timezone: time.zone, model: settings.model, catchUp: settings.catchUp, enabled: !disabled)
            try await target.run {
                try await $0.post(Tasks.path, task, as: TaskBody.self, hint: "see: openagent tasks add --help")
            } show: { task in
                print("Made \(Screen.plain(task.name)); it fires next: \(Screen.plain(task.nextRunISO ?? "never")).")
            }
        }
    }

    struct Update: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Change a task; what is not named stays.")

        @OptionGroup var task: OneTask
        @Option(help: ArgumentHelp("Another name.", valueName: "name"))
        var rename: String?
        @OptionGroup var time: TaskTime
        @OptionGroup var settings: TaskSettings

        func run() async throws {
            var patch = TaskPatch()
            patch.name = rename
            patch.cronExpression = time.expression
            patch.timezone = time.timezone
            patch.prompt = try settings.text()
            if let model = settings.model { patch.model = .some(model.isEmpty ? nil : model) }
            patch.catchUp = settings.catchUp
            guard patch != TaskPatch() else {
                throw CommandError(
                    .usage, "there is nothing to change", hint: "see: openagent tasks update --help")
            }
            let change = patch
            try await task.target.run {
                try await $0.patch(Tasks.one(task.name), change, as: TaskBody.self, hint: Tasks.hint)
            } show: { task in
                print(
                    "Changed \(Screen.plain(task.name)); it fires next: \(Screen.plain(task.nextRunISO ?? "never")).")
            }
        }
    }
}

/// When a task fires, one way or another.
struct TaskTime: ParsableArguments {
    @Option(help: ArgumentHelp("At the times of a cron expression, e.g. '0 9 * * mon-fri'.", valueName: "expression"))
    var cron: String?
    @Option(help: ArgumentHelp("Again and again, e.g. 10m, 1h30m; at least 1s.", valueName: "span"))
    var every: String?
    @Option(
        help: ArgumentHelp("Once, e.g. '2026-12-24 18:00' or 2026-12-24T18:00:00+01:00.", valueName: "time"))
    var at: String?
    @Option(
        help: ArgumentHelp(
            "Where the wall clock hangs, e.g. Europe/Berlin. Without it a new task's --at is in this machine's zone, and "
                + "--cron in UTC.", valueName: "zone"))
    var timezone: String?

    func validate() throws {
        if [cron, every, at].filter({ $0 != nil }).count > 1 {
            throw ValidationError("--cron, --every and --at exclude each other")
        }
    }

    /// As the agent reads it; nil: none was given.
    var expression: String? { cron ?? every.map { "@every \($0)" } ?? at.map { "@once:\($0)" } }

    /// The zone of a new task.
    var zone: String? { timezone ?? (at == nil ? nil : TimeZone.current.identifier) }
}

/// What a task says to the agent, and how.
struct TaskSettings: ParsableArguments {
    @Option(help: ArgumentHelp("What the agent is told; - reads standard input.", valueName: "text|-"))
    var prompt: String?
    @Option(help: ArgumentHelp("The model that answers, instead of the agent's own.", valueName: "model"))
    var model: String?
    @Option(
        help: ArgumentHelp(
            "What becomes of times that pass while the agent does not run: 'skip' them, or run 'once' for all.",
            valueName: "skip|once"))
    var catchUp: String?

    func validate() throws {
        if let catchUp, !["skip", "once"].contains(catchUp) { throw ValidationError("--catch-up is 'skip' or 'once'") }
    }

    /// The prompt that was given; nil: none.
    func text() throws -> String? { prompt == "-" ? try Self.typed() : prompt }

    /// The prompt from standard input.
    static func typed() throws -> String {
        if isatty(STDIN_FILENO) == 1 { Output.writeError("Write what the agent is told; end with Ctrl-D.\n") }
        let text = String(decoding: try InputFile.read(.standardInput), as: UTF8.self)
        guard text.contains(where: { !$0.isWhitespace }) else {
            throw CommandError(.usage, "there is no prompt", hint: "give one with --prompt, or on standard input")
        }
        return text.trimmingCharacters(in: .whitespacesAndNewlines)
    }
}

/// What a command reads before it sends it.
enum InputFile {
    /// Bytes: no route takes more in one go.
    private static let largest = 1 << 20

    /// - Parameter name: `-` is standard input.
    static func read(_ name: String) throws -> Data {
        if name == "-" { return try read(.standardInput) }
        guard let handle = FileHandle(forReadingAtPath: name) else {
            throw CommandError(
                .usage, "\(name) cannot be read", hint: "name a file, or give - for standard input")
        }
        return try read(handle)
    }

    static func read(_ handle: FileHandle) throws -> Data {
        var data = Data()
        while let piece = try handle.read(upToCount: largest + 1 - data.count), !piece.isEmpty {
            data += piece
            guard data.count <= largest else {
                throw CommandError(.usage, "that is more than \(largest >> 20) MiB", hint: "give less")
            }
        }
        return data
    }
}
