import Foundation
import Logging
import NIOCore
import Synchronization
import Testing

@testable import Agent
@testable import Certs
@testable import Gateway
@testable import Store
@testable import Transport
@testable import Wire

// A gateway behind real QUIC endpoints on 127.0.0.1, with a clock that stands still until the test moves it.

/// Unix seconds, exactly as a test says.
final class FrozenClock: Sendable {
    private let time = Mutex(1_780_000_000.0)
    var now: Double { time.withLock { $0 } }
    func set(_ now: Double) { time.withLock { $0 = now } }
}

final class QUICGateway: Sendable {
    static let networkID = TestGateway.networkID

    let clock = FrozenClock()
    let coordinator = SecretKey()
    let device = TestDevice(handle: "ana")
    let membership = FakeMembership()
    let agent: ScriptedAgent
    private let server: GatewayServer
    private let path: String

    init(files: TestFiles? = nil, agent: ScriptedAgent = ScriptedAgent()) throws {
        self.agent = agent
        path = FileManager.default.temporaryDirectory.path + "/quic-gateway-\(UUID().uuidString).db"
        let clock = clock
        var configuration = GatewayConfiguration(
            agent: AgentDescription(
                name: "Ada", directory: "/agents/ada", nodeID: coordinator.nodeID, networkID: Self.networkID,
                networkName: "home", version: "0.1.0"),
            coordinator: coordinator.nodeID, now: { clock.now })
        configuration.limits = .patient
        let database = try Store.Database(path: path)
        configuration.files = files?.files(database)
        server = try GatewayServer(
            configuration: configuration, membership: membership, agent: agent,
            sessions: SessionRepository(database), logger: Self.silent)
        membership.set(.active(role: .member), for: device.nodeID)
    }

    deinit {
        for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + suffix) }
    }

    /// A certificate of the device, of this network unless told otherwise.
    func certificate(
        networkID: String = QUICGateway.networkID, issuedAt: Double? = nil, signedBy signer: SecretKey? = nil
    ) -> DeviceCertificate {
        DeviceCertificate.issue(
            handle: device.handle, deviceKey: device.nodeID, networkID: networkID, issuedAt: issuedAt ?? clock.now,
            signedBy: signer ?? coordinator)
    }

    /// Serves while `body` runs with a connection of the device.
    func run(_ body: @escaping @Sendable (QUICGatewayConnection) async throws -> Void) async throws {
        let endpoint = try await Self.endpoint(coordinator, alpns: [ALPN.gateway])
        let client = try await Self.endpoint(device.key)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await self.server.run() }
            group.addTask {
                await withDiscardingTaskGroup { group in
                    for await connection in endpoint.connections {
                        group.addTask { await self.server.serve(connection) }
                    }
                }
            }
            let address = NodeAddress(nodeID: endpoint.nodeID, addresses: endpoint.localAddresses)
            let result: Result<Void, any Error>
            do {
                let connection = try await client.connect(to: address, alpn: ALPN.gateway)
                result = .success(try await body(QUICGatewayConnection(connection: connection)))
            } catch { result = .failure(error) }
            await server.shutdown(grace: .zero)
            await client.close()
            await endpoint.close()
            try await group.waitForAll()
            try result.get()
        }
    }

    private static var silent: Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }

    private static func endpoint(_ key: SecretKey, alpns: [String] = []) async throws -> Endpoint {
        try await Endpoint.bind(
            EndpointConfiguration(
                secretKey: key, alpns: alpns, bindAddresses: [SocketAddress(ipAddress: "127.0.0.1", port: 0)],
                logger: silent))
    }
}

/// The device's side of its connection.
struct QUICGatewayConnection: Sendable {
    let connection: Connection

    /// A stream with nothing in front of it.
    func stream() async throws -> TestStream {
        try await TestStream.open { initializer in try await connection.openStream(initializer) }
    }

    func stream(_ certificate: [UInt8]) async throws -> TestStream {
        let stream = try await stream()
        try await stream.sendPreamble(certificate)
        return stream
    }

    /// What a request with this certificate in front of it is answered with.
    func answer(to certificate: [UInt8]) async throws -> TestResponse? {
        let stream = try await stream(certificate)
        let response = try await stream.get("/api/agent-info")
        await stream.close()
        return response
    }
}
