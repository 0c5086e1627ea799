internal import GRDB

// What becomes of what the agent does by itself in the name of a user who is gone? It is switched off and belongs to nobody: whoever
// gets the handle next neither runs it nor is asked about it, and no secret that the earlier user knows starts anything.

enum RetiredPlans {
    private static let reason = "Its user was removed."

    /// Handles in whose names something is kept here.
    static func handles(in connection: GRDB.Database) throws -> [String] {
        try String.fetchAll(
            connection,
            sql: """
                SELECT owner FROM scheduled_tasks UNION SELECT owner FROM workflows
                UNION SELECT created_by FROM webhooks UNION SELECT handle FROM approvals
                """)
    }

    /// Ends what runs, too.
    ///
    /// - Parameter name: whose it is from now on; no user can be called so.
    static func retire(_ handle: String, as name: String, now: Double, in connection: GRDB.Database) throws {
        let times: StatementArguments = [now, reason, handle]
        try connection.execute(
            sql: """
                UPDATE task_runs SET status = 'cancelled', finished_at = ?, error = ?
                WHERE status = 'running' AND task_id IN (SELECT id FROM scheduled_tasks WHERE owner = ?)
                """, arguments: times)
        try connection.execute(
            sql: "UPDATE scheduled_tasks SET enabled = 0, next_run = NULL, updated_at = ?, owner = ? WHERE owner = ?",
            arguments: [now, name, handle])
        let own = "workflow_id IN (SELECT id FROM workflows WHERE owner = ?)"
        try connection.execute(
            sql: """
                UPDATE workflow_runs SET status = 'cancelled', finished_at = ?, error = ?
                WHERE status = 'running' AND id IN (SELECT run_id FROM workflow_run_starts WHERE owner = ?)
                """, arguments: times)
        try connection.execute(
            sql: """
                DELETE FROM workflow_run_entries
                WHERE run_id IN (SELECT run_id FROM workflow_run_starts WHERE owner = ?)
                """, arguments: [handle])
        try connection.execute(
            sql: "UPDATE workflow_run_starts SET owner = ?, graph = '' WHERE owner = ?", arguments: [name, handle])
        try connection.execute(sql: "DELETE FROM workflow_firings WHERE \(own)", arguments: [handle])
        try connection.execute(
            sql: "UPDATE workflow_schedules SET next_run_at = NULL WHERE \(own)", arguments: [handle])
        try connection.execute(
            sql: "UPDATE workflows SET enabled = 0, updated_at = ?, owner = ? WHERE owner = ?",
            arguments: [now, name, handle])
        // They know its secret, whoever owns the workflow.
        try connection.execute(sql: "DELETE FROM webhooks WHERE created_by = ?", arguments: [handle])
        // What they were asked says what they did. A question that waits ends with its turn.
        try connection.execute(sql: "UPDATE approvals SET handle = ? WHERE handle = ?", arguments: [name, handle])
    }
}
