public import Certs
public import Logging
internal import NIOCore
public import Store
internal import Transport

// How does an agent become a member of another agent's network, and how does it stop being one? Both happen while nobody
// serves it, each in one transaction of its database at the end: until then nothing has changed here, and the same command
// goes on where the last one was interrupted.
//
//   join:   lock ─▶ what am I? ─▶ network_info ─▶ agent_login ─▶ verify ─▶ transaction (member)
//   leave:  lock ─▶ what am I? ─▶ remove_agent (if it can be told) ─▶ transaction (of no network)

/// The network of an agent that is not being served.
public struct AgentNetwork: Sendable {
    /// What the agent is in a network.
    public struct Place: Sendable, Equatable {
        /// What the network is called.
        public let network: String
        /// What the network calls the agent.
        public let handle: String
    }

    /// Whether the coordinator knows that an agent has left.
    public enum Leaving: Sendable, Equatable {
        case told
        /// It could not be reached, or would not hear of it.
        case notTold(String)
    }

    private let directory: AgentDirectory
    private let name: String
    private let timeout: Duration
    private let now: @Sendable () -> Double
    private let logger: Logger

    /// - Parameters:
    ///   - directory: of an agent that exists.
    ///   - name: what the agent is called; the network calls it so unless told otherwise.
    ///   - timeout: for the dial, and for each call.
    ///   - now: Unix seconds.
    public init(
        directory: AgentDirectory, name: String, timeout: Duration = .seconds(20),
        now: @escaping @Sendable () -> Double, logger: Logger
    ) {
        self.directory = directory
        self.name = name
        self.timeout = timeout
        self.now = now
        self.logger = logger
    }

    /// The place that the agent has as a member.
    ///
    /// - Throws: ``AgentNetworkError`` when it is none, ``InstanceError`` while it is being served.
    public func membership() async throws -> Place {
        try await opened { repository, _ in
            let (record, membership) = try await Self.member(repository.read { try $0.network() })
            return Place(network: record.name, handle: membership.handle)
        }
    }

    /// Makes the agent a member of the network of `ticket`. Joining again renews its certificate and spends no invitation.
    ///
    /// - Parameters:
    ///   - handle: what the network is to call it; nil is what it is called there already, or the agent's name.
    ///   - label: what lists say about it.
    /// - Throws: ``AgentNetworkError``, ``InstanceError`` while it is being served, `RPCError`, `ConnectError`,
    ///   `CoordinatorClientError`.
    public func join(_ ticket: InviteTicket, handle: String?, label: String?) async throws -> Place {
        guard ticket.role == .agent else { throw AgentNetworkError.notForAgents(ticket.role) }
        return try await opened { repository, key in
            let before = try await repository.read { rows in
                (network: try rows.network(), users: try rows.users().count, agents: try rows.agents())
            }
            try check(before.network, users: before.users, agents: before.agents, ticket: ticket, own: key.nodeID)
            let known = before.network?.membership
            // An agent's name may have spaces, a handle has none.
            let handle = handle ?? known?.handle ?? name.split(whereSeparator: \.isWhitespace).joined(separator: "-")
            let addresses = AddressHints.read(directory, of: key.nodeID)?.addresses ?? []
            let coordinator = NodeAddress(
                nodeID: ticket.node, addresses: ticket.addresses.compactMap { try? SocketAddress(hostAndPort: $0) },
                relayURL: ticket.relayURL)
            let (login, reached) = try await calling(coordinator, key: key) { client, reached in
                guard try await client.networkInfo().networkID == ticket.networkID else {
                    throw AgentNetworkError.otherNetwork
                }
                let login = try await client.agentLogin(
                    invite: ticket.code, handle: handle, node: key.nodeID, label: label, addresses: addresses)
                return (login, reached)
            }
            try verify(login.certificate, ticket: ticket, own: key.nodeID)
            let record = NetworkRecord(
                role: .member, networkID: ticket.networkID, name: login.networkName, coordinatorKey: ticket.node.bytes,
                createdAt: before.network?.role == .member ? before.network?.createdAt ?? now() : now(),
                membership: AgentMembership(
                    handle: login.certificate.handle,
                    coordinatorAddresses: Self.addresses(
                        [reached] + ticket.addresses + (known?.coordinatorAddresses ?? [])),
                    certificate: login.certificate.wire))
            let time = now()
            try await repository.write { transaction in
                // What a first start made of this agent, a network without anybody in it, goes.
                try transaction.removeNetwork()
                if before.network?.networkID != ticket.networkID {
                    try transaction.retireSessions(exceptOf: Principal.operator.auditName, at: time)
                }
                try transaction.setNetwork(record, coordinatorNodeID: ticket.node.hex)
                try transaction.audit(
                    AuditRecord(at: time, actor: "operator", action: "network.join", subject: record.name))
            }
            return Place(network: record.name, handle: login.certificate.handle)
        }
    }

