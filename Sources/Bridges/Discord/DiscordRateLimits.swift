// When may Discord be asked again? The buckets by which it counts requests (API v10, "Rate Limits"): known from the headers of its answers,
// kept per route and major parameter. Pure: answers and the time go in, pauses come out.

/// What Discord's answers said about how often it may be asked.
struct DiscordRateLimits: Sendable {
    /// Requests in a second that this bot allows itself; Discord allows 50.
    static let perSecond = 40
    /// Buckets that are held; those that are full again go first.
    static let bound = 4096
    /// No answer makes us wait longer than this before we ask again.
    static let longest = 86_400.0

    private struct Bucket {
        var remaining: Int
        var fullAt: ContinuousClock.Instant
    }

    /// What a request is counted by.
    struct Route: Sendable, Hashable {
        /// Method and path with its ids left out.
        var name: String
        /// The channel, guild or webhook.
        var major: String
    }

    private struct Key: Hashable {
        /// Discord's name for the bucket, or the route's as long as that is unknown.
        var bucket: String
        var major: String
    }

    private var names: [String: String] = [:]
    private var buckets: [Key: Bucket] = [:]
    private var shutUntil: ContinuousClock.Instant?
    private var second: (start: ContinuousClock.Instant, count: Int)?

    /// Asks for leave to send a request, and counts it.
    ///
    /// - Returns: nil: it may be sent now; else how long it has to wait, and what else has.
    mutating func take(_ route: Route, now: ContinuousClock.Instant) -> (Duration, PlatformFailure.Scope)? {
        if let until = shutUntil {
            if until > now { return (until - now, .everything) }
            shutUntil = nil
        }
        let key = key(route)
        if var bucket = buckets[key] {
            if bucket.fullAt <= now {
                buckets[key] = nil
            } else if bucket.remaining <= 0 {
                return (bucket.fullAt - now, .chat)
            } else {
                bucket.remaining -= 1
                buckets[key] = bucket
            }
        }
        if let (start, count) = second, now - start < .seconds(1) {
            guard count < Self.perSecond else { return (start + .seconds(1) - now, .everything) }
            second = (start, count + 1)
        } else {
            second = (now, 1)
        }
        return nil
    }

    /// Reads the headers of an answer.
    ///
    /// - Parameter headers: names in lower case.
    mutating func note(_ route: Route, headers: [String: String], now: ContinuousClock.Instant) {
        if let name = headers["x-ratelimit-bucket"], name.utf8.count <= 128 {
            if names.count >= Self.bound { names = [:] }
            names[route.name] = name
        }
        guard let remaining = headers["x-ratelimit-remaining"].flatMap(Int.init),
            let seconds = headers["x-ratelimit-reset-after"].flatMap(Double.init), seconds.isFinite
        else { return }
        let key = key(route)
        let fullAt = now + Self.pause(seconds)
        // Answers overtake each other: of one period the lowest number counts.
        if let known = buckets[key], known.fullAt > now, known.remaining < remaining, remaining > 0 { return }
        if buckets.count >= Self.bound { buckets = buckets.filter { $0.value.fullAt > now } }
        if buckets.count < Self.bound { buckets[key] = Bucket(remaining: remaining, fullAt: fullAt) }
    }

    /// Discord has refused a request because of its number.
    ///
    /// - Parameter seconds: how long it wants to be left alone.
    /// - Returns: what the caller has to wait.
    mutating func refused(
        _ route: Route, seconds: Double, isGlobal: Bool, now: ContinuousClock.Instant
    ) -> (Duration, PlatformFailure.Scope) {
        let pause = Self.pause(seconds)
        if isGlobal {
            shutUntil = max(shutUntil ?? now, now + pause)
            return (pause, .everything)
        }
        buckets[key(route)] = Bucket(remaining: 0, fullAt: now + pause)
        return (pause, .chat)
    }

    private func key(_ route: Route) -> Key { Key(bucket: names[route.name] ?? route.name, major: route.major) }

    private static func pause(_ seconds: Double) -> Duration {
        .seconds(seconds.isFinite ? min(max(seconds, 0), longest) : 1)
    }
}
