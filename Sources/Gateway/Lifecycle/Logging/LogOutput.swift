internal import Glibc
internal import NIOConcurrencyHelpers
public import Store
internal import Synchronization

// Where do log lines go? To standard output or to a private file, one whole line at a time, whoever writes. This file
// does not know what a line says.

/// A place for log lines. May be shared freely.
public final class LogOutput: Sendable {
    /// How lines look.
    public enum Format: Sendable {
        /// For people at a terminal.
        case human
        /// One JSON object a line, for programs.
        case json
    }

    let format: Format
    private let descriptor: Int32
    private let isOwned: Bool
    /// What is written to instead of the descriptor.
    private let file: Mutex<RotatingFile?>
    private let lock = NIOLock()

    /// Standard output: human lines in a terminal, JSON lines otherwise. For `serve`.
    public static func standardOutput() -> LogOutput {
        LogOutput(descriptor: STDOUT_FILENO, isOwned: false, format: isatty(STDOUT_FILENO) == 1 ? .human : .json)
    }

    /// JSON lines at the end of the file at `path`, which is made with mode 0600, as are missing folders with 0700, and divided
    /// when it is full. For interactive commands, whose terminal belongs to the conversation.
    ///
    /// - Throws: ``PrivateFileError``
    public static func file(
        _ path: String, limits: LogFileLimits = LogFileLimits()
    ) throws(PrivateFileError) -> LogOutput {
        LogOutput(file: try RotatingFile(path, limits: limits))
    }

    private init(file: RotatingFile) {
        self.file = Mutex(file)
        descriptor = -1
        isOwned = false
        format = .json
    }

    init(descriptor: Int32, isOwned: Bool, format: Format) {
        file = Mutex(nil)
        self.descriptor = descriptor
        self.isOwned = isOwned
        self.format = format
    }

    deinit {
        if isOwned { close(descriptor) }
        file.withLock { $0?.close() }
    }

    /// Writes one line. What cannot be written is lost: a full disk or a closed pipe must not stop the agent.
    func write(_ line: String) {
        let bytes = Array(line.utf8) + [UInt8(ascii: "\n")]
        guard file.withLock({ $0?.append(bytes) }) == nil else { return }
        lock.withLock {
            var written = 0
            while written < bytes.count {
                let count = bytes.withUnsafeBytes { bytes in
                    Glibc.write(descriptor, bytes.baseAddress?.advanced(by: written), bytes.count - written)
                }
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return }
                written += count
            }
        }
    }
}
