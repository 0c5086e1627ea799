internal import NIOCore
internal import NIOWebSocket

// Is this a frame that a client may send? RFC 6455 §5.1 and §5.2: masked, and no reserved bit, because no extension was
// agreed on. It stands in front of the aggregator, which no longer tells how a frame came.

/// Lets valid frames through; the first other one ends the stream of frames with ``WebSocketViolation``.
final class FrameValidator: ChannelInboundHandler {
    typealias InboundIn = WebSocketFrame
    typealias InboundOut = WebSocketFrame

    private var isBroken = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isBroken else { return }
        let frame = unwrapInboundIn(data)
        if frame.maskKey != nil, !frame.rsv1, !frame.rsv2, !frame.rsv3, Self.known.contains(frame.opcode) {
            context.fireChannelRead(data)
        } else {
            isBroken = true
            context.fireErrorCaught(WebSocketViolation())
        }
    }

    private static let known: Set<WebSocketOpcode> = [.continuation, .text, .binary, .connectionClose, .ping, .pong]
}

/// A client sent a frame that no client may send.
struct WebSocketViolation: Error {}
