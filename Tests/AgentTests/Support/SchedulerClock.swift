import Foundation
import Synchronization

@testable import Agent

// Time that passes when a test says so. The wall clock may be moved apart from it.

final class SchedulerClock: Sendable {
    private struct Sleeper {
        let wakes: Double
        let generation: Int
        let continuation: CheckedContinuation<Void, any Error>
    }

    private struct State {
        var wall: Double
        /// Seconds that have passed, whatever the wall clock says.
        var passed: Double = 0
        var generation = 0
        var sleepers: [Int: Sleeper] = [:]
        var lastID = 0
    }

    private let state: Mutex<State>
    /// Somebody has gone to sleep.
    private let (arrivals, arrival) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))

    init(at time: Double) { state = Mutex(State(wall: time)) }

    var now: Double { state.withLock { $0.wall } }

    var source: TimeSource {
        TimeSource(now: { self.now }, sleep: { try await self.sleep($0) })
    }

    /// Moves the wall clock alone.
    func jump(by seconds: Double) { state.withLock { $0.wall += seconds } }

    /// Lets time pass, from one waking to the next, each time until somebody sleeps again.
    func advance(by seconds: Double) async throws {
        try await settle()
        let end = state.withLock { $0.passed } + seconds
        while true {
            let isThere = state.withLock { state in
                let next = min(state.sleepers.values.map(\.wakes).min() ?? end, end)
                state.wall += max(0, next - state.passed)
                state.passed = max(state.passed, next)
                return state.passed >= end
            }
            try await settle()
            if isThere { return }
        }
    }

    /// Wakes everybody, and returns when somebody has looked at the time and sleeps again.
    func settle() async throws {
        let (generation, woken) = state.withLock { state in
            state.generation += 1
            defer { state.sleepers = [:] }
            return (state.generation, state.sleepers.values.map(\.continuation))
        }
        for sleeper in woken { sleeper.resume() }
        try await Self.within(20, "somebody to sleep") {
            for await _ in self.arrivals
            where self.state.withLock({ $0.sleepers.values.contains { $0.generation >= generation } }) { return }
        }
    }

    private func sleep(_ duration: Duration) async throws {
        let seconds = Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
        guard seconds > 0 else { return await Task.yield() }
        let id = state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let isCancelled = state.withLock { state in
                    guard !Task.isCancelled else { return true }
                    state.sleepers[id] = Sleeper(
                        wakes: state.passed + seconds, generation: state.generation, continuation: continuation)
                    return false
                }
                if isCancelled { return continuation.resume(throwing: CancellationError()) }
                arrival.yield()
            }
        } onCancel: {
            let sleeper = state.withLock { $0.sleepers.removeValue(forKey: id) }
            sleeper?.continuation.resume(throwing: CancellationError())
        }
    }

    struct Timeout: Error, CustomStringConvertible {
        let what: String
        var description: String { "timed out waiting for \(what)" }
    }

    /// Fails instead of hanging.
    static func within<T: Sendable>(
        _ seconds: Double, _ what: String, _ body: @escaping @Sendable () async throws -> T
    ) async throws -> T {
        try await withThrowingTaskGroup(of: T.self) { group in
            group.addTask { try await body() }
            group.addTask {
                try await Task.sleep(for: .seconds(seconds))
                throw Timeout(what: what)
            }
            defer { group.cancelAll() }
            guard let first = try await group.next() else { throw Timeout(what: what) }
            return first
        }
    }
}
