internal import NIOCore

// Where do a channel's tasks run? On the channel's own event loop: else each `await` for it would wake another thread and
// that thread the loop again, which costs more than the work.

/// Runs tasks on one event loop; for `withTaskExecutorPreference`.
final class LoopExecutor: TaskExecutor {
    private let loop: any EventLoop

    init(_ loop: any EventLoop) { self.loop = loop }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let executor = asUnownedTaskExecutor()
        loop.execute { job.runSynchronously(on: executor) }
    }
}
