import NIOCore
import Testing

@testable import Transport

@Suite(.timeLimit(.minutes(1)))
struct ConnectTests {
    @Test func bothSidesKnowEachOtherAndTheProtocol() async throws {
        let pair = try await TestPair()
        #expect(pair.outgoing.peer == pair.server.key.nodeID)
        #expect(pair.incoming.peer == pair.client.key.nodeID)
        #expect(pair.outgoing.alpn == TestNode.alpn)
        #expect(pair.incoming.alpn == TestNode.alpn)
        #expect(pair.outgoing.remoteAddress == pair.server.endpoint.localAddresses[0])
        #expect(pair.incoming.remoteAddress == pair.client.endpoint.localAddresses[0])
        await pair.close()
    }

    @Test func aStreamCarriesBytesBothWaysAndEndsEachWayByItself() async throws {
        let pair = try await TestPair()
        let (near, far) = try await pair.stream()
        try await near.write("question")
        try await near.finish()
        #expect(try await far.readText() == "question")
        try await far.write("answer")
        try await far.finish()
        #expect(try await near.readText() == "answer")
        try await within(.seconds(5)) { try await near.channel.closeFuture.get() }
        try await within(.seconds(5)) { try await far.channel.closeFuture.get() }
        await pair.close()
    }

    @Test func aNodeWithAnotherKeyIsRefusedByTheDialerAndBothKeysAreNamed() async throws {
        let server = try await TestNode()
        let client = try await TestNode(alpns: [])
        let wanted = SecretKey().nodeID
        let address = NodeAddress(nodeID: wanted, addresses: server.endpoint.localAddresses)
        let error = await #expect(throws: ConnectError.self) {
            try await client.endpoint.connect(to: address, alpn: TestNode.alpn, timeout: .seconds(5))
        }
        #expect(error == .wrongKey(expected: wanted, met: server.key.nodeID))
        #expect("\(error!)".contains(wanted.hex) && "\(error!)".contains(server.key.nodeID.hex))
        await client.endpoint.close()
        await server.endpoint.close()
    }
}

/// Finding the peer, and agreeing with it.
@Suite(.timeLimit(.minutes(1)))
struct DialTests {
    @Test func theFirstCommonProtocolIsSpoken() async throws {
        let server = try await TestNode(alpns: ["a/1", "b/1", "c/1"])
        let client = try await TestNode(alpns: [])
        for alpn in ["b/1", "c/1", "a/1"] {
            let outgoing = try await client.dial(server, alpn: alpn)
            let incoming = try await server.accept()
            #expect(outgoing.alpn == alpn && incoming.alpn == alpn)
        }
        await #expect(throws: ConnectError.protocolRefused) { _ = try await client.dial(server, alpn: "d/1") }
        await client.endpoint.close()
        await server.endpoint.close()
    }

    @Test func oneEndpointDialsAndAcceptsAtOnce() async throws {
        let a = try await TestNode()
        let b = try await TestNode()
        async let atB = b.accept()
        async let atA = a.accept()
        let fromA = try await a.dial(b)
        let fromB = try await b.dial(a)
        #expect(fromA.peer == b.key.nodeID && fromB.peer == a.key.nodeID)
        #expect(try await atA.peer == b.key.nodeID)
        #expect(try await atB.peer == a.key.nodeID)
        await a.endpoint.close()
        await b.endpoint.close()
    }

    @Test func deadAddressesCostOnlyTheirHeadStart() async throws {
        let server = try await TestNode()
        let client = try await TestNode(alpns: [])
        let silent = try await UDPRelay(to: SocketAddress(ipAddress: "127.0.0.1", port: 9))
        silent.setFate { _, _ in .drop }
        let addresses = [silent.address] + server.endpoint.localAddresses
        let start = ContinuousClock.now
        let connection = try await client.endpoint.connect(
            to: NodeAddress(nodeID: server.key.nodeID, addresses: addresses), alpn: TestNode.alpn)
        #expect(connection.peer == server.key.nodeID)
        #expect(ContinuousClock.now - start < .seconds(3))
        await client.endpoint.close()
        await server.endpoint.close()
        try await silent.close()
    }

