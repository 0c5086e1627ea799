internal import GRDB

// May this turn start? Asked and noted in one transaction of the database's only writer, so that of several turns that want what is
// left only one gets it. While a turn runs it counts as one request with an estimate of its tokens; its end puts in what it used.

extension SessionRepository {
    /// Marks an accepted turn as running, if nothing speaks against it. A turn that was let through stays so, also after a crash.
    ///
    /// - Returns: why it may not; nothing is written then.
    public func start(turn id: String, now: Double, admission: UsageAdmission) async throws -> UsageRefusal? {
        try await write(.startTurn) { connection in
            let isAdmitted = try Bool.fetchOne(
                connection.cachedStatement(sql: "SELECT EXISTS (SELECT 1 FROM usage_turns WHERE turn = ?)"),
                arguments: [id])
            if isAdmitted != true {
                if let refusal = try UsageLedger.refusal(of: admission, in: connection) { return refusal }
                try UsageLedger.open(id, at: now, admission, in: connection)
            }
            try Self.start(id, now: now, in: connection)
            return nil
        }
    }

    /// Whether a turn would be let through now; those that wait are not counted.
    public func refusal(of admission: UsageAdmission) async throws -> UsageRefusal? {
        try await database.pool.read { try UsageLedger.refusal(of: admission, in: $0) }
    }

    /// What was used in a day in each scope, running turns included.
    public func used(by party: UsageParty, day: Range<Double>) async throws -> [UsageScope: UsageAmount] {
        try await database.pool.read { try UsageLedger.used(by: party, day: day, in: $0) }
    }

    /// Records a call of a model while its turn runs.
    public func record(_ call: ModelCallRecord, turn: String, of session: Int64, at time: Double) async throws {
        try await database.commits.write { connection in
            try UsageLedger.add(call, turn: turn, session: session, at: time, in: connection)
        }
    }
}

/// The statements behind limits and records.
enum UsageLedger {
    /// Turns are kept a little longer than the longest day.
    private static let keptSeconds = 3 * 86_400.0

    static func used(
        by party: UsageParty, day: Range<Double>, in connection: GRDB.Database
    ) throws -> [UsageScope: UsageAmount] {
        let sums = UsageScope.allCases.map { scope -> String in
            let column = ["user": "handle = :user", "device": "device = :device", "model": "model = :model"]
            let condition = column[scope.rawValue] ?? "true"
            return "ifnull(sum(\(condition)), 0), ifnull(sum(iif(\(condition), tokens, 0)), 0), "
                + "ifnull(sum(iif(\(condition), cost, 0)), 0)"
        }
        let row = try Row.fetchOne(
            connection.cachedStatement(
                sql: "SELECT \(sums.joined(separator: ", ")) FROM usage_turns WHERE at >= :from AND at < :to"),
            arguments: [
                "user": party.handle, "device": party.device, "model": party.model, "from": day.lowerBound,
                "to": day.upperBound,
            ])
        guard let row else { throw SessionStorageError.missing("usage") }
        var used: [UsageScope: UsageAmount] = [:]
        for (index, scope) in UsageScope.allCases.enumerated() {
            used[scope] = UsageAmount(
                requests: row[3 * index], inputTokens: row[3 * index + 1], cost: row[3 * index + 2])
        }
        return used
    }

    static func refusal(of admission: UsageAdmission, in connection: GRDB.Database) throws -> UsageRefusal? {
        guard !admission.caps.isEmpty else { return nil }
        let used = try used(by: admission.party, day: admission.day, in: connection)
        for scope in UsageScope.allCases {
            let amount = used[scope] ?? UsageAmount()
            for kind in UsageCap.Kind.allCases {
                guard let limit = admission.caps[scope].limit(kind) else { continue }
                let value =
                    switch kind {
                    case .requests: amount.requests
                    case .tokens: amount.tokens
                    case .cost: amount.cost
                    }
                guard value >= limit else { continue }
                return UsageRefusal(
                    kind: kind, scope: scope, key: admission.party.key(scope), limit: limit, used: value)
            }
        }
        return nil
    }

