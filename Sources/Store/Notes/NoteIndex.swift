internal import Foundation
internal import GRDB
internal import NIOConcurrencyHelpers

// Which notes speak of these words? A full-text index (SQLite FTS5) over notes that live elsewhere as files. It is a
// cache in a file of its own: lost, damaged or written by another version, it starts again empty and whoever owns the
// notes fills it anew. This file knows no files of notes, no Markdown and no questions.

/// The full-text index of a vault. May be shared freely.
public final class NoteIndex: Sendable {
    /// More words than this in one query are ignored: the cost of a search stays bounded.
    public static let maximumWords = 32
    /// The most hits that one search returns.
    public static let maximumHits = 100

    /// Raised whenever ``createTables`` changes; a file with another number is thrown away.
    private static let schemaVersion = 1

    private let path: String
    private let queue: NIOLockedValueBox<DatabaseQueue>

    /// Opens the index at `path`, or makes it (mode 0600). A damaged file is replaced by an empty index.
    ///
    /// - Throws: ``NoteIndexError/unusable(path:reason:)`` when no index can be made there.
    public init(path: String) throws(NoteIndexError) {
        self.path = path
        if let sound = try? Self.open(path) {
            queue = NIOLockedValueBox(sound)
        } else {
            queue = NIOLockedValueBox(try Self.create(path))
        }
    }

    /// What the index knows of each note's file, by path.
    ///
    /// - Throws: ``NoteIndexError``
    public func stamps() throws(NoteIndexError) -> [String: NoteStamp] {
        try run { connection in
            var stamps: [String: NoteStamp] = [:]
            let rows = try Row.fetchCursor(connection, sql: "SELECT path, modified, changed, size FROM note")
            while let row = try rows.next() {
                stamps[row["path"]] = NoteStamp(modified: row["modified"], changed: row["changed"], size: row["size"])
            }
            return stamps
        }
    }

    /// Every note in the index, in the order of their paths.
    ///
    /// - Throws: ``NoteIndexError``
    public func notes() throws(NoteIndexError) -> [NoteSummary] {
        try run { connection in
            try Row.fetchAll(connection, sql: "SELECT path, title FROM note ORDER BY path")
                .map { NoteSummary(path: $0["path"], title: $0["title"]) }
        }
    }

    /// Takes in new and changed notes and forgets removed ones, in one transaction.
    ///
    /// - Throws: ``NoteIndexError``
    public func update(_ notes: [IndexedNote], removing removed: [String] = []) throws(NoteIndexError) {
        guard !notes.isEmpty || !removed.isEmpty else { return }
        try run { connection in
            for path in removed + notes.map(\.path) { try Self.remove(path, from: connection) }
            for note in notes { try Self.insert(note, into: connection) }
        }
    }

    /// The notes that speak of `words`, best first: BM25, where a word in the name or title weighs more than one in the
    /// text. Words are taken literally; nothing in them is query syntax.
    ///
    /// - Parameters:
    ///   - match: how much of the query a note must have.
    ///   - limit: the most hits to return, 1 to ``maximumHits``.
    /// - Throws: ``NoteIndexError``
    public func search(
        _ words: [String], match: NoteMatch = .allWords, limit: Int = 10
    ) throws(NoteIndexError) -> [NoteHit] {
        guard let pattern = Self.pattern(words, match: match) else { return [] }
        return try run { connection in
            try Row.fetchAll(
                connection,
                sql: """
                    SELECT note.path, note.title, bm25(note_text, 8.0, 8.0, 4.0, 1.0) AS rank,
                        highlight(note_text, 3, :open, :close) AS body,
                        snippet(note_text, 3, :open, :close, '…', 24) AS snippet
                    FROM note_text JOIN note ON note.id = note_text.rowid
                    WHERE note_text MATCH :pattern ORDER BY rank, note.path LIMIT :limit
                    """,
                arguments: [
                    "pattern": pattern, "limit": max(1, min(limit, Self.maximumHits)),
                    "open": String(MarkedText.open), "close": String(MarkedText.close),
                ]
            ).map { row in
                NoteHit(
                    path: row["path"], title: row["title"], score: -row["rank"],
                    body: MarkedText(marked: row["body"]), snippet: MarkedText(marked: row["snippet"]))
            }
        }
    }

    /// Throws everything away and starts with an empty index in a new file.
    ///
    /// - Throws: ``NoteIndexError/unusable(path:reason:)``
    public func reset() throws(NoteIndexError) {
        let path = path
        do {
            try queue.withLockedValue { current in
                try? current.close()
                current = try Self.create(path)
            }
        } catch let error as NoteIndexError {
            throw error
        } catch {
            throw .unusable(path: path, reason: String(describing: error))
        }
    }

    // MARK: Words to query

