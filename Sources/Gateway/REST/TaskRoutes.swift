internal import Agent
internal import Hummingbird
internal import Store
internal import Wire

// What does the agent do at times, and how is it told? Scheduled tasks for admins: they act as the agent while nobody watches.
// What a schedule means is the agent's business; here are only requests and answers.

enum TaskRoutes {
    private static let path = "/api/scheduled-tasks"
    private static let one = path + "/{id}"
    private static let upcoming = 1...20

    /// - Parameters:
    ///   - tasks: nil when the agent has none.
    ///   - scheduler: nil when nobody serves the agent.
    ///   - longest: how long a request waits for the end of a run.
    static func routes(
        _ tasks: ScheduledTasks?, _ scheduler: Scheduler?, waitingAtMost longest: Duration,
        now: @escaping @Sendable () -> Double
    ) -> [Route] {
        let updated = Announcement.updated(.scheduledTask, to: .admins)
        let told = Announcement.nothing(because: "the scheduler tells of each run that has ended")
        let update: @Sendable (Request, GatewayContext, Caller) async throws -> Response = { request, context, _ in
            try await change(present(tasks), scheduler, context) {
                try await request.decode(as: TaskPatch.self, context: context).change
            }
        }
        return [
            .admin(.get, path, .tasks) { request, _, _ in try await list(request, present(tasks), scheduler) },
            .admin(.post, path, .createTask, announces: .created(.scheduledTask, to: .admins)) {
                request, context, caller in
                try await create(request, context, caller, present(tasks))
            },
            .admin(.get, one, .task) { _, context, _ in
                try await answer(try await task(context, present(tasks)), scheduler)
            },
            .admin(.patch, one, .changeTask, announces: updated, update),
            .admin(.put, one, .changeTask, announces: updated, update),
            .admin(.delete, one, .deleteTask, announces: .deleted(.scheduledTask, to: .admins)) { _, context, _ in
                let word = try context.pathPart("id")
                let id = try await answering { try await present(tasks).delete(word) }
                context.announced.set(id: id)
                return try JSON.response(PlanDeleted(id: id))
            },
            .admin(.post, one + "/enable", .enableTask, announces: updated) { _, context, _ in
                try await change(present(tasks), scheduler, context) { .enabled(true) }
            },
            .admin(.post, one + "/disable", .disableTask, announces: updated) { _, context, _ in
                try await change(present(tasks), scheduler, context) { .enabled(false) }
            },
            .admin(.get, one + "/runs", .taskRuns) { request, context, _ in
                try await runs(request, context, present(tasks))
            },
            .admin(.post, one + "/run", .runTask, announces: told) { request, context, _ in
                let wanted = try await PlanRequests.optional(request, context, as: TaskRunRequest.self, none: .init())
                return try await run(
                    try await task(context, present(tasks)), wanted, present(tasks), present(scheduler), longest)
            },
            .admin(.post, one + "/stop", .stopTask, announces: told) { _, context, _ in
                try await stop(try await task(context, present(tasks)), present(tasks), present(scheduler))
            },
            .member(.get, "/api/cron/describe", .describeSchedule) { request, _, _ in
                try JSON.response(try describe(request, now: now()))
            },
        ]
    }

    // MARK: One task

    private static func task(_ context: GatewayContext, _ tasks: ScheduledTasks) async throws -> TaskRecord {
        let word = try context.pathPart("id")
        return try await answering { try await tasks.task(word) }
    }

    private static func create(
        _ request: Request, _ context: GatewayContext, _ caller: Caller, _ tasks: ScheduledTasks
    ) async throws -> Response {
        let wanted = try await request.decode(as: NewTask.self, context: context)
        var draft = ScheduledTasks.Draft(name: wanted.name, schedule: wanted.cronExpression, prompt: wanted.prompt)
        draft.timeZone = wanted.timezone
        draft.model = wanted.model
        draft.isEnabled = wanted.enabled ?? true
        if let word = wanted.catchUp { draft.catchUp = try TaskRecord.CatchUp(word: word) }
        let (new, owner) = (draft, caller.handle)
        let task = try await answering { try await tasks.create(new, by: owner) }
        context.announced.set(id: task.id)
        return try JSON.response(TaskBody(task, isRunning: false), status: .created)
    }

    private static func change(
        _ tasks: ScheduledTasks, _ scheduler: Scheduler?, _ context: GatewayContext,
        _ change: () async throws -> ScheduledTasks.Change
    ) async throws -> Response {
        let word = try context.pathPart("id")
        let wanted = try await change()
        let task = try await answering { try await tasks.update(word, wanted) }
        context.announced.set(id: task.id)
        return try await answer(task, scheduler)
    }

    private static func answer(_ task: TaskRecord, _ scheduler: Scheduler?) async throws -> Response {
        try JSON.response(TaskBody(task, isRunning: await scheduler?.runningTasks.contains(task.id) ?? false))
    }

    // MARK: Runs

