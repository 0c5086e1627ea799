import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Testing
import Wire

/// A connection that opens TCP streams to a port, or fails.
private final class FakeConnection: StreamSource {
    let port: Int
    let isDead = NIOLockedValueBox(false)
    let opened = NIOLockedValueBox(0)
    let closed = NIOLockedValueBox(false)

    init(port: Int) { self.port = port }

    struct Dead: Error {}

    func openStream<R: Sendable>(
        _ initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<R>
    ) async throws -> R {
        if isDead.withLockedValue({ $0 }) { throw Dead() }
        opened.withLockedValue { $0 += 1 }
        return try await TCPDialer(port: port).openStream(initializer)
    }

    func openStreamNow<R>(_ initializer: (any Channel) throws -> R) throws -> R? { nil }

    private let onClose = NIOLockedValueBox<(@Sendable () -> Void)?>(nil)
    var isClosed: Bool { isDead.withLockedValue { $0 } && onClose.withLockedValue { $0 == nil } }
    func onClose(_ action: @escaping @Sendable () -> Void) { onClose.withLockedValue { $0 = action } }

    /// Ends as when the peer closes.
    func end() {
        isDead.withLockedValue { $0 = true }
        let action = onClose.withLockedValue { action in
            defer { action = nil }
            return action
        }
        action?()
    }
    func close(code: UInt64, reason: String) { closed.withLockedValue { $0 = true } }
}

/// Hands out fake connections and counts.
private final class FakeNetwork: Sendable {
    let connections = NIOLockedValueBox<[FakeConnection]>([])
    let port: Int
    init(port: Int) { self.port = port }

    var openedCounts: [Int] {
        connections.withLockedValue { $0 }.map { $0.opened.withLockedValue { $0 } }
    }

    func connect() async throws -> any StreamSource {
        try await Task.sleep(for: .milliseconds(20))
        let connection = FakeConnection(port: port)
        connections.withLockedValue { $0.append(connection) }
        return connection
    }
}

private func withSilentServer(_ body: (Int, NIOLockedValueBox<[ByteBuffer]>) async throws -> Void) async throws {
    let received = NIOLockedValueBox<[ByteBuffer]>([])
    let server = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
        .childChannelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(FirstBytes(received))
            }
        }
        .bind(host: "127.0.0.1", port: 0).get()
    try await body(server.localAddress!.port!, received)
    try await server.close()
}

private final class FirstBytes: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    private let received: NIOLockedValueBox<[ByteBuffer]>
    init(_ received: NIOLockedValueBox<[ByteBuffer]>) { self.received = received }
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        received.withLockedValue { $0.append(unwrapInboundIn(data)) }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: "!")), promise: nil)
    }
}

/// Says something as soon as the stream is active.
private final class Hello: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    private let answered: EventLoopPromise<Void>
    init(_ answered: EventLoopPromise<Void>) { self.answered = answered }
    func channelActive(context: ChannelHandlerContext) {
        context.write(wrapOutboundOut(ByteBuffer(string: "hello")), promise: nil)
    }
    func channelRead(context: ChannelHandlerContext, data: NIOAny) { answered.succeed() }
    func channelInactive(context: ChannelHandlerContext) { answered.fail(ChannelError.eof) }
}