    /// Takes the agent out of its network, whether the coordinator can be told or not.
    ///
    /// - Throws: ``AgentNetworkError`` when it is no member, ``InstanceError`` while it is being served.
    public func leave() async throws -> Leaving {
        try await opened { repository, key in
            let (record, membership) = try await Self.member(repository.read { try $0.network() })
            let leaving: Leaving
            do {
                let coordinator = NodeAddress(
                    nodeID: try NodeID(bytes: record.coordinatorKey),
                    addresses: membership.coordinatorAddresses.compactMap { try? SocketAddress(hostAndPort: $0) })
                try await calling(coordinator, key: key) { client, _ in
                    try await Self.takeOff(membership.handle, node: key.nodeID, client: client)
                }
                leaving = .told
            } catch is CancellationError {
                throw CancellationError()
            } catch {
                leaving = .notTold("\(error)")
            }
            let time = now()
            try await repository.write { transaction in
                try transaction.removeNetwork()
                try transaction.retireSessions(exceptOf: Principal.operator.auditName, at: time)
                try transaction.audit(
                    AuditRecord(at: time, actor: "operator", action: "network.leave", subject: record.name))
            }
            return leaving
        }
    }

    /// Takes the agent off the coordinator's list; that it was off it before is as good.
    private static func takeOff(_ handle: String, node: NodeID, client: CoordinatorClient) async throws {
        do { _ = try await client.removeAgent(handle) } catch let refusal as RPCError {
            // Whom it does not list, it takes for a stranger, in both calls.
            let listed: [AgentRecord]
            do { listed = try await client.listAgents() } catch let error as RPCError
                where error.code == .unauthorized
            {
                return
            }
            if listed.contains(where: { $0.nodeID == node.hex }) { throw refusal }
        }
    }

    // MARK: Rules

    private static func member(_ record: NetworkRecord?) throws(AgentNetworkError) -> (NetworkRecord, AgentMembership) {
        guard let record, record.role != .standalone else { throw .inNoNetwork }
        guard record.role == .member, let membership = record.membership else { throw .coordinates(record.name) }
        return (record, membership)
    }

    /// Refuses what would take a network away from somebody.
    private func check(
        _ record: NetworkRecord?, users: Int, agents: [AgentRecord], ticket: InviteTicket, own: NodeID
    ) throws(AgentNetworkError) {
        guard ticket.node != own else { throw .ownTicket }
        switch record?.role {
        case nil, .standalone?: return
        case .coordinator?:
            let others = agents.filter { $0.nodeID != own.hex }.count
            guard users == 0, others == 0 else {
                throw .coordinatesForOthers(record?.name ?? "", users: users, agents: others)
            }
        case .member?:
            guard let record else { return }
            guard record.networkID == ticket.networkID else { throw .memberElsewhere(record.name, directory) }
            guard record.coordinatorKey == ticket.node.bytes else { throw .otherCoordinator(record.name, directory) }
        }
    }

    private func verify(
        _ certificate: DeviceCertificate, ticket: InviteTicket, own: NodeID
    ) throws(AgentNetworkError) {
        do { try certificate.check(now: now(), networkID: ticket.networkID, peer: own) } catch {
            throw .badCertificate("\(error)")
        }
        guard certificate.capabilities.contains("agent") else {
            throw .badCertificate("it is not an agent's")
        }
    }

