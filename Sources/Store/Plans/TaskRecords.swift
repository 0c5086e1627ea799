internal import GRDB

// What is kept of scheduled tasks? One row each, and one for each of their runs. When a task is due is computed by whoever writes
// the row.

/// A prompt that is given to the agent at times.
public struct TaskRecord: Sendable, Equatable {
    /// What becomes of times that passed while nobody served the agent.
    public enum CatchUp: String, Sendable, CaseIterable {
        case skip
        /// One run for all of them.
        case once
    }

    public var id: String
    public var name: String
    public var schedule: String
    /// A name of the tz database.
    public var timeZone: String
    public var prompt: String
    /// Nil: the agent's default.
    public var model: String?
    public var isEnabled: Bool
    public var catchUp: CatchUp
    /// The handle of the user who made it, or the operator's.
    public var owner: String
    /// Unix seconds, as all times here.
    public var lastRun: Double?
    /// Nil: it does not fire by itself.
    public var nextRun: Double?
    public var createdAt: Double
    public var updatedAt: Double

    public init(
        id: String, name: String, schedule: String, timeZone: String = "UTC", prompt: String, model: String? = nil,
        isEnabled: Bool = true, catchUp: CatchUp = .skip, owner: String, lastRun: Double? = nil,
        nextRun: Double? = nil, createdAt: Double, updatedAt: Double
    ) {
        self.id = id
        self.name = name
        self.schedule = schedule
        self.timeZone = timeZone
        self.prompt = prompt
        self.model = model
        self.isEnabled = isEnabled
        self.catchUp = catchUp
        self.owner = owner
        self.lastRun = lastRun
        self.nextRun = nextRun
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }
}

/// The rows of tasks.
public struct TaskRepository: Sendable {
    let database: Database
    /// UTF-8 bytes of prompts in one page.
    static let pageSize = 2 << 20

    public init(_ database: Database) { self.database = database }

    /// - Parameter limit: how many tasks there may be.
    /// - Throws: ``PlanStorageError``
    public func insert(_ task: TaskRecord, limit: Int = .max) async throws {
        try await database.commits.write { connection in
            try PlanTable.tasks.require(task.name, for: task.id, in: connection)
            let count = try Int.fetchOne(connection, sql: "SELECT count(*) FROM scheduled_tasks") ?? 0
            guard count < limit else { throw PlanStorageError.tooMany(limit) }
            try connection.execute(
                sql: """
                    INSERT INTO scheduled_tasks (
                        id, name, cron_expression, timezone, prompt, model, enabled, catch_up, owner, last_run,
                        next_run, created_at, updated_at)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    task.id, task.name, task.schedule, task.timeZone, task.prompt, task.model, task.isEnabled,
                    task.catchUp.rawValue, task.owner, task.lastRun, task.nextRun, task.createdAt, task.updatedAt,
                ])
        }
    }

    /// - Parameter reference: an id, at least four first characters of one, or a name.
    public func match(_ reference: String) async throws -> PlanMatch {
        try await database.pool.read { try PlanTable.tasks.match(reference, in: $0) }
    }

    public func task(_ id: String) async throws -> TaskRecord? {
        try await database.pool.read { try Self.task(id, in: $0) }
    }

    /// Tasks in the order of their names.
    ///
    /// - Parameter after: only those with a later name.
    public func tasks(
        after: String?, limit: Int, enabledOnly: Bool = false
    ) async throws -> PlanRows<TaskRecord> {
        try await database.pool.read { connection in
            try PlanTable.page(
                connection,
                sql: """
                    SELECT * FROM scheduled_tasks WHERE (:after IS NULL OR name > :after) AND (NOT :enabled OR enabled)
                    ORDER BY name LIMIT :limit
                    """, arguments: ["after": after, "enabled": enabledOnly, "limit": limit + 1], limit: limit,
                bytes: Self.pageSize
            ) { row in
                let task = Self.task(from: row)
                return (task, task.prompt.utf8.count)
            }
        }
    }

    /// Changes a row in one transaction.
    ///
    /// - Returns: the new row; nil when there is none.
    /// - Throws: ``PlanStorageError/nameTaken(_:)``, and what `change` throws; nothing is changed then.
    public func update(
        _ id: String, _ change: @escaping @Sendable (inout TaskRecord) throws -> Void
    ) async throws -> TaskRecord? {
        try await database.commits.write { connection in
            guard var task = try Self.task(id, in: connection) else { return nil }
            try change(&task)
            try PlanTable.tasks.require(task.name, for: id, in: connection)
            try connection.execute(
                sql: """
                    UPDATE scheduled_tasks SET name = ?, cron_expression = ?, timezone = ?, prompt = ?, model = ?,
                        enabled = ?, catch_up = ?, last_run = ?, next_run = ?, updated_at = ? WHERE id = ?
                    """,
                arguments: [
                    task.name, task.schedule, task.timeZone, task.prompt, task.model, task.isEnabled,
                    task.catchUp.rawValue, task.lastRun, task.nextRun, task.updatedAt, id,
                ])
            return task
        }
    }

    /// Removes a task and its runs.
    ///
    /// - Returns: whether there was one.
    public func delete(_ id: String) async throws -> Bool {
        try await database.commits.write { try PlanTable.tasks.delete(id, in: $0) }
    }

    static func task(_ id: String, in connection: GRDB.Database) throws -> TaskRecord? {
        try Row.fetchOne(connection, sql: "SELECT * FROM scheduled_tasks WHERE id = ?", arguments: [id])
            .map(task(from:))
    }

    static func task(from row: Row) -> TaskRecord {
        TaskRecord(
            id: row["id"], name: row["name"], schedule: row["cron_expression"], timeZone: row["timezone"],
            prompt: row["prompt"], model: row["model"], isEnabled: row["enabled"],
            catchUp: TaskRecord.CatchUp(rawValue: row["catch_up"]) ?? .skip, owner: row["owner"],
            lastRun: row["last_run"], nextRun: row["next_run"], createdAt: row["created_at"],
            updatedAt: row["updated_at"])
    }
}
