internal import GRDB

// Which tables say what a tool may do, and what was asked about it? The rows of the policy, and one row for each call that waits or
// waited for a word of its user. What an audit row is about in detail is a column of the audit table; that calls of models are
// never changed afterwards is said here, too: their rows are the audit of models.

extension DatabaseMigrator {
    /// Tables of the tools' policy and of approvals; the details of audit rows.
    mutating func registerApprovals() {
        registerMigration("2026-11-22 approvals") { connection in
            try connection.execute(
                sql: """
                    CREATE TABLE tool_policies (
                        -- A tool's full name, a beginning of names with '*' behind it, or '*' alone.
                        pattern TEXT PRIMARY KEY,
                        rule TEXT NOT NULL CHECK (rule IN ('allow', 'ask', 'deny')),
                        updated_at REAL NOT NULL,
                        updated_by TEXT NOT NULL
                    ) STRICT, WITHOUT ROWID;

                    CREATE TABLE approvals (
                        number INTEGER PRIMARY KEY AUTOINCREMENT,
                        id TEXT NOT NULL UNIQUE,
                        turn TEXT NOT NULL,
                        call TEXT NOT NULL,
                        session_id TEXT NOT NULL,
                        handle TEXT NOT NULL,
                        tool TEXT NOT NULL,
                        -- JSON, exactly what will run.
                        arguments TEXT NOT NULL,
                        -- SHA-256 of the arguments: what the answer is worth something for.
                        hash BLOB NOT NULL CHECK (length(hash) = 32),
                        created_at REAL NOT NULL,
                        expires_at REAL NOT NULL,
                        state TEXT NOT NULL DEFAULT 'pending'
                            CHECK (state IN ('pending', 'approved', 'denied', 'expired', 'withdrawn')),
                        decided_by TEXT,
                        decided_at REAL,
                        UNIQUE (turn, call),
                        CHECK ((state = 'pending') = (decided_at IS NULL))
                    ) STRICT;
                    CREATE INDEX approvals_by_user ON approvals (handle, number);
                    CREATE INDEX approvals_open ON approvals (state, number) WHERE state = 'pending';

                    ALTER TABLE audit ADD COLUMN details TEXT;

                    -- Holds a row only while rows of calls that are old enough are removed, within that transaction.
                    CREATE TABLE audit_housekeeping (until REAL NOT NULL) STRICT;
                    DROP TRIGGER audit_is_never_shortened;
                    CREATE TRIGGER audit_is_never_shortened BEFORE DELETE ON audit
                    WHEN substr(OLD.action, 1, 5) <> 'tool.'
                        OR NOT EXISTS (SELECT 1 FROM audit_housekeeping WHERE OLD.at < until)
                    BEGIN SELECT RAISE(ABORT, 'the audit table is append-only'); END;

                    -- But for whose it was, once that user is gone.
                    CREATE TRIGGER usage_log_is_never_changed BEFORE UPDATE ON usage_log
                    WHEN substr(NEW.handle, 1, 10) <> '__retired/' OR substr(OLD.handle, 1, 10) = '__retired/'
                        OR (NEW.id, NEW.turn, NEW.call, NEW.at, NEW.model, NEW.input_tokens, NEW.output_tokens)
                            IS NOT (OLD.id, OLD.turn, OLD.call, OLD.at, OLD.model, OLD.input_tokens, OLD.output_tokens)
                        OR (NEW.cost, NEW.session_id, NEW.device) IS NOT (OLD.cost, OLD.session_id, OLD.device)
                    BEGIN SELECT RAISE(ABORT, 'the usage log is append-only'); END;
                    CREATE TRIGGER usage_log_is_never_shortened BEFORE DELETE ON usage_log
                    BEGIN SELECT RAISE(ABORT, 'the usage log is append-only'); END;
                    CREATE TRIGGER usage_log_is_never_replaced BEFORE INSERT ON usage_log
                    WHEN EXISTS (
                        SELECT 1 FROM usage_log WHERE id = NEW.id OR (turn = NEW.turn AND call = NEW.call))
                    BEGIN SELECT RAISE(ABORT, 'the usage log is append-only'); END;
                    """)
        }
    }
}
