internal import GRDB

// What is still to be sent, and what became of it? A row stays until the platform has confirmed it.

extension BridgeRepository {
    /// Lanes with something to send, except in chats that are parked.
    public func lanes() async throws -> [BridgeLane] {
        try await read { connection in
            try connection.rows(
                sql: """
                    SELECT lane, place, min(id) FROM outbox WHERE chat NOT IN (SELECT chat FROM parked)
                    GROUP BY lane, place ORDER BY 3
                    """, arguments: []
            ) { BridgeLane(lane: $0[0], place: $0[1]) }
        }
    }

    /// Those of one chat.
    public func lanes(of chat: String) async throws -> [BridgeLane] {
        try await read { connection in
            try connection.rows(
                sql: "SELECT lane, place, min(id) FROM outbox WHERE chat = ? GROUP BY lane, place ORDER BY 3",
                arguments: [chat]
            ) { BridgeLane(lane: $0[0], place: $0[1]) }
        }
    }

    /// What a lane has to send next.
    public func next(in lane: String) async throws -> BridgeMessage? {
        try await read { connection in
            try connection.rows(
                sql: "SELECT id, lane, chat, place, act, key FROM outbox WHERE lane = ? ORDER BY id LIMIT 1",
                arguments: [lane]
            ) { row in
                var message = BridgeMessage(lane: row[1], chat: row[2], place: row[3], act: row[4], key: row[5])
                message.id = row[0]
                return message
            }.first
        }
    }

    /// The platform has it, or will never take it.
    ///
    /// - Parameter turn: whose draft it took the place of.
    public func settle(_ id: Int64, draftOf turn: String? = nil) async throws {
        try await write { connection in
            try connection.run(sql: "DELETE FROM outbox WHERE id = ?", arguments: [id])
            if let turn { try connection.run(sql: "DELETE FROM drafts WHERE turn = ?", arguments: [turn]) }
        }
    }

    /// What waits to be sent.
    public func waitingCount() async throws -> Int {
        try await read { try Int.fetchOne($0, sql: "SELECT count(*) FROM outbox") ?? 0 }
    }

    // MARK: Drafts

    public func draft(of turn: String) async throws -> String? {
        try await read { try String.fetchOne($0, sql: "SELECT message FROM drafts WHERE turn = ?", arguments: [turn]) }
    }

    /// - Parameters:
    ///   - message: the platform's id; nil when it is gone.
    ///   - time: Unix seconds.
    public func setDraft(of turn: String, _ message: String?, at time: Double) async throws {
        try await write { connection in
            if let message {
                try connection.run(
                    sql: "INSERT OR REPLACE INTO drafts (turn, message, at) VALUES (?, ?, ?)",
                    arguments: [turn, message, time])
            } else {
                try connection.run(sql: "DELETE FROM drafts WHERE turn = ?", arguments: [turn])
            }
        }
    }

    // MARK: Chats that take nothing

    public func park(_ chat: String, reason: String, since time: Double) async throws {
        try await write { connection in
            try connection.run(
                sql: "INSERT OR IGNORE INTO parked (chat, reason, since) VALUES (?, ?, ?)",
                arguments: [chat, reason, time])
        }
    }

    public func unpark(_ chat: String) async throws {
        try await write { try $0.run(sql: "DELETE FROM parked WHERE chat = ?", arguments: [chat]) }
    }

    /// The latest first.
    public func parked() async throws -> [ParkedChat] {
        try await read { connection in
            try connection.rows(
                sql: "SELECT chat, reason, since FROM parked ORDER BY since DESC, chat", arguments: []
            ) { ParkedChat(chat: $0[0], reason: $0[1], since: $0[2]) }
        }
    }

    // MARK: Housekeeping

    /// Forgets what is older, Unix seconds: updates that no platform repeats any more, and what can't be sent to parked chats.
    public func forget(before time: Double) async throws {
        try await write { connection in
            try connection.run(sql: "DELETE FROM seen WHERE at < ?", arguments: [time])
            try connection.run(sql: "DELETE FROM questions WHERE at < ?", arguments: [time])
            try connection.run(
                sql: "DELETE FROM drafts WHERE at < ? AND turn NOT IN (SELECT message_id FROM turns)",
                arguments: [time])
            try connection.run(
                sql: "DELETE FROM outbox WHERE at < ? AND chat IN (SELECT chat FROM parked)", arguments: [time])
        }
    }
}
