// Who has knocked too often? Requests of one address, and of one address at one webhook, within a minute. Asked before anything is
// read or compared, so that nobody can try secrets, or keep the agent busy, faster than this. Pure: the time comes in.

/// Counts requests of the last minutes.
struct WebhookLimiter: Sendable {
    /// Requests a minute of one address, and of one address at one webhook.
    static let perSource = 300
    static let perSlug = 60
    /// Addresses and pairs that are remembered. When more come in one minute, new ones are refused.
    static let most = 20_000

    private var counts: [String: Int] = [:]
    private var minute = 0

    /// - Parameters:
    ///   - source: the address of whoever asks.
    ///   - now: Unix seconds.
    /// - Returns: nil: it may go on; else after how many seconds it may come again.
    mutating func refuses(_ source: String, _ slug: String, now: Double) -> Int? {
        let current = Int((now / 60).rounded(.down))
        if current != minute {
            minute = current
            counts = [:]
        }
        let wait = max(1, Int((Double(current + 1) * 60 - now).rounded(.up)))
        guard take(source, Self.perSource) else { return wait }
        // A slug that is made up takes no more room than one that exists.
        return take("\(source) \(slug.prefix(128))", Self.perSlug) ? nil : wait
    }

    private mutating func take(_ key: String, _ limit: Int) -> Bool {
        if let count = counts[key] {
            guard count < limit else { return false }
            counts[key] = count + 1
            return true
        }
        guard counts.count < Self.most else { return false }
        counts[key] = 1
        return true
    }
}
