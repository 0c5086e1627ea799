internal import GRDB

// How do sessions outlive the process? Each method is one transaction, durable when it returns. The rules of the queue
// (who may run, how many may wait) are not here: they belong to the gateway's lanes.

/// Sessions, their turns, events and transcripts.
public struct SessionRepository: Sendable {
    /// Events kept for each session; older ones can no longer be replayed.
    public static let keptEvents = 1_000

    let database: Database

    public init(_ database: Database) {
        self.database = database
    }

    // MARK: Sessions

    /// Finds or makes the session and reserves `block` event numbers, so that none is ever used twice, crash or not. One that
    /// was removed stays so until a turn of it is accepted.
    ///
    /// - Parameter limit: how many sessions the user may have.
    /// - Throws: ``SessionStorageError/tooMany(limit:)`` when it would be one more than that.
    public func open(
        handle: String, sessionID: String, reserving block: Int64, limit: Int = .max, now: Double
    ) async throws -> SessionRecord {
        try await write(.openSession) { connection in
            let select = "SELECT id, sequence_high, removed_at FROM sessions WHERE handle = ? AND session_id = ?"
            var row = try Row.fetchOne(connection, sql: select, arguments: [handle, sessionID])
            let isNew = row.map { $0.hasNull(atIndex: 2) == false } ?? true
            if isNew { try Self.refuse(beyond: limit, of: handle, in: connection) }
            if row == nil {
                try connection.run(
                    sql: "INSERT INTO sessions (handle, session_id, created_at, last_activity) VALUES (?, ?, ?, ?)",
                    arguments: [handle, sessionID, now, now])
                row = try Row.fetchOne(connection, sql: select, arguments: [handle, sessionID])
            }
            guard let row else { throw SessionStorageError.missing("session") }
            let (id, used): (Int64, Int64) = (row["id"], row["sequence_high"])
            try connection.run(
                sql: "UPDATE sessions SET sequence_high = ? WHERE id = ?", arguments: [used + block, id])
            return SessionRecord(
                id: id, usedSequence: used, reservedSequence: used + block, isNew: isNew || used == 0)
        }
    }

    /// Reserves event numbers up to `sequence`.
    public func reserveSequences(through sequence: Int64, of session: Int64) async throws {
        try await write(.reserveSequences) { connection in
            try connection.run(
                sql: "UPDATE sessions SET sequence_high = max(sequence_high, ?) WHERE id = ?",
                arguments: [sequence, session])
        }
    }

    /// How many sessions the user has.
    public func sessionCount(of handle: String) async throws -> Int {
        try await database.pool.read { connection in
            try Self.count(of: handle, in: connection)
        }
    }

    // MARK: Turns

    /// Commits a turn, and the event that announces it, unless its sender used the same message id since `since`.
    ///
    /// - Parameter limit: how many sessions the user may have. One that was removed counts again from here on.
    /// - Throws: ``SessionStorageError/tooMany(limit:)`` when it would be one more than that.
    public func accept(
        _ turn: TurnRecord, announcing event: SessionEventRecord?, recognisingSince since: Double, limit: Int = .max
    ) async throws -> TurnAcceptance {
        try await write(.acceptTurn) { connection in
            if let earlier = try Self.repeated(turn.messageID, of: turn.sender, since: since, in: connection) {
                return .repeated(earlier)
            }
            if try Self.isRemoved(turn.session, in: connection) {
                try Self.refuse(beyond: limit, of: turn.handle, in: connection)
            }
            try connection.run(
                sql: """
                    INSERT INTO turns (
                        id, ordinal, lane, sender, session, message_id, text, source, attachments, state, accepted_at)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'accepted', ?)
                    """,
                arguments: [
                    turn.id, turn.ordinal, turn.lane, turn.sender, turn.session, turn.messageID, turn.text,
                    turn.source, turn.attachments, turn.acceptedAt,
                ])
            try Self.revive(turn.session, at: turn.acceptedAt, in: connection)
            try Self.remember(turn.messageID, of: turn, at: turn.acceptedAt, in: connection)
            if let event { try Self.insert(event, of: turn.session, in: connection) }
            return .accepted
        }
    }

    /// Marks an accepted turn as running. Without effect on one that ended.
    public func start(turn id: String, now: Double) async throws {
        try await write(.startTurn) { try Self.start(id, now: now, in: $0) }
    }

    static func start(_ id: String, now: Double, in connection: GRDB.Database) throws {
        try connection.run(
            sql: """
                UPDATE turns SET state = 'running', started_at = ifnull(started_at, ?)
                WHERE id = ? AND state IN ('accepted', 'running')
                """, arguments: [now, id])
    }

    /// Ends a turn.
    ///
    /// - Returns: false, and nothing is written, when the turn has ended before.
    public func finish(turn id: String, of session: Int64, as ending: TurnEnding) async throws -> Bool {
        try await write(.finishTurn) { connection in
            try connection.run(
                sql: """
                    UPDATE turns SET state = ?, finished_at = ? WHERE id = ? AND state IN ('accepted', 'running')
                    """, arguments: [ending.state.rawValue, ending.finishedAt, id])
            guard connection.changesCount == 1 else { return false }
            // Of what was cleared only the end is told again.
            let events = ending.isArchived ? ending.events.suffix(1) : ending.events[...]
            for event in events { try Self.insert(event, of: session, in: connection) }
            try Self.touch(session, at: ending.finishedAt, in: connection)
            try UsageLedger.close(
                id, adding: ending.usage, session: session, at: ending.finishedAt, in: connection)
            if ending.isArchived {
                let accepted = try Double.fetchOne(
                    connection, sql: "SELECT accepted_at FROM turns WHERE id = ?", arguments: [id])
                try SessionArchive.add(
                    ending.messages, of: session, acceptedAt: accepted ?? 0, now: ending.finishedAt, in: connection)
            } else {
                try Self.add(ending.messages, of: id, session: session, at: ending.finishedAt, in: connection)
            }
            try connection.run(sql: "DELETE FROM turn_journal WHERE turn = ?", arguments: [id])
            try Self.dropOldEvents(of: session, afterEndOf: id, in: connection)
            return true
        }
    }

