import Foundation
import GRDB
import Testing

@testable import Store

// P-89: databases that released versions wrote, as text in Upgrades. They are on somebody's disk: an upgrade keeps all of
// them, and a migration that made one of them is never edited.

@Suite struct UpgradeFixtureTests {
    private typealias Rows = [String: [String]]

    /// In the order of the migrations.
    static let fixtures: [String] = {
        let folder = Bundle.module.resourceURL?.appendingPathComponent("Upgrades").path ?? ""
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.filter { $0.hasSuffix(".sql") }.sorted()
    }()

    /// What is in it is in `usage_log` afterwards.
    private static let moved = "turn_usage"

    private static var steps: [String] { Store.Database.migrator.migrations }

    /// A folder for `body`, gone afterwards.
    private func withFolder<R>(_ body: (String) async throws -> R) async throws -> R {
        let folder = FileManager.default.temporaryDirectory.path + "/fixture-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        return try await body(folder)
    }

    /// The database of a fixture, made anew at `path`.
    private func old(_ fixture: String, at path: String) throws -> DatabaseQueue {
        let url = try #require(Bundle.module.url(forResource: fixture, withExtension: nil, subdirectory: "Upgrades"))
        let sql = try String(contentsOf: url, encoding: .utf8)
        let queue = try DatabaseQueue(path: path)
        try queue.writeWithoutTransaction { try $0.execute(sql: sql) }
        return queue
    }

    private func schema(_ queue: DatabaseQueue) throws -> [String] {
        try queue.read { connection in
            try String.fetchAll(
                connection,
                sql: """
                    SELECT type || ' ' || name || ': ' || ifnull(sql, '') FROM sqlite_master
                    WHERE name NOT LIKE 'sqlite_%' ORDER BY type, name
                    """)
        }
    }

    /// The columns of every table, without those of the migrator.
    private func readColumns(_ connection: GRDB.Database) throws -> Rows {
        let tables = try String.fetchAll(
            connection,
            sql: """
                SELECT name FROM sqlite_master
                WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name != 'grdb_migrations'
                """)
        return try Dictionary(
            uniqueKeysWithValues: tables.map { ($0, try connection.columns(in: $0).map(\.name)) })
    }

    /// The values of these columns, row by row.
    private func readRows(_ connection: GRDB.Database, _ columns: Rows) throws -> Rows {
        try Dictionary(
            uniqueKeysWithValues: columns.map { table, names in
                let values = names.map { "quote(\"\($0)\")" }.joined(separator: " || ',' || ")
                return (table, try String.fetchAll(connection, sql: "SELECT \(values) FROM \"\(table)\" ORDER BY 1"))
            })
    }

    private func readUsage(_ connection: GRDB.Database, of table: String) throws -> [String] {
        try String.fetchAll(
            connection,
            sql: "SELECT turn || ' ' || device || ' ' || input_tokens || ' ' || output_tokens FROM \(table) ORDER BY 1")
    }

    @Test("P-89: there is a database of every released migration, in their order, with rows in every table")
    func complete() async throws {
        // The migrations up to the first release that had a REST API; those behind them have not been released.
        #expect(Self.fixtures.count >= 10)
        for (number, fixture) in Self.fixtures.enumerated() {
            try await withFolder { folder in
                let queue = try old(fixture, at: folder + "/old.db")
                let (applied, empty) = try await queue.read { connection in
                    let rows = try readRows(connection, try readColumns(connection))
                    return (
                        try Store.Database.migrator.appliedIdentifiers(connection),
                        rows.filter { $0.value.isEmpty }.map(\.key)
                    )
                }
                #expect(applied == Set(Self.steps.prefix(number + 1)), "\(fixture)")
                #expect(empty.isEmpty, "\(fixture)")
            }
        }
    }

    @Test("P-89: a released migration is never edited", arguments: Array(fixtures.enumerated().map(\.offset)))
    func unedited(_ number: Int) async throws {
        let fixture = Self.fixtures[number]
        try await withFolder { folder in
            let released = try old(fixture, at: folder + "/old.db")
            let fresh = try DatabaseQueue(path: folder + "/fresh.db")
            try Store.Database.migrator.migrate(fresh, upTo: Self.steps[number])
            #expect(try schema(fresh) == schema(released), "the tables that \(Self.steps[number]) makes")
            // What it does to rows.
            guard number > 0 else { return }
            let before = try old(Self.fixtures[number - 1], at: folder + "/before.db")
            try Store.Database.migrator.migrate(before, upTo: Self.steps[number])
            let made = try await before.read { try readRows($0, try readColumns($0)) }
            let expected = try await released.read { try readRows($0, try readColumns($0)) }
            for (table, rows) in made {
                let missing = Set(rows).subtracting(expected[table] ?? [])
                #expect(missing.isEmpty, "\(Self.steps[number]) makes other rows of \(table)")
            }
        }
    }

    @Test("P-89: every released database is brought to the present with all that is in it", arguments: fixtures)
    func nothingIsLost(_ fixture: String) async throws {
        try await withFolder { folder in
            let path = folder + "/openagent.db"
            let released = try old(fixture, at: path)
            let (columns, before, usage) = try await released.read { connection in
                let columns = try readColumns(connection)
                let usage = columns[Self.moved] == nil ? [] : try readUsage(connection, of: Self.moved)
                return (columns, try readRows(connection, columns), usage)
            }
            try released.close()
            let database = try Store.Database(path: path, upgradingTo: "9.9.9")
            let after = try await database.pool.read { connection in
                let kept = Set(try readColumns(connection).keys)
                #expect(Set(columns.keys).subtracting(kept).isSubset(of: [Self.moved]))
                return try readRows(connection, columns.filter { kept.contains($0.key) })
            }
            for (table, rows) in before where table != Self.moved { #expect(after[table] == rows, "\(table)") }
            #expect(try await database.pool.read { try readUsage($0, of: "usage_log") } == usage)
            #expect(try database.integrityProblems() == [])
            if before["sessions"] != nil {
                let sessions = SessionRepository(database)
                #expect(try await sessions.history(of: 1, limit: 10).map(\.text) == ["hello", "hi 👋"])
                #expect(try await sessions.overview(of: "alice", limit: 10).map(\.sessionID).contains("main"))
            }
            try database.close()
            let examination = try DatabaseExamination(path: path)
            #expect(!examination.isOlder && examination.danglingRows == 0)
            // The copy is what was there before.
            let copy = try DatabaseQueue(path: path + ".before-9.9.9")
            #expect(try await copy.read { try readRows($0, columns) } == before)
        }
    }
}
