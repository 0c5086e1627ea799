import Foundation
import GRDB
import Testing

@testable import Store

@Suite struct SessionListTests {
    @Test("a page of a hundred thousand sessions costs the same wherever it is in the list")
    func pagesOfALongListAreCheap() async throws {
        let path = FileManager.default.temporaryDirectory.path + "/sessions-\(UUID().uuidString).db"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let database = try Store.Database(path: path)
        let sessions = SessionRepository(database)
        try await database.pool.write { connection in
            try connection.execute(
                sql: """
                    WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 100000)
                    INSERT INTO sessions (handle, session_id, created_at, last_activity)
                    SELECT iif(n % 10, 'ana', 'bob'), 's' || n, n, n FROM number
                    """)
        }
        var place = SessionPlace.beginning
        var count = 0
        var longest = Duration.zero
        while true {
            let began = ContinuousClock.now
            let page = try await sessions.overview(of: "ana", after: place, limit: 1_000)
            longest = max(longest, ContinuousClock.now - began)
            count += page.count
            guard let last = page.last else { break }
            #expect(page.allSatisfy { $0.place.lastActivity < place.lastActivity })
            place = last.place
        }
        #expect(count == 90_000)
        // Sorting them all, or counting through those before, would take many times that.
        #expect(longest < .seconds(1), "\(longest)")
        let one = try await sessions.overview(of: "bob", sessionID: "s10")
        #expect(one?.sessionID == "s10" && one?.title == nil)
    }
}