    /// Turns that were accepted and have no answer yet, in the order of acceptance. Not async: read once at the start.
    public func unfinishedTurns() throws -> [TurnRecord] {
        try database.pool.read { connection in
            try Row.fetchAll(
                connection, sql: Self.selectTurns + " WHERE turns.state IN ('accepted', 'running') ORDER BY ordinal"
            ).map(Self.turn(from:))
        }
    }

    /// Those among them that were stopped because their session was removed, and that a crash kept from ending.
    public func unfinishedTurnsOfRemovedSessions() throws -> Set<String> {
        try database.pool.read { connection in
            try String.fetchSet(
                connection,
                sql: """
                    SELECT turns.id FROM turns JOIN sessions ON sessions.id = turns.session
                    WHERE turns.state IN ('accepted', 'running') AND removed_at IS NOT NULL
                    """)
        }
    }

    /// The highest ordinal in use, 0 when there is none. Not async: read once at the start.
    public func lastOrdinal() throws -> Int64 {
        try database.pool.read { try Int64.fetchOne($0, sql: "SELECT max(ordinal) FROM turns") ?? 0 }
    }

    // MARK: Events

    /// Adds one event to the session's stream.
    public func append(_ event: SessionEventRecord, to session: Int64) async throws {
        try await write(.appendEvent) { try Self.insert(event, of: session, in: $0) }
    }

    /// The last `limit` events of one turn, in order.
    public func lastEvents(of turn: String, limit: Int) async throws -> [SessionEventRecord] {
        try await database.pool.read { connection in
            try Row.fetchAll(
                connection,
                sql: "SELECT * FROM session_events WHERE turn = ? ORDER BY sequence DESC LIMIT ?",
                arguments: [turn, limit]
            ).map(Self.event(from:)).reversed()
        }
    }

    // MARK: Journal

    /// What was recorded of a turn that has not ended.
    public func journal(of turn: String) async throws -> [String] {
        try await database.pool.read { connection in
            try String.fetchAll(
                connection, sql: "SELECT entry FROM turn_journal WHERE turn = ? ORDER BY position", arguments: [turn])
        }
    }

    /// Records one step of a turn.
    public func appendJournal(_ entry: String, of turn: String) async throws {
        try await write(.appendJournal) { connection in
            try connection.run(
                sql: """
                    INSERT INTO turn_journal (turn, position, entry)
                    SELECT ?, ifnull(max(position), 0) + 1, ? FROM turn_journal WHERE turn = ?
                    """, arguments: [turn, entry, turn])
        }
    }

    // MARK: Transcript

    /// The last `limit` messages of a session, oldest first.
    public func history(of session: Int64, limit: Int) async throws -> [SessionMessageRecord] {
        try await database.pool.read { connection in
            try connection.rows(
                sql: "SELECT role, text, interrupted FROM session_messages WHERE session = ? ORDER BY id DESC LIMIT ?",
                arguments: [session, limit]
            ) { SessionMessageRecord(role: $0[0], text: $0[1], interrupted: $0[2]) }
            .reversed()
        }
    }

    // MARK: Rows

    /// One transaction, or part of one, that is not stopped when its caller is: a client that leaves in the middle of a
    /// command must not leave turns behind that are neither in line nor ended. The caller waits for it all the same.
    func write<T: Sendable>(
        _ commit: SessionCommit, _ updates: @escaping @Sendable (GRDB.Database) throws -> T
    ) async throws -> T {
        FailurePoint.reach(before: commit)
        let result = try await database.commits.write(updates)
        FailurePoint.reach(after: commit)
        return result
    }

    static let selectTurns = """
        SELECT turns.*, sessions.handle, sessions.session_id FROM turns JOIN sessions ON sessions.id = turns.session
        """

    static func turn(from row: Row) throws -> TurnRecord {
        guard let state = TurnState(rawValue: row["state"]) else { throw SessionStorageError.missing("turn state") }
        return TurnRecord(
            id: row["id"], ordinal: row["ordinal"], lane: row["lane"], sender: row["sender"], session: row["session"],
            handle: row["handle"], sessionID: row["session_id"], messageIDs: try messageIDs(from: row),
            text: row["text"], source: row["source"], attachments: row["attachments"], acceptedAt: row["accepted_at"],
            state: state)
    }
}

/// Why the session tables could not be used as expected.
public enum SessionStorageError: Error, CustomStringConvertible {
    case missing(String)
    /// The user has as many sessions as a user may have.
    case tooMany(limit: Int)

    public var description: String {
        switch self {
        case .tooMany(let limit):
            "You have \(limit) sessions, and no user may have more here: remove some that you do not need any more."
        case .missing(let what): "the database holds no valid \(what): run `openagent doctor`"
        }
    }
}
