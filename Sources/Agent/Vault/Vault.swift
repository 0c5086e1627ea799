public import Store

// What does the agent remember, and how is something added? Notes are Markdown files that people edit with any editor;
// the files are the truth and the full-text index is brought up to date before every search. This file knows which note
// changed and which one a name means; opening files safely is in VaultFiles, ranking in the index.

/// The notes of one agent.
public actor Vault {
    /// Bounds of a vault.
    public struct Limits: Sendable {
        /// In bytes. A larger file is not searched, read or written.
        public var noteSize = 1 << 20
        /// Further files are not searched.
        public var notes = 100_000

        public init() {}
    }

    /// A change so recent that another one in the same tick of the file system's clock would look the same.
    private static let settlingTime: Int64 = 100_000_000
    /// Bytes of notes between two commits of the index. In between, others get their turn and a cancelled caller leaves.
    private static let batchSize = 1 << 20

    /// How often an append starts over because somebody else wrote the same note.
    private static let attempts = 3

    private let files: VaultFiles
    private let indexPath: String
    private let now: @Sendable () -> Double
    private let executor = BlockingExecutor(label: "openagent.vault")
    private var index: NoteIndex?

    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// Nothing is read until the first call.
    ///
    /// - Parameters:
    ///   - directory: the folder of the notes; made at the first write when it is missing.
    ///   - indexPath: where the disposable search index lives, in a folder that exists.
    ///   - now: Unix time in seconds.
    public init(directory: String, indexPath: String, limits: Limits = Limits(), now: @escaping @Sendable () -> Double)
    {
        files = VaultFiles(root: directory, maximumNoteSize: limits.noteSize, maximumNotes: limits.notes)
        self.indexPath = indexPath
        self.now = now
    }

    /// Every note, in the order of their paths.
    ///
    /// - Throws: ``VaultError``, or `CancellationError` when the caller's task is cancelled.
    public func notes() async throws -> [NoteSummary] {
        try await withFreshIndex { try $0.notes() }
    }

    /// The notes that speak of `words`, best first: those that have all of them before those that have some.
    ///
    /// - Returns: at most `limit` hits, and whether the first of them has every word.
    /// - Throws: ``VaultError``, or `CancellationError` when the caller's task is cancelled.
    public func search(_ words: [String], limit: Int = 10) async throws -> (hits: [NoteHit], hasAllWords: Bool) {
        try await withFreshIndex { index in
            var hits = try index.search(words, match: .allWords, limit: limit)
            let hasAllWords = !hits.isEmpty
            for match in [NoteMatch.anyWord, .anyBeginning] where hits.count < limit {
                if match == .anyBeginning, !hits.isEmpty { break }
                let known = Set(hits.map(\.path))
                hits += try index.search(words, match: match, limit: limit).filter { !known.contains($0.path) }
            }
            return (Array(hits.prefix(limit)), hasAllWords)
        }
    }

    /// The note that a wikilink's target or a person's words mean: its path, its file's name or its title, in any case,
    /// with or without `.md`. Of several, the one with the shortest path.
    ///
    /// - Throws: ``VaultError``, or `CancellationError` when the caller's task is cancelled.
    public func find(_ name: String) async throws -> NoteSummary? {
        var wanted = name.lowercased()
        if wanted.hasSuffix(".md") { wanted = String(wanted.dropLast(3)) }
        var best: (rank: Int, note: NoteSummary)?
        for note in try await notes() {
            let path = note.path.lowercased().dropLast(3)
            let rank: Int
            if path == wanted {
                rank = 0
            } else if path.hasSuffix("/" + wanted) {
                rank = 1
            } else if note.title.lowercased() == wanted {
                rank = 2
            } else {
                continue
            }
            guard let known = best else {
                best = (rank, note)
                continue
            }
            if (rank, note.path.utf8.count) < (known.rank, known.note.path.utf8.count) { best = (rank, note) }
        }
        return best?.note
    }

    /// The text of a note without its front matter.
    ///
    /// - Throws: ``VaultError``
    public func body(of path: NotePath) throws(VaultError) -> String {
        MarkdownNote(try files.read(path).text, path: path).body
    }

    /// Adds `line` to the end of a note, which is made with `heading` as its first lines when it is missing. The file
    /// is replaced whole or not at all.
    ///
    /// - Throws: ``VaultError``; the note is then as before.
    public func append(_ line: String, to path: NotePath, heading: String) throws(VaultError) {
        for attempt in 1... {
            do {
                return try appendOnce(line, to: path, heading: heading)
            } catch .changedMeanwhile where attempt < Self.attempts {
                continue
            }
        }
    }

    private func appendOnce(_ line: String, to path: NotePath, heading: String) throws(VaultError) {
        var text = heading + "\n\n"
        var stamp: NoteStamp?
        do { (text, stamp) = try files.read(path) } catch .notFound {}
        if !text.isEmpty, text.last?.isNewline != true { text += "\n" }
        try files.write(text + line + "\n", to: path, replacing: stamp)
    }

    // MARK: Index

    /// Runs `body` on an index that agrees with the files. Damage found on the way is repaired by starting over once.
    private func withFreshIndex<Value>(_ body: (NoteIndex) throws -> Value) async throws -> Value {
        do {
            let index = try openIndex()
            do {
                try await synchronize(index)
                return try body(index)
            } catch NoteIndexError.damaged {
                try index.reset()
                try await synchronize(index)
                return try body(index)
            }
        } catch let error as NoteIndexError {
            throw VaultError.index(error.description)
        }
    }

    private func openIndex() throws -> NoteIndex {
        if let index { return index }
        let opened = try NoteIndex(path: indexPath)
        index = opened
        return opened
    }

    /// Two callers may be here in turns; each brings in what it saw changed, and the same change twice does no harm.
    private func synchronize(_ index: NoteIndex) async throws {
        try Task.checkCancellation()
        var gone = try index.stamps()
        var changed: [NotePath] = []
        for file in try files.list() where gone.removeValue(forKey: file.path.description) != file.stamp {
            changed.append(file.path)
        }
        try Task.checkCancellation()
        try index.update([], removing: Array(gone.keys))
        var batch: [IndexedNote] = []
        var size = 0
        for path in changed {
            guard let note = read(path) else {
                try index.update([], removing: [path.description])
                continue
            }
            batch.append(note)
            size += note.body.utf8.count
            guard size >= Self.batchSize else { continue }
            try index.update(batch)
            (batch, size) = ([], 0)
            await Task.yield()
            try Task.checkCancellation()
        }
        try index.update(batch)
    }

    /// A file that vanished or is no text since it was listed is no note.
    private func read(_ path: NotePath) -> IndexedNote? {
        let settled = Int64(now() * 1_000_000_000) - Self.settlingTime
        guard let (text, stamp) = try? files.read(path) else { return nil }
        let note = MarkdownNote(text, path: path)
        return IndexedNote(
            path: path.description, title: note.title, tags: note.tags, body: note.body,
            stamp: stamp.changed < settled ? stamp : .unsettled)
    }
}
