internal import Bridges
internal import Foundation
internal import Gateway
internal import Glibc
internal import Logging
internal import Wire

// How does a bridge come to run? The same way in the agent's process and in one of its own: what the gateway hands in, or this device's
// own client, is given to the room of bridges.

enum BridgeWiring {
    /// Runs a bridge until the task is cancelled.
    static let run: RunBridge = { run in
        let runner = BridgeRunner(
            bridge: makeBridge(run.settings, logger: run.logger), settings: run.settings, dialer: run.dialer,
            database: run.database, temporary: run.temporary, logger: run.logger)
        do {
            try await runner.run()
        } catch PlatformFailure.account(let reason) {
            throw BridgeMustBeMended(reason)
        }
    }
}

/// Where a bridge that runs with this device's key keeps what it has to remember. Nobody else uses it as long as this is held.
final class BridgePlace: Sendable {
    let database: String
    let temporary: String
    private let lock: Int32

    /// - Parameter name: tells network, agent and platform from others.
    /// - Throws: ``CommandError`` when another process has it.
    init(folder: String, name: String) throws {
        database = "\(folder)/\(name).db"
        temporary = "\(folder)/\(name).files"
        let lock = open("\(folder)/\(name).lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard lock >= 0 else { throw CommandError(.failed, "cannot write in \(folder)", hint: "see: ls -ld \(folder)") }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            close(lock)
            throw CommandError(
                .state, "this bridge runs already on this device", hint: "end the other process, or let it run")
        }
        self.lock = lock
        // What a process that was killed has left.
        try? FileManager.default.removeItem(atPath: temporary)
        try FileManager.default.createDirectory(
            atPath: temporary, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }

    func release() {
        try? FileManager.default.removeItem(atPath: temporary)
        close(lock)
    }
}
