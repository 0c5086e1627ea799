internal import DequeModule
internal import Foundation
public import Logging
public import Store

// Who runs what is due? The scheduler sleeps until the next due time, takes what has come, and has it run: tasks as turns in the
// name of whoever made them, workflows by whoever runs those. Times are rows: a time that was taken is taken on disk, so a
// crash neither doubles nor loses a run. When something is due is decided in DueTime; what a run is, in SchedulerRuns.

/// Runs scheduled tasks and starts scheduled workflows.
public actor Scheduler {
    /// Bounds.
    public struct Limits: Sendable {
        /// Runs at a time, the longest due first.
        public var runs = 100
        /// Due times that one transaction takes.
        public var batch = 200
        /// Runs of a task that are remembered.
        public var kept = 100
        /// UTF-8 bytes of an answer that are remembered.
        public var output = 64 << 10
        /// The longest sleep: a wall clock that jumps is noticed after it.
        public var sleep = Duration.seconds(2)
        /// Seconds after which a run that an earlier process began is not taken up: its message is not recognised any more.
        public var memory: Double = 6 * 86_400

        public init() {}
    }

    /// Starts a workflow whose time has come; returns once its run is on disk. The same ``WorkflowFiring/id`` is the same run.
    public typealias Fire = @Sendable (WorkflowFiring) async throws -> Void

    /// What waits for its turn.
    enum Job: Sendable, Equatable {
        case task(run: String, task: String)
        case workflow(WorkflowFiring)
    }

    /// A job that may begin.
    struct Start: Sendable {
        let job: Job
        /// Yields when somebody wants it to stop.
        let stopped: AsyncStream<Void>
    }

    /// A run of a task that was taken and has not ended.
    struct Open {
        let run: String
        /// Nil while it waits.
        var stop: AsyncStream<Void>.Continuation?
        var isStopped = false
        var waiters: [AsyncStream<Void>.Continuation] = []
    }

    let tasks: TaskRepository
    let workflows: WorkflowRepository?
    let turns: any UnattendedTurns
    let time: TimeSource
    let limits: Limits
    let makeID: @Sendable () -> String
    let logger: Logger
    let fire: Fire?
    private let bell = Bell()

    private var lastSeen: Double
    private var waiting: Deque<Job> = []
    private var running = 0
    /// By the task's id.
    var open: [String: Open] = [:]
    private let starts: AsyncStream<Start>
    private let starting: AsyncStream<Start>.Continuation
    /// Ids of tasks whose run has ended; the oldest are dropped where nobody takes them. One consumer.
    public nonisolated let ended: AsyncStream<String>
    let ending: AsyncStream<String>.Continuation

    /// - Parameters:
    ///   - turns: who runs tasks.
    ///   - makeID: what gives new ids; nil: random UUIDs.
    ///   - fire: who starts workflows; nil: nobody, and their times stay as they are.
    public init(
        tasks: TaskRepository, workflows: WorkflowRepository? = nil, turns: any UnattendedTurns,
        time: TimeSource = .system, limits: Limits = Limits(), logger: Logger,
        makeID: (@Sendable () -> String)? = nil, fire: Fire? = nil
    ) {
        self.tasks = tasks
        self.workflows = fire == nil ? nil : workflows
        self.turns = turns
        self.time = time
        self.limits = limits
        self.logger = logger
        self.makeID = makeID ?? { UUID().uuidString.lowercased() }
        self.fire = fire
        lastSeen = time.now()
        (starts, starting) = AsyncStream.makeStream(of: Start.self)
        (ended, ending) = AsyncStream.makeStream(of: String.self, bufferingPolicy: .bufferingNewest(10_000))
    }

    /// Something has changed: looks at once. From anywhere.
    public nonisolated func wake() { bell.ring() }

    /// Runs what is due, until the task is cancelled. Once.
    public func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.keepTime() }
            for await start in starts { group.addTask { await self.perform(start) } }
            group.cancelAll()
        }
    }

    // MARK: Time

    private func keepTime() async {
        var (isResumed, isRung) = (false, false)
        while !Task.isCancelled {
            var next: Double?
            do {
                if !isResumed {
                    try await resume()
                    isResumed = true
                }
                // What was removed took its runs along.
                if isRung { try await stopRemoved() }
                next = try await look()
            } catch is CancellationError {
                return
            } catch {
                logger.error("scheduler::not_read", metadata: ["error": "\(error)"])
            }
            let wait = next.map { max(0, min($0 - time.now(), limits.sleep.inSeconds)) } ?? limits.sleep.inSeconds
            isRung = await bell.wait { [time] in try? await time.sleep(.seconds(wait)) }
        }
    }

    /// Takes up what an earlier process left.
    private func resume() async throws {
        try await retime()
        let now = time.now()
        var jobs: [Job] = []
        for run in try await tasks.openRuns() where open[run.taskID] == nil {
            guard now - run.startedAt < limits.memory else {
                var old = run
                (old.status, old.finishedAt) = ("failed", now)
                old.error = "The agent was away for too long to know what became of it."
                _ = try await tasks.end(old, kept: limits.kept)
                continue
            }
            jobs.append(.task(run: run.id, task: run.taskID))
        }
        if let workflows { jobs += try await workflows.firings().map { .workflow($0) } }
        if !jobs.isEmpty { logger.notice("scheduler::recovered", metadata: ["runs": "\(jobs.count)"]) }
        enqueue(jobs)
    }

    /// Takes what is due.
    ///
    /// - Returns: when to look again; nil when nothing is due any more.
    private func look() async throws -> Double? {
        let now = time.now()
        if now < lastSeen - 1 { try await retime() }
        lastSeen = now
        while try await takeTasks(now: now) {}
        while try await takeWorkflows(now: now) {}
        let times = [try await tasks.nextRun(), try await workflows?.nextRun()].compactMap { $0 }
        return times.min()
    }

    /// - Returns: whether there may be more.
    private func takeTasks(now: Double) async throws -> Bool {
        let due = try await tasks.due(at: now, limit: limits.batch)
        guard !due.isEmpty else { return false }
        let firings = due.map { task -> TaskFiring in
            let expected = task.nextRun ?? now
            guard let schedule = Self.schedule(task.schedule, task.timeZone) else {
                logger.error("scheduler::no_schedule", metadata: ["task": "\(task.id)"])
                return TaskFiring(taskID: task.id, expected: expected, next: nil, isLast: false, run: nil)
            }
            let decision = DueTime(schedule, due: expected, now: now, catchUp: task.catchUp)
            let run = decision.fires.map { time in
                TaskRunRecord(
                    id: makeID(), taskID: task.id, trigger: "schedule", status: "running", startedAt: now,
                    sessionID: Self.session(of: task.id), due: time)
            }
            return TaskFiring(
                taskID: task.id, expected: expected, next: decision.next, isLast: schedule.isOnce, run: run)
        }
        enqueue(try await tasks.take(firings, now: now).map { .task(run: $0.id, task: $0.taskID) })
        return due.count == limits.batch
    }

    private func takeWorkflows(now: Double) async throws -> Bool {
        guard let workflows else { return false }
        let due = try await workflows.due(at: now, limit: limits.batch)
        guard !due.isEmpty else { return false }
        let all = due.map { row -> WorkflowDue in
            let expected = row.nextRunAt ?? now
            guard let schedule = Self.schedule(row.schedule, row.timeZone) else {
                return WorkflowDue(scheduleID: row.id, expected: expected, next: nil, firing: nil)
            }
            let decision = DueTime(schedule, due: expected, now: now, catchUp: .skip)
            let firing = decision.fires.map { time in
                WorkflowFiring(
                    id: "\(row.id)-\(Int(time.rounded(.down)))", workflowID: row.workflowID, nodeID: row.nodeID,
                    due: time)
            }
            return WorkflowDue(scheduleID: row.id, expected: expected, next: decision.next, firing: firing)
        }
        enqueue(try await workflows.take(all, now: now).map { .workflow($0) })
        return due.count == limits.batch
    }

    /// The clock was put back, maybe while nobody served the agent: what would wait for a time that was computed before is due by
    /// the clock that holds now.
    private func retime() async throws {
        let now = time.now()
        var last = ""
        while true {
            let page = try await tasks.waiting(since: now, after: last, limit: limits.batch)
            try await tasks.move(
                page.compactMap { task in
                    Self.earlier(task.schedule, task.timeZone, than: task.nextRun, now: now).map {
                        (task.id, task.nextRun ?? now, $0)
                    }
                })
            guard page.count == limits.batch, let end = page.last else { break }
            last = end.id
        }
        last = ""
        while let page = try await workflows?.waiting(since: now, after: last, limit: limits.batch) {
            try await workflows?.move(
                page.compactMap { row in
                    Self.earlier(row.schedule, row.timeZone, than: row.nextRunAt, now: now).map {
                        (row.id, row.nextRunAt ?? now, $0)
                    }
                })
            guard page.count == limits.batch, let end = page.last else { break }
            last = end.id
        }
    }

    private static func earlier(_ text: String, _ zone: String, than due: Double?, now: Double) -> Double? {
        guard let due, let schedule = schedule(text, zone) else { return nil }
        return DueTime.earlier(schedule, than: due, now: now)
    }

    private static func schedule(_ text: String, _ zone: String) -> Schedule? {
        (try? Schedule.timeZone(zone)).flatMap { try? Schedule(text, timeZone: $0) }
    }

    // MARK: Jobs

    /// Puts jobs in line, in their order.
    func enqueue(_ jobs: [Job]) {
        for job in jobs {
            if case .task(let run, let task) = job {
                // The run before it has ended on disk, and whoever performed it is about to say so.
                if let before = open[task] { close(task, of: before.run) }
                open[task] = Open(run: run)
            }
            waiting.append(job)
        }
        startNext()
    }

    /// Takes a job out of the line.
    ///
    /// - Returns: false when it is not there: it has begun.
    func withdraw(_ job: Job) -> Bool {
        guard let place = waiting.firstIndex(of: job) else { return false }
        waiting.remove(at: place)
        return true
    }

    private func startNext() {
        while running < limits.runs, let job = waiting.popFirst() {
            running += 1
            let (stopped, stop) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingOldest(1))
            if case .task(_, let task) = job { open[task]?.stop = stop }
            starting.yield(Start(job: job, stopped: stopped))
        }
    }

    private func perform(_ start: Start) async {
        switch start.job {
        case .task(let run, let task): await perform(run, of: task, until: start.stopped)
        case .workflow(let firing): await perform(firing)
        }
        running -= 1
        startNext()
    }
}

extension Duration {
    fileprivate var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}
