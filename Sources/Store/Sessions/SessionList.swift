internal import GRDB

// Which of a user's sessions are listed, in which order, and how many may there be? The time of the last activity is a column
// with an index, so that a page costs the same wherever it is in a list of a hundred thousand. A session that its owner removed
// keeps its row: its archives and what it cost stay, and its event numbers go on if the same id is used again.

extension DatabaseMigrator {
    /// Titles, the order of lists, and removed sessions.
    mutating func registerSessionList() {
        registerMigration("2026-11-21 session list") { connection in
            try connection.execute(
                sql: """
                    ALTER TABLE sessions ADD COLUMN title TEXT;
                    -- When a turn of it was last accepted, or ended.
                    ALTER TABLE sessions ADD COLUMN last_activity REAL NOT NULL DEFAULT 0;
                    -- Until its next turn is accepted.
                    ALTER TABLE sessions ADD COLUMN removed_at REAL;
                    UPDATE sessions SET last_activity = max(created_at, ifnull(
                        (SELECT created_at FROM session_messages WHERE session = sessions.id ORDER BY id DESC LIMIT 1),
                        0));
                    UPDATE sessions SET last_activity = max(last_activity, unfinished.at)
                    FROM (SELECT session, max(accepted_at) AS at FROM turns
                        WHERE state IN ('accepted', 'running') GROUP BY session) AS unfinished
                    WHERE unfinished.session = sessions.id;
                    CREATE INDEX sessions_by_activity ON sessions (handle, last_activity, id)
                    WHERE removed_at IS NULL;
                    """)
        }
    }
}

/// Where a session stands in the list of its owner's.
public struct SessionPlace: Codable, Sendable, Equatable {
    /// Unix seconds.
    public let lastActivity: Double
    public let id: Int64

    /// Before every session.
    public static let beginning = SessionPlace(lastActivity: .greatestFiniteMagnitude, id: .max)

    public init(lastActivity: Double, id: Int64) {
        self.lastActivity = lastActivity
        self.id = id
    }
}

extension SessionRepository {
    /// A page of the user's sessions, the most recently active first. Sessions that become active while somebody reads page
    /// by page move to the front; the others keep their places.
    ///
    /// - Parameter place: only those behind it.
    public func overview(
        of handle: String, after place: SessionPlace = .beginning, limit: Int
    ) async throws -> [SessionOverview] {
        try await database.pool.read { connection in
            try Row.fetchAll(
                connection,
                sql: SessionOverview.select + """
                     AND (last_activity, sessions.id) < (?, ?) ORDER BY last_activity DESC, sessions.id DESC LIMIT ?
                    """, arguments: [handle, place.lastActivity, place.id, limit]
            ).map(SessionOverview.init)
        }
    }

    /// One of the user's sessions; nil when the user has no such session.
    public func overview(of handle: String, sessionID: String) async throws -> SessionOverview? {
        try await database.pool.read { connection in
            try Row.fetchOne(
                connection, sql: SessionOverview.select + " AND session_id = ?", arguments: [handle, sessionID]
            ).map(SessionOverview.init)
        }
    }

    /// What the user calls a session; nil when it has no title, or is not there.
    public func title(handle: String, sessionID: String) async throws -> String? {
        try await database.pool.read { connection in
            try String.fetchOne(
                connection,
                sql: """
                    SELECT title FROM sessions
                    WHERE handle = ? AND session_id = ? AND removed_at IS NULL AND title IS NOT NULL
                    """, arguments: [handle, sessionID])
        }
    }

    /// Gives one of the user's sessions a title, or none with nil.
    ///
    /// - Returns: false when the user has no such session.
    public func setTitle(_ title: String?, handle: String, sessionID: String) async throws -> Bool {
        try await database.pool.write { connection in
            try connection.execute(
                sql: "UPDATE sessions SET title = ? WHERE handle = ? AND session_id = ? AND removed_at IS NULL",
                arguments: [title, handle, sessionID])
            return connection.changesCount == 1
        }
    }

    /// The session's row and the numbers that may have been used, without reserving any; nil when there is none. A removed
    /// session has one.
    public func find(handle: String, sessionID: String) async throws -> SessionRecord? {
        try await database.pool.read { connection in
            try Row.fetchOne(
                connection,
                sql: "SELECT id, sequence_high, removed_at FROM sessions WHERE handle = ? AND session_id = ?",
                arguments: [handle, sessionID]
            ).map { row in
                SessionRecord(
                    id: row["id"], usedSequence: row["sequence_high"], reservedSequence: row["sequence_high"],
                    isNew: false)
            }
        }
    }

    // MARK: Rows

    /// - Throws: ``SessionStorageError/tooMany(limit:)`` when the user has so many sessions already.
    static func refuse(beyond limit: Int, of handle: String, in connection: GRDB.Database) throws {
        guard limit < .max else { return }
        if try count(of: handle, in: connection) >= limit { throw SessionStorageError.tooMany(limit: limit) }
    }

    static func count(of handle: String, in connection: GRDB.Database) throws -> Int {
        try Int.fetchOne(
            connection, sql: "SELECT count(*) FROM sessions WHERE handle = ? AND removed_at IS NULL",
            arguments: [handle]) ?? 0
    }

    static func isRemoved(_ session: Int64, in connection: GRDB.Database) throws -> Bool {
        try Bool.fetchOne(
            connection.cachedStatement(sql: "SELECT removed_at IS NOT NULL FROM sessions WHERE id = ?"),
            arguments: [session]) ?? false
    }

    /// A turn was accepted: the session is there, also if it was removed before.
    static func revive(_ session: Int64, at time: Double, in connection: GRDB.Database) throws {
        try connection.run(
            sql: """
                UPDATE sessions SET last_activity = max(last_activity, ?1),
                    created_at = iif(removed_at IS NULL, created_at, ?1), removed_at = NULL
                WHERE id = ?2
                """, arguments: [time, session])
    }

    /// A turn ended.
    static func touch(_ session: Int64, at time: Double, in connection: GRDB.Database) throws {
        try connection.run(
            sql: "UPDATE sessions SET last_activity = max(last_activity, ?) WHERE id = ?", arguments: [time, session])
    }
}

extension SessionOverview {
    fileprivate static let select = """
        SELECT sessions.id, session_id, title, created_at, last_activity, model,
            (SELECT count(*) FROM session_messages WHERE session = sessions.id) AS messages,
            EXISTS (SELECT 1 FROM session_summaries WHERE session = sessions.id) AS folded,
            ifnull(unfinished.running, 0) AS running, ifnull(unfinished.waiting, 0) AS waiting
        FROM sessions LEFT JOIN (
            SELECT session, sum(state = 'running') AS running, sum(state = 'accepted') AS waiting
            FROM turns WHERE state IN ('accepted', 'running') GROUP BY session) AS unfinished
        ON unfinished.session = sessions.id
        WHERE handle = ? AND removed_at IS NULL
        """

    fileprivate init(_ row: Row) {
        self.init(
            row: row["id"], sessionID: row["session_id"], title: row["title"], createdAt: row["created_at"],
            lastActivity: row["last_activity"], messages: row["messages"], model: row["model"],
            isFolded: row["folded"], running: row["running"], waiting: row["waiting"])
    }
}
