internal import GRDB

// How are workflows read and written? A workflow and the schedules of its blocks are one thing: they change in one transaction,
// and a schedule that stays keeps its row and its history.

/// The rows of workflows and their runs.
public struct WorkflowRepository: Sendable {
    let database: Database
    /// UTF-8 bytes of graphs in one page.
    private static let pageSize = 8 << 20

    public init(_ database: Database) { self.database = database }

    /// - Throws: ``PlanStorageError/nameTaken(_:)``
    public func insert(_ workflow: WorkflowRecord) async throws {
        try await database.commits.write { connection in
            try PlanTable.workflows.require(workflow.name, for: workflow.id, in: connection)
            try connection.execute(
                sql: """
                    INSERT INTO workflows (
                        id, name, description, graph, trigger_types, enabled, max_concurrent_runs, owner, last_run_at,
                        created_at, updated_at)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    workflow.id, workflow.name, workflow.description, workflow.graph,
                    Self.text(workflow.triggerTypes), workflow.isEnabled, workflow.maxConcurrentRuns, workflow.owner,
                    workflow.lastRunAt, workflow.createdAt, workflow.updatedAt,
                ])
            try Self.replaceSchedules(of: workflow, in: connection)
        }
    }

    /// - Parameter reference: an id, at least four first characters of one, or a name.
    public func match(_ reference: String) async throws -> PlanMatch {
        try await database.pool.read { try PlanTable.workflows.match(reference, in: $0) }
    }

    public func workflow(_ id: String) async throws -> WorkflowRecord? {
        try await database.pool.read { try Self.workflow(id, in: $0) }
    }

    /// Workflows in the order of their names.
    ///
    /// - Parameters:
    ///   - after: only those with a later name.
    ///   - triggerType: only those with such a block.
    public func workflows(
        after: String?, limit: Int, enabledOnly: Bool = false, triggerType: String? = nil
    ) async throws -> PlanRows<WorkflowRecord> {
        try await database.pool.read { connection in
            var page = try PlanTable.page(
                connection,
                sql: """
                    SELECT * FROM workflows WHERE (:after IS NULL OR name > :after) AND (NOT :enabled OR enabled)
                        AND (:type IS NULL OR instr(trigger_types, ' ' || :type || ' ') > 0)
                    ORDER BY name LIMIT :limit
                    """,
                arguments: ["after": after, "enabled": enabledOnly, "type": triggerType, "limit": limit + 1],
                limit: limit, bytes: Self.pageSize
            ) { row in
                let workflow = Self.workflow(from: row)
                return (workflow, workflow.graph.utf8.count)
            }
            for place in page.rows.indices {
                page.rows[place].schedules = try Self.schedules(of: page.rows[place].id, in: connection)
            }
            return page
        }
    }

    /// Changes a workflow and its schedules in one transaction.
    ///
    /// - Returns: the new row; nil when there is none.
    /// - Throws: ``PlanStorageError/nameTaken(_:)``, and what `change` throws; nothing is changed then.
    public func update(
        _ id: String, _ change: @escaping @Sendable (inout WorkflowRecord) throws -> Void
    ) async throws -> WorkflowRecord? {
        try await database.commits.write { connection in
            guard var workflow = try Self.workflow(id, in: connection) else { return nil }
            try change(&workflow)
            try PlanTable.workflows.require(workflow.name, for: id, in: connection)
            try connection.execute(
                sql: """
                    UPDATE workflows SET name = ?, description = ?, graph = ?, trigger_types = ?, enabled = ?,
                        max_concurrent_runs = ?, last_run_at = ?, updated_at = ? WHERE id = ?
                    """,
                arguments: [
                    workflow.name, workflow.description, workflow.graph, Self.text(workflow.triggerTypes),
                    workflow.isEnabled, workflow.maxConcurrentRuns, workflow.lastRunAt, workflow.updatedAt, id,
                ])
            try Self.replaceSchedules(of: workflow, in: connection)
            workflow.schedules = try Self.schedules(of: id, in: connection)
            return workflow
        }
    }

    /// Removes a workflow, its schedules and its runs.
    ///
    /// - Returns: whether there was one.
    public func delete(_ id: String) async throws -> Bool {
        try await database.commits.write { try PlanTable.workflows.delete(id, in: $0) }
    }

    // MARK: Rows

    private static func replaceSchedules(of workflow: WorkflowRecord, in connection: GRDB.Database) throws {
        try connection.execute(sql: "DELETE FROM workflow_schedules WHERE workflow_id = ?", arguments: [workflow.id])
        for schedule in workflow.schedules {
            try connection.execute(
                sql: """
                    INSERT INTO workflow_schedules (
                        id, workflow_id, node_id, cron_expression, timezone, next_run_at, last_run_at, enabled,
                        created_at, updated_at)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    schedule.id, workflow.id, schedule.nodeID, schedule.schedule, schedule.timeZone,
                    schedule.nextRunAt, schedule.lastRunAt, schedule.isEnabled, schedule.createdAt,
                    schedule.updatedAt,
                ])
        }
    }

    private static func workflow(_ id: String, in connection: GRDB.Database) throws -> WorkflowRecord? {
        guard
            let row = try Row.fetchOne(connection, sql: "SELECT * FROM workflows WHERE id = ?", arguments: [id])
        else { return nil }
        var workflow = workflow(from: row)
        workflow.schedules = try schedules(of: id, in: connection)
        return workflow
    }

    private static func workflow(from row: Row) -> WorkflowRecord {
        let types: String = row["trigger_types"]
        return WorkflowRecord(
            id: row["id"], name: row["name"], description: row["description"], graph: row["graph"],
            triggerTypes: types.split(separator: " ").map(String.init), isEnabled: row["enabled"],
            maxConcurrentRuns: row["max_concurrent_runs"], owner: row["owner"], lastRunAt: row["last_run_at"],
            createdAt: row["created_at"], updatedAt: row["updated_at"])
    }

    private static func schedules(
        of workflow: String, in connection: GRDB.Database
    ) throws -> [WorkflowScheduleRecord] {
        try Row.fetchAll(
            connection, sql: "SELECT * FROM workflow_schedules WHERE workflow_id = ? ORDER BY node_id",
            arguments: [workflow]
        ).map(schedule(from:))
    }

    static func schedule(from row: Row) -> WorkflowScheduleRecord {
        WorkflowScheduleRecord(
            id: row["id"], workflowID: row["workflow_id"], nodeID: row["node_id"], schedule: row["cron_expression"],
            timeZone: row["timezone"], nextRunAt: row["next_run_at"], lastRunAt: row["last_run_at"],
            isEnabled: row["enabled"], createdAt: row["created_at"], updatedAt: row["updated_at"])
    }

    private static func text(_ types: [String]) -> String { types.isEmpty ? "" : " \(types.joined(separator: " ")) " }
}
