// How does QUIC meet a network? A carrier moves packets; QUIC sees only the path that a packet took, as a pair of
// addresses. Today there is one kind of carrier, a UDP socket, and the addresses are the real ones. A relay would be a
// second kind that hands out addresses of its own invention; nothing above this file would change.

/// Something that moves packets between this node and others. Touched on one event loop only.
protocol DatagramCarrier: AnyObject {
    /// Where packets arrive. A UDP socket's is the wildcard address when it listens on all.
    var address: NetworkAddress { get }

    /// Whether packets of this path leave here.
    func carries(_ path: DatagramPath) -> Bool

    /// Sends one packet or, with `segmentSize`, a run of packets of that size whose last one may be shorter. The bytes
    /// are not kept.
    func send(_ bytes: UnsafeRawBufferPointer, segmentSize: Int?, path: DatagramPath, ecn: UInt32) -> SendOutcome
}

/// What became of a packet that was handed to a carrier.
enum SendOutcome: Equatable {
    case sent
    /// The carrier is full: try the same bytes again soon.
    case wouldBlock
    /// The packet is lost. QUIC repairs a loss, so this is news only for the log.
    case lost(errno: Int32)
}
