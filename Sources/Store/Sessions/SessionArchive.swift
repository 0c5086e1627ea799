internal import Foundation
internal import GRDB

// What becomes of a transcript that its user clears away? It moves into the archive in the transaction that takes it out of
// the conversation, so that clearing loses nothing. The agent is never given an archive; its owner can read it.

extension DatabaseMigrator {
    /// Transcripts that were cleared away.
    mutating func registerSessionArchive() {
        registerMigration("2026-11-21 session archive") { connection in
            try connection.execute(
                sql: """
                    CREATE TABLE session_archives (
                        id INTEGER PRIMARY KEY AUTOINCREMENT,
                        session INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
                        archived_at REAL NOT NULL
                    ) STRICT;
                    CREATE INDEX session_archives_by_session ON session_archives (session, id);

                    CREATE TABLE archived_messages (
                        id INTEGER PRIMARY KEY,
                        archive INTEGER NOT NULL REFERENCES session_archives (id) ON DELETE CASCADE,
                        role TEXT NOT NULL,
                        text TEXT NOT NULL,
                        interrupted INTEGER NOT NULL,
                        created_at REAL NOT NULL
                    ) STRICT;
                    CREATE INDEX archived_messages_by_archive ON archived_messages (archive, id);
                    """)
        }
    }
}

/// One transcript that was cleared away.
public struct SessionArchiveRecord: Sendable, Equatable {
    public let id: Int64
    /// The session that it was the transcript of.
    public let sessionID: String
    /// Unix seconds.
    public let archivedAt: Double
    public let messages: Int
    /// The beginning of what the user said first, up to 80 characters.
    public let opening: String
}

extension SessionRepository {
    /// Takes the transcript of one of the user's sessions, or of all of them, out of the conversation and archives it. Events
    /// that say what was said cannot be asked for any more.
    ///
    /// - Parameters:
    ///   - sessionID: nil means every session of the user.
    ///   - removing: the session itself goes, too, unless it has a turn that is not among `ended`: then it was used again
    ///     meanwhile.
    ///   - ended: turns that were stopped or dropped for it, whether their end is on disk yet or not.
    ///   - now: Unix seconds.
    /// - Returns: how many sessions had one.
    public func forgetHistory(
        handle: String, sessionID: String?, removing: Bool = false, ended: [String] = [], now: Double
    ) async throws -> Int {
        let ended = String(decoding: try JSONEncoder().encode(ended), as: UTF8.self)
        return try await write(.forgetHistory) { connection in
            let sessions = try Int64.fetchAll(
                connection,
                sql: """
                    SELECT id FROM sessions WHERE handle = :handle AND (:session IS NULL OR session_id = :session)
                        AND EXISTS (SELECT 1 FROM session_messages WHERE session = sessions.id)
                    """, arguments: ["handle": handle, "session": sessionID])
            for session in sessions {
                let archive = try SessionArchive.make(for: session, now: now, in: connection)
                try connection.execute(
                    sql: """
                        INSERT INTO archived_messages (archive, role, text, interrupted, created_at)
                        SELECT ?, role, text, interrupted, created_at FROM session_messages WHERE session = ? ORDER BY id
                        """, arguments: [archive, session])
                for table in ["session_messages", "session_summaries"] {
                    try connection.execute(sql: "DELETE FROM \(table) WHERE session = ?", arguments: [session])
                }
            }
            try SessionArchive.dropEvents(of: handle, sessionID, in: connection)
            if removing {
                try connection.execute(
                    sql: """
                        UPDATE sessions SET removed_at = ?, title = NULL, model = NULL
                        WHERE handle = ? AND session_id = ? AND removed_at IS NULL AND NOT EXISTS (
                            SELECT 1 FROM turns WHERE session = sessions.id AND state IN ('accepted', 'running')
                                AND id NOT IN (SELECT value FROM json_each(?)))
                        """, arguments: [now, handle, sessionID, ended])
            }
            return sessions.count
        }
    }

