internal import GRDB

// What is the agent given of a conversation, and which model answers in it? The model that the user chose for the session,
// and a summary that stands for the messages up to one of them. The messages themselves stay.

extension DatabaseMigrator {
    /// The model of a session, and the summary of its older messages.
    mutating func registerSessionContext() {
        registerMigration("2026-11-21 session context") { connection in
            try connection.execute(
                sql: """
                    ALTER TABLE sessions ADD COLUMN model TEXT;

                    CREATE TABLE session_summaries (
                        session INTEGER PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
                        text TEXT NOT NULL,
                        -- The last message that it stands for.
                        through INTEGER NOT NULL,
                        created_at REAL NOT NULL
                    ) STRICT;
                    """)
        }
    }
}

/// What the agent is given of a conversation.
public struct SessionContext: Sendable, Equatable {
    /// The model that the user chose for the session; nil is the default.
    public let model: String?
    /// What stands for the messages that were folded.
    public let summary: String?
    /// How many messages it stands for.
    public let folded: Int
    /// The messages behind the summary, the last ones that were asked for, oldest first.
    public let messages: [SessionMessageRecord]
    /// The session's row. Another user of the handle may have a session of the same name later.
    let session: Int64
    /// The last message; nil when there is none.
    let last: Int64?
    /// The last archive; 0 when there is none. Another one later tells that this conversation was cleared.
    let archive: Int64
}

extension SessionRepository {
    /// - Parameters:
    ///   - session: the session's row.
    ///   - limit: how many messages at most.
    ///   - length: UTF-8 bytes of their texts at most; the last message is there however long it is.
    public func context(of session: Int64, limit: Int, length: Int = .max) async throws -> SessionContext {
        try await database.pool.read { try Self.context(of: session, limit: limit, length: length, in: $0) }
    }

    /// The model that the user chose for the session; nil is the default.
    public func model(handle: String, sessionID: String) async throws -> String? {
        try await database.pool.read { connection in
            try String.fetchOne(
                connection,
                sql: "SELECT model FROM sessions WHERE handle = ? AND session_id = ? AND model IS NOT NULL",
                arguments: [handle, sessionID])
        }
    }

    /// The same by name; nil when the user has no such session.
    public func context(
        handle: String, sessionID: String, limit: Int, length: Int = .max
    ) async throws -> SessionContext? {
        try await database.pool.read { connection in
            try Self.row(handle, sessionID, in: connection).map {
                try Self.context(of: $0, limit: limit, length: length, in: connection)
            }
        }
    }

    /// Binds a session to a model, or to the default with nil. A session that is not there yet is made for a model.
    ///
    /// - Parameter limit: how many sessions the user may have.
    /// - Throws: ``SessionStorageError/tooMany(limit:)`` when it would be one more than that.
    public func pin(
        model: String?, handle: String, sessionID: String, limit: Int = .max, now: Double
    ) async throws {
        try await write(.pinModel) { connection in
            guard let model else {
                return try connection.execute(
                    sql: "UPDATE sessions SET model = NULL WHERE handle = ? AND session_id = ?",
                    arguments: [handle, sessionID])
            }
            if try Self.row(handle, sessionID, in: connection) == nil {
                try Self.refuse(beyond: limit, of: handle, in: connection)
            }
            try connection.execute(
                sql: """
                    INSERT INTO sessions (handle, session_id, created_at, last_activity, model)
                    VALUES (?1, ?2, ?3, ?3, ?4)
                    ON CONFLICT (handle, session_id) DO UPDATE SET model = excluded.model, removed_at = NULL,
                        created_at = iif(removed_at IS NULL, created_at, excluded.created_at),
                        last_activity = iif(removed_at IS NULL, last_activity, excluded.last_activity)
                    """, arguments: [handle, sessionID, now, model])
        }
    }

