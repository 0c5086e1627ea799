internal import Foundation
internal import GRDB

// Which network rows are there? Reads only, inside a snapshot or a transaction.

/// Reads network rows within one snapshot. It does not outlive the closure that it was handed to.
public struct NetworkReader {
    let database: GRDB.Database

    init(_ database: GRDB.Database) { self.database = database }

    /// The network that this agent belongs to; nil before the first start.
    public func network() throws -> NetworkRecord? {
        try Row.fetchOne(database, sql: "SELECT * FROM network").map(NetworkRecord.init)
    }

    public func user(_ handle: String) throws -> UserRecord? {
        try Row.fetchOne(database, sql: "SELECT * FROM network_users WHERE handle = ?", arguments: [handle])
            .map(UserRecord.init)
    }

    /// Every user, oldest first.
    public func users() throws -> [UserRecord] {
        try Row.fetchAll(database, sql: "SELECT * FROM network_users ORDER BY created_at, handle").map(UserRecord.init)
    }

    public func hasUsers() throws -> Bool {
        try Bool.fetchOne(database, sql: "SELECT EXISTS (SELECT 1 FROM network_users)") ?? false
    }

    public func device(_ key: [UInt8]) throws -> DeviceRecord? {
        try Row.fetchOne(
            database, sql: "SELECT * FROM network_devices WHERE device_pubkey = ?", arguments: [Data(key)]
        ).map(DeviceRecord.init)
    }

    /// Every device, oldest first.
    public func devices() throws -> [DeviceRecord] {
        try Row.fetchAll(database, sql: "SELECT * FROM network_devices ORDER BY added_at, device_pubkey")
            .map(DeviceRecord.init)
    }

    /// At most `limit` devices in the order of their keys, beginning after `key`.
    public func devices(after key: [UInt8]?, limit: Int) throws -> [DeviceRecord] {
        try Row.fetchAll(
            database, sql: "SELECT * FROM network_devices WHERE device_pubkey > ? ORDER BY device_pubkey LIMIT ?",
            arguments: [Data(key ?? []), limit]
        ).map(DeviceRecord.init)
    }

    /// The user's devices, oldest first.
    public func devices(of handle: String) throws -> [DeviceRecord] {
        try Row.fetchAll(
            database, sql: "SELECT * FROM network_devices WHERE user_handle = ? ORDER BY added_at, device_pubkey",
            arguments: [handle]
        ).map(DeviceRecord.init)
    }

    /// Whether this key was revoked as a device of a user who was removed since.
    public func isRevokedKey(_ key: [UInt8]) throws -> Bool {
        try Bool.fetchOne(
            database, sql: "SELECT EXISTS (SELECT 1 FROM network_revoked_keys WHERE device_pubkey = ?)",
            arguments: [Data(key)]
        ) ?? false
    }

    /// How many users are active admins.
    public func activeAdmins() throws -> Int {
        try Int.fetchOne(
            database, sql: "SELECT count(*) FROM network_users WHERE role = 'admin' AND status = 'active'") ?? 0
    }

    /// Whether the user has a device, revoked ones included.
    public func hasDevices(_ handle: String) throws -> Bool {
        try Bool.fetchOne(
            database, sql: "SELECT EXISTS (SELECT 1 FROM network_devices WHERE user_handle = ?)", arguments: [handle]
        ) ?? false
    }

    /// Every agent, oldest first.
    public func agents() throws -> [AgentRecord] {
        try Row.fetchAll(database, sql: "SELECT * FROM network_agents ORDER BY added_at, handle").map(AgentRecord.init)
    }

    public func agent(_ handle: String) throws -> AgentRecord? {
        try Row.fetchOne(database, sql: "SELECT * FROM network_agents WHERE handle = ?", arguments: [handle])
            .map(AgentRecord.init)
    }

    /// - Parameter nodeID: 64 hexadecimal digits.
    public func agent(nodeID: String) throws -> AgentRecord? {
        try Row.fetchOne(database, sql: "SELECT * FROM network_agents WHERE node_id = ?", arguments: [nodeID])
            .map(AgentRecord.init)
    }

    /// Every invitation, newest first.
    public func invitations() throws -> [InvitationRecord] {
        try Row.fetchAll(database, sql: "SELECT * FROM network_invitations ORDER BY created_at DESC, rowid DESC")
            .map(InvitationRecord.init)
    }

    public func invitation(_ code: String) throws -> InvitationRecord? {
        try Row.fetchOne(database, sql: "SELECT * FROM network_invitations WHERE code = ?", arguments: [code])
            .map(InvitationRecord.init)
    }

