internal import GRDB

// Which tables does a bridge keep? Its own file holds what the platform and the agent may not both forget: how far was read, which
// messages wait for an answer, which answers wait to be sent.

extension DatabaseMigrator {
    /// Of a bridge's own database; the agent's has none of them.
    mutating func registerBridgeTables() {
        registerMigration("2026-11-22 bridge") { connection in
            try connection.execute(
                sql: """
                    -- What the platform's code wants to find again.
                    CREATE TABLE remembered (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

                    -- What was dealt with once and may come again: updates, questions.
                    CREATE TABLE seen (key TEXT PRIMARY KEY, at REAL NOT NULL) STRICT, WITHOUT ROWID;
                    CREATE INDEX seen_by_age ON seen (at);

                    -- Messages of users that have no answer yet.
                    CREATE TABLE turns (
                        ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
                        message_id TEXT NOT NULL UNIQUE,
                        session TEXT NOT NULL,
                        place TEXT NOT NULL,
                        anchor TEXT,
                        text TEXT NOT NULL,
                        source TEXT NOT NULL,
                        attachments TEXT NOT NULL
                    ) STRICT;

                    -- The number of the last event that was dealt with.
                    CREATE TABLE sessions (session TEXT PRIMARY KEY, after_seq INTEGER NOT NULL) STRICT, WITHOUT ROWID;

                    -- What is to be sent, in this order within a lane.
                    CREATE TABLE outbox (
                        id INTEGER PRIMARY KEY AUTOINCREMENT,
                        lane TEXT NOT NULL,
                        chat TEXT NOT NULL,
                        place TEXT NOT NULL,
                        act TEXT NOT NULL,
                        key TEXT NOT NULL UNIQUE,
                        at REAL NOT NULL
                    ) STRICT;
                    CREATE INDEX outbox_by_lane ON outbox (lane, id);

                    -- Messages of ours that the answer of a turn takes the place of.
                    CREATE TABLE drafts (
                        turn TEXT PRIMARY KEY, message TEXT NOT NULL, at REAL NOT NULL
                    ) STRICT, WITHOUT ROWID;

                    -- Questions that wait for a user's word.
                    CREATE TABLE questions (
                        id TEXT PRIMARY KEY, session TEXT NOT NULL, tool TEXT NOT NULL, at REAL NOT NULL
                    ) STRICT, WITHOUT ROWID;

                    -- Chats that take nothing any more.
                    CREATE TABLE parked (
                        chat TEXT PRIMARY KEY, reason TEXT NOT NULL, since REAL NOT NULL
                    ) STRICT, WITHOUT ROWID;
                    """)
        }
    }
}
