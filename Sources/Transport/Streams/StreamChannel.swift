internal import NIOCore
internal import Synchronization

// One QUIC stream as a NIO channel: half-closure is FIN, reading is flow control, writability is what waits to be sent.
// It knows nothing of packets; its connection moves the bytes.

/// The channel of a stream. It reads and writes `ByteBuffer`s.
final class StreamChannel: Channel, ChannelCore, @unchecked Sendable {
    // Sendable by hand: everything mutable is touched on `eventLoop` only (NIO calls the core's methods there, the
    // connection lives there), but for the two atomics.

    let allocator = ByteBufferAllocator()
    let eventLoop: any EventLoop
    let parent: (any Channel)? = nil
    let localAddress: SocketAddress?
    let remoteAddress: SocketAddress?
    let streamID: Int64
    private let closePromise: EventLoopPromise<Void>
    private let active = Atomic(false)
    private let writable = Atomic(true)

    private let stream: QUICStream
    private let connection: ConnectionCore
    private var lifecycle = StreamLifecycle()
    /// Set in `init`, never again; the pipeline needs the finished channel.
    private var createdPipeline: ChannelPipeline?

    private var autoRead = true
    private var allowsHalfClosure = false
    private var readPending = false
    private var waterMark = ChannelOptions.Types.WriteBufferWaterMark(low: 128 << 10, high: 256 << 10)
    private var outputClosePromise: EventLoopPromise<Void>?

    init(stream: QUICStream, connection: ConnectionCore) {
        self.stream = stream
        self.connection = connection
        eventLoop = connection.eventLoop
        streamID = stream.id
        let addresses = connection.socketAddresses
        localAddress = addresses?.local
        remoteAddress = addresses?.remote
        closePromise = eventLoop.makePromise()
        createdPipeline = ChannelPipeline(channel: self)
        stream.channel = self
    }

    /// Lets `initializer` build the pipeline, then activates the channel. On the event loop.
    func start<R: Sendable>(
        _ initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<R>
    ) -> EventLoopFuture<R> {
        initializer(self).assumeIsolated().flatMapThrowing { [self] result in
            try activate()
            return result
        }.flatMapErrorThrowing { [self] error in
            abandon(error)
            throw error
        }.nonisolated()
    }

    /// The same with an initializer that is done when it returns. On the event loop.
    func startNow<R>(_ initializer: (any Channel) throws -> R) throws -> R {
        do {
            let result = try initializer(self)
            try activate()
            return result
        } catch {
            abandon(error)
            throw error
        }
    }

    private func activate() throws {
        guard lifecycle.activate() else { throw ChannelError.ioOnClosedChannel }
        active.store(true, ordering: .relaxed)
        pipeline.fireChannelActive()
        if autoRead { pipeline.read() }
        streamUpdated()
    }

    /// Nobody is there to run the channel.
    private func abandon(_ error: any Error) {
        connection.reset(stream, code: 0)
        finish(error: error, promise: nil)
    }

    // MARK: Channel

    var closeFuture: EventLoopFuture<Void> { closePromise.futureResult }
    var isWritable: Bool { writable.load(ordering: .relaxed) }
    var isActive: Bool { active.load(ordering: .relaxed) }
    var _channelCore: any ChannelCore { self }

    var pipeline: ChannelPipeline {
        guard let createdPipeline else { preconditionFailure("the pipeline is made in init") }
        return createdPipeline
    }

    func setOption<Option: ChannelOption>(_ option: Option, value: Option.Value) -> EventLoopFuture<Void> {
        eventLoop.inEventLoop
            ? eventLoop.makeCompletedFuture { try set(option, value) }
            : eventLoop.submit { try self.set(option, value) }
    }

    func getOption<Option: ChannelOption>(_ option: Option) -> EventLoopFuture<Option.Value> {
        eventLoop.inEventLoop
            ? eventLoop.makeCompletedFuture { try get(option) }
            : eventLoop.submit { try self.get(option) }
    }

    var syncOptions: (any NIOSynchronousChannelOptions)? { StreamOptions(channel: self) }

    fileprivate func set<Option: ChannelOption>(_ option: Option, _ value: Option.Value) throws {
        eventLoop.preconditionInEventLoop()
        switch value {
        case let value as Bool where option is ChannelOptions.Types.AutoReadOption:
            let turnsOn = value && !autoRead
            autoRead = value
            if turnsOn && lifecycle.isActive { pipeline.read() }
        case let value as Bool where option is ChannelOptions.Types.AllowRemoteHalfClosureOption:
            allowsHalfClosure = value
        case let value as ChannelOptions.Types.WriteBufferWaterMark:
            waterMark = value
            updateWritability()
        default:
            throw ChannelError.operationUnsupported
        }
    }

