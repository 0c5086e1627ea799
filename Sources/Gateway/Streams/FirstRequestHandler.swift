internal import NIOCore
internal import NIOHTTP1
internal import NIOWebSocket

// Does a stream stay HTTP or become a WebSocket? Its first request decides, and whether it may is decided by the same
// rules as any request. This handler stays in an HTTP pipeline, because the decoder stops reading behind every request
// that asks for an upgrade: such a request is answered as a plain one, and its connection ends with the answer.

/// Decides on the first request of a stream.
///
/// ```
///   first ──GET + Upgrade: websocket, allowed──▶ upgrading ──end of request──▶ (removed)
///     └──────────── anything else ─────────────▶ http
/// ```
final class FirstRequestHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private enum State {
        case first
        /// The head to answer with once the request is complete.
        case upgrading(HTTPRequestHead, answer: HTTPResponseHead)
        case http
        case ended
    }

    /// What the stream became, with the handlers to remove when HTTP leaves the pipeline.
    struct Pipeline {
        /// Whether this request may become a WebSocket.
        var mayUpgrade: (HTTPRequestHead) -> Bool
        var webSocket: NIOTypedWebSocketServerUpgrader<StreamPipeline.Ready>
        /// Adds what serves plain HTTP behind this handler.
        var http: () throws -> StreamPipeline.Ready
        var decoder: any RemovableChannelHandler
        var encoder: any RemovableChannelHandler
    }

    private var state = State.first
    private let pipeline: Pipeline
    private let idleTime: TimeAmount
    private var deadline: Scheduled<Void>?
    private let ready: EventLoopPromise<StreamPipeline.Ready>

    init(_ pipeline: Pipeline, idleTime: Duration, ready: EventLoopPromise<StreamPipeline.Ready>) {
        self.pipeline = pipeline
        self.idleTime = TimeAmount(idleTime)
        self.ready = ready
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let channel = context.channel
        deadline = context.eventLoop.scheduleTask(in: idleTime) { channel.close(promise: nil) }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        deadline?.cancel()
        switch state {
        case .first, .upgrading: end(with: ChannelError.eof)
        case .http, .ended: break
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = unwrapInboundIn(data)
        switch (state, part) {
        case (.first, .head(let head)):
            deadline?.cancel()
            if asksForWebSocket(head), pipeline.mayUpgrade(head) {
                beginUpgrade(head, context: context)
            } else {
                becomeHTTP(head, context: context)
            }
        case (.upgrading(let head, let answer), .end):
            completeUpgrade(head, answer: answer, context: context)
        case (.http, .head(let head)):
            context.fireChannelRead(wrapInboundOut(.head(asPlainRequest(head))))
        case (.http, _):
            context.fireChannelRead(data)
        case (.first, _), (.upgrading, _), (.ended, _): break
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        if case .first = state { end(with: ChannelError.eof) }
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // Without a request there is nothing to answer before the stream ends.
        if case .first = state, case .some(.inputClosed) = event as? ChannelEvent { context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard case .first = state else { return context.fireErrorCaught(error) }
        deadline?.cancel()
        var answer = HTTPResponseHead(version: .http1_1, status: .badRequest)
        if case .some(.headerOverflow) = error as? HTTPParserError { answer.status = .requestHeaderFieldsTooLarge }
        answer.headers = ["connection": "close", "content-length": "0"]
        context.write(wrapOutboundOut(.head(answer)), promise: nil)
        let channel = context.channel
        context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in channel.close(promise: nil) }
        end(with: error)
    }

    // MARK: HTTP

    private func becomeHTTP(_ head: HTTPRequestHead, context: ChannelHandlerContext) {
        do {
            let served = try pipeline.http()
            state = .http
            ready.succeed(served)
            context.fireChannelRead(wrapInboundOut(.head(asPlainRequest(head))))
        } catch {
            end(with: error)
            context.close(promise: nil)
        }
    }

    /// Nothing behind this handler sees an upgrade; where the decoder stops after the request, the connection ends too.
    private func asPlainRequest(_ head: HTTPRequestHead) -> HTTPRequestHead {
        var plain = head
        let decoderStops = head.headers.contains(name: "upgrade") || head.method == .CONNECT
        plain.headers.remove(name: "upgrade")
        if decoderStops || !head.isKeepAlive {
            plain.headers.replaceOrAdd(name: "connection", value: "close")
        }
        return plain
    }

    // MARK: WebSocket

    private func asksForWebSocket(_ head: HTTPRequestHead) -> Bool {
        head.method == .GET
            && head.headers[canonicalForm: "upgrade"].contains { $0.lowercased() == "websocket" }
            && head.headers[canonicalForm: "connection"].contains { $0.lowercased() == "upgrade" }
            // A body would be read as frames by nobody knows whom.
            && !head.headers.contains(name: "content-length") && !head.headers.contains(name: "transfer-encoding")
    }

    private func beginUpgrade(_ head: HTTPRequestHead, context: ChannelHandlerContext) {
        let answer = pipeline.webSocket.buildUpgradeResponse(
            channel: context.channel, upgradeRequest: head, initialResponseHeaders: [:])
        // Everything is decided on this event loop, so the answer is there already.
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        answer.whenComplete { result in
            let (handler, context) = bound.value
            switch result {
            case .success(let headers):
                var headers = headers
                headers.replaceOrAdd(name: "connection", value: "upgrade")
                headers.replaceOrAdd(name: "upgrade", value: "websocket")
                handler.state = .upgrading(
                    head, answer: HTTPResponseHead(version: .http1_1, status: .switchingProtocols, headers: headers))
            case .failure:
                // A malformed key or version: the router answers it as the plain request that it is.
                handler.becomeHTTP(head, context: context)
            }
        }
    }

    private func completeUpgrade(_ head: HTTPRequestHead, answer: HTTPResponseHead, context: ChannelHandlerContext) {
        state = .ended
        context.writeAndFlush(wrapOutboundOut(.head(answer)), promise: nil)
        let operations = context.pipeline.syncOperations
        operations.removeHandler(pipeline.encoder, promise: nil)
        pipeline.webSocket.upgrade(channel: context.channel, upgradeRequest: head).cascade(to: ready)
        operations.removeHandler(context: context, promise: nil)
        // Last, because it hands the bytes behind the request to the handler that then follows it. It does not say that
        // they are all, which whoever collects frames waits for.
        let channel = context.channel
        operations.removeHandler(pipeline.decoder).whenComplete { _ in channel.pipeline.fireChannelReadComplete() }
    }

    private func end(with error: any Error) {
        state = .ended
        ready.fail(error)
    }
}
