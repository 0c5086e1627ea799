internal import Logging
internal import NIOCore
internal import NIOPosix
internal import Transport

// Over what is measured: a stream of a QUIC connection, or a TCP connection. Both are channels, and nothing above this
// file knows more.

/// Opens one stream to a bench server.
protocol Carrier: Sendable {
    func open(
        _ initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<any Channel>
    ) async throws -> any Channel
    func close() async
}

struct QUICCarrier: Carrier {
    let endpoint: Endpoint
    let connection: Connection

    static func connect(to target: NodeAddress, alpn: String) async throws -> QUICCarrier {
        let endpoint = try await bindClient(for: target)
        return QUICCarrier(endpoint: endpoint, connection: try await endpoint.connect(to: target, alpn: alpn))
    }

    func open(
        _ initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<any Channel>
    ) async throws -> any Channel {
        try await connection.openStream(initializer)
    }

    func close() async {
        connection.close()
        await endpoint.close()
    }
}

struct TCPCarrier: Carrier {
    let address: SocketAddress

    func open(
        _ initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<any Channel>
    ) async throws -> any Channel {
        try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.socketOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in initializer(channel).map { _ in } }
            .connect(to: address).get()
    }

    func close() async {}
}

/// An endpoint with a new key, of the target's address family.
func bindClient(for target: NodeAddress) async throws -> Endpoint {
    let isV6 = target.addresses.first?.protocol == .inet6
    return try await Endpoint.bind(
        EndpointConfiguration(
            secretKey: SecretKey(), bindAddresses: [try SocketAddress(hostAndPort: isV6 ? "[::1]:0" : "127.0.0.1:0")],
            logger: Logger(label: "bench", factory: { StreamLogHandler.standardError(label: $0) })))
}

extension Carrier {
    /// Sends `bytes` over one stream; returns how long that took.
    func bulk(bytes: Int) async throws -> Duration {
        try await measure { BulkSender(total: bytes, result: $0) }
    }

    /// Makes `count` round trips of 64 bytes over one stream; returns how long each one took.
    func pingPong(count: Int) async throws -> [Duration] {
        try await measure { PingPong(count: count, result: $0) }
    }

    private func measure<Result: Sendable, Handler: ChannelInboundHandler>(
        _ handler: @escaping @Sendable (EventLoopPromise<Result>) -> Handler
    ) async throws -> Result {
        let promise = MultiThreadedEventLoopGroup.singleton.any().makePromise(of: Result.self)
        do {
            let channel = try await open { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: true)
                    try channel.pipeline.syncOperations.addHandler(handler(promise))
                    return channel
                }
            }
            let result = try await promise.futureResult.get()
            try? await channel.close()
            return result
        } catch {
            promise.fail(error)
            throw error
        }
    }
}
