internal import Glibc
public import Store

// Which process serves this agent? The one that holds the lock. The kernel drops the lock with the process, however it
// ends, so nothing that a dead process left behind can keep the next one out. This file does not know what is served.

/// The right to serve one agent, held until ``release()`` or the end of the process.
public final class InstanceLock: Sendable {
    /// Somebody who only asks holds the lock shared for an instant; a server that starts in it tries again.
    private static let attempts = 10
    private static let pause = Duration.milliseconds(20)

    private let descriptor: Int32

    /// Takes the lock of the agent in `directory`, whose state folder exists, and removes the record that an earlier
    /// process left: from here on a record is this process's own.
    ///
    /// - Throws: ``InstanceError/alreadyRunning(_:directory:)``, ``InstanceError/file(_:)``
    public static func take(_ directory: AgentDirectory) async throws(InstanceError) -> InstanceLock {
        let file = open(directory.lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw .file(.init(path: directory.lock, operation: "open", code: errno)) }
        // Closes the file on every way out but the first.
        let lock = InstanceLock(descriptor: file)
        for attempt in 1...attempts {
            if flock(file, LOCK_EX | LOCK_NB) == 0 {
                RunRecord.remove(directory)
                return lock
            }
            let code = errno
            guard code == EWOULDBLOCK || code == EINTR else {
                throw .file(.init(path: directory.lock, operation: "lock", code: code))
            }
            if attempt < attempts { try? await Task.sleep(for: pause) }
        }
        throw .alreadyRunning(RunRecord.read(directory), directory: directory)
    }

    private init(descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// Lets the next process in. Harmless when called again.
    public func release() { flock(descriptor, LOCK_UN) }

    /// Whether a process holds the lock of the agent in `directory`.
    static func isHeld(_ directory: AgentDirectory) -> Bool {
        let file = open(directory.lock, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else { return false }
        defer { close(file) }
        return flock(file, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK
    }
}

/// Why an agent cannot be served.
public enum InstanceError: Error, Equatable, CustomStringConvertible {
    /// The record is nil while the other process is still starting.
    case alreadyRunning(RunRecord?, directory: AgentDirectory)
    case file(PrivateFileError)

    public var description: String {
        switch self {
        case .alreadyRunning(let record?, let directory):
            "the agent in \(directory) is already served by process \(record.pid) since \(record.startedText)"
        case .alreadyRunning(nil, let directory):
            "the agent in \(directory) is already served by another process, which is still starting or stopping"
        case .file(let error): error.description
        }
    }

    /// What to do.
    public var hint: String? {
        switch self {
        case .alreadyRunning(_?, let directory): "stop it first with: openagent stop --agent \(directory)"
        case .alreadyRunning(nil, _): "try again in a moment"
        case .file: nil
        }
    }
}
