internal import Synchronization

// How are events worked off? Those of one channel one after the other, those of different channels side by side. Knows nothing of what they
// are.

/// Queues, one for each channel that has something to do.
final class DiscordLanes: Sendable {
    typealias Job = @Sendable () async throws -> Void

    /// Jobs that may wait in all lanes together.
    private let bound: Int

    private enum Start: Sendable {
        case lane(String)
        case aside(Job)
    }

    private struct State {
        var queues: [String: [Job]] = [:]
        var count = 0
    }

    private let state = Mutex(State())
    private let starts: AsyncStream<Start>
    private let start: AsyncStream<Start>.Continuation

    init(bound: Int = 2000) {
        self.bound = bound
        (starts, start) = AsyncStream.makeStream(of: Start.self)
    }

    /// - Returns: false when too much waits: the job was not taken.
    func add(_ lane: String, _ job: @escaping Job) -> Bool {
        let (isTaken, isNew) = state.withLock { state in
            guard state.count < bound else { return (false, false) }
            state.count += 1
            let isNew = state.queues[lane] == nil
            state.queues[lane, default: []].append(job)
            return (true, isNew)
        }
        if isNew { start.yield(.lane(lane)) }
        return isTaken
    }

    /// Does something beside all lanes.
    func aside(_ job: @escaping Job) { start.yield(.aside(job)) }

    /// Works until it is cancelled or a job fails. One-shot.
    ///
    /// - Throws: what a job throws.
    func run() async throws {
        try await withThrowingDiscardingTaskGroup { group in
            for await start in starts {
                switch start {
                case .lane(let name): group.addTask { try await self.ending { try await self.drain(name) } }
                case .aside(let job): group.addTask { try await self.ending(job) }
                }
            }
            try Task.checkCancellation()
        }
    }

    /// A job that fails ends all: the group alone would wait for the next start.
    private func ending(_ job: Job) async throws {
        do { try await job() } catch {
            start.finish()
            throw error
        }
    }

    private func drain(_ lane: String) async throws {
        while let job = next(lane) {
            try await job()
            state.withLock { $0.count -= 1 }
        }
    }

    private func next(_ lane: String) -> Job? {
        state.withLock { state in
            guard var queue = state.queues[lane] else { return nil }
            guard !queue.isEmpty else {
                state.queues[lane] = nil
                return nil
            }
            let job = queue.removeFirst()
            state.queues[lane] = queue
            return job
        }
    }
}
