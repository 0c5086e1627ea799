import Synchronization

// How does a test wait for something without asking again and again? Whoever changes something beats; who waits looks
// after each beat.

/// Tells waiters that something has happened.
final class Pulse: Sendable {
    private struct State {
        var beats = 0
        var nextID = 0
        var waiters: [Int: AsyncStream<Void>.Continuation] = [:]
    }

    private let state = Mutex(State())

    /// How often it has beaten.
    var beats: Int { state.withLock { $0.beats } }

    func beat() {
        let waiters = state.withLock { state in
            state.beats += 1
            return Array(state.waiters.values)
        }
        for waiter in waiters { waiter.yield() }
    }

    /// Waits until `condition` holds, looking after each beat.
    ///
    /// - Returns: whether it held within the time.
    @discardableResult
    func wait(atMost time: Duration, until condition: @escaping @Sendable () -> Bool) async -> Bool {
        let (beats, waiter) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let id = state.withLock { state in
            state.nextID += 1
            state.waiters[state.nextID] = waiter
            return state.nextID
        }
        defer { _ = state.withLock { $0.waiters.removeValue(forKey: id) } }
        return await withTaskGroup(of: Bool.self) { group in
            group.addTask {
                if condition() { return true }
                for await _ in beats where condition() { return true }
                return false
            }
            group.addTask {
                try? await Task.sleep(for: time)
                return condition()
            }
            defer { group.cancelAll() }
            return await group.next() ?? false
        }
    }
}

/// SplitMix64: a failing run can be repeated from its seed.
struct SeededRandom: RandomNumberGenerator, Sendable {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
