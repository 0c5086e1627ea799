internal import GRDB

// Where does the agent's data live and how is it opened? One SQLite file in WAL mode with one writer. This file knows
// connections, durability and the order of migrations; what the tables mean is in the repositories beside it, which
// speak domain terms only: no GRDB type leaves this module.

/// The agent's database. Repositories are made from it; it may be shared freely.
public final class Database: Sendable {
    let pool: DatabasePool
    /// For small writes of many callers at the same time.
    let commits: GroupCommit

    /// Opens (and creates, mode 0600) the database at `path` and brings its tables up to date.
    ///
    /// - Throws: ``DatabaseError`` when the file cannot be used.
    public init(path: String) throws {
        var configuration = Configuration()
        configuration.foreignKeysEnabled = true
        configuration.busyMode = .timeout(10)
        configuration.prepareDatabase { connection in
            try connection.execute(sql: "PRAGMA synchronous = FULL")
            try connection.execute(sql: "PRAGMA trusted_schema = OFF")
        }
        do {
            try Self.makePrivate(path)
            pool = try DatabasePool(path: path, configuration: configuration)
            try Self.refuseNewerSchema(pool, path: path)
            try Self.migrator.migrate(pool)
            commits = GroupCommit(pool)
        } catch let error as DatabaseError {
            throw error
        } catch let error as PrivateFileError {
            throw DatabaseError.unusable(path: path, reason: error.description)
        } catch  where StorageFault(error) == .damaged {
            throw DatabaseError.damaged(path: path)
        } catch {
            let fault = StorageFault(error)
            throw DatabaseError.unusable(path: path, reason: fault == .other ? "\(error)" : "\(fault)")
        }
    }

    /// Closes every connection; the last one writes the log into the database and removes it, unless another program
    /// has the file open. Using a repository afterwards throws.
    public func close() throws {
        // The pool would close its writer first, and a connection that only reads cannot clean up behind it.
        pool.invalidateReadOnlyConnections()
        try pool.close()
    }

    /// SQLite's own check of the whole file.
    ///
    /// - Returns: the problems found; empty when the file is sound.
    public func integrityProblems() throws -> [String] {
        try pool.read { try String.fetchAll($0, sql: "PRAGMA integrity_check") }.filter { $0 != "ok" }
    }

    /// Every migration, in the order of their dates. A released migration is never edited.
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerNetworkTables()
        migrator.registerSessionsTables()
        migrator.registerTurnContent()
        migrator.registerTurnMessages()
        migrator.registerEventAges()
        migrator.registerSessionArchive()
        migrator.registerTurnUsage()
        migrator.registerSessionContext()
        migrator.registerArtifacts()
        migrator.registerSessionList()
        migrator.registerNetworkLists()
        migrator.registerRegistry()
        migrator.registerPlans()
        migrator.registerUsageLog()
        return migrator
    }

    private static func refuseNewerSchema(_ pool: DatabasePool, path: String) throws {
        if try pool.read({ try migrator.hasBeenSuperseded($0) }) { throw DatabaseError.newerSchema(path: path) }
    }

    /// SQLite gives its `-wal` and `-shm` files the mode of the database file, so it is enough to care for that one.
    private static func makePrivate(_ path: String) throws(PrivateFileError) {
        guard try !PrivateFile.createIfMissing(path, with: []) else { return }
        try PrivateFile.close(toOthers: path)
    }
}

/// Why the database cannot be used.
public enum DatabaseError: Error, CustomStringConvertible {
    case unusable(path: String, reason: String)
    case newerSchema(path: String)
    /// What is in the file can't be read as what it should be.
    case damaged(path: String)

    public var description: String {
        switch self {
        case .unusable(let path, let reason): "cannot use the database \(path): \(reason)"
        case .damaged(let path):
            "the database \(path) is damaged: what can be done says: openagent doctor \(Self.folder(of: path))"
        case .newerSchema(let path):
            "\(path) was written by a newer version of openagent: install that version or restore a backup"
        }
    }

    private static func folder(of path: String) -> String {
        path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    }
}
