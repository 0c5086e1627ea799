internal import Certs
internal import Logging
internal import Store
internal import Transport

// What is this agent in its network? The one that coordinates it, or a member of one that another agent coordinates. The
// rest of the agent asks this file for what differs and does not look at the role itself.

/// An agent's place in its network.
enum AgentPlace: Sendable {
    case coordinator(Coordinator)
    case member(MemberLink)

    /// Reads the agent's place; an agent that belongs to no network becomes the coordinator of a new one.
    ///
    /// - Parameter name: of a network that has to be made.
    /// - Throws: `NetworkStateError`, `CertificateError`, and when the database cannot be read.
    init(
        repository: NetworkRepository, identity: SecretKey, name: String, now: @escaping @Sendable () -> Double,
        random: Randomness = .system, logger: Logger
    ) throws {
        if let record = try repository.read({ try $0.network() }), record.role == .member {
            self = .member(
                try MemberLink(record, repository: repository, identity: identity, now: now, logger: logger))
            return
        }
        _ = try Coordinator.createNetworkIfMissing(
            repository: repository, identity: identity, name: name, now: now(), random: random.bytes)
        self = .coordinator(
            try Coordinator(
                repository: repository, identity: identity, now: now, random: random.bytes, logger: logger))
    }

    var networkID: String {
        switch self {
        case .coordinator(let coordinator): coordinator.network.networkID
        case .member(let link): link.networkID
        }
    }

    var networkName: String {
        switch self {
        case .coordinator(let coordinator): coordinator.network.name
        case .member(let link): link.networkName
        }
    }

    /// The node that coordinates the network, whose key signs its certificates.
    var coordinatorNode: NodeID {
        switch self {
        case .coordinator(let coordinator): coordinator.network.coordinator
        case .member(let link): link.coordinator
        }
    }

    /// `coordinator` or `member`, as REST says it.
    var role: String {
        switch self {
        case .coordinator: NetworkRole.coordinator.rawValue
        case .member: NetworkRole.member.rawValue
        }
    }

    /// Whom the gateway asks about devices.
    var membership: any Membership {
        switch self {
        case .coordinator(let coordinator): coordinator.roster
        case .member(let link): link.roster
        }
    }

    /// Protocols that the agent's endpoint serves.
    var protocols: [String] {
        switch self {
        case .coordinator: [ALPN.gateway, ALPN.coordinator]
        case .member: [ALPN.gateway]
        }
    }
}
