internal import NIOCore
internal import NIOHTTP1
internal import NIOWebSocket

// How do bytes become requests and messages? Two handlers at the wire of a connection: it begins with HTTP and may become a WebSocket with
// any request, since clients send an upgrade also over a connection that they used before.

/// What a client sent.
enum FakeInput: Sendable {
    case request(HTTPRequestHead, [UInt8])
    /// The body is longer than is taken.
    case tooLarge(HTTPRequestHead)
    case event(FakeSocket.Event)
}

/// What goes to a client.
enum FakeOutput: Sendable {
    case head(HTTPResponseHead)
    case body([UInt8])
    case end
    /// From here on it is a WebSocket.
    case upgrade(HTTPRequestHead)
    case text(String)
    case ping
    case close(code: UInt16, reason: String)
}

/// HTTP.
final class FakeHTTPHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = FakeInput
    typealias OutboundIn = FakeOutput
    typealias OutboundOut = HTTPServerResponsePart

    private let bodyLimit: Int
    private let reading: HeldReads
    private let decoder: ByteToMessageHandler<HTTPRequestDecoder>
    private let encoder: HTTPResponseEncoder
    private var head: HTTPRequestHead?
    private var body: [UInt8] = []

    init(
        bodyLimit: Int, reading: HeldReads, decoder: ByteToMessageHandler<HTTPRequestDecoder>,
        encoder: HTTPResponseEncoder
    ) {
        self.bodyLimit = bodyLimit
        self.reading = reading
        self.decoder = decoder
        self.encoder = encoder
    }

    func read(context: ChannelHandlerContext) {
        if !reading.held { context.read() }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            body = []
        case .body(let bytes):
            guard let head else { return }
            guard body.count + bytes.readableBytes <= bodyLimit else {
                self.head = nil
                context.fireChannelRead(wrapInboundOut(.tooLarge(head)))
                return
            }
            body += bytes.readableBytesView
        case .end:
            guard let head else { return }
            context.fireChannelRead(wrapInboundOut(.request(head, body)))
            self.head = nil
            body = []
        }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(let head): context.write(wrapOutboundOut(.head(head)), promise: promise)
        case .body(let bytes):
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: bytes)))), promise: promise)
        case .end: context.write(wrapOutboundOut(.end(nil)), promise: promise)
        case .upgrade(let request): upgrade(context, request, promise)
        case .text, .ping, .close: promise?.fail(ChannelError.operationUnsupported)
        }
    }

    private func upgrade(
        _ context: ChannelHandlerContext, _ request: HTTPRequestHead, _ promise: EventLoopPromise<Void>?
    ) {
        let upgrader = NIOWebSocketServerUpgrader(
            shouldUpgrade: { channel, _ in channel.eventLoop.makeSucceededFuture([:]) },
            upgradePipelineHandler: { channel, _ in channel.eventLoop.makeSucceededFuture(()) })
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        upgrader.buildUpgradeResponse(
            channel: context.channel, upgradeRequest: request,
            initialResponseHeaders: ["Connection": "upgrade", "Upgrade": "websocket"]
        ).whenComplete { result in
            let (handler, context) = bound.value
            do {
                let head = HTTPResponseHead(version: .http1_1, status: .switchingProtocols, headers: try result.get())
                context.writeAndFlush(handler.wrapOutboundOut(.head(head)), promise: promise)
                try handler.becomeWebSocket(context)
            } catch {
                promise?.fail(error)
                context.close(promise: nil)
            }
        }
    }

    private func becomeWebSocket(_ context: ChannelHandlerContext) throws {
        let pipeline = context.pipeline.syncOperations
        try pipeline.addHandlers(
            [
                WebSocketFrameEncoder(), ByteToMessageHandler(WebSocketFrameDecoder(maxFrameSize: bodyLimit)),
                NIOWebSocketFrameAggregator(
                    minNonFinalFragmentSize: 0, maxAccumulatedFrameCount: 1024, maxAccumulatedFrameSize: bodyLimit),
                FakeSocketHandler(reading: reading),
            ], position: .after(self))
        // What the decoder has left goes to the frames' decoder.
        pipeline.removeHandler(context: context, promise: nil)
        pipeline.removeHandler(encoder, promise: nil)
        pipeline.removeHandler(decoder, promise: nil)
    }
}

/// A WebSocket (RFC 6455) from the server's side.
final class FakeSocketHandler: ChannelDuplexHandler {
    typealias InboundIn = WebSocketFrame
    typealias InboundOut = FakeInput
    typealias OutboundIn = FakeOutput
    typealias OutboundOut = WebSocketFrame

    private let reading: HeldReads
    private var saidGoodbye = false

    init(reading: HeldReads) { self.reading = reading }

    func read(context: ChannelHandlerContext) {
        if !reading.held { context.read() }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let frame = unwrapInboundIn(data)
        // A client masks (RFC 6455 §5.1).
        guard frame.maskKey != nil else { return goodbye(context, 1002, "a frame without a mask") }
        switch frame.opcode {
        case .text:
            guard let text = String(validating: frame.unmaskedData.readableBytesView, as: UTF8.self) else {
                return goodbye(context, 1007, "text that is not UTF-8")
            }
            context.fireChannelRead(wrapInboundOut(.event(.text(text))))
        case .ping:
            context.writeAndFlush(self.frame(.pong, frame.unmaskedData), promise: nil)
            context.fireChannelRead(wrapInboundOut(.event(.ping)))
        case .pong: context.fireChannelRead(wrapInboundOut(.event(.pong)))
        case .connectionClose:
            var payload = frame.unmaskedData
            let code = payload.readInteger(as: UInt16.self)
            let reason = payload.readString(length: payload.readableBytes) ?? ""
            context.fireChannelRead(wrapInboundOut(.event(.closed(code: code, reason: reason))))
            if !saidGoodbye { context.write(self.frame(.connectionClose, frame.unmaskedData), promise: nil) }
            saidGoodbye = true
            context.flush()
            context.close(promise: nil)
        default: goodbye(context, 1003, "opcode \(frame.opcode)")
        }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard !saidGoodbye else {
            promise?.fail(ChannelError.outputClosed)
            return
        }
        switch unwrapOutboundIn(data) {
        case .text(let text): context.write(frame(.text, ByteBuffer(string: text)), promise: promise)
        case .ping: context.write(frame(.ping, ByteBuffer()), promise: promise)
        case .close(let code, let reason):
            saidGoodbye = true
            context.write(frame(.connectionClose, Self.payload(code, reason)), promise: promise)
        case .head, .body, .end, .upgrade: promise?.fail(ChannelError.operationUnsupported)
        }
    }

    private func goodbye(_ context: ChannelHandlerContext, _ code: UInt16, _ reason: String) {
        saidGoodbye = true
        context.writeAndFlush(frame(.connectionClose, Self.payload(code, reason)), promise: nil)
        context.close(promise: nil)
    }

    private static func payload(_ code: UInt16, _ reason: String) -> ByteBuffer {
        var payload = ByteBuffer(integer: code)
        payload.writeBytes(reason.utf8.prefix(123))
        return payload
    }

    private func frame(_ opcode: WebSocketOpcode, _ data: ByteBuffer) -> NIOAny {
        wrapOutboundOut(WebSocketFrame(fin: true, opcode: opcode, data: data))
    }
}
