import Logging
import NIOCore
import Testing

@testable import Transport

/// What strangers may take of a node, and what stays for those who are there.
@Suite(.timeLimit(.minutes(1)))
struct AbuseTests {
    // MARK: Rules

    static func limits(connections: Int, handshakes: Int = 256, perNode: Int = 8) -> TransportLimits {
        var limits = TransportLimits()
        limits.maxConnections = connections
        limits.maxHandshakes = handshakes
        limits.maxConnectionsPerNode = perNode
        return limits
    }

    @Test func connectionsAreTakenUpToTheBoundAndAgainWhenOneHasLeft() {
        var admission = Admission(limits: Self.limits(connections: 3, perNode: 2), isKnown: nil)
        let (a, b) = (SecretKey().nodeID, SecretKey().nodeID)
        #expect(admission.admit(a) == nil)
        #expect(admission.admit(a) == nil)
        #expect(admission.admit(a) == "too many connections from this node")
        #expect(admission.judge(addressIsProven: false) == .handshake)
        #expect(admission.admit(b) == nil)
        #expect(admission.judge(addressIsProven: true) == .refuse(reason: "too many connections"))
        #expect(admission.admit(b) == "too many connections", "a handshake that began before the last one was taken")
        #expect(admission.refusals == 3)
        admission.left(a)
        #expect(admission.judge(addressIsProven: false) == .handshake)
        #expect(admission.admit(b) == nil)
        #expect(admission.connections == 3)
    }

