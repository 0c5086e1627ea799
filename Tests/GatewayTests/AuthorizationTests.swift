import HTTPTypes
import Hummingbird
import Synchronization
import Testing

@testable import Gateway
@testable import Transport
@testable import Wire

@Suite struct AuthorizationTests {
    /// What a stream may present that must not be enough.
    enum Presented: CaseIterable {
        case nothing, garbage, anotherDevices, expired, fromTheFuture, otherNetwork, otherCoordinator, flippedBit
        case revoked, suspended, unknown
    }

    @Test(arguments: Presented.allCases)
    func everyRouteButHealthNeedsAValidCertificate(_ presented: Presented) async throws {  // P-01, P-06
        let touched = Mutex<[String]>([])
        // Every declared route, its handler replaced by a spy; and an admin's route beside them.
        let declared =
            try TestGateway().routes() + [
                .admin(.post, "/api/spy", .spy) { _, _, _ in Response(status: .ok) }
            ]
        let spies = declared.map { route -> Route in
            switch route.access {
            case .open: route
            case .requires(let role, _):
                Route(
                    method: route.method, path: "/spy" + route.path, operation: route.operation,
                    access: .requires(role) { _, _, _ in
                        touched.withLock { $0.append(route.path) }
                        return Response(status: .ok)
                    })
            }
        }
        let gateway = try TestGateway(routes: spies.filter { !$0.isOpen })
        try await gateway.run { running in
            let (node, certificate) = Self.credential(presented, in: gateway)
            let connection = try await running.connection(of: node)
            var asked = (declared + spies).map { ($0.method.rawValue, $0.path, $0.isOpen) }
            asked += [("GET", "/ws", false), ("GET", "/api/nothing", false), ("OPTIONS", "/api/agent-info", false)]
            asked += [("GET", "//api/health", false), ("GET", "/api/health/", false), ("POST", "/api/health", false)]
            for (method, path, isOpen) in asked {
                let stream = try await connection.stream()
                try await stream.sendPreamble(certificate)
                try await stream.send("\(method) \(path) HTTP/1.1\r\nHost: agent\r\n\r\n")
                let response = try #require(try await stream.response(), "\(method) \(path)")
                #expect(response.status == (isOpen ? 200 : 401), "\(method) \(path)")
                #expect(!response.headers.keys.contains { $0.hasPrefix("access-control") })
                if !isOpen {
                    #expect(Self.refusals.contains(response.body), "\(response.body)")
                }
                await stream.close()
            }
            // The same for the upgrade.
            let stream = try await connection.stream()
            try await stream.sendPreamble(certificate)
            try await stream.send(TestWebSocket.upgradeRequest)
            #expect(try await stream.response()?.status == 401)
            #expect(touched.withLock { $0 }.isEmpty)
        }
    }

    private static let refusals: Set<String> = [
        "missing device cert", "cert rejected: expired", "cert rejected: invalid", "device revoked",
        "device inactive or removed",
    ]

    private static func credential(_ presented: Presented, in gateway: TestGateway) -> (NodeID, [UInt8]) {
        let device = gateway.device()
        let valid = gateway.certificate(for: device)
        switch presented {
        case .nothing: return (device.nodeID, [])
        case .garbage: return (device.nodeID, Array(repeating: 0x41, count: 200))
        case .anotherDevices: return (gateway.device("eve").nodeID, valid)
        case .expired: return (device.nodeID, gateway.certificate(for: device, lifetime: -1))
        case .fromTheFuture:
            gateway.clock.advance(by: 3000)
            defer { gateway.clock.advance(by: -3000) }
            return (device.nodeID, gateway.certificate(for: device))
        case .otherNetwork: return (device.nodeID, gateway.certificate(for: device, networkID: "other"))
        case .otherCoordinator:
            let other = try? TestGateway()
            return (device.nodeID, other?.certificate(for: device) ?? [])
        case .flippedBit: return (device.nodeID, valid.enumerated().map { $0 == 40 ? $1 ^ 1 : $1 })
        case .revoked: gateway.membership.set(.revoked, for: device.nodeID)
        case .suspended: gateway.membership.set(.suspended, for: device.nodeID)
        case .unknown:
            let stranger = TestDevice(handle: "who")
            return (stranger.nodeID, gateway.certificate(for: stranger))
        }
        return (device.nodeID, valid)
    }

