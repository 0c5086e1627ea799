internal import Agent
internal import Foundation
internal import Store

// Where does a turn record its steps? In the database, one row each, written before the step is acted on.

/// The journal of one turn.
struct DurableJournal: TurnJournal {
    let turnID: String
    let repository: SessionRepository

    func entries() async throws -> [JournalEntry] {
        try await repository.journal(of: turnID).map { entry in
            try JSONDecoder().decode(JournalEntry.self, from: Data(entry.utf8))
        }
    }

    func append(_ entry: JournalEntry) async throws {
        let text = String(decoding: try JSONEncoder().encode(entry), as: UTF8.self)
        try await repository.appendJournal(text, of: turnID)
    }
}
