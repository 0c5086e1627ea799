import Logging
import NIOCore
import NIOEmbedded
import Testing

@testable import Certs
@testable import Gateway
@testable import Store
@testable import Transport
@testable import Wire

// Every limit in time that the gateway keeps, one second before it, at it and after it.

@Suite struct ClockLimitTests {
    /// A limit of a certificate: where it lies from issue, and what a request is answered before, at and after it.
    struct Limit: Sendable, CustomTestStringConvertible {
        let name: String
        let seconds: Double
        let answers: [String]
        var testDescription: String { name }
    }

    static let limits = [
        Limit(
            name: "certificate expiry", seconds: DeviceCertificate.lifetime,
            answers: ["200", "cert rejected: expired", "cert rejected: expired"]),
        Limit(
            name: "issue time with its leeway", seconds: -DeviceCertificate.clockSkew,
            answers: ["cert rejected: invalid", "200", "200"]),
        Limit(name: "renewal due", seconds: DeviceCertificate.lifetime / 2, answers: ["200", "200", "200"]),
    ]

    private static func answer(_ response: TestResponse?) -> String {
        switch response?.status {
        case 200: "200"
        case 401: response?.body ?? ""
        case let other: "\(other ?? 0)"
        }
    }

    /// P-03, for streams that were opened long before and for fresh ones.
    @Test(arguments: limits) func certificatesAreJudgedByTheClockAtEachRequest(_ limit: Limit) async throws {
        let gateway = try QUICGateway()
        let certificate = gateway.certificate()
        try await gateway.run { connection in
            let old = try await connection.stream(certificate.wire)
            #expect(try await old.get("/api/agent-info")?.status == 200)
            for (offset, expected) in zip([-1.0, 0, 1], limit.answers) {
                gateway.clock.set(certificate.issuedAt + limit.seconds + offset)
                let onOld = Self.answer(try await old.get("/api/agent-info"))
                #expect(onOld == expected, "\(limit.name) \(offset) s, a stream from before")
                let onNew = Self.answer(try await connection.answer(to: certificate.wire))
                #expect(onNew == expected, "\(limit.name) \(offset) s, a new stream")
            }
        }
    }

