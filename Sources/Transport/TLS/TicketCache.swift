internal import DequeModule

// What do we keep of a session so that the next dial to the same node is cheaper? Its ticket, by node and protocol, in
// memory only. A ticket saves a signature, never the check of the peer's key.

/// Session tickets, each used once. The oldest goes first when there are too many.
struct TicketCache {
    private struct Key: Hashable {
        let peer: NodeID
        let alpn: String
    }

    private let capacity: Int
    private var tickets: [Key: [UInt8]] = [:]
    private var order = Deque<Key>()

    init(capacity: Int) { self.capacity = capacity }

    /// The newest ticket of a node; the cache forgets it, because a ticket that is used twice links the two sessions
    /// for a bystander (RFC 8446 §C.4).
    mutating func take(for peer: NodeID, alpn: String) -> [UInt8]? {
        let key = Key(peer: peer, alpn: alpn)
        guard let ticket = tickets.removeValue(forKey: key) else { return nil }
        order.removeAll { $0 == key }
        return ticket
    }

    mutating func store(_ ticket: [UInt8], for peer: NodeID, alpn: String) {
        let key = Key(peer: peer, alpn: alpn)
        if tickets.updateValue(ticket, forKey: key) == nil { order.append(key) }
        if order.count > capacity, let oldest = order.popFirst() { tickets[oldest] = nil }
    }
}