    fileprivate func get<Option: ChannelOption>(_ option: Option) throws -> Option.Value {
        eventLoop.preconditionInEventLoop()
        let value: Any? =
            switch option {
            case is ChannelOptions.Types.AutoReadOption: autoRead
            case is ChannelOptions.Types.AllowRemoteHalfClosureOption: allowsHalfClosure
            case is ChannelOptions.Types.WriteBufferWaterMarkOption: waterMark
            case is ChannelOptions.Types.BufferedWritableBytesOption: stream.sendBuffer.unsentBytes
            default: nil
            }
        guard let value = value as? Option.Value else { throw ChannelError.operationUnsupported }
        return value
    }

    // MARK: ChannelCore, outbound

    func localAddress0() throws -> SocketAddress {
        guard let localAddress else { throw ChannelError.unknownLocalAddress }
        return localAddress
    }

    func remoteAddress0() throws -> SocketAddress {
        guard let remoteAddress else { throw ChannelError.operationUnsupported }
        return remoteAddress
    }

    func register0(promise: EventLoopPromise<Void>?) { promise?.fail(ChannelError.operationUnsupported) }
    func registerAlreadyConfigured0(promise: EventLoopPromise<Void>?) {
        promise?.fail(ChannelError.operationUnsupported)
    }
    func bind0(to: SocketAddress, promise: EventLoopPromise<Void>?) { promise?.fail(ChannelError.operationUnsupported) }
    func connect0(to: SocketAddress, promise: EventLoopPromise<Void>?) {
        promise?.fail(ChannelError.operationUnsupported)
    }
    func channelRead0(_ data: NIOAny) {}
    func errorCaught0(error: any Error) {}

    func write0(_ data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard !lifecycle.isClosed else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        guard lifecycle.isOutputOpen else {
            promise?.fail(ChannelError.outputClosed)
            return
        }
        guard case .byteBuffer(let bytes) = unwrapData(data, as: IOData.self) else {
            promise?.fail(ChannelError.operationUnsupported)
            return
        }
        stream.sendBuffer.write(bytes, promise: promise)
        updateWritability()
    }

    func flush0() {
        guard !lifecycle.isClosed else { return }
        stream.sendBuffer.flush()
        announceOutbound()
    }

    func read0() {
        guard !readPending, !lifecycle.isClosed else { return }
        readPending = true
        deliver()
    }

    func close0(error: any Error, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        guard !lifecycle.isClosed else {
            promise?.fail(ChannelError.alreadyClosed)
            return
        }
        switch mode {
        case .output: closeOutput(promise)
        case .input: closeInput(promise)
        case .all: closeAll(error, promise)
        }
    }

    func triggerUserOutboundEvent0(_ event: Any, promise: EventLoopPromise<Void>?) {
        guard let reset = event as? StreamReset else {
            promise?.fail(ChannelError.operationUnsupported)
            return
        }
        guard !lifecycle.isClosed else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        connection.reset(stream, code: reset.code)
        finish(error: StreamError.resetLocally(code: reset.code), promise: promise)
    }

    // MARK: Called by the connection

    /// Packets were read that concern this stream.
    func streamUpdated() {
        guard !lifecycle.isClosed else {
            discardReceived()
            return
        }
        if case .reset(let code) = stream.receiveEnd {
            connection.reset(stream, code: code)
            finish(error: StreamError.reset(code: code), promise: nil)
            return
        }
        guard lifecycle.isActive else { return }
        deliver()
        if case .stopped(let code) = stream.sendEnd, lifecycle.isActive, lifecycle.isOutputOpen { outputStopped(code) }
        announceOutbound()
    }

    /// Bytes went into packets.
    func streamProgressed() {
        if stream.sendEnd == .finished { outputClosePromise.take()?.succeed() }
        guard !lifecycle.isClosed else { return }
        updateWritability()
    }

    /// The connection is over.
    func connectionEnded(_ reason: ConnectionCloseReason) {
        finish(error: StreamError.connectionClosed(reason), promise: nil)
    }

    // MARK: Reading

    private func deliver() {
        guard lifecycle.isActive, lifecycle.isInputOpen else { return }
        if readPending, let bytes = stream.takeReceived() {
            readPending = false
            let count = bytes.readableBytes
            pipeline.fireChannelRead(bytes)
            connection.extendWindow(of: stream, by: count)
            pipeline.fireChannelReadComplete()
        }
        guard lifecycle.isActive, lifecycle.isInputOpen else { return }
        if stream.receiveEnd == .finished, stream.receivedBytes == 0 {
            inputFinished()
        } else if autoRead && !readPending {
            pipeline.read()
        }
    }

