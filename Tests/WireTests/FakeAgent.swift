import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOWebSocket
import Wire

// An agent for the tests: HTTP and WebSocket over TCP, and a dialer that connects to it.

/// A WebSocket as the agent sees it.
final class FakeSocket {
    private var iterator: NIOAsyncChannelInboundStream<WebSocketFrame>.AsyncIterator
    private let outbound: NIOAsyncChannelOutboundWriter<WebSocketFrame>

    init(
        _ inbound: NIOAsyncChannelInboundStream<WebSocketFrame>,
        _ outbound: NIOAsyncChannelOutboundWriter<WebSocketFrame>
    ) {
        iterator = inbound.makeAsyncIterator()
        self.outbound = outbound
    }

    func frame() async throws -> WebSocketFrame? { try await iterator.next() }

    func message() async throws -> ClientMessage? {
        guard let frame = try await frame(), frame.opcode == .text else { return nil }
        return try ClientMessage(json: String(buffer: frame.unmaskedData))
    }

    func send(_ message: ServerMessage) async throws { try await send(.text, message.json()) }
    func send(_ opcode: WebSocketOpcode, _ text: String = "", fin: Bool = true) async throws {
        try await outbound.write(WebSocketFrame(fin: fin, opcode: opcode, data: ByteBuffer(string: text)))
    }
    func close(code: UInt16, reason: String) async throws {
        var data = ByteBuffer(integer: code)
        data.writeString(reason)
        try await outbound.write(WebSocketFrame(fin: true, opcode: .connectionClose, data: data))
    }
}

struct FakeAgent: Sendable {
    var respond: @Sendable (HTTPRequestHead, ByteBuffer) -> (HTTPResponseStatus, [ByteBuffer]) = { _, _ in
        (.notFound, [])
    }
    /// Nil refuses the upgrade with `respond`.
    var webSocket: (@Sendable (FakeSocket) async throws -> Void)?

    private enum Stream: Sendable {
        case webSocket(NIOAsyncChannel<WebSocketFrame, WebSocketFrame>)
        case http(NIOAsyncChannel<HTTPServerRequestPart, HTTPServerResponsePart>)
    }

    /// Serves on `port` (0: any) while `body` runs.
    func serve(port: Int = 0, _ body: @escaping @Sendable (Int) async throws -> Void) async throws {
        let agent = self
        let server: NIOAsyncChannel<EventLoopFuture<Stream>, Never> = try await ServerBootstrap(
            group: .singletonMultiThreadedEventLoopGroup
        )
        .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
        .bind(host: "127.0.0.1", port: port) { channel in
            channel.eventLoop.makeCompletedFuture {
                guard agent.webSocket != nil else {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    return channel.eventLoop.makeSucceededFuture(
                        .http(try NIOAsyncChannel(wrappingChannelSynchronously: channel)))
                }
                let upgrader = NIOTypedWebSocketServerUpgrader<Stream>(
                    shouldUpgrade: { channel, _ in channel.eventLoop.makeSucceededFuture([:]) },
                    upgradePipelineHandler: { channel, _ in
                        channel.eventLoop.makeCompletedFuture {
                            .webSocket(try NIOAsyncChannel(wrappingChannelSynchronously: channel))
                        }
                    })
                return try channel.pipeline.syncOperations.configureUpgradableHTTPServerPipeline(
                    configuration: .init(
                        upgradeConfiguration: .init(
                            upgraders: [upgrader],
                            notUpgradingCompletionHandler: { channel in
                                channel.eventLoop.makeCompletedFuture {
                                    .http(try NIOAsyncChannel(wrappingChannelSynchronously: channel))
                                }
                            })))
            }
        }
        let bound = server.channel.localAddress!.port!
        try await server.executeThenClose { accepted in
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask {
                    await withDiscardingTaskGroup { streams in
                        do {
                            for try await stream in accepted {
                                streams.addTask { try? await agent.run(stream.get()) }
                            }
                        } catch {}
                    }
                }
                defer { tasks.cancelAll() }
                try await body(bound)
            }
        }
    }

    private func run(_ stream: Stream) async throws {
        switch stream {
        case .webSocket(let channel):
            try await channel.executeThenClose { inbound, outbound in
                try await webSocket?(FakeSocket(inbound, outbound))
            }
        case .http(let channel):
            try await channel.executeThenClose { inbound, outbound in
                var head: HTTPRequestHead?
                var body = ByteBuffer()
                for try await part in inbound {
                    switch part {
                    case .head(let value): (head, body) = (value, ByteBuffer())
                    case .body(var bytes): body.writeBuffer(&bytes)
                    case .end:
                        guard let head else { return }
                        let (status, chunks) = respond(head, body)
                        try await outbound.write(
                            .head(.init(version: .http1_1, status: status, headers: ["Transfer-Encoding": "chunked"])))
                        for chunk in chunks { try await outbound.write(.body(.byteBuffer(chunk))) }
                        try await outbound.write(.end(nil))
                    }
                }
            }
        }
    }
}

/// Streams that are TCP connections to a port, which may change.
final class TCPDialer: GatewayDialer {
    let port: Int
    init(port: Int) { self.port = port }

    func openStream<R: Sendable>(
        _ initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<R>
    ) async throws -> R {
        do {
            return try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                .connect(host: "127.0.0.1", port: port) { initializer($0) }
        } catch { throw AgentUnreachable(agent: "test", cause: .dial("refused")) }
    }
}
