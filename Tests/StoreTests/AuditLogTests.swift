import Foundation
import GRDB
import Testing

@testable import Store

// P-31: rows of the audit are only added. The one way to make it shorter says so.

@Suite struct AuditLogTests {
    private func with(_ body: (Store.Database, AuditLog) async throws -> Void) async throws {
        let path = FileManager.default.temporaryDirectory.path + "/audit-\(UUID().uuidString).db"
        let database = try Store.Database(path: path)
        defer {
            try? database.close()
            for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + suffix) }
        }
        try await body(database, AuditLog(database))
    }

    private static func row(_ at: Double, _ action: String) -> AuditRecord {
        AuditRecord(at: at, actor: "ana", action: action, subject: "x")
    }

    private static let call = """
        INSERT INTO usage_log (turn, call, at, model, input_tokens, output_tokens, cost, handle, session_id, device)
        VALUES ('t', %d, 5, 'm', 1, 2, 3, 'ana', 's', 'd')
        """

    @Test("P-31: UPDATE, DELETE and REPLACE of rows are refused, of calls of tools and of models alike")
    func neverChanged() async throws {
        try await with { database, log in
            try await log.append(Self.row(1, "tool.call"))
            try await database.pool.write { try $0.execute(sql: String(format: Self.call, 1)) }
            for sql in [
                "UPDATE audit SET result = 'ok'", "DELETE FROM audit", "REPLACE INTO audit SELECT * FROM audit",
                "UPDATE usage_log SET cost = 0", "DELETE FROM usage_log",
                "REPLACE INTO usage_log SELECT * FROM usage_log",
            ] {
                await #expect(throws: GRDB.DatabaseError.self, "\(sql)") {
                    try await database.pool.write { try $0.execute(sql: sql) }
                }
            }
            #expect(try await log.rows(AuditFilter(), limit: 9).count == 1)
            #expect(try await log.rows(AuditFilter(action: "model.call"), limit: 9).count == 1)
        }
    }

    @Test("housekeeping removes old rows of calls, nothing else, and leaves a row that says so")
    func housekeeping() async throws {
        try await with { database, log in
            for (time, action) in [(1.0, "tool.call"), (2, "user.login"), (3, "tool.result"), (9, "tool.call")] {
                try await log.append(Self.row(time, action))
            }
            #expect(try await log.forgetCalls(before: 5, at: 10) == 2)
            let rows = try await log.rows(AuditFilter(), limit: 9).map(\.record)
            #expect(rows.map(\.action) == ["audit.forget", "tool.call", "user.login"])
            #expect(rows.first?.details == #"{"before":5.0,"rows":2}"#)
            // The way is closed again behind it.
            await #expect(throws: GRDB.DatabaseError.self) {
                try await database.pool.write { try $0.execute(sql: "DELETE FROM audit WHERE action = 'tool.call'") }
            }
            #expect(try await log.forgetCalls(before: 5, at: 11) == 0)
            #expect(try await log.rows(AuditFilter(), limit: 9).count == 3)
        }
    }

    @Test("calls of models are read as rows of the audit, page by page and filtered")
    func modelCalls() async throws {
        try await with { database, log in
            try await database.pool.write { connection in
                for number in 1...3 { try connection.execute(sql: String(format: Self.call, number)) }
            }
            let page = try await log.rows(AuditFilter(action: "model"), limit: 2)
            #expect(page.map(\.id) == [3, 2] && page[0].record.action == "model.call" && page[0].record.subject == "m")
            #expect(page[0].record.details == #"{"call":3,"cost_billionths":3,"input_tokens":1,"output_tokens":2}"#)
            #expect(try await log.rows(AuditFilter(before: 2, action: "model.call"), limit: 2).map(\.id) == [1])
            #expect(try await log.rows(AuditFilter(actor: "bob", action: "model.call"), limit: 2).isEmpty)
        }
    }
}
