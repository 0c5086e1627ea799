// How long may this take? One helper for bounding work that has no deadline of its own.

/// The time for some work was up.
package struct DeadlineExceeded: Error, CustomStringConvertible {
    package let limit: Duration
    package var description: String { "no result within \(limit)" }
}

/// Runs `body`, and cancels it when it takes longer than `limit`. A result that arrives all the same is returned: what
/// `body` opened is never lost on the way.
///
/// - Throws: ``DeadlineExceeded``, or what `body` throws.
package func withDeadline<R: Sendable>(
    _ limit: Duration, _ body: @escaping @Sendable () async throws -> R
) async throws -> R {
    try await withThrowingTaskGroup(of: R?.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(for: limit)
            return nil
        }
        defer { group.cancelAll() }
        var isLate = false
        do {
            while let outcome = try await group.next() {
                if let outcome { return outcome }
                isLate = true
                group.cancelAll()
            }
        } catch {
            // Of a cancelled caller the timer may report first: the body's own outcome counts.
            guard !isLate else { throw DeadlineExceeded(limit: limit) }
            if error is CancellationError, let outcome = try await group.next(), let outcome { return outcome }
            throw error
        }
        throw DeadlineExceeded(limit: limit)
    }
}
