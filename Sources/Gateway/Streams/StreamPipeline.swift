internal import HTTPTypes
internal import HummingbirdCore
internal import Logging
internal import NIOCore
internal import NIOHTTP1
internal import NIOHTTPTypesHTTP1
internal import NIOWebSocket

// Which handlers serve a stream, and in which order? Preamble, HTTP codec, first request; then either Hummingbird's parts
// or WebSocket frames. This file builds pipelines over any byte channel; it answers no request itself.

/// Turns a fresh byte channel into something that can be served.
struct StreamPipeline: Sendable {
    typealias WebSocketChannel = NIOAsyncChannel<WebSocketFrame, WebSocketFrame>

    /// What a stream became. Whoever receives it must run the channel: one that was never run may not be dropped.
    enum Ready: Sendable {
        case http(HTTPServing.Value, StreamCredential)
        case webSocket(WebSocketChannel, StreamCredential)
    }

    /// A stream whose first request has not arrived yet.
    struct Pending: Sendable {
        let channel: any Channel
        fileprivate let future: EventLoopFuture<Ready>

        /// What the stream becomes. Cancelling closes it.
        ///
        /// - Throws: when it ends before its first request is complete.
        func ready() async throws -> Ready {
            try await withTaskCancellationHandler {
                try await future.get()
            } onCancel: {
                channel.close(promise: nil)
            }
        }
    }

    let limits: GatewayLimits
    let logger: Logger
    /// Whether a request may become a WebSocket; runs on the event loop and does no I/O.
    let mayUpgrade: @Sendable (HTTPRequest, StreamCredential) -> Bool

    /// Adds the handlers to a channel that has not read anything yet. On the channel's event loop.
    ///
    func configure(_ channel: any Channel, peer: PeerConnection) throws -> Pending {
        try channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: true)
        let ready = channel.eventLoop.makePromise(of: Ready.self)
        let handler = PreambleHandler(limits: limits) { certificate in
            try addHTTP(to: channel, for: StreamCredential(peer: peer, certificate: certificate), ready: ready)
        } dropped: { error in
            ready.fail(error)
        }
        do {
            try channel.pipeline.syncOperations.addHandler(handler)
        } catch {
            // The stream has ended already.
            ready.fail(error)
            throw error
        }
        return Pending(channel: channel, future: ready.futureResult)
    }

    private func addHTTP(
        to channel: any Channel, for credential: StreamCredential, ready: EventLoopPromise<Ready>
    ) throws {
        var decoding = NIOHTTPDecoderLimitConfiguration()
        decoding.maxHeaderFieldSize = limits.headLength
        decoding.maxHeaderListSize = limits.headLength
        let encoder = HTTPResponseEncoder()
        let decoder = ByteToMessageHandler(
            HTTPRequestDecoder(leftOverBytesStrategy: .forwardBytes, limitConfiguration: decoding))
        let first = FirstRequestHandler(
            FirstRequestHandler.Pipeline(
                mayUpgrade: { head in
                    guard let request = try? HTTPRequest(head, secure: false, splitCookie: false) else { return false }
                    return mayUpgrade(request, credential)
                },
                webSocket: webSocketUpgrader(for: credential),
                http: {
                    .http(
                        try HTTPServing.addHandlers(to: channel, idleTime: limits.idleTime, logger: logger), credential)
                },
                decoder: decoder, encoder: encoder),
            idleTime: limits.idleTime, ready: ready)
        try channel.pipeline.syncOperations.addHandlers([encoder, decoder, first])
    }

    private func webSocketUpgrader(for credential: StreamCredential) -> NIOTypedWebSocketServerUpgrader<Ready> {
        let limits = limits
        return NIOTypedWebSocketServerUpgrader(
            maxFrameSize: limits.frameLength,
            // Protocol errors reach the connection's own loop, which answers and closes.
            enableAutomaticErrorHandling: false,
            shouldUpgrade: { channel, _ in channel.eventLoop.makeSucceededFuture([:]) },
            upgradePipelineHandler: { channel, _ in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(FrameValidator())
                    try channel.pipeline.syncOperations.addHandler(
                        NIOWebSocketFrameAggregator(
                            minNonFinalFragmentSize: 0, maxAccumulatedFrameCount: limits.messageFragments,
                            maxAccumulatedFrameSize: limits.messageLength))
                    return .webSocket(try WebSocketChannel(wrappingChannelSynchronously: channel), credential)
                }
            })
    }
}
