import Foundation
import GRDB
import Testing

// The real program, killed while its tasks are due and while they run.

@Suite struct SchedulerCrashTests {
    private static let tasks = 24

    @Test("P-77: killed again and again, every task that was due has run once: none twice, none lost")
    func everyTaskRunsOnce() async throws {
        let world = try TestHome()
        let first = try await world.serve()
        first.program.signal(SIGTERM)
        #expect(try await first.program.exit() == 0)
        // A word takes its time, so that a kill comes while an answer is given.
        try Data("librarian:\n  words_per_second: 20\n".utf8).write(
            to: world.agent.appendingPathComponent("openagent.yaml"))
        chmod(world.agent.appendingPathComponent("openagent.yaml").path, 0o600)
        let path = world.agent.appendingPathComponent("openagent.db").path
        let begin = Date().timeIntervalSince1970 + 1
        let queue = try DatabaseQueue(path: path)
        try await queue.write { connection in
            for number in 0..<Self.tasks {
                let due = begin + 0.25 * Double(number)
                try connection.execute(
                    sql: """
                        INSERT INTO scheduled_tasks (id, name, cron_expression, timezone, prompt, enabled, catch_up, owner,
                            next_run, created_at, updated_at)
                        VALUES (?, ?, ?, 'UTC', 'What do you know of the plants?', 1, 'skip', 'operator', ?, 1, 1)
                        """, arguments: ["task\(number)", "task \(number)", "@once:\(due)", due])
            }
        }
        try queue.close()
        for round in 1...4 {
            let server = try await world.serve()
            // Each time in another state of what runs.
            try await Task.sleep(for: .milliseconds(700 + 230 * round))
            server.program.signal(SIGKILL)
            _ = try await server.program.exit()
        }
        let last = try await world.serve()
        let end = ContinuousClock.now + .seconds(60)
        var open = Self.tasks
        while open > 0, ContinuousClock.now < end {
            let page = try await world.run([
                "api", "GET", "/api/scheduled-tasks?limit=100", "--agent", world.agent.path,
            ])
            let body = try JSONSerialization.jsonObject(with: Data(page.output.utf8)) as? [String: Any]
            let tasks = try #require(body?["tasks"] as? [[String: Any]], "\(page)")
            open = tasks.count { $0["next_run"] != nil || $0["running"] as? Bool == true }
        }
        last.program.signal(SIGTERM)
        #expect(try await last.program.exit() == 0)
        #expect(open == 0)

        let after = try DatabaseQueue(path: path)
        try await after.read { connection in
            let runs = try Row.fetchAll(connection, sql: "SELECT task_id, id, status FROM task_runs ORDER BY task_id")
            #expect(Set(runs.map { $0["task_id"] as String }).count == Self.tasks && runs.count == Self.tasks)
            #expect(Set(runs.map { $0["status"] as String }) == ["success"], "\(runs)")
            for run in runs {
                let id: String = run["id"]
                let turns = try Int.fetchOne(
                    connection, sql: "SELECT count(*) FROM turns WHERE message_id = ?", arguments: [id])
                #expect(turns == 1)
            }
            let all = try Int.fetchOne(
                connection,
                sql: """
                    SELECT count(*) FROM turns JOIN sessions ON sessions.id = turns.session
                    WHERE session_id GLOB 'scheduler:*'
                    """)
            #expect(all == Self.tasks)
        }
        try after.close()
    }
}
