internal import NIOCore
public import NIOHTTP1
internal import NIOWebSocket

// How are messages exchanged with the agent? The client end of a WebSocket (RFC 6455) over one stream. This file knows
// frames and close codes; what the messages mean is in ClientMessage and ServerMessage.

/// What a WebSocket delivers.
public enum WebSocketEvent: Sendable, Equatable {
    case text(String)
    case pong
    /// The agent closed with this code and reason; nil when it gave none. Nothing follows.
    case closed(code: UInt16?, reason: String)
}

/// An open WebSocket, for the duration of one ``GatewayClient/withWebSocket(path:limits:_:)`` call. Pings are answered
/// by themselves. Events wait in a small bounded buffer; past it the agent is held back.
public struct WebSocketConnection: Sendable {
    /// Bounds of a WebSocket.
    public struct Limits: Sendable {
        /// The largest single frame to take, in bytes.
        public var frame = 4 << 20
        /// The largest message to take, in bytes, and the most that is sent as one.
        public var message = 4 << 20
        /// Frames that one message may come in.
        public var fragments = 1024
        /// Until the agent has answered the upgrade.
        public var upgradeTimeout: Duration = .seconds(20)

        public init() {}
    }

    /// What arrives, in order. For one consumer.
    public let events: Events
    private let outbound: NIOAsyncChannelOutboundWriter<OutboundWebSocketEvent>

    fileprivate init(
        inbound: NIOAsyncChannelInboundStream<WebSocketEvent>,
        outbound: NIOAsyncChannelOutboundWriter<OutboundWebSocketEvent>
    ) {
        self.events = Events(inbound: inbound)
        self.outbound = outbound
    }

    /// Sends one text message; waits while the agent does not take more.
    public func send(_ text: String) async throws {
        try await outbound.write(.text(text))
    }

    /// Asks for a sign of life, which arrives as ``WebSocketEvent/pong``.
    public func ping() async throws {
        try await outbound.write(.ping)
    }

    /// Says goodbye. The agent's own goodbye ends ``events``.
    public func close(code: UInt16 = 1000, reason: String = "") async throws {
        try await outbound.write(.close(code: code, reason: reason))
    }

    /// The events of a WebSocket. Ends after ``WebSocketEvent/closed(code:reason:)``.
    public struct Events: AsyncSequence, Sendable {
        fileprivate let inbound: NIOAsyncChannelInboundStream<WebSocketEvent>

        public struct AsyncIterator: AsyncIteratorProtocol {
            fileprivate var inbound: NIOAsyncChannelInboundStream<WebSocketEvent>.AsyncIterator

            /// - Throws: ``GatewayClientError`` when the stream ends without a goodbye.
            public mutating func next() async throws -> WebSocketEvent? {
                do {
                    return try await inbound.next()
                } catch let error where error is GatewayClientError || error is CancellationError {
                    throw error
                } catch {
                    throw GatewayClientError.streamFailed("\(error)")
                }
            }
        }

        public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(inbound: inbound.makeAsyncIterator()) }
    }
}

extension GatewayClient {
    private typealias WebSocketChannel = NIOAsyncChannel<WebSocketEvent, OutboundWebSocketEvent>

    private enum Upgraded: Sendable {
        case webSocket(WebSocketChannel)
        case refused(EventLoopFuture<UpgradeRefusal>)
    }

    /// Upgrades a stream to a WebSocket and runs `body` with it. The stream ends when `body` returns.
    ///
    /// - Parameters:
    ///   - path: origin form with query.
    ///   - headers: of the upgrade; `Host` is added where it is missing, and what the upgrade needs.
    /// - Throws: ``AgentUnreachable``, ``GatewayClientError/upgradeRefused(status:text:)`` when the agent answers with
    ///   anything but 101, other ``GatewayClientError``, `CancellationError`, and what `body` throws.
    public func withWebSocket<R: Sendable>(
        path: String = "/ws", headers: HTTPHeaders = [:], limits: WebSocketConnection.Limits = .init(),
        _ body: (WebSocketConnection) async throws -> R
    ) async throws -> R {
        let (channel, upgrade) = try await dialer.openStream { channel in
            channel.eventLoop.makeCompletedFuture {
                (channel, try Self.upgrade(channel, path: path, headers: headers, limits: limits))
            }
        }
        let timer = ChannelDeadline(limits.upgradeTimeout, on: channel)
        let upgraded: Upgraded
        do {
            upgraded = try await withTaskCancellationHandler {
                try await upgrade.get()
            } onCancel: {
                channel.close(promise: nil)
            }
        } catch {
            timer.cancel()
            channel.close(promise: nil)
            try Task.checkCancellation()
            throw error as? GatewayClientError ?? GatewayClientError.streamFailed("\(error)")
        }
        switch upgraded {
        case .webSocket(let webSocket):
            timer.cancel()
            return try await webSocket.executeThenClose { inbound, outbound in
                try await body(WebSocketConnection(inbound: inbound, outbound: outbound))
            }
        case .refused(let answer):
            defer { timer.cancel() }
            let refusal = try await answer.get()
            channel.close(promise: nil)
            throw GatewayClientError.upgradeRefused(status: refusal.status, text: refusal.text)
        }
    }

    private static func upgrade(
        _ channel: any Channel, path: String, headers: HTTPHeaders, limits: WebSocketConnection.Limits
    ) throws -> EventLoopFuture<Upgraded> {
        var head = HTTPRequestHead(version: .http1_1, method: .GET, uri: path, headers: headers)
        if !headers.contains(name: "host") { head.headers.add(name: "Host", value: GatewayRequest.host) }
        let upgrader = NIOTypedWebSocketClientUpgrader<Upgraded>(maxFrameSize: limits.frame) { channel, _ in
            channel.eventLoop.makeCompletedFuture {
                let pipeline = channel.pipeline.syncOperations
                try pipeline.addHandler(
                    NIOWebSocketFrameAggregator(
                        minNonFinalFragmentSize: 0, maxAccumulatedFrameCount: limits.fragments,
                        maxAccumulatedFrameSize: limits.message))
                try pipeline.addHandler(WebSocketClientHandler(maximumMessage: limits.message))
                return .webSocket(try WebSocketChannel(wrappingChannelSynchronously: channel))
            }
        }
        var configuration = NIOUpgradableHTTPClientPipelineConfiguration<Upgraded>(
            upgradeConfiguration: .init(
                upgradeRequestHead: head,
                upgraders: [upgrader],
                notUpgradingCompletionHandler: { channel in
                    channel.eventLoop.makeCompletedFuture {
                        let collector = UpgradeRefusalCollector(on: channel.eventLoop)
                        try channel.pipeline.syncOperations.addHandler(collector)
                        return .refused(collector.refusal)
                    }
                }))
        // The agent's first frame may follow its 101 in the same packet.
        configuration.leftOverBytesStrategy = .forwardBytes
        return try channel.pipeline.syncOperations.configureUpgradableHTTPClientPipeline(configuration: configuration)
    }
}
