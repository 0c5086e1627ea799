internal import GRDB

// Which tables keep what models cost? One row for each call of a model, sums of them by day, and one row for each turn that was
// let through. None of them goes away with its session: a bill stays, and a limit that deleting a session lifts is none.

extension DatabaseMigrator {
    /// Calls of models, their sums, and the turns that count towards limits.
    mutating func registerUsageLog() {
        registerMigration("2026-11-21 usage log") { connection in
            try connection.execute(
                sql: """
                    CREATE TABLE usage_log (
                        id INTEGER PRIMARY KEY,
                        turn TEXT NOT NULL,
                        -- From 1 within the turn.
                        call INTEGER NOT NULL,
                        at REAL NOT NULL,
                        model TEXT NOT NULL,
                        input_tokens INTEGER NOT NULL,
                        output_tokens INTEGER NOT NULL,
                        -- In billionths of a US dollar.
                        cost INTEGER NOT NULL,
                        handle TEXT NOT NULL,
                        session_id TEXT NOT NULL,
                        -- The device key in hexadecimal digits.
                        device TEXT NOT NULL,
                        UNIQUE (turn, call)
                    ) STRICT;
                    CREATE INDEX usage_log_by_user ON usage_log (handle, at);

                    -- What reports read: the rows of usage_log, added up.
                    CREATE TABLE usage_days (
                        -- Days of UTC since 1970-01-01.
                        day INTEGER NOT NULL,
                        handle TEXT NOT NULL,
                        model TEXT NOT NULL,
                        device TEXT NOT NULL,
                        requests INTEGER NOT NULL,
                        input_tokens INTEGER NOT NULL,
                        output_tokens INTEGER NOT NULL,
                        cost INTEGER NOT NULL,
                        PRIMARY KEY (day, handle, model, device)
                    ) STRICT, WITHOUT ROWID;
                    -- Apart, because there may be as many sessions as calls.
                    CREATE TABLE usage_sessions (
                        day INTEGER NOT NULL,
                        handle TEXT NOT NULL,
                        session_id TEXT NOT NULL,
                        requests INTEGER NOT NULL,
                        input_tokens INTEGER NOT NULL,
                        output_tokens INTEGER NOT NULL,
                        cost INTEGER NOT NULL,
                        PRIMARY KEY (day, handle, session_id)
                    ) STRICT, WITHOUT ROWID;

                    -- What limits read: turns that were let through in the last days.
                    CREATE TABLE usage_turns (
                        turn TEXT PRIMARY KEY,
                        -- When it was let through.
                        at REAL NOT NULL,
                        handle TEXT NOT NULL,
                        device TEXT NOT NULL,
                        model TEXT NOT NULL,
                        -- While the turn runs, an estimate.
                        tokens INTEGER NOT NULL,
                        cost INTEGER NOT NULL,
                        is_open INTEGER NOT NULL
                    ) STRICT, WITHOUT ROWID;
                    CREATE INDEX usage_turns_by_time ON usage_turns (at, handle, device, model, tokens, cost);

                    INSERT INTO usage_log (
                        turn, call, at, model, input_tokens, output_tokens, cost, handle, session_id, device)
                    SELECT turn, 1, at, turn_usage.model, input_tokens, output_tokens,
                        CAST(round(max(0, min(cost, 1000000)) * 1000000000) AS INTEGER), handle, session_id, device
                    FROM turn_usage JOIN sessions ON sessions.id = turn_usage.session ORDER BY at;
                    INSERT INTO usage_days
                    SELECT CAST(at / 86400 AS INTEGER) AS day, handle, model, device, count(*),
                        sum(input_tokens), sum(output_tokens), sum(cost)
                    FROM usage_log GROUP BY 1, 2, 3, 4;
                    INSERT INTO usage_sessions
                    SELECT CAST(at / 86400 AS INTEGER) AS day, handle, session_id, count(*), sum(input_tokens),
                        sum(output_tokens), sum(cost)
                    FROM usage_log GROUP BY 1, 2, 3;
                    DROP TABLE turn_usage;
                    """)
        }
    }
}
