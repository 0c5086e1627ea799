internal import Glibc
internal import Subprocess
internal import Synchronization

// How does a command run inside its walls, from start to end? With its streams kept up to a bound, until it ends by itself, its time is
// up, or nobody wants it any more; then nothing of it is left.

/// One command.
struct ShellRun: Sendable {
    /// How a command ended.
    enum End: Sendable, Equatable {
        case exited(Int)
        /// Its time was up.
        case timedOut
        /// It was ended from outside.
        case killed
        /// It never ran.
        case failed(String)
    }

    let words: [String]
    let timeLimit: Duration?
    let output = OutputWindow()
    let errors = OutputWindow()
    /// What it reads; finishing it closes its input.
    let input: AsyncStream<[UInt8]>

    private final class Late: Sendable {
        let isTrue = Atomic(false)
    }

    /// Writing to a program that reads no more must not end this process.
    private static let ignoresBrokenPipes: Bool = {
        signal(SIGPIPE, SIG_IGN)
        return true
    }()

    /// Runs it to its end. Cancelling the task ends it.
    func run() async -> End {
        guard Self.ignoresBrokenPipes, let program = words.first else { return .failed("there is no program") }
        let late = Late()
        let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/local/bin:/usr/bin:/bin"
        var options = PlatformOptions()
        options.createSession = true
        do {
            let status = try await Subprocess.run(
                program.contains("/") ? .path(.init(program)) : .name(program),
                arguments: Arguments(Array(words.dropFirst())), environment: .custom(["PATH": path]),
                platformOptions: options, input: .inputWriter, output: .sequence, error: .sequence
            ) { execution in
                // Until this closure returns the process is not reaped, so its number is nobody else's. Its end is the end
                // of everything inside.
                let process = execution.processIdentifier.value
                let (writer, standardOutput, standardError) = (
                    execution.standardInputWriter, execution.standardOutput, execution.standardError
                )
                defer { kill(-process, SIGKILL) }
                await withTaskCancellationHandler {
                    await withTaskGroup(of: Bool.self) { group in
                        group.addTask {
                            for await piece in input where (try? await writer.write(piece)) == nil { break }
                            try? await writer.finish()
                            return false
                        }
                        group.addTask {
                            await withTaskGroup(of: Void.self) { streams in
                                streams.addTask { await Self.read(standardOutput, output) }
                                streams.addTask { await Self.read(standardError, errors) }
                            }
                            return true
                        }
                        if let timeLimit {
                            group.addTask {
                                guard (try? await Task.sleep(for: timeLimit)) != nil else { return false }
                                late.isTrue.store(true, ordering: .relaxed)
                                kill(-process, SIGKILL)
                                return false
                            }
                        }
                        // Both streams are at their end: the rest is for nobody.
                        while let isOver = await group.next(), !isOver {}
                        group.cancelAll()
                    }
                } onCancel: {
                    kill(-process, SIGKILL)
                }
            }.terminationStatus
            if late.isTrue.load(ordering: .relaxed) { return .timedOut }
            if Task.isCancelled { return .killed }
            switch status {
            case .exited(let code): return .exited(Int(code))
            case .signaled: return .killed
            }
        } catch let error as SubprocessError where error.code == .executableNotFound {
            return .failed("bubblewrap is missing: install the package bubblewrap (0.8 or newer)")
        } catch {
            return Task.isCancelled ? .killed : .failed("it could not be started")
        }
    }

    private static func read(_ stream: SubprocessOutputSequence, _ window: OutputWindow) async {
        do {
            for try await piece in stream { window.append(piece.withUnsafeBytes(Array.init)) }
        } catch {
            // A stream that breaks is one that has ended.
        }
    }
}
