import Foundation
import Testing

@testable import Agent
@testable import Gateway
@testable import Store
@testable import Wire

// Scheduled tasks as clients see them.

@Suite struct TaskRoutesTests {
    struct Client: Sendable {
        let running: TestGateway.Running
        let device: TestDevice

        func ask(_ method: String, _ path: String, _ body: String? = nil) async throws -> TestResponse {
            let stream = try await running.stream(device)
            let response = try await stream.ask(method, path, body)
            await stream.close()
            return response
        }

        /// A JSON object with these fields.
        func send(_ method: String, _ path: String, _ fields: [String: Any]) async throws -> TestResponse {
            let data = try JSONSerialization.data(withJSONObject: fields, options: .sortedKeys)
            return try await ask(method, path, String(decoding: data, as: UTF8.self))
        }
    }

    static func with(_ body: @escaping @Sendable (Client, TestGateway) async throws -> Void) async throws {
        let gateway = try TestGateway()
        let admin = gateway.device("root", standing: .active(role: .admin))
        try await gateway.run { running in try await body(Client(running: running, device: admin), gateway) }
    }

    private static let path = "/api/scheduled-tasks"
    private static var water: [String: Any] {
        [
            "name": "water", "cron_expression": "0 9 * * *", "prompt": "Water the plants",
        ]
    }