    static func open(
        _ turn: String, at time: Double, _ admission: UsageAdmission, in connection: GRDB.Database
    ) throws {
        try connection.run(
            sql: "DELETE FROM usage_turns WHERE at < ? AND is_open = 0", arguments: [time - keptSeconds])
        let party = admission.party
        try connection.run(
            sql: """
                INSERT INTO usage_turns (turn, at, handle, device, model, tokens, cost, is_open)
                VALUES (?, ?, ?, ?, ?, ?, 0, 1)
                """,
            arguments: [turn, time, party.handle, party.device, party.model, admission.estimatedTokens])
    }

    /// Adds calls that belong to a turn that ends here, and counts what it really used.
    static func close(
        _ turn: String, adding calls: [ModelCallRecord], session: Int64, at time: Double, in connection: GRDB.Database
    ) throws {
        for call in calls { try add(call, turn: turn, session: session, at: time, in: connection) }
        try connection.run(
            sql: """
                UPDATE usage_turns SET is_open = 0,
                    tokens = (
                        SELECT ifnull(sum(input_tokens + output_tokens), 0) FROM usage_log WHERE usage_log.turn = ?1),
                    cost = (SELECT ifnull(sum(cost), 0) FROM usage_log WHERE usage_log.turn = ?1)
                WHERE usage_turns.turn = ?1
                """, arguments: [turn])
    }

    static func add(
        _ call: ModelCallRecord, turn: String, session: Int64, at time: Double, in connection: GRDB.Database
    ) throws {
        try connection.run(
            sql: """
                INSERT INTO usage_log (
                    turn, call, at, model, input_tokens, output_tokens, cost, handle, session_id, device)
                SELECT ?1, (SELECT ifnull(max(call), 0) + 1 FROM usage_log WHERE turn = ?1), ?2, ?3, ?4, ?5, ?6,
                    handle, session_id, ?7
                FROM sessions WHERE id = ?8
                """,
            arguments: [
                turn, time, call.model, call.inputTokens, call.outputTokens, call.cost, call.device, session,
            ])
        let amounts: StatementArguments = [time, call.inputTokens, call.outputTokens, call.cost, session]
        try connection.run(
            sql: """
                INSERT INTO usage_days (day, handle, model, device, requests, input_tokens, output_tokens, cost)
                SELECT CAST(?1 / 86400 AS INTEGER), handle, ?6, ?7, 1, ?2, ?3, ?4 FROM sessions WHERE id = ?5
                \(sums)
                """, arguments: amounts + [call.model, call.device])
        try connection.run(
            sql: """
                INSERT INTO usage_sessions (day, handle, session_id, requests, input_tokens, output_tokens, cost)
                SELECT CAST(?1 / 86400 AS INTEGER), handle, session_id, 1, ?2, ?3, ?4 FROM sessions WHERE id = ?5
                \(sums)
                """, arguments: amounts)
    }

    private static let sums = """
        ON CONFLICT DO UPDATE SET requests = requests + excluded.requests,
            input_tokens = input_tokens + excluded.input_tokens,
            output_tokens = output_tokens + excluded.output_tokens, cost = cost + excluded.cost
        """

    /// What a user used who is gone is not of whoever has the handle next.
    static func retire(_ handle: String, as name: String, in connection: GRDB.Database) throws {
        // Their turns end without a word, and nothing else would close these.
        try connection.execute(sql: "UPDATE usage_turns SET is_open = 0 WHERE handle = ?", arguments: [handle])
        for table in ["usage_log", "usage_turns"] {
            try connection.execute(sql: "UPDATE \(table) SET handle = ? WHERE handle = ?", arguments: [name, handle])
        }
        for (table, columns) in [("usage_days", "model, device"), ("usage_sessions", "session_id")] {
            try connection.execute(
                sql: """
                    INSERT INTO \(table)
                    SELECT day, ?, \(columns), requests, input_tokens, output_tokens, cost
                    FROM \(table) WHERE handle = ?
                    \(sums)
                    """, arguments: [name, handle])
            try connection.execute(sql: "DELETE FROM \(table) WHERE handle = ?", arguments: [handle])
        }
    }
}
