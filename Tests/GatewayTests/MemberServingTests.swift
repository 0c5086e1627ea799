import Foundation
import Logging
import NIOCore
import NIOHTTP1
import Synchronization
import Testing

@testable import Certs
@testable import Gateway
@testable import Store
@testable import Transport
@testable import Wire

// A member agent's gateway and the coordinator of its network, each behind its own endpoint on 127.0.0.1.

/// A device of the network, and its way to one agent.
private struct MemberClient: Sendable {
    let endpoint: Endpoint
    let address: NodeAddress
    let certificate: [UInt8]

    func connect() async throws -> Connection {
        try await endpoint.connect(to: address, alpn: ALPN.gateway, timeout: .seconds(10))
    }

    func status(_ path: String = "/api/whoami") async throws -> (code: UInt, text: String) {
        let certificate = certificate
        let pool = GatewayPool(endpoint: endpoint, address: address) { certificate }
        defer { pool.close() }
        let answer = try await GatewayClient(dialer: pool).request(path: path)
        return (answer.status.code, String(buffer: answer.body))
    }
}

extension AgentNetworkWorld {
    static func endpoint(_ key: SecretKey, alpns: [String] = []) async throws -> Endpoint {
        try await Endpoint.bind(
            EndpointConfiguration(
                secretKey: key, alpns: alpns, bindAddresses: [SocketAddress(ipAddress: "127.0.0.1", port: 0)],
                logger: .quiet))
    }

    /// A user with one device, known to the coordinator.
    func user(_ handle: String, key: SecretKey = SecretKey()) async throws -> (key: SecretKey, certificate: [UInt8]) {
        let invite = try await coordinator.createInvitation(InvitationRequest(role: .user), by: .operator)
        let device = try await Self.endpoint(key)
        let address = NodeAddress(nodeID: endpoint.nodeID, addresses: endpoint.localAddresses)
        let connection = try await device.connect(to: address, alpn: ALPN.coordinator, timeout: .seconds(10))
        let client = CoordinatorClient(connection: connection)
        _ = try await client.register(invite: invite.code, handle: handle, password: Password("x"))
        let certificate = try await client.login(handle: handle, password: Password("x"), deviceKey: key.nodeID)
        await device.close()
        return (key, certificate.wire)
    }

    /// Serves the member in `directory`, which has joined, while `body` runs.
    func serve(
        _ directory: AgentDirectory, _ body: @Sendable (GatewayCore, MemberLink, NodeAddress) async throws -> Void
    )
        async throws
    {
        let key = try SecretKey.load(path: directory.identityKey)
        let core = try GatewayCore.build(
            key: key, directory: directory, configuration: AgentConfiguration(directory: directory), version: "0",
            seams: .init(now: { [clock] in clock.now }), logger: .quiet)
        guard case .member(let link) = core.place else { throw Timeout(what: "a member") }
        let endpoint = try await Self.endpoint(key, alpns: core.place.protocols)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await core.gateway.run() }
            group.addTask { await link.run(endpoint: endpoint, addresses: { endpoint.localAddresses }, nearby: { [] }) }
            group.addTask {
                await withDiscardingTaskGroup { group in
                    for await connection in endpoint.connections {
                        group.addTask { await core.gateway.serve(connection) }
                    }
                }
            }
            let result: Result<Void, any Error>
            do {
                let address = NodeAddress(nodeID: endpoint.nodeID, addresses: endpoint.localAddresses)
                result = .success(try await body(core, link, address))
            } catch { result = .failure(error) }
            await core.gateway.shutdown(grace: .zero)
            await endpoint.close()
            group.cancelAll()
            try await group.waitForAll()
            try core.close()
            try result.get()
        }
    }
}

/// Waits until `condition` holds.
private func eventually(
    within seconds: Double = 20, _ what: String, _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while try await !condition() {
        guard ContinuousClock.now < deadline else { throw Timeout(what: what) }
        try await Task.sleep(for: .milliseconds(5))
    }
}

