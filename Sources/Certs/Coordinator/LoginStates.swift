internal import Transport

// Which logins are half done? Between login_init and login_finish the coordinator must remember an exchange, and strangers
// can begin as many as they like: so there is a bound for each node and for all, the oldest goes first, and each state
// lives for 30 seconds and one use. An honest login takes one round trip, so it outlives any flood that this bound admits.
// No step looks at all states: what a stranger's login costs here does not grow with the number of strangers.

/// One half-done login.
struct LoginState: Sendable {
    /// Normalised.
    let handle: String
    /// Who began it; nobody else may finish it.
    let peer: NodeID
    let exchange: SRPServer
    /// Whether the handle belongs to an active user. A decoy never succeeds, whatever the proof.
    let isDecoy: Bool
    /// What the exchange was computed with. A user who was removed meanwhile, and another of that handle, have others.
    var record: [UInt8] = []
}

/// Half-done logins by their ids.
struct LoginStates {
    /// Seconds.
    static let lifetime: Double = 30

    let capacity: Int
    let capacityPerNode: Int
    private var states: [String: (state: LoginState, since: Double)] = [:]
    /// Ids in the order of their beginning, of each node and of all. The latter still holds some that are gone, and its
    /// first `passed` ones are.
    private var idsOf: [NodeID: [String]] = [:]
    private var order: [String] = []
    private var passed = 0

    init(capacity: Int = 1_024, capacityPerNode: Int = 8) {
        self.capacity = capacity
        self.capacityPerNode = capacityPerNode
    }

    var count: Int { states.count }

    /// - Parameter now: Unix seconds.
    mutating func insert(_ state: LoginState, id: String, now: Double) {
        removeDead(now: now)
        if let own = idsOf[state.peer], own.count >= capacityPerNode { discard(own[0]) }
        while states.count >= capacity, passed < order.count {
            discard(order[passed])
            passed += 1
        }
        states[id] = (state, now)
        idsOf[state.peer, default: []].append(id)
        order.append(id)
        tidy()
    }

    /// Takes a state out, once: nil when it is unknown, used, too old or of another peer. The wrong peer does not use it
    /// up.
    mutating func take(_ id: String, peer: NodeID, now: Double) -> LoginState? {
        guard let (state, _) = states[id], state.peer == peer else { return nil }
        let alive = isAlive(id, now: now)
        discard(id)
        return alive ? state : nil
    }

    /// Forgets what nobody can take any more.
    mutating func removeDead(now: Double) {
        while passed < order.count, !isAlive(order[passed], now: now) {
            discard(order[passed])
            passed += 1
        }
        tidy()
    }

    private func isAlive(_ id: String, now: Double) -> Bool {
        guard let since = states[id]?.since else { return false }
        return (0..<Self.lifetime).contains(now - since)
    }

    private mutating func discard(_ id: String) {
        guard let peer = states.removeValue(forKey: id)?.state.peer else { return }
        idsOf[peer]?.removeAll { $0 == id }
        if idsOf[peer]?.isEmpty == true { idsOf[peer] = nil }
    }

    /// Cleans the order, seldom enough for its cost not to count.
    private mutating func tidy() {
        guard order.count > 2 * capacity || passed == order.count else { return }
        order.removeFirst(passed)
        passed = 0
        if order.count > capacity { order.removeAll { states[$0] == nil } }
    }
}
