internal import Glibc
internal import Subprocess

// How is an MCP server reached that is a program of this machine? Over its pipes, a message on each line. It runs in a session of its own,
// inherits nothing but what every program needs and its row says, takes no more memory than it may, and ends with all that it has started.

/// A program that speaks MCP over standard input and output.
struct MCPProgram: MCPTransport {
    /// The program, searched for in `PATH` unless it holds a `/`, and its arguments. No shell reads them.
    var words: [String]
    /// The variables of its row, looked up anew for each start. What it throws is told to the operator.
    var environment: @Sendable () throws -> [String: String]
    /// Nil is this process' own.
    var folder: String?
    /// Bytes that it may take with all that it starts.
    var memory: Int
    var time: TimeSource
    var log: MCPLog

    /// Bytes of a message.
    static let longestMessage = 4 << 20
    /// How often its memory is looked at.
    static let memoryInterval = Duration.seconds(1)
    /// How long it may go on once its input was closed, and then after SIGTERM.
    static let patience = Duration.seconds(1)
    /// The kernel counts what a program has asked for, which is more than it uses: this many times what it may use.
    private static let askedFor = 2

    /// Bounds the memory, leaves no image of it behind, and becomes the program.
    private static let prelude = #"ulimit -c 0; ulimit -d "$1" 2>/dev/null; shift; exec "$@""#

    private static let ending: [TeardownStep] = [
        // Signal 0 is none: its input is closed, and a good program ends by itself.
        .send(signal: Signal(rawValue: 0), allowedDurationToNextStep: patience),
        .gracefulShutDown(toProcessGroup: true, allowedDurationToNextStep: patience),
    ]

    /// What was seen of a program that ran.
    private struct Seen: Sendable {
        /// Nil: it was to end.
        var failure: MCPFailure?
        /// It ended by itself.
        var hasEnded = false
    }

    func run(
        _ outgoing: AsyncStream<MCPOutgoing>, received: @escaping @Sendable ([UInt8]) async throws -> Void
    ) async throws -> Never {
        let own: [String: String]
        do { own = try environment() } catch { throw MCPFailure("its environment: \(error)") }
        log.hide(own.values)
        let variables = Command.variables(own)
        guard let name = words.first, Command.ignoresBrokenPipes else { throw MCPFailure("it has no command") }
        guard let program = Self.find(name, in: variables["PATH"] ?? "", from: folder) else {
            throw MCPFailure("there is no program '\(name)'")
        }
        // A new agent has none yet; whatever else is wrong with it is told when the program starts.
        if let folder { _ = mkdir(folder, 0o700) }
        let tail = ErrorTail(limit: Command.errorTail)
        var options = PlatformOptions()
        options.createSession = true
        options.teardownSequence = Self.ending
        let seen: Seen
        let status: TerminationStatus
        do {
            let result = try await Subprocess.run(
                .path("/bin/sh"),
                arguments: Arguments(
                    ["-c", Self.prelude, "sh", "\(memory * Self.askedFor / 1024)", program] + words.dropFirst()),
                environment: .custom(Command.keys(variables)), workingDirectory: folder.map { .init($0) },
                platformOptions: options, input: .inputWriter, output: .sequence, error: .sequence
            ) { execution -> Seen in
                // Until this closure returns the process is not reaped, so its number is nobody else's.
                let session = execution.processIdentifier.value
                defer { kill(-session, SIGKILL) }
                let process = RunningCommand(
                    writer: execution.standardInputWriter, output: execution.standardOutput)
                let seen = await talk(
                    process, session, execution.standardError, tail, outgoing, received: received)
                await process.close()
                await execution.teardown(using: Self.ending)
                return seen
            }
            status = result.terminationStatus
            seen = result.takeClosureResult()
        } catch let error as SubprocessError {
            try Task.checkCancellation()
            throw MCPFailure("'\(name)' cannot be started (\(error.underlyingError.map { "\($0)" } ?? "\(error)"))")
        }
        try Task.checkCancellation()
        if let failure = seen.failure { throw failure }
        let words = MCPMessages.remark(log.hidden(tail.text))
        throw MCPFailure("it ended with \(Self.text(status))" + (words.isEmpty ? "" : ": \(words)"))
    }

    /// Carries messages until one side ends it.
    private func talk(
        _ process: RunningCommand, _ session: Int32, _ errors: SubprocessOutputSequence, _ tail: ErrorTail,
        _ outgoing: AsyncStream<MCPOutgoing>, received: @escaping @Sendable ([UInt8]) async throws -> Void
    ) async -> Seen {
        do {
            try await withThrowingTaskGroup(of: Bool.self) { group in
                group.addTask {
                    for await message in outgoing {
                        // A program that reads no more is noticed by what it doesn't answer.
                        do { try await process.write(message.message.bytes + [0x0A]) } catch { break }
                    }
                    return false
                }
                group.addTask {
                    var lines = MCPLines(limit: Self.longestMessage)
                    while let piece = try await process.read() {
                        do {
                            for line in try lines.append(piece) { try await received(line) }
                        } catch is MCPLines.TooLong {
                            throw MCPFailure("it wrote a message of more than \(Self.longestMessage) bytes")
                        }
                    }
                    return true
                }
                group.addTask {
                    var remarks = MCPRemarks()
                    for try await piece in errors {
                        let bytes = piece.withUnsafeBytes(Array.init)
                        tail.append(bytes)
                        for line in remarks.append(bytes) { log.said(line) }
                    }
                    return false
                }
                group.addTask {
                    while true {
                        try await time.sleep(Self.memoryInterval)
                        guard MCPMemory.ofSession(session) <= memory else {
                            kill(-session, SIGKILL)
                            throw MCPFailure("it took more than \(memory >> 20) MiB of memory")
                        }
                    }
                }
                defer { group.cancelAll() }
                while let hasEnded = try await group.next() { if hasEnded { return } }
            }
            return Seen(hasEnded: true)
        } catch let failure as MCPFailure {
            return Seen(failure: failure)
        } catch {
            return Seen()
        }
    }

    // MARK: Parts

    private static func text(_ status: TerminationStatus) -> String {
        switch status {
        case .exited(let code): "status \(code)"
        case .signaled(let number): "signal \(number)"
        }
    }

    /// Where a program is; nil when there is none that may be run.
    static func find(_ name: String, in path: String, from folder: String?) -> String? {
        guard !name.contains("/") else {
            let place = name.hasPrefix("/") ? name : (folder.map { $0 + "/" } ?? "") + name
            return isProgram(place) ? name : nil
        }
        return path.split(separator: ":").lazy.map { "\($0)/\(name)" }.first(where: isProgram)
    }

    private static func isProgram(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && access(path, X_OK) == 0
    }
}
