internal import Foundation
internal import GRDB

// Is the file of the index sound, and how does a new one look? What is damaged or of another version is never repaired:
// it is made anew.

enum NoteIndexFile {
    /// Raised whenever ``createTables`` or the meaning of a column changes; a file with another number is thrown away.
    private static let schemaVersion = 3

    /// Opens an existing index and reads all of it once: damage is found here and not as a wrong answer later.
    ///
    /// - Returns: nil when there is none that can be used.
    static func open(_ path: String) throws -> DatabaseQueue? {
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

    static func create(_ path: String) throws(NoteIndexError) -> DatabaseQueue {
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

    /// Only `note_text` holds the notes' words. Keys are in lower case: a tag's own, a link's as ``IndexedNote/links``
    /// says.
    private static func createTables(_ connection: GRDB.Database) throws {
        try connection.execute(
            sql: """
                CREATE TABLE note (
                    id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, title TEXT NOT NULL, label TEXT NOT NULL,
                    type TEXT NOT NULL, tags TEXT NOT NULL,
                    modified INTEGER NOT NULL, changed INTEGER NOT NULL, size INTEGER NOT NULL) STRICT;
                CREATE TABLE tag (
                    key TEXT NOT NULL, note INTEGER NOT NULL, name TEXT NOT NULL,
                    PRIMARY KEY (key, note)) STRICT, WITHOUT ROWID;
                CREATE INDEX tag_by_note ON tag (note);
                CREATE TABLE link (
                    note INTEGER NOT NULL, key TEXT NOT NULL, PRIMARY KEY (note, key)) STRICT, WITHOUT ROWID;
                CREATE VIRTUAL TABLE note_text USING fts5(
                    name, title, tags, body, tokenize = "porter unicode61 remove_diacritics 2");
                PRAGMA user_version = \(schemaVersion);
                """)
    }

    /// A cache needs no durability: after a power cut the check at the next opening decides. With 16 MiB of its pages in
    /// memory, a search for a frequent word reads few of them twice.
    private static var configuration: Configuration {
        var configuration = Configuration()
        configuration.busyMode = .timeout(10)
        configuration.prepareDatabase { connection in
            try connection.execute(
                sql: "PRAGMA synchronous = OFF; PRAGMA trusted_schema = OFF; PRAGMA cache_size = -16384")
        }
        return configuration
    }
}
