internal import Foundation
internal import GRDB

// Which changes can be made to network rows? Each one is a single statement; what belongs together is put together by
// the closure of NetworkRepository.write, and undone together when it throws.

/// Reads and changes network rows within one transaction. It does not outlive the closure that it was handed to.
public struct NetworkTransaction {
    private let database: GRDB.Database

    init(_ database: GRDB.Database) { self.database = database }

    /// Reads, with the changes that were made so far.
    public var rows: NetworkReader { NetworkReader(database) }

    /// Runs `body` when the transaction has been committed, before the call that wrote it returns and before any other
    /// transaction begins; never when it was rolled back. So memory can follow the database in the same order.
    public func afterCommit(_ body: @escaping @Sendable () -> Void) {
        database.afterNextTransaction { _ in body() }
    }

    /// Stores the one network row, in place of the one before.
    public func setNetwork(_ network: NetworkRecord, coordinatorNodeID: String) throws {
        try database.execute(
            sql: """
                INSERT OR REPLACE INTO network
                (singleton, role, network_id, name, coordinator_node_id, coordinator_pubkey, created_at)
                VALUES (1, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                network.role.rawValue, network.networkID, network.name, coordinatorNodeID,
                Data(network.coordinatorKey), network.createdAt,
            ])
    }

    /// Adds a user; fails when the handle exists.
    public func insertUser(_ user: UserRecord) throws {
        try database.execute(
            sql: "INSERT INTO network_users (handle, pake_record, role, status, created_at) VALUES (?, ?, ?, ?, ?)",
            arguments: [
                user.handle, Data(user.pakeRecord), user.role.rawValue, user.status.rawValue, user.createdAt,
            ])
    }

    /// - Returns: whether there is such a user.
    public func setUserStatus(_ status: UserStatus, of handle: String) throws -> Bool {
        try changed("UPDATE network_users SET status = ? WHERE handle = ?", [status.rawValue, handle])
    }

    /// Adds a device; fails when the key exists or the user does not.
    public func insertDevice(_ device: DeviceRecord) throws {
        try database.execute(
            sql: """
                INSERT INTO network_devices (device_pubkey, user_handle, label, status, added_at, last_seen)
                VALUES (?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                Data(device.key), device.handle, device.label, device.status.rawValue, device.addedAt, device.lastSeen,
            ])
    }

    /// Notes a login of an active device.
    public func touchDevice(_ key: [UInt8], at now: Double) throws {
        _ = try changed(
            "UPDATE network_devices SET last_seen = ? WHERE device_pubkey = ? AND status = 'active'", [now, Data(key)])
    }

    /// - Returns: whether an active device was revoked.
    public func revokeDevice(_ key: [UInt8]) throws -> Bool {
        try changed(
            "UPDATE network_devices SET status = 'revoked' WHERE device_pubkey = ? AND status = 'active'", [Data(key)])
    }

    /// Adds an agent, or renews the row of the same handle.
    public func upsertAgent(_ agent: AgentRecord) throws {
        try database.execute(
            sql: """
                INSERT INTO network_agents (handle, node_id, label, owner_handle, added_at) VALUES (?, ?, ?, ?, ?)
                ON CONFLICT (handle) DO UPDATE SET
                    node_id = excluded.node_id, label = excluded.label, owner_handle = excluded.owner_handle
                """,
            arguments: [agent.handle, agent.nodeID, agent.label, agent.ownerHandle, agent.addedAt])
    }

    public func insertInvitation(_ invitation: InvitationRecord) throws {
        try database.execute(
            sql: """
                INSERT INTO network_invitations
                (code, role, created_by, bind_to_handle, uses_left, expires_at, created_at, used_at)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                invitation.code, invitation.role.rawValue, invitation.createdBy, invitation.bindTo,
                invitation.usesLeft, invitation.expiresAt, invitation.createdAt, invitation.usedAt,
            ])
    }

    /// Takes one use of an invitation: a single conditional statement, so it can never be overspent.
    ///
    /// - Parameter now: Unix seconds.
    /// - Returns: whether there was a use left and it had not expired.
    public func spendInvitation(_ code: String, now: Double) throws -> Bool {
        try changed(
            """
            UPDATE network_invitations SET uses_left = uses_left - 1, used_at = coalesce(used_at, ?)
            WHERE code = ? AND uses_left > 0 AND expires_at >= ?
            """, [now, code, now])
    }

    /// Appends to the audit table. There is no way to change or remove a row.
    public func audit(_ record: AuditRecord) throws {
        try database.execute(
            sql: "INSERT INTO audit (at, actor, actor_device, action, subject, result) VALUES (?, ?, ?, ?, ?, ?)",
            arguments: [
                record.at, record.actor, record.actorDevice.map { Data($0) }, record.action, record.subject,
                record.result,
            ])
    }

    private func changed(_ sql: String, _ arguments: StatementArguments) throws -> Bool {
        try database.execute(sql: sql, arguments: arguments)
        return database.changesCount > 0
    }
}
