internal import GRDB

// Which tables keep what the agent does by itself? Tasks, workflows with the schedules that their blocks ask for, and the runs of
// both. What an expression or a graph means is not known here: they are text.

extension DatabaseMigrator {
    /// Tables of scheduled tasks and workflows.
    mutating func registerPlans() {
        registerMigration("2026-11-22 plans") { connection in
            try connection.execute(
                sql: """
                    CREATE TABLE scheduled_tasks (
                        id TEXT PRIMARY KEY,
                        name TEXT NOT NULL UNIQUE,
                        cron_expression TEXT NOT NULL,
                        timezone TEXT NOT NULL,
                        prompt TEXT NOT NULL,
                        model TEXT,
                        enabled INTEGER NOT NULL,
                        catch_up TEXT NOT NULL CHECK (catch_up IN ('skip', 'once')),
                        -- Who made it.
                        owner TEXT NOT NULL,
                        last_run REAL,
                        next_run REAL,
                        created_at REAL NOT NULL,
                        updated_at REAL NOT NULL
                    ) STRICT, WITHOUT ROWID;
                    CREATE INDEX scheduled_tasks_due ON scheduled_tasks (next_run) WHERE next_run IS NOT NULL;

                    CREATE TABLE task_runs (
                        id TEXT PRIMARY KEY,
                        task_id TEXT NOT NULL REFERENCES scheduled_tasks (id) ON DELETE CASCADE,
                        trigger TEXT NOT NULL,
                        status TEXT NOT NULL,
                        started_at REAL NOT NULL,
                        finished_at REAL,
                        output TEXT,
                        error TEXT,
                        session_id TEXT
                    ) STRICT, WITHOUT ROWID;
                    CREATE INDEX task_runs_by_task ON task_runs (task_id, started_at, id);

                    CREATE TABLE workflows (
                        id TEXT PRIMARY KEY,
                        name TEXT NOT NULL UNIQUE,
                        description TEXT,
                        graph TEXT NOT NULL,
                        -- Types of its trigger blocks, each between two spaces.
                        trigger_types TEXT NOT NULL,
                        enabled INTEGER NOT NULL,
                        max_concurrent_runs INTEGER,
                        owner TEXT NOT NULL,
                        last_run_at REAL,
                        created_at REAL NOT NULL,
                        updated_at REAL NOT NULL
                    ) STRICT, WITHOUT ROWID;

                    CREATE TABLE workflow_schedules (
                        id TEXT PRIMARY KEY,
                        workflow_id TEXT NOT NULL REFERENCES workflows (id) ON DELETE CASCADE,
                        node_id TEXT NOT NULL,
                        cron_expression TEXT NOT NULL,
                        timezone TEXT NOT NULL,
                        next_run_at REAL,
                        last_run_at REAL,
                        enabled INTEGER NOT NULL,
                        created_at REAL NOT NULL,
                        updated_at REAL NOT NULL,
                        UNIQUE (workflow_id, node_id)
                    ) STRICT, WITHOUT ROWID;
                    CREATE INDEX workflow_schedules_due ON workflow_schedules (next_run_at)
                        WHERE next_run_at IS NOT NULL;

                    CREATE TABLE workflow_runs (
                        id TEXT PRIMARY KEY,
                        workflow_id TEXT NOT NULL REFERENCES workflows (id) ON DELETE CASCADE,
                        trigger TEXT NOT NULL,
                        status TEXT NOT NULL CHECK (status IN ('running', 'success', 'failed', 'cancelled')),
                        started_at REAL NOT NULL,
                        finished_at REAL,
                        inputs TEXT NOT NULL,
                        outputs TEXT NOT NULL,
                        error TEXT,
                        trace TEXT NOT NULL
                    ) STRICT, WITHOUT ROWID;
                    CREATE INDEX workflow_runs_by_workflow ON workflow_runs (workflow_id, started_at, id);
                    """)
        }
    }
}
