internal import NIOCore
internal import NIOHTTP1
internal import NIOWebSocket

// Which frames become which events? The frame level of our end of a WebSocket: masks what is sent, answers pings and
// goodbyes, turns the rest into events. Fragments are put together before it, protocol errors answered beside it.

/// What a client sends.
enum OutboundWebSocketEvent: Sendable, Equatable {
    case text(String)
    case ping
    case close(code: UInt16, reason: String)
}

/// Translates between frames and events.
///
///     open ──► we said goodbye ──► both said goodbye: channel closes
///       └────────────────────────────┘ (the agent says goodbye: echoed, delivered, channel closes)
final class WebSocketClientHandler: ChannelDuplexHandler {
    typealias InboundIn = WebSocketFrame
    typealias InboundOut = WebSocketEvent
    typealias OutboundIn = OutboundWebSocketEvent
    typealias OutboundOut = WebSocketFrame

    private enum State {
        case open
        case weSaidGoodbye
        case over
    }

    private let maximumMessage: Int
    private var state = State.open

    init(maximumMessage: Int) {
        self.maximumMessage = maximumMessage
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let frame = unwrapInboundIn(data)
        guard case .over = state else { return receive(frame, context) }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard case .open = state else {
            promise?.fail(ChannelError.outputClosed)
            return
        }
        switch unwrapOutboundIn(data) {
        case .text(let text):
            let bytes = context.channel.allocator.buffer(string: text)
            guard bytes.readableBytes <= maximumMessage else {
                promise?.fail(
                    GatewayClientError.protocolViolation("a message may have \(maximumMessage) bytes at most"))
                return
            }
            context.write(frame(.text, bytes), promise: promise)
        case .ping:
            context.write(frame(.ping, ByteBuffer()), promise: promise)
        case .close(let code, let reason):
            state = .weSaidGoodbye
            var bytes = context.channel.allocator.buffer(capacity: 2 + reason.utf8.count)
            bytes.writeInteger(code)
            // A control frame carries 125 bytes (RFC 6455 §5.5).
            bytes.writeBytes(reason.utf8.prefix(123))
            context.write(frame(.connectionClose, bytes), promise: promise)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        if case .open = state { context.fireErrorCaught(GatewayClientError.endedEarly) }
        state = .over
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        state = .over
        switch error {
        case is NIOWebSocketError, is NIOWebSocketFrameAggregator.Error:
            context.fireErrorCaught(GatewayClientError.protocolViolation("\(error)"))
        default: context.fireErrorCaught(error)
        }
        context.close(promise: nil)
    }

    // MARK: Frames

    private func receive(_ received: WebSocketFrame, _ context: ChannelHandlerContext) {
        // A server must not mask (RFC 6455 §5.1).
        guard received.maskKey == nil else { return violation("a masked frame", context) }
        switch received.opcode {
        case .text:
            guard let text = String(validating: received.data.readableBytesView, as: UTF8.self) else {
                return violation("text that is not UTF-8", context)
            }
            context.fireChannelRead(wrapInboundOut(.text(text)))
        case .binary: violation("a binary message", context)
        case .ping:
            // An agent that sends pings and reads nothing gets no more answers than fit into its window.
            guard case .open = state, context.channel.isWritable else { return }
            context.writeAndFlush(frame(.pong, received.data), promise: nil)
        case .pong: context.fireChannelRead(wrapInboundOut(.pong))
        case .connectionClose: goodbye(received.data, context)
        default: violation("opcode \(received.opcode)", context)
        }
    }

    private func goodbye(_ payload: ByteBuffer, _ context: ChannelHandlerContext) {
        var payload = payload
        let echo = payload
        let code = payload.readInteger(as: UInt16.self)
        let reason = payload.readString(length: payload.readableBytes) ?? ""
        if case .open = state { context.write(frame(.connectionClose, echo), promise: nil) }
        state = .over
        context.fireChannelRead(wrapInboundOut(.closed(code: code, reason: reason)))
        context.flush()
        context.close(promise: nil)
    }

    private func violation(_ what: String, _ context: ChannelHandlerContext) {
        state = .over
        context.fireErrorCaught(GatewayClientError.protocolViolation(what))
        context.close(promise: nil)
    }

    private func frame(_ opcode: WebSocketOpcode, _ data: ByteBuffer) -> NIOAny {
        wrapOutboundOut(WebSocketFrame(fin: true, opcode: opcode, maskKey: .random(), data: data))
    }
}

/// The agent's answer to an upgrade that it refused.
struct UpgradeRefusal: Sendable, Equatable {
    let status: Int
    /// The body's beginning.
    let text: String
}

/// Collects a refusal: its status and the first kilobytes of its body.
final class UpgradeRefusalCollector: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart

    private static let maximumText = 4096

    private let promise: EventLoopPromise<UpgradeRefusal>
    private var status: Int?
    private var text = ByteBuffer()

    var refusal: EventLoopFuture<UpgradeRefusal> { promise.futureResult }

    init(on eventLoop: any EventLoop) {
        promise = eventLoop.makePromise()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): status = Int(head.status.code)
        case .body(let bytes):
            let room = Self.maximumText - text.readableBytes
            text.writeImmutableBuffer(
                bytes.getSlice(at: bytes.readerIndex, length: min(room, bytes.readableBytes)) ?? bytes)
            if text.readableBytes >= Self.maximumText { finish() }
        case .end: finish()
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        finish()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        promise.fail(error as? GatewayClientError ?? GatewayClientError.streamFailed("\(error)"))
        context.close(promise: nil)
    }

    func handlerRemoved(context: ChannelHandlerContext) { finish() }

    private func finish() {
        if let status {
            promise.succeed(UpgradeRefusal(status: status, text: String(buffer: text)))
        } else {
            promise.fail(GatewayClientError.endedEarly)
        }
    }
}
