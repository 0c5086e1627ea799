internal import GRDB

// What can be asked about the notes in the index? Which there are, which speak of some words, what they are tagged with
// and what they link to. Nothing here reads a file; which note a link means is its asker's business.

extension NoteIndex {
    /// More words than this in one query are ignored: the cost of a search stays bounded.
    public static let maximumWords = 32
    /// The most hits that one search returns.
    public static let maximumHits = 100
    /// So many of the notes that match are compared by BM25, and as many again of those that match in name, title or tags.
    static let mostWeighed = 2_000

    /// Which notes count.
    public struct Filter: Sendable, Equatable {
        /// Only notes whose path begins so; empty for all.
        public var prefix: String
        /// Only notes with this tag, in any case, or with one below it (`a/b` is below `a`); nil for all.
        public var tag: String?

        public init(prefix: String = "", tag: String? = nil) {
            self.prefix = prefix
            self.tag = tag
        }

        fileprivate var condition: String {
            var parts = ["1"]
            if !prefix.isEmpty {
                parts.append("note.path >= :prefix AND note.path < :prefix || char(0x10FFFF)")
            }
            if tag != nil {
                parts.append(
                    // What lies between `tag/` and `tag0` begins with `tag/`: no other byte is between them.
                    "note.id IN (SELECT note FROM tag WHERE key = :tag OR (key >= :tag || '/' AND key < :tag || '0'))"
                )
            }
            return parts.joined(separator: " AND ")
        }

        fileprivate var arguments: StatementArguments {
            var arguments = StatementArguments()
            if !prefix.isEmpty { arguments += ["prefix": prefix] }
            if let tag { arguments += ["tag": tag.lowercased()] }
            return arguments
        }
    }

    /// Notes in the order of their paths' bytes.
    ///
    /// - Parameters:
    ///   - after: the path of the last note of an earlier page; nil for the first page.
    ///   - limit: the most notes to return; nil for all.
    /// - Throws: ``NoteIndexError``
    public func notes(
        after: String? = nil, limit: Int? = nil, filter: Filter = Filter()
    ) throws(NoteIndexError) -> [NoteSummary] {
        try run { connection in
            try Row.fetchAll(
                connection.cachedStatement(
                    sql: """
                        SELECT \(NoteSummary.columns) FROM note
                        WHERE note.path > :after AND \(filter.condition) ORDER BY note.path LIMIT :limit
                        """),
                arguments: filter.arguments + ["after": after ?? "", "limit": limit ?? -1]
            ).map(NoteSummary.init(row:))
        }
    }

    /// Whether the index has a note with exactly this path.
    ///
    /// - Throws: ``NoteIndexError``
    public func contains(_ path: String) throws(NoteIndexError) -> Bool {
        try run { try Bool.fetchOne($0, sql: "SELECT 1 FROM note WHERE path = ?", arguments: [path]) ?? false }
    }

    /// Every tag with the number of notes that have it, the most used first. Spellings that differ in case are one tag.
    ///
    /// - Throws: ``NoteIndexError``
    public func tags() throws(NoteIndexError) -> [(name: String, count: Int)] {
        try run { connection in
            try Row.fetchAll(
                connection,
                sql: "SELECT min(name) AS name, count(*) AS count FROM tag GROUP BY key ORDER BY count DESC, key"
            ).map { ($0["name"], $0["count"]) }
        }
    }

    /// Every note in the order of their paths' bytes, each with the keys of what it links to.
    ///
    /// - Throws: ``NoteIndexError``
    public func links() throws(NoteIndexError) -> [(note: NoteSummary, keys: [String])] {
        try run { connection in
            var places: [Int64: Int] = [:]
            var found: [(note: NoteSummary, keys: [String])] = []
            let notes = try Row.fetchCursor(
                connection, sql: "SELECT note.id, \(NoteSummary.columns) FROM note ORDER BY note.path")
            while let row = try notes.next() {
                places[row[0]] = found.count
                found.append((NoteSummary(row: row), []))
            }
            let links = try Row.fetchCursor(connection, sql: "SELECT note, key FROM link")
            while let row = try links.next() {
                if let place = places[row[0]] { found[place].keys.append(row[1]) }
            }
            return found
        }
    }

    /// The paths of the notes that have a link whose last part is `name`, in their order.
    ///
    /// - Parameter name: as a link's key has it, without a `/`.
    /// - Throws: ``NoteIndexError``
    public func linkingNotes(toName name: String) throws(NoteIndexError) -> [String] {
        try run { connection in
            try String.fetchAll(
                connection,
                sql: """
                    SELECT path FROM note WHERE id IN (
                        SELECT note FROM link
                        WHERE key = :name OR substr(key, -length(:name) - 1) = '/' || :name)
                    ORDER BY path
                    """, arguments: ["name": name])
        }
    }

