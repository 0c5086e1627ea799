internal import DequeModule
internal import Logging
internal import NIOConcurrencyHelpers
internal import NIOCore

// One connection on its event loop: it feeds packets to QUIC, takes what QUIC has to say to streams and to the
// application, and decides when to write. It knows its endpoint for sending and for being found, and no sockets.

/// The event loop's half of a ``Connection``. Confined to the event loop.
final class ConnectionCore {
    private enum State {
        case handshaking
        case open
        case closed(ConnectionCloseReason)
    }

    let id: UInt64
    let eventLoop: any EventLoop
    let quic: QUICConnection
    private let endpoint: EndpointCore
    private var state = State.handshaking

    /// The node dialled; nil for an incoming connection.
    let dialled: NodeID?
    private var alpn: String?
    /// Told once how a dialled handshake ended.
    var onHandshake: ((Result<Connection, ConnectError>) -> Void)?

    /// Streams with something to send, each once.
    private var ready = Deque<QUICStream>()
    private var blocked: [QUICStream] = []
    /// Empty between uses; kept for their memory: streams with news, and streams of which something was sent.
    private var touched: [QUICStream] = []
    private var progressed: [QUICStream] = []
    private var datagrams = Deque<ByteBuffer>()
    private var openers = Deque<Opener>()
    private var timer: (deadline: UInt64, task: Scheduled<Void>)?
    /// Whether the endpoint's list of connections to write holds this one, and the one of connections that read.
    var isDirty = false
    var isReading = false
    /// Connection ids and reset tokens under which the endpoint finds this connection.
    private(set) var connectionIDs: [ConnectionID] = []
    private(set) var resetTokens: [ResetToken] = []

    let remoteAddress: NIOLockedValueBox<NetworkAddress>
    let closedFlag = ClosedFlag()
    private let closed: EventLoopPromise<ConnectionCloseReason>
    let inboundStreams: AsyncStream<InboundStream>
    private let inboundStreamsContinuation: AsyncStream<InboundStream>.Continuation
    let inboundDatagrams: AsyncStream<ByteBuffer>
    private let inboundDatagramsContinuation: AsyncStream<ByteBuffer>.Continuation

    /// Someone who waits for the peer to allow one more stream.
    private struct Opener {
        let id: UInt64
        let promise: EventLoopPromise<StreamChannel>
    }

    init(id: UInt64, quic: QUICConnection, endpoint: EndpointCore, dialled: NodeID?, path: DatagramPath) {
        self.id = id
        self.quic = quic
        self.endpoint = endpoint
        self.dialled = dialled
        eventLoop = endpoint.eventLoop
        remoteAddress = NIOLockedValueBox(path.remote)
        closed = eventLoop.makePromise()
        // Bounded by the peer's stream limit.
        (inboundStreams, inboundStreamsContinuation) = AsyncStream.makeStream()
        (inboundDatagrams, inboundDatagramsContinuation) = AsyncStream.makeStream(
            bufferingPolicy: .bufferingOldest(endpoint.limits.maxQueuedDatagrams))
    }

    /// Counters and estimates; the last ones when the connection is closed.
    var statistics: ConnectionStatistics {
        var statistics = lastStatistics ?? quic.statistics
        statistics.isResumed = isResumed
        return statistics
    }
    private var lastStatistics: ConnectionStatistics?
    private var isResumed = false

    var closeFuture: EventLoopFuture<ConnectionCloseReason> { closed.futureResult }
    var isClosed: Bool { if case .closed = state { true } else { false } }
    var isHandshaking: Bool { if case .handshaking = state { true } else { false } }

    /// The first packet could not be used: the client shall come again with a Retry token.
    private(set) var needsRetry = false

    /// The peer under whose name the endpoint counts this connection.
    var countedPeer: NodeID?

    /// Lets the endpoint find this connection by the ids that it has from the start.
    func registerIDs() { drainEvents() }

    // MARK: Reading

    /// One packet for this connection. ``finishReading()`` follows when the batch is through.
    func receive(_ packet: UnsafeRawBufferPointer, path: PathBuffer, ecn: UInt32, now: UInt64) {
        guard !isClosed else { return }
        if let end = quic.read(packet, path: path, ecn: ecn, now: now) { ended(end, now: now) }
    }

    /// Acts on what the batch of packets brought.
    func finishReading() {
        isReading = false
        guard !isClosed else { return }
        quic.countLosses()
        drainEvents()
        updateTouched()
        guard !isClosed else { return }
        tryMigration()
        setDirty()
    }

