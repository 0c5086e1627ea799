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

    /// - Parameter tasks: nil when the agent has none.
    static func routes(_ tasks: ScheduledTasks?, now: @escaping @Sendable () -> Double) -> [Route] {
        let updated = Announcement.updated(.scheduledTask, to: .admins)
        let update: @Sendable (Request, GatewayContext, Caller) async throws -> Response = { request, context, _ in
            try await change(present(tasks), context) {
                try await request.decode(as: TaskPatch.self, context: context).change
            }
        }
        return [
            .admin(.get, path, .tasks) { request, _, _ in try await list(request, present(tasks)) },
            .admin(.post, path, .createTask, announces: .created(.scheduledTask, to: .admins)) {
                request, context, caller in
                try await create(request, context, caller, present(tasks))
            },
            .admin(.get, one, .task) { _, context, _ in
                try JSON.response(TaskBody(try await task(context, present(tasks))))
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
                try await change(present(tasks), context) { .enabled(true) }
            },
            .admin(.post, one + "/disable", .disableTask, announces: updated) { _, context, _ in
                try await change(present(tasks), context) { .enabled(false) }
            },
            .admin(.get, one + "/runs", .taskRuns) { request, context, _ in
                try await runs(request, context, present(tasks))
            },
            .admin(.post, one + "/run", .runTask, announces: .nothing(because: "nothing runs")) {
                request, context, _ in
                _ = try await PlanRequests.optional(request, context, as: TaskRunRequest.self, none: .init())
                _ = try await task(context, present(tasks))
                throw ErrorResponse.runsNothing
            },
            .admin(.post, one + "/stop", .stopTask, announces: .nothing(because: "nothing runs")) { _, context, _ in
                _ = try await task(context, present(tasks))
                throw ErrorResponse.runsNothing
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
        return try JSON.response(TaskBody(task), status: .created)
    }

    private static func change(
        _ tasks: ScheduledTasks, _ context: GatewayContext, _ change: () async throws -> ScheduledTasks.Change
    ) async throws -> Response {
        let word = try context.pathPart("id")
        let wanted = try await change()
        let task = try await answering { try await tasks.update(word, wanted) }
        context.announced.set(id: task.id)
        return try JSON.response(TaskBody(task))
    }

    // MARK: Many

    private static func list(_ request: Request, _ tasks: ScheduledTasks) async throws -> Response {
        let asked = try request.page(by: String.self)
        let rows = try await tasks.repository.tasks(
            after: asked.after, limit: asked.limit, enabledOnly: try request.queryFlag("enabled_only"))
        let (page, next) = try asked.page(of: rows, key: \.name)
        return try JSON.response(TasksBody(tasks: page.map(TaskBody.init), nextCursor: next))
    }

    private static func runs(
        _ request: Request, _ context: GatewayContext, _ tasks: ScheduledTasks
    ) async throws -> Response {
        let asked = try request.page(by: RunPosition.self, usual: 20)
        let task = try await task(context, tasks)
        let rows = try await tasks.repository.runs(of: task.id, before: asked.after, limit: asked.limit)
        let (page, next) = try asked.page(of: rows) { RunPosition(startedAt: $0.startedAt, id: $0.id) }
        return try JSON.response(
            TaskRunsBody(
                runs: page.map { run in
                    TaskRunBody(
                        id: run.id, taskID: run.taskID, trigger: run.trigger, status: run.status,
                        startedAt: run.startedAt, finishedAt: run.finishedAt, output: run.output, error: run.error,
                        sessionID: run.sessionID)
                }, nextCursor: next))
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
    fileprivate init(_ task: TaskRecord) {
        let zone = (try? Schedule.timeZone(task.timeZone)) ?? .gmt
        let schedule = try? Schedule(task.schedule, timeZone: zone)
        self.init(
            id: task.id, name: task.name, cronExpression: task.schedule, timezone: task.timeZone, prompt: task.prompt,
            model: task.model, enabled: task.isEnabled, catchUp: task.catchUp.rawValue, owner: task.owner,
            runAt: schedule?.onlyTime, isOnce: schedule?.isOnce ?? false, lastRun: task.lastRun,
            nextRun: task.nextRun, createdAt: task.createdAt, updatedAt: task.updatedAt, running: false
        ) { LocalTime.iso($0, in: zone) }
    }
}
