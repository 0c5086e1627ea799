internal import Certs
internal import Foundation
internal import Logging
internal import NIOCore
internal import Store
internal import Synchronization
internal import Transport
internal import Wire

// Which of the agent's own bridges run, and what happens when one ends? One follows the settings of each platform: a changed channel is
// started anew, one that failed is tried again, and one that only an admin can help waits for other settings. What becomes of one is
// nothing to the others, nor to the agent.

/// Keeps the agent's own bridges running.
struct BridgeSupervisor: Sendable {
    let directory: AgentDirectory
    /// The agent's own.
    let key: SecretKey
    let networkID: String
    let room: BridgeRoom
    let store: ConfigurationStore
    let start: RunBridge
    /// Unix seconds.
    let now: @Sendable () -> Double
    let logger: Logger

    /// Until the next attempt: at first, and at most. The time doubles in between, and chance is added.
    private static let firstPause = Duration.seconds(1)
    private static let longestPause = Duration.seconds(60)
    /// A bridge that ran so long begins anew with its pauses.
    private static let stableTime = Duration.seconds(60)

    /// What the settings want of one platform.
    private enum Wish: Sendable, Equatable {
        case nothing
        case incomplete(String)
        case run(ChannelSettings)

        init(_ channels: ChannelsConfiguration, _ platform: Platform) {
            if let settings = channels.settings.first(where: { $0.platform == platform }) {
                self = .run(settings)
            } else if let incomplete = channels.incomplete.first(where: { $0.platform == platform }) {
                self = .incomplete(incomplete.problem)
            } else {
                self = .nothing
            }
        }
    }

    /// Runs until the task is cancelled; returns when every bridge has ended.
    ///
    /// - Parameter agent: where the agent listens, on this machine.
    func run(agent: NodeAddress) async {
        await withDiscardingTaskGroup { group in
            for platform in Platform.allCases {
                let (wishes, wish) = AsyncStream.makeStream(of: Wish.self, bufferingPolicy: .bufferingNewest(1))
                store.reconcile { wish.yield(Wish($0.channels, platform)) }
                wish.yield(Wish(store.active.channels, platform))
                group.addTask { await keep(platform, wishes, agent) }
            }
        }
    }

    /// One platform. The task of a run is this one's own: it is ended and awaited before the next begins.
    private func keep(_ platform: Platform, _ wishes: AsyncStream<Wish>, _ agent: NodeAddress) async {
        var last = Wish.nothing
        var running: Task<Void, Never>?
        for await wish in wishes where wish != last {
            last = wish
            running?.cancel()
            await running?.value
            running = nil
            switch wish {
            case .nothing:
                room.board.remove(platform)
                room.problems?.set(nil, of: platform)
            case .incomplete(let problem):
                logger.warning("bridge::not_started", metadata: ["platform": "\(platform)", "problem": "\(problem)"])
                tell(.failed, platform, problem: problem, state: "not_started")
            case .run(let settings):
                logger.notice("bridge::starting", metadata: ["platform": "\(platform)"])
                running = Task { await live(settings, agent) }
            }
        }
        running?.cancel()
        await running?.value
    }

    private func live(_ settings: ChannelSettings, _ agent: NodeAddress) async {
        let platform = settings.platform
        var pause = Self.firstPause
        while !Task.isCancelled {
            tell(.connecting, platform)
            let begin = ContinuousClock.now
            do {
                try await once(settings, agent)
                if Task.isCancelled { break }
                logger.warning("bridge::ended", metadata: ["platform": "\(platform)", "problem": "nobody says why"])
            } catch let error as BridgeMustBeMended {
                logger.error("bridge::failed", metadata: ["platform": "\(platform)", "problem": "\(error)"])
                return tell(.failed, platform, problem: error.reason)
            } catch {
                if Task.isCancelled { break }
                logger.warning("bridge::ended", metadata: ["platform": "\(platform)", "problem": "\(error)"])
                tell(.connecting, platform, problem: "\(error)")
            }
            if ContinuousClock.now - begin > Self.stableTime { pause = Self.firstPause }
            do { try await Task.sleep(for: pause * Double.random(in: 0.5..<1.5)) } catch { break }
            pause = min(pause * 2, Self.longestPause)
        }
        tell(.stopped, platform)
        logger.notice("bridge::stopped", metadata: ["platform": "\(platform)"])
    }

    /// One run, with an endpoint and a key of its own.
    private func once(_ settings: ChannelSettings, _ agent: NodeAddress) async throws {
        let platform = settings.platform
        let identity = try BridgeIdentity(platform, of: directory, networkID: networkID, agent: key, now: now)
        let (database, temporary) = try places(platform)
        room.own.admit(identity.key.nodeID, for: platform)
        defer { room.own.dismiss(identity.key.nodeID) }
        let endpoint = try await Endpoint.bind(
            EndpointConfiguration(
                secretKey: identity.key, bindAddresses: [try SocketAddress(ipAddress: "127.0.0.1", port: 0)],
                logger: logger))
        let pool = GatewayPool(endpoint: endpoint, address: agent) { identity.wire }
        let result: Result<Void, any Error>
        do {
            result = .success(
                try await start(
                    BridgeRun(
                        settings: settings, dialer: pool, database: database, temporary: temporary, logger: logger)))
        } catch { result = .failure(error) }
        pool.close()
        await endpoint.close()
        try? FileManager.default.removeItem(atPath: temporary)
        try result.get()
    }

    private func places(_ platform: Platform) throws -> (database: String, temporary: String) {
        for folder in [directory.bridges, directory.state + "/bridges"] {
            try PrivateFile.createFolder(folder)
            try PrivateFile.close(toOthers: folder)
        }
        let temporary = "\(directory.state)/bridges/\(platform.rawValue)"
        // What a process that was killed has left.
        try? FileManager.default.removeItem(atPath: temporary)
        try PrivateFile.createFolder(temporary)
        return ("\(directory.bridges)/\(platform.rawValue).db", temporary)
    }

    // MARK: Telling

    private func tell(
        _ state: BridgeStatus.State, _ platform: Platform, problem: String? = nil, state word: String? = nil
    ) {
        var status = BridgeStatus(state: state, since: now(), problem: problem)
        if let word { status.state = word }
        room.set(status, of: platform)
    }
}
