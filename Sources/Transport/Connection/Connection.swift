internal import NIOConcurrencyHelpers
public import NIOCore
internal import Synchronization

// What an application sees of a connection: who is on the other side, streams, datagrams, and how it ended. Everything
// happens on the connection's event loop; this type carries calls there.

/// An authenticated connection to another node. It lives until one side closes it or it is idle for too long; dropping
/// the last reference does not close it.
public final class Connection: Sendable {
    /// The peer's node id, proven by the handshake.
    public let peer: NodeID
    /// The protocol that both sides agreed on.
    public let alpn: String
    /// Tells connections of one endpoint apart, also in the log.
    public let id: UInt64

    let eventLoop: any EventLoop
    private let core: NIOLoopBound<ConnectionCore>
    private let remote: NIOLockedValueBox<NetworkAddress>
    private let closedFlag: ClosedFlag
    private let closeFuture: EventLoopFuture<ConnectionCloseReason>
    private let openerIDs = Atomic<UInt64>(0)

    /// Streams that the peer opens, in order. One consumer. Ends when the connection does.
    public let streams: AsyncStream<InboundStream>

    /// Datagrams of the peer. One consumer; when it is slow, new ones are dropped. Ends when the connection does.
    public let datagrams: AsyncStream<ByteBuffer>

    init(core: ConnectionCore, peer: NodeID, alpn: String) {
        self.peer = peer
        self.alpn = alpn
        id = core.id
        eventLoop = core.eventLoop
        self.core = NIOLoopBound(core, eventLoop: core.eventLoop)
        remote = core.remoteAddress
        closedFlag = core.closedFlag
        closeFuture = core.closeFuture
        streams = core.inboundStreams
        datagrams = core.inboundDatagrams
    }

    /// Where the peer is at present. It changes when the peer's network does.
    public var remoteAddress: SocketAddress { remote.withLockedValue { $0 }.socketAddress }

    /// Opens a bidirectional stream; waits while the peer's stream limit is reached. The initializer sets up the
    /// pipeline before the channel becomes active. The peer learns of the stream with its first bytes.
    ///
    /// - Throws: ``StreamError/connectionClosed(_:)``, `CancellationError`, or what the initializer's future fails with.
    public func openStream<R: Sendable>(
        _ initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<R>
    ) async throws -> R {
        let core = core
        let id = openerIDs.wrappingAdd(1, ordering: .relaxed).newValue
        let future = eventLoop.flatSubmit {
            core.value.openStream(waiting: id).flatMap { $0.start(initializer) }
        }
        return try await withTaskCancellationHandler {
            try await future.get()
        } onCancel: {
            eventLoop.execute { core.value.cancelOpener(id) }
        }
    }

    /// Opens a bidirectional stream without waiting, for callers on the connection's event loop who open many. The
    /// channel is active when this returns.
    ///
    /// - Parameter initializer: sets up the pipeline before the channel becomes active.
    /// - Returns: what `initializer` returned; nil when ``openStream(_:)`` has to be asked: on another thread, while the
    ///   peer's stream limit is reached, and when the connection is over.
    /// - Throws: what `initializer` throws.
    public func openStreamNow<R>(_ initializer: (any Channel) throws -> R) throws -> R? {
        guard eventLoop.inEventLoop, let channel = core.value.openStreamNow() else { return nil }
        return try channel.startNow(initializer)
    }

    /// Sends a datagram: at most once, unordered, not repeated when lost (RFC 9221). Dropped when too many wait.
    ///
    /// - Throws: ``DatagramError/tooLarge(limit:)``.
    public func sendDatagram(_ data: ByteBuffer) throws {
        guard data.readableBytes <= DatagramError.sizeLimit else {
            throw DatagramError.tooLarge(limit: DatagramError.sizeLimit)
        }
        let core = core
        onLoop { core.value.sendDatagram(data) }
    }

    /// Closes at once: what was not yet sent is lost, open streams end. Idempotent; the first call counts.
    ///
    /// - Parameters:
    ///   - code: below 2^62, for the peer.
    ///   - reason: for the peer's log; cut to 512 bytes.
    public func close(code: UInt64 = 0, reason: String = "") {
        let core = core
        onLoop {
            core.value.close(.local(code: code, reason: reason), frame: .application(code: code, reason: reason))
        }
    }

    /// Closes the connection when it has had no stream for `time`: a peer that only says that it is alive has to go. For
    /// servers of short calls. The end comes between one and two times later; a later call replaces the time.
    public func closeWhenUnused(for time: Duration) {
        let core = core
        let time = TimeAmount.nanoseconds(Int64(clamping: time.nanoseconds))
        onLoop { core.value.closeWhenUnused(for: time) }
    }

    /// Whether the connection is over. True before its streams learn of it.
    public var isClosed: Bool { closedFlag.isSet }

    /// Has `action` called on the connection's event loop when the connection is over; soon, when it is over already.
    public func onClose(_ action: @escaping @Sendable (ConnectionCloseReason) -> Void) {
        closeFuture.whenSuccess(action)
    }

    /// Why the connection ended. Suspends until it has, or until the task is cancelled (``ConnectionCloseReason/failed(_:)``
    /// then, whatever the connection does).
    public var closeReason: ConnectionCloseReason {
        get async {
            let promise = eventLoop.makePromise(of: ConnectionCloseReason.self)
            closeFuture.cascade(to: promise)
            return await withTaskCancellationHandler {
                (try? await promise.futureResult.get()) ?? .endpointClosed
            } onCancel: {
                promise.succeed(.failed("nobody waits for the end of the connection any more"))
            }
        }
    }

    /// Counters and estimates of this moment; the last ones when the connection has ended.
    public func statistics() async -> ConnectionStatistics {
        let core = core
        return (try? await eventLoop.submit { core.value.statistics }.get()) ?? .none
    }

    private func onLoop(_ body: @escaping @Sendable () -> Void) {
        if eventLoop.inEventLoop { body() } else { eventLoop.execute(body) }
    }
}

/// Says from any thread that a connection is over.
final class ClosedFlag: Sendable {
    private let value = Atomic(false)

    var isSet: Bool { value.load(ordering: .acquiring) }

    func set() { value.store(true, ordering: .releasing) }
}

extension Connection: CustomStringConvertible {
    public var description: String { "Connection \(id) with \(peer.short) (\(alpn))" }
}

/// Why a datagram was refused.
public enum DatagramError: Error, Equatable, CustomStringConvertible {
    /// It would not fit into a packet on every path.
    case tooLarge(limit: Int)

    /// What fits on any path: 1,200 bytes less header, tag and frame.
    static let sizeLimit = 1_150

    public var description: String {
        switch self {
        case .tooLarge(let limit): "a datagram has at most \(limit) bytes"
        }
    }
}
