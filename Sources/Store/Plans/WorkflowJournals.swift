internal import GRDB

// How is a run recorded while it runs? Its beginning is one transaction, each batch of its journal's lines another, and its end a third,
// which takes the journal away: what is left is the run with its trace. Each is on disk when its caller goes on.

/// What a run of a workflow began with.
public struct WorkflowStartRecord: Sendable, Equatable {
    public var runID: String
    public var workflowID: String
    /// The same key of the same workflow is the same run.
    public var key: String?
    /// The handle of whoever started it.
    public var startedBy: String
    /// In whose name its blocks act.
    public var owner: String
    /// The trigger that it begins at; nil: the graph decides.
    public var nodeID: String?
    /// JSON.
    public var graph: String

    public init(
        runID: String, workflowID: String, key: String? = nil, startedBy: String, owner: String,
        nodeID: String? = nil, graph: String
    ) {
        self.runID = runID
        self.workflowID = workflowID
        self.key = key
        self.startedBy = startedBy
        self.owner = owner
        self.nodeID = nodeID
        self.graph = graph
    }
}

/// How a run ended.
public struct WorkflowEndRecord: Sendable, Equatable {
    public var status: WorkflowRunRecord.Status
    public var finishedAt: Double
    /// JSON.
    public var outputs: String
    public var error: String?
    /// A JSON list.
    public var trace: String

    public init(
        status: WorkflowRunRecord.Status, finishedAt: Double, outputs: String = "{}", error: String? = nil,
        trace: String = "[]"
    ) {
        self.status = status
        self.finishedAt = finishedAt
        self.outputs = outputs
        self.error = error
        self.trace = trace
    }
}

/// Why a run was not recorded.
public enum WorkflowJournalError: Error, Equatable {
    /// There is no such workflow any more, or the run is over.
    case missing
    /// So many runs have not ended.
    case full
}

extension WorkflowRepository {
    /// Records that a run begins, and that its workflow ran.
    ///
    /// - Parameters:
    ///   - most: how many runs of the workflow may be there that have not ended.
    ///   - mostOfAll: how many of all workflows.
    /// - Returns: the run; an earlier one when it was started with the same key.
    /// - Throws: ``WorkflowJournalError``
    public func begin(
        _ run: WorkflowRunRecord, _ start: WorkflowStartRecord, most: Int = .max, mostOfAll: Int = .max
    ) async throws -> (run: WorkflowRunRecord, isNew: Bool) {
        try await database.commits.write { connection in
            if let key = start.key {
                let earlier = try Row.fetchOne(
                    connection,
                    sql: """
                        SELECT workflow_runs.* FROM workflow_run_starts
                            JOIN workflow_runs ON workflow_runs.id = workflow_run_starts.run_id
                        WHERE workflow_run_starts.workflow_id = ? AND idempotency_key = ?
                        """, arguments: [start.workflowID, key])
                if let earlier { return (Self.run(from: earlier), false) }
            }
            try connection.execute(
                sql: "UPDATE workflows SET last_run_at = ? WHERE id = ?", arguments: [run.startedAt, run.workflowID])
            guard connection.changesCount > 0 else { throw WorkflowJournalError.missing }
            let running = try Row.fetchOne(
                connection,
                sql: """
                    SELECT count(*) AS everyone, coalesce(sum(workflow_id = ?), 0) AS own
                    FROM workflow_runs WHERE status = 'running'
                    """, arguments: [run.workflowID])
            guard let running, running["own"] < most, running["everyone"] < mostOfAll else {
                throw WorkflowJournalError.full
            }
            try connection.execute(
                sql: """
                    INSERT INTO workflow_runs (
                        id, workflow_id, trigger, status, started_at, inputs, outputs, trace)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    run.id, run.workflowID, run.trigger, run.status.rawValue, run.startedAt, run.inputs, run.outputs,
                    run.trace,
                ])
            try connection.execute(
                sql: """
                    INSERT INTO workflow_run_starts (
                        run_id, workflow_id, idempotency_key, started_by, owner, node_id, graph)
                    VALUES (?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    run.id, start.workflowID, start.key, start.startedBy, start.owner, start.nodeID, start.graph,
                ])
            return (run, true)
        }
    }