    @Test func theLastEighthIsForKnownNodesWhoProveTheirAddressFirst() {
        let known = SecretKey().nodeID
        var admission = Admission(limits: Self.limits(connections: 8)) { $0 == known }
        for _ in 0..<7 { #expect(admission.admit(SecretKey().nodeID) == nil) }
        #expect(admission.judge(addressIsProven: false) == .retry)
        #expect(admission.judge(addressIsProven: true) == .handshake)
        #expect(admission.admit(SecretKey().nodeID) == "too many connections")
        #expect(admission.admit(known) == nil)
        #expect(admission.judge(addressIsProven: true) == .refuse(reason: "too many connections"))
        #expect(admission.admit(known) == "too many connections", "the bound is the bound")
    }

    @Test func handshakesAreBoundedWhetherAddressesAreProvenOrNot() {
        var admission = Admission(limits: Self.limits(connections: 100, handshakes: 2), isKnown: nil)
        for _ in 0..<2 {
            #expect(admission.judge(addressIsProven: false) == .handshake)
            admission.handshakeBegan()
        }
        for _ in 0..<2 {
            #expect(admission.judge(addressIsProven: false) == .retry)
            #expect(admission.judge(addressIsProven: true) == .handshake)
            admission.handshakeBegan()
        }
        #expect(admission.judge(addressIsProven: true) == .refuse(reason: "too many connections"))
        admission.handshakeEnded()
        #expect(admission.judge(addressIsProven: true) == .handshake)
    }

    @Test func handshakesBeginAtTheirRateInTheOrderInWhichTheyCameAndTheRestIsLost() {
        func packet(_ number: UInt8) -> Newcomers.Packet {
            let path = NetworkAddress(try! SocketAddress(hostAndPort: "127.0.0.1:1"))!
            return Newcomers.Packet(bytes: [number], path: DatagramPath(local: path, remote: path), ecn: 0)
        }
        var newcomers = Newcomers(perSecond: 10)
        #expect(newcomers.interval == 100_000_000)
        var now: UInt64 = 1_000_000_000
        // Two at once are a fifth of a second's share.
        let atOnce = [newcomers.mayBegin(now: now), newcomers.mayBegin(now: now), newcomers.mayBegin(now: now)]
        #expect(atOnce == [true, true, false])
        for number in 0..<20 {
            let isFirst = newcomers.wait(packet(UInt8(number)))
            #expect(isFirst == (number == 0))
        }
        let early = newcomers.next(now: now)
        #expect(early?.bytes == nil)
        for number in 0..<10 {
            now += newcomers.interval
            let passes = newcomers.mayBegin(now: now)
            #expect(!passes, "nobody passes those who wait")
            let next = newcomers.next(now: now)
            #expect(next?.bytes == [UInt8(number)])
        }
        #expect(newcomers.isEmpty, "ten waited, ten more were lost")
        let begins = newcomers.mayBegin(now: now + newcomers.interval)
        #expect(begins)
    }

    // MARK: Real nodes

    @Test func pastTheBoundNewcomersAreRefusedAndWhoIsConnectedStays() async throws {
        let server = try await TestNode(limits: Self.limits(connections: 2))
        let clients = [try await TestNode(alpns: []), try await TestNode(alpns: []), try await TestNode(alpns: [])]
        let first = try await clients[0].dial(server)
        let second = try await clients[1].dial(server)
        let (accepted, _) = (try await server.accept(), try await server.accept())
        let refusal = ConnectError.refused(.peerTransport(code: 2, reason: "too many connections"))
        await #expect(throws: refusal) { _ = try await clients[2].dial(server) }
        #expect(await server.endpoint.statistics().refusals == 1)
        #expect(await server.endpoint.statistics().connections == 2)
        #expect(await server.endpoint.statistics().handshakes == 0, "it cost no handshake")
        let near = try await first.testStream()
        try await near.write("still here")
        #expect(try await accepted.nextTestStream().read(10) == "still here")
        second.close()
        try await within(.seconds(5)) {
            while await server.endpoint.statistics().connections == 2 { try Task.checkCancellation() }
        }
        _ = try await clients[2].dial(server)
        for client in clients { await client.endpoint.close() }
        await server.endpoint.close()
    }

    @Test func strangersCannotKeepKnownNodesOut() async throws {
        let known = try await TestNode(alpns: [])
        let member = known.key.nodeID
        var configuration = EndpointConfiguration(
            secretKey: SecretKey(), alpns: [TestNode.alpn],
            bindAddresses: [try SocketAddress(hostAndPort: "127.0.0.1:0")], logger: Logger(label: "test"))
        configuration.limits = Self.limits(connections: 8)
        configuration.isKnown = { $0 == member }
        let server = try await Endpoint.bind(configuration)
        let address = NodeAddress(nodeID: server.nodeID, addresses: server.localAddresses)
        let crowd = try await TestNode(alpns: [])
        for _ in 0..<7 { _ = try await crowd.endpoint.connect(to: address, alpn: TestNode.alpn) }
        let stranger = try await TestNode(alpns: [])
        // Whoever is asked to prove its address has a connection before it learns that it is a stranger.
        let late = try? await stranger.endpoint.connect(to: address, alpn: TestNode.alpn)
        if let late {
            let refusal = ConnectionCloseReason.peerTransport(code: 2, reason: "too many connections")
            #expect(try await within(.seconds(5)) { await late.closeReason } == refusal)
        }
        #expect(await server.statistics().refusals == 1)
        let connection = try await known.endpoint.connect(to: address, alpn: TestNode.alpn)
        let near = try await connection.testStream()
        try await near.write("hello")
        #expect(!connection.isClosed)
        #expect(await server.statistics().connections == 8)
        for node in [crowd, stranger, known] { await node.endpoint.close() }
        await server.close()
    }

    @Test func newcomersPastTheRateWaitTheirTurnAndAllGetIn() async throws {
        var limits = TransportLimits()
        limits.maxHandshakesPerSecond = 10
        let server = try await TestNode(limits: limits)
        let client = try await TestNode(alpns: [])
        let started = ContinuousClock.now
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<6 { group.addTask { _ = try await client.dial(server) } }
            try await group.waitForAll()
        }
        // Two at once, then one in 100 ms.
        #expect(ContinuousClock.now - started > .milliseconds(390))
        #expect(await server.endpoint.statistics().refusals == 0)
        await client.endpoint.close()
        await server.endpoint.close()
    }

    @Test func aConnectionWithoutStreamsEndsWhereItsServerSaysSoAndOneWithStreamsDoesNot() async throws {
        let server = try await TestNode()
        let client = try await TestNode(alpns: [])
        let time = Duration.milliseconds(100)
        let busy = try await client.dial(server)
        let busyHere = try await server.accept()
        let near = try await busy.testStream()
        try await near.write("!")
        let far = try await busyHere.nextTestStream()
        busyHere.closeWhenUnused(for: time)
        for _ in 0..<2 {
            // Each of these is looked at after the busy one.
            let idle = try await client.dial(server)
            try await server.accept().closeWhenUnused(for: time)
            #expect(
                try await within(.seconds(10)) { await idle.closeReason } == .peer(code: 0, reason: "unused"))
            #expect(!busy.isClosed)
        }
        try await near.channel.close()
        try await far.channel.close()
        #expect(try await within(.seconds(10)) { await busy.closeReason } == .peer(code: 0, reason: "unused"))
        await client.endpoint.close()
        await server.endpoint.close()
    }
}
