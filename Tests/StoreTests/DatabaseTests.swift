import Foundation
import GRDB
import Testing

@testable import Store

@Suite struct DatabaseTests {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("database-\(UUID().uuidString)")
    var path: String { folder.appendingPathComponent("openagent.db").path }

    init() throws { try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true) }

    private func mode() throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    }

    @Test func onlyTheOwnerReadsItAlsoWhenOthersCouldBefore() throws {
        try Store.Database(path: path).close()
        #expect(try mode() == 0o600)
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
        try Store.Database(path: path).close()
        #expect(try mode() == 0o600)
    }

    @Test func aCleanCloseLeavesOneFile() async throws {
        let database = try Store.Database(path: path)
        let sessions = SessionRepository(database)
        _ = try await sessions.open(handle: "ana", sessionID: "s", reserving: 1, now: 0)
        #expect(try await sessions.sessionCount(of: "ana") == 1)
        try database.close()
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["openagent.db"])
    }

    @Test func aForeignReaderDoesNotHinderAClose() async throws {
        let database = try Store.Database(path: path)
        let reader = try DatabaseQueue(path: path)
        let rows = try await reader.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM sessions") }
        #expect(rows == 0)
        _ = try await SessionRepository(database).open(handle: "ana", sessionID: "s", reserving: 1, now: 0)
        try database.close()
        #expect(try Store.Database(path: path).integrityProblems() == [])
    }

    @Test func aDatabaseOfANewerVersionIsRefusedAndLeftAlone() async throws {
        let database = try Store.Database(path: path)
        try await database.pool.write { connection in
            try connection.execute(sql: "INSERT INTO grdb_migrations VALUES ('2999-01-01 future')")
        }
        try database.close()
        func migrations() async throws -> [String] {
            try await DatabaseQueue(path: path).read {
                try String.fetchAll($0, sql: "SELECT identifier FROM grdb_migrations ORDER BY 1")
            }
        }
        let before = try await migrations()
        #expect(before.last == "2999-01-01 future")
        let error = #expect(throws: Store.DatabaseError.self) { try Store.Database(path: path) }
        guard case .newerSchema? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(try await migrations() == before)
    }

    @Test func aFileThatIsNoDatabaseIsNamed() throws {
        try Data(repeating: 0x41, count: 8_192).write(to: URL(fileURLWithPath: path))
        let error = #expect(throws: Store.DatabaseError.self) { try Store.Database(path: path) }
        #expect(error?.description.contains(path) == true)
    }
}
