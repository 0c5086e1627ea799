// Who may connect to this node? Numbers only: so many handshakes at a time, so many connections of one node, so many of
// all. What has been let in is never thrown out by it. It reads no packet and knows nothing of what peers want here.
//
//   first packet ──▶ full? ── yes ──▶ refuse (costs no memory)
//                      │ no
//                      ├─ many handshakes, or nearly full ──▶ retry (the newcomer proves its address)
//                      ▼
//                  handshake ──▶ peer is proven ──▶ its own share full, or nearly full and a stranger ──▶ refuse
//                                                └▶ connection

/// Counts an endpoint's incoming connections, and decides about one more.
struct Admission {
    /// What is done with the first packet of a newcomer.
    enum Verdict: Equatable {
        case handshake
        case retry
        case refuse(reason: String)
    }

    private static let tooMany = "too many connections"

    private let limits: TransportLimits
    private let isKnown: (@Sendable (NodeID) -> Bool)?
    private var connectionsOf: [NodeID: Int] = [:]
    /// The sum of them.
    private(set) var connections = 0
    private(set) var handshakes = 0
    /// Newcomers turned away.
    private(set) var refusals: UInt64 = 0

    init(limits: TransportLimits, isKnown: (@Sendable (NodeID) -> Bool)?) {
        self.limits = limits
        self.isKnown = isKnown
    }

    /// Whether what is left is for known nodes. Then newcomers prove their address first: the handshake that tells who
    /// they are is dear.
    private var isCrowded: Bool {
        isKnown != nil && connections >= limits.maxConnections - limits.maxConnections / 8
    }

    /// - Parameter addressIsProven: the packet carries a token of ours.
    mutating func judge(addressIsProven: Bool) -> Verdict {
        // Even proven addresses can be too many.
        guard connections < limits.maxConnections, handshakes < 2 * limits.maxHandshakes else {
            refusals += 1
            return .refuse(reason: Self.tooMany)
        }
        let mustProve = handshakes >= limits.maxHandshakes || isCrowded
        return mustProve && !addressIsProven ? .retry : .handshake
    }

    mutating func handshakeBegan() { handshakes += 1 }

    /// Completed or not.
    mutating func handshakeEnded() { handshakes -= 1 }

    /// Counts a connection of `peer`.
    ///
    /// - Returns: why there may be no such connection; nil when it was counted.
    mutating func admit(_ peer: NodeID) -> String? {
        guard connectionsOf[peer, default: 0] < limits.maxConnectionsPerNode else {
            refusals += 1
            return "too many connections from this node"
        }
        guard connections < limits.maxConnections, !isCrowded || isKnown?(peer) == true else {
            refusals += 1
            return Self.tooMany
        }
        connectionsOf[peer, default: 0] += 1
        connections += 1
        return nil
    }

    /// A connection that was counted is over.
    mutating func left(_ peer: NodeID) {
        connections -= 1
        let rest = (connectionsOf[peer] ?? 1) - 1
        connectionsOf[peer] = rest > 0 ? rest : nil
    }
}
