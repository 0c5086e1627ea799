// What does the coordinator remember? The rows of network state in domain terms, with every status an enum, so that a
// row of an unknown status never reaches a rule.

/// What the agent is in its network.
public enum NetworkRole: String, Sendable { case standalone, coordinator, member }

/// What the bearer of an invitation may become.
public enum InviteRole: String, Sendable, CaseIterable { case user, device, agent }

/// What a user may do.
public enum UserRole: String, Sendable { case member, admin }

/// Whether a user may come in.
public enum UserStatus: String, Sendable { case active, suspended }

/// Whether a device may come in.
public enum DeviceStatus: String, Sendable { case active, revoked }

/// The network that this agent belongs to.
public struct NetworkRecord: Sendable, Equatable {
    public var role: NetworkRole
    public var networkID: String
    public var name: String
    /// The coordinator's 32-byte public key.
    public var coordinatorKey: [UInt8]
    /// Unix seconds.
    public var createdAt: Double
    /// What the network calls this agent, and where its coordinator was found, `ip:port` each. Of members only.
    public var membership: AgentMembership?

    public init(
        role: NetworkRole, networkID: String, name: String, coordinatorKey: [UInt8], createdAt: Double,
        membership: AgentMembership? = nil
    ) {
        self.role = role
        self.networkID = networkID
        self.name = name
        self.coordinatorKey = coordinatorKey
        self.createdAt = createdAt
        self.membership = membership
    }
}

/// What a member agent knows about its place in a network.
public struct AgentMembership: Sendable, Equatable {
    /// What the network calls this agent.
    public var handle: String
    /// Where the coordinator was found, `ip:port` each, the most recent success first.
    public var coordinatorAddresses: [String]
    /// The certificate that the coordinator issued to this agent.
    public var certificate: [UInt8]

    public init(handle: String, coordinatorAddresses: [String], certificate: [UInt8]) {
        self.handle = handle
        self.coordinatorAddresses = coordinatorAddresses
        self.certificate = certificate
    }
}

/// A person of the network.
public struct UserRecord: Sendable, Equatable {
    /// Lower case, unique.
    public var handle: String
    /// What the password is checked with; never the password.
    public var pakeRecord: [UInt8]
    public var role: UserRole
    public var status: UserStatus
    /// Unix seconds.
    public var createdAt: Double

    public init(
        handle: String, pakeRecord: [UInt8], role: UserRole, status: UserStatus = .active, createdAt: Double
    ) {
        self.handle = handle
        self.pakeRecord = pakeRecord
        self.role = role
        self.status = status
        self.createdAt = createdAt
    }
}

/// A device of a user.
public struct DeviceRecord: Sendable, Equatable {
    /// The device's 32-byte public key.
    public var key: [UInt8]
    public var handle: String
    public var label: String?
    public var status: DeviceStatus
    /// Unix seconds.
    public var addedAt: Double
    /// Unix seconds of the last login.
    public var lastSeen: Double?

    public init(
        key: [UInt8], handle: String, label: String? = nil, status: DeviceStatus = .active, addedAt: Double,
        lastSeen: Double? = nil
    ) {
        self.key = key
        self.handle = handle
        self.label = label
        self.status = status
        self.addedAt = addedAt
        self.lastSeen = lastSeen
    }
}

/// An agent that serves in the network.
public struct AgentRecord: Sendable, Equatable {
    public var handle: String
    /// 64 hexadecimal digits.
    public var nodeID: String
    public var label: String?
    public var ownerHandle: String
    /// Unix seconds.
    public var addedAt: Double
    /// Unix seconds at which it last spoke to the coordinator.
    public var lastSeen: Double?
    /// Where it said that it can be reached, `ip:port` each.
    public var addresses: [String]

    public init(
        handle: String, nodeID: String, label: String?, ownerHandle: String, addedAt: Double, lastSeen: Double? = nil,
        addresses: [String] = []
    ) {
        self.handle = handle
        self.nodeID = nodeID
        self.label = label
        self.ownerHandle = ownerHandle
        self.addedAt = addedAt
        self.lastSeen = lastSeen
        self.addresses = addresses
    }
}

/// A code that admits somebody.
public struct InvitationRecord: Sendable, Equatable {
    /// Normalised: 20 base32 characters. A secret while it can be redeemed.
    public var code: String
    public var role: InviteRole
    public var createdBy: String?
    /// The handle that alone may use it; nil when it is open.
    public var bindTo: String?
    public var usesLeft: Int
    /// Unix seconds; at this instant it can still be redeemed.
    public var expiresAt: Double
    /// Unix seconds.
    public var createdAt: Double
    /// Unix seconds of the first use.
    public var usedAt: Double?
    /// What it is for, in its maker's words.
    public var label: String?

    public init(
        code: String, role: InviteRole, createdBy: String?, bindTo: String?, usesLeft: Int, expiresAt: Double,
        createdAt: Double, usedAt: Double? = nil, label: String? = nil
    ) {
        self.code = code
        self.role = role
        self.createdBy = createdBy
        self.bindTo = bindTo
        self.usesLeft = usesLeft
        self.expiresAt = expiresAt
        self.createdAt = createdAt
        self.usedAt = usedAt
        self.label = label
    }
}

/// One line of the audit table: who, from which device, what, on whom, with which result.
public struct AuditRecord: Sendable, Equatable {
    /// Unix seconds.
    public var at: Double
    /// A handle, or the name of a part of the system.
    public var actor: String
    /// The key of the device that it came from.
    public var actorDevice: [UInt8]?
    /// A stable word, as `device.revoke`.
    public var action: String
    /// Whom or what it was done to.
    public var subject: String
    public var result: String
    /// A JSON object with more of it, for actions that have more; no secrets.
    public var details: String?

    public init(
        at: Double, actor: String, actorDevice: [UInt8]? = nil, action: String, subject: String, result: String = "ok"
    ) {
        self.at = at
        self.actor = actor
        self.actorDevice = actorDevice
        self.action = action
        self.subject = subject
        self.result = result
    }
}

/// A row of the audit table with its place in it.
public struct AuditEntry: Sendable, Equatable {
    /// Grows with every row.
    public let id: Int64
    public let record: AuditRecord
}

/// Which audit rows are wanted.
public struct AuditFilter: Sendable, Equatable {
    /// Only rows with a smaller id.
    public var before: Int64?
    public var actor: String?
    /// An action as `device.revoke`, or its first part as `device`.
    public var action: String?
    public var subject: String?

    public init(before: Int64? = nil, actor: String? = nil, action: String? = nil, subject: String? = nil) {
        self.before = before
        self.actor = actor
        self.action = action
        self.subject = subject
    }
}
