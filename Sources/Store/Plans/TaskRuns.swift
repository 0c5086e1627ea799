internal import GRDB

// How did a task's runs go, and which go on? A due time is taken and the task's next one written in one transaction, so that it
// runs once whatever happens in between. Who runs it and what comes out is not known here.

/// One time that a task ran.
public struct TaskRunRecord: Sendable, Equatable {
    public var id: String
    public var taskID: String
    /// `schedule` or `manual`.
    public var trigger: String
    /// `running`, `success`, `failed`, `cancelled`, or `skipped`: due while the run before it went on.
    public var status: String
    public var startedAt: Double
    public var finishedAt: Double?
    public var output: String?
    public var error: String?
    public var sessionID: String?
    /// The time that it is for; nil when somebody asked for it.
    public var due: Double?

    public init(
        id: String, taskID: String, trigger: String, status: String, startedAt: Double, finishedAt: Double? = nil,
        output: String? = nil, error: String? = nil, sessionID: String? = nil, due: Double? = nil
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
        self.due = due
    }
}

/// A run's place in the order of runs.
public struct RunPosition: Codable, Sendable, Equatable {
    public var startedAt: Double
    public var id: String

    public init(startedAt: Double, id: String) {
        self.startedAt = startedAt
        self.id = id
    }
}

/// What is to become of a task that is due.
public struct TaskFiring: Sendable, Equatable {
    public var taskID: String
    /// The next time as it was read: another one means that somebody has changed the task since.
    public var expected: Double
    public var next: Double?
    /// It does not fire again.
    public var isLast: Bool
    /// Nil: the time passed unused.
    public var run: TaskRunRecord?

    public init(taskID: String, expected: Double, next: Double?, isLast: Bool, run: TaskRunRecord?) {
        self.taskID = taskID
        self.expected = expected
        self.next = next
        self.isLast = isLast
        self.run = run
    }
}

extension TaskRepository {
    private static let skipped = "It was due again while this task was still running."

    public func insert(_ run: TaskRunRecord) async throws {
        try await database.commits.write { try Self.insert(run, in: $0) }
    }

    /// A task's runs, newest first.
    ///
    /// - Parameter before: only those that come after this one in that order.
    public func runs(of task: String, before: RunPosition?, limit: Int) async throws -> PlanRows<TaskRunRecord> {
        try await database.pool.read { connection in
            try PlanTable.page(
                connection,
                sql: """
                    SELECT * FROM task_runs WHERE task_id = ? AND (started_at, id) < (?, ?)
                    ORDER BY started_at DESC, id DESC LIMIT ?
                    """, arguments: [task, before?.startedAt ?? .infinity, before?.id ?? "", limit + 1], limit: limit,
                bytes: Self.pageSize
            ) { row in
                let run = Self.run(from: row)
                return (run, run.output?.utf8.count ?? 0)
            }
        }
    }

    public func run(_ id: String) async throws -> TaskRunRecord? {
        try await database.pool.read { try Self.run(id, in: $0) }
    }

    // MARK: Due times

    /// Tasks whose time has come, the longest ago first.
    public func due(at time: Double, limit: Int) async throws -> [TaskRecord] {
        try await database.pool.read { connection in
            try Row.fetchAll(
                connection,
                sql: "SELECT * FROM scheduled_tasks WHERE next_run <= ? ORDER BY next_run, id LIMIT ?",
                arguments: [time, limit]
            ).map(Self.task(from:))
        }
    }

    /// When the next task is due; nil: never.
    public func nextRun() async throws -> Double? {
        try await database.pool.read { connection in
            try Double.fetchOne(
                connection, sql: "SELECT min(next_run) FROM scheduled_tasks WHERE next_run IS NOT NULL")
        }
    }

    /// Tasks that are due later than `time`, in the order of their ids.
    public func waiting(since time: Double, after id: String, limit: Int) async throws -> [TaskRecord] {
        try await database.pool.read { connection in
            try Row.fetchAll(
                connection, sql: "SELECT * FROM scheduled_tasks WHERE next_run > ? AND id > ? ORDER BY id LIMIT ?",
                arguments: [time, id, limit]
            ).map(Self.task(from:))
        }
    }

    /// Gives tasks another next time, as far as nobody has changed theirs since they were read.
    public func move(_ moves: [(id: String, from: Double, to: Double)]) async throws {
        try await database.commits.write { connection in
            for move in moves {
                try connection.execute(
                    sql: "UPDATE scheduled_tasks SET next_run = ? WHERE id = ? AND next_run = ?",
                    arguments: [move.to, move.id, move.from])
            }
        }
    }

    /// Takes due times and writes the next ones, in one transaction.
    ///
    /// - Parameter now: Unix seconds.
    /// - Returns: the runs that have to begin. A time that a run was made for before, a task that was changed meanwhile, and one
    ///   whose last run goes on, give none; of the last it is recorded.
    public func take(_ firings: [TaskFiring], now: Double) async throws -> [TaskRunRecord] {
        try await database.commits.write { connection in
            var begun: [TaskRunRecord] = []
            for firing in firings {
                try connection.execute(
                    sql: """
                        UPDATE scheduled_tasks SET next_run = ?, enabled = enabled AND NOT ?, last_run = iif(?, ?, last_run)
                        WHERE id = ? AND next_run = ?
                        """,
                    arguments: [
                        firing.next, firing.isLast, firing.run != nil, now, firing.taskID, firing.expected,
                    ])
                guard connection.changesCount == 1, let run = firing.run else { continue }
                if let open = try Self.openRun(of: firing.taskID, in: connection) {
                    try Self.skip(run, during: open, in: connection)
                } else if try !Self.isTaken(run, in: connection) {
                    try Self.insert(run, in: connection)
                    begun.append(run)
                }
            }
            return begun
        }
    }

