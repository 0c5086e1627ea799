import Foundation
import Logging
import Testing

@testable import Agent
@testable import Store

// A scheduler at work on a database of its own, with a clock and turns that a test rules.

extension SchedulerTests {
    /// A Sunday, 2026-11-22 at 12:00:00 UTC.
    static let noon = 1_795_348_800.0

    /// An agent's tasks and the scheduler that runs them.
    struct Room: Sendable {
        let clock: SchedulerClock
        let turns: FakeTurns
        let scheduler: Scheduler
        let tasks: ScheduledTasks
        let repository: TaskRepository
        let workflows: WorkflowRepository
        let database: Store.Database

        /// What ran, oldest first.
        func runs(_ task: TaskRecord) async throws -> [TaskRunRecord] {
            try await repository.runs(of: task.id, before: nil, limit: 1_000).rows.reversed()
        }

        func make(
            _ name: String, _ schedule: String, _ change: (inout ScheduledTasks.Draft) -> Void = { _ in }
        ) async throws -> TaskRecord {
            var draft = ScheduledTasks.Draft(name: name, schedule: schedule, prompt: "Do \(name)")
            change(&draft)
            let task = try await tasks.create(draft, by: "ana")
            try await clock.settle()
            return task
        }

        /// The minutes after noon for which a task ran.
        func minutes(_ task: TaskRecord) async throws -> [Double] {
            try await runs(task).compactMap { $0.due.map { ($0 - SchedulerTests.noon) / 60 } }
        }

        /// Until the last run of a task has ended.
        func lastRun(_ task: TaskRecord) async throws -> TaskRunRecord {
            try await SchedulerClock.within(20, "the end of a run") {
                if let run = try await repository.runs(of: task.id, before: nil, limit: 1).rows.first {
                    await scheduler.wait(for: run.id, of: task.id)
                }
                return try #require(try await repository.runs(of: task.id, before: nil, limit: 1).rows.first)
            }
        }
    }

    struct Firing: Sendable { let fire: Scheduler.Fire }

    /// Runs a scheduler on a database while `body` does.
    static func with(
        at start: Double = noon, path: String? = nil, turns: FakeTurns = FakeTurns(), limits: Scheduler.Limits = calm,
        firing: Firing? = nil, _ body: @escaping @Sendable (Room) async throws -> Void
    ) async throws {
        let file = path ?? FileManager.default.temporaryDirectory.path + "/scheduler-\(UUID().uuidString).db"
        let database = try Store.Database(path: file)
        let clock = SchedulerClock(at: start)
        let scheduler = Scheduler(
            tasks: TaskRepository(database), workflows: WorkflowRepository(database), turns: turns, time: clock.source,
            limits: limits, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, fire: firing?.fire)
        let room = Room(
            clock: clock, turns: turns, scheduler: scheduler,
            tasks: ScheduledTasks(TaskRepository(database), now: { clock.now }, changed: { scheduler.wake() }),
            repository: TaskRepository(database), workflows: WorkflowRepository(database), database: database)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await scheduler.run() }
            defer { group.cancelAll() }
            try await body(room)
        }
        try database.close()
        guard path == nil else { return }
        for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: file + suffix) }
    }

    /// A clock that jumps is noticed within five minutes: in tests nobody waits for it.
    static var calm: Scheduler.Limits {
        var limits = Scheduler.Limits()
        limits.sleep = .seconds(300)
        return limits
    }
}
