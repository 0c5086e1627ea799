internal import Store
internal import Wire

// What do the routes of logs and usage say about themselves?

extension Operation {
    /// A member asks for somebody else's.
    private static let foreign = 403
    private static let user = Parameter.query("user", "For admins: only what this user used")

    static let logs = Operation(
        "The last events of the agent's log, oldest first; with 'follow' they go on as server-sent events",
        [
            .query("lines", .integer(minimum: 0, maximum: 1_000), "How many, 100 without it"),
            .query("event", "Only events whose names begin so"),
            .query(
                "level", .oneOf(["trace", "debug", "info", "notice", "warning", "error", "critical"]),
                "Only this level and worse ones"),
            .query("source", "Only of this source"),
            .query("since", "Only since then: 10m, 2026-11-21T08:00:00Z, or Unix seconds"),
            .query("follow", .boolean, "Go on with what happens from now on"),
        ],
        answers: [
            .json([LogEntryBody].self),
            Answer(status: 200, content: .events, summary: "With 'follow': an event each, its data one object"),
        ], errors: [503])

    static let usage = Operation(
        "What a month cost, and what is used of today's limits",
        [.query("month", "YYYY-MM, of UTC; without it this month"), user], answer: UsageBody.self,
        errors: [foreign])
    static let dailyUsage = Operation(
        "What each model cost on each day of UTC, the newest first",
        [.query("days", .integer(minimum: 1, maximum: 366), "How many days, 7 without it"), user],
        answer: DailyUsageBody.self, errors: [foreign])
    static let groupedUsage = Operation(
        "What was used, divided by one of five, the most expensive first",
        [
            .init(
                name: "group", schema: .oneOf(UsageGroup.allCases.map(\.rawValue)), summary: "By what",
                isRequired: true),
            .query("from", .string(format: "date"), "The first day of UTC, YYYY-MM-DD; without it 30 days"),
            .query("to", .string(format: "date"), "The last day; without it today"), user, .limit(),
            .query("cursor", "'next_cursor' of the page before"),
        ], answer: GroupedUsageBody.self, errors: [foreign])
    static let pricing = Operation("What models cost, as far as that is known", answer: PricingBody.self)
}

/// Its other fields are those of the event.
extension LogEntryBody: SchemaDescribed {
    static let schema = JSONSchema.object([
        JSONSchema.Property(name: "ts", schema: .number, isRequired: true),
        JSONSchema.Property(name: "level", schema: .string(), isRequired: true),
        JSONSchema.Property(name: "source", schema: .string(), isRequired: true),
        JSONSchema.Property(name: "event", schema: .string(), isRequired: true),
    ])
    static let example = LogEntryBody(time: 0, level: "info", source: "node", event: "node::serving", fields: [:])
}
