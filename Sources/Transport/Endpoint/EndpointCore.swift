internal import Logging
internal import NIOCore

// An endpoint on its event loop: sockets, connections, and which packet belongs to which. It knows nothing of streams.

/// The event loop's half of an ``Endpoint``. Confined to the event loop.
final class EndpointCore {
    let eventLoop: any EventLoop
    let secretKey: SecretKey
    let limits: TransportLimits
    let credentials: TLSCredentials
    let answers: StatelessAnswers
    let logger: Logger

    private(set) var sockets: [UDPSocket] = []
    private let batch = PacketBatch()
    private var backlog = PacketBacklog()
    /// The paths of the packet that is read, and of the one that is written.
    private let receivePath = PathBuffer()
    let sendPath = PathBuffer()

    private var routes: [ConnectionID: ConnectionCore] = [:]
    private var resetRoutes: [ResetToken: ConnectionCore] = [:]
    private(set) var connections: [UInt64: ConnectionCore] = [:]
    private var closing: [ConnectionID: ClosedConnection] = [:]
    private var admission: Admission
    private var newcomers: Newcomers
    private var nextID: UInt64 = 1
    var dials: [ObjectIdentifier: Dial] = [:]
    private(set) var isClosed = false
    var tickets = TicketCache(capacity: 256)
    /// Answers to strangers: resets, Retry, version negotiation; and to disco pings, which cost a key agreement each.
    private var replyLimit = RateLimit(perSecond: 1_000)
    private var discoLimit = RateLimit(perSecond: 100)

    private var reading: [ConnectionCore] = []
    private var dirty: [ConnectionCore] = []
    /// What one of the two held while it is worked off; empty otherwise.
    private var spare: [ConnectionCore] = []
    private var isFlushScheduled = false
    private var isInBatch = false

    let incoming: AsyncStream<Connection>
    private let incomingContinuation: AsyncStream<Connection>.Continuation

    init(configuration: EndpointConfiguration, eventLoop: any EventLoop) throws {
        self.eventLoop = eventLoop
        secretKey = configuration.secretKey
        limits = configuration.limits
        credentials = try TLSCredentials(secretKey: configuration.secretKey, alpns: configuration.alpns)
        answers = StatelessAnswers(key: configuration.secretKey.derivedKey(for: "openagent/quic/stateless/1"))
        logger = configuration.logger
        admission = Admission(limits: configuration.limits, isKnown: configuration.isKnown)
        newcomers = Newcomers(perSecond: configuration.limits.maxHandshakesPerSecond)
        (incoming, incomingContinuation) = AsyncStream.makeStream(
            bufferingPolicy: .bufferingOldest(configuration.limits.maxHandshakes))
    }

    // MARK: Sockets

    /// Binds one socket to each address. A host without IPv6 does without the IPv6 wildcard.
    func bind(_ addresses: [SocketAddress]) throws -> EventLoopFuture<Void> {
        do {
            for address in addresses.compactMap(NetworkAddress.init) {
                do {
                    sockets.append(try UDPSocket(bind: address))
                } catch let error as SocketError where error.isMissingFamily && address.isWildcard && !sockets.isEmpty {
                    logger.info("endpoint::family_missing", metadata: ["error": "\(error)"])
                }
            }
        } catch {
            closeSockets()
            throw error
        }
        return EventLoopFuture.andAllSucceed(
            sockets.map { $0.start(on: eventLoop, handler: DatagramReader(endpoint: self)) }, on: eventLoop)
    }

    var localAddresses: [NetworkAddress] { sockets.map(\.address) }

    /// Opens new sockets and moves the connections that this node dialled to them, for after a change of network. The
    /// old sockets stay for a moment, for what is on its way; those that others dial stay for good.
    func rebind() throws -> EventLoopFuture<Void> {
        guard !isClosed else { throw ConnectError.endpointClosed }
        let old = sockets
        var new: [UDPSocket] = []
        do {
            for socket in old { new.append(try UDPSocket(bind: socket.address.with(port: 0))) }
        } catch {
            for socket in new { socket.close() }
            throw error
        }
        let started = new.map { $0.start(on: eventLoop, handler: DatagramReader(endpoint: self)) }
        return EventLoopFuture.andAllSucceed(started, on: eventLoop).assumeIsolated().map { [self, new] in
            sockets = new + old
            for connection in connections.values where connection.dialled != nil {
                guard let remote = connection.quic.path?.remote, let path = path(towards: remote) else { continue }
                connection.migrate(to: path)
            }
            guard credentials.alpns.isEmpty else { return }
            eventLoop.assumeIsolated().scheduleTask(in: Self.oldSocketsLinger) { [self] in
                sockets.removeAll { socket in old.contains { $0 === socket } }
                for socket in old { socket.close() }
            }
        }.nonisolated()
    }

