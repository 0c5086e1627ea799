internal import GRDB

// Which events of a session can still be asked for, and what is there instead of those that cannot? A session's *floor* is
// the highest number that was dropped: everything above it is kept.

extension DatabaseMigrator {
    /// When events were made, and which are gone.
    mutating func registerEventAges() {
        registerMigration("2026-11-21 event ages") { connection in
            try connection.execute(
                sql: """
                    ALTER TABLE sessions ADD COLUMN sequence_floor INTEGER NOT NULL DEFAULT 0;
                    ALTER TABLE session_events ADD COLUMN created_at REAL NOT NULL DEFAULT 0;
                    UPDATE session_events SET created_at =
                        ifnull((SELECT accepted_at FROM turns WHERE turns.id = session_events.turn), 0);
                    CREATE INDEX session_events_by_time ON session_events (created_at);
                    -- Earlier versions dropped what was beyond 1,000 and did not note it.
                    UPDATE sessions SET sequence_floor = (
                        SELECT min(sequence) - 1 FROM session_events WHERE session = sessions.id)
                    WHERE (SELECT count(*) FROM session_events WHERE session = sessions.id) >= 1000;
                    """)
        }
    }
}

/// Some events of a session.
public struct SessionEventPage: Sendable, Equatable {
    /// In order.
    public let events: [SessionEventRecord]
    /// Events up to this number may be missing.
    public let floor: Int64
    /// There may be more of those that were asked for behind the last one.
    public let isCut: Bool
}

/// A transcript and the event number that it stands for.
public struct TranscriptState: Sendable, Equatable {
    /// Everything up to this number is in the transcript, or of turns that left nothing there.
    public let sequence: Int64
    /// The last ones, oldest first.
    public let messages: [SessionMessageRecord]
    /// There are older ones, or a text was cut.
    public let isTruncated: Bool
}

extension SessionRepository {
    /// Rows that one transaction forgets, so that nobody waits for long.
    private static let forgottenAtOnce = 200

    /// A page of events ends behind so many bytes of frames, however many events were asked for.
    private static let eventPageLength = 1 << 20

    /// Up to `limit` events with numbers in (`after`, `through`], and the floor at the same moment.
    public func events(
        of session: Int64, after: Int64, through: Int64, limit: Int
    ) async throws -> SessionEventPage {
        try await database.pool.read { connection in
            let rows = try Row.fetchCursor(
                connection,
                sql: """
                    SELECT * FROM session_events
                    WHERE session = ? AND sequence > ? AND sequence <= ? ORDER BY sequence LIMIT ?
                    """, arguments: [session, after, through, limit])
            var events: [SessionEventRecord] = []
            var length = 0
            while length < Self.eventPageLength, let row = try rows.next() {
                let event = Self.event(from: row)
                events.append(event)
                length += event.frame.utf8.count
            }
            return SessionEventPage(
                events: events, floor: try Self.floor(of: session, in: connection),
                isCut: events.count == limit || length >= Self.eventPageLength)
        }
    }

    /// The transcript instead of events, so that what follows its number neither repeats nor misses anything of it.
    ///
    /// - Parameters:
    ///   - end: the last event that was told.
    ///   - open: the first event of a turn that has not ended, as far as it is not stored.
    ///   - count: how many messages at most.
    ///   - bytes: of text, UTF-8, at most.
    public func state(
        of session: Int64, through end: Int64, before open: Int64?, count: Int, bytes: Int
    ) async throws -> TranscriptState {
        try await database.pool.read { connection in
            let stored = try Int64.fetchOne(
                connection,
                sql: """
                    SELECT min(session_events.sequence) FROM turns JOIN session_events ON session_events.turn = turns.id
                    WHERE turns.state IN ('accepted', 'running') AND turns.session = ?
                    """, arguments: [session])
            let firstOpen = [stored, open].compactMap { $0 }.min() ?? .max
            let floor = try Self.floor(of: session, in: connection)
            let sequence = max(floor, min(end, firstOpen - 1))
            // What has events behind the number will be told by them.
            let rows = try Row.fetchCursor(
                connection,
                sql: """
                    SELECT role, text, interrupted FROM session_messages WHERE session = ? AND turn NOT IN (
                        SELECT turn FROM session_events WHERE session = ? AND sequence > ?)
                    ORDER BY id DESC
                    """, arguments: [session, session, sequence])
            var messages: [SessionMessageRecord] = []
            var room = bytes
            var isTruncated = false
            while let row = try rows.next() {
                var text: String = row["text"]
                guard messages.count < count, text.utf8.count <= room || messages.isEmpty else {
                    isTruncated = true
                    break
                }
                if text.utf8.count > room {
                    text = String(decoding: text.utf8.prefix(room), as: UTF8.self)
                    // A cut character became a mark that is longer than what was cut.
                    while text.utf8.count > room { text.removeLast() }
                    isTruncated = true
                }
                room -= text.utf8.count
                messages.append(SessionMessageRecord(role: row["role"], text: text, interrupted: row["interrupted"]))
            }
            return TranscriptState(sequence: sequence, messages: messages.reversed(), isTruncated: isTruncated)
        }
    }

