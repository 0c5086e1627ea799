internal import Agent
internal import Foundation
public import Store

// What may be set about usage in openagent.yaml? Limits of a day, the days they count in, and a budget that is only told. A number
// of -1, or none, is no limit.

/// The section `usage`.
public struct UsageConfiguration: Sendable, Equatable {
    public var caps = UsageCaps()
    /// A name such as `Europe/Vienna`.
    public var timeZone = "GMT"
    /// In US dollars; 0 is none.
    public var monthlyBudget: Double = 0

    public init() {}

    /// With these settings.
    var settings: UsageSettings {
        UsageSettings(caps: caps, timeZone: TimeZone(identifier: timeZone) ?? .gmt, monthlyBudget: monthlyBudget)
    }

    mutating func read(_ section: inout ConfigurationSection) throws(ConfigurationError) {
        timeZone =
            try section.value("timezone", "a time zone such as Europe/Vienna") { name in
                TimeZone(identifier: name).map { _ in name }
            } ?? timeZone
        monthlyBudget = try section.number("monthly_budget", in: 0...1_000_000_000) ?? monthlyBudget
        try section.section("caps") { caps throws(ConfigurationError) in
            for scope in UsageScope.allCases {
                try caps.section(scope.rawValue) { cap throws(ConfigurationError) in
                    self.caps[scope] = try Self.cap(&cap)
                }
            }
        }
    }

    private static func cap(_ section: inout ConfigurationSection) throws(ConfigurationError) -> UsageCap {
        func bounded(_ number: Int?) -> Int64? { number.flatMap { $0 < 0 ? nil : Int64($0) } }
        let cost = try section.number("cost", in: -1...1_000_000)
        return UsageCap(
            requests: bounded(try section.integer("requests", in: -1...1_000_000_000)),
            tokens: bounded(try section.integer("tokens", in: -1...1_000_000_000_000)),
            cost: cost.flatMap { $0 < 0 ? nil : Money.billionths($0) })
    }
}
