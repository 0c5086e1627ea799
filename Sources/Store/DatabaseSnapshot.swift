internal import GRDB
internal import Glibc

// How is a database copied that somebody writes to at this moment? By one read transaction, which sees one moment and nothing
// in between, into a new file (`VACUUM INTO`). SQLite's backup API would begin anew at each commit of another connection, so
// under load it might never end. What was deleted is not in the copy.

/// Copies of a database, each of one moment.
public enum DatabaseSnapshot {
    /// A file that a database of an agent names.
    public struct File: Sendable, Equatable {
        public var id: String
        public var filename: String
        /// Bytes.
        public var size: Int64
    }

    /// Copies the database at `source`, whether a server has it open or not, and has SQLite check the copy.
    ///
    /// - Parameter target: must not be there; made with mode 0600, and durable when this returns.
    /// - Throws: ``StorageFault``, ``PrivateFileError``; then there is nothing at `target`.
    public static func write(of source: String, to target: String) throws {
        guard try PrivateFile.createIfMissing(target, with: []) else {
            throw PrivateFileError(path: target, operation: "create", code: EEXIST)
        }
        do {
            var configuration = Configuration()
            configuration.busyMode = .timeout(10)
            let queue = try DatabaseQueue(path: source, configuration: configuration)
            defer { try? queue.close() }
            try queue.inDatabase { connection in
                // The tables of a file that is no database are asked for, lest an empty one is made of it.
                _ = try Int.fetchOne(connection, sql: "SELECT count(*) FROM sqlite_master")
                try connection.execute(sql: "VACUUM INTO ?", arguments: [target])
            }
            guard try DatabaseExamination(path: target).integrityProblems.isEmpty else { throw StorageFault.damaged }
            try PrivateFile.sync(target)
        } catch {
            unlink(target)
            throw error is PrivateFileError ? error : StorageFault(error)
        }
    }

    /// Bytes that a copy needs at most.
    public static func size(of path: String) -> Int64 {
        ["", "-wal"].reduce(0) { sum, suffix in
            var status = stat()
            return stat(path + suffix, &status) == 0 ? sum + Int64(status.st_size) : sum
        }
    }

    /// The files that the database at `path` names, by their ids; none when it is older than such files.
    ///
    /// - Throws: ``StorageFault``
    public static func files(in path: String) throws -> [File] {
        do {
            var configuration = Configuration()
            configuration.readonly = true
            let queue = try DatabaseQueue(path: path, configuration: configuration)
            defer { try? queue.close() }
            return try queue.read { connection in
                try connection.tableExists("artifacts") ? try files(connection) : []
            }
        } catch { throw StorageFault(error) }
    }

    static func files(_ connection: GRDB.Database) throws -> [File] {
        try Row.fetchAll(connection, sql: "SELECT id, filename, size FROM artifacts ORDER BY id").map {
            File(id: $0["id"], filename: $0["filename"], size: $0["size"])
        }
    }
}
