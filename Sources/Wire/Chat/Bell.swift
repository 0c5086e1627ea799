internal import Synchronization

// How does a task wait until there is something to look at? It reads how often the bell has rung, looks, and waits for the next ring.
// What rings between looking and waiting is not missed. What there is to look at, the bell does not know.

/// Wakes whoever waits.
public final class Bell: Sendable {
    private struct State {
        var rings: UInt64 = 0
        var lastID: UInt64 = 0
        var waiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
    }

    private let state = Mutex(State())

    public init() {}

    /// How often it has rung.
    public var rings: UInt64 { state.withLock { $0.rings } }

    public func ring() {
        let waiters = state.withLock { state in
            state.rings += 1
            defer { state.waiters.removeAll() }
            return Array(state.waiters.values)
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Returns once it has rung more than `rings` times, or when the task is cancelled.
    public func wait(after rings: UInt64) async {
        let id = state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    guard state.rings <= rings, !Task.isCancelled else { return true }
                    state.waiters[id] = continuation
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: id) }?.resume()
        }
    }

    /// The same, but no longer than `sleep` takes.
    public func wait(after rings: UInt64, orUntil sleep: @escaping @Sendable () async throws -> Void) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.wait(after: rings) }
            group.addTask { try? await sleep() }
            await group.next()
            group.cancelAll()
        }
    }
}
