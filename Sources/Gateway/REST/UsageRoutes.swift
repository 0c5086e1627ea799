internal import Agent
internal import Foundation
internal import Hummingbird
internal import Store
internal import Wire

// What was used, and what may be? Everybody sees their own; admins see everything, or with `user` one user's. Sums come from the
// store, the calendar of reports is that of UTC.

enum UsageRoutes {
    /// Days that one report covers at most.
    private static let mostDays = 3_660

    static func routes(_ sessions: SessionManager, now: @escaping @Sendable () -> Double) -> [Route] {
        let repository = sessions.repository
        return [
            .member(.get, "/api/usage", .usage) { request, _, caller in
                let handle = try subject(request, caller)
                let month = try month(request.queryWord("month"), now: now())
                let days = UTCDay(month.first).number..<UTCDay(month.next).number
                let rows = try await repository.usage(by: .model, handle: handle, days: days, limit: 1_000)
                let sum = rows.reduce(into: UsageAmount()) { $0.add($1.amount) }
                let usage = await sessions.usage
                let budget = usage.monthlyBudget
                let party = UsageParty(
                    handle: handle ?? caller.handle, device: caller.device.hex,
                    model: await sessions.defaultModel() ?? "")
                let used =
                    usage.caps.isEmpty ? [:] : try await repository.used(by: party, day: usage.day(of: now()))
                return try JSON.response(
                    UsageBody(
                        month: month.name, monthlySpend: dollars(sum.cost), monthlyBudget: budget,
                        remaining: budget > 0 ? rounded(budget - Money.dollars(sum.cost)) : nil,
                        byModel: Dictionary(rows.map { ($0.key, dollars($0.amount.cost)) }) { $0 + $1 },
                        requests: sum.requests, inputTokens: sum.inputTokens, outputTokens: sum.outputTokens,
                        caps: usage.state(of: party, used: used, at: now()), timezone: usage.timeZone.identifier))
            },
            .member(.get, "/api/usage/daily", .dailyUsage) { request, _, caller in
                let handle = try subject(request, caller)
                let count = try request.queryNumber("days", in: 1...366) ?? 7
                let today = UTCDay(at: now()).number
                let rows = try await repository.dailyUsage(handle: handle, days: (today - count + 1)..<(today + 1))
                return try JSON.response(DailyUsageBody(entries: rows.map(DailyUsageBody.Entry.init)))
            },
            .member(.get, "/api/usage/by", .groupedUsage) { request, _, caller in
                let handle = try subject(request, caller)
                guard let group = try request.queryValue("group").flatMap(UsageGroup.init) else {
                    throw ErrorResponse.invalid(
                        "'group' is one of \(UsageGroup.allCases.map(\.rawValue).joined(separator: ", ")).")
                }
                let today = UTCDay(at: now())
                let last = try day("to", request) ?? today
                let first = try day("from", request) ?? UTCDay(last.number - 29)
                guard first.number <= last.number, last.number - first.number < mostDays else {
                    throw ErrorResponse.invalid("'from' is not after 'to', and at most \(mostDays) days before it.")
                }
                let page = try request.page(by: UsagePosition.self)
                let rows = try await repository.usage(
                    by: group, handle: handle, days: first.number..<(last.number + 1), after: page.after,
                    limit: page.limit + 1)
                let (shown, next) = try page.page(of: rows) { UsagePosition(after: $0) }
                return try JSON.response(
                    GroupedUsageBody(
                        group: group.rawValue, from: first.text, to: last.text,
                        rows: shown.map { GroupedUsageBody.Row($0, group) }, nextCursor: next))
            },
            .member(.get, "/api/usage/pricing", .pricing) { _, _, _ in
                try JSON.response(
                    PricingBody(
                        pricing: await sessions.usage.prices.all().compactMapValues { price in
                            guard price.input != nil || price.output != nil else { return nil }
                            return .init(
                                inputCostPerMillion: price.input ?? 0, outputCostPerMillion: price.output ?? 0)
                        }))
            },
        ]
    }

