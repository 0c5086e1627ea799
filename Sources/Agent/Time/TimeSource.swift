internal import Foundation

// What time is it, and who wakes me? Everything that waits asks here, so that a test can turn the clock.

/// Tells the time and waits.
public struct TimeSource: Sendable {
    /// Unix seconds of the wall clock, which may jump.
    public var now: @Sendable () -> Double
    /// Waits for a span of time, which a jump of the wall clock doesn't change. Throws `CancellationError`.
    public var sleep: @Sendable (Duration) async throws -> Void

    public init(
        now: @escaping @Sendable () -> Double, sleep: @escaping @Sendable (Duration) async throws -> Void
    ) {
        self.now = now
        self.sleep = sleep
    }

    /// The clocks of this machine.
    public static let system = TimeSource(
        now: { Date().timeIntervalSince1970 }, sleep: { try await Task.sleep(for: $0) })
}
