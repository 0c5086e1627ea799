internal import Foundation
internal import GRDB

// Is this database sound? Asked without changing a byte of it, whether a server has it open or not: nothing is migrated, no
// log is written back, and a file that no log belongs to is read as it stands.

/// What an agent's database says about itself.
public struct DatabaseExamination: Sendable {
    /// What SQLite finds wrong; empty when the file is sound. Bounded.
    public var integrityProblems: [String] = []
    /// Rows that point to rows which are not there.
    public var danglingRows = 0
    /// Migrations of this version that are not applied yet, which a start does.
    public var isOlder = false
    /// A newer version has written it.
    public var isNewer = false
    /// Turns that were accepted and have no answer.
    public var unfinishedTurns = 0
    /// Unix seconds.
    public var oldestUnfinished: Double?
    /// The newest time in the database, Unix seconds.
    public var newestTime: Double?
    /// The network's role, and the key of its coordinator; nil when there is no network yet.
    public var network: (role: String, name: String, coordinator: [UInt8])?
    /// The node id of the agent's own row, where it coordinates.
    public var agentNodes: [String] = []

    /// The files that it names.
    public var files: [DatabaseSnapshot.File] = []

    private static let mostProblems = 20

    /// - Throws: ``StorageFault`` when it can't be opened or read at all.
    public init(path: String) throws {
        do { try self.init(reading: path) } catch { throw StorageFault(error) }
    }

    private init(reading path: String) throws {
        // A write-ahead log belongs to it: it may be somebody's who writes at this moment, or one that a crash left.
        let hasLog = FileManager.default.fileExists(atPath: path + "-wal")
        let queue = try Self.open(path, hasLog: hasLog)
        defer { try? queue.close() }
        try queue.read { connection in
            integrityProblems = try String.fetchAll(
                connection, sql: "PRAGMA integrity_check(\(Self.mostProblems))"
            ).filter { $0 != "ok" }
            danglingRows = try Row.fetchAll(connection, sql: "PRAGMA foreign_key_check").count
            isNewer = try Store.Database.migrator.hasBeenSuperseded(connection)
            isOlder = try !Store.Database.migrator.hasCompletedMigrations(connection)
            if try connection.tableExists("artifacts") { files = try DatabaseSnapshot.files(connection) }
            guard try connection.tableExists("turns"), try connection.tableExists("network") else { return }
            let unfinished = try Row.fetchOne(
                connection,
                sql: "SELECT count(*) AS n, min(accepted_at) AS t FROM turns WHERE state IN ('accepted', 'running')")
            unfinishedTurns = unfinished?["n"] ?? 0
            oldestUnfinished = unfinished?["t"]
            newestTime = try Double.fetchOne(
                connection,
                sql: """
                    SELECT max(t) FROM (
                        SELECT max(accepted_at) AS t FROM turns UNION ALL SELECT max(finished_at) FROM turns
                        UNION ALL SELECT max(created_at) FROM sessions UNION ALL SELECT max(created_at) FROM network)
                    """)
            if let row = try Row.fetchOne(connection, sql: "SELECT role, name, coordinator_pubkey FROM network") {
                let (role, name, key): (String, String, Data) = (row["role"], row["name"], row["coordinator_pubkey"])
                network = (role, name, Array(key))
            }
            agentNodes = try String.fetchAll(connection, sql: "SELECT node_id FROM network_agents")
        }
    }

    /// Whether SQLite can read the whole file.
    public static func isSound(path: String) -> Bool {
        guard let queue = try? open(path, hasLog: FileManager.default.fileExists(atPath: path + "-wal")) else {
            return false
        }
        defer { try? queue.close() }
        return (try? queue.read { try String.fetchOne($0, sql: "PRAGMA quick_check(1)") }) == "ok"
    }

    private static func open(_ path: String, hasLog: Bool) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(5)
        if !hasLog,
            let queue = try? DatabaseQueue(
                path: "file:\(escaped(path))?immutable=1", configuration: configuration)
        {
            return queue
        }
        // SQLite may have been built without URIs.
        return try DatabaseQueue(path: path, configuration: configuration)
    }

    /// What a path must not hold in SQLite's form of a URI.
    private static func escaped(_ path: String) -> String {
        path.replacing("%", with: "%25").replacing("?", with: "%3f").replacing("#", with: "%23")
    }
}
