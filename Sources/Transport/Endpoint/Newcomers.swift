internal import DequeModule

// When may a handshake begin? It is the dearest thing that a stranger can ask for: half a millisecond of the event loop on
// which everybody's packets are read. So only so many begin in a second, and first packets past it wait in line: however
// many newcomers there are, whoever is connected keeps the better part of the loop.

/// First packets of newcomers that wait for their turn.
struct Newcomers {
    /// A first packet, copied.
    struct Packet {
        let bytes: [UInt8]
        let path: DatagramPath
        let ecn: UInt32
    }

    /// About as long as a client waits before it sends its first packet again. Past it packets are lost.
    static let patience = 1
    /// Handshakes that may begin together, in parts of a second's share.
    private static let burstPart = 5

    /// Nanoseconds from one turn to the next.
    let interval: UInt64
    private let capacity: Int
    private var rate: RateLimit
    private var waiting = Deque<Packet>()

    init(perSecond: Int) {
        let perSecond = max(1, perSecond)
        interval = 1_000_000_000 / UInt64(perSecond)
        capacity = perSecond * Self.patience
        rate = RateLimit(perSecond: Double(perSecond), burst: max(1, Double(perSecond / Self.burstPart)))
    }

    var isEmpty: Bool { waiting.isEmpty }

    /// Whether a handshake may begin now, before anybody who waits.
    mutating func mayBegin(now: UInt64) -> Bool { waiting.isEmpty && rate.allows(now: now) }

    /// Puts a packet in line, if there is room.
    ///
    /// - Returns: whether it is the only one: the caller sees to it that its turn comes.
    mutating func wait(_ packet: @autoclosure () -> Packet) -> Bool {
        guard waiting.count < capacity else { return false }
        waiting.append(packet())
        return waiting.count == 1
    }

    /// The packet whose turn it is.
    mutating func next(now: UInt64) -> Packet? { !waiting.isEmpty && rate.allows(now: now) ? waiting.popFirst() : nil }

    mutating func removeAll() { waiting.removeAll() }
}
