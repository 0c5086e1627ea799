import Foundation
import Logging
import Synchronization
import Testing

@testable import Agent
@testable import Store

// What is due runs once, whatever changes, fails, jumps or crashes meanwhile.

@Suite struct SchedulerTests {
    // MARK: Times

    @Test("a task runs exactly when it is due, in the name of whoever made it, and its run is remembered")
    func runs() async throws {
        try await Self.with { room in
            let task = try await room.make("water", "*/10 * * * *") { $0.model = "local:small" }
            try await room.clock.advance(by: 599)
            #expect(try await room.runs(task).isEmpty)
            try await room.clock.advance(by: 1)
            let turn = try await room.turns.next()
            #expect(turn.handle == "ana" && turn.text == "Do water" && turn.forgets && turn.model == "local:small")
            #expect(turn.sessionID == "scheduler:\(task.id)")
            let run = try await room.lastRun(task)
            #expect(run.id == turn.messageID && run.due == Self.noon + 600 && run.startedAt == Self.noon + 600)
            #expect(run.status == "success" && run.output == "said: Do water" && run.trigger == "schedule")
            let kept = try #require(try await room.repository.task(task.id))
            #expect(kept.lastRun == Self.noon + 600 && kept.nextRun == Self.noon + 1_200)
        }
    }

    @Test(
        "P-77: a time that was edited, disabled or removed while it was waited for does not fire, and the new one does")
    func changesAreFollowed() async throws {
        try await Self.with { room in
            let edited = try await room.make("edited", "10 12 * * *")
            let disabled = try await room.make("disabled", "10 12 * * *")
            let removed = try await room.make("removed", "10 12 * * *")
            let sooner = try await room.make("sooner", "50 12 * * *")
            try await room.clock.advance(by: 590)
            var change = ScheduledTasks.Change()
            change.schedule = "20 12 * * *"
            _ = try await room.tasks.update(edited.id, change)
            change.schedule = "12 12 * * *"
            _ = try await room.tasks.update(sooner.id, change)
            change = ScheduledTasks.Change()
            change.isEnabled = false
            _ = try await room.tasks.update(disabled.id, change)
            _ = try await room.tasks.delete(removed.id)
            try await room.clock.advance(by: 60)
            #expect(room.turns.asked.isEmpty)
            try await room.clock.advance(by: 3_000)
            #expect(try await room.minutes(edited) == [20])
            #expect(try await room.minutes(sooner) == [12])
            #expect(try await room.minutes(disabled) == [])
            #expect(try await room.runs(removed).isEmpty)
        }
    }

    @Test("P-77: a task that is changed between the look at the clock and the taking of its time does not run twice")
    func takingIsOneTransaction() async throws {
        try await Self.with { room in
            let task = try await room.make("water", "10 12 * * *")
            let due = try #require(task.nextRun)
            var firing = TaskFiring(
                taskID: task.id, expected: due, next: due + 86_400, isLast: false,
                run: TaskRunRecord(
                    id: "r1", taskID: task.id, trigger: "schedule", status: "running", startedAt: due, due: due))
            var change = ScheduledTasks.Change()
            change.schedule = "20 12 * * *"
            let moved = try await room.tasks.update(task.id, change)
            #expect(try await room.repository.take([firing], now: due).isEmpty)
            #expect(try await room.repository.task(task.id)?.nextRun == moved.nextRun)
            // Two that take the same time: one gets it, also when the row is set back to it.
            firing.expected = try #require(moved.nextRun)
            #expect(try await room.repository.take([firing], now: due).map(\.id) == ["r1"])
            _ = try await room.repository.end(
                TaskRunRecord(id: "r1", taskID: task.id, trigger: "", status: "success", startedAt: 0), kept: 9)
            _ = try await room.repository.update(task.id) { $0.nextRun = due }
            firing.expected = due
            firing.run?.id = "r2"
            #expect(try await room.repository.take([firing], now: due).isEmpty)
        }
    }

