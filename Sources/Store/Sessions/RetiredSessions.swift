internal import GRDB

// What becomes of conversations and files whose user is gone? They stay in the database under names that no user can have: whoever
// gets the handle next, in this network or in another, begins without them. What ran in the user's name ends in the same transaction.

enum RetiredSessions {
    /// Handles of users do not begin so.
    private static let prefix = "__retired/"

    /// Handles that have conversations, files or plans, those out of reach left out.
    static func handles(in connection: GRDB.Database) throws -> [String] {
        let talkers = try String.fetchAll(
            connection,
            sql: """
                SELECT DISTINCT handle FROM sessions WHERE substr(handle, 1, length(:prefix)) <> :prefix
                UNION SELECT DISTINCT owner FROM artifacts WHERE substr(owner, 1, length(:prefix)) <> :prefix
                """, arguments: ["prefix": prefix])
        let planners = try RetiredPlans.handles(in: connection).filter { !$0.utf8.starts(with: prefix.utf8) }
        return Set(talkers).union(planners).sorted()
    }

    /// Takes the conversations and files of a handle out of reach. Turns that have no answer yet get none, and plans are switched off.
    static func retire(_ handle: String, now: Double, in connection: GRDB.Database) throws {
        try connection.execute(
            sql: """
                UPDATE turns SET state = 'cancelled', finished_at = ?
                WHERE state IN ('accepted', 'running') AND session IN (SELECT id FROM sessions WHERE handle = ?)
                """, arguments: [now, handle])
        // Whoever has the handle next may use the same message ids.
        try connection.execute(
            sql: """
                DELETE FROM turn_messages WHERE turn IN (
                    SELECT turns.id FROM turns JOIN sessions ON sessions.id = turns.session WHERE handle = ?)
                """, arguments: [handle])
        try connection.execute(
            sql: "UPDATE sessions SET handle = ? || id || '/' || handle WHERE handle = ?", arguments: [prefix, handle])
        try connection.execute(
            sql: "UPDATE artifacts SET owner = ? || id || '/' || owner WHERE owner = ?", arguments: [prefix, handle])
        try UsageLedger.retire(handle, as: prefix + handle, in: connection)
        try RetiredPlans.retire(handle, as: prefix + handle, now: now, in: connection)
    }
}

extension SessionRepository {
    /// Handles that have conversations, files or plans.
    public func handles() async throws -> [String] {
        try await database.pool.read { try RetiredSessions.handles(in: $0) }
    }

    /// Takes the conversations of a user who is gone out of the reach of whoever has the handle next.
    ///
    /// - Parameter now: Unix seconds.
    public func retire(handle: String, now: Double) async throws {
        try await database.pool.write { try RetiredSessions.retire(handle, now: now, in: $0) }
    }
}
