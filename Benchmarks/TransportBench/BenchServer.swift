internal import Logging
internal import NIOCore
internal import NIOPosix
internal import Transport

// The serving end of the transport's measurements, over QUIC and, with the same handlers, over TCP: what differs
// between the two is the transport only.

enum BenchALPN {
    /// Each stream is discarded; its FIN is answered by the count of bytes (8, big-endian) and FIN.
    static let sink = "bench/sink/1"
    /// Each stream is echoed.
    static let echo = "bench/echo/1"
    /// Connections only exist.
    static let idle = "bench/idle/1"
}

struct BenchServer {
    let endpoint: Endpoint

    static func bind(to address: SocketAddress) async throws -> BenchServer {
        var configuration = EndpointConfiguration(
            secretKey: SecretKey(), alpns: [BenchALPN.sink, BenchALPN.echo, BenchALPN.idle], bindAddresses: [address],
            logger: Logger(label: "bench", factory: { StreamLogHandler.standardError(label: $0) }))
        // All connections come from one process here, often from one node, and as fast as they can.
        configuration.limits.maxConnectionsPerNode = 100_000
        configuration.limits.maxConnections = 100_000
        configuration.limits.maxHandshakesPerSecond = 100_000
        return BenchServer(endpoint: try await Endpoint.bind(configuration))
    }

    func run() async {
        await withDiscardingTaskGroup { group in
            for await connection in endpoint.connections {
                group.addTask { await serve(connection) }
            }
        }
    }

    private func serve(_ connection: Connection) async {
        let service: StreamService = connection.alpn == BenchALPN.sink ? .sink : .echo
        for await stream in connection.streams {
            _ = try? await stream.start { service.install(in: $0) }
        }
        _ = await connection.closeReason
    }
}

/// The same services for TCP connections, on two ports.
struct TCPBenchServer {
    let sink: any Channel
    let echo: any Channel

    static func bind(host: String) async throws -> TCPBenchServer {
        TCPBenchServer(
            sink: try await listen(.sink, host: host), echo: try await listen(.echo, host: host))
    }

    func run() async throws {
        try await sink.closeFuture.get()
        try await echo.closeFuture.get()
    }

    private static func listen(_ service: StreamService, host: String) async throws -> any Channel {
        try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { service.install(in: $0) }
            .bind(host: host, port: 0).get()
    }
}

/// What a server does with one stream.
enum StreamService {
    case sink, echo

    func install(in channel: any Channel) -> EventLoopFuture<Void> {
        channel.eventLoop.makeCompletedFuture {
            try channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: true)
            switch self {
            case .sink:
                try channel.pipeline.syncOperations.addHandler(SinkHandler())
            case .echo:
                try channel.pipeline.syncOperations.addHandlers([BackPressureHandler(), EchoHandler()])
            }
        }
    }
}

private final class SinkHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    private var count: UInt64 = 0

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        count += UInt64(unwrapInboundIn(data).readableBytes)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case ChannelEvent.inputClosed = event else { return context.fireUserInboundEventTriggered(event) }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(integer: count)), promise: nil)
        context.close(mode: .output, promise: nil)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}

private final class EchoHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        context.writeAndFlush(data, promise: nil)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed = event { context.close(mode: .output, promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}
