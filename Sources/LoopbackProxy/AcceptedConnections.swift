internal import NIOConcurrencyHelpers
internal import NIOCore

// Which clients are connected? Each accepted socket gets its pipeline here and is counted from its first moment, so that
// none is forgotten when the proxy stops.

/// Every accepted socket that is open.
final class AcceptedConnections: Sendable {
    private let channels = NIOLockedValueBox<[ObjectIdentifier: any Channel]>([:])
    private let opener: StreamOpener
    private let timeouts: ProxyTimeouts
    private let maximum: Int

    /// Past the high mark a client counts as slow and its stream is not read.
    private static let waterMarks = ChannelOptions.Types.WriteBufferWaterMark(low: 128 << 10, high: 256 << 10)

    /// - Parameter maximum: clients served at once; one more is told so.
    init(maximum: Int, timeouts: ProxyTimeouts, opener: StreamOpener) {
        self.maximum = maximum
        self.timeouts = timeouts
        self.opener = opener
    }

    /// Sets up the pipeline of an accepted socket. Called on its event loop.
    func add(_ channel: any Channel, rules: AccessRules) throws {
        let id = ObjectIdentifier(channel)
        let isFull = channels.withLockedValue {
            $0[id] = channel
            return $0.count > maximum
        }
        channel.closeFuture.whenComplete { _ in
            self.channels.withLockedValue { _ = $0.removeValue(forKey: id) }
        }
        let end = ClientEnd(
            rules: rules, timeouts: timeouts, opener: opener,
            overload: isFull ? .tooManyConnections(limit: maximum) : nil)
        // Not as options of the bootstrap, where each one would cost a future for each client.
        let options = channel.syncOptions
        try options?.setOption(.allowRemoteHalfClosure, value: true)
        try options?.setOption(.writeBufferWaterMark, value: Self.waterMarks)
        try options?.setOption(
            .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 2048, initial: 2048, maximum: 256 << 10))
        try channel.pipeline.syncOperations.addHandler(end)
    }

    /// Closes them, and returns when they are closed.
    func closeAll() async {
        for channel in channels.withLockedValue({ Array($0.values) }) {
            channel.close(promise: nil)
            try? await channel.closeFuture.get()
        }
    }
}
