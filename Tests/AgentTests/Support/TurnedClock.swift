import Agent
import Synchronization

/// Time that passes when the test says so.
final class TurnedClock: Sendable {
    private struct Sleeper {
        let wakesAt: Double
        let length: Duration
        let continuation: CheckedContinuation<Void, any Error>
    }

    private struct State {
        var now = 1_795_248_000.0
        var next = 0
        var sleepers: [Int: Sleeper] = [:]
        var cancelled: Set<Int> = []
        /// Every pause that somebody asked for, in seconds.
        var pauses: [Double] = []
        var observers: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []
        var expected: [(length: Duration, continuation: CheckedContinuation<Void, Never>)] = []
    }

    private let state = Mutex(State())
    private let (asleep, fallAsleep) = AsyncStream.makeStream(of: Void.self)
    /// Nobody waits: each pause is over at once, and the time has passed.
    private let isFast: Bool

    init(fast: Bool = false) { isFast = fast }

    var now: Double { state.withLock { $0.now } }
    var pauses: [Double] { state.withLock { $0.pauses } }

    var source: TimeSource {
        TimeSource(now: { self.now }, sleep: { try await self.sleep($0) })
    }

    private func sleep(_ duration: Duration) async throws {
        let seconds = Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
        try Task.checkCancellation()
        let id = state.withLock { state in
            state.pauses.append(seconds)
            if isFast { state.now += seconds }
            state.next += 1
            return state.next
        }
        if isFast { return await Task.yield() }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let (isCancelled, met) = state.withLock { state in
                    guard state.cancelled.remove(id) == nil else { return (true, [CheckedContinuation<Void, Never>]()) }
                    state.sleepers[id] = Sleeper(
                        wakesAt: state.now + seconds, length: duration, continuation: continuation)
                    let met =
                        state.observers.filter { $0.count <= state.sleepers.count }.map(\.continuation)
                        + state.expected.filter { $0.length == duration }.map(\.continuation)
                    state.observers.removeAll { $0.count <= state.sleepers.count }
                    state.expected.removeAll { $0.length == duration }
                    return (false, met)
                }
                if isCancelled { continuation.resume(throwing: CancellationError()) } else { fallAsleep.yield() }
                for observer in met { observer.resume() }
            }
        } onCancel: {
            let sleeper = state.withLock { state in
                let sleeper = state.sleepers.removeValue(forKey: id)
                if sleeper == nil { state.cancelled.insert(id) }
                return sleeper
            }
            sleeper?.continuation.resume(throwing: CancellationError())
        }
    }

    /// Waits until so many sleep.
    func sleepers(_ count: Int = 1) async {
        await withCheckedContinuation { continuation in
            let isMet = state.withLock { state in
                if state.sleepers.count >= count { return true }
                state.observers.append((count, continuation))
                return false
            }
            if isMet { continuation.resume() }
        }
    }

    /// Returns when somebody has begun to sleep since it was asked last.
    func somebodySleeps() async { for await _ in asleep { return } }

    /// Waits until somebody sleeps for so long, and lets that time pass.
    func pass(_ length: Duration) async {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let isThere = state.withLock { state in
                if state.sleepers.values.contains(where: { $0.length == length }) { return true }
                state.expected.append((length, continuation))
                return false
            }
            if isThere { continuation.resume() }
        }
        advance(by: length / .seconds(1))
    }

    func advance(by seconds: Double) {
        let awake = state.withLock { state in
            state.now += seconds
            let now = state.now
            let awake = state.sleepers.filter { $0.value.wakesAt <= now + 1e-6 }
            for id in awake.keys { state.sleepers[id] = nil }
            return awake.values.map(\.continuation)
        }
        for continuation in awake { continuation.resume() }
    }
}