    private static let oldSocketsLinger = TimeAmount.seconds(3)

    // MARK: Receiving

    /// One read from a socket: one packet, or several of one size that the kernel joined.
    func receive(_ envelope: AddressedEnvelope<ByteBuffer>, on local: NetworkAddress) {
        guard let remote = NetworkAddress(envelope.remoteAddress) else { return }
        var path = DatagramPath(local: local, remote: remote)
        if local.isWildcard, let info = envelope.metadata?.packetInfo,
            let asked = NetworkAddress(info.destinationAddress)
        {
            path.local = asked.with(port: local.port)
        }
        let ecn: UInt32 =
            switch envelope.metadata?.ecnState {
            case .transportCapableFlag0: 2
            case .transportCapableFlag1: 1
            case .congestionExperienced: 3
            default: 0
            }
        receivePath.set(path)
        isInBatch = true
        let now = NIODeadline.now().uptimeNanoseconds
        envelope.data.withUnsafeReadableBytes { bytes in
            let size = envelope.metadata?.segmentSize.flatMap { $0 > 0 ? $0 : nil } ?? bytes.count
            var rest = bytes[...]
            var last: (ConnectionID, ConnectionCore)?
            while !rest.isEmpty {
                let packet = UnsafeRawBufferPointer(rebasing: rest.prefix(size))
                rest = rest.dropFirst(size)
                receive(packet, path: path, ecn: ecn, now: now, last: &last)
            }
        }
    }

    private func receive(
        _ packet: UnsafeRawBufferPointer, path: DatagramPath, ecn: UInt32, now: UInt64,
        last: inout (ConnectionID, ConnectionCore)?, hasWaited: Bool = false
    ) {
        if DiscoPacket.isDisco(packet) {
            guard discoLimit.allows(now: now) else { return }
            reply(DiscoPacket.answer(to: packet, from: path.remote.socketAddress, key: secretKey), path: path, now: now)
            return
        }
        switch PacketHeader(packet) {
        case .packet(let destination, let isShort):
            // Joined packets nearly always belong to one connection.
            if let last, last.0 == destination {
                deliver(packet, to: last.1, ecn: ecn, now: now)
            } else if let connection = routes[destination] {
                last = (destination, connection)
                deliver(packet, to: connection, ecn: ecn, now: now)
            } else if let closed = closing[destination] {
                repeatClose(closed, path: path, now: now)
            } else if isShort {
                receiveStray(packet, destination: destination, path: path, ecn: ecn, now: now)
            } else {
                accept(packet, path: path, ecn: ecn, now: now, hasWaited: hasWaited)
            }
        case .unknownVersion(let destination, let source):
            // Only a full-size packet may be answered: an answer must not be larger than the question.
            guard packet.count >= 1_200, !credentials.alpns.isEmpty else { return }
            reply(answers.versionNegotiation(destination: destination, source: source), path: path, now: now)
        case .notQUIC:
            return
        }
    }

    private func deliver(_ packet: UnsafeRawBufferPointer, to connection: ConnectionCore, ecn: UInt32, now: UInt64) {
        if !connection.isReading {
            connection.isReading = true
            reading.append(connection)
        }
        connection.receive(packet, path: receivePath, ecn: ecn, now: now)
    }

    /// A packet of an established connection that this node does not know: perhaps the peer has forgotten it, perhaps
    /// this node has.
    private func receiveStray(
        _ packet: UnsafeRawBufferPointer, destination: ConnectionID, path: DatagramPath, ecn: UInt32, now: UInt64
    ) {
        if packet.count > ResetToken.length,
            let connection = resetRoutes[ResetToken(UnsafeRawBufferPointer(rebasing: packet.suffix(ResetToken.length)))]
        {
            deliver(packet, to: connection, ecn: ecn, now: now)
            return
        }
        reply(answers.reset(destination: destination, answering: packet.count), path: path, now: now)
    }

