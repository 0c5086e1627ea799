import Foundation
import GRDB
import Testing

// P-89 with a real process: it is killed in the middle of an upgrade, and what it leaves is what the next start finishes.

@Suite struct UpgradeTests {
    /// The oldest database with conversations, and the last one of the version before.
    static let fixtures = ["03-sessions.sql", "10-artifacts.sql"]
    /// While the copy is not complete, and in the first, a middle and a later step.
    static let points = [
        "rename:openagent.db.before-\(version)", "commit:migration:1", "commit:migration:2", "commit:migration:4",
    ]

    /// Of the program under test.
    static let version: String = {
        let probe = Process()
        let pipe = Pipe()
        probe.executableURL = URL(fileURLWithPath: TestHome.binary)
        probe.arguments = ["--version"]
        probe.standardOutput = pipe
        guard (try? probe.run()) != nil else { return "" }
        let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        probe.waitUntilExit()
        return output.split(whereSeparator: \.isWhitespace).last.map(String.init) ?? ""
    }()

    private static func dump(_ name: String) throws -> String {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        return try String(
            contentsOf: folder.appendingPathComponent("StoreTests/Upgrades/\(name)"), encoding: .utf8)
    }

    private struct Contents: Equatable {
        /// Ids and texts.
        var turns: [String]
        /// How many were done.
        var steps: Int
        var isSound: Bool
    }

    private func contents(_ path: String) async throws -> Contents {
        let queue = try DatabaseQueue(path: path)
        defer { try? queue.close() }
        return try await queue.read { connection in
            Contents(
                turns: try String.fetchAll(connection, sql: "SELECT id || text FROM turns ORDER BY id"),
                steps: try Int.fetchOne(connection, sql: "SELECT count(*) FROM grdb_migrations") ?? 0,
                isSound: try String.fetchOne(connection, sql: "PRAGMA integrity_check") == "ok")
        }
    }

    @Test(
        "P-89: an upgrade that is killed midway is finished by the next start, and what was before it stays beside it",
        arguments: fixtures, points)
    func killed(_ fixture: String, _ point: String) async throws {
        let home = try TestHome()
        let first = try await home.serve()
        first.program.signal(SIGTERM)
        try await first.program.exit()
        let path = home.agent.appendingPathComponent("openagent.db").path
        let now = try DatabaseQueue(path: path)
        let (network, key) = try await now.read { connection in
            let row = try #require(try Row.fetchOne(connection, sql: "SELECT * FROM network"))
            return (row["coordinator_node_id"] as String, row["coordinator_pubkey"] as Data)
        }
        try now.close()
        // The agent as the older version left it.
        for suffix in ["", "-wal", "-shm"] { unlink(path + suffix) }
        let old = try DatabaseQueue(path: path)
        try await old.writeWithoutTransaction { connection in
            try connection.execute(sql: try Self.dump(fixture))
            try connection.execute(
                sql: "UPDATE network SET coordinator_node_id = ?, coordinator_pubkey = ?", arguments: [network, key])
            // Of an agent that nobody made; its name would be this one's.
            try connection.execute(sql: "DELETE FROM network_agents WHERE handle = 'my-agent'")
            // A turn that waits would be answered by the start that ends this test, and an old one is forgotten.
            try connection.execute(
                sql: "UPDATE turns SET state = 'completed', accepted_at = unixepoch(), finished_at = unixepoch()")
            if try connection.tableExists("artifacts") { try connection.execute(sql: "DELETE FROM artifacts") }
        }
        try old.close()
        chmod(path, 0o600)
        let before = try await contents(path)
        #expect(!before.turns.isEmpty && before.isSound)

        let dying = try home.start(["serve", home.agent.path], environment: ["OPENAGENT_FAILURE_POINT": point])
        #expect(try await dying.exit() == -SIGKILL, "\(point) is reached: \(dying.errors)")
        let copy = path + ".before-\(Self.version)"
        let left = try await contents(path)
        #expect(left.turns == before.turns && left.isSound)
        if point.hasPrefix("rename:") {
            #expect(!FileManager.default.fileExists(atPath: copy) && left.steps == before.steps)
        } else {
            #expect(try await contents(copy) == before)
            // The step that it died in is not there, those before it are.
            #expect(left.steps == before.steps + (try #require(point.last?.wholeNumberValue)) - 1)
        }

        let server = try await home.serve()
        #expect(try await contents(copy) == before)
        server.program.signal(SIGTERM)
        #expect(try await server.program.exit() == 0)
        let after = try await contents(path)
        #expect(after.turns == before.turns && after.isSound && after.steps > before.steps)
        let doctor = try await home.run(["doctor", home.agent.path])
        #expect(doctor.status == 0 && !doctor.output.contains("brings it up to date"), "\(doctor)")
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: home.agent.path).filter { $0.contains(".copying") }
                .isEmpty)
    }
}
