public import Agent
public import Foundation
public import Store
internal import Wire

// What may be spent, and what are prices? The settings that limits, reports and the cost of a call follow from. This file knows the
// calendar of limits and their words; what was used is in the store.

/// How usage is priced and bounded.
public struct UsageSettings: Sendable {
    public var caps: UsageCaps
    /// In which days of limits begin and end.
    public var timeZone: TimeZone
    /// In US dollars; 0 is none. It is told, and stops nothing.
    public var monthlyBudget: Double
    public var prices: any Prices

    public init(
        caps: UsageCaps = UsageCaps(), timeZone: TimeZone = .gmt, monthlyBudget: Double = 0,
        prices: any Prices = BuiltInPrices()
    ) {
        self.caps = caps
        self.timeZone = timeZone
        self.monthlyBudget = monthlyBudget
        self.prices = prices
    }

    /// The day of limits that holds this time, in Unix seconds. Days in which clocks change are shorter or longer.
    func day(of time: Double) -> Range<Double> {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = timeZone
        let start = calendar.startOfDay(for: Date(timeIntervalSince1970: time))
        let begin = start.timeIntervalSince1970
        let end = calendar.date(byAdding: .day, value: 1, to: start)?.timeIntervalSince1970 ?? begin + 86_400
        return begin..<max(end, begin + 1)
    }

    /// What the call cost, in billionths of a US dollar: by the model's price, else what whoever answered said.
    func cost(of call: ModelCall) async -> Int64 {
        if let cost = call.cost { return Money.billionths(cost) }
        return await prices.price(of: call.model)?
            .cost(inputTokens: max(0, call.inputTokens), outputTokens: max(0, call.outputTokens)) ?? 0
    }

    /// Each limit that there is, and what was used of it.
    func state(
        of party: UsageParty, used: [UsageScope: UsageAmount], at time: Double
    ) -> [BudgetDetails] {
        let end = day(of: time).upperBound
        return UsageScope.allCases.flatMap { scope in
            UsageCap.Kind.allCases.compactMap { kind in
                guard let limit = caps[scope].limit(kind) else { return nil }
                let amount = used[scope] ?? UsageAmount()
                let value =
                    switch kind {
                    case .requests: amount.requests
                    case .tokens: amount.tokens
                    case .cost: amount.cost
                    }
                return BudgetDetails(
                    UsageRefusal(kind: kind, scope: scope, key: party.key(scope), limit: limit, used: value),
                    resetsAt: end)
            }
        }
    }

    /// A refusal in words and as data.
    func refusal(_ refusal: UsageRefusal, at time: Double) -> BudgetExceeded {
        let details = BudgetDetails(refusal, resetsAt: day(of: time).upperBound)
        let formatter = Date.ISO8601FormatStyle(timeZone: timeZone).year().month().day()
            .time(includingFractionalSeconds: false)
        let reset = Date(timeIntervalSince1970: details.resetsAt).formatted(formatter).replacing("T", with: " ")
        return BudgetExceeded(details: details, resets: "\(reset) (\(timeZone.identifier))")
    }
}

/// A limit of the day is reached.
struct BudgetExceeded: Error, Sendable, Equatable {
    let details: BudgetDetails
    /// When it begins anew, for people.
    let resets: String

    /// For the person who wrote the message.
    var text: String {
        func amount(_ value: Double) -> String {
            switch details.cap {
            case "cost": "$" + String(format: "%.2f", value)
            default: "\(Int64(value)) \(details.cap)"
            }
        }
        let whose =
            switch details.scope {
            case "user": "user \(details.key ?? "")"
            case "device": "device \(details.key?.prefix(16) ?? "")"
            case "model": "model \(details.key ?? "")"
            default: "this agent"
            }
        return "Today's limit of \(amount(details.limit)) for \(whose) is reached (\(amount(details.used)) used). "
            + "It begins anew at \(resets)."
    }

    /// What can be done about it.
    static let hint = "Wait until then, or have an admin raise 'usage.caps' in openagent.yaml."

    /// For whoever asked over REST.
    var response: ErrorResponse {
        var response = ErrorResponse(
            status: .init(code: 402), code: .budgetExceeded, message: text, hint: Self.hint)
        response.details = details
        return response
    }
}

extension BudgetDetails {
    init(_ refusal: UsageRefusal, resetsAt: Double) {
        func value(_ number: Int64) -> Double { refusal.kind == .cost ? Money.dollars(number) : Double(number) }
        self.init(
            cap: refusal.kind.rawValue, scope: refusal.scope.rawValue, key: refusal.key, limit: value(refusal.limit),
            used: value(refusal.used), resetsAt: resetsAt)
    }
}