    private func updateTouched() {
        // Taken out while streams are told: what they do may touch others.
        var streams = touched
        touched = []
        quic.swapTouched(with: &streams)
        for stream in streams { update(stream) }
        streams.removeAll(keepingCapacity: true)
        touched = streams
    }

    private func update(_ stream: QUICStream) {
        if let channel = stream.channel {
            channel.streamUpdated()
        } else if let bytes = stream.takeReceived() {
            quic.extendWindow(of: stream, by: bytes.readableBytes)
        }
        if stream.wantsToSend { streamHasOutbound(stream) }
    }

    private func drainEvents() {
        for event in quic.takeEvents() {
            guard !isClosed else { return }
            switch event {
            case .handshakeCompleted: handshakeCompleted()
            case .streamOpened(let stream): streamOpened(stream)
            case .streamLimitRaised: serveOpeners()
            case .connectionIDIssued(let id):
                connectionIDs.append(id)
                endpoint.route(id, to: self)
            case .connectionIDRetired(let id):
                connectionIDs.removeAll { $0 == id }
                endpoint.unroute(id)
            case .resetTokenLearned(let token):
                resetTokens.append(token)
                endpoint.route(token, to: self)
            case .resetTokenRetired(let token):
                resetTokens.removeAll { $0 == token }
                endpoint.unroute(token)
            case .datagram(let data): inboundDatagramsContinuation.yield(data)
            case .pathValidated: pathChanged()
            case .ticket(let ticket):
                if let dialled, let alpn { endpoint.tickets.store(ticket, for: dialled, alpn: alpn) }
                quic.releaseTLS()
            }
        }
    }

    private func handshakeCompleted() {
        guard case .handshaking = state, let tls = quic.tls, let peer = tls.peerKey, let alpn = tls.selectedALPN else {
            return
        }
        state = .open
        self.alpn = alpn
        isResumed = tls.isResumed
        let connection = Connection(core: self, peer: peer, alpn: alpn)
        if quic.isServer { quic.releaseTLS() }
        if let onHandshake {
            self.onHandshake = nil
            onHandshake(.success(connection))
        } else {
            endpoint.accepted(connection, core: self)
        }
    }

    private func streamOpened(_ stream: QUICStream) {
        inboundStreamsContinuation.yield(InboundStream(channel: makeChannel(for: stream)))
    }

    private func pathChanged() {
        guard let path = quic.path else { return }
        remoteAddress.withLockedValue { $0 = path.remote }
    }

    // MARK: Streams

    /// Channels of open streams: a channel lives until it is closed even if nobody else holds it.
    private var heldChannels: [Int64: StreamChannel] = [:]
    /// Streams in this side's hands, and how many there have ever been.
    var streamCount: Int { heldChannels.count }
    private(set) var openedStreams: UInt64 = 0
    /// Looks whether the connection is of use; see UnusedConnections.swift. Ends with the connection.
    var usageCheck: Scheduled<Void>?

    func openStream(waiting id: UInt64) -> EventLoopFuture<StreamChannel> {
        let promise = eventLoop.makePromise(of: StreamChannel.self)
        openers.append(Opener(id: id, promise: promise))
        serveOpeners()
        return promise.futureResult
    }

    /// Opens a stream if the peer allows one now.
    func openStreamNow() -> StreamChannel? {
        guard !isClosed, openers.isEmpty, let stream = quic.openStream() else { return nil }
        return makeChannel(for: stream)
    }

    private func makeChannel(for stream: QUICStream) -> StreamChannel {
        let channel = StreamChannel(stream: stream, connection: self)
        heldChannels[stream.id] = channel
        openedStreams += 1
        return channel
    }

    /// Gives up waiting for a stream.
    func cancelOpener(_ id: UInt64) {
        guard let index = openers.firstIndex(where: { $0.id == id }) else { return }
        openers.remove(at: index).promise.fail(CancellationError())
    }

    private func serveOpeners() {
        if case .closed(let reason) = state {
            while let opener = openers.popFirst() { opener.promise.fail(StreamError.connectionClosed(reason)) }
            return
        }
        while !openers.isEmpty, let stream = quic.openStream() {
            openers.removeFirst().promise.succeed(makeChannel(for: stream))
        }
    }

    /// The current path's ends for channels, made once for all streams that are opened on it.
    var socketAddresses: (local: SocketAddress, remote: SocketAddress)? {
        guard let path = quic.path else { return nil }
        if let known = knownAddresses, known.path == path { return (known.local, known.remote) }
        let (local, remote) = (path.local.socketAddress, path.remote.socketAddress)
        knownAddresses = (path, local, remote)
        return (local, remote)
    }
    private var knownAddresses: (path: DatagramPath, local: SocketAddress, remote: SocketAddress)?

