internal import NIOCore

// How long does a small message take there and back? Sends 64 bytes, waits until they are echoed, and again. It does
// not know whether the channel is TCP or QUIC.

final class PingPong: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private static let size = 64
    private let result: EventLoopPromise<[Duration]>
    private let count: Int
    private let message = ByteBuffer(repeating: 0x5A, count: size)
    private var times: [Duration] = []
    private var sent = ContinuousClock.now
    private var received = 0

    /// - Parameter result: completed with the time of each of `count` round trips, in the order in which they were made.
    init(count: Int, result: EventLoopPromise<[Duration]>) {
        self.count = count
        self.result = result
        times.reserveCapacity(count)
    }

    func channelActive(context: ChannelHandlerContext) {
        send(context)
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        received += unwrapInboundIn(data).readableBytes
        guard received >= Self.size else { return }
        times.append(.now - sent)
        if times.count == count {
            result.succeed(times)
        } else {
            send(context)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        result.fail(ChannelError.eof)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        result.fail(error)
        context.close(promise: nil)
    }

    private func send(_ context: ChannelHandlerContext) {
        received = 0
        sent = .now
        context.writeAndFlush(wrapOutboundOut(message), promise: nil)
    }
}