    /// What the transcript says of a turn's answer; nil when nothing is there.
    public func answer(of turn: String) async throws -> SessionMessageRecord? {
        try await database.pool.read { connection in
            try Row.fetchOne(
                connection,
                sql: """
                    SELECT role, text, interrupted FROM session_messages
                    WHERE session = (SELECT session FROM turns WHERE id = ?) AND turn = ? AND role = 'assistant'
                    ORDER BY id DESC LIMIT 1
                    """, arguments: [turn, turn]
            ).map { SessionMessageRecord(role: $0["role"], text: $0["text"], interrupted: $0["interrupted"]) }
        }
    }

    /// Drops what nobody is promised any more; what was said stays in the transcript.
    ///
    /// - Parameters:
    ///   - turns: turns that ended before this time, in Unix seconds, with their message ids.
    ///   - events: events that were made before this time.
    public func forget(turnsEndedBefore turns: Double, eventsBefore events: Double) async throws {
        var isMore = true
        while isMore {
            // Looked for by a reader: the writer has others to serve.
            let old = try await database.pool.read { connection in
                // The last one stays: it says which ordinals were used.
                try String.fetchAll(
                    connection,
                    sql: """
                        SELECT id FROM turns WHERE finished_at < ? AND ordinal < (SELECT max(ordinal) FROM turns)
                        LIMIT ?
                        """, arguments: [turns, Self.forgottenAtOnce])
            }
            let sessions = try await write(.forgetOld) { connection in
                for id in old { try connection.run(sql: "DELETE FROM turns WHERE id = ?", arguments: [id]) }
                let sessions = try Row.fetchAll(
                    connection,
                    sql: """
                        SELECT session, max(sequence) AS last FROM session_events WHERE created_at < ?
                        GROUP BY session LIMIT ?
                        """, arguments: [events, Self.forgottenAtOnce])
                for row in sessions { try Self.drop(row["session"], through: row["last"], in: connection) }
                return sessions.count
            }
            isMore = old.count == Self.forgottenAtOnce || sessions == Self.forgottenAtOnce
        }
    }

    // MARK: Rows

    static func event(from row: Row) -> SessionEventRecord {
        SessionEventRecord(
            sequence: row["sequence"], turnID: row["turn"], frame: row["frame"], createdAt: row["created_at"])
    }

    static func insert(_ event: SessionEventRecord, of session: Int64, in connection: GRDB.Database) throws {
        try connection.run(
            sql: "INSERT INTO session_events (session, sequence, turn, frame, created_at) VALUES (?, ?, ?, ?, ?)",
            arguments: [session, event.sequence, event.turnID, event.frame, event.createdAt])
    }

    static func add(
        _ messages: [SessionMessageRecord], of turn: String, session: Int64, at time: Double,
        in connection: GRDB.Database
    ) throws {
        for message in messages {
            try connection.run(
                sql: """
                    INSERT INTO session_messages (session, turn, role, text, interrupted, created_at)
                    VALUES (?, ?, ?, ?, ?, ?)
                    """, arguments: [session, turn, message.role, message.text, message.interrupted, time])
        }
    }

    /// Numbers between two looks for events that are too old.
    private static let dropStride: Int64 = 64

    /// Keeps the last ``keptEvents``, and those few that have come since it was looked last. Looking goes over all that are kept and
    /// takes longer than everything else at a turn's end, so it is done once in ``dropStride`` numbers: by the turn that has the last
    /// of them. Each number is of one turn, so none of these is missed.
    static func dropOldEvents(of session: Int64, afterEndOf turn: String, in connection: GRDB.Database) throws {
        let ends = try connection.rows(
            sql: "SELECT min(sequence), max(sequence) FROM session_events WHERE turn = ? AND session = ?",
            arguments: [turn, session]
        ) { (first: $0[0] as Int64?, end: $0[1] as Int64?) }
        guard let first = ends.first?.first, let end = ends.first?.end, (first - 1) / dropStride < end / dropStride
        else { return }
        let last = try Int64.fetchOne(
            connection.cachedStatement(
                sql: "SELECT sequence FROM session_events WHERE session = ? ORDER BY sequence DESC LIMIT 1 OFFSET ?"),
            arguments: [session, keptEvents])
        if let last { try drop(session, through: last, in: connection) }
    }

    private static func drop(_ session: Int64, through last: Int64, in connection: GRDB.Database) throws {
        try connection.run(
            sql: "DELETE FROM session_events WHERE session = ? AND sequence <= ?", arguments: [session, last])
        try connection.run(
            sql: "UPDATE sessions SET sequence_floor = max(sequence_floor, ?) WHERE id = ?", arguments: [last, session])
    }

    private static func floor(of session: Int64, in connection: GRDB.Database) throws -> Int64 {
        try Int64.fetchOne(connection, sql: "SELECT sequence_floor FROM sessions WHERE id = ?", arguments: [session])
            ?? 0
    }
}