    /// Adds lines to the journal of a run.
    ///
    /// - Throws: ``WorkflowJournalError/missing``
    public func append(_ entries: [String], to run: String) async throws {
        try await database.commits.write { connection in
            let isRunning = try Bool.fetchOne(
                connection, sql: "SELECT status = 'running' FROM workflow_runs WHERE id = ?", arguments: [run])
            guard isRunning == true else { throw WorkflowJournalError.missing }
            let place =
                try Int.fetchOne(
                    connection, sql: "SELECT coalesce(max(number) + 1, 0) FROM workflow_run_entries WHERE run_id = ?",
                    arguments: [run]) ?? 0
            for (number, entry) in entries.enumerated() {
                try connection.execute(
                    sql: "INSERT INTO workflow_run_entries (run_id, number, entry) VALUES (?, ?, ?)",
                    arguments: [run, place + number, entry])
            }
        }
    }

    /// A run's journal from its beginning.
    public func entries(of run: String) async throws -> [String] {
        try await database.pool.read { connection in
            try String.fetchAll(
                connection, sql: "SELECT entry FROM workflow_run_entries WHERE run_id = ? ORDER BY number",
                arguments: [run])
        }
    }

    /// What a run began with.
    public func start(of run: String) async throws -> WorkflowStartRecord? {
        try await database.pool.read { connection in
            try Row.fetchOne(connection, sql: "SELECT * FROM workflow_run_starts WHERE run_id = ?", arguments: [run])
                .map(Self.start(from:))
        }
    }

    /// Runs that are not over, in the order in which they began.
    public func unfinishedRuns() async throws -> [(run: WorkflowRunRecord, start: WorkflowStartRecord?)] {
        try await database.pool.read { connection in
            try Row.fetchAll(
                connection, sql: "SELECT * FROM workflow_runs WHERE status = 'running' ORDER BY started_at, id"
            ).map { row in
                let run = Self.run(from: row)
                let start = try Row.fetchOne(
                    connection, sql: "SELECT * FROM workflow_run_starts WHERE run_id = ?", arguments: [run.id])
                return (run, start.map(Self.start(from:)))
            }
        }
    }

    /// Ends a run: its journal goes, and so do the workflow's oldest runs.
    ///
    /// - Parameter keep: how many runs of the workflow that are over stay.
    /// - Returns: whether it was running.
    public func finish(_ run: String, _ end: WorkflowEndRecord, keep: Int) async throws -> Bool {
        try await database.commits.write { connection in
            try connection.execute(
                sql: """
                    UPDATE workflow_runs SET status = ?, finished_at = ?, outputs = ?, error = ?, trace = ?
                    WHERE id = ? AND status = 'running'
                    """,
                arguments: [end.status.rawValue, end.finishedAt, end.outputs, end.error, end.trace, run])
            guard connection.changesCount > 0 else { return false }
            try connection.execute(sql: "DELETE FROM workflow_run_entries WHERE run_id = ?", arguments: [run])
            try connection.execute(sql: "UPDATE workflow_run_starts SET graph = '' WHERE run_id = ?", arguments: [run])
            try connection.execute(
                sql: """
                    DELETE FROM workflow_runs WHERE id IN (
                        SELECT id FROM workflow_runs
                        WHERE workflow_id = (SELECT workflow_id FROM workflow_runs WHERE id = ?)
                            AND status <> 'running'
                        ORDER BY finished_at DESC, id DESC LIMIT -1 OFFSET ?)
                    """, arguments: [run, keep])
            return true
        }
    }

    private static func start(from row: Row) -> WorkflowStartRecord {
        WorkflowStartRecord(
            runID: row["run_id"], workflowID: row["workflow_id"], key: row["idempotency_key"],
            startedBy: row["started_by"], owner: row["owner"], nodeID: row["node_id"], graph: row["graph"])
    }
}