    /// Begins a run that somebody asked for.
    ///
    /// - Throws: ``PlanStorageError/running``
    /// - Returns: whether there is such a task.
    public func begin(_ run: TaskRunRecord) async throws -> Bool {
        try await database.commits.write { connection in
            guard try Self.openRun(of: run.taskID, in: connection) == nil else { throw PlanStorageError.running }
            try connection.execute(
                sql: "UPDATE scheduled_tasks SET last_run = ? WHERE id = ?", arguments: [run.startedAt, run.taskID])
            guard connection.changesCount == 1 else { return false }
            try Self.insert(run, in: connection)
            return true
        }
    }

    /// Runs without an end, the oldest first.
    public func openRuns() async throws -> [TaskRunRecord] {
        try await database.pool.read { connection in
            try Row.fetchAll(
                connection,
                sql: "SELECT * FROM task_runs WHERE status = 'running' ORDER BY ifnull(due, started_at), id"
            ).map(Self.run(from:))
        }
    }

    /// The task of a run that goes on; nil when either is gone, or the run has ended.
    public func task(ofOpenRun id: String) async throws -> TaskRecord? {
        try await database.pool.read { connection in
            try Row.fetchOne(
                connection,
                sql: """
                    SELECT scheduled_tasks.* FROM task_runs JOIN scheduled_tasks ON scheduled_tasks.id = task_id
                    WHERE task_runs.id = ? AND status = 'running'
                    """, arguments: [id]
            ).map(Self.task(from:))
        }
    }

    /// Writes a run's end, once, and drops what is older than the last `kept` runs of its task.
    ///
    /// - Returns: the run as it is now; nil when it went with its task.
    public func end(_ run: TaskRunRecord, kept: Int) async throws -> TaskRunRecord? {
        try await database.commits.write { connection in
            try connection.execute(
                sql: """
                    UPDATE task_runs SET status = ?, finished_at = ?, output = ?, error = ?, session_id = ?
                    WHERE id = ? AND status = 'running'
                    """,
                arguments: [run.status, run.finishedAt, run.output, run.error, run.sessionID, run.id])
            try connection.execute(
                sql: """
                    DELETE FROM task_runs WHERE task_id = ?1 AND status <> 'running' AND (started_at, id) <= (
                        SELECT started_at, id FROM task_runs WHERE task_id = ?1
                        ORDER BY started_at DESC, id DESC LIMIT 1 OFFSET ?2)
                    """, arguments: [run.taskID, kept])
            return try Self.run(run.id, in: connection)
        }
    }

    // MARK: Rows

    private static func openRun(of task: String, in connection: GRDB.Database) throws -> String? {
        try String.fetchOne(
            connection, sql: "SELECT id FROM task_runs WHERE task_id = ? AND status = 'running'", arguments: [task])
    }

    private static func isTaken(_ run: TaskRunRecord, in connection: GRDB.Database) throws -> Bool {
        try Bool.fetchOne(
            connection, sql: "SELECT EXISTS (SELECT 1 FROM task_runs WHERE task_id = ? AND due = ?)",
            arguments: [run.taskID, run.due]) ?? false
    }

    /// One row for all times that were missed during a run: the last one is its end.
    private static func skip(_ run: TaskRunRecord, during open: String, in connection: GRDB.Database) throws {
        try connection.execute(
            sql: """
                INSERT INTO task_runs (id, task_id, trigger, status, started_at, finished_at, error)
                VALUES (?, ?, ?, 'skipped', ?, ?, ?) ON CONFLICT (id) DO UPDATE SET finished_at = excluded.finished_at
                """,
            arguments: [
                "\(open)-skipped", run.taskID, run.trigger, run.startedAt, run.startedAt, skipped,
            ])
    }

    private static func insert(_ run: TaskRunRecord, in connection: GRDB.Database) throws {
        try connection.execute(
            sql: """
                INSERT INTO task_runs
                    (id, task_id, trigger, status, started_at, finished_at, output, error, session_id, due)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                run.id, run.taskID, run.trigger, run.status, run.startedAt, run.finishedAt, run.output, run.error,
                run.sessionID, run.due,
            ])
    }

    private static func run(_ id: String, in connection: GRDB.Database) throws -> TaskRunRecord? {
        try Row.fetchOne(connection, sql: "SELECT * FROM task_runs WHERE id = ?", arguments: [id]).map(run(from:))
    }

    private static func run(from row: Row) -> TaskRunRecord {
        TaskRunRecord(
            id: row["id"], taskID: row["task_id"], trigger: row["trigger"], status: row["status"],
            startedAt: row["started_at"], finishedAt: row["finished_at"], output: row["output"], error: row["error"],
            sessionID: row["session_id"], due: row["due"])
    }
}
