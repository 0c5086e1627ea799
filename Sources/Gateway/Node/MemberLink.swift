internal import Certs
internal import Logging
internal import NIOCore
internal import Store
internal import Synchronization
internal import Transport

// How does a member agent keep in touch with the agent that coordinates its network? One connection on which it watches the
// roster and says where it is itself; its own certificate is renewed over it when that is due. What may be believed while
// the connection is gone is the roster's decision; this file remembers where the coordinator was found, and says in the log
// what the operator has to know.

/// A member agent's side of its membership.
final class MemberLink: Sendable {
    let networkID: String
    let networkName: String
    let coordinator: NodeID
    /// What the network calls this agent.
    let handle: String
    /// Who is in good standing, as far as this agent knows.
    let roster: MemberRoster

    /// For one dial of the coordinator.
    private static let dialTime = Duration.seconds(10)
    /// Between two looks at the own certificate.
    private static let renewalPause = Duration.seconds(600)

    private let repository: NetworkRepository
    private let now: @Sendable () -> Double
    private let logger: Logger
    private let record: Mutex<NetworkRecord>

    /// - Parameters:
    ///   - record: of the role member.
    ///   - identity: the agent's key.
    /// - Throws: ``AgentNetworkError``, `NetworkStateError`, `CertificateError` when the record is not one of this agent's.
    init(
        _ record: NetworkRecord, repository: NetworkRepository, identity: SecretKey,
        now: @escaping @Sendable () -> Double, logger: Logger
    ) throws {
        coordinator = try NodeID(bytes: record.coordinatorKey)
        guard let membership = record.membership else { throw NetworkStateError.noNetwork }
        let certificate = try DeviceCertificate(wire: membership.certificate, coordinator: coordinator)
        guard certificate.deviceKey == identity.nodeID else {
            throw AgentNetworkError.identityChanged(record.name)
        }
        networkID = record.networkID
        networkName = record.name
        handle = membership.handle
        self.record = Mutex(record)
        self.repository = repository
        self.now = now
        self.logger = logger
        roster = MemberRoster(logger: logger)
    }

    /// Keeps in touch until the task is cancelled.
    ///
    /// - Parameters:
    ///   - endpoint: of this agent.
    ///   - addresses: where it can be reached at the moment.
    ///   - nearby: where the coordinator listens if it runs on this machine; tried first.
    func run(
        endpoint: Endpoint, addresses: @escaping @Sendable () -> [SocketAddress],
        nearby: @escaping @Sendable () -> [SocketAddress]
    ) async {
        await withDiscardingTaskGroup { group in
            group.addTask {
                await self.roster.run(addresses: { addresses().map(\.hostAndPort) }) {
                    try await self.connect(endpoint, nearby: nearby())
                }
            }
            group.addTask { await self.report() }
            group.addTask { await self.keepCertificate(endpoint, nearby: nearby) }
        }
    }

    // MARK: The way to the coordinator

    private func connect(_ endpoint: Endpoint, nearby: [SocketAddress]) async throws -> Connection {
        let known = record.withLock { $0.membership?.coordinatorAddresses ?? [] }
        let address = NodeAddress(
            nodeID: coordinator, addresses: nearby + known.compactMap { try? SocketAddress(hostAndPort: $0) })
        let connection = try await endpoint.connect(to: address, alpn: ALPN.coordinator, timeout: Self.dialTime)
        await remember { membership in
            let found = connection.remoteAddress.hostAndPort
            membership.coordinatorAddresses = AgentNetwork.addresses([found] + membership.coordinatorAddresses)
        }
        return connection
    }

    /// Changes what the database says about the membership, unless that is how it is already.
    private func remember(_ change: (inout AgentMembership) -> Void) async {
        let changed = record.withLock { record -> NetworkRecord? in
            guard var membership = record.membership else { return nil }
            change(&membership)
            guard membership != record.membership else { return nil }
            record.membership = membership
            return record
        }
        guard let changed else { return }
        do {
            let coordinator = coordinator.hex
            try await repository.write { try $0.setNetwork(changed, coordinatorNodeID: coordinator) }
        } catch {
            // It is remembered in memory; the next start finds the coordinator by the older addresses.
            logger.error("member::not_remembered", metadata: ["reason": "\(error)"])
        }
    }

    // MARK: The own certificate

    /// Renews this agent's certificate from half of its life on. It serves without one, so a failure is only noted.
    private func keepCertificate(_ endpoint: Endpoint, nearby: @Sendable () -> [SocketAddress]) async {
        repeat {
            guard let old = certificate, now() >= old.renewalDueAt, roster.link != .refused else { continue }
            do {
                let connection = try await connect(endpoint, nearby: nearby())
                defer { connection.close() }
                let fresh = try await CoordinatorClient(connection: connection).renew(old)
                try fresh.check(now: now(), networkID: networkID, peer: endpoint.nodeID)
                await remember { $0.certificate = fresh.wire }
                logger.notice("member::certificate_renewed")
            } catch {
                logger.warning("member::certificate_not_renewed", metadata: ["reason": "\(error)"])
            }
        } while (try? await Task.sleep(for: Self.renewalPause)) != nil
    }

    private var certificate: DeviceCertificate? {
        let wire = record.withLock { $0.membership?.certificate } ?? []
        return try? DeviceCertificate(wire: wire, coordinator: coordinator)
    }

    // MARK: The log

    /// Says when the coordinator is lost and found, and what a removed agent's operator can do.
    private func report() async {
        // So it begins, until the coordinator has said a word.
        var last = MemberRoster.Link.closed
        repeat {
            let link = roster.link
            if link != last { log(link) }
            last = link
        } while (try? await Task.sleep(for: .milliseconds(200))) != nil
    }

    private func log(_ link: MemberRoster.Link) {
        let network: Logger.Metadata = ["network": "\(networkName)", "handle": "\(handle)"]
        switch link {
        case .live: logger.notice("member::in_touch", metadata: network)
        case .lost: logger.warning("member::coordinator_lost", metadata: network)
        case .closed: logger.warning("member::serves_only_whom_the_coordinator_confirms", metadata: network)
        case .refused:
            logger.error(
                "member::removed",
                metadata: network.merging([
                    "meaning": "this agent is not in the network any more and serves nobody of it",
                    "fix": "openagent network join oa1… with a new ticket, or openagent network leave",
                ]) { $1 })
        }
    }
}
