internal import GRDB
internal import Synchronization

// How do many conversations share one disk? Each write is durable when its caller goes on, and making it so costs the same
// for one write as for many. So those that wait while others are being made durable are committed together, in the order
// in which they came. Nothing is delayed to gather more: a lone write goes through at once. Batches run on the database's
// own queue, which closing the database waits for; no task has to be kept. What is written is not known here.
//
//     write ──▶ waiting ──(the writer is free)──▶ BEGIN, each in a savepoint of its own, COMMIT ──▶ every caller goes on
//                                                       └─ one throws: only it is undone ─┘  └─ fails: all of them fail

/// Commits concurrent writes together.
final class GroupCommit: Sendable {
    /// Writes in one transaction. Whoever comes while it runs waits for all of them.
    static let largestBatch = 256

    private struct State {
        var waiting: [any WaitingWrite] = []
        /// A batch will be taken from `waiting` as soon as the writer is free.
        var isScheduled = false
    }

    private let pool: DatabasePool
    private let state = Mutex(State())

    init(_ pool: DatabasePool) { self.pool = pool }

    /// Writes that no batch has taken yet.
    var waitingCount: Int { state.withLock { $0.waiting.count } }

    /// Runs `updates` in a transaction, perhaps together with others, and returns once it is on disk. Cancelling the
    /// caller does not stop it.
    ///
    /// - Throws: what `updates` throws; it is then as if it had not run. Or why the transaction could not be committed.
    func write<T: Sendable>(_ updates: @escaping @Sendable (GRDB.Database) throws -> T) async throws -> T {
        try await withCheckedThrowingContinuation { continuation in
            enqueue(Write(updates, continuation))
        }
    }

    private func enqueue(_ write: any WaitingWrite) {
        let isFirst = state.withLock { state in
            state.waiting.append(write)
            defer { state.isScheduled = true }
            return !state.isScheduled
        }
        if isFirst { schedule() }
    }

    private func schedule() {
        pool.asyncWriteWithoutTransaction { [self] connection in run(take(), in: connection) }
    }

    private func take() -> [any WaitingWrite] {
        let (batch, isMore) = state.withLock { state in
            let batch = Array(state.waiting.prefix(Self.largestBatch))
            state.waiting.removeFirst(batch.count)
            state.isScheduled = !state.waiting.isEmpty
            return (batch, state.isScheduled)
        }
        // At the end of the writer's line, so that others who write get their turn.
        if isMore { schedule() }
        return batch
    }

    private func run(_ batch: [any WaitingWrite], in connection: GRDB.Database) {
        var failure: (any Error)?
        do {
            try connection.inTransaction(.immediate) {
                for write in batch { try run(write, isAlone: batch.count == 1, in: connection) }
                return .commit
            }
        } catch { failure = error }
        for write in batch { write.end(failure) }
    }

    /// - Throws: when the transaction cannot go on.
    private func run(_ write: any WaitingWrite, isAlone: Bool, in connection: GRDB.Database) throws {
        guard !isAlone else { return try write.run(in: connection) }
        do {
            try connection.inSavepoint {
                try write.run(in: connection)
                return .commit
            }
        } catch {
            // A full disk or a broken file ends the whole transaction; then nothing of the batch is left to commit.
            guard connection.isInsideTransaction else { throw error }
            write.fail(error)
        }
    }
}

/// A write and its caller, which waits for it.
private protocol WaitingWrite: AnyObject, Sendable {
    func run(in connection: GRDB.Database) throws
    /// It was undone.
    func fail(_ error: any Error)
    /// The caller goes on. Called once.
    ///
    /// - Parameter failure: why the transaction as a whole came to nothing.
    func end(_ failure: (any Error)?)
}

private final class Write<T: Sendable>: WaitingWrite {
    private let updates: @Sendable (GRDB.Database) throws -> T
    private let caller: CheckedContinuation<T, any Error>
    private let result = Mutex<Result<T, any Error>?>(nil)

    init(
        _ updates: @escaping @Sendable (GRDB.Database) throws -> T, _ caller: CheckedContinuation<T, any Error>
    ) {
        self.updates = updates
        self.caller = caller
    }

    func run(in connection: GRDB.Database) throws {
        let value = try updates(connection)
        result.withLock { $0 = .success(value) }
    }

    func fail(_ error: any Error) {
        result.withLock { $0 = .failure(error) }
    }

    func end(_ failure: (any Error)?) {
        if let failure { return caller.resume(throwing: failure) }
        // Without a failure of the whole, each has run or has failed.
        caller.resume(with: result.withLock { $0 } ?? .failure(SessionStorageError.missing("result")))
    }
}
