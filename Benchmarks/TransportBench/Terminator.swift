internal import Logging
internal import NIOCore
internal import NIOPosix
internal import Transport

// What would the proxy reach if the HTTP server were not ours? Takes the gateway's place before any TCP server: drops
// the certificate preamble of each stream (the certificate is not checked) and carries bytes both ways. Only with it can
// the proxy be compared with `ssh -L` before the same server. It has no place in a real network.

struct Terminator {
    private static let alpn = "openagent/gateway/1"
    let executor: LoopExecutor
    let endpoint: Endpoint
    let backend: SocketAddress

    /// - Parameter keyPath: the key file of the agent whose place this takes.
    static func bind(keyPath: String, to address: SocketAddress, backend: SocketAddress) async throws -> Terminator {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        var configuration = EndpointConfiguration(
            secretKey: try SecretKey.load(path: keyPath), alpns: [alpn], bindAddresses: [address],
            logger: Logger(label: "bench", factory: { StreamLogHandler.standardError(label: $0) }))
        configuration.eventLoopGroup = loop
        return Terminator(
            executor: LoopExecutor(loop), endpoint: try await Endpoint.bind(configuration), backend: backend)
    }

    func run() async {
        await withTaskExecutorPreference(executor) {
            await withDiscardingTaskGroup { group in
                for await connection in endpoint.connections {
                    group.addTask { await serve(connection) }
                }
            }
        }
    }

    /// Runs on the event loop of all channels, so that nothing takes a hop.
    private func serve(_ connection: Connection) async {
        for await stream in connection.streams {
            try? stream.startNow { try connect($0) }
        }
    }

    /// The stream is read when there is somewhere to write.
    private func connect(_ stream: any Channel) throws {
        let (near, far) = Glue.pair()
        let farEnd = NIOLoopBound(far, eventLoop: stream.eventLoop)
        try stream.syncOptions?.setOption(.allowRemoteHalfClosure, value: true)
        try stream.pipeline.syncOperations.addHandlers([PreambleDropper(), near])
        ClientBootstrap(group: stream.eventLoop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.syncOptions?.setOption(.socketOption(.tcp_nodelay), value: 1)
                    try channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: true)
                    try channel.pipeline.syncOperations.addHandler(farEnd.value)
                }
            }
            .connect(to: backend)
            .whenFailure { _ in stream.close(promise: nil) }
    }
}

/// Takes `u32 length | certificate` off the head of a stream.
private final class PreambleDropper: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    private var head: ByteBuffer? = ByteBuffer()

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard var head else { return context.fireChannelRead(data) }
        var bytes = unwrapInboundIn(data)
        head.writeBuffer(&bytes)
        self.head = head
        guard head.readLengthPrefixedSlice(as: UInt32.self) != nil else { return }
        self.head = nil
        if head.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(head)) }
    }
}
