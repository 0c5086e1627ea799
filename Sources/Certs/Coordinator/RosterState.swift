public import Store
public import Transport

// Who is in the network, as a value? The same rules for the coordinator, which changes it in the step in which its database
// commits, and for a member agent, which is told the changes: so both give the same answer about the same device. It knows
// neither rows nor streams.

/// What is known about a device.
public enum DeviceStanding: Sendable, Equatable {
    /// Device and user may come in.
    case active(role: UserRole)
    case revoked
    /// The user is suspended; the device is not.
    case suspended
    /// No such device, or it belongs to another handle.
    case unknown
    /// Nobody who knows could be asked for too long.
    case unavailable
}

/// What became of a user, a device or an agent.
public enum RosterChange: Sendable, Equatable {
    /// The device is new, or its status changed.
    case device(NodeID, handle: String, status: DeviceStatus)
    /// The user is new, or their role or status changed.
    case user(String, role: UserRole, status: UserStatus)
    /// The user is gone, and their devices with them.
    case userRemoved(String)
    /// The agent is new.
    case agent(NodeID, handle: String)
    case agentRemoved(NodeID)
    /// The rest cannot be told one by one: look at everybody again.
    case everything
}

/// Users, devices and agents of a network.
public struct RosterState: Sendable, Equatable {
    private struct Device: Equatable {
        var handle: String
        var status: DeviceStatus
    }

    private struct User: Equatable {
        var role: UserRole
        var status: UserStatus
    }

    private var users: [String: User] = [:]
    private var devices: [NodeID: Device] = [:]
    private var agents: [NodeID: String] = [:]

    public init() {}

    /// What is known about `device` as a device of `handle`.
    public func standing(of device: NodeID, handle: String) -> DeviceStanding {
        guard let entry = devices[device], entry.handle.utf8.elementsEqual(handle.utf8), let user = users[entry.handle]
        else { return .unknown }
        return switch (entry.status, user.status) {
        case (.revoked, _): .revoked
        case (.active, .suspended): .suspended
        case (.active, .active): .active(role: user.role)
        }
    }

    /// Whether this is a device that may come in, as a device of whomever, or an agent.
    public func isKnown(_ node: NodeID) -> Bool {
        if agents[node] != nil { return true }
        guard let device = devices[node], device.status == .active else { return false }
        return users[device.handle]?.status == .active
    }

    /// Whether there is a user of this handle.
    func isUser(_ handle: String) -> Bool { users[handle] != nil }

    /// What is known about a user, whatever the device.
    func standing(ofUser handle: String) -> DeviceStanding {
        guard let user = users[handle] else { return .unknown }
        return user.status == .active ? .active(role: user.role) : .suspended
    }

    /// The user whose device this is, whatever its standing.
    public func handle(of device: NodeID) -> String? { devices[device]?.handle }

    /// The handle of the agent with this node id.
    public func agent(_ node: NodeID) -> String? { agents[node] }

    public mutating func apply(_ change: RosterChange) {
        switch change {
        case .device(let key, let handle, let status): devices[key] = Device(handle: handle, status: status)
        case .user(let handle, let role, let status): users[handle] = User(role: role, status: status)
        case .userRemoved(let handle):
            users[handle] = nil
            devices = devices.filter { $0.value.handle != handle }
        case .agent(let node, let handle): agents[node] = handle
        case .agentRemoved(let node): agents[node] = nil
        case .everything: break
        }
    }

    /// The changes that make this state out of an empty one.
    public var changes: [RosterChange] {
        users.map { .user($0.key, role: $0.value.role, status: $0.value.status) }
            + devices.map { .device($0.key, handle: $0.value.handle, status: $0.value.status) }
            + agents.map { .agent($0.key, handle: $0.value) }
    }
}
