import NIOCore
import NIOPosix
import Testing

@testable import Transport

/// What a node says to those with whom it has no connection.
@Suite(.timeLimit(.minutes(1)))
struct StrangersTests {
    /// A bare UDP socket.
    final class Stranger: Sendable {
        private let channel: any Channel
        private let packets: AsyncStream<[UInt8]>

        init() async throws {
            let (packets, continuation) = AsyncStream.makeStream(of: [UInt8].self)
            self.packets = packets
            channel = try await DatagramBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                .channelInitializer { $0.pipeline.addHandler(Yielder(continuation: continuation)) }
                .bind(host: "127.0.0.1", port: 0).get()
        }

        var address: SocketAddress { get throws { try #require(channel.localAddress) } }

        func send(_ bytes: [UInt8], to node: TestNode) async throws {
            let remote = node.endpoint.localAddresses[0]
            try await channel.writeAndFlush(AddressedEnvelope(remoteAddress: remote, data: ByteBuffer(bytes: bytes)))
                .get()
        }

        func receive(within limit: Duration = .seconds(5)) async throws -> [UInt8] {
            let packets = packets
            return try await TransportTests.within(limit) {
                for await packet in packets { return packet }
                throw TestFailure("closed")
            }
        }

        func close() async throws { try await channel.close().get() }
    }

    private final class Yielder: ChannelInboundHandler, Sendable {
        typealias InboundIn = AddressedEnvelope<ByteBuffer>
        let continuation: AsyncStream<[UInt8]>.Continuation
        init(continuation: AsyncStream<[UInt8]>.Continuation) { self.continuation = continuation }
        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            continuation.yield(Array(unwrapInboundIn(data).data.readableBytesView))
        }
    }

    @Test func aDiscoPingIsAnswered() async throws {
        let node = try await TestNode()
        let stranger = try await Stranger()
        let key = SecretKey()
        let id = (0..<12).map { UInt8($0) }
        try await stranger.send(try DiscoPacket.ping(from: key, to: node.key.nodeID, transactionID: id), to: node)
        let pong = try #require(DiscoPacket.pong(in: try await stranger.receive(), key: key))
        #expect(pong.sender == node.key.nodeID)
        #expect(pong.transactionID == id)
        #expect(pong.observed == (try stranger.address))
        try await stranger.close()
        await node.endpoint.close()
    }

    @Test func aDialIsAnnouncedByADiscoPing() async throws {
        let node = try await TestNode(alpns: [])
        let stranger = try await Stranger()
        let key = SecretKey()
        let address = NodeAddress(nodeID: key.nodeID, addresses: [try stranger.address])
        let dial = Task { _ = try await node.endpoint.connect(to: address, alpn: TestNode.alpn) }
        let first = try await stranger.receive()
        #expect(DiscoPacket.isDisco(first))
        #expect(DiscoPacket.answer(to: first, from: try stranger.address, key: key) != nil)
        let second = try await stranger.receive()
        #expect(second.count >= 1_200 && second[0] & 0xf0 == 0xc0)
        dial.cancel()
        _ = try? await dial.value
        try await stranger.close()
        await node.endpoint.close()
    }

    @Test func anotherVersionOfQUICIsToldOurs() async throws {
        let node = try await TestNode()
        let stranger = try await Stranger()
        var packet: [UInt8] = [0xc0, 0x1a, 0x2a, 0x3a, 0x4a, 8, 1, 2, 3, 4, 5, 6, 7, 8, 2, 7, 7]
        packet += [UInt8](repeating: 0, count: 1_200 - packet.count)
        try await stranger.send(packet, to: node)
        let answer = try await stranger.receive()
        #expect(answer[0] & 0x80 != 0)
        #expect(Array(answer[1..<5]) == [0, 0, 0, 0])
        #expect(Array(answer[5...]) == [2, 7, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 1])
        try await stranger.close()
        await node.endpoint.close()
    }

    @Test func aPacketForAnUnknownConnectionGetsAResetThatIsTheSameAfterARestart() async throws {
        let key = SecretKey()
        let packet: [UInt8] = [0x41, 1, 2, 3, 4, 5, 6, 7, 8] + [UInt8](repeating: 9, count: 40)
        var tokens: [[UInt8]] = []
        for _ in 0..<2 {
            let node = try await TestNode(key: key)
            let stranger = try await Stranger()
            try await stranger.send(packet, to: node)
            let reset = try await stranger.receive()
            #expect(reset.count < packet.count)
            tokens.append(Array(reset.suffix(16)))
            try await stranger.close()
            await node.endpoint.close()
        }
        #expect(tokens[0] == tokens[1])
    }
}
