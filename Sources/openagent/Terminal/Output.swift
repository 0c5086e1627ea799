internal import Foundation
internal import Synchronization

// How is text printed that is not a line of its own? Unbuffered, and without a crash when nobody reads any more: the
// other end of a pipe may leave before the program does. A full disk is another matter: a ticket that was not written is
// lost, and the command says so at its end.

enum Output {
    /// Why standard output did not take everything; 0 when it did, or when nobody reads it.
    private static let failure = Atomic<Int32>(0)

    private static let hasReader = Atomic<Bool>(true)

    /// Whether somebody takes what is written to standard output.
    static var isRead: Bool { hasReader.load(ordering: .relaxed) }

    /// Does `work` for as long as somebody may read what it writes: in `work | head -1` it ends with its reader, also while
    /// it has nothing to write. Only for work that changes nothing.
    ///
    /// - Returns: nil when the reader left first.
    static func whileRead<R: Sendable>(_ work: @escaping @Sendable () async throws -> R) async throws -> R? {
        try await withThrowingTaskGroup(of: R?.self) { group in
            defer { group.cancelAll() }
            group.addTask { try await work() }
            group.addTask {
                while !hasLostItsReader() { try await Task.sleep(for: readerCheck) }
                return nil
            }
            return try await group.next() ?? nil
        }
    }

    /// How often it is looked whether the reader of a pipe is still there.
    private static let readerCheck = Duration.milliseconds(500)

    private static func hasLostItsReader() -> Bool {
        guard isRead else { return true }
        var status = stat()
        // A terminal says by a signal that it is gone, and a file has no reader.
        guard fstat(STDOUT_FILENO, &status) == 0, [S_IFIFO, S_IFSOCK].contains(status.st_mode & S_IFMT) else {
            return false
        }
        var end = pollfd(fd: STDOUT_FILENO, events: 0, revents: 0)
        return poll(&end, 1, 0) > 0 && Int32(end.revents) & Int32(POLLERR) != 0
    }

    static func write(_ text: String) { write(text, to: .standardOutput) }

    static func writeError(_ text: String) { write(text, to: .standardError) }

    static func write(_ text: String, to place: FileHandle) { write(Array(text.utf8), to: place) }

    static func write(_ bytes: [UInt8], to place: FileHandle) {
        let descriptor = place.fileDescriptor
        // What was printed before comes first: in a pipe it still lies in the buffer.
        if descriptor == STDOUT_FILENO { fflush(nil) }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count >= 0 {
                rest = rest.dropFirst(count)
                continue
            }
            switch errno {
            case EINTR: continue
            case EAGAIN:
                var room = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&room, 1, -1)
            default:
                // The command's own work goes on.
                if descriptor == STDOUT_FILENO { note(errno) }
                return
            }
        }
    }

    /// Writes what is still buffered.
    ///
    /// - Throws: ``CommandError`` when standard output did not take everything that it was given.
    static func finish() throws {
        if fflush(nil) != 0 { note(errno) }
        let code = failure.load(ordering: .relaxed)
        guard code == 0 else {
            throw CommandError(
                .failed, "the output could not be written: \(String(cString: strerror(code)))",
                hint: "what the command does is done all the same; make room before you give it again")
        }
    }

    private static func note(_ code: Int32) {
        if code == EPIPE { hasReader.store(false, ordering: .relaxed) } else { failure.store(code, ordering: .relaxed) }
    }
}
