import Foundation
import GRDB

// What does the database hold at the moment of a death? Read from a copy, so that the next server finds it exactly as the
// dead one left it. Events are collected from death to death, because the database keeps only the last of them.

/// A stored event.
struct StoredEvent: Sendable, Equatable {
    let type: String
    let turnID: String
    let messageID: String?
    /// Of all messages that became its turn.
    let messageIDs: [String]
}

/// One row of `turns`, as far as it is checked.
struct StoredTurn: Sendable {
    let id: String
    let lane: String
    let messageID: String?
    let text: String
    let state: String
}

/// What was said in one turn.
struct StoredMessage: Sendable {
    let turnID: String
    let role: String
    let text: String
    let isInterrupted: Bool
}

/// What the database has shown so far.
struct ChaosLedger {
    /// Kept in memory of each session: a user's handle and the session's id.
    struct SessionName: Hashable {
        let handle: String
        let sessionID: String
    }

    private let path: String
    private let copy: String
    private(set) var events: [SessionName: [Int: StoredEvent]] = [:]
    private(set) var problems: [String] = []

    /// Events before the last known one that are looked at again: a number must keep its event.
    private static let overlap = 200

    init(database: URL, folder: URL) {
        path = database.path
        copy = folder.appendingPathComponent("copy.db").path
    }

    /// Takes in the events that were stored since the last call. No server may run.
    mutating func read() throws {
        let database = try open()
        let known = events
        let found = try database.read { connection in
            try Row.fetchAll(connection, sql: "SELECT id, handle, session_id FROM sessions").map { session in
                let name = SessionName(handle: session["handle"], sessionID: session["session_id"])
                let after = (known[name]?.keys.max() ?? 0) - Self.overlap
                let rows = try Row.fetchAll(
                    connection,
                    sql: "SELECT sequence, turn, frame FROM session_events WHERE session = ? AND sequence > ?",
                    arguments: [session["id"] as Int64, after])
                return (name, try rows.map { ($0["sequence"] as Int, try Self.event(of: $0)) })
            }
        }
        for (name, stored) in found {
            for (sequence, event) in stored {
                let earlier = events[name, default: [:]].updateValue(event, forKey: sequence)
                if let earlier, earlier != event {
                    problems.append("\(name.handle)/\(name.sessionID)#\(sequence) was \(earlier), is \(event)")
                }
            }
        }
    }

    /// Every turn, in the order of acceptance, and everything that was said, in the order in which turns ended.
    func contents() throws -> (turns: [StoredTurn], messages: [StoredMessage]) {
        try open().read { connection in
            (
                try Row.fetchAll(connection, sql: "SELECT * FROM turns ORDER BY ordinal").map {
                    StoredTurn(
                        id: $0["id"], lane: $0["lane"], messageID: $0["message_id"], text: $0["text"],
                        state: $0["state"])
                },
                try Row.fetchAll(connection, sql: "SELECT * FROM session_messages ORDER BY id").map {
                    StoredMessage(
                        turnID: $0["turn"], role: $0["role"], text: $0["text"], isInterrupted: $0["interrupted"])
                }
            )
        }
    }

    /// How often each message of a session was answered: by how many `response`s, by how many `turn_complete`s.
    func answers(in session: String) -> [String: (responses: Int, ends: Int)] {
        var answers: [String: (responses: Int, ends: Int)] = [:]
        for (name, stored) in events where name.sessionID == session {
            for event in stored.values {
                for id in event.messageIDs {
                    if event.type == "response" { answers[id, default: (0, 0)].responses += 1 }
                    if event.type == "turn_complete" { answers[id, default: (0, 0)].ends += 1 }
                }
            }
        }
        return answers
    }

    private func open() throws -> DatabaseQueue {
        for suffix in ["", "-wal", "-shm"] {
            try? FileManager.default.removeItem(atPath: copy + suffix)
            guard suffix != "-shm", FileManager.default.fileExists(atPath: path + suffix) else { continue }
            try FileManager.default.copyItem(atPath: path + suffix, toPath: copy + suffix)
        }
        return try DatabaseQueue(path: copy)
    }

    private static func event(of row: Row) throws -> StoredEvent {
        let frame = try JSONSerialization.jsonObject(with: Data((row["frame"] as String).utf8)) as? [String: Any]
        let messageID = frame?["message_id"] as? String
        return StoredEvent(
            type: frame?["type"] as? String ?? "", turnID: row["turn"], messageID: messageID,
            messageIDs: frame?["message_ids"] as? [String] ?? [messageID].compactMap { $0 })
    }
}
