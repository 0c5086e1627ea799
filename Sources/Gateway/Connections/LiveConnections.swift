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

    /// A socket that hears what is told to many.
    private struct Listener {
        let node: NodeID
        /// Nil for the operator.
        let handle: String?
        let outbox: Outbox
        let interest: Interest
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
        var listeners: [UInt64: Listener] = [:]
        /// The sockets of each user; the operator's are under the operator's name.
        var ofHandle: [String: Set<UInt64>] = [:]
        var hasSockets: Bool { !listeners.isEmpty }
        /// How many want measurements of the machine.
        var measured = 0

        mutating func drop(_ socket: UInt64) {
            guard let listener = listeners.removeValue(forKey: socket) else { return }
            if listener.interest.snapshots { measured -= 1 }
            let name = listener.handle ?? Principal.operator.auditName
            ofHandle[name]?.remove(socket)
            if ofHandle[name]?.isEmpty == true { ofHandle[name] = nil }
        }

        func listeners(in audience: [Audience]) -> [Listener] {
            var ids: Set<UInt64> = []
            for part in audience {
                guard case .handle(let handle) = part else { return Array(listeners.values) }
                ids.formUnion(ofHandle[handle] ?? [])
            }
            return ids.compactMap { listeners[$0] }
        }

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

    /// Says each time that somebody wants measurements of the machine, after nobody did. One consumer.
    let firstListeners: AsyncStream<Void>
    private let firstListener: AsyncStream<Void>.Continuation

    init() {
        (newcomers, newcomer) = AsyncStream.makeStream()
        (firstListeners, firstListener) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

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
            let entry = state.entries.removeValue(forKey: peer.id)
            for socket in entry.map({ Array($0.sockets.keys) }) ?? [] { state.drop(socket) }
            state.ofNode[peer.node]?.remove(peer.id)
            if state.ofNode[peer.node]?.isEmpty == true { state.ofNode[peer.node] = nil }
            Self.notify(&state)
        }
    }

    /// How many connections this key has.
    func count(of node: NodeID) -> Int { state.withLock { $0.ofNode[node]?.count ?? 0 } }

    /// How many connections each key has that has one.
    func counts() -> [NodeID: Int] { state.withLock { $0.ofNode.mapValues(\.count) } }

    /// Keeps a socket, or a request that goes on listening, until ``remove(_:on:)`` or until its connection goes.
    ///
    /// - Parameters:
    ///   - handle: nil for the operator's.
    ///   - peer: nil when it came over no connection.
    func add(
        _ watcher: Watcher, of handle: String?, at node: NodeID, on peer: PeerConnection?,
        hears interest: Interest = .everything
    ) {
        let isFirst = state.withLock { state in
            if let peer {
                guard state.entries[peer.id] != nil else { return false }
                state.entries[peer.id]?.sockets[watcher.id] = Socket(handle: handle, outbox: watcher.outbox)
            }
            state.listeners[watcher.id] = Listener(
                node: node, handle: handle, outbox: watcher.outbox, interest: interest)
            state.ofHandle[handle ?? Principal.operator.auditName, default: []].insert(watcher.id)
            guard interest.snapshots else { return false }
            state.measured += 1
            return state.measured == 1
        }
        if isFirst { firstListener.yield() }
    }

    func remove(_ watcher: Watcher, on peer: PeerConnection?) {
        state.withLock { state in
            if let peer { state.entries[peer.id]?.sockets[watcher.id] = nil }
            state.drop(watcher.id)
            Self.notify(&state)
        }
    }

    /// How many sockets and streams of events there are.
    var listenerCount: Int { state.withLock { $0.listeners.values.count { !$0.interest.isNothing } } }

    /// Whether somebody wants measurements of the machine.
    var isMeasured: Bool { state.withLock { $0.measured > 0 } }

    /// Gives a frame to everybody in the audience who may hear it, asked of the membership at this moment; whoever's
    /// standing is not known hears nothing. Waits for nobody.
    func send(
        _ frame: String, of resource: Broadcasts.Resource, to audience: [Audience], in membership: any Membership
    ) {
        let hearing = hearing(audience, in: membership) { $0.resources?.contains(resource) ?? true }
        for outbox in hearing { outbox.broadcast(frame) }
    }

    /// Offers everybody who wants it the newest measurement of the machine.
    func offer(snapshot frame: String, in membership: any Membership) {
        for outbox in hearing([.everybody], in: membership, where: \.snapshots) { outbox.offer(snapshot: frame) }
    }

    private func hearing(
        _ audience: [Audience], in membership: any Membership, where isWanted: (Interest) -> Bool
    ) -> [Outbox] {
        let candidates = state.withLock { $0.listeners(in: audience) }
        return candidates.filter { listener in
            guard isWanted(listener.interest) else { return false }
            let isAdmin: Bool
            if let handle = listener.handle {
                guard case .active(let role) = membership.standing(of: listener.node, handle: handle) else {
                    return false
                }
                isAdmin = role == .admin
            } else {
                isAdmin = true
            }
            return audience.contains { part in
                switch part {
                case .everybody: true
                case .admins: isAdmin
                case .handle(let handle): handle == listener.handle ?? Principal.operator.auditName
                }
            }
        }.map(\.outbox)
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
