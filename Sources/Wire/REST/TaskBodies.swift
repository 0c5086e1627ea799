// What is said over REST about scheduled tasks. Times are Unix seconds; each has a twin in ISO 8601 with the offset of the task's
// time zone.

/// A scheduled task.
public struct TaskBody: Codable, Sendable, Equatable {
    public var id: String
    public var name: String
    /// Five fields of cron, `@hourly`…, `@every 10m` or `@once:…`.
    public var cronExpression: String
    /// A name of the tz database.
    public var timezone: String
    public var prompt: String
    /// Nil: the agent's default.
    public var model: String?
    public var enabled: Bool
    /// What becomes of times that passed while nobody served the agent: `skip` or `once`.
    public var catchUp: String
    /// Who made it.
    public var owner: String
    public var runOnce: Bool
    /// Of a task that runs once.
    public var runAt: Double?
    public var lastRun: Double?
    public var nextRun: Double?
    public var createdAt: Double
    public var updatedAt: Double
    /// It runs at this moment.
    public var running: Bool
    public var runAtISO: String?
    public var lastRunISO: String?
    public var nextRunISO: String?
    public var createdAtISO: String
    public var updatedAtISO: String

    public init(
        id: String, name: String, cronExpression: String, timezone: String, prompt: String, model: String?,
        enabled: Bool, catchUp: String, owner: String, runAt: Double?, isOnce: Bool, lastRun: Double?,
        nextRun: Double?, createdAt: Double, updatedAt: Double, running: Bool, iso: (Double) -> String
    ) {
        self.id = id
        self.name = name
        self.cronExpression = cronExpression
        self.timezone = timezone
        self.prompt = prompt
        self.model = model
        self.enabled = enabled
        self.catchUp = catchUp
        self.owner = owner
        runOnce = isOnce
        self.runAt = runAt
        self.lastRun = lastRun
        self.nextRun = nextRun
        self.createdAt = createdAt
        self.updatedAt = updatedAt
        self.running = running
        runAtISO = runAt.map(iso)
        lastRunISO = lastRun.map(iso)
        nextRunISO = nextRun.map(iso)
        createdAtISO = iso(createdAt)
        updatedAtISO = iso(updatedAt)
    }

    private enum CodingKeys: String, CodingKey {
        case id, name, timezone, prompt, model, enabled, owner, running
        case cronExpression = "cron_expression"
        case catchUp = "catch_up"
        case runOnce = "run_once"
        case runAt = "run_at"
        case lastRun = "last_run"
        case nextRun = "next_run"
        case createdAt = "created_at"
        case updatedAt = "updated_at"
        case runAtISO = "run_at_iso"
        case lastRunISO = "last_run_iso"
        case nextRunISO = "next_run_iso"
        case createdAtISO = "created_at_iso"
        case updatedAtISO = "updated_at_iso"
    }
}

/// `GET /api/scheduled-tasks`
public struct TasksBody: Codable, Sendable, Equatable {
    public var tasks: [TaskBody]
    /// What `cursor` is for the next page; nil when there is none.
    public var nextCursor: String?

    public init(tasks: [TaskBody], nextCursor: String?) {
        self.tasks = tasks
        self.nextCursor = nextCursor
    }

    private enum CodingKeys: String, CodingKey {
        case tasks
        case nextCursor = "next_cursor"
    }
}

/// The body of `POST /api/scheduled-tasks`.
public struct NewTask: Codable, Sendable, Equatable {
    public var name: String
    public var cronExpression: String
    public var prompt: String
    /// Nil: UTC.
    public var timezone: String?
    public var model: String?
    /// Nil: `skip`.
    public var catchUp: String?
    /// Nil: yes.
    public var enabled: Bool?

    public init(
        name: String, cronExpression: String, prompt: String, timezone: String? = nil, model: String? = nil,
        catchUp: String? = nil, enabled: Bool? = nil
    ) {
        self.name = name
        self.cronExpression = cronExpression
        self.prompt = prompt
        self.timezone = timezone
        self.model = model
        self.catchUp = catchUp
        self.enabled = enabled
    }

    private enum CodingKeys: String, CodingKey {
        case name, prompt, timezone, model, enabled
        case cronExpression = "cron_expression"
        case catchUp = "catch_up"
    }
}

