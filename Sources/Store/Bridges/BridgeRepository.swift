internal import GRDB

// How does a bridge lose nothing and repeat nothing? What belongs together is written in one transaction: a message of a user with the
// note that it was seen, an answer's messages with the end of its turn. What is sent when is not known here.

/// A bridge's own database.
public struct BridgeRepository: Sendable {
    private let database: Database

    /// Opens (and creates, mode 0600) the file at `path`.
    ///
    /// - Throws: ``DatabaseError`` when it can't be used.
    public init(path: String) throws {
        var tables = DatabaseMigrator()
        tables.registerBridgeTables()
        database = try Database(path: path, tables: tables)
    }

    /// Using it afterwards throws.
    public func close() throws { try database.close() }

    // MARK: What the platform's code remembers

    public func remembered(_ key: String) async throws -> String? {
        try await read { try String.fetchOne($0, sql: "SELECT value FROM remembered WHERE key = ?", arguments: [key]) }
    }

    /// - Parameter value: nil forgets.
    public func remember(_ key: String, _ value: String?) async throws {
        try await write { connection in
            if let value {
                try connection.run(
                    sql: "INSERT OR REPLACE INTO remembered (key, value) VALUES (?, ?)", arguments: [key, value])
            } else {
                try connection.run(sql: "DELETE FROM remembered WHERE key = ?", arguments: [key])
            }
        }
    }

    // MARK: In

    public func hasSeen(_ key: String) async throws -> Bool {
        try await read { try Self.isSeen(key, in: $0) }
    }

    /// Notes that something was dealt with, with all that follows from it.
    ///
    /// - Parameters:
    ///   - turn: a message for the agent.
    ///   - messages: what is to be said.
    ///   - time: Unix seconds.
    /// - Returns: false, and nothing is written, when it was noted before.
    public func accept(
        _ key: String, turn: BridgeTurn? = nil, question: BridgeQuestion? = nil, messages: [BridgeMessage] = [],
        at time: Double
    ) async throws -> Bool {
        try await write { connection in
            guard try !Self.isSeen(key, in: connection) else { return false }
            try connection.run(sql: "INSERT INTO seen (key, at) VALUES (?, ?)", arguments: [key, time])
            if let turn { try Self.insert(turn, in: connection) }
            if let question {
                try connection.run(
                    sql: "INSERT OR REPLACE INTO questions (id, session, tool, at) VALUES (?, ?, ?, ?)",
                    arguments: [question.id, question.session, question.tool, time])
            }
            try Self.insert(messages, at: time, in: connection)
            return true
        }
    }

    /// Messages without an answer behind `ordinal`, in their order.
    public func openTurns(after ordinal: Int64, limit: Int) async throws -> [BridgeTurn] {
        try await read { connection in
            try connection.rows(
                sql: """
                    SELECT ordinal, message_id, session, place, anchor, text, source, attachments FROM turns
                    WHERE ordinal > ? ORDER BY ordinal LIMIT ?
                    """, arguments: [ordinal, limit]
            ) { row in
                var turn = BridgeTurn(
                    messageID: row[1], session: row[2], place: row[3], anchor: row[4], text: row[5], source: row[6],
                    attachments: row[7])
                turn.ordinal = row[0]
                return turn
            }
        }
    }

    /// The number of the session's last event that was dealt with; nil when there was none.
    public func afterSequence(of session: String) async throws -> Int? {
        try await read {
            try Int.fetchOne($0, sql: "SELECT after_seq FROM sessions WHERE session = ?", arguments: [session])
        }
    }

    // MARK: Ends

    /// The turn is over: what it leaves to be said is kept in the moment in which nobody waits for it any more.
    ///
    /// - Returns: false, and nothing is written, when it was over before.
    public func finish(_ ending: BridgeEnding, at time: Double) async throws -> Bool {
        try await write { connection in
            var removed = 0
            for id in ending.messageIDs {
                try connection.run(sql: "DELETE FROM turns WHERE message_id = ?", arguments: [id])
                removed += connection.changesCount
            }
            guard removed > 0 else { return false }
            if let sequence = ending.afterSequence {
                try connection.run(
                    sql: "INSERT OR REPLACE INTO sessions (session, after_seq) VALUES (?, ?)",
                    arguments: [ending.session, sequence])
            }
            try Self.insert(ending.messages, at: time, in: connection)
            return true
        }
    }

    public func question(_ id: String) async throws -> BridgeQuestion? {
        try await read { connection in
            try connection.rows(sql: "SELECT id, session, tool FROM questions WHERE id = ?", arguments: [id]) {
                BridgeQuestion(id: $0[0], session: $0[1], tool: $0[2])
            }.first
        }
    }

    // MARK: Parts

    private static func isSeen(_ key: String, in connection: GRDB.Database) throws -> Bool {
        try !connection.rows(sql: "SELECT 1 FROM seen WHERE key = ?", arguments: [key]) { _ in true }.isEmpty
    }

    private static func insert(_ turn: BridgeTurn, in connection: GRDB.Database) throws {
        try connection.run(
            sql: """
                INSERT INTO turns (message_id, session, place, anchor, text, source, attachments)
                VALUES (?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                turn.messageID, turn.session, turn.place, turn.anchor, turn.text, turn.source, turn.attachments,
            ])
    }

    private static func insert(_ messages: [BridgeMessage], at time: Double, in connection: GRDB.Database) throws {
        for message in messages {
            try connection.run(
                sql: "INSERT OR IGNORE INTO outbox (lane, chat, place, act, key, at) VALUES (?, ?, ?, ?, ?, ?)",
                arguments: [message.lane, message.chat, message.place, message.act, message.key, time])
        }
    }

    func read<T: Sendable>(_ body: @escaping @Sendable (GRDB.Database) throws -> T) async throws -> T {
        try await database.pool.read(body)
    }

    func write<T: Sendable>(_ body: @escaping @Sendable (GRDB.Database) throws -> T) async throws -> T {
        try await database.commits.write(body)
    }
}
