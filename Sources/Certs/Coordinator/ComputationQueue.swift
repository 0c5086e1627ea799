internal import Foundation
internal import Glibc
internal import Synchronization

// Where are passwords' proofs computed? Each takes milliseconds of pure arithmetic, and strangers decide how many there
// are: whoever makes new node ids and handles escapes the throttle. So they are computed one at a time on a thread that
// gives way to every other one, in lanes of bounded length; who finds a lane full is turned away before anything is
// computed or read for them. A flood of logins waits for itself: it holds up no stream, and no device that belongs here.

/// Runs computations one after another, off the threads that tasks share.
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

    deinit { worker.end() }

    /// Keeps a place in `lane` while `body` runs, waiting for it or computing.
    ///
    /// - Throws: ``Busy`` at once when there is none, and what `body` throws.
    func withPlace<T>(in lane: Lane, _ body: (Place) async throws -> T) async throws -> T {
        guard worker.takePlace(in: lane) else { throw Busy() }
        defer { worker.leavePlace(in: lane) }
        return try await body(Place(worker: worker, lane: lane))
    }
}

/// The queue's state and its thread, which starts with the first job and ends with the queue.
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
        var hasThread = false
        var hasEnded = false
    }

    /// Steps below the priority of all other threads (nice(2), which counts for one thread on Linux): while they are
    /// busy, the thread gets a tenth of a core, and all of it otherwise.
    private static let niceness: Int32 = 10

    private let state = Mutex(State())
    private let arrivals = DispatchSemaphore(value: 0)

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

    /// - Returns: false when the caller's task is cancelled already.
    func add(_ job: Job, to lane: ComputationQueue.Lane) -> Bool {
        let (isAdded, needsThread) = state.withLock { state in
            // A cancellation that comes later finds the job.
            guard !Task.isCancelled else { return (false, false) }
            state.jobs[lane.rawValue].append(job)
            defer { state.hasThread = true }
            return (true, !state.hasThread)
        }
        if needsThread { start() }
        if isAdded { arrivals.signal() }
        return isAdded
    }

    /// - Returns: the job, unless it has begun.
    func remove(_ id: UInt64, from lane: ComputationQueue.Lane) -> Job? {
        state.withLock { state in
            guard let index = state.jobs[lane.rawValue].firstIndex(where: { $0.id == id }) else { return nil }
            return state.jobs[lane.rawValue].remove(at: index)
        }
    }

    /// Nobody waits any more.
    func end() {
        state.withLock { $0.hasEnded = true }
        arrivals.signal()
    }

    private func start() {
        let thread = Thread { [self] in
            _ = nice(Self.niceness)
            work()
        }
        thread.name = "proofs"
        thread.start()
    }

    private func work() {
        while true {
            arrivals.wait()
            let (job, hasEnded) = state.withLock { state -> (Job?, Bool) in
                guard let lane = state.jobs.firstIndex(where: { !$0.isEmpty }) else { return (nil, state.hasEnded) }
                return (state.jobs[lane].removeFirst(), false)
            }
            // Without a job it was removed meanwhile.
            job?.run()
            if hasEnded { return }
        }
    }
}