    private func accept(
        _ packet: UnsafeRawBufferPointer, path: DatagramPath, ecn: UInt32, now: UInt64, hasWaited: Bool
    ) {
        guard !isClosed, !credentials.alpns.isEmpty, var initial = InitialPacket(packet) else { return }
        initial.retriedDestination = answers.retriedDestination(initial, from: path.remote, now: now)
        switch admission.judge(addressIsProven: initial.retriedDestination != nil) {
        case .handshake: break
        case .retry:
            reply(answers.retry(initial, from: path.remote, now: now), path: path, now: now)
            return
        case .refuse(let reason):
            reply(answers.refusal(initial, code: Self.connectionRefused, reason: reason), path: path, now: now)
            return
        }
        guard hasWaited || newcomers.mayBegin(now: now) else {
            if newcomers.wait(Newcomers.Packet(bytes: Array(packet), path: path, ecn: ecn)) { awaitTurn() }
            return
        }
        do {
            let quic = try QUICConnection(
                accepting: initial, path: path, credentials: credentials, resetKey: answers.key, limits: limits,
                now: now)
            let connection = add(quic, dialled: nil, path: path)
            admission.handshakeBegan()
            connection.registerIDs()
            deliver(packet, to: connection, ecn: ecn, now: now)
            // A ClientHello of several packets whose first one is late: RFC 9000 §8.1.2's way out costs no memory.
            if connection.needsRetry {
                reply(answers.retry(initial, from: path.remote, now: now), path: path, now: now)
            }
        } catch {
            logger.debug("quic::accept_failed", metadata: ["error": "\(error)", "remote": "\(path.remote)"])
        }
    }

