internal import GRDB

// What was used? Sums for people who look at a bill, from one row per day, user, model and device (or session), so that a long log
// is not read. Days are those of UTC.

/// Where a page of a report begins: behind the line with this cost, key and handle.
public struct UsagePosition: Sendable, Codable, Equatable {
    public let cost: Int64
    public let key: String
    public let handle: String

    public init(after row: UsageRow) {
        (cost, key, handle) = (row.amount.cost, row.key, row.handle)
    }
}

extension SessionRepository {
    /// Sums of the days in `days`, the most expensive first; of days the last first.
    ///
    /// - Parameter handle: only what this user used; nil is everybody.
    public func usage(
        by group: UsageGroup, handle: String?, days: Range<Int>, after: UsagePosition? = nil, limit: Int
    ) async throws -> [UsageRow] {
        let key =
            switch group {
            case .model: "model"
            case .session: "session_id"
            case .user: "handle"
            case .device: "device"
            case .day: "CAST(day AS TEXT)"
            }
        let owner = group == .session ? "handle" : "''"
        let table = group == .session ? "usage_sessions" : "usage_days"
        let position =
            group == .day
            ? "CAST(key AS INTEGER) < CAST(:key AS INTEGER)"
            : "(total < :cost OR (total = :cost AND (key, owner) > (:key, :owner)))"
        let order = group == .day ? "CAST(key AS INTEGER) DESC" : "total DESC, key, owner"
        var arguments: StatementArguments = [
            "from": days.lowerBound, "to": days.upperBound, "handle": handle, "limit": limit,
        ]
        if let after { arguments += ["key": after.key] }
        if let after, group != .day { arguments += ["cost": after.cost, "owner": after.handle] }
        return try await database.pool.read { [arguments] connection in
            try Row.fetchAll(
                connection,
                sql: """
                    SELECT \(key) AS key, \(owner) AS owner, sum(requests) AS requests, sum(input_tokens) AS input,
                        sum(output_tokens) AS output, sum(cost) AS total
                    FROM \(table) WHERE day >= :from AND day < :to AND (:handle IS NULL OR handle = :handle)
                    GROUP BY 1, 2 HAVING \(after == nil ? "true" : position) ORDER BY \(order) LIMIT :limit
                    """,
                arguments: arguments
            ).map { row in
                UsageRow(
                    key: row["key"], handle: row["owner"],
                    amount: UsageAmount(
                        requests: row["requests"], inputTokens: row["input"], outputTokens: row["output"],
                        cost: row["total"]))
            }
        }
    }

    /// Each model on each day, the last day first, then the most expensive.
    public func dailyUsage(handle: String?, days: Range<Int>) async throws -> [UsageDayRow] {
        try await database.pool.read { connection in
            try Row.fetchAll(
                connection,
                sql: """
                    SELECT day, model, sum(requests) AS requests, sum(input_tokens) AS input,
                        sum(output_tokens) AS output, sum(cost) AS total
                    FROM usage_days WHERE day >= :from AND day < :to AND (:handle IS NULL OR handle = :handle)
                    GROUP BY day, model ORDER BY day DESC, total DESC, model
                    """, arguments: ["from": days.lowerBound, "to": days.upperBound, "handle": handle]
            ).map { row in
                UsageDayRow(
                    day: row["day"], model: row["model"],
                    amount: UsageAmount(
                        requests: row["requests"], inputTokens: row["input"], outputTokens: row["output"],
                        cost: row["total"]))
            }
        }
    }
}
