internal import Store
internal import Transport

// Which calls are about devices? Their list and their end, for whoever administers the network; and their standing, for
// the gateways of member agents, which may know no more than they are asked about.

extension Coordinator {
    /// Devices in one answer of `list_devices`.
    static let devicesPerPage = 500

    func listDevices(_ parameters: RPCParameters, peer: NodeID) async throws -> CBORMap {
        _ = try administrator(peer: peer, certificate: parameters.optionalBytes("cert"))
        let after = try parameters.optionalBytes("after")
        let limit = Self.devicesPerPage
        let rows = try await repository.read { try $0.devices(after: after, limit: limit + 1) }
        return [
            "devices": .array(rows.prefix(limit).map { .map($0.wire) }), "more": .bool(rows.count > limit),
        ]
    }

    func revokeDevice(_ parameters: RPCParameters, peer: NodeID) async throws -> CBORMap {
        let caller = try administrator(peer: peer, certificate: parameters.optionalBytes("cert"))
        let result = try await revokeDevice(parameters.key("device_pubkey"), by: caller)
        return ["ok": .bool(result == .revoked), "revoked_by": .text(caller.auditName)]
    }

    func deviceStatus(_ parameters: RPCParameters, peer: NodeID) throws -> CBORMap {
        guard roster.agent(peer) != nil else {
            throw RPCError(.forbidden, "only an agent of the network may ask for the standing of its devices")
        }
        let device = try parameters.key("device_pubkey")
        return DeviceAnswer(roster.handle(of: device), in: roster, device: device).wire
    }
}

/// What `device_status` tells.
public struct DeviceAnswer: Sendable, Equatable {
    /// Never ``DeviceStanding/unavailable``.
    public let standing: DeviceStanding
    /// Whose device it is; nil when it is nobody's, or when the coordinator does not say.
    public let handle: String?

    public init(standing: DeviceStanding, handle: String?) {
        self.standing = standing
        self.handle = handle
    }

    fileprivate init(_ handle: String?, in roster: Roster, device: NodeID) {
        self.handle = handle
        standing = handle.map { roster.standing(of: device, handle: $0) } ?? .unknown
    }

    var wire: CBORMap {
        var map: CBORMap = ["active": .bool(false)]
        switch standing {
        case .active(let role): map = ["active": .bool(true), "role": .text(role.rawValue), "status": .text("active")]
        case .revoked: _ = map.insert("status", .text("revoked"))
        case .suspended: _ = map.insert("status", .text("suspended"))
        case .unknown, .unavailable: break
        }
        if let handle { _ = map.insert("handle", .text(handle)) }
        return map
    }

    /// Reads such an answer; nil when it is malformed. The reference's coordinator says no more than `active`: then the
    /// device has a plain member's rights.
    init?(wire map: CBORMap) {
        guard case .bool(let active) = map["active"] else { return nil }
        if case .text(let text) = map["handle"] { handle = text } else { handle = nil }
        switch (active, map["role"], map["status"]) {
        case (true, .text(let text), _):
            guard let role = UserRole(rawValue: text) else { return nil }
            standing = .active(role: role)
        case (true, _, _): standing = .active(role: .member)
        case (false, _, .text("revoked")): standing = .revoked
        case (false, _, .text("suspended")): standing = .suspended
        case (false, _, _): standing = .unknown
        }
    }
}

extension DeviceRecord {
    /// The row as `list_devices` sends it.
    var wire: CBORMap {
        [
            "device_pubkey": .bytes(key), "handle": .text(handle), "label": label.map { .text($0) } ?? .null,
            "status": .text(status.rawValue), "added_at": .float(addedAt),
            "last_seen": lastSeen.map { .float($0) } ?? .null,
        ]
    }

    /// Reads such a row; nil when it is malformed.
    init?(wire: CBORValue) {
        guard case .map(let map) = wire, case .bytes(let key) = map["device_pubkey"], key.count == NodeID.length,
            case .text(let handle) = map["handle"], case .text(let statusText) = map["status"],
            let status = DeviceStatus(rawValue: statusText), let addedAt = map["added_at"]?.number
        else { return nil }
        var label: String?
        if case .text(let text) = map["label"] { label = text }
        self.init(
            key: key, handle: handle, label: label, status: status, addedAt: addedAt, lastSeen: map["last_seen"]?.number
        )
    }
}
