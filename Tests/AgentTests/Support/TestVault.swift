import Agent
import Foundation
import Logging
import Store

/// A vault of real files in a folder of its own.
struct TestVault {
    let root: String
    let vault: Vault
    var notes: String { root + "/memories" }
    var indexPath: String { root + "/notes.db" }

    init(_ files: [String: String] = [:], limits: Vault.Limits = .init(), isWatching: Bool = true) throws {
        root = NSTemporaryDirectory() + "vault-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: root + "/memories", withIntermediateDirectories: true)
        vault = Self.open(root, limits: limits, isWatching: isWatching)
        for (path, text) in files { try write(text, to: path) }
    }

    /// The same files as a new process would see them.
    func reopened() -> Vault { Self.open(root, limits: .init()) }

    private static func open(_ root: String, limits: Vault.Limits, isWatching: Bool = true) -> Vault {
        Vault(directory: root + "/memories", indexPath: root + "/notes.db", limits: limits, isWatching: isWatching) {
            Date().timeIntervalSince1970
        }
    }

    func write(_ text: String, to path: String) throws {
        let url = URL(fileURLWithPath: notes + "/" + path)
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: url)
    }

    func text(of path: String) throws -> String {
        String(decoding: try Data(contentsOf: URL(fileURLWithPath: notes + "/" + path)), as: UTF8.self)
    }
}

/// A journal in memory, which may begin with what an earlier process left.
actor TestJournal: TurnJournal {
    private(set) var all: [JournalEntry]
    private let onAppend: @Sendable (JournalEntry) throws -> Void

    init(_ entries: [JournalEntry] = [], onAppend: @escaping @Sendable (JournalEntry) throws -> Void = { _ in }) {
        all = entries
        self.onAppend = onAppend
    }

    func entries() -> [JournalEntry] { all }

    func append(_ entry: JournalEntry) throws {
        try onAppend(entry)
        all.append(entry)
    }
}

/// Collects what a turn emits.
actor TestListener {
    private(set) var events: [TurnEvent] = []
    private var waiting: [(Int, CheckedContinuation<Void, Never>)] = []

    func take(_ event: TurnEvent) {
        events.append(event)
        waiting.removeAll { count, continuation in
            guard events.count >= count else { return false }
            continuation.resume()
            return true
        }
    }

    func waitFor(events count: Int) async {
        guard events.count < count else { return }
        await withCheckedContinuation { waiting.append((count, $0)) }
    }

    var deltas: [String] { events.compactMap { if case .delta(let text) = $0 { text } else { nil } } }
    var statuses: [String] { events.compactMap { if case .status(let text) = $0 { text } else { nil } } }
}

extension Librarian {
    /// 21 November 2026, 08:00 UTC.
    static let testTime = 1_795_248_000.0

    init(_ vault: Vault, wordsPerSecond: Double = 0) {
        self.init(vault: vault, wordsPerSecond: wordsPerSecond, logger: Logger(label: "test")) { Self.testTime }
    }

    func ask(
        _ text: String, journal: TestJournal = TestJournal(), listener: TestListener = TestListener()
    ) async throws -> TurnOutcome {
        let turn = TurnRequest(turnID: "t1", sessionID: "s1", handle: "ada", text: text)
        return try await run(turn, journal: journal) { await listener.take($0) }
    }
}
