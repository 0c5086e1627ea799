import Foundation
import Logging
import NIOCore
import Testing

@testable import Certs
@testable import Gateway
@testable import Store
@testable import Transport
@testable import Wire

// The gateway where it belongs: behind real QUIC endpoints on 127.0.0.1, with the coordinator's own roster.

@Suite struct OverlayTests {
    /// A coordinating agent and its network, with one user and one device.
    private struct Network: Sendable {
        let identity = SecretKey()
        let device = SecretKey()
        let coordinator: Coordinator
        let agent = ScriptedAgent()
        let server: GatewayServer
        let certificate: [UInt8]

        init() async throws {
            let path = FileManager.default.temporaryDirectory.path + "/overlay-\(UUID().uuidString).db"
            let database = try Store.Database(path: path)
            let repository = NetworkRepository(database)
            let now: @Sendable () -> Double = { Date().timeIntervalSince1970 }
            let network = try Coordinator.createNetworkIfMissing(
                repository: repository, identity: identity, name: "home", now: now())
            try await repository.write { [device] transaction in
                try transaction.insertUser(UserRecord(handle: "ana", pakeRecord: [], role: .member, createdAt: now()))
                try transaction.insertDevice(DeviceRecord(key: device.nodeID.bytes, handle: "ana", addedAt: now()))
            }
            let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            coordinator = try Coordinator(repository: repository, identity: identity, now: now, logger: logger)
            certificate =
                DeviceCertificate.issue(
                    handle: "ana", deviceKey: device.nodeID, networkID: network.networkID, issuedAt: now(),
                    signedBy: identity
                ).wire
            server = try GatewayServer(
                configuration: GatewayConfiguration(
                    agent: AgentDescription(
                        name: "Ada", directory: "/a", nodeID: identity.nodeID, networkID: network.networkID,
                        networkName: network.name, version: "0"),
                    coordinator: identity.nodeID, now: now),
                membership: coordinator.roster, agent: agent, sessions: SessionRepository(database), logger: logger)
        }
    }
    private static func endpoint(_ key: SecretKey, alpns: [String] = []) async throws -> Endpoint {
        try await Endpoint.bind(
            EndpointConfiguration(
                secretKey: key, alpns: alpns, bindAddresses: [SocketAddress(ipAddress: "127.0.0.1", port: 0)],
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }))
    }

    /// Serves the network's agent while `body` runs with an endpoint of the device.
    private static func run(
        _ network: Network, _ body: @escaping @Sendable (Endpoint, NodeAddress) async throws -> Void
    ) async throws {
        let endpoint = try await endpoint(network.identity, alpns: [ALPN.gateway])
        let client = try await Self.endpoint(network.device)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await network.server.run() }
            group.addTask {
                await withDiscardingTaskGroup { group in
                    for await connection in endpoint.connections {
                        group.addTask { await network.server.serve(connection) }
                    }
                }
            }
            let address = NodeAddress(nodeID: endpoint.nodeID, addresses: endpoint.localAddresses)
            let result: Result<Void, any Error>
            do { result = .success(try await body(client, address)) } catch { result = .failure(error) }
            await network.server.shutdown(grace: .zero)
            await client.close()
            await endpoint.close()
            try await group.waitForAll()
            try result.get()
        }
    }

    private static func stream(_ connection: Connection, _ certificate: [UInt8]) async throws -> TestStream {
        let stream = try await TestStream.open { initializer in try await connection.openStream(initializer) }
        try await stream.sendPreamble(certificate)
        return stream
    }

    private static func webSocket(_ connection: Connection, _ certificate: [UInt8]) async throws -> TestWebSocket {
        let stream = try await stream(connection, certificate)
        try await stream.send(TestWebSocket.upgradeRequest)
        #expect(try await stream.response()?.status == 101)
        let socket = TestWebSocket(stream)
        _ = try await socket.message()
        return socket
    }

    @Test func whoeverHoldsTheAgentsKeyIsTheOperatorWithoutACertificate() async throws {
        let network = try await Network()
        try await Self.run(network) { client, address in
            let own = try await Self.endpoint(network.identity)
            let connection = try await own.connect(to: address, alpn: ALPN.gateway)
            let me: WhoAmI = try await Self.stream(connection, []).ask("GET", "/api/whoami").decode()
            #expect(me.isOperator && me.device == network.identity.nodeID.hex)
            // The key says it, and nothing else: another's certificate on it is worth nothing, nor is another's key.
            let borrowed = try await Self.stream(connection, network.certificate)
            #expect(try await borrowed.ask("GET", "/api/whoami").body == "cert rejected: invalid")
            let stranger = try await Self.stream(try await client.connect(to: address, alpn: ALPN.gateway), [])
            #expect(try await stranger.ask("GET", "/api/whoami").body == "missing device cert")
            await own.close()
        }
    }

    @Test func requestsAndTurnsRunOverQUIC() async throws {
        let network = try await Network()
        try await Self.run(network) { client, address in
            let connection = try await client.connect(to: address, alpn: ALPN.gateway)
            let health = try await Self.stream(connection, [])
            #expect(try await health.get("/api/health")?.status == 200)
            #expect(try await health.get("/api/agent-info")?.body == "missing device cert")
            let stream = try await Self.stream(connection, network.certificate)
            #expect(try await stream.get("/api/agent-info")?.json["network"] as? String == "home")
            try await stream.send("GET /api/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            #expect(try await stream.response()?.status == 200)
            #expect(try await stream.endsSilently())
            let socket = try await Self.webSocket(connection, network.certificate)
            try await socket.say("hello", id: "m")
            let run = try await network.agent.nextRun()
            for index in 0..<100 { run.delta("\(index) ") }
            run.answer("done")
            let messages = try await socket.messages { $0.isTurnEnd }
            #expect(messages.compactMap(\.sequence) == Array(1...103))
        }
    }

    @Test func aCertificateIsNothingOnAnotherDevicesConnection() async throws {  // P-06
        let network = try await Network()
        try await Self.run(network) { _, address in
            let thief = try await Self.endpoint(SecretKey())
            let connection = try await thief.connect(to: address, alpn: ALPN.gateway)
            let stream = try await Self.stream(connection, network.certificate)
            #expect(try await stream.get("/api/agent-info")?.body == "cert rejected: invalid")
            await thief.close()
        }
    }

    @Test func revocationEndsSocketAndConnectionAndTheNextRequestIsRefused() async throws {  // P-07
        let network = try await Network()
        try await Self.run(network) { client, address in
            let connection = try await client.connect(to: address, alpn: ALPN.gateway)
            let socket = try await Self.webSocket(connection, network.certificate)
            try await socket.say("hello")
            let run = try await network.agent.nextRun()
            run.delta("part")
            _ = try await socket.message()
            let start = ContinuousClock.now
            _ = try await network.coordinator.revokeDevice(network.device.nodeID, by: .system)
            // The close frame comes first, unless the machine is so busy that the connection's end overtakes it.
            let last = try await socket.next()
            #expect([.close(code: 4003, reason: "device authorization changed"), .end].contains(last))
            let reason = try await within(5, "the connection to close") { await connection.closeReason }
            #expect(reason == .peer(code: 4003, reason: "device authorization changed"))
            // 100 ms is promised; a loaded machine gets some more.
            #expect(ContinuousClock.now - start < .seconds(2))
            run.answer("")
            let again = try await client.connect(to: address, alpn: ALPN.gateway)
            let stream = try await Self.stream(again, network.certificate)
            #expect(try await stream.get("/api/agent-info")?.body == "device revoked")
        }
    }

    @Test func aBadPreambleResetsItsStreamAndNotTheConnection() async throws {
        let network = try await Network()
        try await Self.run(network) { client, address in
            let connection = try await client.connect(to: address, alpn: ALPN.gateway)
            let bad = try await TestStream.open { try await connection.openStream($0) }
            try await bad.send([0xFF, 0xFF, 0xFF, 0xFF])
            #expect(try await bad.endsSilently())
            let good = try await Self.stream(connection, network.certificate)
            #expect(try await good.get("/api/agent-info")?.status == 200)
        }
    }

    @Test func aStalledSocketIsCutAndItsNeighboursOnTheSameConnectionAreNot() async throws {
        let network = try await Network()
        try await Self.run(network) { client, address in
            let connection = try await client.connect(to: address, alpn: ALPN.gateway)
            let stalled = try await Self.webSocket(connection, network.certificate)
            try await stalled.say("talk", id: "m")
            let run = try await network.agent.nextRun()
            _ = try await stalled.message()
            try await stalled.stream.channel.setOption(.autoRead, value: false).get()
            let part = String(repeating: "x", count: 16_384)
            for _ in 0..<600 { run.delta(part) }
            run.answer("the end")
            #expect(try await run.wasCancelled() == false)
            let neighbour = try await Self.webSocket(connection, network.certificate)
            try await neighbour.send(.sessionOpen(.init(sessionID: "s", afterSequence: 601)))
            #expect(try await neighbour.messages { $0.isTurnEnd }.compactMap(\.responseText) == ["the end"])
            try await stalled.stream.channel.setOption(.autoRead, value: true).get()
            var last = try await stalled.next()
            while case .message = last { last = try await stalled.next() }
            #expect(last == .close(code: 4008, reason: "too far behind: reconnect and resume by seq"))
        }
    }
}
