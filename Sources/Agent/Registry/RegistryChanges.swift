public import Store
internal import Synchronization

// Who has to know that the registry has changed? Whoever runs what stands in it. They are told that something has changed and look
// themselves: a listener that is busy hears once of many changes, and never waits for one that it has missed.

/// Tells that rows have changed.
public final class RegistryChanges: Sendable {
    private struct State {
        var next = 0
        var listeners: [Int: (resources: Set<RegistryResource>, continuation: AsyncStream<Void>.Continuation)] = [:]
    }

    private let state = Mutex(State())

    init() {}

    /// Yields after each change that was committed since the listener last looked, once for all of them.
    ///
    /// - Parameter resources: which rows matter. Models change with their providers.
    public func of(_ resources: Set<RegistryResource>) -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let id = state.withLock { state in
            state.next += 1
            state.listeners[state.next] = (resources, continuation)
            return state.next
        }
        continuation.onTermination = { [weak self] _ in
            _ = self?.state.withLock { $0.listeners.removeValue(forKey: id) }
        }
        return stream
    }

    func tell(_ changed: Set<RegistryResource>) {
        let listeners = state.withLock { state in
            state.listeners.values.filter { !$0.resources.isDisjoint(with: changed) }.map(\.continuation)
        }
        for listener in listeners { listener.yield() }
    }
}
