internal import Dispatch
internal import Synchronization

// Where are passwords' proofs computed? Each takes milliseconds of pure arithmetic, and strangers decide how many there
// are: whoever makes new node ids and handles escapes the throttle. So they are computed one at a time, off the threads
// that tasks share, in lanes of bounded length; who finds a lane full is turned away before anything is computed or read
// for them. Between strangers the queue rests: a flood of logins has a quarter of a core and waits for itself, holding up no
// stream, and no device that belongs here. (A thread of low priority would leave them less, but whoever waits for a lock
// that such a thread holds waits with its priority.)

/// Runs computations one after another.
final class ComputationQueue: Sendable {
    /// Who goes first. A lane waits while there is work in one above it.
    enum Lane: Int, CaseIterable, Sendable {
        /// For a device that is the user's own already.
        case known
        /// For somebody who has begun: there are never more of them than there were in the last lane.
        case finishing
        case beginning

        /// Callers that may be in it.
        var capacity: Int {
            switch self {
            case .known, .beginning: 64
            case .finishing: 256
            }
        }
    }

    /// The lane is full.
    struct Busy: Error {}

    /// The right to compute in a lane, for the length of a closure.
    struct Place: Sendable {
        fileprivate let worker: ComputationWorker
        fileprivate let lane: Lane

        /// Waits for its turn and computes.
        ///
        /// - Throws: what `body` throws, or `CancellationError` when the task was cancelled before its turn.
        func run<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
            let id = worker.nextID()
            return try await withTaskCancellationHandler {
                try await withCheckedThrowingContinuation { continuation in
                    let job = ComputationWorker.Job(
                        id: id, run: { continuation.resume(with: Result(catching: body)) },
                        cancel: { continuation.resume(throwing: CancellationError()) })
                    if !worker.add(job, to: lane) { job.cancel() }
                }
            } onCancel: {
                worker.remove(id, from: lane)?.cancel()
            }
        }
    }

    private let worker = ComputationWorker()

    /// Computations in `lane` whose turn has not come.
    func waiting(in lane: Lane) -> Int { worker.waiting(in: lane) }

    /// Keeps a place in `lane` while `body` runs, waiting for it or computing.
    ///
    /// - Throws: ``Busy`` at once when there is none, and what `body` throws.
    func withPlace<T>(in lane: Lane, _ body: (Place) async throws -> T) async throws -> T {
        guard worker.takePlace(in: lane) else { throw Busy() }
        defer { worker.leavePlace(in: lane) }
        return try await body(Place(worker: worker, lane: lane))
    }
}

/// The queue's state, and the work itself.
private final class ComputationWorker: Sendable {
    struct Job: Sendable {
        let id: UInt64
        let run: @Sendable () -> Void
        let cancel: @Sendable () -> Void
    }

    private struct State {
        var places = [Int](repeating: 0, count: ComputationQueue.Lane.allCases.count)
        var jobs = [[Job]](repeating: [], count: ComputationQueue.Lane.allCases.count)
        var lastID: UInt64 = 0
        /// Until then nothing is computed for strangers.
        var rest = ContinuousClock.now
        var isAwake = true

        /// The next job that may run at `now`, and whether it is a stranger's.
        mutating func next(now: ContinuousClock.Instant) -> (job: Job, isStrangers: Bool)? {
            for lane in ComputationQueue.Lane.allCases where !jobs[lane.rawValue].isEmpty {
                let isStrangers = lane != .known
                return isStrangers && now < rest ? nil : (jobs[lane.rawValue].removeFirst(), isStrangers)
            }
            return nil
        }
    }

    /// The rest behind each computation for a stranger, in times of its length: they get a quarter of a core at most.
    private static let restFactor = 3

    private let state = Mutex(State())
    private let queue = DispatchQueue(label: "openagent.coordinator.proofs")

    func nextID() -> UInt64 {
        state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
    }

    func takePlace(in lane: ComputationQueue.Lane) -> Bool {
        state.withLock { state in
            guard state.places[lane.rawValue] < lane.capacity else { return false }
            state.places[lane.rawValue] += 1
            return true
        }
    }

    func leavePlace(in lane: ComputationQueue.Lane) {
        state.withLock { $0.places[lane.rawValue] -= 1 }
    }

    func waiting(in lane: ComputationQueue.Lane) -> Int { state.withLock { $0.jobs[lane.rawValue].count } }

    /// - Returns: false when the caller's task is cancelled already.
    func add(_ job: Job, to lane: ComputationQueue.Lane) -> Bool {
        let isAdded = state.withLock { state in
            // A cancellation that comes later finds the job.
            guard !Task.isCancelled else { return false }
            state.jobs[lane.rawValue].append(job)
            return true
        }
        if isAdded { queue.async { self.work() } }
        return isAdded
    }

    /// - Returns: the job, unless it has begun.
    func remove(_ id: UInt64, from lane: ComputationQueue.Lane) -> Job? {
        state.withLock { state in
            guard let index = state.jobs[lane.rawValue].firstIndex(where: { $0.id == id }) else { return nil }
            return state.jobs[lane.rawValue].remove(at: index)
        }
    }

    /// Computes what may be computed now. On the queue.
    private func work() {
        while let (job, isStrangers) = state.withLock({ $0.next(now: .now) }) {
            let started = ContinuousClock.now
            job.run()
            let ended = ContinuousClock.now
            if isStrangers { state.withLock { $0.rest = ended + (ended - started) * Self.restFactor } }
        }
        let rest: Duration? = state.withLock { state in
            guard state.isAwake, state.jobs.contains(where: { !$0.isEmpty }) else { return nil }
            state.isAwake = false
            return state.rest - .now
        }
        guard let rest else { return }
        queue.asyncAfter(deadline: .now() + max(0, rest / .seconds(1))) {
            self.state.withLock { $0.isAwake = true }
            self.work()
        }
    }
}