    /// P-03: a socket that was opened before the expiry and used after it.
    @Test func aSocketIsNotServedPastTheExpiryOfItsCertificate() async throws {
        let gateway = try QUICGateway()
        let certificate = gateway.certificate()
        try await gateway.run { connection in
            let stream = try await connection.stream(certificate.wire)
            try await stream.send(TestWebSocket.upgradeRequest)
            #expect(try await stream.response()?.status == 101)
            let socket = TestWebSocket(stream)
            guard case .authOK = try await socket.message().body else { throw Timeout(what: "auth_ok") }
            gateway.clock.set(certificate.expiresAt - 1)
            try await socket.send(.ping)
            #expect(try await socket.message().body == .pong)
            gateway.clock.set(certificate.expiresAt)
            try await socket.send(.ping)
            #expect(
                try await socket.next() == .close(code: 4001, reason: "certificate expired: come back with a newer one")
            )
            #expect(gateway.agent.runs.isEmpty)
        }
    }

    /// Whoever waits for the end of a certificate waits for any time that one can name, from a second to the year 9999;
    /// what is beyond is no certificate.
    @Test(arguments: [(1e6, true), (1e10, true), (2.5e11, true), (2.6e11, false), (1e20, false), (1e300, false)])
    func aSocketWaitsForAnyEndThatACertificateMayHave(lifetime: Double, isServed: Bool) async throws {
        let gateway = try QUICGateway()
        let certificate = DeviceCertificate.issue(
            handle: gateway.device.handle, deviceKey: gateway.device.nodeID, networkID: QUICGateway.networkID,
            issuedAt: gateway.clock.now, lifetime: lifetime, signedBy: gateway.coordinator)
        try await gateway.run { connection in
            let stream = try await connection.stream(certificate.wire)
            try await stream.send(TestWebSocket.upgradeRequest)
            #expect(try await stream.response()?.status == (isServed ? 101 : 401))
            guard isServed else { return }
            let socket = TestWebSocket(stream)
            guard case .authOK = try await socket.message().body else { throw Timeout(what: "auth_ok") }
            try await socket.send(.ping)
            #expect(try await socket.message().body == .pong)
            // Answered a second time: the wait for the end has not come back at once.
            try await socket.say("hello")
            try await gateway.agent.nextRun().answer("done")
            #expect(try await socket.messages { $0.isTurnEnd }.compactMap(\.responseText) == ["done"])
        }
    }

    /// A message id is known for seven days; later the same id is a new message.
    @Test func messageIDMemory() async throws {
        let gateway = try QUICGateway()
        let start = gateway.clock.now
        let certificate = gateway.certificate()
        let memory = GatewayLimits().messageMemory.seconds
        #expect(memory == 7 * 86_400)
        try await gateway.run { connection in
            let stream = try await connection.stream(certificate.wire)
            try await stream.send(TestWebSocket.upgradeRequest)
            #expect(try await stream.response()?.status == 101)
            let socket = TestWebSocket(stream)
            _ = try await socket.message()
            for (offset, runs) in [(-memory, 1), (-1, 1), (0, 1), (1, 2)] {
                gateway.clock.set(start + memory + offset)
                try await socket.say("hello", id: "m")
                if gateway.agent.runs.count < runs { try await gateway.agent.nextRun().answer("run \(runs)") }
                let end = try await socket.messages { $0.isTurnEnd }
                #expect(end.compactMap(\.responseText) == ["run \(runs)"], "\(offset) s")
                #expect(gateway.agent.runs.count == runs, "\(offset) s")
            }
        }
    }

    /// The clock of an event loop that the test moves.
    @Test func preambleDeadline() throws {
        for (seconds, isDropped) in [(4, false), (5, true), (6, true)] {
            var dropped: [PreambleError] = []
            let loop = EmbeddedEventLoop()
            let handler = PreambleHandler(
                limits: GatewayLimits(), ready: { _ in },
                dropped: { error in dropped += [error as? PreambleError].compactMap { $0 } })
            let channel = EmbeddedChannel(handler: handler, loop: loop)
            try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
            try channel.writeInbound(ByteBuffer(bytes: [0, 0, 0, 10, 1]))
            loop.advanceTime(by: .seconds(Int64(seconds)))
            #expect(dropped == (isDropped ? [.tooSlow] : []), "\(seconds) s")
            #expect(channel.isActive == !isDropped)
            _ = try? channel.finish(acceptAlreadyClosed: true)
        }
    }

    /// The last byte one second before the deadline is in time, and the deadline is then forgotten.
    @Test func aPreambleThatIsCompleteInTimeHasNoDeadline() throws {
        var certificates: [[UInt8]] = []
        var dropped = 0
        let loop = EmbeddedEventLoop()
        let handler = PreambleHandler(
            limits: GatewayLimits(), ready: { certificates.append($0) }, dropped: { _ in dropped += 1 })
        let channel = EmbeddedChannel(handler: handler, loop: loop)
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        try channel.writeInbound(ByteBuffer(bytes: [0, 0, 0, 2, 1]))
        loop.advanceTime(by: .seconds(4))
        try channel.writeInbound(ByteBuffer(bytes: [2]))
        loop.advanceTime(by: .seconds(60))
        #expect(certificates == [[1, 2]] && dropped == 0 && channel.isActive)
        _ = try channel.finish()
    }

    /// A stream that shows its certificate and then asks nothing.
    @Test func idleTimeBeforeTheFirstRequest() throws {
        for (seconds, isOpen) in [(119, true), (120, false), (121, false)] {
            let loop = EmbeddedEventLoop()
            let channel = EmbeddedChannel(loop: loop)
            let pipeline = StreamPipeline(limits: GatewayLimits(), logger: Logger(label: "test")) { _, _ in false }
            let peer = PeerConnection(id: 1, node: SecretKey().nodeID, remote: { "" }, close: { _, _ in })
            _ = try pipeline.configure(channel, peer: peer)
            try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
            try channel.writeInbound(ByteBuffer(bytes: [0, 0, 0, 0]))
            loop.advanceTime(by: .seconds(Int64(seconds)))
            #expect(channel.isActive == isOpen, "\(seconds) s")
            _ = try? channel.finish(acceptAlreadyClosed: true)
        }
        #expect(GatewayLimits().idleTime == .seconds(120))
    }
}
