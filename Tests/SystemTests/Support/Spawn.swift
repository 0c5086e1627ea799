import Foundation
import Glibc
import Synchronization

// Starts a process with nothing inherited but its three streams: no descriptor of a test that runs beside, and no blocked
// signal. `Foundation.Process` promises neither on Linux.

/// A started process. Its outputs are to be read to their ends, and it is to be waited for.
struct SpawnedProcess: Sendable {
    let pid: Int32
    let standardInput: Int32
    let standardOutput: Int32
    let standardError: Int32

    /// Between a pipe's making and its marking no other process may start.
    private static let starting = Mutex(())

    init(_ executable: String, _ arguments: [String], environment: [String: String], directory: String?) throws {
        self = try Self.starting.withLock { _ in
            let (inputReader, inputWriter) = try Self.pipe()
            let (outputReader, outputWriter) = try Self.pipe()
            let (errorReader, errorWriter) = try Self.pipe()
            defer { for end in [inputReader, outputWriter, errorWriter] { close(end) } }

            var actions = posix_spawn_file_actions_t()
            posix_spawn_file_actions_init(&actions)
            defer { posix_spawn_file_actions_destroy(&actions) }
            for (end, number) in [(inputReader, 0), (outputWriter, 1), (errorWriter, 2)] {
                posix_spawn_file_actions_adddup2(&actions, end, Int32(number))
            }

            // Sockets of the tests beside this one are not all marked to be closed.
            let open = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap { Int32($0) }
            for descriptor in 3...(open.max() ?? 3) { posix_spawn_file_actions_addclose(&actions, descriptor) }

            var attributes = posix_spawnattr_t()
            posix_spawnattr_init(&attributes)
            defer { posix_spawnattr_destroy(&attributes) }
            var none = sigset_t()
            sigemptyset(&none)
            posix_spawnattr_setsigmask(&attributes, &none)
            posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))

            // `env -C` changes the directory and becomes the program: the process stays the same one.
            let command = directory.map { ["/usr/bin/env", "-C", $0, executable] } ?? [executable]
            var words = (command + arguments).map { strdup($0) } + [nil]
            var variables = environment.map { strdup("\($0)=\($1)") } + [nil]
            defer { for text in words + variables { free(text) } }
            var pid: pid_t = 0
            let code = posix_spawn(&pid, command[0], &actions, &attributes, &words, &variables)
            guard code == 0 else { throw POSIXError(POSIXErrorCode(rawValue: code) ?? .EINVAL) }
            return SpawnedProcess(
                pid: pid, standardInput: inputWriter, standardOutput: outputReader, standardError: errorReader)
        }
    }

    private init(pid: Int32, standardInput: Int32, standardOutput: Int32, standardError: Int32) {
        self.pid = pid
        self.standardInput = standardInput
        self.standardOutput = standardOutput
        self.standardError = standardError
    }

    private static func pipe() throws -> (reader: Int32, writer: Int32) {
        var ends: [Int32] = [0, 0]
        guard Glibc.pipe(&ends) == 0 else { throw POSIXError(.EMFILE) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return (ends[0], ends[1])
    }
}

/// Reads `descriptor` to its end on a thread of its own and closes it; the last call has no data.
func readToEnd(_ descriptor: Int32, _ received: @escaping @Sendable (Data) -> Void) {
    Thread {
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            received(Data(buffer.prefix(count)))
        }
        close(descriptor)
        received(Data())
    }.start()
}

/// Waits for a process on a thread of its own. A signal's number is negative.
func reap(_ pid: Int32, _ ended: @escaping @Sendable (Int32) -> Void) {
    Thread {
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        ended(status & 0x7F == 0 ? (status >> 8) & 0xFF : -(status & 0x7F))
    }.start()
}
