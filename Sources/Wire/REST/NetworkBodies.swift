// What is said over REST about a network: who is in it, who may come in, and who did what. The same types are encoded by
// the gateway and decoded by the command line, so the two cannot drift apart. All times are Unix seconds; node ids and
// device keys are 64 hexadecimal digits.

/// `GET /api/whoami`
public struct WhoAmI: Codable, Sendable, Equatable {
    public struct Certificate: Codable, Sendable, Equatable {
        public var issuedAt: Double
        public var expiresAt: Double
        public var renewalDueAt: Double

        public init(issuedAt: Double, expiresAt: Double, renewalDueAt: Double) {
            self.issuedAt = issuedAt
            self.expiresAt = expiresAt
            self.renewalDueAt = renewalDueAt
        }

        private enum CodingKeys: String, CodingKey {
            case issuedAt = "issued_at"
            case expiresAt = "expires_at"
            case renewalDueAt = "renewal_due_at"
        }
    }

    /// `operator` for whoever holds the agent's own key.
    public var handle: String
    public var isOperator: Bool
    /// `member` or `admin`.
    public var role: String
    /// The caller's device key.
    public var device: String
    public var deviceLabel: String?
    public var network: String
    public var networkID: String
    /// The agent that answers.
    public var agent: String
    public var nodeID: String
    /// Nil for the operator, who needs none.
    public var certificate: Certificate?

    public init(
        handle: String, isOperator: Bool, role: String, device: String, deviceLabel: String?, network: String,
        networkID: String, agent: String, nodeID: String, certificate: Certificate?
    ) {
        self.handle = handle
        self.isOperator = isOperator
        self.role = role
        self.device = device
        self.deviceLabel = deviceLabel
        self.network = network
        self.networkID = networkID
        self.agent = agent
        self.nodeID = nodeID
        self.certificate = certificate
    }

    private enum CodingKeys: String, CodingKey {
        case handle, role, device, network, agent, certificate
        case isOperator = "operator"
        case deviceLabel = "device_label"
        case networkID = "network_id"
        case nodeID = "node_id"
    }
}

/// `GET /api/network`, and `GET /api/network/info` of older clients.
public struct NetworkBody: Codable, Sendable, Equatable {
    /// `coordinator` or `member`: what the agent that answers is in the network.
    public var role: String
    public var networkID: String
    public var name: String
    /// The name again, under the reference's key.
    public var networkName: String
    /// The agent that answers.
    public var nodeID: String
    public var coordinatorNodeID: String

    public init(role: String, networkID: String, name: String, nodeID: String, coordinatorNodeID: String) {
        self.role = role
        self.networkID = networkID
        self.name = name
        networkName = name
        self.nodeID = nodeID
        self.coordinatorNodeID = coordinatorNodeID
    }

    private enum CodingKeys: String, CodingKey {
        case role, name
        case networkID = "network_id"
        case networkName = "network_name"
        case nodeID = "node_id"
        case coordinatorNodeID = "coordinator_node_id"
    }
}

/// One user of `GET /api/network/users`.
public struct UserBody: Codable, Sendable, Equatable {
    public var handle: String
    /// `member` or `admin`.
    public var role: String
    /// `active` or `suspended`.
    public var status: String
    public var createdAt: Double
    public var lastSeen: Double?
    public var activeDevices: Int
    public var devices: Int
    public var pakeAlgo: String

    public init(
        handle: String, role: String, status: String, createdAt: Double, lastSeen: Double?, activeDevices: Int,
        devices: Int
    ) {
        self.handle = handle
        self.role = role
        self.status = status
        self.createdAt = createdAt
        self.lastSeen = lastSeen
        self.activeDevices = activeDevices
        self.devices = devices
        pakeAlgo = "srp6a"
    }

    private enum CodingKeys: String, CodingKey {
        case handle, role, status, devices
        case createdAt = "created_at"
        case lastSeen = "last_seen"
        case activeDevices = "active_devices"
        case pakeAlgo = "pake_algo"
    }
}

public struct UsersBody: Codable, Sendable, Equatable {
    public var users: [UserBody]
    /// What `cursor` is for the next page; nil when there is none.
    public var nextCursor: String?

    public init(users: [UserBody], nextCursor: String? = nil) {
        self.users = users
        self.nextCursor = nextCursor
    }

    private enum CodingKeys: String, CodingKey {
        case users
        case nextCursor = "next_cursor"
    }
}

