internal import GRDB

// How are codes and approved senders kept? A code goes in the transaction in which its sender is let in, together with the audit row that
// tells it; what has run out goes whenever somebody asks for a code.

/// Codes and approved senders.
public struct PairingRepository: Sendable {
    private let database: Database

    public init(_ database: Database) { self.database = database }

    /// Whether somebody was let in.
    public func isApproved(_ sender: String, at place: PairingPlace) async throws -> Bool {
        try await database.pool.read { connection in
            try Bool.fetchOne(
                connection,
                sql: "SELECT EXISTS (SELECT 1 FROM bridge_senders WHERE platform = ? AND bridge = ? AND sender = ?)",
                arguments: [place.platform, place.device ?? "", sender]) ?? false
        }
    }

    /// Keeps a code, unless its sender has one that counts: then that one.
    ///
    /// - Parameter most: codes that may be open for one bridge.
    /// - Returns: nil when so many are.
    public func open(_ new: PairingRecord, most: Int) async throws -> PairingRecord? {
        try await database.pool.write { connection in
            try connection.execute(
                sql: "DELETE FROM bridge_pairings WHERE expires_at <= ?", arguments: [new.createdAt])
            let open = try Row.fetchAll(
                connection, sql: "SELECT * FROM bridge_pairings WHERE platform = ? AND bridge = ?",
                arguments: [new.place.platform, new.place.device ?? ""]
            ).map(PairingRecord.init)
            if let earlier = open.first(where: { $0.sender == new.sender }) { return earlier }
            guard open.count < most else { return nil }
            try connection.execute(
                sql: """
                    INSERT INTO bridge_pairings (platform, bridge, sender, name, code, created_at, expires_at)
                    VALUES (?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    new.place.platform, new.place.device ?? "", new.sender, new.name, new.code, new.createdAt,
                    new.expiresAt,
                ])
            return new
        }
    }

    /// Lets somebody in by one of the codes that count.
    ///
    /// - Parameters:
    ///   - now: Unix seconds.
    ///   - choose: finds the one that is meant; nil: none.
    public func approve(
        at now: Double, by actor: String, device: [UInt8]?,
        choose: @escaping @Sendable ([PairingRecord]) -> PairingRecord?
    ) async throws -> SenderRecord? {
        try await database.pool.write { connection in
            let open = try Row.fetchAll(
                connection, sql: "SELECT * FROM bridge_pairings WHERE expires_at > ?", arguments: [now]
            ).map(PairingRecord.init)
            guard let pairing = choose(open) else { return nil }
            let key: StatementArguments = [pairing.place.platform, pairing.place.device ?? "", pairing.sender]
            try connection.execute(
                sql: "DELETE FROM bridge_pairings WHERE platform = ? AND bridge = ? AND sender = ?", arguments: key)
            try connection.execute(
                sql: """
                    INSERT INTO bridge_senders (platform, bridge, sender, name, approved_by, approved_at)
                    VALUES (?, ?, ?, ?, ?, ?)
                    ON CONFLICT DO UPDATE SET
                        name = excluded.name, approved_by = excluded.approved_by, approved_at = excluded.approved_at
                    """, arguments: key + [pairing.name, actor, now])
            try NetworkTransaction(connection).audit(
                AuditRecord(
                    at: now, actor: actor, actorDevice: device, action: "bridge.approve",
                    subject: "\(pairing.place.platform) \(pairing.sender)"))
            return SenderRecord(
                place: pairing.place, sender: pairing.sender, name: pairing.name, approvedBy: actor, approvedAt: now)
        }
    }

    /// Takes somebody off, at every bridge of the platform.
    ///
    /// - Returns: at how many.
    public func remove(
        _ sender: String, platform: String, at now: Double, by actor: String, device: [UInt8]?
    ) async throws -> Int {
        try await database.pool.write { connection in
            try connection.execute(
                sql: "DELETE FROM bridge_senders WHERE platform = ? AND sender = ?", arguments: [platform, sender])
            let count = connection.changesCount
            guard count > 0 else { return 0 }
            try NetworkTransaction(connection).audit(
                AuditRecord(
                    at: now, actor: actor, actorDevice: device, action: "bridge.remove",
                    subject: "\(platform) \(sender)"))
            return count
        }
    }

    /// Who may talk, in the order of their ids.
    ///
    /// - Parameter after: the sender and device behind which the page begins.
    public func senders(platform: String, after: [String], limit: Int) async throws -> [SenderRecord] {
        try await database.pool.read { connection in
            try Row.fetchAll(
                connection,
                sql: """
                    SELECT * FROM bridge_senders WHERE platform = ? AND (sender, bridge) > (?, ?)
                    ORDER BY sender, bridge LIMIT ?
                    """, arguments: [platform, after.first ?? "", after.last ?? "", limit]
            ).map { row in
                SenderRecord(
                    place: PairingPlace(row), sender: row["sender"], name: row["name"],
                    approvedBy: row["approved_by"], approvedAt: row["approved_at"])
            }
        }
    }

    /// Who asked and was told a code that counts, in the order of their ids.
    public func pairings(platform: String, at now: Double, after: [String], limit: Int) async throws -> [PairingRecord]
    {
        try await database.pool.read { connection in
            try Row.fetchAll(
                connection,
                sql: """
                    SELECT * FROM bridge_pairings
                    WHERE platform = ? AND expires_at > ? AND (sender, bridge) > (?, ?)
                    ORDER BY sender, bridge LIMIT ?
                    """, arguments: [platform, now, after.first ?? "", after.last ?? "", limit]
            ).map(PairingRecord.init)
        }
    }
}

extension PairingPlace {
    fileprivate init(_ row: Row) {
        let device: String = row["bridge"]
        self.init(platform: row["platform"], device: device.isEmpty ? nil : device)
    }
}

extension PairingRecord {
    fileprivate init(_ row: Row) {
        self.init(
            place: PairingPlace(row), sender: row["sender"], name: row["name"], code: row["code"],
            createdAt: row["created_at"], expiresAt: row["expires_at"])
    }
}
