internal import NIOCore

// How does an endpoint begin a connection? The way to the peer's address is chosen here, the first packets leave here;
// several addresses of one node are the business of ``Dial``.

extension EndpointCore {
    func connect(to address: NodeAddress, alpn: String, timeout: TimeAmount) -> (Dial, EventLoopFuture<Connection>) {
        let promise = eventLoop.makePromise(of: Connection.self)
        let dial = Dial(endpoint: self, address: address, alpn: alpn, promise: promise)
        dials[ObjectIdentifier(dial)] = dial
        dial.start(timeout: timeout)
        return (dial, promise.futureResult)
    }

    func dialEnded(_ dial: Dial) { dials[ObjectIdentifier(dial)] = nil }

    /// Starts a handshake. The first packet leaves at the end of this tick.
    func dial(_ peer: NodeID, at address: SocketAddress, alpn: String) throws -> ConnectionCore {
        guard !isClosed else { throw ConnectError.endpointClosed }
        guard let remote = NetworkAddress(address), let path = path(towards: remote) else {
            throw ConnectError.noAddress(NodeAddress(nodeID: peer, addresses: [address]))
        }
        sendPing(to: peer, path: path)
        let quic = try QUICConnection(
            dialling: peer, alpn: alpn, ticket: tickets.take(for: peer, alpn: alpn), path: path,
            credentials: credentials, resetKey: answers.key,
            limits: limits, now: NIODeadline.now().uptimeNanoseconds)
        let connection = add(quic, dialled: peer, path: path)
        connection.registerIDs()
        setDirty(connection)
        return connection
    }

    /// Iroh 0.35 drops QUIC from addresses that it has not heard a disco ping from; others ignore it.
    private func sendPing(to peer: NodeID, path: DatagramPath) {
        let transaction = DiscoBox.randomBytes(DiscoPacket.transactionIDLength)
        guard let ping = try? DiscoPacket.ping(from: secretKey, to: peer, transactionID: transaction) else { return }
        ping.withUnsafeBytes { transmit($0, segmentSize: nil, path: path, ecn: 0) }
    }

    /// The path that packets to `remote` would take from here; nil without a socket or a route.
    func path(towards remote: NetworkAddress) -> DatagramPath? {
        for socket in sockets where socket.address.family == remote.family {
            if !socket.address.isWildcard { return DatagramPath(local: socket.address, remote: remote) }
            if let source = LocalAddresses.source(towards: remote) {
                return DatagramPath(local: source.with(port: socket.address.port), remote: remote)
            }
        }
        return nil
    }
}
