internal import JSON
internal import Synchronization

// How does the agent run commands? Inside the walls of ShellSandbox and nowhere else, in its work folder, for a bounded time and with
// bounded output; or in the background, for as long as the agent's service runs.

/// The tools of the server `shell`.
struct ShellTools: Sendable {
    let sandbox: ShellSandbox
    let jobs: ShellJobs
    /// Unix seconds.
    let now: @Sendable () -> Double
    /// The walls were put up once.
    private let isTried = SharedFlag()

    private static let times = 1...1_800_000
    private static let usualTime = 120_000
    /// Bytes of one argument, as the kernel bounds it.
    private static let longestCommand = 100_000
    private static let mostVariables = 64

    init(sandbox: ShellSandbox, jobs: ShellJobs, now: @escaping @Sendable () -> Double) {
        self.sandbox = sandbox
        self.jobs = jobs
        self.now = now
    }

    private final class SharedFlag: Sendable {
        let isSet = Atomic(false)
    }

    var server: BuiltinServer { BuiltinServer("shell", [execute] + background) }

    private var execute: BuiltinTool {
        BuiltinTool(
            "shell_exec", .action,
            "Runs a command of bash in the work folder, which is \(ShellSandbox.inside): no network, nothing else of "
                + "the machine can be written",
            [
                .text("command", "The command", required: true),
                .text("cwd", "A folder below the work folder where it starts"),
                .object("env", "Variables, each a text"),
                .integer(
                    "timeout", Self.times,
                    "Milliseconds until it is ended; usually \(Self.usualTime), in the background without end"),
                .flag("run_in_background", "Goes on without waiting for its end; see shell_output"),
                .text("stdin", "What it reads"), .text("description", "What it is for, in a few words"),
            ], needsAdmin: true, timeLimit: .seconds(1_830)
        ) { arguments, context in
            let command = try arguments.text("command")
            guard command.utf8.count <= Self.longestCommand, !command.utf8.contains(0) else {
                throw ToolRefusal("'command' has at most \(Self.longestCommand) bytes, and none that is zero")
            }
            let words = sandbox.words(
                command, in: try EditorTools.folder(arguments, "cwd"), environment: try Self.environment(arguments))
            let time = try arguments.optionalInteger("timeout", in: Self.times)
            let input = try arguments.optionalText("stdin")
            try sandbox.makeFolder()
            if !isTried.isSet.load(ordering: .relaxed) {
                if let problem = await sandbox.problem() { throw ToolRefusal("no command runs here: \(problem)") }
                isTried.isSet.store(true, ordering: .relaxed)
            }
            if try arguments.flag("run_in_background", usual: false) {
                let job = try await jobs.start(
                    words, timeLimit: time.map { .milliseconds($0) },
                    description: String((try arguments.optionalText("description") ?? command).prefix(200)),
                    session: context.sessionID, at: now())
                if let input { job.input.yield(Array(input.utf8)) }
                return [
                    "shell_id": .string(job.id), "started_at": .string(ScheduleTools.iso(job.startedAt)),
                    "description": .string(job.description),
                ]
            }
            return try await foreground(words, input, .milliseconds(time ?? Self.usualTime))
        }
    }

    private func foreground(_ words: [String], _ input: String?, _ timeLimit: Duration) async throws -> JSONValue {
        let (pieces, continuation) = AsyncStream.makeStream(of: [UInt8].self)
        if let input { continuation.yield(Array(input.utf8)) }
        continuation.finish()
        let run = ShellRun(words: words, timeLimit: timeLimit, input: pieces)
        let start = ContinuousClock.now
        let end = await run.run()
        try Task.checkCancellation()
        if case .failed(let why) = end { throw ToolRefusal(why) }
        var fields = Self.shown(end)
        fields["duration_ms"] = JSONValue(Int((ContinuousClock.now - start) / .milliseconds(1)))
        return .object(fields.merging(Self.streams(run, sinceLast: false)) { $1 })
    }

    // MARK: Background

    private static let shell = ToolParameter.text("shell_id", "As shell_exec gave it", required: true)

