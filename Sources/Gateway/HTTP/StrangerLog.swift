internal import Synchronization

// How much may those write into the log who are let in nowhere? A request costs them nothing, a line costs disk: so there are
// some at once and a few a second, and what was left out is counted.

/// Decides which requests of strangers are written down.
final class StrangerLog: Sendable {
    /// Requests written down at once.
    static let burst: Double = 100
    static let perSecond: Double = 5

    private struct State {
        var tokens = StrangerLog.burst
        var last = ContinuousClock.now
        var left = 0
    }

    private let state = Mutex(State())

    /// - Returns: how many were left out since the last one that was written; nil when this one is left out too.
    func admit(now: ContinuousClock.Instant = .now) -> Int? {
        state.withLock { state in
            state.tokens = min(Self.burst, state.tokens + max(0, (now - state.last) / .seconds(1)) * Self.perSecond)
            state.last = now
            guard state.tokens >= 1 else {
                state.left += 1
                return nil
            }
            state.tokens -= 1
            defer { state.left = 0 }
            return state.left
        }
    }
}
