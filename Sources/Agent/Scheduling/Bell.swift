internal import Synchronization

// How does somebody who sleeps until a time learn that he has to look before? A bell: rung from anywhere, heard by one.

/// Wakes one sleeper.
final class Bell: Sendable {
    private struct State {
        var isRung = false
        var listener: AsyncStream<Void>.Continuation?
    }

    private let state = Mutex(State())

    /// Wakes the sleeper, or keeps the next one from sleeping.
    func ring() {
        let listener = state.withLock { state in
            state.isRung = true
            return state.listener
        }
        listener?.finish()
    }

    /// Returns when the bell rings, when it has been rung since the last time, when `sleep` ends, or when the task is cancelled.
    ///
    /// - Returns: whether it was rung.
    func wait(_ sleep: @escaping @Sendable () async -> Void) async -> Bool {
        let (rings, listener) = AsyncStream.makeStream(of: Void.self)
        let isRung = state.withLock { state in
            state.listener = listener
            return state.isRung
        }
        if !isRung {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { for await _ in rings {} }
                group.addTask { await sleep() }
                await group.next()
                group.cancelAll()
            }
        }
        // What rings from here on is for the next time: whoever woke up has not looked yet.
        return state.withLock { state in
            defer { state = State() }
            return state.isRung
        }
    }
}
