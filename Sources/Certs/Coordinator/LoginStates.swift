internal import Transport

// Which logins are half done? Between login_init and login_finish the coordinator must remember an exchange, and strangers
// can begin as many as they like: so there is a bound for each node and for all, the oldest goes first, and each state
// lives for 30 seconds and one use. An honest login takes one round trip, so it outlives any flood that this bound admits.

/// One half-done login.
struct LoginState: Sendable {
    /// Normalised.
    let handle: String
    /// Who began it; nobody else may finish it.
    let peer: NodeID
    let exchange: SRPServer
    /// Whether the handle belongs to an active user. A decoy never succeeds, whatever the proof.
    let isDecoy: Bool
}

/// Half-done logins by their ids.
struct LoginStates {
    /// Seconds.
    static let lifetime: Double = 30

    let capacity: Int
    let capacityPerNode: Int
    private var states: [String: (state: LoginState, since: Double)] = [:]
    /// Ids in the order of their beginning.
    private var order: [String] = []

    init(capacity: Int = 1_024, capacityPerNode: Int = 8) {
        self.capacity = capacity
        self.capacityPerNode = capacityPerNode
    }

    var count: Int { states.count }

    /// - Parameter now: Unix seconds.
    mutating func insert(_ state: LoginState, id: String, now: Double) {
        for id in order where !isAlive(id, now: now) { discard(id) }
        let ofNode = order.filter { states[$0]?.state.peer == state.peer }
        if ofNode.count >= capacityPerNode, let oldest = ofNode.first { discard(oldest) }
        if order.count >= capacity, let oldest = order.first { discard(oldest) }
        states[id] = (state, now)
        order.append(id)
    }

    /// Takes a state out, once: nil when it is unknown, used, too old or of another peer. The wrong peer does not use it
    /// up.
    mutating func take(_ id: String, peer: NodeID, now: Double) -> LoginState? {
        guard let (state, _) = states[id], state.peer == peer else { return nil }
        let alive = isAlive(id, now: now)
        discard(id)
        return alive ? state : nil
    }

    private func isAlive(_ id: String, now: Double) -> Bool {
        guard let since = states[id]?.since else { return false }
        return (0..<Self.lifetime).contains(now - since)
    }

    private mutating func discard(_ id: String) {
        states[id] = nil
        order.removeAll { $0 == id }
    }
}
