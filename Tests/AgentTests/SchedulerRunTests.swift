import Testing

@testable import Agent
@testable import Store

// Runs that somebody asks for, and what is left of runs.

@Suite struct SchedulerRunTests {
    @Test("a run that is asked for begins at once, one at a time, and can be stopped")
    func byHand() async throws {
        try await SchedulerTests.with(turns: FakeTurns { _ in nil }) { room in
            let task = try await room.make("water", "@daily")
            let run = try await room.scheduler.start(task.id)
            let turn = try await room.turns.next()
            #expect(turn.messageID == run.id)
            await #expect(throws: PlanError.self) { try await room.scheduler.start(task.id) }
            await #expect(throws: PlanError.notFound("x")) { try await room.scheduler.start("x") }
            #expect(await room.scheduler.stop(task.id) == run.id)
            #expect(try await room.lastRun(task).status == "cancelled")
            #expect(await room.scheduler.stop(task.id) == nil)
            // Removing a task stops its run.
            _ = try await room.scheduler.start(task.id)
            let last = try await room.turns.next()
            _ = try await room.tasks.delete(task.id)
            await room.scheduler.wait(for: last.messageID, of: task.id)
            #expect(await room.scheduler.runningTasks.isEmpty)
        }
    }

    @Test("one that waits for its place can be stopped, and never runs")
    func stoppedWhileWaiting() async throws {
        var limits = SchedulerTests.calm
        limits.runs = 1
        try await SchedulerTests.with(turns: FakeTurns { _ in nil }, limits: limits) { room in
            let (first, second) = (try await room.make("a", "@daily"), try await room.make("b", "@daily"))
            _ = try await room.scheduler.start(first.id)
            let turn = try await room.turns.next()
            let waiting = try await room.scheduler.start(second.id)
            #expect(await room.scheduler.stop(second.id) == waiting.id)
            #expect(try await room.repository.run(waiting.id)?.status == "cancelled")
            room.turns.end(turn.messageID)
            await room.scheduler.wait(for: turn.messageID, of: first.id)
            #expect(room.turns.asked.count == 1)
        }
    }

    @Test("the last hundred runs are remembered, with as much of an answer as there is room for")
    func history() async throws {
        let turns = FakeTurns { _ in .init(ending: .completed, text: String(repeating: "ä", count: 40_000)) }
        var limits = SchedulerTests.calm
        limits.kept = 3
        try await SchedulerTests.with(turns: turns, limits: limits) { room in
            let task = try await room.make("water", "@every 60s")
            for _ in 1...5 {
                try await room.clock.advance(by: 60)
                _ = try await room.lastRun(task)
            }
            #expect(try await room.minutes(task) == [3, 4, 5])
            let text = try #require(try await room.lastRun(task).output)
            #expect(text.utf8.count <= 65_539 && text.hasSuffix("ä…"))
        }
    }

    @Test("a run that begins while the one before it is being put away goes on to its own end, and can be stopped")
    func overlapping() async throws {
        var limits = SchedulerTests.calm
        for places in [1, 2] {
            limits.runs = places
            try await SchedulerTests.with(turns: FakeTurns { _ in nil }, limits: limits) { room in
                let task = try await room.make("water", "@daily")
                let first = try await room.scheduler.start(task.id)
                let turn = try await room.turns.next()
                // On disk it has ended; who performed it does not know yet that this is written.
                var end = first
                (end.status, end.finishedAt) = ("success", room.clock.now)
                _ = try await room.repository.end(end, kept: 100)
                let second = try await room.scheduler.start(task.id)
                room.turns.end(turn.messageID)
                #expect(try await room.turns.next().messageID == second.id)
                await room.scheduler.wait(for: first.id, of: task.id)
                #expect(await room.scheduler.runningTasks == [task.id])
                #expect(await room.scheduler.stop(task.id) == second.id)
                #expect(try await room.repository.run(second.id)?.status == "cancelled")
                #expect(await room.scheduler.runningTasks.isEmpty)
            }
        }
    }
}