    @Test func nobodyAnsweringIsATimeout() async throws {
        let client = try await TestNode(alpns: [])
        let silent = try await UDPRelay(to: SocketAddress(ipAddress: "127.0.0.1", port: 9))
        silent.setFate { _, _ in .drop }
        let address = NodeAddress(nodeID: SecretKey().nodeID, addresses: [silent.address])
        await #expect(throws: ConnectError.timeout) {
            _ = try await client.endpoint.connect(to: address, alpn: TestNode.alpn, timeout: .milliseconds(300))
        }
        let nowhere = NodeAddress(nodeID: SecretKey().nodeID)
        await #expect(throws: ConnectError.noAddress(nowhere)) {
            _ = try await client.endpoint.connect(to: nowhere, alpn: TestNode.alpn)
        }
        await client.endpoint.close()
        try await silent.close()
    }

    @Test func aDialCanBeCancelled() async throws {
        let client = try await TestNode(alpns: [])
        let silent = try await UDPRelay(to: SocketAddress(ipAddress: "127.0.0.1", port: 9))
        silent.setFate { _, _ in .drop }
        let address = NodeAddress(nodeID: SecretKey().nodeID, addresses: [silent.address])
        let dial = Task { _ = try await client.endpoint.connect(to: address, alpn: TestNode.alpn) }
        dial.cancel()
        await #expect(throws: CancellationError.self) { try await dial.value }
        #expect(try await client.endpoint.connectionCount() == 0)
        await client.endpoint.close()
        try await silent.close()
    }

    @Test func manyHandshakesInFlightMakeNewcomersProveTheirAddress() async throws {
        var limits = TransportLimits()
        limits.maxHandshakes = 1
        let server = try await TestNode(limits: limits)
        let client = try await TestNode(alpns: [])
        // One handshake that never ends: its client never hears an answer.
        let deaf = try await UDPRelay(to: server.endpoint.localAddresses[0])
        deaf.setFate { direction, _ in direction == .toClient ? .drop : .pass }
        let stuck = Task {
            let address = NodeAddress(nodeID: server.key.nodeID, addresses: [deaf.address])
            _ = try await client.endpoint.connect(to: address, alpn: TestNode.alpn, timeout: .seconds(8))
        }
        while try await server.endpoint.connectionCount() == 0 { await Task.yield() }
        let relay = try await UDPRelay(to: server.endpoint.localAddresses[0])
        let address = NodeAddress(nodeID: server.key.nodeID, addresses: [relay.address])
        let connection = try await client.endpoint.connect(to: address, alpn: TestNode.alpn, timeout: .seconds(5))
        #expect(connection.peer == server.key.nodeID)
        // Long header, version 1, type Retry (RFC 9000 §17.2.5).
        #expect(relay.recorded.contains { $0.count > 5 && $0[0] & 0xf0 == 0xf0 && Array($0[1..<5]) == [0, 0, 0, 1] })
        stuck.cancel()
        _ = try? await stuck.value
        await client.endpoint.close()
        await server.endpoint.close()
        try await deaf.close()
        try await relay.close()
    }

    @Test func aSecondDialResumesTheSessionAndStillChecksTheKey() async throws {
        let server = try await TestNode()
        let client = try await TestNode(alpns: [])
        let first = try await client.dial(server)
        _ = try await server.accept()
        #expect(await !first.statistics().isResumed)
        try await client.endpoint.waitForTicket(of: server.key.nodeID, alpn: TestNode.alpn)
        let second = try await client.dial(server)
        let accepted = try await server.accept()
        #expect(await second.statistics().isResumed)
        #expect(second.peer == server.key.nodeID)
        #expect(accepted.peer == client.key.nodeID)
        // The session of one node does not open another: an impostor that takes the ticket is met with both keys.
        try await client.endpoint.waitForTicket(of: server.key.nodeID, alpn: TestNode.alpn)
        let other = SecretKey().nodeID
        try await client.endpoint.moveTicket(from: server.key.nodeID, to: other, alpn: TestNode.alpn)
        let wrong = NodeAddress(nodeID: other, addresses: server.endpoint.localAddresses)
        await #expect(throws: ConnectError.wrongKey(expected: other, met: server.key.nodeID)) {
            _ = try await client.endpoint.connect(to: wrong, alpn: TestNode.alpn, timeout: .seconds(5))
        }
        await client.endpoint.close()
        await server.endpoint.close()
    }

    @Test func aWildcardSocketAnswersFromTheAddressThatWasAsked() async throws {
        let server = try await TestNode(bind: ["0.0.0.0:0", "[::]:0"])
        let client = try await TestNode(alpns: [], bind: ["0.0.0.0:0", "[::]:0"])
        let port4 = server.endpoint.localAddresses[0].port!
        let port6 = server.endpoint.localAddresses[1].port!
        // 127.0.0.2 is not the address that the kernel would choose by itself.
        for text in ["127.0.0.2:\(port4)", "[::1]:\(port6)", "127.0.0.1:\(port4)"] {
            let address = NodeAddress(nodeID: server.key.nodeID, addresses: [try SocketAddress(hostAndPort: text)])
            let outgoing = try await client.endpoint.connect(to: address, alpn: TestNode.alpn, timeout: .seconds(5))
            let incoming = try await server.accept()
            let near = try await outgoing.testStream()
            try await near.write("hi")
            let far = try await incoming.nextTestStream()
            #expect(try await far.read(2) == "hi")
            #expect(await incoming.statistics().path.hasPrefix(text))
        }
        #expect(server.endpoint.advertisedAddresses().contains { $0.ipAddress == "127.0.0.1" && $0.port == port4 })
        await client.endpoint.close()
        await server.endpoint.close()
    }
}