    /// Each once, not more than eight.
    static func addresses(_ known: [String]) -> [String] {
        var result: [String] = []
        for address in known where !result.contains(address) { result.append(address) }
        return Array(result.prefix(8))
    }

    // MARK: Means

    /// Runs `body` while nobody else uses the agent.
    private func opened<R: Sendable>(
        _ body: (NetworkRepository, SecretKey) async throws -> R
    ) async throws -> R {
        let lock = try await InstanceLock.take(directory)
        defer { lock.release() }
        let key = try directory.identity()
        let database = try Database(path: directory.database)
        let result: Result<R, any Error>
        do { result = .success(try await body(NetworkRepository(database), key)) } catch { result = .failure(error) }
        try database.close()
        return try result.get()
    }

    /// Runs `body` with a connection to the coordinator.
    private func calling<R: Sendable>(
        _ coordinator: NodeAddress, key: SecretKey, _ body: (CoordinatorClient, _ reached: String) async throws -> R
    ) async throws -> R {
        let endpoint = try await Endpoint.bind(EndpointConfiguration(secretKey: key, logger: logger))
        let result: Result<R, any Error>
        do {
            let connection = try await endpoint.connect(to: coordinator, alpn: ALPN.coordinator, timeout: timeout)
            let client = CoordinatorClient(connection: connection, timeout: timeout)
            result = .success(try await body(client, connection.remoteAddress.hostAndPort))
        } catch { result = .failure(error) }
        await endpoint.close()
        return try result.get()
    }
}

/// Why an agent's network stays as it is.
public enum AgentNetworkError: Error, Equatable, CustomStringConvertible {
    case notForAgents(InviteRole)
    case ownTicket
    /// The coordinator speaks for another network than the ticket.
    case otherNetwork
    case otherCoordinator(String, AgentDirectory)
    case memberElsewhere(String, AgentDirectory)
    case coordinatesForOthers(String, users: Int, agents: Int)
    /// It can't leave what it coordinates.
    case coordinates(String)
    case inNoNetwork
    case badCertificate(String)
    /// The agent joined with another key than it has now.
    case identityChanged(String)

    public var description: String {
        switch self {
        case .notForAgents(let role): "the ticket is for a \(role == .user ? "person" : "device"), not for an agent"
        case .ownTicket: "the ticket is of this agent's own network"
        case .otherNetwork: "the coordinator speaks for another network than the ticket"
        case .otherCoordinator(let name, _): "this agent knows the network '\(name)' with another coordinator key"
        case .memberElsewhere(let name, _): "this agent is a member of the network '\(name)' already"
        case .coordinatesForOthers(let name, let users, let agents):
            "this agent coordinates the network '\(name)' with \(users) user\(users == 1 ? "" : "s") and \(agents) other "
                + "agent\(agents == 1 ? "" : "s"): as a member of another network it would shut them out"
        case .coordinates(let name): "this agent coordinates the network '\(name)': it cannot leave it"
        case .inNoNetwork: "this agent is in no network"
        case .badCertificate(let reason): "the coordinator issued a certificate that cannot be used: \(reason)"
        case .identityChanged(let name):
            "identity.key is not the key with which this agent joined the network '\(name)'"
        }
    }

    /// What to do.
    public var hint: String {
        switch self {
        case .notForAgents: "make one for an agent with: openagent network invite --role agent"
        case .ownTicket: "join with it from another agent: openagent network join oa1… --agent OTHER-DIR"
        case .otherNetwork: "ask for a new ticket"
        case .otherCoordinator(_, let directory), .memberElsewhere(_, let directory):
            "leave it first with: openagent network leave --agent \(directory)"
        case .coordinatesForOthers:
            "let another agent join: openagent network join oa1… --agent OTHER-DIR; or remove its users and agents first"
        case .coordinates:
            "another agent can join it; to end the network, remove its users: openagent users remove HANDLE"
        case .inNoNetwork: "join one with: openagent network join oa1…"
        case .badCertificate: "check the clocks of both machines, then try again"
        case .identityChanged:
            "restore the old identity.key from a backup, or leave and join again: openagent network leave, then "
                + "openagent network join oa1…"
        }
    }
}