    /// Whose usage is asked for; nil is everybody's.
    private static func subject(_ request: Request, _ caller: Caller) throws(ErrorResponse) -> String? {
        let user = try request.queryValue("user")
        if caller.role == .admin { return user }
        guard user == nil || user == caller.handle else { throw .forbidden }
        return caller.handle
    }

    private static func day(_ name: String, _ request: Request) throws(ErrorResponse) -> UTCDay? {
        guard let text = try request.queryWord(name) else { return nil }
        guard let day = UTCDay(text: text) else { throw .invalid("'\(name)' is a day such as 2026-11-21.") }
        return day
    }

    private static func month(
        _ text: String?, now: Double
    ) throws(ErrorResponse) -> (name: String, first: String, next: String) {
        let text = text ?? String(UTCDay(at: now).text.prefix(7))
        guard UTCDay(text: text + "-01") != nil, let year = Int(text.prefix(4)), let month = Int(text.suffix(2)) else {
            throw .invalid("'month' is a month such as 2026-11.")
        }
        let next = month == 12 ? String(format: "%04d-01", year + 1) : String(format: "%04d-%02d", year, month + 1)
        guard UTCDay(text: next + "-01") != nil else { throw .invalid("'month' is out of range.") }
        return (text, text + "-01", next + "-01")
    }

    fileprivate static func dollars(_ billionths: Int64) -> Double { rounded(Money.dollars(billionths)) }

    /// To six digits behind the point.
    private static func rounded(_ dollars: Double) -> Double { (dollars * 1e6).rounded() / 1e6 }
}

/// A day of UTC.
struct UTCDay: Sendable, Equatable {
    /// Since 1970-01-01.
    let number: Int

    init(_ number: Int) { self.number = number }
    /// Of a text that is known to be a day.
    init(_ text: String) { number = UTCDay(text: text)?.number ?? 0 }
    /// - Parameter time: Unix seconds.
    init(at time: Double) { number = Int((time / 86_400).rounded(.down)) }

    /// Reads `YYYY-MM-DD`, from 1970 on.
    init?(text: String) {
        let bytes = Array(text.utf8)
        guard bytes.count == 10, bytes[4] == UInt8(ascii: "-"), bytes[7] == UInt8(ascii: "-"),
            bytes.enumerated().allSatisfy({ $0 == 4 || $0 == 7 || (48...57).contains($1) }),
            let date = try? Date(text, strategy: Self.style), date.timeIntervalSince1970 >= 0,
            date.formatted(Self.style) == text
        else { return nil }
        number = Int(date.timeIntervalSince1970 / 86_400)
    }

    var text: String { Date(timeIntervalSince1970: Double(number) * 86_400).formatted(Self.style) }

    private static var style: Date.ISO8601FormatStyle { Date.ISO8601FormatStyle(timeZone: .gmt).year().month().day() }
}

extension UsageAmount {
    fileprivate mutating func add(_ other: UsageAmount) {
        requests += other.requests
        inputTokens += other.inputTokens
        outputTokens += other.outputTokens
        cost += other.cost
    }
}

extension DailyUsageBody.Entry {
    fileprivate init(_ row: UsageDayRow) {
        self.init(
            date: UTCDay(row.day).text, model: row.model, cost: UsageRoutes.dollars(row.amount.cost),
            inputTokens: row.amount.inputTokens, outputTokens: row.amount.outputTokens,
            requestCount: row.amount.requests)
    }
}

extension GroupedUsageBody.Row {
    fileprivate init(_ row: UsageRow, _ group: UsageGroup) {
        self.init(
            key: group == .day ? Int(row.key).map { UTCDay($0).text } ?? row.key : row.key,
            user: row.handle.isEmpty ? nil : row.handle, cost: UsageRoutes.dollars(row.amount.cost),
            inputTokens: row.amount.inputTokens, outputTokens: row.amount.outputTokens,
            requestCount: row.amount.requests)
    }
}
