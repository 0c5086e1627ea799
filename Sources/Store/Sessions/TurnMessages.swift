internal import Foundation
internal import GRDB

// Was this message sent before? A client's own message ids, by which a repeat is recognised whatever lane, session or turn the
// message went into. Several messages may have become one turn.

extension DatabaseMigrator {
    /// Message ids apart from turns and lanes.
    mutating func registerTurnMessages() {
        registerMigration("2026-11-21 turn messages") { connection in
            try connection.execute(
                sql: """
                    -- Who sent it: device key, '/', handle.
                    ALTER TABLE turns ADD COLUMN sender TEXT NOT NULL DEFAULT '';
                    -- A JSON array when several messages became the turn; `message_id` is the last of them.
                    ALTER TABLE turns ADD COLUMN message_ids TEXT;
                    UPDATE turns SET sender = lane || '/' || (SELECT handle FROM sessions WHERE sessions.id = session);

                    CREATE TABLE turn_messages (
                        sender TEXT NOT NULL,
                        message_id TEXT NOT NULL,
                        turn TEXT NOT NULL REFERENCES turns (id) ON DELETE CASCADE,
                        at REAL NOT NULL,
                        PRIMARY KEY (sender, message_id)
                    ) STRICT, WITHOUT ROWID;
                    CREATE INDEX turn_messages_by_turn ON turn_messages (turn);
                    -- Of an id that was used again after it was forgotten, the last turn counts.
                    INSERT OR REPLACE INTO turn_messages (sender, message_id, turn, at)
                        SELECT sender, message_id, id, accepted_at FROM turns WHERE message_id IS NOT NULL
                        ORDER BY ordinal;
                    DROP INDEX turns_by_message;
                    """)
        }
    }
}

/// What became of a message that was to be added to a turn.
public enum MessageMerge: Sendable, Equatable {
    case merged
    /// The client sent this message before; this is the turn that it became then.
    case repeated(TurnRecord)
    /// The turn has started or ended.
    case missed
}

extension SessionRepository {
    /// The turn that the sender's message became, if it was sent since `since`.
    public func turn(messageID: String, sender: String, since: Double) async throws -> TurnRecord? {
        try await database.pool.read { try Self.repeated(messageID, of: sender, since: since, in: $0) }
    }

    /// Adds a message to a turn that has not started, and the event that announces it.
    ///
    /// - Parameters:
    ///   - turn: as it is with the message.
    ///   - messageID: of the message, when it has one.
    ///   - time: Unix seconds.
    public func merge(
        _ messageID: String?, into turn: TurnRecord, at time: Double, announcing event: SessionEventRecord?,
        recognisingSince since: Double
    ) async throws -> MessageMerge {
        try await write(.mergeMessage) { connection in
            if let earlier = try Self.repeated(messageID, of: turn.sender, since: since, in: connection) {
                return .repeated(earlier)
            }
            guard try Self.replaceContent(of: turn, in: connection) else { return .missed }
            try Self.remember(messageID, of: turn, at: time, in: connection)
            if let event { try Self.insert(event, of: turn.session, in: connection) }
            return .merged
        }
    }

    /// Ends a turn whose place another one takes: its message ids are the other's from now on, and nothing is told.
    ///
    /// - Parameters:
    ///   - next: as it is with what it takes over.
    ///   - ending: its events are not looked at.
    /// - Returns: false, and nothing is written, when one of them has ended, or `next` has started.
    public func supersede(_ turn: TurnRecord, by next: TurnRecord, ending: TurnEnding) async throws -> Bool {
        try await write(.supersedeTurn) { connection in
            let running = try Int.fetchOne(
                connection, sql: "SELECT count(*) FROM turns WHERE id = ? AND state IN ('accepted', 'running')",
                arguments: [turn.id])
            guard running == 1, try Self.replaceContent(of: next, in: connection) else { return false }
            try connection.execute(
                sql: "UPDATE turns SET state = ?, finished_at = ? WHERE id = ?",
                arguments: [ending.state.rawValue, ending.finishedAt, turn.id])
            try connection.execute(
                sql: "UPDATE turn_messages SET turn = ? WHERE turn = ?", arguments: [next.id, turn.id])
            try Self.add(ending.messages, of: turn.id, session: turn.session, at: ending.finishedAt, in: connection)
            try UsageLedger.close(
                turn.id, adding: ending.usage, session: turn.session, at: ending.finishedAt, in: connection)
            try connection.execute(sql: "DELETE FROM turn_journal WHERE turn = ?", arguments: [turn.id])
            return true
        }
    }

    static func repeated(
        _ messageID: String?, of sender: String, since: Double, in connection: GRDB.Database
    ) throws -> TurnRecord? {
        guard let messageID else { return nil }
        return try Row.fetchOne(
            connection.cachedStatement(
                sql: selectTurns + """
                     JOIN turn_messages ON turn_messages.turn = turns.id
                    WHERE turn_messages.sender = ? AND turn_messages.message_id = ? AND turn_messages.at >= ?
                    """), arguments: [sender, messageID, since]
        ).map(turn(from:))
    }

    static func remember(
        _ messageID: String?, of turn: TurnRecord, at time: Double, in connection: GRDB.Database
    ) throws {
        guard let messageID else { return }
        try connection.run(
            sql: "INSERT OR REPLACE INTO turn_messages (sender, message_id, turn, at) VALUES (?, ?, ?, ?)",
            arguments: [turn.sender, messageID, turn.id, time])
    }

    static func messageIDs(from row: Row) throws -> [String] {
        if let several: String = row["message_ids"] {
            return try JSONDecoder().decode([String].self, from: Data(several.utf8))
        }
        let one: String? = row["message_id"]
        return one.map { [$0] } ?? []
    }

    /// - Returns: false when the turn has started or ended.
    private static func replaceContent(of turn: TurnRecord, in connection: GRDB.Database) throws -> Bool {
        let several =
            turn.messageIDs.count > 1
            ? String(decoding: try JSONEncoder().encode(turn.messageIDs), as: UTF8.self) : nil
        try connection.execute(
            sql: """
                UPDATE turns SET text = ?, source = ?, attachments = ?, message_id = ?, message_ids = ?
                WHERE id = ? AND state = 'accepted'
                """,
            arguments: [turn.text, turn.source, turn.attachments, turn.messageID, several, turn.id])
        return connection.changesCount == 1
    }
}
