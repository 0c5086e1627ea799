internal import Certs
internal import Logging
internal import Synchronization
internal import Transport

// Who is connected right now? When somebody's rights change, this registry finds what has to end, at once. It decides
// nothing about rights: it asks the membership, like every request does.

/// The connections and sockets of one gateway.
final class LiveConnections: Sendable {
    private struct Socket {
        /// Nil for the operator's, whose rights no roster takes away.
        let handle: String?
        let outbox: Outbox
    }

    private struct Entry {
        let peer: PeerConnection
        var sockets: [UInt64: Socket] = [:]
    }

    private struct State {
        var entries: [UInt64: Entry] = [:]
        /// The connections of each key.
        var ofNode: [NodeID: Set<UInt64>] = [:]
        var lastID: UInt64 = 0
        var observers: [AsyncStream<Void>.Continuation] = []
        var hasSockets: Bool { entries.values.contains { !$0.sockets.isEmpty } }

        func entries(of affected: Affected) -> [Entry] {
            switch affected {
            case .device(let node): (ofNode[node] ?? []).compactMap { entries[$0] }
            case .user(let handle):
                entries.values.filter { entry in
                    entry.peer.handles.contains(handle) || entry.sockets.values.contains { $0.handle == handle }
                }
            case .everybody: Array(entries.values)
            }
        }
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
        state.withLock { state in
            state.entries[peer.id] = Entry(peer: peer)
            state.ofNode[peer.node, default: []].insert(peer.id)
        }
        newcomer.yield((peer.id, .now))
    }

    func remove(_ peer: PeerConnection) {
        state.withLock { state in
            state.entries[peer.id] = nil
            state.ofNode[peer.node]?.remove(peer.id)
            if state.ofNode[peer.node]?.isEmpty == true { state.ofNode[peer.node] = nil }
            Self.notify(&state)
        }
    }

    /// How many connections this key has.
    func count(of node: NodeID) -> Int { state.withLock { $0.ofNode[node]?.count ?? 0 } }

    /// How many connections each key has that has one.
    func counts() -> [NodeID: Int] { state.withLock { $0.ofNode.mapValues(\.count) } }

    /// - Parameter handle: nil for the operator's.
    func add(_ watcher: Watcher, of handle: String?, on peer: PeerConnection) {
        state.withLock { $0.entries[peer.id]?.sockets[watcher.id] = Socket(handle: handle, outbox: watcher.outbox) }
    }

    func remove(_ watcher: Watcher, on peer: PeerConnection) {
        state.withLock { state in
            state.entries[peer.id]?.sockets[watcher.id] = nil
            Self.notify(&state)
        }
    }

    /// Closes the sockets of those among the affected who are no longer in good standing.
    ///
    /// - Returns: the connections that have to end, because nobody who showed a certificate there may stay.
    func closeSockets(
        of affected: Affected, notIn membership: any Membership
    ) -> [(peer: PeerConnection, closing: WebSocketClosing)] {
        state.withLock { state in
            state.entries(of: affected).compactMap { entry in
                func closing(_ handle: String) -> WebSocketClosing? {
                    switch membership.standing(of: entry.peer.node, handle: handle) {
                    case .active: nil
                    case .suspended: .suspended
                    case .unavailable: .unavailable
                    case .revoked, .unknown: .revoked
                    }
                }
                for socket in entry.sockets.values {
                    if let handle = socket.handle, let closing = closing(handle) { socket.outbox.close(closing) }
                }
                let reasons = entry.peer.handles.map(closing)
                guard let reason = reasons.first ?? nil, !reasons.contains(nil) else { return nil }
                return (entry.peer, reason)
            }
        }
    }

    /// The connection with this id if it is still there, and no member has shown a certificate on it.
    func stranger(_ id: UInt64, to membership: any Membership) -> PeerConnection? {
        guard let peer = state.withLock({ $0.entries[id]?.peer }) else { return nil }
        let hasMember = peer.handles.contains { handle in
            if case .active = membership.standing(of: peer.node, handle: handle) { true } else { false }
        }
        return hasMember ? nil : peer
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
