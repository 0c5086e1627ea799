import Foundation
import Logging
import Synchronization

@testable import Bridges
@testable import Wire

// A bridge between a platform and a test's agent, which can be killed and begun again on what it has on disk.

final class TestBridge: Sendable {
    let platform: any Bridge
    let settings: ChannelSettings
    let host: TestAgentHost
    let folder: TestFolder
    let seams: BridgeSeams

    init(
        _ platform: any Bridge, _ host: TestAgentHost, access: ChannelAccess = .users("ana", "bob"),
        account: PlatformAccount = .telegram(token: "secret"), seams: BridgeSeams = .quick,
        change: (inout ChannelSettings) -> Void = { _ in }
    ) throws {
        var settings = ChannelSettings(account: account)
        settings.access = access
        change(&settings)
        self.settings = settings
        self.platform = platform
        self.host = host
        self.seams = seams
        folder = try TestFolder()
    }

    private let generation = Mutex(0)
    var database: String { folder.path + "/telegram-\(generation.withLock { $0 }).db" }

    /// What it has on disk at this moment is what the next one begins with, as after `kill -9`: whatever the one that runs writes from
    /// now on is lost.
    func takeSnapshot() throws {
        let old = database
        generation.withLock { $0 += 1 }
        // The log first: what is in the database by then is in it as well.
        for suffix in ["-wal", ""] {
            guard let bytes = FileManager.default.contents(atPath: old + suffix) else { continue }
            try bytes.write(to: URL(fileURLWithPath: database + suffix))
        }
    }

    /// Sessions on one connection to the agent.
    let sessionsPerConnection = Mutex(Conversations.sessionsPerConnection)

    var runner: BridgeRunner {
        var runner = BridgeRunner(
            bridge: platform, settings: settings, dialer: host.dialer, database: database,
            temporary: folder.path + "/files", logger: Logger(label: "bridge") { _ in SwiftLogNoOpLogHandler() },
            seams: seams)
        runner.sessionsPerConnection = sessionsPerConnection.withLock { $0 }
        return runner
    }

    /// Runs the bridge while `body` does; then it is cancelled in whatever it does.
    func run<T: Sendable>(_ body: @escaping @Sendable () async throws -> T) async throws -> T {
        try await withThrowingTaskGroup(of: T?.self) { group in
            group.addTask {
                do { try await self.runner.run() } catch is CancellationError {}
                return nil
            }
            group.addTask { try await body() }
            defer { group.cancelAll() }
            while let result = try await group.next() {
                if let result { return result }
            }
            throw Timeout(what: "the test's body")
        }
    }
}

extension ChannelAccess {
    static func users(_ users: String...) -> ChannelAccess {
        var access = ChannelAccess()
        access.users = Set(users)
        return access
    }
}

extension BridgeSeams {
    /// Comes back at once.
    static var quick: BridgeSeams {
        var policy = BridgeSeams.patience
        policy.firstDelay = .milliseconds(5)
        policy.maximumDelay = .milliseconds(50)
        return BridgeSeams(patience: policy, reportPause: .milliseconds(20))
    }
}
