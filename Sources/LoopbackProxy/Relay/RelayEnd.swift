internal import NIOCore

// How do bytes get from one channel to another without piling up? Two ends, one in each channel's pipeline. An end hands
// over what its channel delivers and stops reading while its partner has not got rid of enough of it. Knows no HTTP.

/// What either end can be told by the other. Called on the end's own event loop.
protocol RelayPartner: AnyObject {
    /// Write and flush these.
    func deliver(_ batch: [ByteBuffer])
    /// The partner's channel will deliver nothing more: half-close.
    func partnerEnded()
    /// The partner's channel is gone without a proper end.
    func partnerFailed()
    /// The partner got rid of `count` bytes.
    func credit(_ count: Int)
    /// To the client's end: the stream is there.
    func attached(to stream: RelayRemote)
    /// To the stream's end: what it delivers next is the answer to an upgrade.
    func expectUpgradeAnswer(answerProtocol: String?)
    /// To the client's end: that answer.
    func upgradeAnswered(accepted: Bool)
}

/// The other end, which may live on another event loop. Calls keep their order.
struct RelayRemote: Sendable {
    private let end: NIOLoopBound<any RelayPartner>
    private let loop: any EventLoop

    /// Called on `loop`, the loop of `end`.
    init(_ end: any RelayPartner, on loop: any EventLoop) {
        self.end = NIOLoopBound(end, eventLoop: loop)
        self.loop = loop
    }

    /// Whether the caller shares the end's loop. Then telling it something is a plain call.
    var isLocal: Bool { loop.inEventLoop }

    func tell(_ action: @escaping @Sendable (any RelayPartner) -> Void) {
        if isLocal {
            action(end.value)
        } else {
            loop.execute { action(end.value) }
        }
    }
}

/// The accounts of one end: what it has handed over, and what it owes its partner.
struct RelayWindow {
    /// Bytes that may be with the partner before reading stops.
    static let size = 512 << 10

    /// Handed over and not yet credited.
    private(set) var outstanding = 0
    /// Written for the partner and not yet credited to it.
    private var owed = 0
    /// A read that was asked for while the window was full.
    var readIsPending = false

    var isOpen: Bool { outstanding < Self.size }

    mutating func handOver(_ count: Int) { outstanding += count }

    mutating func credited(_ count: Int) { outstanding -= count }

    mutating func written(_ count: Int) { owed += count }

    /// What to credit now. Small amounts wait when telling them is a hop between loops.
    mutating func takeOwed(isWritable: Bool, isLocal: Bool) -> Int? {
        guard isWritable, owed > 0, isLocal || owed >= Self.size / 4 else { return nil }
        defer { owed = 0 }
        return owed
    }
}