    /// From now on `summary` stands for every message of `context` and what was folded before.
    ///
    /// - Parameters:
    ///   - kept: how many of the last messages of `context` it does not stand for.
    ///   - now: Unix seconds.
    /// - Returns: false, and nothing is written, when the conversation was cleared since the context was read, or is
    ///   another user's of the same handle.
    public func fold(
        _ context: SessionContext, into summary: String, keeping kept: Int = 0, handle: String, sessionID: String,
        now: Double
    ) async throws -> Bool {
        try await write(.foldHistory) { connection in
            guard let end = context.last, let session = try Self.row(handle, sessionID, in: connection),
                session == context.session, try Self.lastArchive(of: session, in: connection) == context.archive
            else { return false }
            let last = try Int64.fetchOne(
                connection,
                sql: "SELECT id FROM session_messages WHERE session = ? AND id <= ? ORDER BY id DESC LIMIT 1 OFFSET ?",
                arguments: [session, end, kept])
            guard let last else { return false }
            try connection.execute(
                sql: """
                    INSERT INTO session_summaries (session, text, through, created_at) VALUES (?, ?, ?, ?)
                    ON CONFLICT (session) DO UPDATE
                    SET text = excluded.text, through = excluded.through, created_at = excluded.created_at
                    WHERE excluded.through >= through
                    """, arguments: [session, summary, last, now])
            return true
        }
    }

    /// Records a call of a model that was made for a conversation and for no turn.
    ///
    /// - Parameter turn: a name that no turn has.
    public func record(
        _ call: ModelCallRecord, turn: String, of context: SessionContext, at time: Double
    ) async throws {
        try await record(call, turn: turn, of: context.session, at: time)
    }

    // MARK: Rows

    static func row(_ handle: String, _ sessionID: String, in connection: GRDB.Database) throws -> Int64? {
        try Int64.fetchOne(
            connection, sql: "SELECT id FROM sessions WHERE handle = ? AND session_id = ? AND removed_at IS NULL",
            arguments: [handle, sessionID])
    }

    private static func lastArchive(of session: Int64, in connection: GRDB.Database) throws -> Int64 {
        try Int64.fetchOne(
            connection.cachedStatement(sql: "SELECT max(id) FROM session_archives WHERE session = ?"),
            arguments: [session]) ?? 0
    }

    private static func context(
        of session: Int64, limit: Int, length: Int, in connection: GRDB.Database
    ) throws -> SessionContext {
        let summary = try Row.fetchOne(
            connection.cachedStatement(sql: "SELECT text, through FROM session_summaries WHERE session = ?"),
            arguments: [session])
        let through: Int64 = summary?["through"] ?? 0
        let rows = try Row.fetchCursor(
            connection.cachedStatement(
                sql: """
                    SELECT id, role, text, interrupted FROM session_messages WHERE session = ? AND id > ?
                    ORDER BY id DESC LIMIT ?
                    """), arguments: [session, through, limit])
        var messages: [SessionMessageRecord] = []
        var last: Int64?
        var room = length
        while let row = try rows.next() {
            let message = SessionMessageRecord(role: row["role"], text: row["text"], interrupted: row["interrupted"])
            guard messages.isEmpty || message.text.utf8.count <= room else { break }
            room -= message.text.utf8.count
            messages.append(message)
            last = last ?? row["id"]
        }
        // Without a summary nothing is folded.
        let folded =
            summary == nil
            ? 0
            : try Int.fetchOne(
                connection.cachedStatement(
                    sql: "SELECT count(*) FROM session_messages WHERE session = ? AND id <= ?"),
                arguments: [session, through])
        return SessionContext(
            model: try String.fetchOne(
                connection.cachedStatement(sql: "SELECT model FROM sessions WHERE id = ? AND model IS NOT NULL"),
                arguments: [session]),
            summary: summary?["text"], folded: folded ?? 0,
            messages: messages.reversed(), session: session, last: last,
            archive: try lastArchive(of: session, in: connection))
    }
}
