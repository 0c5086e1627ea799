internal import GRDB

// How did the runs of workflows go? Their rows, newest first, and what they come to.

extension WorkflowRepository {
    /// UTF-8 bytes of runs in one page.
    private static let runsSize = 8 << 20

    public func insert(_ run: WorkflowRunRecord) async throws {
        try await database.commits.write { connection in
            try connection.execute(
                sql: """
                    INSERT INTO workflow_runs (
                        id, workflow_id, trigger, status, started_at, finished_at, inputs, outputs, error, trace)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    run.id, run.workflowID, run.trigger, run.status.rawValue, run.startedAt, run.finishedAt,
                    run.inputs, run.outputs, run.error, run.trace,
                ])
        }
    }

    public func run(_ id: String) async throws -> WorkflowRunRecord? {
        try await database.pool.read { connection in
            try Row.fetchOne(connection, sql: "SELECT * FROM workflow_runs WHERE id = ?", arguments: [id])
                .map(Self.run(from:))
        }
    }

    /// A workflow's runs, newest first.
    ///
    /// - Parameter before: only those that come after this one in that order.
    public func runs(
        of workflow: String, before: RunPosition?, limit: Int, status: WorkflowRunRecord.Status? = nil
    ) async throws -> PlanRows<WorkflowRunRecord> {
        try await database.pool.read { connection in
            try PlanTable.page(
                connection,
                sql: """
                    SELECT * FROM workflow_runs WHERE workflow_id = :workflow AND (:status IS NULL OR status = :status)
                        AND (started_at, id) < (:started, :id) ORDER BY started_at DESC, id DESC LIMIT :limit
                    """,
                arguments: [
                    "workflow": workflow, "status": status?.rawValue, "started": before?.startedAt ?? .infinity,
                    "id": before?.id ?? "", "limit": limit + 1,
                ], limit: limit, bytes: Self.runsSize
            ) { row in
                let run = Self.run(from: row)
                return (run, run.inputs.utf8.count + run.outputs.utf8.count + run.trace.utf8.count)
            }
        }
    }

    /// - Parameter last: how many runs to name.
    public func statistics(of workflow: String, last: Int) async throws -> WorkflowStatistics {
        try await database.pool.read { connection in
            let counts = try Row.fetchAll(
                connection,
                sql: "SELECT status, count(*) AS runs FROM workflow_runs WHERE workflow_id = ? GROUP BY status",
                arguments: [workflow])
            let average = try Double.fetchOne(
                connection,
                sql: """
                    SELECT avg(finished_at - started_at) FROM workflow_runs
                    WHERE workflow_id = ? AND finished_at IS NOT NULL
                    """, arguments: [workflow])
            let rows = try Row.fetchAll(
                connection,
                sql: """
                    SELECT id, workflow_id, trigger, status, started_at, finished_at, '' AS inputs, '' AS outputs,
                        NULL AS error, '' AS trace
                    FROM workflow_runs WHERE workflow_id = ? ORDER BY started_at DESC, id DESC LIMIT ?
                    """, arguments: [workflow, last])
            return WorkflowStatistics(
                counts: Dictionary(
                    counts.compactMap { row in
                        WorkflowRunRecord.Status(rawValue: row["status"]).map { ($0, row["runs"]) }
                    }
                ) { $1 }, averageDuration: average, last: rows.map(Self.run(from:)))
        }
    }

    static func run(from row: Row) -> WorkflowRunRecord {
        WorkflowRunRecord(
            id: row["id"], workflowID: row["workflow_id"], trigger: row["trigger"],
            status: WorkflowRunRecord.Status(rawValue: row["status"]) ?? .failed, startedAt: row["started_at"],
            finishedAt: row["finished_at"], inputs: row["inputs"], outputs: row["outputs"], error: row["error"],
            trace: row["trace"])
    }
}
