internal import Certs
internal import Logging
internal import Synchronization
internal import Transport

// Who is connected right now? When somebody's rights change, this registry finds what has to end, at once. It decides
// nothing about rights: it asks the membership, like every request does.

/// The connections and sockets of one gateway.
final class LiveConnections: Sendable {
    private struct Socket {
        let handle: String
        let outbox: Outbox
    }

    private struct Entry {
        let peer: PeerConnection
        var sockets: [UInt64: Socket] = [:]
    }

    private struct State {
        var entries: [UInt64: Entry] = [:]
        var lastID: UInt64 = 0
        var observers: [AsyncStream<Void>.Continuation] = []
        var hasSockets: Bool { entries.values.contains { !$0.sockets.isEmpty } }
    }

    private let state = Mutex(State())
    /// The ids of all connections and when each was added, in that order. One consumer.
    let newcomers: AsyncStream<(id: UInt64, since: ContinuousClock.Instant)>
    private let newcomer: AsyncStream<(id: UInt64, since: ContinuousClock.Instant)>.Continuation

    init() { (newcomers, newcomer) = AsyncStream.makeStream() }

    /// A number that no other connection or socket of this gateway has.
    func nextID() -> UInt64 {
        state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
    }

    func add(_ peer: PeerConnection) {
        state.withLock { $0.entries[peer.id] = Entry(peer: peer) }
        newcomer.yield((peer.id, .now))
    }

    func remove(_ peer: PeerConnection) {
        state.withLock { state in
            state.entries[peer.id] = nil
            Self.notify(&state)
        }
    }

    func add(_ watcher: Watcher, of handle: String, on peer: PeerConnection) {
        state.withLock { $0.entries[peer.id]?.sockets[watcher.id] = Socket(handle: handle, outbox: watcher.outbox) }
    }

    func remove(_ watcher: Watcher, on peer: PeerConnection) {
        state.withLock { state in
            state.entries[peer.id]?.sockets[watcher.id] = nil
            Self.notify(&state)
        }
    }

    /// Closes the sockets of everybody who is no longer in good standing.
    ///
    /// - Returns: the connections that have to end, because nobody who showed a certificate there may stay, and whether
    ///   there are sockets on them, which say goodbye.
    func closeSockets(notIn membership: any Membership) -> [(peer: PeerConnection, hasSockets: Bool)] {
        state.withLock { state in
            state.entries.values.compactMap { entry in
                for socket in entry.sockets.values
                where !Self.isMember(entry.peer, handle: socket.handle, of: membership) {
                    socket.outbox.close(.revoked)
                }
                let handles = entry.peer.handles
                guard !handles.isEmpty, !Self.hasMember(entry.peer, of: membership) else { return nil }
                return (entry.peer, !entry.sockets.isEmpty)
            }
        }
    }

    /// The connection with this id if it is still there, and no member has shown a certificate on it.
    func stranger(_ id: UInt64, to membership: any Membership) -> PeerConnection? {
        guard let peer = state.withLock({ $0.entries[id]?.peer }) else { return nil }
        return Self.hasMember(peer, of: membership) ? nil : peer
    }

    private static func hasMember(_ peer: PeerConnection, of membership: any Membership) -> Bool {
        peer.handles.contains { isMember(peer, handle: $0, of: membership) }
    }

    private static func isMember(_ peer: PeerConnection, handle: String, of membership: any Membership) -> Bool {
        if case .active = membership.standing(of: peer.node, handle: handle) { true } else { false }
    }

    /// Closes every socket.
    func closeSockets(_ closing: WebSocketClosing) {
        let outboxes = state.withLock { $0.entries.values.flatMap { $0.sockets.values.map(\.outbox) } }
        for outbox in outboxes { outbox.close(closing) }
    }

    /// Returns when no socket is left.
    func waitUntilSocketsAreGone() async {
        let (gone, observer) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let isOver = state.withLock { state in
            state.observers.append(observer)
            return !state.hasSockets
        }
        if !isOver { for await _ in gone { break } }
    }

    private static func notify(_ state: inout State) {
        guard !state.hasSockets else { return }
        for observer in state.observers { observer.yield() }
        state.observers = []
    }
}
