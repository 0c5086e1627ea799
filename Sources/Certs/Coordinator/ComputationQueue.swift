internal import Dispatch

// Where are passwords' proofs computed? Each takes milliseconds of pure arithmetic, and strangers decide how many there
// are. One at a time on a queue of their own: a flood of logins waits for itself and holds up nobody else's tasks.

/// Runs computations one after another, off the threads that tasks share.
final class ComputationQueue: Sendable {
    private let queue = DispatchQueue(label: "openagent.coordinator.proofs")

    func run<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Result(catching: body)) }
        }
    }
}
