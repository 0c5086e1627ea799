internal import Foundation
internal import GRDB

// How are questions about calls kept? Each change is one conditional statement, so that of two answers only the first counts,
// whoever gives them. An answer and its audit row are one transaction.

/// Questions about calls of tools.
public struct ApprovalRepository: Sendable {
    private let database: Database

    public init(_ database: Database) { self.database = database }

    /// Puts a question, unless the same turn has put one about the same call: then what became of that one. One that was
    /// withdrawn is put anew, in the place of the old one: nobody has answered it. Cancelling the caller doesn't stop it.
    public func ask(_ question: ApprovalRecord) async throws -> ApprovalRecord {
        let (turn, call) = (Self.exact(question.turn), Self.exact(question.call))
        return try await database.commits.write { connection in
            try connection.run(
                sql: "DELETE FROM approvals WHERE turn = ? AND call = ? AND state = 'withdrawn'",
                arguments: [turn, call])
            try connection.run(
                sql: """
                    INSERT INTO approvals
                        (id, turn, call, session_id, handle, tool, arguments, hash, created_at, expires_at)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (turn, call) DO NOTHING
                    """,
                arguments: [
                    question.id, turn, call, question.sessionID, question.handle, Self.exact(question.tool),
                    Self.exact(question.arguments), Data(question.hash), question.createdAt, question.expiresAt,
                ])
            let row = try Row.fetchOne(
                connection, sql: "SELECT * FROM approvals WHERE turn = ? AND call = ?", arguments: [turn, call])
            guard let row else { throw SessionStorageError.missing("approval") }
            return try ApprovalRecord(row)
        }
    }

    /// Gives a question that waits its end, and appends the audit row of it. Cancelling the caller doesn't stop it.
    ///
    /// - Parameters:
    ///   - now: Unix seconds; an answer that comes at or after its question's end doesn't count.
    ///   - audit: says how the row reads.
    /// - Returns: the question as it is now, and whether this call has ended it; nil when there is none.
    public func settle(
        _ id: String, as state: ApprovalState, by who: String?, at now: Double,
        audit: @escaping @Sendable (ApprovalRecord) -> AuditRecord
    ) async throws -> (question: ApprovalRecord, isFirst: Bool)? {
        let inTime = state == .approved || state == .denied
        return try await database.commits.write { connection in
            try connection.run(
                sql: """
                    UPDATE approvals SET state = ?1, decided_by = ?2, decided_at = ?3
                    WHERE id = ?4 AND state = 'pending' \(inTime ? "AND expires_at > ?3" : "")
                    """,
                arguments: [state.rawValue, who, now, id])
            let isFirst = connection.changesCount > 0
            let row = try Row.fetchOne(connection, sql: "SELECT * FROM approvals WHERE id = ?", arguments: [id])
            guard let question = try row.map(ApprovalRecord.init) else { return nil }
            if isFirst { try NetworkTransaction(connection).audit(audit(question)) }
            return (question, isFirst)
        }
    }

    /// A question; nil when there is none of this id.
    public func question(_ id: String) async throws -> ApprovalRecord? {
        try await database.pool.read { connection in
            try Row.fetchOne(connection, sql: "SELECT * FROM approvals WHERE id = ?", arguments: [id])
                .map(ApprovalRecord.init)
        }
    }

    /// At most `limit` questions, newest first.
    ///
    /// - Parameters:
    ///   - handle: only this user's; nil: everybody's.
    ///   - state: only those in this state.
    ///   - before: only those with a smaller number.
    public func questions(
        of handle: String?, state: ApprovalState?, before: Int64?, limit: Int
    ) async throws -> [ApprovalRecord] {
        try await database.pool.read { connection in
            try Row.fetchAll(
                connection,
                sql: """
                    SELECT * FROM approvals
                    WHERE number < ? \(handle == nil ? "" : "AND handle = ?") \(state == nil ? "" : "AND state = ?")
                    ORDER BY number DESC LIMIT ?
                    """,
                arguments: StatementArguments(
                    [before ?? .max] + [handle, state?.rawValue].compactMap { $0 } + [limit]
                        as [any DatabaseValueConvertible])
            ).map(ApprovalRecord.init)
        }
    }

    /// Forgets questions that ended before `time` (Unix seconds). What was answered stays in the audit table.
    public func forget(endedBefore time: Double) async throws {
        try await database.pool.write { connection in
            try connection.execute(
                sql: "DELETE FROM approvals WHERE state <> 'pending' AND decided_at < ?", arguments: [time])
        }
    }

    /// SQLite takes a text to its first zero byte.
    private static func exact(_ text: String) -> String { text.replacing("\0", with: "\u{2400}") }
}
