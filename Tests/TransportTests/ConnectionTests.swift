import NIOCore
import Testing

@testable import Transport

@Suite(.timeLimit(.minutes(1)))
struct ConnectionTests {
    @Test func bothSidesLearnWhyTheConnectionWasClosed() async throws {
        let pair = try await TestPair()
        pair.incoming.close(code: 4_003, reason: "revoked")
        pair.incoming.close(code: 1, reason: "the first call counts")
        #expect(
            try await within(.seconds(5)) { await pair.incoming.closeReason } == .local(code: 4_003, reason: "revoked"))
        #expect(
            try await within(.seconds(5)) { await pair.outgoing.closeReason } == .peer(code: 4_003, reason: "revoked"))
        await pair.close()
    }

    @Test func closingAnEndpointClosesItsConnections() async throws {
        let pair = try await TestPair()
        await pair.server.endpoint.close(code: 9, reason: "bye")
        #expect(try await within(.seconds(5)) { await pair.outgoing.closeReason } == .peer(code: 9, reason: "bye"))
        #expect(await pair.incoming.closeReason == .endpointClosed)
        await #expect(throws: ConnectError.endpointClosed) { _ = try await pair.server.dial(pair.client) }
        await pair.close()
    }

    @Test func aSilentPeerIsGivenUpAfterTheIdleTimeout() async throws {
        var limits = TransportLimits()
        limits.idleTimeout = .milliseconds(400)
        limits.keepAlive = .seconds(10)
        // Never less than three probe timeouts (RFC 9000 §10.1), which grow on a busy machine.
        let pair = try await TestPair(limits: limits)
        #expect(try await within(.seconds(30)) { await pair.outgoing.closeReason } == .idleTimeout)
        #expect(try await within(.seconds(30)) { await pair.incoming.closeReason } == .idleTimeout)
        await pair.close()
    }

    @Test func keepAliveHoldsASilentConnection() async throws {
        var limits = TransportLimits()
        limits.idleTimeout = .milliseconds(600)
        limits.keepAlive = .milliseconds(150)
        let pair = try await TestPair(limits: limits)
        let reason = try? await within(.seconds(2)) { await pair.outgoing.closeReason }
        #expect(reason == nil)
        let (near, far) = try await pair.stream()
        try await near.write("alive")
        #expect(try await far.read(5) == "alive")
        await pair.close()
    }

    @Test func datagramsArriveWhole() async throws {
        let pair = try await TestPair()
        let sent = ByteBuffer(repeating: 3, count: DatagramError.sizeLimit)
        try pair.outgoing.sendDatagram(sent)
        let received = try await within(.seconds(5)) {
            for await data in pair.incoming.datagrams { return data }; throw TestFailure("closed")
        }
        #expect(received == sent)
        try pair.incoming.sendDatagram(ByteBuffer(string: "back"))
        let back = try await within(.seconds(5)) {
            for await data in pair.outgoing.datagrams { return data }; throw TestFailure("closed")
        }
        #expect(back == ByteBuffer(string: "back"))
        #expect(throws: DatagramError.tooLarge(limit: DatagramError.sizeLimit)) {
            try pair.outgoing.sendDatagram(ByteBuffer(repeating: 3, count: DatagramError.sizeLimit + 1))
        }
        await pair.close()
    }

    @Test func statisticsTellOfPathAndTraffic() async throws {
        let pair = try await TestPair()
        let (near, far) = try await pair.stream()
        near.channel.writeAndFlush(ByteBuffer(repeating: 1, count: 200_000), promise: nil)
        _ = try await far.inbox.read(200_000)
        let statistics = await pair.outgoing.statistics()
        #expect(statistics.sentBytes > 200_000)
        #expect(statistics.sentPackets > 130)
        #expect(statistics.receivedPackets > 2)
        #expect(statistics.lossPeriods == 0)
        #expect(statistics.unansweredProbes == 0)
        #expect(statistics.smoothedRTT > .zero && statistics.smoothedRTT < .seconds(1))
        #expect(statistics.openStreams == 1)
        let server = pair.server.endpoint.localAddresses[0]
        #expect(statistics.path.hasSuffix("→ \(server.hostAndPort)"))
        pair.outgoing.close()
        _ = await pair.outgoing.closeReason
        #expect(await pair.outgoing.statistics().sentBytes >= statistics.sentBytes)
        await pair.close()
    }

    @Test func worksOverIPv6() async throws {
        let pair = try await TestPair(bind: "[::1]:0")
        let (near, far) = try await pair.stream()
        try await near.write("six")
        #expect(try await far.read(3) == "six")
        #expect(pair.incoming.remoteAddress.ipAddress == "::1")
        await pair.close()
    }

    @Test func aConnectionFromOneNodeTooManyIsRefused() async throws {
        var limits = TransportLimits()
        limits.maxConnectionsPerNode = 2
        let server = try await TestNode(limits: limits)
        let client = try await TestNode(alpns: [])
        let first = try await client.dial(server)
        _ = try await client.dial(server)
        _ = try await server.accept()
        _ = try await server.accept()
        let third = try await client.dial(server)
        let reason = try await within(.seconds(5)) { await third.closeReason }
        #expect(reason == .peerTransport(code: 2, reason: "too many connections from this node"))
        // One that ends makes room.
        first.close()
        let other = try await TestNode(alpns: [])
        _ = try await other.dial(server)
        _ = try await server.accept()
        let fourth = try await client.dial(server)
        let accepted = try await server.accept()
        #expect(accepted.peer == fourth.peer || accepted.peer == client.key.nodeID)
        for node in [server, client, other] { await node.endpoint.close() }
    }
}
