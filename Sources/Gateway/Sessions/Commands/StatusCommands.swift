internal import Foundation
internal import Store

// What do `status`, `queue` and `usage` say? Numbers about the caller's own turns, and nobody else's.

extension SessionManager {
    func status(of caller: Caller, in sessionID: String?) async throws -> String {
        let load = load(of: caller, in: sessionID)
        // How many others talk through a bridge is none of their business.
        if caller.isBridge { return "\(load.isBusy ? "Busy" : "Idle") | Queue: \(load.waiting)" }
        let count = try await repository.sessionCount(of: caller.handle)
        return "\(load.isBusy ? "Busy" : "Idle") | Queue: \(load.waiting) | Sessions: \(count)"
    }

    func usage(of caller: Caller) async throws -> String {
        let month = Self.month(of: now())
        let usage = try await repository.usage(of: caller.handle, from: month.lowerBound, before: month.upperBound)
        let cost = String(format: "%.4f", usage.cost)
        let budget =
            self.usage.monthlyBudget > 0
            ? "The agent's budget is \(String(format: "$%.2f", self.usage.monthlyBudget)) a month."
            : "No budget is set."
        return "Usage: $\(cost) this month across \(usage.models) model(s). \(budget)"
    }

    /// The month of UTC that holds this time, in Unix seconds.
    static func month(of time: Double) -> Range<Double> {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = .gmt
        let interval = calendar.dateInterval(of: .month, for: Date(timeIntervalSince1970: time))
        // Every time of a calendar is in a month; without one nothing is counted out.
        guard let interval else { return 0..<Double.infinity }
        return interval.start.timeIntervalSince1970..<interval.end.timeIntervalSince1970
    }
}
