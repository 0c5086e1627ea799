internal import GRDB

// How are the lines of the tools' policy read and changed? Few rows, read as a whole; each change is one transaction with the audit
// row that tells what was so before.

/// The policy of tools.
public struct ToolPolicyRepository: Sendable {
    /// Lines that a policy may have.
    public static let most = 1_000

    private let database: Database

    public init(_ database: Database) { self.database = database }

    /// Every line, in the order of the patterns.
    public func all() async throws -> [ToolPolicyRecord] {
        try await database.pool.read { try Self.rows($0) }
    }

    /// Puts a line in the place of that of the same pattern, or takes it away.
    ///
    /// - Parameters:
    ///   - rule: nil takes the line away.
    ///   - audit: says how the audit row reads, given all lines before and after; nil: nothing is changed.
    /// - Returns: the lines before and after.
    public func set(
        _ pattern: String, to rule: ToolRule?, by who: String, at now: Double,
        audit: @escaping @Sendable (_ before: [ToolPolicyRecord], _ after: [ToolPolicyRecord]) -> AuditRecord
    ) async throws -> (before: [ToolPolicyRecord], after: [ToolPolicyRecord]) {
        try await database.pool.write { connection in
            let before = try Self.rows(connection)
            guard let rule else {
                try connection.execute(sql: "DELETE FROM tool_policies WHERE pattern = ?", arguments: [pattern])
                guard connection.changesCount > 0 else { throw ToolPolicyError.missing(pattern) }
                let after = try Self.rows(connection)
                try NetworkTransaction(connection).audit(audit(before, after))
                return (before, after)
            }
            guard before.count < Self.most || before.contains(where: { $0.pattern == pattern }) else {
                throw ToolPolicyError.tooMany(Self.most)
            }
            try connection.execute(
                sql: """
                    INSERT INTO tool_policies (pattern, rule, updated_at, updated_by) VALUES (?, ?, ?, ?)
                    ON CONFLICT (pattern) DO UPDATE SET
                        rule = excluded.rule, updated_at = excluded.updated_at, updated_by = excluded.updated_by
                    """, arguments: [pattern, rule.rawValue, now, who])
            let after = try Self.rows(connection)
            try NetworkTransaction(connection).audit(audit(before, after))
            return (before, after)
        }
    }

    private static func rows(_ connection: GRDB.Database) throws -> [ToolPolicyRecord] {
        try Row.fetchAll(connection, sql: "SELECT * FROM tool_policies ORDER BY pattern").map { row in
            guard let rule = ToolRule(rawValue: row["rule"]) else {
                throw NetworkRowError.unknownStatus(column: "rule")
            }
            return ToolPolicyRecord(
                pattern: row["pattern"], rule: rule, updatedAt: row["updated_at"], updatedBy: row["updated_by"])
        }
    }
}

/// Why a line of the policy was not changed.
public enum ToolPolicyError: Error, Equatable, CustomStringConvertible {
    case missing(String)
    case tooMany(Int)
    case badPattern

    public var description: String {
        switch self {
        case .missing: "No line of the policy has this pattern."
        case .tooMany(let most): "The policy has \(most) lines already."
        case .badPattern:
            "A pattern is a tool's full name as vault_write_note, a beginning with '*' behind it as vault_*, or '*'."
        }
    }
}
