internal import DequeModule
internal import Synchronization

// How many at a time? Whoever comes when all places are taken waits in line, and when the line is full is sent away. Which work
// is done in a place is not known here.

/// A bounded number of places.
final class Slots: Sendable {
    /// The line is full.
    struct Full: Error {}

    private struct State {
        var free: Int
        var lastID: UInt64 = 0
        var line: Deque<(id: UInt64, continuation: CheckedContinuation<Void, any Error>)> = []
    }

    private let state: Mutex<State>
    private let lineLimit: Int

    init(_ count: Int, waiting: Int) {
        state = Mutex(State(free: count))
        lineLimit = waiting
    }

    /// - Throws: ``Full``, what `body` throws, or `CancellationError`.
    func withSlot<R: Sendable>(_ body: () async throws -> R) async throws -> R {
        try await take()
        defer { give() }
        return try await body()
    }

    private func take() async throws {
        let id = state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let result: Result<Void, any Error>? = state.withLock { state in
                    if Task.isCancelled { return .failure(CancellationError()) }
                    if state.free > 0 {
                        state.free -= 1
                        return .success(())
                    }
                    guard state.line.count < lineLimit else { return .failure(Full()) }
                    state.line.append((id, continuation))
                    return nil
                }
                if let result { continuation.resume(with: result) }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                state.line.firstIndex { $0.id == id }.map { state.line.remove(at: $0).continuation }
            }
            waiter?.resume(throwing: CancellationError())
        }
    }

    private func give() {
        let next = state.withLock { state in
            let next = state.line.popFirst()
            if next == nil { state.free += 1 }
            return next?.continuation
        }
        next?.resume()
    }
}