    func channelClosed(_ stream: QUICStream) {
        stream.channel = nil
        heldChannels[stream.id] = nil
    }

    func streamHasOutbound(_ stream: QUICStream) {
        guard !isClosed, !stream.isQueuedForSending else { return }
        stream.isQueuedForSending = true
        ready.append(stream)
        setDirty()
    }

    func extendWindow(of stream: QUICStream, by bytes: Int) {
        guard !isClosed else { return }
        quic.extendWindow(of: stream, by: bytes)
        setDirty()
    }

    func reset(_ stream: QUICStream, code: UInt64) {
        guard !isClosed else { return }
        stream.sendEnd = .stopped(code: code)
        quic.reset(stream, code: code)
        setDirty()
    }

    func stopReceiving(_ stream: QUICStream, code: UInt64) {
        guard !isClosed else { return }
        quic.stopReceiving(stream, code: code)
        setDirty()
    }

    // MARK: Datagrams

    func sendDatagram(_ data: ByteBuffer) {
        guard !isClosed, datagrams.count < endpoint.limits.maxQueuedDatagrams else { return }
        datagrams.append(data)
        setDirty()
    }

    // MARK: Writing

    private func setDirty() { endpoint.setDirty(self) }

    /// Writes what may be sent now: one burst, then the pacing timer decides.
    func write(now: UInt64) {
        guard !isClosed else { return }
        if quic.expiry <= now, let end = quic.handleExpiry(now: now) {
            ended(end, now: now)
            return
        }
        for stream in blocked where stream.wantsToSend || stream.isBlocked {
            stream.isBlocked = false
            if stream.wantsToSend, !stream.isQueuedForSending {
                stream.isQueuedForSending = true
                ready.append(stream)
            }
        }
        blocked.removeAll(keepingCapacity: true)

        var completed: [EventLoopPromise<Void>] = []
        var progressed = self.progressed
        self.progressed = []
        let end = writeBurst(now: now, completed: &completed, progressed: &progressed)
        if end == nil { quic.finishBurst(now: now) }
        for promise in completed { promise.succeed() }
        for stream in progressed { stream.channel?.streamProgressed() }
        progressed.removeAll(keepingCapacity: true)
        self.progressed = progressed
        if let end { ended(end, now: now) }
        guard !isClosed else { return }
        updateTouched()
        drainEvents()
        guard !isClosed else { return }
        armTimer(now: now)
    }

    private func writeBurst(
        now: UInt64, completed: inout [EventLoopPromise<Void>], progressed: inout [QUICStream]
    ) -> QUICEnd? {
        let budget = max(quic.sendQuantum, 2 * QUICConnection.maximumPacketSize)
        var sent = 0
        while let data = datagrams.first {
            let (written, done) = quic.writeDatagram(
                data, into: endpoint.packetSpace, path: endpoint.sendPath, now: now)
            if done { datagrams.removeFirst() }
            switch written {
            case .packet(let size, let ecn):
                endpoint.send(size: size, ecn: ecn)
                sent += size
            case .failed(let end): return end
            case .nothing, .unfinished: if !done { return nil }
            }
        }
        var current = nextReady()
        defer { requeue(current) }
        while sent < budget {
            let written = quic.writePacket(
                into: endpoint.packetSpace, stream: current, path: endpoint.sendPath, now: now, completed: &completed)
            if let stream = current {
                if progressed.last !== stream { progressed.append(stream) }
                if stream.isBlocked { blocked.append(stream) }
            }
            switch written {
            case .packet(let size, let ecn):
                endpoint.send(size: size, ecn: ecn)
                sent += size
            case .unfinished:
                break
            case .nothing:
                return nil
            case .failed(let end):
                return end
            }
            // Streams take turns, packet by packet. One that is alone goes on without the ceremony.
            if let stream = current, stream.wantsToSend, ready.isEmpty { continue }
            requeue(current)
            current = nextReady()
        }
        return nil
    }

    private func nextReady() -> QUICStream? {
        while let stream = ready.popFirst() {
            stream.isQueuedForSending = false
            if stream.wantsToSend { return stream }
        }
        return nil
    }

    private func requeue(_ stream: QUICStream?) {
        guard let stream, stream.wantsToSend, !stream.isQueuedForSending else { return }
        stream.isQueuedForSending = true
        ready.append(stream)
    }

    // MARK: Time

    /// One timer for everything that QUIC waits for. It is left alone when it fires too early: that costs one look.
    private func armTimer(now: UInt64) {
        let expiry = quic.expiry
        guard expiry != .max else { return }
        if expiry <= now {
            setDirty()
            return
        }
        if let timer, timer.deadline <= expiry { return }
        timer?.task.cancel()
        let task = eventLoop.assumeIsolated().scheduleTask(deadline: .uptimeNanoseconds(expiry)) { [self] in
            timer = nil
            timerFired(now: NIODeadline.now().uptimeNanoseconds)
        }
        timer = (expiry, task)
    }