    @Test func aCertificateIsCheckedAnewForEachRequestOfAStream() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let device = gateway.device()
            let stream = try await running.stream(device)
            #expect(try await stream.get("/api/agent-info")?.status == 200)
            gateway.membership.set(.suspended, for: device.nodeID)
            #expect(try await stream.get("/api/agent-info")?.status == 401)
            gateway.membership.set(.active(role: .member), for: device.nodeID)
            #expect(try await stream.get("/api/agent-info")?.status == 200)
            gateway.clock.advance(by: 3601)
            #expect(try await stream.get("/api/agent-info")?.body == "cert rejected: expired")
        }
    }

    @Test func onlyAdminsReachAdminRoutes() async throws {
        let gateway = try TestGateway(routes: [.admin(.get, "/api/admin", .spy) { _, _, _ in Response(status: .ok) }])
        try await gateway.run { running in
            let member = try await running.stream(gateway.device("ana"))
            let refused = try #require(try await member.get("/api/admin"))
            #expect(refused.status == 403)
            #expect(((refused.json["error"] as? [String: Any])?["code"] as? String) == "forbidden")
            let admin = try await running.stream(gateway.device("root", standing: .active(role: .admin)))
            #expect(try await admin.get("/api/admin")?.status == 200)
        }
    }

    @Test func forwardedHeadersNeverReplaceThePeerThatTheTransportProved() async throws {  // P-15
        let gateway = try TestGateway()
        try await gateway.run { running in
            let device = gateway.device()
            let connection = try await running.connection(of: device.nodeID)
            let stream = try await connection.stream()
            try await stream.sendPreamble(gateway.certificate(for: device))
            let spoofed = "X-Forwarded-For: 203.0.113.7\r\nForwarded: for=203.0.113.7\r\nX-Real-IP: 203.0.113.7\r\n"
            #expect(try await stream.get("/api/agent-info", headers: spoofed)?.status == 200)
            let line = try #require(gateway.log.all.first { $0.hasPrefix("gateway::request ") })
            #expect(line.contains("remote=127.0.0.1:\(connection.port)"))
            #expect(line.contains("peer=\(device.nodeID.short)"))
            #expect(!gateway.log.all.contains { $0.contains("203.0.113.7") })
        }
    }

    @Test func anAuthFrameCannotChangeWhoTheClientIs() async throws {  // P-08
        let gateway = try TestGateway()
        try await gateway.run { running in
            let (ana, eve) = (gateway.device("ana"), gateway.device("eve"))
            let socket = try await running.webSocket(eve)
            try await socket.send(text: #"{"type":"auth","client_id":"\#(ana.nodeID.hex)","token":"x","handle":"ana"}"#)
            try await socket.send(
                text: #"{"type":"text_final","session_id":"s","text":"who am I","client_id":"\#(ana.nodeID.hex)"}"#)
            let run = try await gateway.agent.nextRun()
            #expect(run.request.handle == "eve")
            let turn = try #require(try gateway.sessions.unfinishedTurns().first)
            #expect(turn.lane == eve.nodeID.hex)
            #expect(turn.handle == "eve")
            run.answer("eve")
            _ = try await socket.messages { $0.isTurnEnd }
        }
    }

    @Test func aRevokedDeviceLosesItsSocketAndItsConnectionDuringATurn() async throws {  // P-07
        let gateway = try TestGateway()
        try await gateway.run { running in
            let (ana, bob) = (gateway.device("ana"), gateway.device("bob"))
            let connection = try await running.connection(of: ana.nodeID)
            let socket = try await running.webSocket(ana, on: connection)
            let other = try await running.webSocket(bob)
            try await socket.say("hello")
            let run = try await gateway.agent.nextRun()
            run.delta("one")
            #expect(try await socket.message().body == .delta("one"))
            let start = ContinuousClock.now
            gateway.membership.revoke(ana.nodeID)
            #expect(try await socket.next() == .close(code: 4003, reason: "device authorization changed"))
            #expect(try await connection.closed.code() == 4003)
            // 100 ms is promised; a loaded machine gets some more.
            #expect(ContinuousClock.now - start < .seconds(2))
            // The other device goes on.
            try await other.send(.ping)
            #expect(try await other.message().body == .pong)
            run.answer("two")
            let again = try await running.connection(of: ana.nodeID).stream()
            try await again.sendPreamble(gateway.certificate(for: ana))
            #expect(try await again.get("/api/agent-info")?.body == "device revoked")
        }
    }

    @Test func aSocketEndsWithItsCertificate() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let device = gateway.device()
            var hasEnded = false
            // On a busy machine a short certificate may end before the socket is there: then a longer one.
            for lifetime in [1.0, 4, 16] where !hasEnded {
                let stream = try await running.connection(of: device.nodeID).stream()
                try await stream.sendPreamble(gateway.certificate(for: device, lifetime: lifetime))
                try await stream.send(TestWebSocket.upgradeRequest)
                guard try await stream.response()?.status == 101 else { continue }
                let socket = TestWebSocket(stream)
                guard case .message(let greeting) = try await socket.next(), case .authOK = greeting.body else {
                    continue
                }
                #expect(
                    try await socket.next()
                        == .close(code: 4001, reason: "certificate expired: come back with a newer one"))
                hasEnded = true
            }
            #expect(hasEnded)
        }
    }
}
