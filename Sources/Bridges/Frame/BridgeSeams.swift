public import Wire

// What does a bridge take from the world besides its platform and its agent? Time and chance, handed in, so that a test decides them.

/// Time, randomness and patience of a bridge.
public struct BridgeSeams: Sendable {
    /// Unix seconds.
    public var now: @Sendable () -> Double
    /// For pauses.
    public var clock: @Sendable () -> ContinuousClock.Instant
    public var sleep: @Sendable (Duration) async throws -> Void
    /// From 0 to 1.
    public var random: @Sendable () -> Double
    /// How attempts are spread, at the agent and at the platform: 1, 2, 4 … 60 seconds.
    public var patience: ReconnectPolicy
    /// Between two reports of how the bridge is.
    public var reportPause: Duration

    public init(
        now: @escaping @Sendable () -> Double = { Self.unixTime() },
        clock: @escaping @Sendable () -> ContinuousClock.Instant = { .now },
        sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) },
        random: @escaping @Sendable () -> Double = { Double.random(in: 0...1) },
        patience: ReconnectPolicy = Self.patience, reportPause: Duration = .seconds(5)
    ) {
        self.now = now
        self.clock = clock
        self.sleep = sleep
        self.random = random
        self.patience = patience
        self.reportPause = reportPause
    }

    /// A bridge never gives up.
    public static var patience: ReconnectPolicy {
        var policy = ReconnectPolicy()
        policy.firstDelay = .seconds(1)
        policy.maximumDelay = .seconds(60)
        policy.maximumAttempts = .max
        return policy
    }

    /// - Parameter failures: in a row.
    func pause(after failures: Int) async throws {
        try await sleep(patience.delay(afterFailures: failures, jitter: random()))
    }
}