/// The body of `PATCH` and `PUT /api/scheduled-tasks/{id}`: what is absent stays.
public struct TaskPatch: Codable, Sendable, Equatable {
    public var name: String?
    public var cronExpression: String?
    public var prompt: String?
    public var timezone: String?
    /// `.some(nil)`, in JSON null: the agent's default.
    public var model: String??
    public var catchUp: String?
    public var enabled: Bool?

    public init() {}

    private enum CodingKeys: String, CodingKey {
        case name, prompt, timezone, model, enabled
        case cronExpression = "cron_expression"
        case catchUp = "catch_up"
    }

    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        name = try fields.decodeIfPresent(String.self, forKey: .name)
        cronExpression = try fields.decodeIfPresent(String.self, forKey: .cronExpression)
        prompt = try fields.decodeIfPresent(String.self, forKey: .prompt)
        timezone = try fields.decodeIfPresent(String.self, forKey: .timezone)
        if fields.contains(.model) { model = .some(try fields.decodeIfPresent(String.self, forKey: .model)) }
        catchUp = try fields.decodeIfPresent(String.self, forKey: .catchUp)
        enabled = try fields.decodeIfPresent(Bool.self, forKey: .enabled)
    }
}

/// The answer to the removal of a task or workflow.
public struct PlanDeleted: Codable, Sendable, Equatable {
    public var ok: Bool
    public var id: String

    public init(id: String) {
        ok = true
        self.id = id
    }
}

/// One time that a task ran.
public struct TaskRunBody: Codable, Sendable, Equatable {
    public var id: String
    public var taskID: String
    public var trigger: String
    public var status: String
    public var startedAt: Double
    public var finishedAt: Double?
    public var output: String?
    public var error: String?
    public var sessionID: String?

    public init(
        id: String, taskID: String, trigger: String, status: String, startedAt: Double, finishedAt: Double?,
        output: String?, error: String?, sessionID: String?
    ) {
        self.id = id
        self.taskID = taskID
        self.trigger = trigger
        self.status = status
        self.startedAt = startedAt
        self.finishedAt = finishedAt
        self.output = output
        self.error = error
        self.sessionID = sessionID
    }

    private enum CodingKeys: String, CodingKey {
        case id, trigger, status, output, error
        case taskID = "task_id"
        case startedAt = "started_at"
        case finishedAt = "finished_at"
        case sessionID = "session_id"
    }
}

/// `GET /api/scheduled-tasks/{id}/runs`
public struct TaskRunsBody: Codable, Sendable, Equatable {
    /// Newest first.
    public var runs: [TaskRunBody]
    public var nextCursor: String?

    public init(runs: [TaskRunBody], nextCursor: String?) {
        self.runs = runs
        self.nextCursor = nextCursor
    }

    private enum CodingKeys: String, CodingKey {
        case runs
        case nextCursor = "next_cursor"
    }
}

/// The body of `POST /api/scheduled-tasks/{id}/run`.
public struct TaskRunRequest: Codable, Sendable, Equatable {
    /// Whether the answer comes when the run has ended.
    public var wait: Bool?

    public init(wait: Bool? = nil) { self.wait = wait }
}

/// `GET /api/cron/describe`
public struct ScheduleBody: Codable, Sendable, Equatable {
    public struct Time: Codable, Sendable, Equatable {
        /// Unix seconds.
        public var epoch: Double
        public var iso: String

        public init(epoch: Double, iso: String) {
            self.epoch = epoch
            self.iso = iso
        }
    }

    public var expression: String
    public var timezone: String
    public var valid: Bool
    /// Why it is not valid.
    public var error: String?
    public var oneShot: Bool
    public var upcoming: [Time]

    public init(
        expression: String, timezone: String, valid: Bool, error: String? = nil, oneShot: Bool = false,
        upcoming: [Time] = []
    ) {
        self.expression = expression
        self.timezone = timezone
        self.valid = valid
        self.error = error
        self.oneShot = oneShot
        self.upcoming = upcoming
    }

    private enum CodingKeys: String, CodingKey {
        case expression, timezone, valid, error, upcoming
        case oneShot = "one_shot"
    }
}
