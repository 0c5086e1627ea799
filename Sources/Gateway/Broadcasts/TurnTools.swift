internal import Agent
internal import Synchronization

// Which resources may a turn have changed? Its journal names each tool before it runs; some tools write what other clients
// show. What exactly they wrote nobody says, so that it is told once, at the end of the turn (websocket.md §8).

/// Journals a turn, and notes which of its tools change what others show.
struct TurnTools: TurnJournal {
    private final class Noted: Sendable {
        let resources = Mutex<Set<Broadcasts.Resource>>([])
    }

    private let journal: any TurnJournal
    private let noted = Noted()

    init(_ journal: any TurnJournal) { self.journal = journal }

    /// What the tools of the turn may have changed so far, in a fixed order.
    var changed: [Broadcasts.Resource] {
        let resources = noted.resources.withLock { $0 }
        return Broadcasts.Resource.allCases.filter(resources.contains)
    }

    func entries() async throws -> [JournalEntry] {
        let entries = try await journal.entries()
        // What an earlier process did was not told by it.
        for entry in entries { note(entry) }
        return entries
    }

    func append(_ entry: JournalEntry) async throws {
        note(entry)
        try await journal.append(entry)
    }

    private func note(_ entry: JournalEntry) {
        guard case .toolCall(_, let name, _) = entry else { return }
        let touched = Self.resources(ofTool: name)
        if !touched.isEmpty { noted.resources.withLock { $0.formUnion(touched) } }
    }

    /// What a tool of this name may change.
    static func resources(ofTool name: String) -> Set<Broadcasts.Resource> {
        let name = name.lowercased()
        let words: [(String, Broadcasts.Resource)] = [
            ("vault", .vault), ("scheduler", .scheduledTask), ("workflow_manager", .workflow), ("mcp_manager", .mcp),
        ]
        return Set(words.filter { name.contains($0.0) }.map(\.1))
    }
}
