internal import Foundation
public import Logging
internal import Store
internal import Synchronization
public import Wire

// How does one chat platform become a client of one agent? The frame: everything that is the same for all platforms, put together and kept
// running. What is durable is in the bridge's own database; what runs here can end at any moment and begin again elsewhere.
//
//     Bridge.listen ──▶ FrameInbox ──▶ database ──▶ Conversations ──▶ agent
//                                                        │ ends of turns
//     Bridge.perform ◀── Lanes ◀── database (outbox) ◀────┘

/// A bridge between one account on a chat platform and one agent.
public struct BridgeRunner: Sendable {
    private let bridge: any Bridge
    private let settings: ChannelSettings
    private let dialer: any GatewayDialer
    private let database: String
    private let temporary: String
    private let logger: Logger
    private let seams: BridgeSeams
    var sessionsPerConnection = Conversations.sessionsPerConnection
    /// What is kept of updates, so that they are recognised: as long as the agent knows message ids.
    static let memory = 7.0 * 24 * 3600

    /// - Parameters:
    ///   - bridge: the platform.
    ///   - settings: who may talk there, and how.
    ///   - dialer: streams to the agent, with the bridge's certificate.
    ///   - database: where the bridge's own file is; it is made when it is missing, mode 0600.
    ///   - temporary: a folder for files on their way.
    public init(
        bridge: any Bridge, settings: ChannelSettings, dialer: any GatewayDialer, database: String, temporary: String,
        logger: Logger, seams: BridgeSeams = .init()
    ) {
        self.bridge = bridge
        self.settings = settings
        self.dialer = dialer
        self.database = database
        self.temporary = temporary
        self.logger = logger
        self.seams = seams
    }

    /// Runs until the task is cancelled. One-shot for one database at a time.
    ///
    /// - Throws: only what an admin must mend: the agent takes the bridge no more (``ChatError``), or the database can't be used.
    public func run() async throws {
        BridgeFolder.clear(temporary)
        let store = try BridgeRepository(path: database)
        defer { try? store.close() }
        let agent = AgentCalls(
            client: GatewayClient(dialer: dialer), platform: bridge.platform, seams: seams, logger: logger)
        let frame = BridgeFrame(
            bridge: bridge, settings: settings, store: store, agent: agent, seams: seams, logger: logger,
            temporary: temporary)
        let status = StatusReporter(store, agent, seams)
        let lanes = Lanes(frame, status, parked: Set(try await store.parked().map(\.chat)))
        let conversations = Conversations(
            frame, lanes, dialer: dialer, sessionsPerConnection: sessionsPerConnection)
        let failures = Failures()
        let inbox = FrameInbox(frame, conversations, lanes, status) { failures.forget() }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await lanes.run() }
            group.addTask { try await conversations.run() }
            group.addTask { try await status.run() }
            group.addTask { try await keepHouse(store) }
            group.addTask { try await listen(inbox, status, failures) }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    // MARK: Parts

    /// How often in a row the platform's loop ended.
    private final class Failures: Sendable {
        private let count = Mutex(0)

        func add() -> Int {
            count.withLock { count in
                count += 1
                return count
            }
        }

        func forget() { count.withLock { $0 = 0 } }
    }

    /// Keeps the platform's loop running.
    private func listen(_ inbox: FrameInbox, _ status: StatusReporter, _ failures: Failures) async throws {
        while true {
            try Task.checkCancellation()
            let pause: Duration
            let began = seams.clock()
            do {
                try await bridge.listen(inbox)
                try Task.checkCancellation()
                status.set(.connecting, problem: "the platform ended the connection")
                pause = patience(failures.add(), since: began)
            } catch PlatformFailure.wait(let duration, _) {
                pause = duration
            } catch PlatformFailure.account(let problem) {
                logger.error(
                    "bridge::account", metadata: ["platform": "\(bridge.platform.rawValue)", "problem": "\(problem)"])
                status.set(.failed, problem: problem)
                // It may be mended on the platform's side: looked at again, seldom.
                _ = failures.add()
                pause = seams.patience.maximumDelay
            } catch {
                try Task.checkCancellation()
                let reason = (error as? PlatformFailure)?.reason ?? "\(error)"
                logger.notice(
                    "bridge::disconnected",
                    metadata: ["platform": "\(bridge.platform.rawValue)", "reason": "\(reason)"])
                status.set(.connecting, problem: reason)
                pause = patience(failures.add(), since: began)
            }
            try await seams.sleep(pause)
        }
    }

    private func patience(_ failures: Int, since began: ContinuousClock.Instant) -> Duration {
        // A connection that held for a while begins anew.
        let isStable = seams.clock() - began >= .seconds(60)
        return seams.patience.delay(afterFailures: isStable ? 1 : failures, jitter: seams.random())
    }

    private func keepHouse(_ store: BridgeRepository) async throws {
        while true {
            do { try await store.forget(before: seams.now() - Self.memory) } catch {
                logger.warning("bridge::not_saved", metadata: ["error": "\(StorageFault(error))"])
            }
            try await seams.sleep(.seconds(3600))
        }
    }
}

extension PlatformFailure {
    /// For logs and admins.
    var reason: String {
        switch self {
        case .wait(let duration, _): "it wants to be left alone for \(duration)"
        case .unavailable(let reason), .chatGone(let reason), .refused(let reason), .account(let reason): reason
        case .messageGone: "the message is gone"
        }
    }
}
