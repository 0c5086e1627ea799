internal import GRDB

// What did answers cost? One row for each turn that a model answered, written in the transaction that ends the turn: a
// turn is counted once, whatever happens around it. Whose a row is follows from its session.

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

/// What one turn used.
public struct TurnUsageRecord: Sendable, Equatable {
    /// The device that sent it: its key in hexadecimal digits.
    public let device: String
    public let model: String
    public let inputTokens: Int
    public let outputTokens: Int
    /// In US dollars.
    public let cost: Double

    public init(device: String, model: String, inputTokens: Int, outputTokens: Int, cost: Double) {
        self.device = device
        self.model = model
        self.inputTokens = inputTokens
        self.outputTokens = outputTokens
        self.cost = cost
    }

    func insert(turn: String, session: Int64, at time: Double, in connection: GRDB.Database) throws {
        // NaN would be NULL, which the column does not take: an end must not be lost over it.
        let cost = cost.isFinite ? cost : 0
        try connection.execute(
            sql: """
                INSERT INTO turn_usage (turn, session, device, model, input_tokens, output_tokens, cost, at)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (turn) DO NOTHING
                """, arguments: [turn, session, device, model, inputTokens, outputTokens, cost, time])
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
                    SELECT total(cost) AS cost, count(DISTINCT turn_usage.model) AS models, count(*) AS turns,
                        ifnull(sum(input_tokens), 0) AS input, ifnull(sum(output_tokens), 0) AS output
                    FROM turn_usage JOIN sessions ON sessions.id = turn_usage.session
                    WHERE at >= ? AND at < ? AND sessions.handle = ?
                    """, arguments: [start, end, handle])
            guard let row else { throw SessionStorageError.missing("usage") }
            return UsageSum(
                cost: row["cost"], models: row["models"], turns: row["turns"], inputTokens: row["input"],
                outputTokens: row["output"])
        }
    }
}