@Suite(.timeLimit(.minutes(1))) struct MemberServingTests {
    @Test("P-05: a device revoked at the coordinator loses its connection to a member at once, and nobody else does")
    func revocationReachesAMembersConnections() async throws {
        try await AgentNetworkWorld.run { world in
            let directory = try world.directory()
            _ = try await world.network(directory).join(try await world.ticket(), handle: nil, label: nil)
            let (ana, bob) = (try await world.user("ana"), try await world.user("bob"))
            try await world.serve(directory) { _, link, address in
                try await eventually("the watch") { link.roster.link == .live }
                var clients: [MemberClient] = []
                for user in [ana, bob] {
                    clients.append(
                        MemberClient(
                            endpoint: try await AgentNetworkWorld.endpoint(user.key), address: address,
                            certificate: user.certificate))
                }
                for client in clients { #expect(try await client.status().code == 200) }
                let pools = clients.map { client in
                    GatewayPool(endpoint: client.endpoint, address: address) { client.certificate }
                }
                for pool in pools { _ = try await GatewayClient(dialer: pool).request(path: "/api/whoami") }
                #expect(pools.map(\.connectionCount) == [1, 1])

                let start = ContinuousClock.now
                _ = try await world.coordinator.revokeDevice(ana.key.nodeID, by: .operator)
                try await eventually(within: 2, "the end of ana's connection") { pools[0].connectionCount == 0 }
                let time = ContinuousClock.now - start
                #expect(time < .seconds(1), "\(time)")
                let refused = try await clients[0].status()
                #expect(refused == (401, "device revoked"))
                #expect(pools[1].connectionCount == 1)
                #expect(try await clients[1].status().code == 200)
                for (pool, client) in zip(pools, clients) {
                    pool.close()
                    await client.endpoint.close()
                }
            }
        }
    }

    @Test func aMemberTellsWhereItIsAndRenewsItsOwnCertificate() async throws {
        try await AgentNetworkWorld.run { world in
            let directory = try world.directory()
            _ = try await world.network(directory).join(try await world.ticket(), handle: nil, label: nil)
            let before = try #require(try world.record(directory)?.membership)
            world.clock.advance(by: DeviceCertificate.lifetime / 2 + 60)
            try await world.serve(directory) { _, link, address in
                let own = address.addresses.map(\.hostAndPort)
                try await eventually("the addresses") {
                    try await world.coordinator.agents().last?.addresses == own
                }
                try await eventually("the new certificate") {
                    try world.record(directory)?.membership?.certificate != before.certificate
                }
            }
            let after = try #require(try world.record(directory)?.membership)
            let certificate = try DeviceCertificate(
                wire: after.certificate, coordinator: world.coordinator.network.coordinator)
            #expect(certificate.capabilities == ["agent"] && certificate.handle == "work")
            #expect(certificate.issuedAt > world.clock.now - 60)
            #expect(after.coordinatorAddresses == before.coordinatorAddresses)
        }
    }

    @Test func administrationIsTheCoordinatorsBusiness() async throws {
        try await AgentNetworkWorld.run { world in
            let directory = try world.directory()
            _ = try await world.network(directory).join(try await world.ticket(), handle: nil, label: nil)
            let ana = try await world.user("ana")
            try await world.serve(directory) { core, link, address in
                try await eventually("the watch") { link.roster.link == .live }
                let client = MemberClient(
                    endpoint: try await AgentNetworkWorld.endpoint(ana.key), address: address,
                    certificate: ana.certificate)
                let network = try await client.status("/api/network")
                let body = try JSONDecoder().decode(NetworkBody.self, from: Data(network.text.utf8))
                #expect(body.role == "member" && body.nodeID == address.nodeID.hex)
                #expect(body.coordinatorNodeID == world.coordinator.network.coordinator.hex)
                let users = try await client.status("/api/network/users")
                #expect(users.code == 404, "\(users)")
                #expect(core.place.protocols == [ALPN.gateway])
                await #expect(throws: ConnectError.protocolRefused) {
                    try await client.endpoint.connect(to: address, alpn: ALPN.coordinator, timeout: .seconds(5))
                }
                await client.endpoint.close()
            }
        }
    }

    @Test func aRemovedAgentServesNobody() async throws {
        try await AgentNetworkWorld.run { world in
            let directory = try world.directory()
            _ = try await world.network(directory).join(try await world.ticket(), handle: nil, label: nil)
            let ana = try await world.user("ana")
            try await world.serve(directory) { _, link, address in
                try await eventually("the watch") { link.roster.link == .live }
                let client = MemberClient(
                    endpoint: try await AgentNetworkWorld.endpoint(ana.key), address: address,
                    certificate: ana.certificate)
                #expect(try await client.status().code == 200)
                try await world.coordinator.removeAgent("work", by: .operator)
                try await eventually("the refusal") { link.roster.link == .refused }
                let refused = try await client.status()
                #expect(refused == (503, "device membership unavailable"))
                await client.endpoint.close()
            }
        }
    }

    /// A membership that learns about a device only when it is told to ask.
    private final class AskingMembership: Membership {
        private let asked = Mutex<Set<NodeID>>([])

        func standing(of device: NodeID, handle: String) -> DeviceStanding {
            asked.withLock { $0.contains(device) } ? .active(role: .member) : .unavailable
        }

        func isKnown(_ node: NodeID) -> Bool { asked.withLock { $0.contains(node) } }

        func changes() -> AsyncStream<RosterChange> { AsyncStream { _ in } }

        func confirm(_ device: NodeID) async {
            // The answer takes its time; nothing of the connection is served before it is there.
            try? await Task.sleep(for: .milliseconds(100))
            asked.withLock { _ = $0.insert(device) }
        }
    }

    @Test func aDeviceThatConnectsIsAskedAboutBeforeItIsServed() async throws {
        let agent = SecretKey()
        let device = SecretKey()
        let path = FileManager.default.temporaryDirectory.path + "/asking-\(UUID().uuidString).db"
        let database = try Store.Database(path: path)
        let server = try GatewayServer(
            configuration: GatewayConfiguration(
                agent: AgentDescription(
                    name: "Ada", directory: "/a", nodeID: agent.nodeID, networkID: TestGateway.networkID,
                    networkName: "home", networkRole: "member", version: "0"),
                coordinator: agent.nodeID, now: { Date().timeIntervalSince1970 }),
            membership: AskingMembership(), agent: ScriptedAgent(), sessions: SessionRepository(database),
            logger: .quiet)
        let endpoint = try await AgentNetworkWorld.endpoint(agent, alpns: [ALPN.gateway])
        let certificate = DeviceCertificate.issue(
            handle: "ana", deviceKey: device.nodeID, networkID: TestGateway.networkID,
            issuedAt: Date().timeIntervalSince1970, signedBy: agent)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await server.run() }
            group.addTask {
                await withDiscardingTaskGroup { group in
                    for await connection in endpoint.connections {
                        group.addTask { await server.serve(connection) }
                    }
                }
            }
            let client = MemberClient(
                endpoint: try await AgentNetworkWorld.endpoint(device),
                address: NodeAddress(nodeID: agent.nodeID, addresses: endpoint.localAddresses),
                certificate: certificate.wire)
            let answer = try await client.status()
            #expect(answer.code == 200, "\(answer)")
            await client.endpoint.close()
            await server.shutdown(grace: .zero)
            await endpoint.close()
            group.cancelAll()
            try await group.waitForAll()
        }
        try database.close()
    }
}