    @Test("OAG-70: a task is made, read, changed and removed in the shapes of the reference")
    func shapes() async throws {
        try await Self.with { client, gateway in
            let made = try await client.send("POST", Self.path, Self.water)
            #expect(made.status == 201, "\(made)")
            let task = try made.decode(TaskBody.self)
            #expect(UUID(uuidString: task.id) != nil && task.owner == "root" && task.timezone == "UTC")
            #expect(task.enabled && !task.runOnce && task.lastRun == nil && !task.running)
            #expect(task.nextRun.map { $0 > gateway.clock.now && Int($0) % 86_400 == 9 * 3_600 } == true)
            #expect(task.nextRunISO?.hasSuffix("T09:00:00+00:00") == true)
            #expect(made.json["run_at"] == nil && made.json["created_at_iso"] is String)

            let listed = try await client.ask("GET", Self.path)
            #expect((listed.json["tasks"] as? [[String: Any]])?.count == 1)
            for word in [task.id, "water", String(task.id.prefix(4)), String(task.id.prefix(13)).uppercased()] {
                #expect(try await client.ask("GET", "\(Self.path)/\(word)").decode(TaskBody.self) == task, "\(word)")
            }
            for method in ["PATCH", "PUT"] {
                let changed = try await client.send(method, "\(Self.path)/water", ["prompt": "by \(method)"])
                let body = try changed.decode(TaskBody.self)
                #expect(body.prompt == "by \(method)" && body.nextRun == task.nextRun && body.name == "water")
            }
            let moved = try await client.send(
                "PATCH", "\(Self.path)/\(task.id)",
                ["cron_expression": "@every 10m", "name": "tea", "model": "test", "catch_up": "once"]
            ).decode(TaskBody.self)
            #expect(moved.nextRun.map { abs($0 - gateway.clock.now - 600) < 60 } == true, "it has a new time")
            #expect(moved.model == "test" && moved.catchUp == "once")
            let plain = try await client.ask("PATCH", "\(Self.path)/tea", #"{"model":null}"#).decode(TaskBody.self)
            #expect(plain.model == nil && plain.catchUp == "once")

            let removed = try await client.ask("DELETE", "\(Self.path)/tea")
            #expect(removed.json["ok"] as? Bool == true && removed.json["id"] as? String == task.id)
            for method in ["GET", "DELETE"] {
                let gone = try await client.ask(method, "\(Self.path)/\(task.id)")
                #expect(gone.status == 404 && gone.code == "not_found" && gone.hint != nil)
            }
        }
    }

    @Test func aTaskFiresInItsTimeZoneAndSaysItsTimesThere() async throws {
        try await Self.with { client, _ in
            let task = try await client.send(
                "POST", Self.path, Self.water.merging(["timezone": "Asia/Kathmandu"]) { $1 }
            ).decode(TaskBody.self)
            #expect(task.nextRunISO?.hasSuffix("T09:00:00+05:45") == true, "\(task)")
            let moved = try await client.send("PATCH", "\(Self.path)/water", ["timezone": "America/St_Johns"])
                .decode(TaskBody.self)
            #expect(moved.nextRunISO?.contains("T09:00:00-0") == true && moved.nextRun != task.nextRun, "\(moved)")
        }
    }

    @Test func disablingTakesTheNextTimeAndEnablingGivesANewOne() async throws {
        try await Self.with { client, gateway in
            _ = try await client.send("POST", Self.path, Self.water.merging(["cron_expression": "@hourly"]) { $1 })
            let off = try await client.ask("POST", "\(Self.path)/water/disable").decode(TaskBody.self)
            #expect(!off.enabled && off.nextRun == nil)
            let list = try await client.ask("GET", "\(Self.path)?enabled_only=true").decode(TasksBody.self)
            #expect(list.tasks.isEmpty)
            gateway.clock.advance(by: 7_200)
            // Another time for what is off does not let it fire.
            let still = try await client.send("PATCH", "\(Self.path)/water", ["cron_expression": "@daily"])
            #expect(try still.decode(TaskBody.self).nextRun == nil)
            let on = try await client.ask("POST", "\(Self.path)/water/enable").decode(TaskBody.self)
            #expect(on.enabled && on.nextRun.map { $0 > gateway.clock.now } == true)
        }
    }

    @Test func aTaskThatRunsOnceIsDueAtItsTimeAlsoWhenThatIsPast() async throws {
        try await Self.with { client, gateway in
            let time = (gateway.clock.now - 60).rounded()
            let task = try await client.send(
                "POST", Self.path, Self.water.merging(["cron_expression": "@once:\(Int(time))"]) { $1 }
            ).decode(TaskBody.self)
            #expect(task.runOnce && task.runAt == time && task.nextRun == time && task.runAtISO != nil)
            // As the scheduler leaves it.
            _ = try await TaskRepository(gateway.database).update(task.id) {
                ($0.lastRun, $0.nextRun, $0.isEnabled) = (time, nil, false)
            }
            let again = try await client.ask("POST", "\(Self.path)/water/enable")
            #expect(again.status == 409 && again.code == "conflict", "\(again)")
            let later = try await client.send(
                "PATCH", "\(Self.path)/water", ["cron_expression": "@once:\(Int(time) + 3_600)", "enabled": true])
            #expect(try later.decode(TaskBody.self).nextRun == time + 3_600)
        }
    }

    @Test("SDK-19, P-78: names are unique, also when many ask at the same time")
    func namesAreUnique() async throws {
        try await Self.with { client, _ in
            let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<8 { group.addTask { try await client.send("POST", Self.path, Self.water).status } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(statuses.sorted() == [201] + Array(repeating: 409, count: 7))
            _ = try await client.send("POST", Self.path, Self.water.merging(["name": "tea"]) { $1 })
            let taken = try await client.send("PATCH", "\(Self.path)/tea", ["name": " water "])
            #expect(taken.status == 409 && taken.code == "conflict" && taken.message?.contains("water") == true)
            // Its own name is no other's.
            #expect(try await client.send("PATCH", "\(Self.path)/tea", ["name": "tea"]).status == 200)
        }
    }

    @Test func aWordThatMayMeanSeveralIsAConflictThatNamesThem() async throws {
        try await Self.with { client, gateway in
            for (id, name) in [("abcd1111", "one"), ("abcd2222", "two"), ("abcd", "abcd2222x")] {
                try await TaskRepository(gateway.database).insert(
                    TaskRecord(
                        id: id, name: name, schedule: "@daily", prompt: "p", owner: "root", createdAt: 1, updatedAt: 1))
            }
            #expect(try await client.ask("GET", "\(Self.path)/abcd1").json["name"] as? String == "one")
            // A whole id comes before the beginning of others.
            #expect(try await client.ask("GET", "\(Self.path)/abcd").json["name"] as? String == "abcd2222x")
            _ = try await client.ask("DELETE", "\(Self.path)/abcd2222x")
            let several = try await client.ask("DELETE", "\(Self.path)/ABCD")
            #expect(several.status == 409 && several.code == "conflict", "\(several)")
            #expect(several.message?.contains("'one', 'two'") == true && several.hint != nil, "\(several)")
            for word in ["abc", "*bcd", "one%00", "abcd%2A", "%25", "abcd%00", "abcd%5B1-9%5D"] {
                #expect(try await client.ask("GET", "\(Self.path)/\(word)").status == 404, "\(word)")
            }
        }
    }

    @Test func whatIsNoTaskIsRefused() async throws {
        try await Self.with { client, _ in
            let wrong: [[String: Any]] = [
                ["name": ""], ["name": "  "], ["name": "a\nb"], ["name": "a\u{7F}"],
                ["name": String(repeating: "n", count: 129)], ["name": "e" + String(repeating: "\u{301}", count: 128)],
                ["name": "dream-mode"], ["name": "Manager-Review"], ["name": "auto-update"],
                ["cron_expression": ""], ["cron_expression": "* * * *"], ["cron_expression": "0 0 30 2 *"],
                ["cron_expression": "@every 0s"], ["cron_expression": "@reboot"], ["cron_expression": "1 * * * * *"],
                ["cron_expression": String(repeating: "1,", count: 5_000)], ["prompt": ""], ["prompt": " \n"],
                ["prompt": "a\u{0}b"],
                ["prompt": String(repeating: "p", count: 65_537)], ["timezone": "Mars/Base"], ["timezone": ""],
                ["catch_up": "twice"], ["model": "a\u{0}b"], ["model": String(repeating: "m", count: 257)],
                ["name": 5], ["enabled": "yes"], ["prompt": ["a"]],
            ]
            for fields in wrong {
                let refused = try await client.send("POST", Self.path, Self.water.merging(fields) { $1 })
                #expect(refused.status == 400 && ["invalid", "bad_message"].contains(refused.code), "\(fields)")
                #expect((refused.message ?? "").utf8.count < 1_000)
            }
            for body in [
                "", "[]", "{", "null", #"{"name":"a"}"#, "{\"name\":\"\u{FFFD}", String(repeating: "[", count: 9_999),
            ] {
                let refused = try await client.ask("POST", Self.path, body)
                #expect(refused.status == 400, "\(body.prefix(20)): \(refused)")
            }
            #expect(try await client.ask("GET", Self.path).decode(TasksBody.self).tasks.isEmpty)
            // The limits themselves are inside.
            let most = Self.water.merging([
                "name": String(repeating: "n", count: 128), "prompt": String(repeating: "p", count: 65_536),
            ]) { $1 }
            #expect(try await client.send("POST", Self.path, most).status == 201)
            for fields in wrong {
                let refused = try await client.send(
                    "PATCH", "\(Self.path)/\(String(repeating: "n", count: 128))", fields)
                #expect(refused.status == 400, "\(fields): \(refused)")
            }
            let huge = try await client.ask("POST", Self.path, String(repeating: " ", count: (1 << 20) + 1))
            #expect(huge.status == 413)
            for query in ["?limit=0", "?cursor=x", "?enabled_only=maybe"] {
                #expect(try await client.ask("GET", Self.path + query).status == 400, "\(query)")
            }
        }
    }

    @Test func aLongListComesInPages() async throws {
        try await Self.with { client, gateway in
            let repository = TaskRepository(gateway.database)
            let prompt = String(repeating: "p", count: 60_000)
            for number in 0..<75 {
                try await repository.insert(
                    TaskRecord(
                        id: "id\(number)", name: "task \(100 + number)", schedule: "@daily", prompt: prompt,
                        owner: "root", createdAt: 1, updatedAt: 1))
            }
            for limit in ["?limit=10", "?"] {
                var (names, pages) = ([String](), 0)
                var cursor: String?
                repeat {
                    let page = try await client.ask(
                        "GET", Self.path + limit + (cursor.map { "&cursor=\($0)" } ?? "")
                    ).decode(TasksBody.self)
                    names += page.tasks.map(\.name)
                    cursor = page.nextCursor
                    pages += 1
                    // A page is no longer than can be held at once.
                    #expect(page.tasks.count <= 36)
                } while cursor != nil && pages < 100
                #expect(names == (0..<75).map { "task \(100 + $0)" }, "\(limit)")
            }
        }
    }

    @Test func runsAreListedNewestFirst() async throws {
        try await Self.with { client, gateway in
            try await TestPlans.insert("abcdef", into: gateway.database)
            for number in 1...4 {
                try await TaskRepository(gateway.database).insert(
                    TaskRunRecord(
                        id: "run\(number)", taskID: "abcdef", trigger: "manual", status: "failed", startedAt: 10,
                        finishedAt: 11, error: "no"))
            }
            var (ids, cursor) = ([String](), String?.none)
            repeat {
                let page = try await client.ask(
                    "GET", "\(Self.path)/morning/runs?limit=2" + (cursor.map { "&cursor=\($0)" } ?? "")
                ).decode(TaskRunsBody.self)
                ids += page.runs.map(\.id)
                cursor = page.nextCursor
            } while cursor != nil
            #expect(ids == ["run4", "run3", "run2", "run1", "abcdef"])
            // They go with their task.
            #expect(try await client.ask("DELETE", "\(Self.path)/morning").status == 200)
            #expect(
                try await TaskRepository(gateway.database).runs(of: "abcdef", before: nil, limit: 9).rows.isEmpty)
        }
    }

    @Test func withoutAnybodyWhoServesNothingRuns() async throws {
        try await Self.with { client, gateway in
            try await TestPlans.insert("abcdef", into: gateway.database)
            for (path, body) in [("/morning/run", nil), ("/morning/run", "{}"), ("/morning/stop", nil)]
                as [(String, String?)]
            {
                let answer = try await client.ask("POST", Self.path + path, body)
                #expect(answer.status == 503 && answer.code == "unavailable" && answer.hint != nil, "\(answer)")
            }
            #expect(try await client.ask("POST", "\(Self.path)/morning/run", "[").status == 400)
            #expect(try await client.ask("POST", "\(Self.path)/nothing/run", "{}").status == 404)
        }
    }

    @Test func aScheduleIsDescribed() async throws {
        try await Self.with { client, gateway in
            func describe(_ query: String) async throws -> TestResponse {
                try await client.ask("GET", "/api/cron/describe?\(query)")
            }
            let daily = try await describe("expression=0%209%20*%20*%20*&count=20&timezone=Europe/Berlin")
                .decode(ScheduleBody.self)
            #expect(daily.valid && !daily.oneShot && daily.upcoming.count == 20)
            #expect(daily.upcoming.allSatisfy { $0.iso.contains("T09:00:00+0") })
            let every = try await describe("expression=@every%2010s").decode(ScheduleBody.self)
            #expect(every.upcoming.count == 3 && every.upcoming[2].epoch - every.upcoming[0].epoch == 20)
            let once = try await describe("expression=@once:4102444800&count=5").decode(ScheduleBody.self)
            #expect(once.oneShot && once.upcoming == [.init(epoch: 4_102_444_800, iso: "2100-01-01T00:00:00+00:00")])
            for query in ["expression=nonsense", "expression=@daily&timezone=Mars", "expression=0%200%2030%202%20*"] {
                let answer = try await describe(query)
                let body = try answer.decode(ScheduleBody.self)
                #expect(answer.status == 200 && !body.valid && body.error != nil && body.upcoming.isEmpty, "\(query)")
            }
            for query in ["", "expression=", "expression=@daily&count=0", "expression=@daily&count=21"] {
                #expect(try await describe(query).status == 400, "\(query)")
            }
        }
    }

    @Test("CEN-23: whatever changes a task or workflow tells what runs them")
    func everyChangeIsTold() async throws {
        let database = try Store.Database(
            path: FileManager.default.temporaryDirectory.path + "/plans-\(UUID().uuidString).db")
        let (changes, change) = AsyncStream.makeStream(of: Void.self)
        let tasks = ScheduledTasks(TaskRepository(database), now: { 1_000 }, changed: { _ = change.yield() })
        let task = try await tasks.create(.init(name: "a", schedule: "@daily", prompt: "p"), by: "root")
        _ = try await tasks.update(task.id, .init())
        _ = try await tasks.delete("a")
        let workflows = Workflows(WorkflowRepository(database), now: { 1_000 }, changed: { _ = change.yield() })
        let graph = #"{"nodes":[],"edges":[],"variables":{}}"#
        _ = try await workflows.create(.init(name: "a", graph: graph), by: "root")
        _ = try await workflows.update("a", .init())
        _ = try await workflows.delete("a")
        // What is refused changes nothing.
        await #expect(throws: PlanError.self) { try await tasks.delete("a") }
        change.finish()
        #expect(await changes.reduce(0) { count, _ in count + 1 } == 6)
        try database.close()
    }
}
