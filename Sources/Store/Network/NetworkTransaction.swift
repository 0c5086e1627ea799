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
                (singleton, role, network_id, name, coordinator_node_id, coordinator_pubkey, created_at,
                agent_handle, agent_certificate, coordinator_addresses)
                VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                network.role.rawValue, network.networkID, network.name, coordinatorNodeID,
                Data(network.coordinatorKey), network.createdAt, network.membership?.handle,
                network.membership.map { Data($0.certificate) },
                try Addresses.text(network.membership?.coordinatorAddresses ?? []),
            ])
    }

    /// Forgets the network that this agent belongs to, and everybody in it; the audit table stays.
    public func removeNetwork() throws {
        for table in ["network", "network_agents", "network_invitations", "network_users", "network_revoked_keys"] {
            try database.execute(sql: "DELETE FROM \(table)")
        }
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

    /// - Returns: whether there is such a user.
    public func setUserRole(_ role: UserRole, of handle: String) throws -> Bool {
        try changed("UPDATE network_users SET role = ? WHERE handle = ?", [role.rawValue, handle])
    }

    /// Takes the conversations of every handle but `handle` out of reach: in another network the same names are other
    /// people's.
    ///
    /// - Parameter now: Unix seconds.
    public func retireSessions(exceptOf handle: String, at now: Double) throws {
        for other in try RetiredSessions.handles(in: database) where other != handle {
            try RetiredSessions.retire(other, now: now, in: database)
        }
    }

    /// Removes a user and their devices; those that were revoked stay so. What the user said is out of the reach of
    /// whoever has the handle next.
    ///
    /// - Returns: whether there was such a user.
    public func removeUser(_ handle: String, at now: Double) throws -> Bool {
        try database.execute(
            sql: """
                INSERT OR IGNORE INTO network_revoked_keys (device_pubkey, revoked_at)
                SELECT device_pubkey, ? FROM network_devices WHERE user_handle = ? AND status = 'revoked'
                """,
            arguments: [now, handle])
        try RetiredSessions.retire(handle, now: now, in: database)
        return try changed("DELETE FROM network_users WHERE handle = ?", [handle])
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

    /// - Returns: whether there is such a device.
    public func setDeviceLabel(_ label: String?, of key: [UInt8]) throws -> Bool {
        try changed("UPDATE network_devices SET label = ? WHERE device_pubkey = ?", [label, Data(key)])
    }

    /// Adds an agent, or renews the row of the same handle.
    public func upsertAgent(_ agent: AgentRecord) throws {
        try database.execute(
            sql: """
                INSERT INTO network_agents (handle, node_id, label, owner_handle, added_at, last_seen, addresses)
                VALUES (?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (handle) DO UPDATE SET
                    node_id = excluded.node_id, label = excluded.label, owner_handle = excluded.owner_handle,
                    last_seen = excluded.last_seen, addresses = excluded.addresses
                """,
            arguments: [
                agent.handle, agent.nodeID, agent.label, agent.ownerHandle, agent.addedAt, agent.lastSeen,
                try Addresses.text(agent.addresses),
            ])
    }

    /// Notes that the agent with this node id (64 hexadecimal digits) spoke to the coordinator, and from where it serves.
    public func touchAgent(nodeID: String, addresses: [String]?, at now: Double) throws {
        _ = try changed(
            "UPDATE network_agents SET last_seen = ?, addresses = coalesce(?, addresses) WHERE node_id = ?",
            [now, try addresses.map(Addresses.text), nodeID])
    }

    /// - Returns: whether there is such an agent.
    public func setAgentLabel(_ label: String?, of handle: String) throws -> Bool {
        try changed("UPDATE network_agents SET label = ? WHERE handle = ?", [label, handle])
    }

    /// - Returns: whether there was such an agent.
    public func removeAgent(_ handle: String) throws -> Bool {
        try changed("DELETE FROM network_agents WHERE handle = ?", [handle])
    }

    public func insertInvitation(_ invitation: InvitationRecord) throws {
        try database.execute(
            sql: """
                INSERT INTO network_invitations
                (code, role, created_by, bind_to_handle, uses_left, expires_at, created_at, used_at, label)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                invitation.code, invitation.role.rawValue, invitation.createdBy, invitation.bindTo,
                invitation.usesLeft, invitation.expiresAt, invitation.createdAt, invitation.usedAt, invitation.label,
            ])
    }

    /// Takes every use that an invitation has left.
    ///
    /// - Returns: whether it had one.
    public func voidInvitation(_ code: String) throws -> Bool {
        try changed("UPDATE network_invitations SET uses_left = 0 WHERE code = ? AND uses_left > 0", [code])
    }

    /// Counts an attempt to use an invitation for something that it isn't for.
    ///
    /// - Returns: whether this was attempt number `limit`, and the invitation has no uses left now.
    public func countRefusal(of code: String, limit: Int) throws -> Bool {
        _ = try changed("UPDATE network_invitations SET refusals = refusals + 1 WHERE code = ?", [code])
        return try changed(
            "UPDATE network_invitations SET uses_left = 0 WHERE code = ? AND uses_left > 0 AND refusals >= ?",
            [code, limit])
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
        try database.run(
            sql: """
                INSERT INTO audit (at, actor, actor_device, action, subject, result, details)
                VALUES (?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                record.at, record.actor, record.actorDevice.map { Data($0) }, record.action, record.subject,
                record.result, record.details,
            ])
    }

    private func changed(_ sql: String, _ arguments: StatementArguments) throws -> Bool {
        try database.execute(sql: sql, arguments: arguments)
        return database.changesCount > 0
    }
}
