internal import GRDB
internal import Glibc

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
    /// - Parameter version: of this program. When an older one wrote the database, a copy of it as it was is kept first, as
    ///   `PATH.before-VERSION`, mode 0600; of earlier upgrades none is kept. Nil: no copy is made.
    /// - Throws: ``DatabaseError`` when the file cannot be used.
    public convenience init(path: String, upgradingTo version: String? = nil) throws {
        try self.init(path: path, tables: Self.migrator, upgradingTo: version)
    }

    /// - Parameter tables: what this file holds.
    init(path: String, tables migrator: DatabaseMigrator, upgradingTo version: String? = nil) throws {
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
            try Self.refuseNewerSchema(pool, migrator, path: path)
            if let version { try Self.saveOlder(pool, migrator, path: path, version: version) }
            try Self.migrate(pool, migrator)
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
        migrator.registerWorkflowJournals()
        migrator.registerScheduling()
        migrator.registerWebhooks()
        migrator.registerApprovals()
        migrator.registerModelLists()
        migrator.registerPairings()
        return migrator
    }

    private static func migrate(_ pool: DatabasePool, _ migrator: DatabaseMigrator) throws {
        #if DEBUG
        let witness = MigrationWitness()
        pool.add(transactionObserver: witness)
        defer { pool.remove(transactionObserver: witness) }
        #endif
        try migrator.migrate(pool)
    }

    /// Each step of an upgrade is a transaction, so a process that dies between two leaves what the older version refuses and
    /// this one finishes. The copy is what the older version can use.
    private static func saveOlder(
        _ pool: DatabasePool, _ migrator: DatabaseMigrator, path: String, version: String
    ) throws {
        let isOlder = try pool.read { connection in
            try !migrator.appliedIdentifiers(connection).isEmpty && !migrator.hasCompletedMigrations(connection)
        }
        guard isOlder else { return }
        let copy = path + ".before-" + version.filter { $0.isLetter || $0.isNumber || $0 == "." || $0 == "-" }
        // One that is there is of an upgrade that did not end: what the database was before that.
        guard access(copy, F_OK) != 0 else { return }
        // A copy gets its name when it is complete.
        let unfinished = path + ".copying"
        unlink(unfinished)
        try DatabaseSnapshot.write(of: path, to: unfinished)
        FailurePoint.reach(beforeRenameTo: copy)
        guard rename(unfinished, copy) == 0 else {
            throw PrivateFileError(path: copy, operation: "create", code: errno)
        }
        let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "./"
        try PrivateFile.syncFolder(folder)
        let start = path.dropFirst(folder.count) + ".before-"
        for name in PrivateFile.names(in: folder) where name.hasPrefix(start) && folder + name != copy {
            unlink(folder + name)
        }
    }

    private static func refuseNewerSchema(
        _ pool: DatabasePool, _ migrator: DatabaseMigrator, path: String
    ) throws {
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
