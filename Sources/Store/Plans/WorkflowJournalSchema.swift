internal import GRDB

// Which tables keep runs of workflows while they run? What each began with, and its journal, to which lines are only added. What a line
// means is not known here.

extension DatabaseMigrator {
    /// Tables of running workflows.
    mutating func registerWorkflowJournals() {
        registerMigration("2026-11-22 workflow journals") { connection in
            try connection.execute(
                sql: """
                    CREATE TABLE workflow_run_starts (
                        run_id TEXT PRIMARY KEY REFERENCES workflow_runs (id) ON DELETE CASCADE,
                        workflow_id TEXT NOT NULL,
                        -- Whoever starts it again with the same key means this run.
                        idempotency_key TEXT,
                        started_by TEXT NOT NULL,
                        -- In whose name its blocks act.
                        owner TEXT NOT NULL,
                        -- The trigger that it begins at.
                        node_id TEXT,
                        -- As it was when the run began; empty when the run is over.
                        graph TEXT NOT NULL
                    ) STRICT, WITHOUT ROWID;
                    CREATE UNIQUE INDEX workflow_run_starts_by_key ON workflow_run_starts (workflow_id, idempotency_key)
                        WHERE idempotency_key IS NOT NULL;

                    CREATE TABLE workflow_run_entries (
                        run_id TEXT NOT NULL REFERENCES workflow_runs (id) ON DELETE CASCADE,
                        number INTEGER NOT NULL,
                        entry TEXT NOT NULL,
                        PRIMARY KEY (run_id, number)
                    ) STRICT, WITHOUT ROWID;
                    CREATE INDEX workflow_runs_running ON workflow_runs (started_at, id) WHERE status = 'running';
                    """)
        }
    }
}
