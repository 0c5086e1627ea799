import Foundation
import GRDB
import Testing

@testable import Agent
@testable import Certs
@testable import Gateway
@testable import Store
@testable import Transport
@testable import Wire

// Turns that nobody types: as durable as others, in a user's name, and in nobody's way.

@Suite struct UnattendedTests {
    private static func turn(_ id: String = "run-1", forgets: Bool = true) -> UnattendedTurn {
        UnattendedTurn(
            messageID: id, sessionID: "scheduler:t", handle: "ana", text: "Water the plants", forgets: forgets)
    }

    private static func gateway(
        _ agent: ScriptedAgent = ScriptedAgent(), path: String? = nil, usage: UsageSettings = UsageSettings(),
        hasScheduler: Bool = false, key: SecretKey = SecretKey()
    ) throws -> TestGateway {
        let gateway = try TestGateway(agent, databasePath: path, usage: usage, hasScheduler: hasScheduler, key: key)
        gateway.membership.set(.active(role: .member), forUser: "ana")
        return gateway
    }

    @Test("a turn runs in the user's name in its session, keeps no chat waiting, and is forgotten when it wants to be")
    func runs() async throws {
        let gateway = try Self.gateway()
        try await gateway.run { running in
            async let first = gateway.unattended.run(Self.turn())
            let run = try await gateway.agent.nextRun()
            #expect(run.request.isUnattended && run.request.handle == "ana" && run.request.text == "Water the plants")
            #expect(run.request.sessionID == "scheduler:t")
            // Another one of the same user, and a chat of theirs, go on meanwhile.
            var other = Self.turn("run-2")
            other.sessionID = "scheduler:u"
            async let second = gateway.unattended.run(other)
            try await gateway.agent.nextRun().answer("second")
            #expect(try await second.text == "second")
            let socket = try await running.webSocket(gateway.device())
            try await socket.say("hello")
            let chat = try await gateway.agent.nextRun()
            #expect(!chat.request.isUnattended)
            chat.answer("hello")
            _ = try await socket.messages { $0.isTurnEnd }
            run.delta("wa")
            run.answer(
                TurnOutcome(text: "watered", model: "test", usage: TurnUsage(inputTokens: 3, outputTokens: 2, cost: 1)))
            let answer = try await first
            #expect(answer.ending == .completed && answer.text == "watered" && answer.model == "test")
            #expect(answer.usage == TurnUsage(inputTokens: 3, outputTokens: 2, cost: 1) && answer.turnID != nil)
            // It is in nobody's transcript, and asked for again it is the same turn with the same end.
            let context = try await gateway.sessions.context(handle: "ana", sessionID: "scheduler:t", limit: 9)
            #expect(context?.messages.isEmpty ?? true)
            let again = try await gateway.unattended.run(Self.turn())
            #expect(again == answer && gateway.agent.runs.count == 3)
            async let third = gateway.unattended.run(Self.turn("run-3", forgets: false))
            let last = try await gateway.agent.nextRun()
            #expect(last.request.history.isEmpty)
            last.fail(AgentError.modelFailed("no key"))
            let failed = try await third
            #expect(failed.ending == .failed("Error: the model failed: no key") && failed.text.isEmpty)
        }
    }

    @Test("nothing runs in the name of a user who was removed or suspended, or whom nobody can vouch for")
    func rights() async throws {
        let gateway = try Self.gateway()
        try await gateway.run { _ in
            for standing in [DeviceStanding.suspended, .unknown, .unavailable] {
                gateway.membership.set(standing, forUser: "ana")
                guard case .failed(let reason) = try await gateway.unattended.run(Self.turn()).ending else {
                    Issue.record("\(standing)")
                    continue
                }
                #expect(!reason.isEmpty)
            }
            #expect(gateway.agent.runs.isEmpty)
        }
    }