    /// The user's archives, newest first.
    ///
    /// - Parameter before: only those with a smaller id.
    public func archives(of handle: String, before: Int64? = nil, limit: Int) async throws -> [SessionArchiveRecord] {
        try await database.pool.read { connection in
            try Row.fetchAll(
                connection, sql: SessionArchive.select + " AND archives.id < ? ORDER BY archives.id DESC LIMIT ?",
                arguments: [handle, before ?? Int64.max, limit]
            ).map(SessionArchive.record(from:))
        }
    }

    /// An archive of this user; nil when there is none, or it is somebody else's.
    public func archive(_ id: Int64, of handle: String) async throws -> SessionArchiveRecord? {
        try await database.pool.read { connection in
            try Row.fetchOne(connection, sql: SessionArchive.select + " AND archives.id = ?", arguments: [handle, id])
                .map(SessionArchive.record(from:))
        }
    }
}

enum SessionArchive {
    static let select = """
        SELECT archives.id, sessions.session_id, archives.archived_at,
            (SELECT count(*) FROM archived_messages WHERE archive = archives.id) AS messages,
            ifnull((SELECT substr(text, 1, 80) FROM archived_messages WHERE archive = archives.id AND role = 'user'
                ORDER BY id LIMIT 1), '') AS opening
        FROM session_archives AS archives JOIN sessions ON sessions.id = archives.session WHERE sessions.handle = ?
        """

    static func record(from row: Row) -> SessionArchiveRecord {
        SessionArchiveRecord(
            id: row["id"], sessionID: row["session_id"], archivedAt: row["archived_at"], messages: row["messages"],
            opening: row["opening"])
    }

    /// Nothing of what was cleared can be replayed; whoever is behind gets the transcript, which is empty now.
    static func dropEvents(of handle: String, _ sessionID: String?, in connection: GRDB.Database) throws {
        let mine = "handle = :handle AND (:session IS NULL OR session_id = :session)"
        let arguments: StatementArguments = ["handle": handle, "session": sessionID]
        try connection.execute(
            sql: """
                UPDATE sessions SET sequence_floor = max(sequence_floor, ifnull(
                    (SELECT max(sequence) FROM session_events WHERE session = sessions.id), 0)) WHERE \(mine)
                """, arguments: arguments)
        try connection.execute(
            sql: "DELETE FROM session_events WHERE session IN (SELECT id FROM sessions WHERE \(mine))",
            arguments: arguments)
    }

    /// - Returns: the id of the new archive.
    static func make(for session: Int64, now: Double, in connection: GRDB.Database) throws -> Int64 {
        try connection.execute(
            sql: "INSERT INTO session_archives (session, archived_at) VALUES (?, ?)", arguments: [session, now])
        return connection.lastInsertedRowID
    }

    /// What was said in a turn whose conversation was cleared while it ran: it is part of what was cleared.
    static func add(
        _ messages: [SessionMessageRecord], of session: Int64, acceptedAt: Double, now: Double,
        in connection: GRDB.Database
    ) throws {
        guard !messages.isEmpty else { return }
        let newest = try Int64.fetchOne(
            connection, sql: "SELECT max(id) FROM session_archives WHERE session = ? AND archived_at >= ?",
            arguments: [session, acceptedAt])
        let archive = try newest ?? make(for: session, now: now, in: connection)
        for message in messages {
            try connection.execute(
                sql: """
                    INSERT INTO archived_messages (archive, role, text, interrupted, created_at) VALUES (?, ?, ?, ?, ?)
                    """, arguments: [archive, message.role, message.text, message.interrupted, now])
        }
    }
}

extension SessionRepository {
    /// Takes what a turn said out of its session's transcript, for good: it is kept elsewhere. Its events stay for as long as any.
    public func forget(turn: String) async throws {
        try await write(.forgetHistory) { connection in
            try connection.execute(
                sql: """
                    DELETE FROM session_messages WHERE turn = ?1
                        AND session = (SELECT session FROM turns WHERE id = ?1)
                    """, arguments: [turn])
        }
    }
}
