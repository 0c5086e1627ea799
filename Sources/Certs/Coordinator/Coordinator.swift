public import Logging
public import Store
internal import Synchronization
public import Transport

// Who may come into this network? The coordinator's state and its face towards the agent that hosts it. The rules are in
// the extensions beside this file (registration, login, administration), the words of the RPC in ../RPC. It knows no
// sockets, and takes its clock from outside.

/// The network that a coordinator speaks for.
public struct NetworkIdentity: Sendable, Equatable {
    /// Opaque, without hyphens.
    public let networkID: String
    /// What people call it.
    public let name: String
    /// Node id and signing key of the coordinator.
    public let coordinator: NodeID
}

/// The coordinator of one network: registers users, lets devices in, and puts them out.
public final class Coordinator: Sendable {
    /// The network that this coordinator speaks for.
    public let network: NetworkIdentity
    /// Who is in good standing, for gateways.
    public let roster: Roster

    let repository: NetworkRepository
    let identity: SecretKey
    let now: @Sendable () -> Double
    /// So many random bytes, for invitations.
    let random: @Sendable (_ count: Int) -> [UInt8]
    let logger: Logger
    let logins = Mutex(Logins())
    let computations = ComputationQueue()
    let watches: Watches
    /// Makes the records that logins for unknown handles are computed with.
    let decoyKey: [UInt8]

    struct Logins {
        var throttle = LoginThrottle()
        var states = LoginStates()
    }

    /// Reads the network and everybody in it.
    ///
    /// - Parameters:
    ///   - identity: the agent's identity key, which is also the key that signs certificates.
    ///   - now: Unix seconds.
    ///   - random: gives so many random bytes for the codes of invitations; nil: the system's.
    /// - Throws: ``NetworkStateError`` when this agent does not coordinate a network with this key, or when the database
    ///   cannot be read.
    public convenience init(
        repository: NetworkRepository, identity: SecretKey, now: @escaping @Sendable () -> Double,
        random: (@Sendable (_ count: Int) -> [UInt8])? = nil, logger: Logger = Logger(label: "openagent.coordinator")
    ) throws {
        try self.init(
            repository: repository, identity: identity, watches: Watches(), now: now, random: random, logger: logger)
    }

    init(
        repository: NetworkRepository, identity: SecretKey, watches: Watches, now: @escaping @Sendable () -> Double,
        random: (@Sendable (_ count: Int) -> [UInt8])? = nil, logger: Logger
    ) throws {
        let (row, users, devices, agents) = try repository.read {
            try ($0.network(), $0.users(), $0.devices(), $0.agents())
        }
        network = try Self.identity(of: row, key: identity.nodeID)
        roster = Roster(users: users, devices: devices, agents: agents)
        decoyKey = identity.derivedKey(for: "openagent coordinator: login decoys v1")
        self.repository = repository
        self.identity = identity
        self.watches = watches
        self.now = now
        self.random = random ?? { randomBytes($0) }
        self.logger = logger
    }

    /// Makes the agent the coordinator of a new network when it belongs to none (network.md §5), and lists the agent in it.
    ///
    /// - Parameters:
    ///   - name: what people call the network, and the agent in it.
    ///   - now: Unix seconds.
    ///   - random: gives so many random bytes; nil: the system's.
    /// - Returns: the network, old or new.
    /// - Throws: ``NetworkStateError`` when the agent is a member of another's network, or its key has changed.
    public static func createNetworkIfMissing(
        repository: NetworkRepository, identity: SecretKey, name: String, now: Double,
        random: (@Sendable (_ count: Int) -> [UInt8])? = nil
    ) throws -> NetworkIdentity {
        try repository.write { transaction in
            if let row = try transaction.rows.network(), row.role != .standalone {
                return try Self.identity(of: row, key: identity.nodeID)
            }
            let row = NetworkRecord(
                role: .coordinator, networkID: Base16.encode((random ?? randomBytes)(16)), name: name,
                coordinatorKey: identity.nodeID.bytes, createdAt: now)
            try transaction.setNetwork(row, coordinatorNodeID: identity.nodeID.hex)
            try transaction.upsertAgent(
                AgentRecord(
                    handle: HandleRule.typed(name), nodeID: identity.nodeID.hex, label: "\(name) (this agent)",
                    ownerHandle: "system", addedAt: now))
            try transaction.audit(
                AuditRecord(at: now, actor: Principal.system.auditName, action: "network.create", subject: name))
            return try Self.identity(of: row, key: identity.nodeID)
        }
    }

    private static func identity(of row: NetworkRecord?, key: NodeID) throws(NetworkStateError) -> NetworkIdentity {
        guard let row else { throw .noNetwork }
        guard row.role == .coordinator else { throw .notTheCoordinator(network: row.name) }
        guard row.coordinatorKey == key.bytes else { throw .identityChanged(network: row.name) }
        return NetworkIdentity(networkID: row.networkID, name: row.name, coordinator: key)
    }
}

/// Why an agent cannot coordinate its network.
public enum NetworkStateError: Error, Equatable, CustomStringConvertible {
    case noNetwork
    case notTheCoordinator(network: String)
    case identityChanged(network: String)

    public var description: String {
        switch self {
        case .noNetwork: "this agent belongs to no network yet"
        case .notTheCoordinator(let network): "this agent does not coordinate the network '\(network)'"
        case .identityChanged(let network):
            "identity.key is not the key that made the network '\(network)': every certificate of the network was signed "
                + "with the old key. Restore the old identity.key from a backup"
        }
    }
}
