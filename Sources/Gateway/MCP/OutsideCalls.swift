internal import Synchronization

// Which calls of other programs are under way, so that one can be cancelled by a later message? Each message is a request of its own, maybe
// on another stream: what belongs together is the user's device, the client's session and the request's id.

/// Calls that are under way.
final class OutsideCalls: Sendable {
    struct Key: Sendable, Hashable {
        /// Device and user.
        var sender: String
        /// What the client's `Mcp-Session-Id` says; empty when it names none.
        var session: String
        /// Nil: all of the session's.
        var id: MCPRequestID?
    }

    /// A call, and what is to be stopped with it.
    final class Call: Sendable {
        private let state = Mutex<(isCancelled: Bool, sessionID: String?)>((false, nil))
        let (cancelled, cancel) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))

        var isCancelled: Bool { state.withLock { $0.isCancelled } }

        /// The conversation in which it started a turn.
        var sessionID: String? { state.withLock { $0.sessionID } }

        func runs(in sessionID: String?) { state.withLock { $0.sessionID = sessionID } }

        fileprivate func stop() {
            state.withLock { $0.isCancelled = true }
            cancel.yield()
        }
    }

    private let calls = Mutex<[Key: Call]>([:])

    /// - Returns: nil when a call of this id is under way already.
    func begin(_ key: Key) -> Call? {
        calls.withLock { calls in
            guard calls[key] == nil else { return nil }
            let call = Call()
            calls[key] = call
            return call
        }
    }

    func end(_ key: Key) { calls.withLock { $0[key] = nil } }

    /// Stops a call, or all of a session.
    func cancel(_ key: Key) {
        let stopped = calls.withLock { calls in
            calls.filter {
                $0.key.sender == key.sender && $0.key.session == key.session && (key.id == nil || $0.key.id == key.id)
            }
            .values
        }
        for call in stopped { call.stop() }
    }
}