    private var background: [BuiltinTool] {
        [
            BuiltinTool(
                "shell_output", .query, "Reads what a background command has printed",
                [
                    Self.shell, .text("filter", "Only lines that hold this text"),
                    .flag("since_last", "Only what was not read before; usually true"),
                ], needsAdmin: true
            ) { arguments, context in
                let job = try await jobs.job(arguments.text("shell_id"), of: context.sessionID)
                let filter = try arguments.optionalText("filter")
                let streams = Self.streams(
                    job.run, sinceLast: try arguments.flag("since_last", usual: true), filter: filter)
                return .object(Self.shown(job).merging(streams) { $1 })
            },
            BuiltinTool(
                "shell_input", .action, "Gives a background command something to read",
                [
                    Self.shell, .text("text", "What it reads", required: true),
                    .flag("press_enter", "Ends the line; usually true"),
                ], needsAdmin: true
            ) { arguments, context in
                let job = try await jobs.job(arguments.text("shell_id"), of: context.sessionID)
                guard job.end == nil else { throw ToolRefusal("'\(job.id)' has ended") }
                let text = try arguments.text("text")
                guard text.utf8.count <= Self.longestCommand else { throw ToolRefusal("'text' is too long") }
                let isLine = try arguments.flag("press_enter", usual: true)
                guard case .enqueued = job.input.yield(Array((isLine ? text + "\n" : text).utf8)) else {
                    throw ToolRefusal("'\(job.id)' does not read what it was given before")
                }
                return .object(Self.shown(job))
            },
            BuiltinTool(
                "shell_kill", .action, "Ends a background command with all that it has started", [Self.shell],
                needsAdmin: true
            ) { arguments, context in
                .object(Self.shown(try await jobs.kill(arguments.text("shell_id"), of: context.sessionID)))
            },
            BuiltinTool("shell_list", .query, "Lists this session's background commands", needsAdmin: true) {
                _, context in
                ["shells": .array(await jobs.all(of: context.sessionID).map { .object(Self.shown($0)) })]
            },
        ]
    }

    // MARK: Values

    private static func environment(_ arguments: ToolArguments) throws -> [String: String] {
        let variables = try arguments.optionalTextFields("env") ?? [:]
        guard variables.count <= mostVariables,
            variables.allSatisfy({
                RegistryRules.isVariableName($0.key) && $0.value.utf8.count <= 32_768 && !$0.value.utf8.contains(0)
            })
        else { throw ToolRefusal("'env' has at most \(mostVariables) variables with texts of at most 32 KiB") }
        return variables
    }

    private static func shown(_ job: ShellJobs.Job) -> [String: JSONValue] {
        var fields = job.end.map(shown) ?? ["status": "running"]
        fields["shell_id"] = .string(job.id)
        fields["started_at"] = .string(ScheduleTools.iso(job.startedAt))
        fields["description"] = .string(job.description)
        return fields
    }

    private static func shown(_ end: ShellRun.End) -> [String: JSONValue] {
        switch end {
        case .exited(let code): ["status": "exited", "exit_code": JSONValue(code), "timed_out": false]
        case .timedOut: ["status": "timed_out", "exit_code": .null, "timed_out": true]
        case .killed: ["status": "killed", "exit_code": .null, "timed_out": false]
        case .failed(let why): ["status": "failed", "error": .string(why)]
        }
    }

    private static func streams(_ run: ShellRun, sinceLast: Bool, filter: String? = nil) -> [String: JSONValue] {
        let (output, errors) = (run.output.read(sinceLast: sinceLast), run.errors.read(sinceLast: sinceLast))
        func filtered(_ text: String) -> JSONValue {
            guard let filter, !filter.isEmpty else { return .string(text) }
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false).filter { $0.contains(filter) }
            return .string(lines.joined(separator: "\n"))
        }
        return [
            "stdout": filtered(output.text), "stderr": filtered(errors.text),
            "truncated_stdout": .bool(output.isTruncated), "truncated_stderr": .bool(errors.isTruncated),
        ]
    }
}