    /// Begins the next handshake that waits, when it may.
    private func awaitTurn() {
        eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(Int64(newcomers.interval))) { [self] in
            let now = NIODeadline.now().uptimeNanoseconds
            if let packet = newcomers.next(now: now) {
                receivePath.set(packet.path)
                isInBatch = true
                var last: (ConnectionID, ConnectionCore)?
                packet.bytes.withUnsafeBytes {
                    receive($0, path: packet.path, ecn: packet.ecn, now: now, last: &last, hasWaited: true)
                }
                finishReading()
            }
            if !newcomers.isEmpty { awaitTurn() }
        }
    }

    /// The sockets have nothing more for now: streams get their bytes, then everything due is written.
    func finishReading() {
        swap(&reading, &spare)
        for connection in spare { connection.finishReading() }
        spare.removeAll(keepingCapacity: true)
        isInBatch = false
        flushDirty()
    }

    // MARK: Sending

    /// Where the next packet is written.
    var packetSpace: UnsafeMutableRawBufferPointer { batch.space }

    /// Sends the packet at the start of ``packetSpace`` on the path in ``sendPath``.
    func send(size: Int, ecn: UInt32) {
        guard let path = sendPath.path else { return }
        batch.add(size: size, path: path, ecn: ecn, send: transmit)
    }

    func flushBatch() { batch.flush(send: transmit) }

    func transmit(_ bytes: UnsafeRawBufferPointer, segmentSize: Int?, path: DatagramPath, ecn: UInt32) {
        guard backlog.isEmpty else {
            backlog.append(bytes, segmentSize: segmentSize, path: path, ecn: ecn)
            return
        }
        guard let carrier = sockets.first(where: { $0.carries(path) }) else { return }
        if carrier.send(bytes, segmentSize: segmentSize, path: path, ecn: ecn) == .wouldBlock {
            backlog.append(bytes, segmentSize: segmentSize, path: path, ecn: ecn)
            retryBacklog()
        }
    }

    /// The system's buffer is full: what was about to leave waits, and nobody writes more until it is through.
    private func retryBacklog() {
        eventLoop.assumeIsolated().scheduleTask(in: .microseconds(200)) { [self] in
            let isThrough = backlog.drain { bytes, segmentSize, path, ecn in
                guard let carrier = sockets.first(where: { $0.carries(path) }) else { return true }
                return carrier.send(bytes, segmentSize: segmentSize, path: path, ecn: ecn) != .wouldBlock
            }
            if isThrough { flushDirty() } else { retryBacklog() }
        }
    }

    private func reply(_ packet: [UInt8]?, path: DatagramPath, now: UInt64) {
        guard let packet, replyLimit.allows(now: now) else { return }
        packet.withUnsafeBytes { transmit($0, segmentSize: nil, path: path, ecn: 0) }
    }

    /// `connection` has something to write. Writes are collected: one run at the end of the tick.
    func setDirty(_ connection: ConnectionCore) {
        guard !connection.isDirty else { return }
        connection.isDirty = true
        dirty.append(connection)
        guard !isInBatch, !isFlushScheduled else { return }
        isFlushScheduled = true
        eventLoop.assumeIsolated().execute { [self] in
            isFlushScheduled = false
            flushDirty()
        }
    }

    private func flushDirty() {
        guard backlog.isEmpty else { return }
        let now = NIODeadline.now().uptimeNanoseconds
        swap(&dirty, &spare)
        for connection in spare {
            connection.isDirty = false
            connection.write(now: now)
        }
        spare.removeAll(keepingCapacity: true)
        flushBatch()
    }

    // MARK: Connections

    func add(_ quic: QUICConnection, dialled: NodeID?, path: DatagramPath) -> ConnectionCore {
        let connection = ConnectionCore(id: nextID, quic: quic, endpoint: self, dialled: dialled, path: path)
        connections[nextID] = connection
        nextID += 1
        return connection
    }

    /// RFC 9000 §20.1.
    private static let connectionRefused: UInt64 = 2

    /// An incoming handshake is complete.
    func accepted(_ connection: Connection, core: ConnectionCore) {
        admission.handshakeEnded()
        if let reason = admission.admit(connection.peer) {
            core.close(.failed(reason), frame: .transport(code: Self.connectionRefused, reason: reason))
            return
        }
        core.countedPeer = connection.peer
        if case .enqueued = incomingContinuation.yield(connection) { return }
        core.close(
            .failed("nobody accepts connections"), frame: .transport(code: Self.connectionRefused, reason: "too busy"))
    }

    func route(_ id: ConnectionID, to connection: ConnectionCore) { routes[id] = connection }
    func unroute(_ id: ConnectionID) { routes[id] = nil }
    func route(_ token: ResetToken, to connection: ConnectionCore) { resetRoutes[token] = connection }
    func unroute(_ token: ResetToken) { resetRoutes[token] = nil }

    /// The connection is over.
    func forget(_ connection: ConnectionCore, wasHandshaking: Bool) {
        for id in connection.connectionIDs { routes[id] = nil }
        for token in connection.resetTokens { resetRoutes[token] = nil }
        connections[connection.id] = nil
        if wasHandshaking, connection.dialled == nil { admission.handshakeEnded() }
        if let peer = connection.countedPeer { admission.left(peer) }
    }

    /// Keeps answering for a closed connection, so that late packets are not taken for new ones (RFC 9000 §10.2).
    func remember(_ connection: ConnectionCore, closePacket: [UInt8]?, period: UInt64) {
        let closed = ClosedConnection(packet: closePacket ?? [])
        let ids = connection.connectionIDs
        for id in ids { closing[id] = closed }
        // Three probe timeouts are a few milliseconds on loopback; a peer may repeat itself for longer.
        let nanoseconds = max(period, 1_000_000_000)
        eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(Int64(clamping: nanoseconds))) { [self] in
            for id in ids { closing[id] = nil }
        }
    }

    private func repeatClose(_ closed: ClosedConnection, path: DatagramPath, now: UInt64) {
        guard closed.shouldRepeat() else { return }
        reply(closed.packet, path: path, now: now)
    }

    var statistics: EndpointStatistics {
        EndpointStatistics(
            connections: connections.values.count { !$0.isHandshaking },
            handshakes: connections.values.count { $0.isHandshaking },
            openStreams: connections.values.reduce(0) { $0 + $1.streamCount }, refusals: admission.refusals)
    }

    // MARK: Ending

    func close(code: UInt64, reason: String) {
        guard !isClosed else { return }
        isClosed = true
        newcomers.removeAll()
        for dial in dials.values { dial.fail(ConnectError.endpointClosed) }
        for connection in connections.values {
            connection.close(.endpointClosed, frame: .application(code: code, reason: reason))
        }
        flushBatch()
        incomingContinuation.finish()
        closeSockets()
    }

    /// Without a word to anyone.
    func closeSockets() {
        for socket in sockets { socket.close() }
    }
}