/// `PATCH /api/network/users/{handle}`: what is absent stays.
public struct UserPatch: Codable, Sendable, Equatable {
    public var role: String?
    public var status: String?
    public init(role: String? = nil, status: String? = nil) {
        self.role = role
        self.status = status
    }
}

/// Answer to a change of one user.
public struct UserChange: Codable, Sendable, Equatable {
    public var handle: String
    public var role: String
    public var status: String
    /// Whether anything was different before.
    public var updated: Bool

    public init(handle: String, role: String, status: String, updated: Bool) {
        self.handle = handle
        self.role = role
        self.status = status
        self.updated = updated
    }
}

/// Answer to a removal.
public struct Removal: Codable, Sendable, Equatable {
    public var handle: String
    public var deleted: Bool
    public init(handle: String, deleted: Bool) {
        self.handle = handle
        self.deleted = deleted
    }
}

/// One device of `GET /api/network/devices` and `GET /api/whoami/devices`.
public struct DeviceBody: Codable, Sendable, Equatable {
    public var device: String
    public var handle: String
    public var label: String?
    /// `active` or `revoked`.
    public var status: String
    public var addedAt: Double
    public var lastSeen: Double?
    /// Connections that the answering gateway has from it now.
    public var connections: Int

    public init(
        device: String, handle: String, label: String?, status: String, addedAt: Double, lastSeen: Double?,
        connections: Int
    ) {
        self.device = device
        self.handle = handle
        self.label = label
        self.status = status
        self.addedAt = addedAt
        self.lastSeen = lastSeen
        self.connections = connections
    }

    private enum CodingKeys: String, CodingKey {
        case device, handle, label, status, connections
        case addedAt = "added_at"
        case lastSeen = "last_seen"
    }
}

public struct DevicesBody: Codable, Sendable, Equatable {
    public var devices: [DeviceBody]
    /// What `cursor` is for the next page; nil when there is none.
    public var nextCursor: String?

    public init(devices: [DeviceBody], nextCursor: String? = nil) {
        self.devices = devices
        self.nextCursor = nextCursor
    }

    private enum CodingKeys: String, CodingKey {
        case devices
        case nextCursor = "next_cursor"
    }
}

/// `PATCH` of a device or an agent. An empty label removes it.
public struct LabelPatch: Codable, Sendable, Equatable {
    public var label: String
    public init(label: String) { self.label = label }
}

/// Answer to `DELETE /api/network/devices/{key}`.
public struct RevocationBody: Codable, Sendable, Equatable {
    public var device: String
    public var handle: String
    /// False when it was revoked before.
    public var revoked: Bool
    /// Connections of the device that the answering gateway had.
    public var connectionsClosed: Int

    public init(device: String, handle: String, revoked: Bool, connectionsClosed: Int) {
        self.device = device
        self.handle = handle
        self.revoked = revoked
        self.connectionsClosed = connectionsClosed
    }

    private enum CodingKeys: String, CodingKey {
        case device, handle, revoked
        case connectionsClosed = "connections_closed"
    }
}

/// One agent of `GET /api/network/agents`.
public struct AgentBody: Codable, Sendable, Equatable {
    public var handle: String
    public var nodeID: String
    public var label: String?
    public var ownerHandle: String
    public var addedAt: Double
    public var lastSeen: Double?
    /// Where it can be reached, `ip:port` each.
    public var addresses: [String]
    /// Whether this agent coordinates the network.
    public var isCoordinator: Bool

    public init(
        handle: String, nodeID: String, label: String?, ownerHandle: String, addedAt: Double, lastSeen: Double?,
        addresses: [String], isCoordinator: Bool
    ) {
        self.handle = handle
        self.nodeID = nodeID
        self.label = label
        self.ownerHandle = ownerHandle
        self.addedAt = addedAt
        self.lastSeen = lastSeen
        self.addresses = addresses
        self.isCoordinator = isCoordinator
    }

    private enum CodingKeys: String, CodingKey {
        case handle, label, addresses
        case nodeID = "node_id"
        case ownerHandle = "owner_handle"
        case addedAt = "added_at"
        case lastSeen = "last_seen"
        case isCoordinator = "coordinator"
    }
}

public struct AgentsBody: Codable, Sendable, Equatable {
    public var agents: [AgentBody]
    /// What `cursor` is for the next page; nil when there is none.
    public var nextCursor: String?

    public init(agents: [AgentBody], nextCursor: String? = nil) {
        self.agents = agents
        self.nextCursor = nextCursor
    }

    private enum CodingKeys: String, CodingKey {
        case agents
        case nextCursor = "next_cursor"
    }
}
