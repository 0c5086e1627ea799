// May this node answer strangers once more? A token bucket, so that a flood of odd packets costs a bounded amount of
// work and makes a bounded amount of noise.

/// Lets through a number of events a second, and as many at once.
struct RateLimit {
    private let perSecond: Double
    private var tokens: Double
    private var last: UInt64?

    init(perSecond: Double) {
        self.perSecond = perSecond
        tokens = perSecond
    }

    /// - Parameter now: nanoseconds of any clock that does not go back.
    mutating func allows(now: UInt64) -> Bool {
        if let last, now > last {
            tokens = min(perSecond, tokens + Double(now - last) / 1e9 * perSecond)
        }
        last = now
        guard tokens >= 1 else { return false }
        tokens -= 1
        return true
    }
}
