internal import GRDB

// What keeps a due time from being taken twice or lost? A run names the time that it is for, and a firing of a workflow waits in a
// row until its run has begun.

extension DatabaseMigrator {
    /// What the scheduler needs beside tasks and workflows.
    mutating func registerScheduling() {
        registerMigration("2026-11-22 scheduling") { connection in
            try connection.execute(
                sql: """
                    -- The due time that the run is for; null when somebody asked for it.
                    ALTER TABLE task_runs ADD COLUMN due REAL;
                    CREATE UNIQUE INDEX task_runs_by_due ON task_runs (task_id, due) WHERE due IS NOT NULL;
                    CREATE INDEX task_runs_open ON task_runs (task_id) WHERE status = 'running';

                    -- Due times that were taken and whose runs have not begun.
                    CREATE TABLE workflow_firings (
                        id TEXT PRIMARY KEY,
                        workflow_id TEXT NOT NULL REFERENCES workflows (id) ON DELETE CASCADE,
                        node_id TEXT NOT NULL,
                        due REAL NOT NULL,
                        UNIQUE (workflow_id, node_id, due)
                    ) STRICT, WITHOUT ROWID;
                    """)
        }
    }
}
