internal import GRDB

// Who writes the audit table besides the coordinator and the registry? Whoever keeps account of what an agent does. And who may make
// it shorter? Only ``AuditLog/forgetCalls(before:at:)``, only rows of calls, and not without a row that says so: the trigger of the
// table refuses everybody else. Calls of models are rows of the usage log, which are read here as what they are: audit rows.

/// The audit table of one agent.
public struct AuditLog: Sendable {
    /// How a call of a model is called here.
    public static let modelCall = "model.call"

    private let database: Database

    public init(_ database: Database) { self.database = database }

    /// Appends a row. On return it is on disk; cancelling the caller doesn't stop it.
    public func append(_ record: AuditRecord) async throws {
        try await database.commits.write { try NetworkTransaction($0).audit(record) }
    }

    /// At most `limit` rows that `filter` lets through, newest first. Calls of models are rows of another table with numbers of
    /// their own: only who asks for that action gets them.
    public func rows(_ filter: AuditFilter, limit: Int) async throws -> [AuditEntry] {
        try await database.pool.read { connection in
            guard let action = filter.action, [Self.modelCall, "model"].contains(action) else {
                return try NetworkReader(connection).audit(filter, limit: limit)
            }
            return try Self.modelCalls(filter, limit: limit, in: connection)
        }
    }

    private static func modelCalls(
        _ filter: AuditFilter, limit: Int, in connection: GRDB.Database
    ) throws -> [AuditEntry] {
        try Row.fetchAll(
            connection,
            sql: """
                SELECT * FROM usage_log
                WHERE id < coalesce(:before, 9223372036854775807) AND handle = coalesce(:actor, handle)
                    AND model = coalesce(:subject, model)
                ORDER BY id DESC LIMIT :limit
                """,
            arguments: [
                "before": filter.before, "actor": filter.actor, "subject": filter.subject, "limit": limit,
            ]
        ).map { row in
            let device: String = row["device"]
            let fields: [(String, Int64)] = [
                ("call", row["call"]), ("cost_billionths", row["cost"]), ("input_tokens", row["input_tokens"]),
                ("output_tokens", row["output_tokens"]),
            ]
            let numbers = fields.map { "\"\($0)\":\($1)" }.joined(separator: ",")
            var record = AuditRecord(
                at: row["at"], actor: row["handle"], actorDevice: Self.bytes(device), action: modelCall,
                subject: row["model"])
            record.details = "{\(numbers)}"
            return AuditEntry(id: row["id"], record: record)
        }
    }

    private static func bytes(_ hexadecimal: String) -> [UInt8]? {
        let digits = Array(hexadecimal.utf8)
        guard digits.count == 64 else { return nil }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let byte = UInt8(String(decoding: digits[index...(index + 1)], as: UTF8.self), radix: 16) else {
                return nil
            }
            bytes.append(byte)
        }
        return bytes
    }

    /// Removes rows of calls of tools from before `time`, and appends a row that says so. Everything else stays.
    ///
    /// - Parameters:
    ///   - time: Unix seconds.
    ///   - now: Unix seconds.
    /// - Returns: how many rows are gone.
    @discardableResult
    public func forgetCalls(before time: Double, at now: Double) async throws -> Int {
        try await database.pool.write { connection in
            try connection.execute(sql: "INSERT INTO audit_housekeeping (until) VALUES (?)", arguments: [time])
            try connection.execute(
                sql: "DELETE FROM audit WHERE at < ? AND substr(action, 1, 5) = 'tool.'", arguments: [time])
            let count = connection.changesCount
            try connection.execute(sql: "DELETE FROM audit_housekeeping")
            guard count > 0 else { return 0 }
            var record = AuditRecord(at: now, actor: "system", action: "audit.forget", subject: "calls of tools")
            record.details = "{\"before\":\(time),\"rows\":\(count)}"
            try NetworkTransaction(connection).audit(record)
            return count
        }
    }
}