    private func timerFired(now: UInt64) {
        guard !isClosed else { return }
        guard quic.expiry <= now else {
            armTimer(now: now)
            return
        }
        if quic.unansweredProbes >= 2 { followNetwork() }
        setDirty()
    }

    // MARK: Migration

    /// A path that the connection shall take as soon as QUIC lets it.
    private var wantedPath: DatagramPath?

    /// Moves to another path (RFC 9000 §9): this node has changed its network. Only the side that dialled may.
    func migrate(to path: DatagramPath) {
        guard dialled != nil, !isClosed, quic.path != path else { return }
        wantedPath = path
        tryMigration()
    }

    /// The network may have taken our address away: asks the endpoint for the path of today.
    private func followNetwork() {
        guard dialled != nil, let path = quic.path, let today = endpoint.path(towards: path.remote) else { return }
        migrate(to: today)
    }

    /// Before the handshake is confirmed, or without a spare connection id of the peer, migration has to wait.
    private func tryMigration() {
        guard let path = wantedPath, quic.migrate(to: path, now: NIODeadline.now().uptimeNanoseconds) else { return }
        wantedPath = nil
        setDirty()
    }

    // MARK: Ending

    /// Closes from this side. Idempotent.
    func close(_ reason: ConnectionCloseReason, frame: QUICCloseFrame) {
        guard !isClosed else { return }
        sayGoodbye(frame, now: NIODeadline.now().uptimeNanoseconds)
        finish(reason)
    }

    private func ended(_ end: QUICEnd, now: UInt64) {
        guard !isClosed else { return }
        switch end {
        case .closedByPeer(let isApplication, let code, let reason):
            endpoint.remember(self, closePacket: nil, period: quic.closingPeriod)
            finish(isApplication ? .peer(code: code, reason: reason) : .peerTransport(code: code, reason: reason))
        case .statelessReset: finish(.statelessReset)
        case .idleTimeout, .handshakeTimeout: finish(.idleTimeout)
        case .dropped: finish(.failed("the peer's first packet was no good"))
        case .retryNeeded:
            needsRetry = true
            finish(.failed("the client must prove its address first"))
        case .fault(let fault):
            sayGoodbye(.fault(fault), now: now)
            finish(.failed(fault.description))
        }
    }

    /// Sends the close packet and leaves it with the endpoint, which repeats it to a peer that missed it.
    private func sayGoodbye(_ frame: QUICCloseFrame, now: UInt64) {
        endpoint.flushBatch()
        let size = quic.writeClose(frame, into: endpoint.packetSpace, path: endpoint.sendPath, now: now)
        let packet = Array(endpoint.packetSpace.prefix(size))
        if size > 0 {
            endpoint.send(size: size, ecn: 0)
            endpoint.flushBatch()
        }
        endpoint.remember(self, closePacket: packet, period: quic.closingPeriod)
    }

    private func finish(_ reason: ConnectionCloseReason) {
        let wasHandshaking = isHandshaking
        let refusal = quic.tls?.refusal
        lastStatistics = quic.statistics
        state = .closed(reason)
        closedFlag.set()
        timer?.task.cancel()
        timer = nil
        usageCheck?.cancel()
        usageCheck = nil
        endpoint.forget(self, wasHandshaking: wasHandshaking)
        if let onHandshake {
            self.onHandshake = nil
            onHandshake(.failure(connectError(reason, refusal)))
        }
        for channel in heldChannels.values { channel.connectionEnded(reason) }
        heldChannels.removeAll()
        ready.removeAll()
        blocked.removeAll()
        datagrams.removeAll()
        serveOpeners()
        inboundStreamsContinuation.finish()
        inboundDatagramsContinuation.finish()
        quic.release()
        closed.succeed(reason)
    }

    /// TLS's no_application_protocol alert as a QUIC error (RFC 9001 §4.8).
    private static let noApplicationProtocol: UInt64 = 0x100 + 120

    private func connectError(_ reason: ConnectionCloseReason, _ refusal: TLSSession.Refusal?) -> ConnectError {
        if case .wrongKey(let expected, let met) = refusal { return .wrongKey(expected: expected, met: met) }
        return switch reason {
        case .peerTransport(Self.noApplicationProtocol, _): .protocolRefused
        case .idleTimeout: .timeout
        case .endpointClosed: .endpointClosed
        default: .refused(reason)
        }
    }
}
