import Foundation
import GRDB
import Testing

@testable import Store

// P-89: what an older version wrote is there after an upgrade, and as it was beside it.

@Suite struct UpgradeTests {
    /// Every step that a database of users may have ended with, but the last.
    static var older: [String] { Array(Store.Database.migrator.migrations.dropLast()) }

    private func everything(_ connection: GRDB.Database) throws -> [String: [String]] {
        let tables = try String.fetchAll(
            connection, sql: "SELECT name FROM sqlite_master WHERE type = 'table' AND name IN ('sessions', 'turns')")
        return try Dictionary(
            uniqueKeysWithValues: tables.map { table in
                (table, try String.fetchAll(connection, sql: "SELECT id FROM \(table) ORDER BY id"))
            })
    }

    @Test(
        "P-89: from each earlier schema an upgrade keeps the rows, and a copy that the older version can use",
        arguments: older)
    func upgrades(_ step: String) throws {
        let folder = FileManager.default.temporaryDirectory.path + "/upgrade-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = folder + "/openagent.db"
        let old = try DatabaseQueue(path: path)
        try Store.Database.migrator.migrate(old, upTo: step)
        let before = try old.write { connection in
            if try connection.tableExists("sessions") {
                let columns = try connection.columns(in: "sessions").filter {
                    $0.isNotNull && $0.defaultValueSQL == nil
                }
                let names = columns.map(\.name).joined(separator: ", ")
                let values = columns.map { $0.type == "TEXT" ? "'x'" : "1" }.joined(separator: ", ")
                try connection.execute(sql: "INSERT INTO sessions (\(names)) VALUES (\(values))")
            }
            return try everything(connection)
        }
        try old.close()
        try Data().write(to: URL(fileURLWithPath: path + ".before-0.0.1"))

        let database = try Store.Database(path: path, upgradingTo: "0.9.0")
        let after = try database.pool.read { try everything($0) }
        for (table, rows) in before { #expect(after[table] == rows, "\(table)") }
        #expect(try database.integrityProblems() == [])
        try database.close()

        let copies = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.contains(".before-") }
        #expect(copies == ["openagent.db.before-0.9.0"], "of earlier upgrades none is kept")
        var status = stat()
        #expect(stat(folder + "/" + copies[0], &status) == 0 && status.st_mode & 0o777 == 0o600)
        let copy = try DatabaseQueue(path: folder + "/" + copies[0])
        let (kept, steps) = try copy.read { connection in
            (try everything(connection), try Store.Database.migrator.appliedIdentifiers(connection))
        }
        #expect(kept == before)
        #expect(steps == Set(Store.Database.migrator.migrations.prefix { $0 != step } + [step]))
        // With nothing to do there is nothing to keep.
        try FileManager.default.removeItem(atPath: folder + "/" + copies[0])
        try Store.Database(path: path, upgradingTo: "1.0.0").close()
        #expect(try !FileManager.default.contentsOfDirectory(atPath: folder).contains { $0.contains(".before-") })
    }

    @Test("P-89: an upgrade that died midway is finished, and the copy stays what was before it")
    func diedMidway() throws {
        let folder = FileManager.default.temporaryDirectory.path + "/upgrade-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = folder + "/openagent.db"
        let steps = Store.Database.migrator.migrations
        let old = try DatabaseQueue(path: path)
        try Store.Database.migrator.migrate(old, upTo: steps[2])
        try DatabaseSnapshot.write(of: path, to: path + ".before-0.9.0")
        try Store.Database.migrator.migrate(old, upTo: steps[4])
        try old.close()
        let before = try Data(contentsOf: URL(fileURLWithPath: path + ".before-0.9.0"))
        try Store.Database(path: path, upgradingTo: "0.9.0").close()
        #expect(try Data(contentsOf: URL(fileURLWithPath: path + ".before-0.9.0")) == before)
        #expect(try DatabaseExamination(path: path).isOlder == false)
    }
}
