internal import Synchronization

// Is a server still there? Tells when it has said nothing for too long although somebody waits for it. One sleeper for all waits.

/// Watches waits.
final class IdleWatch: Sendable {
    private let limit: Duration
    private let since = Mutex<ContinuousClock.Instant?>(nil)

    init(_ limit: Duration) { self.limit = limit }

    func begin() { since.withLock { $0 = .now } }
    func end() { since.withLock { $0 = nil } }

    /// Returns when a wait took too long.
    ///
    /// - Throws: `CancellationError`.
    func run() async throws {
        var wait = limit
        while true {
            try await Task.sleep(for: wait)
            guard let since = since.withLock({ $0 }) else {
                wait = limit
                continue
            }
            wait = since + limit - .now
            if wait <= .zero { return }
        }
    }
}
