internal import GRDB

// Which workflows are due by the clock? As with tasks a due time is taken and the next one written in one transaction; what was
// taken stays in a row until its run has begun.

/// A due time of a workflow, taken.
public struct WorkflowFiring: Sendable, Equatable {
    /// The same for the same time, also after a restart: whoever begins the run twice gives it this id and notices.
    public var id: String
    public var workflowID: String
    /// The trigger block.
    public var nodeID: String
    /// Unix seconds: when it was due.
    public var due: Double

    public init(id: String, workflowID: String, nodeID: String, due: Double) {
        self.id = id
        self.workflowID = workflowID
        self.nodeID = nodeID
        self.due = due
    }
}

/// What is to become of a schedule that is due.
public struct WorkflowDue: Sendable, Equatable {
    public var scheduleID: String
    /// The next time as it was read.
    public var expected: Double
    public var next: Double?
    /// Nil: the time passed unused.
    public var firing: WorkflowFiring?

    public init(scheduleID: String, expected: Double, next: Double?, firing: WorkflowFiring?) {
        self.scheduleID = scheduleID
        self.expected = expected
        self.next = next
        self.firing = firing
    }
}

extension WorkflowRepository {
    /// Schedules whose time has come, the longest ago first.
    public func due(at time: Double, limit: Int) async throws -> [WorkflowScheduleRecord] {
        try await database.pool.read { connection in
            try Row.fetchAll(
                connection,
                sql: """
                    SELECT * FROM workflow_schedules WHERE next_run_at IS NOT NULL AND next_run_at <= ?
                    ORDER BY next_run_at, id LIMIT ?
                    """, arguments: [time, limit]
            ).map(Self.schedule(from:))
        }
    }

    /// When the next workflow is due; nil: never.
    public func nextRun() async throws -> Double? {
        try await database.pool.read { connection in
            try Double.fetchOne(
                connection, sql: "SELECT min(next_run_at) FROM workflow_schedules WHERE next_run_at IS NOT NULL")
        }
    }

    /// Schedules that are due later than `time`, in the order of their ids.
    public func waiting(since time: Double, after id: String, limit: Int) async throws -> [WorkflowScheduleRecord] {
        try await database.pool.read { connection in
            try Row.fetchAll(
                connection,
                sql: "SELECT * FROM workflow_schedules WHERE next_run_at > ? AND id > ? ORDER BY id LIMIT ?",
                arguments: [time, id, limit]
            ).map(Self.schedule(from:))
        }
    }

    /// Gives schedules another next time, as far as nobody has changed theirs since they were read.
    public func move(_ moves: [(id: String, from: Double, to: Double)]) async throws {
        try await database.commits.write { connection in
            for move in moves {
                try connection.execute(
                    sql: "UPDATE workflow_schedules SET next_run_at = ? WHERE id = ? AND next_run_at = ?",
                    arguments: [move.to, move.id, move.from])
            }
        }
    }

    /// Takes due times and writes the next ones, in one transaction.
    ///
    /// - Parameter now: Unix seconds.
    /// - Returns: what has to begin.
    public func take(_ all: [WorkflowDue], now: Double) async throws -> [WorkflowFiring] {
        try await database.commits.write { connection in
            var taken: [WorkflowFiring] = []
            for due in all {
                try connection.execute(
                    sql: """
                        UPDATE workflow_schedules SET next_run_at = ?, last_run_at = iif(?, ?, last_run_at)
                        WHERE id = ? AND next_run_at = ?
                        """, arguments: [due.next, due.firing != nil, now, due.scheduleID, due.expected])
                guard connection.changesCount == 1, let firing = due.firing else { continue }
                try connection.execute(
                    sql: """
                        INSERT OR IGNORE INTO workflow_firings (id, workflow_id, node_id, due) VALUES (?, ?, ?, ?)
                        """, arguments: [firing.id, firing.workflowID, firing.nodeID, firing.due])
                if connection.changesCount == 1 { taken.append(firing) }
            }
            return taken
        }
    }

    /// What was taken and has not begun, the oldest first.
    public func firings() async throws -> [WorkflowFiring] {
        try await database.pool.read { connection in
            try Row.fetchAll(connection, sql: "SELECT * FROM workflow_firings ORDER BY due, id").map { row in
                WorkflowFiring(id: row["id"], workflowID: row["workflow_id"], nodeID: row["node_id"], due: row["due"])
            }
        }
    }

    /// Its run has begun, or never will.
    public func end(firing id: String) async throws {
        try await database.commits.write { connection in
            try connection.execute(sql: "DELETE FROM workflow_firings WHERE id = ?", arguments: [id])
        }
    }
}
