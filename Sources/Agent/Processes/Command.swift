internal import Glibc
internal import Subprocess

// How does another program run for the agent? As a process of its own session that inherits nothing: no descriptor, no
// blocked signal and of the environment only what every program needs. It ends in good order or with its whole group, and
// nothing of it is left behind. What the program is for is its caller's business.

/// A program with its arguments, and the bounds within which it runs.
public struct Command: Sendable, Equatable {
    /// The program, searched for in `PATH` unless it holds a `/`, and its arguments. No shell reads them.
    public var words: [String]
    /// The setting that names the program, e.g. `tts.command`: what an error tells the user to look at.
    public var setting: String
    /// Variables besides `PATH`, `HOME`, `LANG` and `TMPDIR`, which are this process' own.
    public var environment: [String: String] = [:]
    /// The working folder; nil is this process' own.
    public var folder: String?
    /// How long it may run; nil is without end.
    public var timeLimit: Duration?
    /// Bytes of its standard output.
    public var outputLimit = 1 << 20

    public init(_ words: [String], setting: String) {
        self.words = words
        self.setting = setting
    }

    /// How long a program has between SIGTERM and SIGKILL.
    static let patience = Duration.seconds(2)
    /// Bytes at the end of standard error that an error tells.
    static let errorTail = 4096
    /// How long a program may go on once it has closed its outputs.
    private static let farewellTime = Duration.seconds(5)

    private static let kept = ["PATH", "HOME", "LANG", "TMPDIR"]
    private static let usualPath = "/usr/local/bin:/usr/bin:/bin"

    /// Writing to a program that reads no more must not end this process.
    static let ignoresBrokenPipes: Bool = {
        signal(SIGPIPE, SIG_IGN)
        return true
    }()

    // MARK: Run

    /// Runs the program to its end. Cancelling the task ends it with its whole group: SIGTERM, and SIGKILL two seconds
    /// later.
    ///
    /// - Parameters:
    ///   - input: what it reads on standard input.
    ///   - output: called for each piece of standard output, in order; the program waits meanwhile.
    /// - Throws: ``CommandError``, what `output` throws, or `CancellationError`.
    public func run(input: [UInt8] = [], output: @escaping @Sendable ([UInt8]) async throws -> Void) async throws {
        try await withinTimeLimit {
            try await spawn { process in
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { await process.feed(input) }
                    group.addTask {
                        var length = 0
                        while let piece = try await process.read() {
                            length += piece.count
                            guard length <= outputLimit else {
                                throw CommandError.tooMuchOutput(program: program, limit: outputLimit)
                            }
                            try await output(piece)
                        }
                    }
                    // The first failure ends it all; `waitForAll` would wait for the others.
                    while try await group.next() != nil {}
                }
            }
        }
    }

    /// Runs the program to its end, as ``run(input:output:)`` does.
    ///
    /// - Returns: its standard output.
    public func output(input: [UInt8] = []) async throws -> [UInt8] {
        let collected = Collected()
        try await run(input: input) { await collected.append($0) }
        return await collected.bytes
    }

    private actor Collected {
        var bytes: [UInt8] = []
        func append(_ piece: [UInt8]) { bytes += piece }
    }

    private var program: String { words.first ?? "" }

    // MARK: Parts

    private func withinTimeLimit(_ body: @escaping @Sendable () async throws -> Void) async throws {
        guard let timeLimit else { return try await body() }
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                try await body()
                return true
            }
            group.addTask {
                try await Task.sleep(for: timeLimit)
                return false
            }
            defer { group.cancelAll() }
            if try await group.next() == false {
                group.cancelAll()
                // Only when nothing of it runs any more.
                _ = try? await group.next()
                try Task.checkCancellation()
                throw CommandError.tookTooLong(program: program, limit: timeLimit)
            }
        }
    }

    private func spawn(_ body: @escaping @Sendable (RunningCommand) async throws -> Void) async throws {
        guard !program.isEmpty, Self.ignoresBrokenPipes else {
            throw CommandError.missing(program: program, setting: setting)
        }
        var options = PlatformOptions()
        options.createSession = true
        options.teardownSequence = Self.ending
        let tail = ErrorTail(limit: Self.errorTail)
        let status: TerminationStatus
        do {
            status = try await Subprocess.run(
                program.contains("/") ? .path(.init(program)) : .name(program),
                arguments: Arguments(Array(words.dropFirst())),
                environment: .custom(Self.keys(Self.variables(environment))),
                workingDirectory: folder.map { .init($0) }, platformOptions: options,
                input: .inputWriter, output: .sequence, error: .sequence
            ) { execution in
                // Until this closure returns the process is not reaped, so its number is nobody else's.
                let group = execution.processIdentifier.value
                defer { kill(-group, SIGKILL) }
                do {
                    try await withThrowingTaskGroup(of: Void.self) { tasks in
                        let process = RunningCommand(
                            writer: execution.standardInputWriter, output: execution.standardOutput)
                        tasks.addTask { try await body(process) }
                        tasks.addTask {
                            for try await piece in execution.standardError {
                                tail.append(piece.withUnsafeBytes(Array.init))
                            }
                        }
                        while try await tasks.next() != nil {}
                    }
                    try Task.checkCancellation()
                    await execution.teardown(using: [Self.wait(Self.farewellTime)] + Self.ending)
                } catch {
                    await execution.teardown(using: Self.ending)
                    throw error
                }
            }.terminationStatus
        } catch let error as SubprocessError {
            try Task.checkCancellation()
            switch error.code {
            case .executableNotFound: throw CommandError.missing(program: program, setting: setting)
            default:
                throw CommandError.notStarted(
                    program: program, setting: setting,
                    reason: error.underlyingError.map { "\($0)" } ?? "\(error)")
            }
        }
        try Task.checkCancellation()
        switch status {
        case .exited(0): return
        case .exited(let code): throw CommandError.failed(program: program, how: "status \(code)", errors: tail.text)
        case .signaled(let number):
            throw CommandError.failed(program: program, how: "signal \(number)", errors: tail.text)
        }
    }

    private static let ending: [TeardownStep] = [
        .gracefulShutDown(toProcessGroup: true, allowedDurationToNextStep: patience)
    ]

    /// Signal 0 is none: the step only waits for the end.
    private static func wait(_ time: Duration) -> TeardownStep {
        .send(signal: Signal(rawValue: 0), allowedDurationToNextStep: time)
    }

    /// What a program gets of this process' environment, and what it is given besides.
    static func variables(_ given: [String: String]) -> [String: String] {
        var variables = ["PATH": usualPath, "LANG": "C.UTF-8"]
        for name in kept {
            if let value = getenv(name).map({ String(cString: $0) }), !value.isEmpty { variables[name] = value }
        }
        return variables.merging(given) { $1 }
    }

    static func keys(_ variables: [String: String]) -> [Environment.Key: String] {
        Dictionary(
            uniqueKeysWithValues: variables.compactMap { name, value in
                Environment.Key(rawValue: name).map { ($0, value) }
            })
    }
}
