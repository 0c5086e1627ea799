public import Logging
public import Store

// What does the agent remember? Notes are Markdown files that people edit with any editor; the files are the truth and the
// index agrees with them before every answer. This file is the way in: what is asked of the index. How the index follows
// the files is in VaultIndexing, reading and writing one file in VaultNotes, moving one in VaultMoves.

/// The notes of one agent.
public actor Vault {
    /// Bounds of a vault.
    public struct Limits: Sendable {
        /// In bytes. A larger note is not searched, read or written.
        public var noteSize = 1 << 20
        /// In bytes. A larger file that is no note is not read or written.
        public var attachmentSize = 16 << 20
        /// Further files are not searched.
        public var notes = 100_000
        /// Text in all notes that link to one that is moved, in bytes.
        public var rewrittenSize = 64 << 20
        /// How long somebody waits for an index that is being made in the background.
        public var patience: Duration = .seconds(5)

        public init() {}
    }

    var files: VaultFiles
    let limits: Limits
    let logger: Logger
    let now: @Sendable () -> Double
    /// Where a move that is under way is written down.
    let movePath: String
    let indexPath: String
    private let executor = BlockingExecutor(label: "openagent.vault")

    /// Nil until it is first needed, and for a moment when it was found damaged.
    var index: NoteIndex?
    /// Made from the index as it is; nil when it must be made anew.
    var knownGraph: VaultGraph?
    /// Nil when the kernel tells nothing: every file is then looked at before every answer.
    var watch: VaultWatch?
    /// The index agrees with the files, but for ``pending`` and for what the watch has to tell.
    var isListed = false
    /// Notes that the index has yet to take in or to forget.
    var pending: [String] = []
    /// How many there were when the files were listed.
    var pendingAtFirst = 0
    /// Somebody brings the index up to date in the background.
    var isFollowed = false
    /// Others are told what is found to be changed.
    var isTelling = false
    /// A move that an earlier process began is finished or undone.
    var isRecovered = false
    /// Of that move some links could not be rewritten; its record is still there.
    var isMoveUnfinished = false
    /// It was said that there are more notes than are searched.
    var isCrowded = false
    /// The index is being filled from nothing: what is new to it is nothing to tell of.
    var isRefilling = false
    /// Notes that this process has changed and of which the index has not yet heard, as they were then.
    var own: [ExactText: NoteStamp] = [:]
    /// What was changed by hand while ``run()`` runs, some of it together; the oldest are dropped where nobody listens.
    public nonisolated let edits: AsyncStream<[VaultEdit]>
    let edited: AsyncStream<[VaultEdit]>.Continuation

    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// Nothing is read until the first call.
    ///
    /// - Parameters:
    ///   - directory: the folder of the notes; made at the first write when it is missing.
    ///   - indexPath: where the disposable index lives, in a folder that exists.
    ///   - agent: the agent's own folder. Where the vault holds it, nothing but notes is served from there.
    ///   - isWatching: whether the kernel may be asked to tell of changes.
    ///   - now: Unix time in seconds.
    public init(
        directory: String, indexPath: String, agent: String? = nil, limits: Limits = Limits(), isWatching: Bool = true,
        logger: Logger = Logger(label: "openagent.vault") { _ in SwiftLogNoOpLogHandler() },
        now: @escaping @Sendable () -> Double
    ) {
        files = VaultFiles(
            root: directory, maximumNoteSize: limits.noteSize, maximumNotes: limits.notes,
            maximumAttachmentSize: limits.attachmentSize, agent: agent)
        self.limits = limits
        self.indexPath = indexPath
        (edits, edited) = AsyncStream.makeStream(of: [VaultEdit].self, bufferingPolicy: .bufferingNewest(64))
        movePath = indexPath + ".move"
        watch = isWatching ? VaultWatch() : nil
        if isWatching, watch == nil {
            logger.warning("vault::unwatched", metadata: ["hint": "raise fs.inotify.max_user_instances"])
        }
        self.logger = logger
        self.now = now
    }

    /// Notes in the order of their paths' bytes.
    ///
    /// - Parameters:
    ///   - after: the path of the last note of an earlier page; nil for the first page.
    ///   - limit: the most notes to return; nil for all.
    /// - Throws: ``VaultError``, or `CancellationError` when the caller's task is cancelled.
    public func notes(
        after: String? = nil, limit: Int? = nil, filter: NoteIndex.Filter = .init()
    ) async throws -> [NoteSummary] {
        try await withFreshIndex { try $0.notes(after: after, limit: limit, filter: filter) }
    }

    /// The notes that speak of `words`, best first: those that have all of them before those that have some.
    ///
    /// - Parameters:
    ///   - isFilled: whether notes that have some of the words are also found where others have all of them.
    ///   - wholeBodies: whether hits carry the whole text.
    /// - Returns: at most `limit` hits, and whether the first of them has every word.
    /// - Throws: ``VaultError``, or `CancellationError` when the caller's task is cancelled.
    public func search(
        _ words: [String], limit: Int = 10, filter: NoteIndex.Filter = .init(), isFilled: Bool = true,
        wholeBodies: Bool = true
    ) async throws -> (hits: [NoteHit], hasAllWords: Bool) {
        try await withFreshIndex { index in
            func find(_ match: NoteMatch) throws -> [NoteHit] {
                try index.search(words, match: match, limit: limit, filter: filter, wholeBodies: wholeBodies)
            }
            var hits = try find(.allWords)
            let hasAllWords = !hits.isEmpty
            for match in [NoteMatch.anyWord, .anyBeginning] where hits.count < limit {
                if !hits.isEmpty, !isFilled || match == .anyBeginning || words.count == 1 { break }
                let known = Set(hits.map(\.path))
                hits += try find(match).filter { !known.contains($0.path) }
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

    /// Every tag with the number of notes that have it, the most used first.
    ///
    /// - Throws: ``VaultError``, or `CancellationError` when the caller's task is cancelled.
    public func tags() async throws -> [(name: String, count: Int)] {
        try await withFreshIndex { try $0.tags() }
    }

    /// All notes and their links.
    ///
    /// - Throws: ``VaultError``, or `CancellationError` when the caller's task is cancelled.
    public func graph() async throws -> VaultGraph {
        try await withFreshIndex { index in
            if let knownGraph { return knownGraph }
            let graph = VaultGraph(try index.links())
            knownGraph = graph
            return graph
        }
    }
}