@Suite(.timeLimit(.minutes(1))) struct PoolTests {
    @Test func concurrentCallersShareOneDial() async throws {
        try await withSilentServer { port, _ in
            let network = FakeNetwork(port: port)
            let pool = GatewayPool(agent: "a", certificate: { [] }, connect: network.connect)
            let channels = try await withThrowingTaskGroup(of: (any Channel).self) { tasks in
                for _ in 0..<50 { tasks.addTask { try await pool.openStream { $0.eventLoop.makeSucceededFuture($0) } } }
                return try await tasks.reduce(into: []) { $0.append($1) }
            }
            #expect(network.openedCounts == [50])
            for channel in channels { try await channel.close() }
        }
    }

    @Test func thePreambleAndTheFirstBytesTravelTogether() async throws {
        try await withSilentServer { port, received in
            let pool = GatewayPool(agent: "a", certificate: { [1, 2, 3] }, connect: FakeNetwork(port: port).connect)
            let (channel, answered) = try await pool.openStream { channel in
                let answered = channel.eventLoop.makePromise(of: Void.self)
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Hello(answered))
                    return (channel, answered.futureResult)
                }
            }
            try await answered.get()
            let expected = ByteBuffer(bytes: [0, 0, 0, 3, 1, 2, 3] + Array("hello".utf8))
            #expect(received.withLockedValue { $0 } == [expected])
            try await channel.close()
        }
    }

    @Test func aDeadCachedConnectionIsReplacedOnceAndAFreshOneIsNot() async throws {
        try await withSilentServer { port, _ in
            let network = FakeNetwork(port: port)
            let pool = GatewayPool(agent: "a", certificate: { [] }, connect: network.connect)
            func open() async throws {
                try await pool.openStream { $0.eventLoop.makeSucceededFuture($0) }.close()
            }
            try await open()
            let first = network.connections.withLockedValue { $0[0] }
            first.isDead.withLockedValue { $0 = true }
            try await open()
            #expect(first.closed.withLockedValue { $0 })
            #expect(network.connections.withLockedValue { $0.count } == 2)
            // Every new connection is dead, too: one redial, then an error.
            network.connections.withLockedValue { $0[1].isDead.withLockedValue { $0 = true } }
            let dials = NIOLockedValueBox(0)
            let hopeless = GatewayPool(agent: "a", certificate: { [] }) {
                dials.withLockedValue { $0 += 1 }
                let connection = FakeConnection(port: port)
                connection.isDead.withLockedValue { $0 = true }
                return connection
            }
            await #expect(throws: AgentUnreachable.self) {
                _ = try await hopeless.openStream { $0.eventLoop.makeSucceededFuture(()) }
            }
            #expect(dials.withLockedValue { $0 } == 1)
        }
    }

    @Test func aConnectionThatEndsIsForgottenAtOnce() async throws {
        try await withSilentServer { port, _ in
            let network = FakeNetwork(port: port)
            let pool = GatewayPool(agent: "a", certificate: { [] }, connect: network.connect)
            try await pool.openStream { $0.eventLoop.makeSucceededFuture($0) }.close()
            #expect(pool.connectionCount == 1)
            network.connections.withLockedValue { $0[0] }.end()
            #expect(pool.connectionCount == 0)
            try await pool.openStream { $0.eventLoop.makeSucceededFuture($0) }.close()
            #expect(network.openedCounts == [1, 1])
        }
    }

    @Test func aFullConnectionIsJoinedByAnotherUpToTheLimitAndThenItIsBusy() async throws {
        try await withSilentServer { port, _ in
            var limits = GatewayPool.Limits()
            limits.streamsPerConnection = 2
            limits.connections = 2
            let network = FakeNetwork(port: port)
            let pool = GatewayPool(agent: "a", limits: limits, certificate: { [] }, connect: network.connect)
            var channels: [any Channel] = []
            for _ in 0..<4 { channels.append(try await pool.openStream { $0.eventLoop.makeSucceededFuture($0) }) }
            #expect(pool.connectionCount == 2)
            #expect(network.openedCounts == [2, 2])
            // A stream that ends makes room.
            try await channels.removeFirst().close()
            channels.append(try await pool.openStream { $0.eventLoop.makeSucceededFuture($0) })
            #expect(network.openedCounts[0] == 3)
            for channel in channels { try await channel.close() }
        }
    }

    @Test func aFailedDialIsToldToEveryoneWhoWaitedAndTriedAgainLater() async throws {
        struct NoRoute: Error {}
        let dials = NIOLockedValueBox(0)
        let pool = GatewayPool(agent: "agent-7", certificate: { [] }) {
            dials.withLockedValue { $0 += 1 }
            try await Task.sleep(for: .milliseconds(50))
            throw NoRoute()
        }
        let failures = await withTaskGroup(of: String?.self) { tasks in
            for _ in 0..<10 {
                tasks.addTask {
                    do {
                        try await pool.openStream { $0.eventLoop.makeSucceededFuture(()) }
                        return nil
                    } catch { return "\(error)" }
                }
            }
            return await tasks.reduce(into: []) { $0.append($1) }
        }
        #expect(dials.withLockedValue { $0 } < 10)
        for failure in failures { #expect(failure?.contains("cannot connect to agent agent-7: NoRoute()") == true) }
        await #expect(throws: AgentUnreachable.self) {
            try await pool.openStream { $0.eventLoop.makeSucceededFuture(()) }
        }
    }

    @Test func aCallerWhoIsCancelledWhileItDialsLeavesTheDialToAnother() async throws {
        try await withSilentServer { port, _ in
            let network = FakeNetwork(port: port)
            let pool = GatewayPool(agent: "a", certificate: { [] }, connect: network.connect)
            let first = Task { try await pool.openStream { $0.eventLoop.makeSucceededFuture($0) } }
            try await Task.sleep(for: .milliseconds(5))
            let second = Task { try await pool.openStream { $0.eventLoop.makeSucceededFuture($0) } }
            try await Task.sleep(for: .milliseconds(5))
            first.cancel()
            try await second.value.close()
            if let channel = try? await first.value { try await channel.close() }
        }
    }

    @Test func anUnreadableCertificateIsReportedAsSuch() async throws {
        struct Missing: Error {}
        let pool = GatewayPool(agent: "a", certificate: { throw Missing() }, connect: { throw Missing() })
        await #expect(throws: AgentUnreachable(agent: "a", cause: .credentials("Missing()"))) {
            try await pool.openStream { $0.eventLoop.makeSucceededFuture(()) }
        }
    }
}
