// May this node answer strangers once more? A token bucket, so that a flood of odd packets costs a bounded amount of
// work and makes a bounded amount of noise.

/// Lets through a number of events a second, and some at once.
struct RateLimit {
    private let perSecond: Double
    private let burst: Double
    private var tokens: Double
    private var last: UInt64?

    /// - Parameter burst: as many at once, at least 1; nil is a second's share.
    init(perSecond: Double, burst: Double? = nil) {
        self.perSecond = perSecond
        self.burst = burst ?? perSecond
        tokens = self.burst
    }

    /// - Parameter now: nanoseconds of any clock that does not go back.
    mutating func allows(now: UInt64) -> Bool {
        if let last, now > last {
            tokens = min(burst, tokens + Double(now - last) / 1e9 * perSecond)
        }
        last = now
        guard tokens >= 1 else { return false }
        tokens -= 1
        return true
    }
}
