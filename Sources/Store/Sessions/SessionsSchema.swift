internal import GRDB

// Which tables keep what users say and what agents answer? One row per session, turn, recorded step, event and message.
// What the columns mean to the program is said by `SessionRepository`.

extension DatabaseMigrator {
    /// Tables of session state.
    mutating func registerSessionsTables() {
        registerMigration("2026-11-21 sessions") { connection in
            try connection.execute(
                sql: """
                    CREATE TABLE sessions (
                        id INTEGER PRIMARY KEY,
                        handle TEXT NOT NULL,
                        session_id TEXT NOT NULL,
                        -- Every event number up to this one may have been used.
                        sequence_high INTEGER NOT NULL DEFAULT 0,
                        created_at REAL NOT NULL,
                        UNIQUE (handle, session_id)
                    ) STRICT;

                    CREATE TABLE turns (
                        id TEXT PRIMARY KEY,
                        -- The order of acceptance, over all lanes.
                        ordinal INTEGER NOT NULL UNIQUE,
                        lane TEXT NOT NULL,
                        session INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
                        message_id TEXT,
                        text TEXT NOT NULL,
                        state TEXT NOT NULL CHECK (
                            state IN ('accepted', 'running', 'completed', 'failed', 'cancelled', 'interrupted')),
                        accepted_at REAL NOT NULL,
                        started_at REAL,
                        finished_at REAL
                    ) STRICT, WITHOUT ROWID;
                    CREATE INDEX turns_unfinished ON turns (ordinal) WHERE state IN ('accepted', 'running');
                    CREATE INDEX turns_by_message ON turns (lane, message_id, accepted_at) WHERE message_id IS NOT NULL;

                    CREATE TABLE turn_journal (
                        turn TEXT NOT NULL REFERENCES turns (id) ON DELETE CASCADE,
                        position INTEGER NOT NULL,
                        entry TEXT NOT NULL,
                        PRIMARY KEY (turn, position)
                    ) STRICT, WITHOUT ROWID;

                    CREATE TABLE session_events (
                        session INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
                        sequence INTEGER NOT NULL,
                        turn TEXT NOT NULL,
                        frame TEXT NOT NULL,
                        PRIMARY KEY (session, sequence)
                    ) STRICT, WITHOUT ROWID;
                    CREATE INDEX session_events_by_turn ON session_events (turn, sequence);

                    CREATE TABLE session_messages (
                        id INTEGER PRIMARY KEY,
                        session INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
                        turn TEXT NOT NULL,
                        role TEXT NOT NULL,
                        text TEXT NOT NULL,
                        interrupted INTEGER NOT NULL,
                        created_at REAL NOT NULL
                    ) STRICT;
                    CREATE INDEX session_messages_by_session ON session_messages (session, id);
                    """)
        }
    }

    /// What a turn carries besides its text.
    mutating func registerTurnContent() {
        registerMigration("2026-11-21 turn content") { connection in
            try connection.execute(
                sql: """
                    ALTER TABLE turns ADD COLUMN source TEXT NOT NULL DEFAULT 'user_typed';
                    ALTER TABLE turns ADD COLUMN attachments TEXT;
                    """)
        }
    }
}
