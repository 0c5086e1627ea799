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

    var database: String { folder.path + "/telegram.db" }

    var runner: BridgeRunner {
        BridgeRunner(
            bridge: platform, settings: settings, dialer: host.dialer, database: database,
            temporary: folder.path + "/files", logger: Logger(label: "bridge") { _ in SwiftLogNoOpLogHandler() },
            seams: seams)
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
