internal import ArgumentParser
internal import Foundation
internal import Wire

// What was used and what did it cost? A month, its days, or divided by something; and what is left of today's limits.

struct Usage: AsyncParsableCommand {
    enum Group: String, ExpressibleByArgument, CaseIterable { case model, user, session, device, day }

    static let configuration = CommandConfiguration(
        abstract: "Show what models used and cost, and what is left of today's limits.",
        discussion: "Your own; with the rights of an admin, everybody's.")

    @Flag(help: "Each model on each day.")
    var daily = false
    @Option(help: ArgumentHelp("With --daily: how many days.", valueName: "n"))
    var days = 7
    @Option(help: "Divided by: model, user, session, device or day.")
    var by: Group?
    @Option(help: ArgumentHelp("This month of UTC instead of the running one.", valueName: "YYYY-MM"))
    var month: String?
    @Option(help: ArgumentHelp("For admins: only what this user used.", valueName: "handle"))
    var user: String?
    @Option(help: ArgumentHelp("With --by: at most so many rows.", valueName: "n"))
    var limit = 100
    @OptionGroup var target: TargetOptions

    func validate() throws {
        if daily, by != nil || month != nil { throw ValidationError("--daily goes with neither --by nor --month") }
        if let month, Self.bounds(month) == nil { throw ValidationError("a month is YYYY-MM") }
    }

    func run() async throws {
        if daily { return try await showDays() }
        if let by { return try await show(by) }
        let path = Administration.path("/api/usage", query: [("month", month), ("user", user)])
        try await target.run {
            try await $0.get(path, as: UsageBody.self, hint: Self.hint)
        } show: { body in
            var text = "Month     \(body.month)\nSpent     \(Self.money(body.monthlySpend))\n"
            if let remaining = body.remaining {
                text += "Budget    \(Self.money(body.monthlyBudget)), \(Self.money(remaining)) left\n"
            }
            text += "Calls     \(body.requests)\nTokens    \(body.inputTokens) in, \(body.outputTokens) out\n"
            for (model, cost) in body.byModel.sorted(by: { ($1.value, $0.key) < ($0.value, $1.key) }) {
                text += "Model     \(Screen.plain(model)) \(Self.money(cost))\n"
            }
            for cap in body.caps { text += "Today     \(Self.text(cap))\n" }
            Output.write(text)
        }
    }

    private func showDays() async throws {
        let path = Administration.path("/api/usage/daily", query: [("days", "\(days)"), ("user", user)])
        try await target.run {
            try await $0.get(path, as: DailyUsageBody.self, hint: Self.hint)
        } show: { body in
            var table = Table("DATE", "MODEL", "CALLS", "IN", "OUT", "COST", texts: ["MODEL"])
            for entry in body.entries {
                table.add(
                    entry.date, entry.model, "\(entry.requestCount)", "\(entry.inputTokens)", "\(entry.outputTokens)",
                    Self.money(entry.cost))
            }
            table.show(empty: "Nothing was used in these days.")
        }
    }

    private func show(_ group: Group) async throws {
        let bounds = month.flatMap(Self.bounds)
        let path = Administration.path(
            "/api/usage/by",
            query: [
                ("group", group.rawValue), ("from", bounds?.first), ("to", bounds?.last), ("user", user),
                ("limit", "\(limit)"),
            ])
        try await target.run {
            try await $0.get(path, as: GroupedUsageBody.self, hint: Self.hint)
        } show: { body in
            guard group != .user else { return Self.showUsers(body) }
            var table = Table(
                group.rawValue.uppercased(), "USER", "CALLS", "IN", "OUT", "COST",
                ids: group == .device ? ["DEVICE"] : [], texts: group == .device ? [] : [group.rawValue.uppercased()])
            for row in body.rows {
                table.add(
                    row.key, row.user, "\(row.requestCount)", "\(row.inputTokens)", "\(row.outputTokens)",
                    Self.money(row.cost))
            }
            table.show(empty: "Nothing was used from \(body.from) to \(body.to).")
        }
    }

    private static func showUsers(_ body: GroupedUsageBody) {
        var table = Table("USER", "CALLS", "IN", "OUT", "COST", texts: ["USER"])
        for row in body.rows {
            table.add(
                row.key, "\(row.requestCount)", "\(row.inputTokens)", "\(row.outputTokens)", money(row.cost))
        }
        table.show(empty: "Nothing was used from \(body.from) to \(body.to).")
    }

    // MARK: Text

    private static let hint = "see: openagent usage --help"

    private static func money(_ dollars: Double) -> String { "$" + String(format: "%.4f", dollars) }

    private static func text(_ cap: BudgetDetails) -> String {
        func amount(_ value: Double) -> String { cap.cap == "cost" ? money(value) : String(format: "%.0f", value) }
        let whose = cap.key.map { "\(cap.scope) \($0.prefix(64))" } ?? cap.scope
        return Screen.plain(
            "\(amount(cap.used)) of \(amount(cap.limit)) \(cap.cap) of \(whose), anew \(timeText(cap.resetsAt))")
    }

    /// The first and the last day.
    private static func bounds(_ month: String) -> (first: String, last: String)? {
        let parts = month.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0].count == 4, parts[1].count == 2, let year = Int(parts[0]),
            let number = Int(parts[1]), (1...12).contains(number)
        else { return nil }
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        let days = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][number - 1]
        return ("\(month)-01", "\(month)-\(days)")
    }
}
