internal import GRDB

// Which tables say who may talk through a bridge because an admin said so? Those who were let in, and the codes of those who asked.

extension DatabaseMigrator {
    /// Tables of approved senders and of codes.
    mutating func registerPairings() {
        registerMigration("2026-11-22 pairings") { connection in
            try connection.execute(
                sql: """
                    CREATE TABLE bridge_senders (
                        platform TEXT NOT NULL,
                        -- The device that the bridge runs on, in hexadecimal digits; empty: the agent itself.
                        bridge TEXT NOT NULL,
                        sender TEXT NOT NULL,
                        name TEXT NOT NULL,
                        approved_by TEXT NOT NULL,
                        approved_at REAL NOT NULL,
                        PRIMARY KEY (platform, sender, bridge)
                    ) STRICT, WITHOUT ROWID;

                    CREATE TABLE bridge_pairings (
                        platform TEXT NOT NULL,
                        bridge TEXT NOT NULL,
                        sender TEXT NOT NULL,
                        name TEXT NOT NULL,
                        code TEXT NOT NULL,
                        created_at REAL NOT NULL,
                        expires_at REAL NOT NULL,
                        PRIMARY KEY (platform, sender, bridge)
                    ) STRICT, WITHOUT ROWID;
                    """)
        }
    }
}
