internal import NIOCore

// How long does one stream take to carry many bytes? Sends zeros as fast as the channel takes them, then FIN, and waits
// for the sink's count. It does not know whether the channel is TCP or QUIC.

final class BulkSender: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let result: EventLoopPromise<Duration>
    private let total: Int
    private let chunk = ByteBuffer(repeating: 0, count: 256 * 1024)
    private var remaining: Int
    private var started = ContinuousClock.now
    private var answer = ByteBuffer()

    /// - Parameter result: completed with the time from the first byte to the sink's count, which must be `total`.
    init(total: Int, result: EventLoopPromise<Duration>) {
        self.total = total
        self.remaining = total
        self.result = result
    }

    func channelActive(context: ChannelHandlerContext) {
        started = .now
        send(context)
        context.fireChannelActive()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        send(context)
        context.fireChannelWritabilityChanged()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        answer.writeBuffer(&bytes)
        guard let count = answer.getInteger(at: answer.readerIndex, as: UInt64.self) else { return }
        if count == UInt64(total) {
            result.succeed(.now - started)
        } else {
            result.fail(BenchError.wrongCount(sent: total, received: count))
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
        guard remaining > 0 else { return }
        while remaining > 0, context.channel.isWritable {
            let count = min(remaining, chunk.readableBytes)
            guard let slice = chunk.getSlice(at: chunk.readerIndex, length: count) else { return }
            remaining -= count
            context.write(wrapOutboundOut(slice), promise: nil)
        }
        context.flush()
        if remaining == 0 { context.close(mode: .output, promise: nil) }
    }
}