    private static func run(
        _ task: TaskRecord, _ wanted: TaskRunRequest, _ tasks: ScheduledTasks, _ scheduler: Scheduler,
        _ longest: Duration
    ) async throws -> Response {
        let run = try await answering { try await scheduler.start(task.id) }
        guard wanted.wait == true else { return try JSON.response(TaskRunBody(run)) }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await scheduler.wait(for: run.id, of: task.id) }
            group.addTask { try? await Task.sleep(for: longest) }
            await group.next()
            group.cancelAll()
        }
        // It may have gone with its task meanwhile.
        return try JSON.response(TaskRunBody(try await tasks.repository.run(run.id) ?? run))
    }

    private static func stop(
        _ task: TaskRecord, _ tasks: ScheduledTasks, _ scheduler: Scheduler
    ) async throws -> Response {
        guard let id = await scheduler.stop(task.id), let run = try await tasks.repository.run(id) else {
            throw ErrorResponse(
                status: .conflict, code: .conflict, message: "This task does not run.",
                hint: "GET /api/scheduled-tasks/{id}/runs says how its last runs ended.")
        }
        return try JSON.response(TaskRunBody(run))
    }

    // MARK: Many

    private static func list(
        _ request: Request, _ tasks: ScheduledTasks, _ scheduler: Scheduler?
    ) async throws -> Response {
        let asked = try request.page(by: String.self)
        let rows = try await tasks.repository.tasks(
            after: asked.after, limit: asked.limit, enabledOnly: try request.queryFlag("enabled_only"))
        let (page, next) = try asked.page(of: rows, key: \.name)
        let running = await scheduler?.runningTasks ?? []
        return try JSON.response(
            TasksBody(tasks: page.map { TaskBody($0, isRunning: running.contains($0.id)) }, nextCursor: next))
    }

    private static func runs(
        _ request: Request, _ context: GatewayContext, _ tasks: ScheduledTasks
    ) async throws -> Response {
        let asked = try request.page(by: RunPosition.self, usual: 20)
        let task = try await task(context, tasks)
        let rows = try await tasks.repository.runs(of: task.id, before: asked.after, limit: asked.limit)
        let (page, next) = try asked.page(of: rows) { RunPosition(startedAt: $0.startedAt, id: $0.id) }
        return try JSON.response(TaskRunsBody(runs: page.map(TaskRunBody.init), nextCursor: next))
    }

    private static func describe(_ request: Request, now: Double) throws -> ScheduleBody {
        guard let text = try request.queryValue("expression") else {
            throw ErrorResponse.invalid("'expression' is missing: which schedule?")
        }
        let count = try request.queryNumber("count", in: upcoming) ?? 3
        let name = try request.queryValue("timezone") ?? "UTC"
        do throws(ScheduleError) {
            let zone = try Schedule.timeZone(name)
            let schedule = try Schedule(text, timeZone: zone)
            var times: [Double] = []
            while times.count < count, let next = schedule.next(after: times.last ?? now, countingFrom: times.first) {
                times.append(next)
            }
            return ScheduleBody(
                expression: text, timezone: name, valid: true, oneShot: schedule.isOnce,
                upcoming: times.map { .init(epoch: $0, iso: LocalTime.iso($0, in: zone)) })
        } catch {
            return ScheduleBody(expression: text, timezone: name, valid: false, error: error.description)
        }
    }

    // MARK: Requests

    private static func present(_ tasks: ScheduledTasks?) throws(ErrorResponse) -> ScheduledTasks {
        guard let tasks else {
            throw ErrorResponse(
                status: .serviceUnavailable, code: .unavailable, message: "This agent has no scheduler.")
        }
        return tasks
    }

    private static func present(_ scheduler: Scheduler?) throws(ErrorResponse) -> Scheduler {
        guard let scheduler else {
            throw ErrorResponse(
                status: .serviceUnavailable, code: .unavailable, message: "Nobody serves this agent, so nothing runs.",
                hint: "Start it with: openagent serve DIR")
        }
        return scheduler
    }

    private static func answering<Value>(_ body: () async throws -> Value) async throws -> Value {
        try await PlanRequests.answering("GET /api/scheduled-tasks lists what there is.", body)
    }
}

extension TaskRecord.CatchUp {
    fileprivate init(word: String) throws(ErrorResponse) {
        guard let value = Self(rawValue: word) else { throw .invalid("'catch_up' is 'skip' or 'once'.") }
        self = value
    }
}

extension ScheduledTasks.Change {
    fileprivate static func enabled(_ isEnabled: Bool) -> Self {
        var change = Self()
        change.isEnabled = isEnabled
        return change
    }
}

extension TaskPatch {
    fileprivate var change: ScheduledTasks.Change {
        get throws(ErrorResponse) {
            var change = ScheduledTasks.Change()
            change.name = name
            change.schedule = cronExpression
            change.prompt = prompt
            change.timeZone = timezone
            change.model = model
            change.isEnabled = enabled
            if let word = catchUp { change.catchUp = try TaskRecord.CatchUp(word: word) }
            return change
        }
    }
}

extension TaskBody {
    fileprivate init(_ task: TaskRecord, isRunning: Bool) {
        let zone = (try? Schedule.timeZone(task.timeZone)) ?? .gmt
        let schedule = try? Schedule(task.schedule, timeZone: zone)
        self.init(
            id: task.id, name: task.name, cronExpression: task.schedule, timezone: task.timeZone, prompt: task.prompt,
            model: task.model, enabled: task.isEnabled, catchUp: task.catchUp.rawValue, owner: task.owner,
            runAt: schedule?.onlyTime, isOnce: schedule?.isOnce ?? false, lastRun: task.lastRun,
            nextRun: task.nextRun, createdAt: task.createdAt, updatedAt: task.updatedAt, running: isRunning
        ) { LocalTime.iso($0, in: zone) }
    }
}

extension TaskRunBody {
    fileprivate init(_ run: TaskRunRecord) {
        self.init(
            id: run.id, taskID: run.taskID, trigger: run.trigger, status: run.status, startedAt: run.startedAt,
            finishedAt: run.finishedAt, output: run.output, error: run.error, sessionID: run.sessionID)
    }
}
