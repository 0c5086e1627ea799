import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Testing

@testable import Transport

// Small builders: nodes on loopback, streams as async channels, and deadlines instead of sleeps.

/// A node on 127.0.0.1 (or wherever `bind` says) for one test.
struct TestNode: Sendable {
    static let alpn = "test/1"

    let key: SecretKey
    let endpoint: Endpoint
    let limits: TransportLimits

    init(
        key: SecretKey = SecretKey(), alpns: [String] = [TestNode.alpn], bind: [String] = ["127.0.0.1:0"],
        limits: TransportLimits = TransportLimits()
    ) async throws {
        self.key = key
        self.limits = limits
        var configuration = EndpointConfiguration(
            secretKey: key, alpns: alpns, bindAddresses: try bind.map(SocketAddress.init(hostAndPort:)),
            logger: Logger(label: "test"))
        configuration.limits = limits
        endpoint = try await Endpoint.bind(configuration)
    }

    var address: NodeAddress { NodeAddress(nodeID: key.nodeID, addresses: endpoint.localAddresses) }

    /// The next incoming connection.
    func accept() async throws -> Connection {
        try await within(.seconds(10)) { [endpoint] in
            for await connection in endpoint.connections { return connection }
            throw TestFailure("the endpoint was closed")
        }
    }

    func dial(_ other: TestNode, alpn: String = TestNode.alpn) async throws -> Connection {
        try await endpoint.connect(to: other.address, alpn: alpn, timeout: .seconds(10))
    }
}

/// Two nodes with a connection between them.
struct TestPair: Sendable {
    let client: TestNode
    let server: TestNode
    let outgoing: Connection
    let incoming: Connection

    init(limits: TransportLimits = TransportLimits(), bind: String = "127.0.0.1:0") async throws {
        let client = try await TestNode(alpns: [], bind: [bind], limits: limits)
        let server = try await TestNode(bind: [bind], limits: limits)
        async let accepted = server.accept()
        self.client = client
        self.server = server
        outgoing = try await client.dial(server)
        incoming = try await accepted
    }

    func close() async {
        await client.endpoint.close()
        await server.endpoint.close()
    }

    /// Opens a stream and hands out both its ends. The first byte, which tells the peer of it, is taken off again.
    func stream() async throws -> (near: TestStream, far: TestStream) {
        let near = try await outgoing.testStream()
        try await near.write("!")
        let far = try await incoming.nextTestStream()
        let first = try await far.read(1)
        #expect(first == "!")
        return (near, far)
    }
}

struct TestFailure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// Runs `body` and fails when it takes longer than `limit`.
func within<R: Sendable>(
    _ limit: Duration, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: @escaping @Sendable () async throws -> R
) async throws -> R {
    try await withThrowingTaskGroup(of: R?.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(for: limit)
            return nil
        }
        defer { group.cancelAll() }
        guard let first = try await group.next(), let result = first else {
            throw TestFailure("nothing happened within \(limit) at \(sourceLocation)")
        }
        return result
    }
}

/// A stream's channel with a handler that collects what arrives and lets a test wait for it.
struct TestStream: Sendable {
    let channel: any Channel
    let inbox: Inbox

    func write(_ text: String) async throws { try await channel.writeAndFlush(ByteBuffer(string: text)).get() }
    func finish() async throws { try await channel.close(mode: .output).get() }

    /// The next `count` bytes as text.
    func read(_ count: Int) async throws -> String {
        let bytes = try await inbox.read(count)
        return String(buffer: bytes)
    }

    /// Everything up to the peer's FIN.
    func readToEnd() async throws -> ByteBuffer { try await inbox.readToEnd() }
    func readText() async throws -> String { String(buffer: try await readToEnd()) }
}

extension Connection {
    func testStream(autoRead: Bool = true) async throws -> TestStream {
        try await openStream { channel in Inbox.attach(to: channel, autoRead: autoRead) }
    }

    func nextTestStream(autoRead: Bool = true) async throws -> TestStream {
        let inbound = try await within(.seconds(10)) {
            for await stream in self.streams { return stream }
            throw TestFailure("the connection ended: \(await self.closeReason)")
        }
        return try await inbound.start { channel in Inbox.attach(to: channel, autoRead: autoRead) }
    }
}

/// Collects a channel's bytes and ends.
final class Inbox: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer

    struct State {
        var bytes = ByteBuffer()
        var isFinished = false
        var error: (any Error)?
        var isInactive = false
        var writability: [Bool] = []
        var outputClosed = false
        var waiters: [Int: Waiter] = [:]
        var nextWaiter = 0
    }

    struct Waiter: Sendable {
        let condition: @Sendable (State) -> Bool
        let continuation: CheckedContinuation<Void, any Error>
    }

    let state = NIOLockedValueBox(State())

    static func attach(to channel: any Channel, autoRead: Bool) -> EventLoopFuture<TestStream> {
        channel.eventLoop.makeCompletedFuture {
            let inbox = Inbox()
            try channel.pipeline.syncOperations.addHandler(inbox)
            try channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: true)
            try channel.syncOptions?.setOption(.autoRead, value: autoRead)
            return TestStream(channel: channel, inbox: inbox)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        change { $0.bytes.writeBuffer(&bytes) }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event as? ChannelEvent {
        case .inputClosed: change { $0.isFinished = true }
        case .outputClosed: change { $0.outputClosed = true }
        default: break
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        let isWritable = context.channel.isWritable
        change { $0.writability.append(isWritable) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { change { $0.error = error } }
    func channelInactive(context: ChannelHandlerContext) { change { $0.isInactive = true } }

    /// Waits until `condition` holds.
    func wait(for what: String, _ condition: @escaping @Sendable (State) -> Bool) async throws {
        do {
            try await within(.seconds(20)) { try await self.wait(condition) }
        } catch {
            let state = state.withLockedValue { $0 }
            throw TestFailure(
                "no \(what): \(state.bytes.readableBytes) bytes, finished \(state.isFinished), error \(String(describing: state.error))"
            )
        }
    }

    private func wait(_ condition: @escaping @Sendable (State) -> Bool) async throws {
        let id = state.withLockedValue { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                self.state.withLockedValue { state in
                    if condition(state) {
                        continuation.resume()
                    } else if Task.isCancelled {
                        continuation.resume(throwing: CancellationError())
                    } else {
                        state.waiters[id] = Waiter(condition: condition, continuation: continuation)
                    }
                }
            }
        } onCancel: {
            let waiter = self.state.withLockedValue { $0.waiters.removeValue(forKey: id) }
            waiter?.continuation.resume(throwing: CancellationError())
        }
    }

    func read(_ count: Int) async throws -> ByteBuffer {
        try await wait(for: "\(count) bytes") { $0.bytes.readableBytes >= count || $0.error != nil }
        return try state.withLockedValue { state in
            guard let bytes = state.bytes.readSlice(length: count) else {
                throw state.error ?? TestFailure("too few bytes")
            }
            return bytes
        }
    }

    func readToEnd() async throws -> ByteBuffer {
        try await wait(for: "end of the stream") { $0.isFinished || $0.isInactive || $0.error != nil }
        return try state.withLockedValue { state in
            if let error = state.error { throw error }
            defer { state.bytes.clear() }
            return state.bytes
        }
    }

    private func change(_ body: (inout State) -> Void) {
        state.withLockedValue { state in
            body(&state)
            for (id, waiter) in state.waiters where waiter.condition(state) {
                state.waiters[id] = nil
                waiter.continuation.resume()
            }
        }
    }
}
