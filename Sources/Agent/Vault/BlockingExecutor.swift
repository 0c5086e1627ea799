internal import Dispatch

// Where does an actor run whose every call blocks on files or SQLite? On a thread of its own queue, so that it never
// holds one of the few threads on which all other tasks run.

/// Runs an actor's jobs one after the other on a dispatch queue.
package final class BlockingExecutor: SerialExecutor {
    private let queue: DispatchQueue

    package init(label: String) {
        queue = DispatchQueue(label: label)
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }
}
