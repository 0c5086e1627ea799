import Dispatch
import Foundation
import GRDB
import Synchronization
import Testing

@testable import Store

// The writer is held up until the wanted writes wait; then they are one batch.

@Suite struct GroupCommitTests {
    private struct Refused: Error {}

    /// Counts the transactions of a connection that came to something.
    private final class Commits: TransactionObserver, Sendable {
        let count = Atomic(0)

        func observes(eventsOfKind eventKind: DatabaseEventKind) -> Bool { false }
        func databaseDidChange(with event: DatabaseEvent) {}
        func databaseDidCommit(_ db: GRDB.Database) { count.wrappingAdd(1, ordering: .relaxed) }
        func databaseDidRollback(_ db: GRDB.Database) {}
    }

    private let database: Store.Database

    init() throws {
        database = try Store.Database(
            path: FileManager.default.temporaryDirectory.path + "/group-\(UUID().uuidString).db")
        try database.pool.write { connection in
            try connection.execute(
                sql: """
                    CREATE TABLE entries (id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL UNIQUE);
                    CREATE TABLE notes (entry INTEGER REFERENCES entries (id) DEFERRABLE INITIALLY DEFERRED);
                    """)
        }
    }

    private var entries: [String] {
        get throws { try database.pool.read { try String.fetchAll($0, sql: "SELECT text FROM entries ORDER BY id") } }
    }

    private static func insert(_ text: String) -> @Sendable (GRDB.Database) throws -> Int64 {
        { connection in
            try connection.execute(sql: "INSERT INTO entries (text) VALUES (?)", arguments: [text])
            return connection.lastInsertedRowID
        }
    }

    /// Starts the writes one after the other while the writer is busy, lets it go on, and waits for all.
    ///
    /// - Parameter beforeRelease: called when all of them wait.
    private func together(
        _ writes: [@Sendable (GRDB.Database) throws -> Int64],
        beforeRelease: ([Task<Int64, any Error>]) -> Void = { _ in }
    ) async throws -> [Result<Int64, any Error>] {
        let release = DispatchSemaphore(value: 0)
        database.pool.asyncWriteWithoutTransaction { _ in release.wait() }
        var tasks: [Task<Int64, any Error>] = []
        let deadline = ContinuousClock.now + .seconds(10)
        for write in writes {
            let commits = database.commits
            tasks.append(Task { try await commits.write(write) })
            while commits.waitingCount < tasks.count {
                guard ContinuousClock.now < deadline else { break }
                await Task.yield()
            }
        }
        #expect(database.commits.waitingCount == writes.count)
        beforeRelease(tasks)
        release.signal()
        var results: [Result<Int64, any Error>] = []
        for task in tasks { results.append(await task.result) }
        return results
    }

    @Test func writesThatWaitAreOneCommitInTheOrderInWhichTheyCame() async throws {
        let commits = Commits()
        database.pool.add(transactionObserver: commits)
        let texts = (0..<100).map { "\($0)" }
        let results = try await together(texts.map(Self.insert))
        #expect(try results.map { try $0.get() } == Array(1...100))
        #expect(try entries == texts)
        #expect(commits.count.load(ordering: .relaxed) == 1)
    }

    @Test func aBatchIsBounded() async throws {
        let commits = Commits()
        database.pool.add(transactionObserver: commits)
        let texts = (0...GroupCommit.largestBatch).map { "\($0)" }
        _ = try await together(texts.map(Self.insert))
        #expect(try entries == texts)
        #expect(commits.count.load(ordering: .relaxed) == 2)
    }

    @Test func aWriteThatFailsIsUndoneAloneAndTellsItsCaller() async throws {
        let results = try await together([
            Self.insert("a"),
            { connection in
                _ = try Self.insert("half")(connection)
                throw Refused()
            },
            Self.insert("b"),
            // The same text again.
            Self.insert("a"),
            Self.insert("c"),
        ])
        #expect(try entries == ["a", "b", "c"])
        for index in [0, 2, 4] { #expect(throws: Never.self) { try results[index].get() } }
        #expect(throws: Refused.self) { try results[1].get() }
        let repeated = #expect(throws: GRDB.DatabaseError.self) { try results[3].get() }
        #expect(repeated?.resultCode == .SQLITE_CONSTRAINT)
    }

    @Test func aCommitThatFailsFailsEveryWriteInIt() async throws {
        let results = try await together([
            Self.insert("a"),
            { connection in
                // Nobody minds before the end of the transaction.
                try connection.execute(sql: "INSERT INTO notes (entry) VALUES (4711)")
                return 0
            },
            Self.insert("b"),
        ])
        for result in results {
            let failure = #expect(throws: GRDB.DatabaseError.self) { try result.get() }
            #expect(failure?.extendedResultCode == .SQLITE_CONSTRAINT_FOREIGNKEY)
        }
        #expect(try entries.isEmpty)
        #expect(try await database.commits.write(Self.insert("later")) > 0)
        #expect(try entries == ["later"])
    }

    @Test func aFullDiskFailsEveryWriteOfTheBatchAndNothingOfItStays() async throws {
        let results = try await together([
            Self.insert("a"),
            { connection in
                let pages = try Int.fetchOne(connection, sql: "PRAGMA page_count") ?? 0
                try connection.execute(sql: "PRAGMA max_page_count = \(pages)")
                return try Self.insert(String(repeating: "x", count: 1_000_000))(connection)
            },
            Self.insert("b"),
        ])
        for result in results {
            let failure = #expect(throws: GRDB.DatabaseError.self) { try result.get() }
            #expect(failure?.resultCode == .SQLITE_FULL)
        }
        try await database.pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA max_page_count = 1000000") }
        #expect(try entries.isEmpty)
        #expect(try await database.commits.write(Self.insert("later")) > 0)
        #expect(try entries == ["later"])
    }

    @Test func aCallerThatIsCancelledStopsNoWrite() async throws {
        let results = try await together([Self.insert("a"), Self.insert("b")]) { tasks in tasks[0].cancel() }
        #expect(try results.map { try $0.get() } == [1, 2])
        #expect(try entries == ["a", "b"])
        let cancelled = Task { [database] in
            while !Task.isCancelled { await Task.yield() }
            return try await database.commits.write(Self.insert("c"))
        }
        cancelled.cancel()
        #expect(try await cancelled.value == 3)
    }

    @Test func whatIsWrittenIsOnDiskWhenTheCallerGoesOn() async throws {
        // Another connection sees only what was committed.
        let path = database.pool.path
        try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in 0..<8 {
                group.addTask { [database] in
                    let other = try DatabaseQueue(path: path)
                    for number in 0..<20 {
                        let id = try await database.commits.write(Self.insert("\(writer)/\(number)"))
                        let text = try await other.read { connection in
                            try String.fetchOne(
                                connection, sql: "SELECT text FROM entries WHERE id = ?", arguments: [id])
                        }
                        #expect(text == "\(writer)/\(number)")
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try entries.count == 160)
    }

    @Test func aClosedDatabaseTakesNoWrite() async throws {
        try database.close()
        await #expect(throws: (any Error).self) { try await database.commits.write(Self.insert("a")) }
    }
}
