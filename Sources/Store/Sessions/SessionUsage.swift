internal import GRDB

// What did a user's turns cost between two times? Read from the log of calls. Before there was one, each turn had a row of its
// own; the migration that made those stays, because migrations do.

extension DatabaseMigrator {
    /// What turns used.
    mutating func registerTurnUsage() {
        registerMigration("2026-11-21 turn usage") { connection in
            try connection.execute(
                sql: """
                    CREATE TABLE turn_usage (
                        turn TEXT PRIMARY KEY,
                        session INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
                        -- The device key in hexadecimal digits.
                        device TEXT NOT NULL,
                        model TEXT NOT NULL,
                        input_tokens INTEGER NOT NULL,
                        output_tokens INTEGER NOT NULL,
                        -- In US dollars.
                        cost REAL NOT NULL,
                        at REAL NOT NULL
                    ) STRICT, WITHOUT ROWID;
                    CREATE INDEX turn_usage_by_time ON turn_usage (at);
                    """)
        }
    }
}

/// What several turns used together.
public struct UsageSum: Sendable, Equatable {
    /// In US dollars.
    public let cost: Double
    /// How many models answered.
    public let models: Int
    public let turns: Int
    public let inputTokens: Int
    public let outputTokens: Int
}

extension SessionRepository {
    /// What the user's turns used that ended at `start` or later, and before `end` (Unix seconds).
    public func usage(of handle: String, from start: Double, before end: Double) async throws -> UsageSum {
        try await database.pool.read { connection in
            let row = try Row.fetchOne(
                connection,
                sql: """
                    SELECT ifnull(sum(cost), 0) AS cost, count(DISTINCT model) AS models,
                        count(DISTINCT turn) AS turns, ifnull(sum(input_tokens), 0) AS input,
                        ifnull(sum(output_tokens), 0) AS output
                    FROM usage_log WHERE handle = ? AND at >= ? AND at < ?
                    """, arguments: [handle, start, end])
            guard let row else { throw SessionStorageError.missing("usage") }
            return UsageSum(
                cost: Double(row["cost"] as Int64) / 1e9, models: row["models"], turns: row["turns"],
                inputTokens: row["input"],
                outputTokens: row["output"])
        }
    }
}
