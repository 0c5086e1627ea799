internal import NIOCore
internal import Transport

// The agent's end of a relay: sits in the stream's pipeline and exchanges bytes with the client's end. It looks at
// nothing, except at the answer to an upgrade, which decides how the client's further bytes are read.

/// Relays between a stream and a ``ClientEnd``.
final class StreamEnd: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let client: RelayRemote<ClientEnd>
    private var window = RelayWindow()
    private var batch: [ByteBuffer] = []
    private var context: ChannelHandlerContext?
    private var inputEnded = false
    private var outputEnded = false
    private var hasFailed = false
    /// The connection under the stream ended, and the stream with it.
    private var isLost = false
    private var upgradeAnswer: UpgradeAnswer?

    init(client: RelayRemote<ClientEnd>) {
        self.client = client
    }

    // MARK: From the stream

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { announce(context) }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
    }

    func channelActive(context: ChannelHandlerContext) {
        announce(context)
        context.fireChannelActive()
    }

    private func announce(_ context: ChannelHandlerContext) {
        let remote = RelayRemote(self, on: context.eventLoop)
        client.tell { $0.attached(to: remote) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        guard upgradeAnswer != nil else { return batch.append(bytes) }
        guard case .answered(let accepted, let rest)? = upgradeAnswer?.receive(bytes) else { return }
        upgradeAnswer = nil
        batch.append(rest)
        handOver()
        client.tell { $0.upgradeAnswered(accepted: accepted) }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        handOver()
        context.fireChannelReadComplete()
    }

    func read(context: ChannelHandlerContext) {
        if window.isOpen {
            context.read()
        } else {
            window.readIsPending = true
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { endInput() }
        context.fireUserInboundEventTriggered(event)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        payCredit(context)
        context.fireChannelWritabilityChanged()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // The agent reads no more, but its answer may still be under way: an upload that it refused.
        switch error as? StreamError {
        case .stopped: return
        case .connectionClosed: isLost = true
        default: break
        }
        hasFailed = true
        // channelInactive follows, and tells the client's end.
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        // A channel whose output is closed already closes as a whole when its input ends.
        if outputEnded && !hasFailed { endInput() }
        handOver()
        if !inputEnded { client.tell { [isLost] in isLost ? $0.connectionLost() : $0.partnerFailed() } }
        self.context = nil
        context.fireChannelInactive()
    }

    private func endInput() {
        guard !inputEnded else { return }
        inputEnded = true
        if let rest = upgradeAnswer?.endOfInput(), rest.readableBytes > 0 { batch.append(rest) }
        upgradeAnswer = nil
        handOver()
        client.tell { $0.partnerEnded() }
    }

    private func handOver() {
        guard !batch.isEmpty else { return }
        // Emptied first: what the partner does with it may deliver more.
        let handed = batch
        batch = []
        window.handOver(handed.reduce(0) { $0 + $1.readableBytes })
        if let client = client.local { return client.deliver(handed) }
        client.tell { $0.deliver(handed) }
    }

    // MARK: From the client's end

    /// Writes and flushes.
    func deliver(_ batch: [ByteBuffer]) {
        guard let context else { return }
        for bytes in batch {
            window.written(bytes.readableBytes)
            context.write(wrapOutboundOut(bytes), promise: nil)
        }
        context.flush()
        payCredit(context)
    }

    /// The client sends nothing more: half-closes.
    func partnerEnded() {
        outputEnded = true
        context?.close(mode: .output, promise: nil)
    }

    /// The client is gone without a proper end.
    func partnerFailed() {
        guard let context else { return }
        // Of a request that was cut off the agent must not believe that it is complete.
        context.triggerUserOutboundEvent(StreamReset(code: 0), promise: nil)
        context.close(promise: nil)
    }

    /// The client's end got rid of `count` bytes.
    func credit(_ count: Int) {
        window.credited(count)
        guard window.isOpen, window.readIsPending else { return }
        window.readIsPending = false
        context?.read()
    }

    /// What the stream delivers next is the answer to an upgrade.
    func expectUpgradeAnswer(answerProtocol: String?) {
        upgradeAnswer = UpgradeAnswer(answerProtocol: answerProtocol)
    }

    private func payCredit(_ context: ChannelHandlerContext) {
        guard window.owesMuch, context.channel.isWritable else { return }
        let count = window.takeOwed()
        client.tell { $0.credit(count) }
    }
}
