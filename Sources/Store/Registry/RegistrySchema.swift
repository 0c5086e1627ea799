internal import GRDB

// Which tables hold what the agent thinks and works with? Providers with their keys, their models, and MCP servers: the tables of
// agent.md §2 of the reference with the same names and columns. What must never be is refused by SQLite itself: two
// providers of one name and framework, a model without a provider, two defaults.

extension DatabaseMigrator {
    /// Tables of providers, models and MCP servers.
    mutating func registerRegistry() {
        registerMigration("2026-11-21 registry") { connection in
            try connection.execute(
                sql: """
                    CREATE TABLE providers (
                        id INTEGER PRIMARY KEY AUTOINCREMENT,
                        name TEXT NOT NULL,
                        framework TEXT NOT NULL,
                        kind TEXT NOT NULL CHECK (kind IN ('llm', 'tts', 'stt')),
                        api_key TEXT,
                        base_url TEXT,
                        enabled INTEGER NOT NULL DEFAULT 1,
                        metadata_json TEXT NOT NULL DEFAULT '{}',
                        created_at REAL NOT NULL,
                        updated_at REAL NOT NULL,
                        UNIQUE (name, framework)
                    ) STRICT;

                    CREATE TABLE models (
                        id INTEGER PRIMARY KEY AUTOINCREMENT,
                        provider_id INTEGER NOT NULL REFERENCES providers (id) ON DELETE CASCADE,
                        model TEXT NOT NULL,
                        kind TEXT NOT NULL CHECK (kind IN ('llm', 'tts', 'stt')),
                        display_name TEXT,
                        tier_hint TEXT,
                        enabled INTEGER NOT NULL DEFAULT 1,
                        is_classifier INTEGER NOT NULL DEFAULT 0,
                        metadata_json TEXT NOT NULL DEFAULT '{}',
                        created_at REAL NOT NULL,
                        updated_at REAL NOT NULL,
                        UNIQUE (provider_id, model)
                    ) STRICT;
                    CREATE UNIQUE INDEX models_default ON models (is_classifier) WHERE is_classifier = 1;

                    CREATE TABLE mcps (
                        name TEXT PRIMARY KEY,
                        kind TEXT NOT NULL CHECK (kind IN ('builtin', 'custom', 'default')),
                        builtin_name TEXT,
                        command_json TEXT,
                        args_json TEXT NOT NULL DEFAULT '[]',
                        url TEXT,
                        env_json TEXT NOT NULL DEFAULT '{}',
                        headers_json TEXT NOT NULL DEFAULT '{}',
                        oauth INTEGER NOT NULL DEFAULT 0,
                        enabled INTEGER NOT NULL DEFAULT 1,
                        source TEXT NOT NULL,
                        created_at REAL NOT NULL,
                        updated_at REAL NOT NULL,
                        CHECK (kind = 'builtin' OR (command_json IS NULL) <> (url IS NULL))
                    ) STRICT, WITHOUT ROWID;
                    """)
        }
    }
}