    /// The notes that speak of `words`, best first: BM25, where a word in the name or title weighs more than one in the
    /// text. Words are taken literally; nothing in them is query syntax.
    ///
    /// - Parameters:
    ///   - match: how much of the query a note must have.
    ///   - limit: the most hits to return, 1 to ``maximumHits``.
    ///   - wholeBodies: whether hits carry the whole text; else their `body` is empty.
    /// - Throws: ``NoteIndexError``
    public func search(
        _ words: [String], match: NoteMatch = .allWords, limit: Int = 10, filter: Filter = Filter(),
        wholeBodies: Bool = true
    ) throws(NoteIndexError) -> [NoteHit] {
        guard let pattern = Self.pattern(words, match: match) else { return [] }
        return try run { connection in
            // Two steps, so that the text is cut and marked for the best notes alone and not for every one that matches.
            let best = try Self.best(
                pattern, limit: max(1, min(limit, Self.maximumHits)), filter: filter, connection: connection)
            let text = try connection.cachedStatement(
                sql: """
                    SELECT \(NoteSummary.columns),
                        \(wholeBodies ? "highlight(note_text, 3, :open, :close)" : "''") AS body,
                        snippet(note_text, 3, :open, :close, '…', 24) AS snippet
                    FROM note_text JOIN note ON note.id = note_text.rowid
                    WHERE note_text MATCH :pattern AND note_text.rowid = :id
                    """)
            return try best.compactMap { id, score in
                try Row.fetchOne(
                    text,
                    arguments: [
                        "pattern": pattern, "id": id, "open": String(MarkedText.open),
                        "close": String(MarkedText.close),
                    ]
                ).map { row in
                    NoteHit(
                        note: NoteSummary(row: row), score: score, body: MarkedText(marked: row["body"]),
                        snippet: MarkedText(marked: row["snippet"]))
                }
            }
        }
    }

    /// The best notes with their scores; of equally good ones, those whose paths come first.
    ///
    /// To weigh a note costs many times what it costs to find it. Where more notes match than are weighed, the words say
    /// little, and those that have them in name, title or tags and those that changed last are taken.
    private static func best(
        _ pattern: String, limit: Int, filter: Filter, connection: GRDB.Database
    ) throws -> [(id: Int64, score: Double)] {
        // The words first and the notes' rows after, whatever the planner thinks: another order is many times as slow.
        func matches(_ pattern: String) -> String {
            """
            FROM note_text CROSS JOIN note ON note.id = note_text.rowid
            WHERE note_text MATCH \(pattern) AND \(filter.condition)
            """
        }
        func youngest(_ pattern: String) -> String {
            "SELECT note.id \(matches(pattern)) ORDER BY note.modified DESC, note.path LIMIT \(mostWeighed)"
        }
        let arguments = filter.arguments + ["pattern": pattern]
        let count = try Int.fetchOne(
            connection.cachedStatement(
                sql: "SELECT count(*) FROM (SELECT 1 \(matches(":pattern")) LIMIT \(mostWeighed + 1))"),
            arguments: arguments)
        guard let count, count > 0 else { return [] }
        var sql = "SELECT note.id, bm25(note_text, 8.0, 8.0, 4.0, 1.0) AS rank \(matches(":pattern"))"
        if count > mostWeighed {
            sql += """
                 AND +note.id IN (
                    SELECT id FROM (\(youngest(":pattern")))
                    UNION ALL SELECT id FROM (\(youngest("'{name title tags} : (' || :pattern || ')'"))))
                """
        }
        return try Row.fetchAll(
            connection.cachedStatement(sql: sql + " ORDER BY rank, note.path LIMIT :limit"),
            arguments: arguments + ["limit": limit]
        ).map { ($0[0], -($0[1] as Double)) }
    }

    /// Each word becomes a quoted FTS5 string, so that operators, column names and wildcards are only text. Words are taken
    /// apart by code points: there are letters that make one character with whatever follows, a quotation mark included.
    private static func pattern(_ words: [String], match: NoteMatch) -> String? {
        var terms: [String] = []
        let parts = words.lazy.flatMap { $0.lowercased().unicodeScalars.split { !isPartOfWord($0) } }
        for part in parts where terms.count < maximumWords && part.contains(where: { !isMark($0) }) {
            let term = "\"\(String(part))\""
            if !terms.contains(term) { terms.append(term) }
        }
        guard !terms.isEmpty else { return nil }
        return switch match {
        case .allWords: terms.joined(separator: " AND ")
        case .anyWord: terms.joined(separator: " OR ")
        case .anyBeginning: terms.map { "\($0)*" }.joined(separator: " OR ")
        }
    }

    private static func isPartOfWord(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .decimalNumber,
            .letterNumber, .otherNumber:
            true
        default: isMark(scalar)
        }
    }

    private static func isMark(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .spacingMark, .enclosingMark: true
        default: false
        }
    }
}

extension NoteSummary {
    fileprivate static let columns =
        "note.path, note.title, note.label, note.type, note.tags, note.modified, note.size"

    fileprivate init(row: Row) {
        let tags: String = row["tags"]
        self.init(
            path: row["path"], title: row["title"], label: row["label"], type: row["type"],
            tags: tags.split(separator: "\n").map(String.init), modified: row["modified"], size: row["size"])
    }

    /// Tags as one column: none of them has a line break.
    static func joined(_ tags: [String]) -> String { tags.joined(separator: "\n") }
}

extension NoteStamp {
    init(_ row: Row) {
        self.init(modified: row["modified"], changed: row["changed"], size: row["size"])
    }
}