    /// The peer's FIN, with everything before it delivered.
    private func inputFinished() {
        let ended = lifecycle.endInput()
        guard allowsHalfClosure else {
            pipeline.close(promise: nil)
            return
        }
        pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        if case .bothEnded = ended { finish(error: nil, promise: nil) }
    }

    private func closeInput(_ promise: EventLoopPromise<Void>?) {
        let ended = lifecycle.endInput()
        if case .already = ended {
            promise?.fail(ChannelError.inputClosed)
            return
        }
        abandonInput()
        promise?.succeed()
        pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        if case .bothEnded = ended { finish(error: nil, promise: nil) }
    }

    /// Nothing more will be read: the peer is told, and what is here is thrown away.
    private func abandonInput() {
        if stream.receiveEnd == .open {
            stream.receiveEnd = .stopped
            connection.stopReceiving(stream, code: 0)
        }
        discardReceived()
    }

    private func discardReceived() {
        if let bytes = stream.takeReceived() { connection.extendWindow(of: stream, by: bytes.readableBytes) }
    }

    // MARK: Writing

    private func closeOutput(_ promise: EventLoopPromise<Void>?) {
        let ended = lifecycle.endOutput()
        if case .already = ended {
            promise?.fail(ChannelError.outputClosed)
            return
        }
        stream.sendBuffer.dropUnflushed(ChannelError.outputClosed)
        finishSending(promise)
        pipeline.fireUserInboundEventTriggered(ChannelEvent.outputClosed)
        if case .bothEnded = ended { finish(error: nil, promise: nil) }
    }

    /// FIN behind what was flushed.
    private func finishSending(_ promise: EventLoopPromise<Void>?) {
        if stream.sendEnd == .open {
            stream.sendEnd = .finishing
            if outputClosePromise == nil { outputClosePromise = promise } else { promise?.succeed() }
            announceOutbound()
        } else {
            promise?.succeed()
        }
    }

    /// The peer stopped reading. That is an error only for someone who still has something to say.
    private func outputStopped(_ code: UInt64) {
        let error = StreamError.stopped(code: code)
        let losesBytes = stream.sendBuffer.unsentBytes > 0
        stream.sendBuffer.dropUnsent(error)
        let ended = lifecycle.endOutput()
        if losesBytes { pipeline.fireErrorCaught(error) }
        guard lifecycle.isActive else { return }
        pipeline.fireUserInboundEventTriggered(ChannelEvent.outputClosed)
        if case .bothEnded = ended { finish(error: nil, promise: nil) }
    }

    private func announceOutbound() {
        guard !lifecycle.isIdle, stream.wantsToSend else { return }
        connection.streamHasOutbound(stream)
    }

    private func updateWritability() {
        let unsent = stream.sendBuffer.unsentBytes
        let was = isWritable
        let becomes = was ? unsent <= waterMark.high : unsent < waterMark.low
        guard was != becomes else { return }
        writable.store(becomes, ordering: .relaxed)
        if lifecycle.isActive { pipeline.fireChannelWritabilityChanged() }
    }

    // MARK: Ending

    /// What was flushed still goes out, with FIN behind it; what was not is failed.
    private func closeAll(_ error: any Error, _ promise: EventLoopPromise<Void>?) {
        stream.sendBuffer.dropUnflushed(ChannelError.ioOnClosedChannel)
        abandonInput()
        if lifecycle.isIdle {
            connection.reset(stream, code: 0)
        } else {
            finishSending(nil)
        }
        finish(error: nil, promise: promise)
    }

    private func finish(error: (any Error)?, promise: EventLoopPromise<Void>?) {
        guard let wasActive = lifecycle.close() else {
            promise?.succeed()
            return
        }
        active.store(false, ordering: .relaxed)
        if let error {
            stream.sendBuffer.dropUnsent(error)
            outputClosePromise.take()?.fail(error)
            discardReceived()
            if wasActive { pipeline.fireErrorCaught(error) }
        }
        promise?.succeed()
        if wasActive { pipeline.fireChannelInactive() }
        eventLoop.assumeIsolated().execute { [self] in
            removeHandlers(pipeline: pipeline)
            closePromise.succeed()
            connection.channelClosed(stream)
        }
    }
}

extension StreamChannel: CustomStringConvertible {
    var description: String { "StreamChannel(\(streamID))" }
}

/// Options without a detour over futures.
private struct StreamOptions: NIOSynchronousChannelOptions {
    let channel: StreamChannel

    func setOption<Option: ChannelOption>(_ option: Option, value: Option.Value) throws {
        try channel.set(option, value)
    }

    func getOption<Option: ChannelOption>(_ option: Option) throws -> Option.Value {
        try channel.get(option)
    }
}
