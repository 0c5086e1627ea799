internal import Foundation
internal import GRDB
internal import NIOConcurrencyHelpers

// What is known of notes that live elsewhere as files? Their names, tags and links, and every word (SQLite FTS5). The index
// is a cache in a file of its own: lost, damaged or written by another version, it starts again empty and whoever owns
// the notes fills it anew. This file takes notes in; what can be asked is in NoteQueries, the tables are in NoteIndexFile.

/// The index of a vault. May be shared freely.
public final class NoteIndex: Sendable {
    private let path: String
    private let queue: NIOLockedValueBox<DatabaseQueue>

    /// Opens the index at `path`, or makes it (mode 0600). A damaged file is replaced by an empty index.
    ///
    /// - Throws: ``NoteIndexError/unusable(path:reason:)`` when no index can be made there.
    public init(path: String) throws(NoteIndexError) {
        self.path = path
        if let sound = try? NoteIndexFile.open(path) {
            queue = NIOLockedValueBox(sound)
        } else {
            queue = NIOLockedValueBox(try NoteIndexFile.create(path))
        }
    }

    /// What the index knows of each note's file, by path.
    ///
    /// - Throws: ``NoteIndexError``
    public func stamps() throws(NoteIndexError) -> [ExactText: NoteStamp] {
        try run { connection in
            var stamps: [ExactText: NoteStamp] = [:]
            let rows = try Row.fetchCursor(connection, sql: "SELECT path, modified, changed, size FROM note")
            while let row = try rows.next() {
                stamps[ExactText(row["path"])] = NoteStamp(row)
            }
            return stamps
        }
    }

    /// Takes in new and changed notes and forgets removed ones, in one transaction.
    ///
    /// - Throws: ``NoteIndexError``
    public func update(_ notes: [IndexedNote], removing removed: [String] = []) throws(NoteIndexError) {
        guard !notes.isEmpty || !removed.isEmpty else { return }
        try run { connection in
            for path in removed { try Self.remove(path, from: connection) }
            for note in notes {
                try Self.remove(note.path, from: connection)
                try Self.insert(note, into: connection)
            }
        }
    }

    /// Puts the words of many notes, which came in portions, into one order: searches are faster from then on. Takes some
    /// tenths of a second for ten thousand notes.
    ///
    /// - Throws: ``NoteIndexError``
    public func settle() throws(NoteIndexError) {
        try run { try $0.execute(sql: "INSERT INTO note_text (note_text) VALUES ('optimize')") }
    }

    /// Throws everything away and starts with an empty index in a new file.
    ///
    /// - Throws: ``NoteIndexError/unusable(path:reason:)``
    public func reset() throws(NoteIndexError) {
        let path = path
        do {
            try queue.withLockedValue { current in
                try? current.close()
                current = try NoteIndexFile.create(path)
            }
        } catch let error as NoteIndexError {
            throw error
        } catch {
            throw .unusable(path: path, reason: String(describing: error))
        }
    }

    // MARK: Rows

    private static func remove(_ path: String, from connection: GRDB.Database) throws {
        let find = try connection.cachedStatement(sql: "SELECT id FROM note WHERE path = ?")
        guard let id = try Int64.fetchOne(find, arguments: [path]) else { return }
        for sql in [
            "DELETE FROM note_text WHERE rowid = ?", "DELETE FROM tag WHERE note = ?",
            "DELETE FROM link WHERE note = ?",
            "DELETE FROM note WHERE id = ?",
        ] {
            try connection.cachedStatement(sql: sql).execute(arguments: [id])
        }
    }

    private static func insert(_ note: IndexedNote, into connection: GRDB.Database) throws {
        try connection.cachedStatement(
            sql: """
                INSERT INTO note (path, title, label, type, tags, modified, changed, size)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                """
        ).execute(arguments: [
            note.path, note.title, note.label, note.type, NoteSummary.joined(note.tags), note.stamp.modified,
            note.stamp.changed, note.stamp.size,
        ])
        let id = connection.lastInsertedRowID
        try connection.cachedStatement(
            sql: "INSERT INTO note_text (rowid, name, title, tags, body) VALUES (?, ?, ?, ?, ?)"
        ).execute(arguments: [
            id, note.path, note.title, note.tags.joined(separator: " "), MarkedText.withoutMarks(note.body),
        ])
        let tag = try connection.cachedStatement(sql: "INSERT OR IGNORE INTO tag (key, note, name) VALUES (?, ?, ?)")
        for name in note.tags { try tag.execute(arguments: [name.lowercased(), id, name]) }
        let link = try connection.cachedStatement(sql: "INSERT OR IGNORE INTO link (note, key) VALUES (?, ?)")
        for key in note.links { try link.execute(arguments: [id, key]) }
    }

    // MARK: Transactions

    func run<Value>(_ body: (GRDB.Database) throws -> Value) throws(NoteIndexError) -> Value {
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
}