    /// The newest invitation by `creator` that can be redeemed at `now` (Unix seconds).
    public func newestRedeemableInvitation(createdBy creator: String, now: Double) throws -> InvitationRecord? {
        try Row.fetchOne(
            database,
            sql: """
                SELECT * FROM network_invitations
                WHERE created_by = ? AND uses_left > 0 AND expires_at >= ?
                ORDER BY created_at DESC, rowid DESC LIMIT 1
                """,
            arguments: [creator, now]
        ).map(InvitationRecord.init)
    }

    /// The newest audit rows, newest first.
    public func audit(limit: Int) throws -> [AuditRecord] {
        try audit(AuditFilter(), limit: limit).map(\.record)
    }

    /// At most `limit` of the rows that `filter` lets through, newest first.
    public func audit(_ filter: AuditFilter, limit: Int) throws -> [AuditEntry] {
        try Row.fetchAll(
            database,
            sql: """
                SELECT * FROM audit
                WHERE id < coalesce(:before, 9223372036854775807) AND actor = coalesce(:actor, actor)
                    AND subject = coalesce(:subject, subject)
                    AND (:action IS NULL OR action = :action OR substr(action, 1, length(:action) + 1) = :action || '.')
                ORDER BY id DESC LIMIT :limit
                """,
            arguments: [
                "before": filter.before, "actor": filter.actor, "action": filter.action, "subject": filter.subject,
                "limit": limit,
            ]
        ).map { AuditEntry(id: $0["id"], record: try AuditRecord($0)) }
    }
}

extension NetworkRecord {
    fileprivate init(_ row: Row) throws {
        self.init(
            role: try row.status("role"), networkID: row["network_id"], name: row["name"],
            coordinatorKey: Array(row["coordinator_pubkey"] as Data), createdAt: row["created_at"])
        if let handle = row["agent_handle"] as String?, let certificate = row["agent_certificate"] as Data? {
            membership = AgentMembership(
                handle: handle, coordinatorAddresses: Addresses.read(row["coordinator_addresses"]),
                certificate: Array(certificate))
        }
    }
}

extension UserRecord {
    init(_ row: Row) throws {
        self.init(
            handle: row["handle"], pakeRecord: Array(row["pake_record"] as Data), role: try row.status("role"),
            status: try row.status("status"), createdAt: row["created_at"])
    }
}

extension DeviceRecord {
    init(_ row: Row) throws {
        self.init(
            key: Array(row["device_pubkey"] as Data), handle: row["user_handle"], label: row["label"],
            status: try row.status("status"), addedAt: row["added_at"], lastSeen: row["last_seen"])
    }
}

extension AgentRecord {
    init(_ row: Row) throws {
        self.init(
            handle: row["handle"], nodeID: row["node_id"], label: row["label"], ownerHandle: row["owner_handle"],
            addedAt: row["added_at"], lastSeen: row["last_seen"], addresses: Addresses.read(row["addresses"]))
    }
}

/// Addresses in one column, as JSON.
enum Addresses {
    static func read(_ text: String) -> [String] {
        (try? JSONDecoder().decode([String].self, from: Data(text.utf8))) ?? []
    }

    static func text(_ addresses: [String]) throws -> String {
        String(decoding: try JSONEncoder().encode(addresses), as: UTF8.self)
    }
}

extension InvitationRecord {
    init(_ row: Row) throws {
        self.init(
            code: row["code"], role: try row.status("role"), createdBy: row["created_by"],
            bindTo: row["bind_to_handle"], usesLeft: row["uses_left"], expiresAt: row["expires_at"],
            createdAt: row["created_at"], usedAt: row["used_at"], label: row["label"])
    }
}

extension AuditRecord {
    fileprivate init(_ row: Row) throws {
        self.init(
            at: row["at"], actor: row["actor"], actorDevice: (row["actor_device"] as Data?).map { Array($0) },
            action: row["action"], subject: row["subject"], result: row["result"])
        details = row["details"]
    }
}

extension Row {
    /// Reads a text column whose values SQLite has checked already.
    fileprivate func status<Status: RawRepresentable>(
        _ column: String
    ) throws -> Status where Status.RawValue == String {
        guard let status = Status(rawValue: self[column]) else { throw NetworkRowError.unknownStatus(column: column) }
        return status
    }
}

/// A row that this version cannot understand.
public enum NetworkRowError: Error, CustomStringConvertible {
    case unknownStatus(column: String)

    public var description: String {
        switch self {
        case .unknownStatus(let column): "a network row holds an unknown \(column): was the database edited?"
        }
    }
}
