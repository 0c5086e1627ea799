internal import NIOCore
internal import Transport

// What stands at the front of a stream's pipeline until the certificate is read? This handler feeds the state machine,
// keeps the time, and then makes room for HTTP, which gets every byte that came behind the certificate.

/// Reads the preamble, then replaces itself by what `ready` adds to the pipeline.
final class PreambleHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private var preamble: Preamble
    private let time: TimeAmount
    private var deadline: Scheduled<Void>?
    /// Adds the next handlers; given the certificate. On the event loop.
    private let ready: (_ certificate: [UInt8]) throws -> Void
    /// The stream is given up. On the event loop, at most once.
    private let dropped: (any Error) -> Void

    init(
        limits: GatewayLimits, ready: @escaping (_ certificate: [UInt8]) throws -> Void,
        dropped: @escaping (any Error) -> Void
    ) {
        self.preamble = Preamble(limit: limits.preambleLength)
        self.time = TimeAmount(limits.preambleTime)
        self.ready = ready
        self.dropped = dropped
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        deadline = context.eventLoop.scheduleTask(in: time) {
            let (handler, context) = bound.value
            handler.perform(handler.preamble.timeOut(), context: context)
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        deadline?.cancel()
        deadline = nil
        // A stream that ends before it is active has no other end.
        if case .reset(let error) = preamble.end() { dropped(error) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        perform(preamble.receive(unwrapInboundIn(data)), context: context)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .some(.inputClosed) = event as? ChannelEvent { perform(preamble.end(), context: context) }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        perform(preamble.end(), context: context)
        context.fireChannelInactive()
    }

    private func perform(_ action: Preamble.Action, context: ChannelHandlerContext) {
        switch action {
        case .waitForMore: break
        case .finish(let certificate, let rest):
            deadline?.cancel()
            do {
                try ready(certificate)
            } catch {
                return drop(error, context: context)
            }
            if rest.readableBytes > 0 {
                context.fireChannelRead(wrapInboundOut(rest))
                context.fireChannelReadComplete()
            }
            context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
        case .reset(let error): drop(error, context: context)
        }
    }

    private func drop(_ error: any Error, context: ChannelHandlerContext) {
        dropped(error)
        context.triggerUserOutboundEvent(StreamReset(code: GatewayStreamCode.badPreamble), promise: nil)
        context.close(promise: nil)
    }
}

/// Codes with which the gateway resets a stream.
enum GatewayStreamCode {
    /// The certificate in front of the stream was too long, too slow or cut short.
    static let badPreamble: UInt64 = 1
}
