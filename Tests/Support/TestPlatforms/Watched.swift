internal import Synchronization

// What has happened so far, and when will it be as the test wants it? State that several tasks change, and that a test waits on without
// asking again and again.

/// Time ran out.
public struct FakeTimeout: Error, CustomStringConvertible {
    public let what: String
    public var description: String { "timed out waiting for \(what)" }
}

/// State that can be waited on.
public final class Watched<State: Sendable>: Sendable {
    private struct Inner {
        var state: State
        var watchers: [Int: AsyncStream<Void>.Continuation] = [:]
        var next = 0
    }

    private let inner: Mutex<Inner>

    public init(_ state: State) { inner = Mutex(Inner(state: state)) }

    /// As it is now.
    public var now: State { inner.withLock { $0.state } }

    /// Changes it, and wakes who waits.
    @discardableResult
    public func change<Result: Sendable>(_ body: @Sendable (inout State) throws -> Result) rethrows -> Result {
        let (result, watchers) = try inner.withLock { inner in
            (try body(&inner.state), Array(inner.watchers.values))
        }
        for watcher in watchers { watcher.yield() }
        return result
    }

    /// Waits until `condition` gives something, without a deadline: for fakes that answer when there is news.
    ///
    /// - Throws: `CancellationError`.
    public func until<Result: Sendable>(_ condition: @Sendable (State) -> Result?) async throws -> Result {
        let (news, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let number = inner.withLock { inner in
            inner.next += 1
            inner.watchers[inner.next] = continuation
            return inner.next
        }
        defer { _ = inner.withLock { $0.watchers.removeValue(forKey: number) } }
        if let result = condition(now) { return result }
        for await _ in news {
            if let result = condition(now) { return result }
        }
        throw CancellationError()
    }

    /// Waits until `condition` gives something.
    ///
    /// - Throws: ``FakeTimeout``, `CancellationError`.
    public func waitFor<Result: Sendable>(
        _ what: String, within limit: Duration = .seconds(10), _ condition: @escaping @Sendable (State) -> Result?
    ) async throws -> Result {
        try await withThrowingTaskGroup(of: Result.self) { group in
            group.addTask { try await self.until(condition) }
            group.addTask {
                try await Task.sleep(for: limit)
                throw FakeTimeout(what: what)
            }
            defer { group.cancelAll() }
            guard let result = try await group.next() else { throw FakeTimeout(what: what) }
            return result
        }
    }
}

/// Something that a test lets happen when it wants.
public final class FakeGate: Sendable {
    private let isOpen = Watched(false)

    public init() {}

    public func open() { isOpen.change { $0 = true } }

    /// - Throws: `CancellationError`.
    public func wait() async throws { try await isOpen.until { $0 ? true : nil } as Bool }
}