    @Test("P-78: a task that fails keeps its pace, and so do the others")
    func failuresDoNotStop() async throws {
        struct Broken: Error {}
        let turns = FakeTurns { turn in
            if turn.text == "Do broken" { throw Broken() }
            return UnattendedAnswer(ending: turn.text == "Do bad" ? .failed("no model") : .completed, text: "")
        }
        try await Self.with(turns: turns) { room in
            let tasks = [
                try await room.make("broken", "@every 60s"), try await room.make("bad", "@every 60s"),
                try await room.make("good", "@every 60s"),
            ]
            for _ in 1...5 {
                try await room.clock.advance(by: 60)
                for task in tasks { _ = try await room.lastRun(task) }
            }
            for task in tasks { #expect(try await room.minutes(task) == [1, 2, 3, 4, 5], "\(task.name)") }
            let statuses = try await room.runs(tasks[0]).map(\.status) + room.runs(tasks[2]).map(\.status)
            #expect(Set(statuses.prefix(5)) == ["failed"] && Set(statuses.suffix(5)) == ["success"])
            #expect(try await room.runs(tasks[1]).allSatisfy { $0.error == "no model" })
            #expect(try await room.runs(tasks[0]).allSatisfy { $0.error?.isEmpty == false })
        }
    }

    @Test("P-78: names are unique, an interval has at least a second, and there is a most of tasks")
    func bounds() async throws {
        try await Self.with { room in
            _ = try await room.make("water", "@every 1s") { $0.isEnabled = false }
            await #expect(throws: PlanError.nameTaken("water")) { try await room.make("water", "@daily") }
            for text in ["@every 0s", "@every 0", "@every", "@every -1s", "@every 0.5s"] {
                await #expect(throws: PlanError.self, "\(text)") { try await room.make("other", text) }
            }
            let extra = TaskRecord(
                id: "extra", name: "extra", schedule: "@daily", prompt: "x", owner: "ana", createdAt: 1, updatedAt: 1)
            await #expect(throws: PlanStorageError.tooMany(1)) { try await room.repository.insert(extra, limit: 1) }
        }
    }

    @Test("an interval of one second fires each second, and what takes longer is skipped and recorded once")
    func neverTwiceAtOnce() async throws {
        try await Self.with(turns: FakeTurns { $0.text == "Do slow" ? nil : .init(ending: .completed, text: "") }) {
            room in
            let slow = try await room.make("slow", "@every 1s")
            try await room.clock.advance(by: 1)
            let turn = try await room.turns.next()
            for _ in 1...4 { try await room.clock.advance(by: 1) }
            #expect(try await room.runs(slow).map(\.status).sorted() == ["running", "skipped"])
            // It keeps nobody else waiting.
            let quick = try await room.make("quick", "@every 1s")
            for _ in 1...3 {
                try await room.clock.advance(by: 1)
                _ = try await room.lastRun(quick)
            }
            #expect(try await room.runs(quick).map(\.status) == ["success", "success", "success"])
            room.turns.end(turn.messageID)
            await room.scheduler.wait(for: turn.messageID, of: slow.id)
            try await room.clock.advance(by: 1)
            let again = try await room.turns.next()
            #expect(again.messageID != turn.messageID)
            room.turns.end(again.messageID)
        }
    }

    @Test("no more than the bound run at a time, the longest due first")
    func bounded() async throws {
        var limits = Self.calm
        limits.runs = 2
        try await Self.with(turns: FakeTurns { _ in nil }, limits: limits) { room in
            for (name, minute) in [("c", 3), ("a", 1), ("d", 4), ("b", 2)] {
                _ = try await room.make(name, "\(minute) 12 * * *")
            }
            try await room.clock.advance(by: 240)
            var order: [String] = []
            for _ in 1...4 {
                let turn = try await room.turns.next()
                order.append(turn.text)
                #expect(room.turns.asked.count <= order.count + 1)
                room.turns.end(turn.messageID)
            }
            #expect(Set(order.prefix(2)) == ["Do a", "Do b"] && Set(order.suffix(2)) == ["Do c", "Do d"])
        }
    }

    @Test("what runs once fires when due and is off afterwards, also when it fails; a past one fires at the next start")
    func once() async throws {
        let turns = FakeTurns { _ in .init(ending: .failed("no"), text: "") }
        try await Self.with(turns: turns) { room in
            let later = try await room.make("later", "@once:\(Int(Self.noon) + 90)")
            let past = try await room.make("past", "@once:\(Int(Self.noon) - 864_000)")
            for task in [past, later] {
                let run = try await { () -> TaskRunRecord in
                    if task.name == "later" { try await room.clock.advance(by: 90) }
                    return try await room.lastRun(task)
                }()
                #expect(run.status == "failed")
                let kept = try #require(try await room.repository.task(task.id))
                #expect(!kept.isEnabled && kept.nextRun == nil && kept.lastRun == room.clock.now)
            }
            try await room.clock.advance(by: 86_400)
            #expect(room.turns.asked.count == 2)
        }
    }

    // MARK: Missed times

    enum Jump: String, CaseIterable { case forward, back, asleep }

    @Test(
        "P-79: what was missed follows the policy, with one catch-up at most, whichever way the clock jumps",
        arguments: TaskRecord.CatchUp.allCases, Jump.allCases)
    func missedTimes(_ policy: TaskRecord.CatchUp, _ jump: Jump) async throws {
        try await Self.with { room in
            // Due at half past each hour; the jump of eight hours ends at a full one.
            let task = try await room.make("hourly", "30 * * * *") { $0.catchUp = policy }
            let single = try await room.make("single", "@once:\(Int(Self.noon) + 4 * 3_600)")
            try await room.clock.advance(by: 3_600)
            #expect(try await room.minutes(task) == [30])
            switch jump {
            case .forward, .asleep:
                room.clock.jump(by: 8 * 3_600)
                try await room.clock.advance(by: 300)
                let caught: [Double] = policy == .once ? [30, 90] : [30]
                #expect(try await room.minutes(task) == caught)
                #expect(try await room.runs(single).count == 1, "what runs once is never lost")
                try await room.clock.advance(by: 3_600)
                #expect(try await room.minutes(task) == caught + [9 * 60 + 30])
            case .back:
                // 05:00: the last firing is newer than now.
                room.clock.jump(by: -8 * 3_600)
                try await room.clock.advance(by: 300)
                #expect(try await room.minutes(task) == [30])
                try await room.clock.advance(by: 3_600)
                #expect(Set(try await room.minutes(task)) == [30, -7 * 60 + 30])
                // Its own time, which has fired, does not come again.
                try await room.clock.advance(by: 7 * 3_600)
                #expect(try await room.minutes(task).filter { $0 == 30 }.count == 1)
                #expect(try await room.runs(single).isEmpty)
            }
        }
    }

    @Test(
        "P-79: after eight hours without anybody to serve it an agent makes up for at most one time",
        arguments: [
            TaskRecord.CatchUp.skip, .once,
        ])
    func missedWhileStopped(_ policy: TaskRecord.CatchUp) async throws {
        let path = FileManager.default.temporaryDirectory.path + "/scheduler-\(UUID().uuidString).db"
        defer { for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + suffix) } }
        try await Self.with(path: path) { room in
            _ = try await room.make("hourly", "30 * * * *") { $0.catchUp = policy }
            _ = try await room.make("often", "@every 7m") { $0.catchUp = policy }
        }
        try await Self.with(at: Self.noon + 8 * 3_600, path: path) { room in
            try await room.clock.settle()
            let task = try await room.tasks.task("hourly")
            #expect(try await room.minutes(task) == (policy == .once ? [30] : []))
            #expect(task.nextRun == Self.noon + 8.5 * 3_600)
            let often = try await room.tasks.task("often")
            #expect(try await room.runs(often).count == (policy == .once ? 1 : 0))
            // The pace of an interval stays.
            #expect(often.nextRun.map { ($0 - Self.noon).remainder(dividingBy: 420) } == 0)
        }
        // Back in time, as after a wrong clock at the last start.
        try await Self.with(at: Self.noon, path: path) { room in
            try await room.clock.settle()
            #expect(try await room.tasks.task("hourly").nextRun == Self.noon + 1_800)
            #expect(try await room.tasks.task("often").nextRun == Self.noon + 420)
        }
    }

    @Test("a due time is late, missed or on time: the decision alone")
    func decisions() throws {
        let hourly = try Schedule("0 * * * *")
        let hour = 3_600.0
        let on = DueTime(hourly, due: hour, now: hour + 59, catchUp: .skip)
        #expect(on.fires == hour && on.next == 2 * hour)
        #expect(DueTime(hourly, due: hour, now: hour + 61, catchUp: .skip).fires == nil)
        #expect(DueTime(hourly, due: hour, now: hour + 61, catchUp: .once).fires == hour)
        // Of many the one that is not late.
        #expect(DueTime(hourly, due: hour, now: 9 * hour + 1, catchUp: .skip).fires == 9 * hour)
        #expect(DueTime(hourly, due: hour, now: 9 * hour + 1, catchUp: .once).fires == 9 * hour)
        let single = DueTime(try Schedule("@once:10"), due: 10, now: 1e9, catchUp: .skip)
        #expect(single.fires == 10 && single.next == nil)
        // Clocks are put forward in Berlin at 02:00 on 2026-03-29: what is due at 02:30 fires once, at 03:00.
        let berlin = try Schedule("30 2 * * *", timeZone: try Schedule.timeZone("Europe/Berlin"))
        let gap = 1_774_746_000.0
        let night = DueTime(berlin, due: gap, now: gap, catchUp: .skip)
        #expect(berlin.next(after: gap - 3_600) == gap && night.fires == gap)
        #expect(night.next.map { $0 - gap } == 23.5 * hour)
    }

    // MARK: Crashes

    @Test(
        "a run that was taken and not ended is asked for again under its id after a crash, and its time is not taken twice"
    )
    func resumes() async throws {
        let path = FileManager.default.temporaryDirectory.path + "/scheduler-\(UUID().uuidString).db"
        defer { for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + suffix) } }
        let first = FakeTurns { _ in nil }
        try await Self.with(path: path, turns: first) { room in
            let task = try await room.make("water", "10 12 * * *")
            let other = try await room.make("tea", "@daily")
            try await room.clock.advance(by: 600)
            _ = try await first.next()
            _ = try await room.scheduler.start(other.id)
            _ = try await first.next()
            #expect(await room.scheduler.runningTasks == [task.id, other.id])
        }
        let second = FakeTurns()
        try await Self.with(at: Self.noon + 7_200, path: path, turns: second) { room in
            for name in ["water", "tea"] {
                _ = try await second.next()
                let run = try await room.lastRun(try await room.tasks.task(name))
                #expect(run.status == "success" && first.asked.contains { $0.messageID == run.id })
            }
            #expect(Set(second.asked.map(\.messageID)) == Set(first.asked.map(\.messageID)))
            try await room.clock.advance(by: 3_600)
            #expect(second.asked.count == 2)
        }
        // So long ago that its message is not known any more: it does not run again.
        try await Self.with(at: Self.noon + 20_000, path: path, turns: first) { room in
            _ = try await room.scheduler.start(try await room.tasks.task("tea").id)
            _ = try await first.next()
        }
        let third = FakeTurns()
        try await Self.with(at: Self.noon + 30 * 86_400, path: path, turns: third) { room in
            try await room.clock.settle()
            let run = try await room.lastRun(try await room.tasks.task("tea"))
            #expect(run.status == "failed" && run.error != nil, "\(run)")
            #expect(third.asked.isEmpty)
        }
    }

    // MARK: Workflows

    @Test("workflows that are due are fired once, also when firing fails or a crash comes between")
    func workflows() async throws {
        let path = FileManager.default.temporaryDirectory.path + "/scheduler-\(UUID().uuidString).db"
        defer { for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + suffix) } }
        struct Broken: Error {}
        let (arrivals, arrival) = AsyncStream.makeStream(of: WorkflowFiring.self)
        let isDown = Mutex(true)
        let fire = Firing { firing in
            arrival.yield(firing)
            if isDown.withLock({ $0 }) { throw CancellationError() }
            throw Broken()
        }
        let graph =
            #"{"nodes":[{"id":"t","type":"trigger-schedule","config":{"cron_expression":"10 12 * * *"}}],"edges":[],"variables":{}}"#
        try await Self.with(path: path, firing: fire) { room in
            let workflows = Workflows(room.workflows, now: { room.clock.now }, changed: { room.scheduler.wake() })
            let made = try await workflows.create(.init(name: "flow", graph: graph), by: "ana")
            try await room.clock.settle()
            try await room.clock.advance(by: 600)
            let firing = try await Self.next(arrivals)
            #expect(firing.workflowID == made.id && firing.nodeID == "t" && firing.due == Self.noon + 600)
            #expect(try await room.workflows.firings() == [firing], "it has not begun")
        }
        isDown.withLock { $0 = false }
        try await Self.with(at: Self.noon + 700, path: path, firing: fire) { room in
            let again = try await Self.next(arrivals)
            #expect(again.due == Self.noon + 600, "asked for again under the same id")
            try await SchedulerClock.within(20, "the firing's end") {
                while try await !room.workflows.firings().isEmpty { await Task.yield() }
            }
            // The failure does not stop the schedule.
            try await room.clock.advance(by: 86_400)
            #expect(try await Self.next(arrivals).due == Self.noon + 87_000)
        }
    }

    private static func next(_ arrivals: AsyncStream<WorkflowFiring>) async throws -> WorkflowFiring {
        try await SchedulerClock.within(20, "a workflow to be fired") {
            for await firing in arrivals { return firing }
            throw CancellationError()
        }
    }
}
