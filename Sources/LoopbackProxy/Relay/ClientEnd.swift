internal import Glibc
internal import NIOCore

// What happens on one connection of a local client? Its bytes go through the guard and on to the agent's stream, the
// stream's bytes come back untouched, and where that cannot be, the client gets an HTTP answer that says why.

/// The client's end of a relay, in the accepted socket's pipeline.
///
///     waiting ── first request passes ──► opening ── stream is there ──► relaying ──► closed
///        │                                   │                              │
///        │ refused                           │ unreachable                  │ a later request is refused:
///        ▼                                   ▼                              ▼ FIN to the agent, its answers first
///     lingering ◄────────────────────────────┴─────────────────────────── draining
///        └── own answer written, output closed, input discarded until the client closes or the time is up ──► closed
///
/// From `relaying` back to `opening`, once: the connection to the agent was lost before it answered, and what it was asked
/// may be asked again.
final class ClientEnd: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum Stage {
        case waiting
        case opening
        case relaying(RelayRemote<StreamEnd>)
        case draining(Refusal)
        case lingering
        case closed
    }

    private let timeouts: ProxyTimeouts
    private var stage = Stage.waiting
    private var requestGuard: RequestGuard
    private var window = RelayWindow()
    /// Checked bytes on their way to the agent.
    private var batch: [ByteBuffer] = []
    private var context: ChannelHandlerContext?
    private let opener: StreamOpener
    /// What the first stream was given, as long as another one may be given it too.
    private var repeatable: RepeatableRequests? = RepeatableRequests()
    private var timer: Scheduled<Void>?

    private var inputEnded = false
    private var outputEnded = false
    private var hasFailed = false
    /// Whether the agent has answered anything: then there is no room for an answer of ours.
    private var hasAnswer = false
    /// Set from the request that asks for an upgrade until it is answered.
    private var upgrade: UpgradeRequest?
    /// Came up before there was a stream.
    private var refusal: Refusal?

    private struct UpgradeRequest {
        var answerProtocol: String?
    }

    /// - Parameter overload: the answer to whatever this client asks, when it is one too many.
    init(rules: AccessRules, timeouts: ProxyTimeouts, opener: StreamOpener, overload: Refusal?) {
        requestGuard = RequestGuard(rules: rules)
        self.timeouts = timeouts
        self.opener = opener
        refusal = overload
    }

    // MARK: From the client

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(timeouts.head)) { self.headIsLate() }
    }

    func channelActive(context: ChannelHandlerContext) {
        if let refusal { refuse(refusal) }
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch stage {
        case .waiting, .opening, .relaying:
            requestGuard.receive(unwrapInboundIn(data))
            advance()
        case .draining, .lingering, .closed: break
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        handOver()
        watchHead(context)
        context.fireChannelReadComplete()
    }

    func read(context: ChannelHandlerContext) {
        if mayRead {
            context.read()
        } else {
            window.readIsPending = true
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { endInput(context) }
        context.fireUserInboundEventTriggered(event)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        payCredit(context)
        context.fireChannelWritabilityChanged()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        hasFailed = true
        // channelInactive follows, and tells the stream's end.
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        end()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        end()
    }

    private func end() {
        timer?.cancel()
        // Set first: what the stream's end does may come back here.
        let last = stage
        stage = .closed
        if case .relaying(let stream) = last {
            // A socket whose output is closed already closes as a whole when its input ends.
            let isComplete = outputEnded && !hasFailed
            stream.tell { end in isComplete ? end.partnerEnded() : end.partnerFailed() }
        }
        context = nil
    }

    private var mayRead: Bool {
        switch stage {
        case .waiting, .draining, .lingering, .closed: true
        case .opening: false
        case .relaying: window.isOpen && upgrade == nil
        }
    }

    private func advance() {
        var wantsStream = false
        while let step = requestGuard.next() {
            switch step {
            case .forward(let bytes):
                batch.append(bytes)
                if case .waiting = stage {
                    timer?.cancel()
                    timer = nil
                    stage = .opening
                    wantsStream = true
                }
            case .awaitUpgrade(let answerProtocol): upgrade = UpgradeRequest(answerProtocol: answerProtocol)
            case .refuse(let refusal): refuse(refusal)
            }
        }
        // Last, because the stream may be there when this returns.
        if wantsStream { openStream() }
    }

    private func openStream() {
        guard let context else { return }
        opener.open(for: RelayRemote(self, on: context.eventLoop))
    }

    private func handOver() {
        guard case .relaying(let stream) = stage, !batch.isEmpty else { return }
        // Emptied first: what the partner does with it may come back here.
        let handed = batch
        batch = []
        window.handOver(handed.reduce(0) { $0 + $1.readableBytes })
        if repeatable?.add(handed, isSafe: requestGuard.mayRepeat) == false { repeatable = nil }
        if let stream = stream.local { return stream.deliver(handed) }
        stream.tell { $0.deliver(handed) }
    }

    private func endInput(_ context: ChannelHandlerContext) {
        inputEnded = true
        switch stage {
        case .waiting, .lingering: context.close(promise: nil)
        case .relaying(let stream):
            handOver()
            stream.tell { $0.partnerEnded() }
        case .opening, .draining, .closed: break
        }
    }

    // MARK: From the stream's end

    /// The stream is there.
    func attached(to stream: RelayRemote<StreamEnd>) {
        guard case .opening = stage else { return stream.tell { $0.partnerFailed() } }
        stage = .relaying(stream)
        if let upgrade {
            let answerProtocol = upgrade.answerProtocol
            stream.tell { $0.expectUpgradeAnswer(answerProtocol: answerProtocol) }
        }
        handOver()
        if let refusal {
            refuse(refusal)
        } else if inputEnded {
            stream.tell { $0.partnerEnded() }
        }
        resumeReading()
    }

    /// The agent's answer to an upgrade.
    func upgradeAnswered(accepted: Bool) {
        upgrade = nil
        requestGuard.upgradeAnswered(accepted: accepted)
        advance()
        handOver()
        resumeReading()
    }

    /// Writes and flushes what the agent sent.
    func deliver(_ batch: [ByteBuffer]) {
        guard let context else { return }
        hasAnswer = true
        repeatable = nil
        for bytes in batch {
            window.written(bytes.readableBytes)
            context.write(wrapOutboundOut(bytes), promise: nil)
        }
        context.flush()
        payCredit(context)
    }

    /// The agent sends nothing more.
    func partnerEnded() {
        switch stage {
        case .relaying where !hasAnswer:
            answer(.agentUnreachable(reason: "the agent ended the stream without an answer", hint: "try again"))
        case .relaying: closeOutput()
        case .draining(let refusal): answer(refusal)
        case .waiting, .opening, .lingering, .closed: break
        }
    }

    /// The connection to the agent ended and took the stream with it: the agent was restarted, most of the time. What may
    /// be repeated without harm is, once; the pool connects anew for it.
    func connectionLost() {
        guard case .relaying = stage, let requests = repeatable else { return partnerFailed() }
        repeatable = nil
        batch = requests.bytes + batch
        window.restart()
        stage = .opening
        openStream()
    }

    /// The stream is gone without a proper end.
    func partnerFailed() {
        switch stage {
        case .relaying where !hasAnswer:
            answer(
                .agentUnreachable(
                    reason: "the connection to the agent was lost before it answered",
                    hint: "the agent may be restarting: try again, after checking what became of a change"))
        case .relaying, .draining: abort()
        case .waiting, .opening, .lingering, .closed: break
        }
    }

    /// The stream's end got rid of `count` bytes.
    func credit(_ count: Int) {
        window.credited(count)
        resumeReading()
    }

    private func payCredit(_ context: ChannelHandlerContext) {
        guard window.owesMuch, case .relaying(let stream) = stage, context.channel.isWritable else { return }
        let count = window.takeOwed()
        stream.tell { $0.credit(count) }
    }

    private func resumeReading() {
        guard window.readIsPending, mayRead else { return }
        window.readIsPending = false
        context?.read()
    }

    // MARK: Answers of our own

    /// No stream could be opened.
    func unreachable(_ refusal: Refusal) {
        guard case .opening = stage else { return }
        answer(refusal)
    }

    private func refuse(_ refusal: Refusal) {
        switch stage {
        case .waiting: answer(refusal)
        case .opening: self.refusal = refusal
        case .relaying(let stream):
            // The agent's answers to earlier requests come first. Its end of the stream says that they are complete.
            handOver()
            stage = .draining(refusal)
            stream.tell { $0.partnerEnded() }
            schedule(timeouts.drain) { $0.context?.close(promise: nil) }
            resumeReading()
        case .draining, .lingering, .closed: break
        }
    }

    private func answer(_ refusal: Refusal) {
        guard let context else { return }
        let last = stage
        stage = .lingering
        if case .relaying(let stream) = last { stream.tell { $0.partnerFailed() } }
        batch = []
        context.write(wrapOutboundOut(refusal.response(omitBody: requestGuard.isHeadRequest)), promise: nil)
        closeOutput()
        // Closing with unread input would make the kernel throw the answer away.
        schedule(timeouts.linger) { $0.context?.close(promise: nil) }
        resumeReading()
    }

    /// Half-closes when everything is written: closing earlier would lose it, if the client has half-closed too.
    private func closeOutput() {
        guard let context else { return }
        outputEnded = true
        let written = context.eventLoop.makePromise(of: Void.self)
        context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: written)
        written.futureResult.assumeIsolated().whenComplete { _ in
            self.context?.close(mode: .output, promise: nil)
        }
    }

    /// Ends the connection so that the client can see that its answer is not complete.
    private func abort() {
        guard let context else { return }
        if let socket = context.channel as? any SocketOptionProvider {
            socket.setSoLinger(linger(l_onoff: 1, l_linger: 0)).assumeIsolated().whenComplete { _ in
                self.context?.close(promise: nil)
            }
        } else {
            context.close(promise: nil)
        }
    }

    // MARK: Time

    /// A head that has begun has to be complete in time. An idle connection may wait.
    private func watchHead(_ context: ChannelHandlerContext) {
        guard case .relaying = stage else { return }
        if !requestGuard.isInsideHead {
            timer?.cancel()
            timer = nil
        } else if timer == nil {
            schedule(timeouts.head) { $0.headIsLate() }
        }
    }

    private func headIsLate() {
        switch stage {
        case .waiting where !requestGuard.isInsideHead: context?.close(promise: nil)
        case .waiting, .relaying: refuse(.headTimeout)
        case .opening, .draining, .lingering, .closed: break
        }
    }

    private func schedule(_ delay: Duration, _ action: @escaping (ClientEnd) -> Void) {
        timer?.cancel()
        timer = context?.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(delay)) { action(self) }
    }
}