    @Test("cancelling stops the turn")
    func cancelling() async throws {
        let gateway = try Self.gateway()
        try await gateway.run { _ in
            let run = try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { _ = try await gateway.unattended.run(Self.turn()) }
                let run = try await gateway.agent.nextRun()
                group.cancelAll()
                await #expect(throws: CancellationError.self) { try await group.next() }
                return run
            }
            #expect(try await run.wasCancelled())
        }
    }

    @Test("P-94: unattended turns count for the limits of a day, and are refused in words when one is reached")
    func limits() async throws {
        var caps = UsageCaps()
        caps.user.requests = 1
        let gateway = try Self.gateway(
            ScriptedAgent(.immediate { _ in "done" }), usage: UsageSettings(caps: caps))
        try await gateway.run { running in
            #expect(try await gateway.unattended.run(Self.turn()).ending == .completed)
            guard case .failed(let reason) = try await gateway.unattended.run(Self.turn("run-2")).ending else {
                Issue.record("it was let through")
                return
            }
            for part in ["limit of 1 requests", "user ana", "1 requests used", "begins anew at"] {
                #expect(reason.contains(part), "\(reason)")
            }
            let socket = try await running.webSocket(gateway.device())
            try await socket.say("hello", id: "m")
            #expect(try await socket.message().errorCode == .budgetExceeded)
            // What ran before has its end, whatever the limit.
            #expect(try await gateway.unattended.run(Self.turn()).text == "done")
        }
    }

    @Test(
        "after a crash the same message is the same turn: it goes on when it had not ended, and tells its end when it had"
    )
    func crash() async throws {
        let copies = (1...2).map { FileManager.default.temporaryDirectory.path + "/unattended-\($0)-\(UUID()).db" }
        defer {
            for copy in copies {
                for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: copy + suffix) }
            }
        }
        let first = try Self.gateway()
        /// The disk as a crash at this moment would leave it.
        @Sendable func copy(to path: String) async throws {
            try await first.database.pool.writeWithoutTransaction {
                try $0.execute(sql: "VACUUM INTO ?", arguments: [path])
            }
        }
        try await first.run { _ in
            async let answer = first.unattended.run(Self.turn())
            let run = try await first.agent.nextRun()
            run.journal(.modelReply("so far"))
            run.status("written down")
            while try await first.database.pool.read({ try Int.fetchOne($0, sql: "SELECT count(*) FROM turn_journal") })
                == 0
            { await Task.yield() }
            try await copy(to: copies[0])
            run.answer("watered")
            _ = try await answer
            try await copy(to: copies[1])
        }
        let second = try Self.gateway(path: copies[0], key: first.coordinator)
        try await second.run { _ in
            async let answer = second.unattended.run(Self.turn())
            let run = try await second.agent.nextRun()
            #expect(run.earlierJournal == [.modelReply("so far")] && run.request.isUnattended)
            run.answer("watered after all")
            #expect(try await answer.text == "watered after all")
            #expect(second.agent.runs.count == 1)
        }
        let third = try Self.gateway(path: copies[1], key: first.coordinator)
        try await third.run { _ in
            let answer = try await third.unattended.run(Self.turn())
            #expect(answer.text == "watered")
            #expect(third.agent.runs.isEmpty)
        }
    }

    @Test("a task is run, waited for, stopped and told of over REST")
    func tasksOverREST() async throws {
        let gateway = try Self.gateway(hasScheduler: true)
        let admin = gateway.device("ana", standing: .active(role: .admin))
        try await gateway.run { running in
            let listener = try await running.webSocket(admin)
            let client = TaskRoutesTests.Client(running: running, device: admin)
            let path = "/api/scheduled-tasks"
            let made = try await client.send(
                "POST", path, ["name": "water", "cron_expression": "@daily", "prompt": "Water"]
            ).decode(TaskBody.self)
            _ = try await listener.resourceEvent { $0.resource == "scheduled_task" && $0.action == "created" }
            let begun = try await client.ask("POST", "\(path)/water/run").decode(TaskRunBody.self)
            #expect(begun.status == "running" && begun.trigger == "manual" && begun.sessionID == "scheduler:\(made.id)")
            let run = try await gateway.agent.nextRun()
            #expect(run.request.handle == "ana")
            #expect(try await client.ask("GET", "\(path)/water").decode(TaskBody.self).running)
            #expect(try await client.ask("GET", path).decode(TasksBody.self).tasks.map(\.running) == [true])
            let twice = try await client.ask("POST", "\(path)/water/run")
            #expect(twice.status == 409 && twice.code == "conflict", "\(twice)")
            run.answer("watered")
            let told = try await listener.resourceEvent { $0.resource == "scheduled_task" }
            #expect(told.action == "updated" && told.id == made.id)
            let list = try await client.ask("GET", "\(path)/water/runs").decode(TaskRunsBody.self)
            #expect(list.runs.map(\.status) == ["success"] && list.runs.first?.output == "watered")
            #expect(try await !client.ask("GET", "\(path)/water").decode(TaskBody.self).running)

            #expect(try await client.ask("POST", "\(path)/water/stop").status == 409)
            _ = try await client.ask("POST", "\(path)/water/run", "{}")
            _ = try await gateway.agent.nextRun()
            let stopped = try await client.ask("POST", "\(path)/water/stop").decode(TaskRunBody.self)
            #expect(stopped.status == "cancelled" && stopped.finishedAt != nil)
            // Whoever waits gets the run as it is when the time is over, or its end.
            let waited = try await client.ask("POST", "\(path)/water/run", #"{"wait":true}"#).decode(TaskRunBody.self)
            #expect(waited.status == "running")
        }
    }

    @Test(
        "dream mode follows the configuration: made, moved, switched off, and its time may be a number that YAML made of it"
    )
    func dreamMode() async throws {
        let gateway = try Self.gateway()
        let tasks = try #require(gateway.configuration.tasks)
        try await tasks.keepDreamMode(enabled: false, schedule: "0 3 * * *", timeZone: "UTC", owner: "operator")
        await #expect(throws: PlanError.self) { try await tasks.task("dream-mode") }
        try await tasks.keepDreamMode(enabled: true, schedule: "0 3 * * *", timeZone: "UTC", owner: "operator")
        let made = try await tasks.task("dream-mode")
        #expect(made.isEnabled && made.nextRun.map { Int($0) % 86_400 == 3 * 3_600 } == true)
        try await tasks.keepDreamMode(enabled: true, schedule: "30 4 * * *", timeZone: "UTC", owner: "operator")
        let moved = try await tasks.task("dream-mode")
        #expect(moved.nextRun.map { Int($0) % 86_400 == 4 * 3_600 + 1_800 } == true)
        try await tasks.keepDreamMode(enabled: false, schedule: "30 4 * * *", timeZone: "UTC", owner: "operator")
        let off = try await tasks.task("dream-mode")
        #expect(!off.isEnabled && off.nextRun == nil)

        let directory = AgentDirectory("/agents/ada")
        for (text, schedule) in [
            ("time: 3:00", "0 3 * * *"), ("time: 180", "0 3 * * *"), ("time: \"23:59\"", "59 23 * * *"),
            ("time: 3:00\n  cron: \"5 4 * * 0\"", "5 4 * * 0"), ("enabled: true", "0 3 * * *"),
        ] {
            let found = AgentConfiguration.examine(
                "dream_mode:\n  \(text)\n", file: "openagent.yaml", directory, environment: [:])
            #expect(found.errors.isEmpty && found.warnings.isEmpty, "\(text): \(found.errors)")
            #expect(found.configuration.dreamMode.schedule == schedule, "\(text)")
            #expect(found.configuration.dreamMode.isEnabled == (text == "enabled: true"))
        }
        for text in [
            "time: 24:00", "time: 3:60", "time: 1440", "time: -1", "cron: nonsense", "timezone: Mars", "enabled: 7",
        ] {
            let found = AgentConfiguration.examine(
                "dream_mode:\n  \(text)\n", file: "openagent.yaml", directory, environment: [:])
            #expect(found.errors.count == 1, "\(text)")
        }
    }
}
