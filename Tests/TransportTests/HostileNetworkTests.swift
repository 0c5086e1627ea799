import NIOCore
import Testing

@testable import Transport

/// What the network may do to packets, and what it must not achieve.
@Suite(.timeLimit(.minutes(2)))
struct HostileNetworkTests {
    /// A client whose way to the server leads through a relay.
    struct Relayed {
        let client: TestNode
        let server: TestNode
        let relay: UDPRelay
        let outgoing: Connection
        let incoming: Connection

        init(limits: TransportLimits = TransportLimits(), key: SecretKey = SecretKey()) async throws {
            let client = try await TestNode(alpns: [], limits: limits)
            let server = try await TestNode(key: key, limits: limits)
            relay = try await UDPRelay(to: server.endpoint.localAddresses[0])
            async let accepted = server.accept()
            self.client = client
            self.server = server
            let address = NodeAddress(nodeID: server.key.nodeID, addresses: [relay.address])
            outgoing = try await client.endpoint.connect(to: address, alpn: TestNode.alpn, timeout: .seconds(10))
            incoming = try await accepted
        }

        func close() async throws {
            await client.endpoint.close()
            await server.endpoint.close()
            try await relay.close()
        }

        /// Sends `count` patterned bytes and checks that exactly they arrive. `during` runs when a part is through.
        func transfer(_ count: Int, during: () async throws -> Void = {}) async throws {
            let near = try await outgoing.testStream()
            let bytes = ByteBuffer(bytes: (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) })
            let half = count / 2
            near.channel.writeAndFlush(bytes.getSlice(at: 0, length: half)!, promise: nil)
            let far = try await incoming.nextTestStream()
            try await far.inbox.wait(for: "the first part") { $0.bytes.readableBytes > min(half, 10_000) }
            try await during()
            near.channel.writeAndFlush(bytes.getSlice(at: half, length: count - half)!, promise: nil)
            near.channel.close(mode: .output, promise: nil)
            #expect(try await far.readToEnd() == bytes)
            near.channel.close(promise: nil)
        }
    }

    /// P-10
    @Test func aRelayInBetweenReadsNothing() async throws {
        let net = try await Relayed()
        let canary = "canary-7f3b-nobody-else-may-read-this"
        let near = try await net.outgoing.testStream()
        try await near.write(canary)
        let far = try await net.incoming.nextTestStream()
        #expect(try await far.read(canary.utf8.count) == canary)
        try await far.write(canary)
        #expect(try await near.read(canary.utf8.count) == canary)
        try net.outgoing.sendDatagram(ByteBuffer(string: canary))
        _ = try await within(.seconds(5)) {
            for await data in net.incoming.datagrams { return data }; throw TestFailure("closed")
        }
        #expect(net.relay.recorded.count > 4)
        let needle = Array(canary.utf8)
        for packet in net.relay.recorded {
            let found = packet.indices.contains { packet[$0...].starts(with: needle) }
            #expect(!found)
        }
        try await net.close()
    }

    /// P-10
    @Test func damagedPacketsAreDroppedAndTheConnectionGoesOn() async throws {
        let net = try await Relayed()
        net.relay.setFate { _, index in index % 7 == 0 ? .damage : .pass }
        try await net.transfer(300_000)
        try await net.close()
    }

    @Test func lossAndReorderingLoseNothing() async throws {
        let net = try await Relayed()
        net.relay.setFate { _, index in index % 11 == 0 ? .drop : index % 5 == 0 ? .delay : .pass }
        try await net.transfer(1_000_000)
        let statistics = await net.outgoing.statistics()
        #expect(statistics.sentPackets > 690)
        #expect(statistics.lossPeriods > 0)
        try await net.close()
    }

    @Test func aHandshakeSurvivesLostPackets() async throws {
        let client = try await TestNode(alpns: [])
        let server = try await TestNode()
        let relay = try await UDPRelay(to: server.endpoint.localAddresses[0])
        relay.setFate { _, index in index == 2 ? .drop : .pass }
        let address = NodeAddress(nodeID: server.key.nodeID, addresses: [relay.address])
        let connection = try await client.endpoint.connect(to: address, alpn: TestNode.alpn, timeout: .seconds(10))
        #expect(connection.peer == server.key.nodeID)
        await client.endpoint.close()
        await server.endpoint.close()
        try await relay.close()
    }

    @Test func aNATThatChangesThePortInMidTransferLosesNothing() async throws {
        let net = try await Relayed()
        let before = net.incoming.remoteAddress
        try await net.transfer(2_000_000) { try await net.relay.changePort() }
        #expect(net.incoming.remoteAddress != before)
        try await net.close()
    }

    @Test func garbageAndForeignDatagramsDisturbNothingAndCostNoMemory() async throws {
        let net = try await Relayed()
        let (id, _) = (net.outgoing.id, net.incoming.id)
        var generator = SystemRandomNumberGenerator()
        for size in [0, 1, 5, 21, 22, 40, 100, 1_200, 1_452] {
            for first: UInt8 in [0x00, 0x40, 0x54, 0x80, 0xc0, 0xe0, 0xff] {
                var bytes = (0..<size).map { _ in UInt8.random(in: 0...255, using: &generator) }
                if size > 0 { bytes[0] = first }
                net.relay.inject(bytes)
                // A long header of version 1 whose rest is noise.
                if size > 5, first & 0x80 != 0 { bytes.replaceSubrange(1..<5, with: [0, 0, 0, 1]) }
                if size > 5 { bytes[5] = 8 }
                net.relay.inject(bytes)
            }
        }
        try await net.transfer(100_000)
        #expect(net.outgoing.id == id)
        #expect(try await net.server.endpoint.connectionCount() == 1)
        try await net.close()
    }

    @Test func replayedPacketsDisturbNothing() async throws {
        let net = try await Relayed()
        try await net.transfer(50_000)
        for packet in net.relay.recorded { net.relay.inject(packet) }
        try await net.transfer(50_000)
        try await net.close()
    }

    @Test func aRestartedPeerIsNoticedAtOnceAndCanBeDialledAgain() async throws {
        let key = SecretKey()
        let server = try await TestNode(key: key)
        let client = try await TestNode(alpns: [])
        async let accepted = server.accept()
        let outgoing = try await client.dial(server)
        _ = try await accepted
        let port = server.endpoint.localAddresses[0].port!
        // Gone without a word, as with kill -9.
        try await server.endpoint.vanish()
        let second = try await TestNode(key: key, bind: ["127.0.0.1:\(port)"])
        let stream = try await outgoing.testStream()
        stream.channel.writeAndFlush(ByteBuffer(string: "anyone there?"), promise: nil)
        let reason = try await within(.seconds(2)) { await outgoing.closeReason }
        #expect(reason == .statelessReset)
        async let again = second.accept()
        let redialled = try await client.dial(second)
        #expect(redialled.peer == key.nodeID)
        _ = try await again
        await client.endpoint.close()
        await second.endpoint.close()
    }

    @Test func aClientThatChangesItsSocketsKeepsItsConnections() async throws {
        let pair = try await TestPair()
        let (near, far) = try await pair.stream()
        let before = pair.incoming.remoteAddress
        let bytes = ByteBuffer(repeating: 7, count: 1_000_000)
        near.channel.writeAndFlush(bytes, promise: nil)
        try await pair.client.endpoint.rebind()
        near.channel.writeAndFlush(bytes, promise: nil)
        near.channel.close(mode: .output, promise: nil)
        #expect(try await far.readToEnd().readableBytes == 2_000_000)
        try await far.write("heard you")
        #expect(try await near.read(9) == "heard you")
        #expect(pair.incoming.remoteAddress != before)
        #expect(pair.incoming.remoteAddress == pair.client.endpoint.localAddresses[0])
        await pair.close()
    }
}