    /// Each word becomes a quoted FTS5 string, so that operators, column names and wildcards are only text.
    private static func pattern(_ words: [String], match: NoteMatch) -> String? {
        var terms: [String] = []
        for word in words.lazy.flatMap({ $0.split { !$0.isLetter && !$0.isNumber } }) where terms.count < maximumWords {
            let term = "\"\(word.lowercased())\""
            if !terms.contains(term) { terms.append(term) }
        }
        guard !terms.isEmpty else { return nil }
        return switch match {
        case .allWords: terms.joined(separator: " AND ")
        case .anyWord: terms.joined(separator: " OR ")
        case .anyBeginning: terms.map { "\($0)*" }.joined(separator: " OR ")
        }
    }

    // MARK: Rows

    private static func remove(_ path: String, from connection: GRDB.Database) throws {
        guard let id = try Int64.fetchOne(connection, sql: "SELECT id FROM note WHERE path = ?", arguments: [path])
        else { return }
        try connection.execute(sql: "DELETE FROM note_text WHERE rowid = ?", arguments: [id])
        try connection.execute(sql: "DELETE FROM note WHERE id = ?", arguments: [id])
    }

    private static func insert(_ note: IndexedNote, into connection: GRDB.Database) throws {
        try connection.execute(
            sql: "INSERT INTO note (path, title, modified, changed, size) VALUES (?, ?, ?, ?, ?)",
            arguments: [note.path, note.title, note.stamp.modified, note.stamp.changed, note.stamp.size])
        try connection.execute(
            sql: "INSERT INTO note_text (rowid, name, title, tags, body) VALUES (?, ?, ?, ?, ?)",
            arguments: [
                connection.lastInsertedRowID, note.path, note.title, note.tags.joined(separator: " "),
                MarkedText.withoutMarks(note.body),
            ])
    }

    // MARK: The file

    private func run<Value>(_ body: (GRDB.Database) throws -> Value) throws(NoteIndexError) -> Value {
        do {
            return try queue.withLockedValue { $0 }.write(body)
        } catch let error as GRDB.DatabaseError where Self.damage.contains(error.resultCode.primaryResultCode) {
            throw .damaged(path: path)
        } catch {
            throw .unusable(path: path, reason: String(describing: error))
        }
    }

    /// What SQLite says when the bytes of the file, or the tables in them, are not what they should be, and (read-only)
    /// when the file was moved away or deleted while it was open.
    private static let damage: [ResultCode] = [.SQLITE_CORRUPT, .SQLITE_NOTADB, .SQLITE_ERROR, .SQLITE_READONLY]

    /// Opens an existing index and reads all of it once: damage is found here and not as a wrong answer later.
    private static func open(_ path: String) throws -> DatabaseQueue? {
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        let queue = try DatabaseQueue(path: path, configuration: configuration)
        let isSound = try queue.write { connection in
            guard try Int.fetchOne(connection, sql: "PRAGMA user_version") == schemaVersion else { return false }
            guard try String.fetchOne(connection, sql: "PRAGMA quick_check(1)") == "ok" else { return false }
            try connection.execute(sql: "INSERT INTO note_text (note_text, rank) VALUES ('integrity-check', 1)")
            return true
        }
        guard isSound else {
            try queue.close()
            return nil
        }
        return queue
    }

    private static func create(_ path: String) throws(NoteIndexError) -> DatabaseQueue {
        do {
            for suffix in ["", "-journal", "-wal", "-shm"] where FileManager.default.fileExists(atPath: path + suffix) {
                try FileManager.default.removeItem(atPath: path + suffix)
            }
            guard FileManager.default.createFile(atPath: path, contents: nil, attributes: [.posixPermissions: 0o600])
            else { throw NoteIndexError.unusable(path: path, reason: "the file cannot be created") }
            let queue = try DatabaseQueue(path: path, configuration: configuration)
            try queue.write(createTables)
            return queue
        } catch let error as NoteIndexError {
            throw error
        } catch {
            throw .unusable(path: path, reason: String(describing: error))
        }
    }

    private static func createTables(_ connection: GRDB.Database) throws {
        try connection.execute(
            sql: """
                CREATE TABLE note (
                    id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, title TEXT NOT NULL,
                    modified INTEGER NOT NULL, changed INTEGER NOT NULL, size INTEGER NOT NULL) STRICT;
                CREATE VIRTUAL TABLE note_text USING fts5(
                    name, title, tags, body, tokenize = "porter unicode61 remove_diacritics 2");
                PRAGMA user_version = \(schemaVersion);
                """)
    }

    /// A cache needs no durability: after a power cut the check at the next opening decides.
    private static var configuration: Configuration {
        var configuration = Configuration()
        configuration.busyMode = .timeout(10)
        configuration.prepareDatabase { connection in
            try connection.execute(sql: "PRAGMA synchronous = OFF; PRAGMA trusted_schema = OFF")
        }
        return configuration
    }
}

/// Why the index could not answer.
public enum NoteIndexError: Error, Equatable, CustomStringConvertible {
    /// The file's content is broken: ``NoteIndex/reset()`` and fill it again.
    case damaged(path: String)
    case unusable(path: String, reason: String)

    public var description: String {
        switch self {
        case .damaged(let path): "the search index \(path) is damaged; it is rebuilt from the notes at the next search"
        case .unusable(let path, let reason): "cannot use the search index \(path): \(reason)"
        }
    }
}
