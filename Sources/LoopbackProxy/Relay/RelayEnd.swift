internal import NIOCore

// How do bytes get from one channel to another without piling up? Two ends, one in each channel's pipeline. An end hands
// over what its channel delivers and stops reading while its partner has not got rid of enough of it. Knows no HTTP.

/// The other end, which may live on another event loop. Calls keep their order.
struct RelayRemote<End>: Sendable {
    private let end: NIOLoopBound<End>
    private let loop: any EventLoop

    /// Called on `loop`, the loop of `end`.
    init(_ end: End, on loop: any EventLoop) {
        self.end = NIOLoopBound(end, eventLoop: loop)
        self.loop = loop
    }

    /// The end itself, when the caller is on its loop. Then a plain call does.
    var local: End? { loop.inEventLoop ? end.value : nil }

    func tell(_ action: @escaping @Sendable (End) -> Void) {
        if let local {
            action(local)
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

    /// Whether there is enough to credit: small amounts wait, for telling them costs as much as large ones.
    var owesMuch: Bool { owed >= Self.size / 4 }

    /// What to credit now.
    mutating func takeOwed() -> Int {
        defer { owed = 0 }
        return owed
    }

    /// There is a new partner, who has nothing yet.
    mutating func restart() {
        outstanding = 0
        owed = 0
    }
}
