import Logging
import NIOCore
import Testing

@testable import Certs
@testable import Store
@testable import Transport

// The coordinator behind real endpoints on 127.0.0.1.

/// A coordinator that listens, for the length of a closure.
struct CoordinatorServer {
    let network: TestNetwork
    let endpoint: Endpoint

    static func endpoint(_ key: SecretKey, alpns: [String] = []) async throws -> Endpoint {
        try await Endpoint.bind(
            EndpointConfiguration(
                secretKey: key, alpns: alpns, bindAddresses: [SocketAddress(ipAddress: "127.0.0.1", port: 0)],
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }))
    }

    static func run(
        deadline: Duration = Coordinator.callDeadline, watches: WatchPolicy = WatchPolicy(),
        _ body: (CoordinatorServer) async throws -> Void
    ) async throws {
        let network = try TestNetwork(watches: watches)
        let endpoint = try await endpoint(network.identity, alpns: [ALPN.coordinator])
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                await withDiscardingTaskGroup { group in
                    for await connection in endpoint.connections {
                        group.addTask { await network.coordinator.serve(connection, deadline: deadline) }
                    }
                }
            }
            let result: Result<Void, any Error>
            do { result = .success(try await body(CoordinatorServer(network: network, endpoint: endpoint))) } catch {
                result = .failure(error)
            }
            await endpoint.close()
            try await group.waitForAll()
            try result.get()
        }
    }

    var address: NodeAddress { NodeAddress(nodeID: endpoint.nodeID, addresses: endpoint.localAddresses) }

    /// Dials as `key`.
    func withConnection<R>(as key: SecretKey, _ body: (Connection) async throws -> R) async throws -> R {
        let dialler = try await Self.endpoint(key)
        let result: Result<R, any Error>
        do {
            let connection = try await dialler.connect(to: address, alpn: ALPN.coordinator)
            result = .success(try await body(connection))
        } catch { result = .failure(error) }
        await dialler.close()
        return try result.get()
    }

    func withClient<R>(as key: SecretKey, _ body: (CoordinatorClient) async throws -> R) async throws -> R {
        try await withConnection(as: key) { try await body(CoordinatorClient(connection: $0)) }
    }
}

@Suite(.timeLimit(.minutes(1))) struct CoordinatorOverQUICTests {
    @Test func joiningWithATicketEndsWithAVerifiedCertificate() async throws {
        try await CoordinatorServer.run { server in
            let network = server.network
            let home = try ClientHome(path: network.directory.path + "/user")
            let ticket = network.coordinator.ticket(
                for: try #require(try network.coordinator.bootstrapInvitation()),
                addresses: server.endpoint.localAddresses)
            let joining = try Joining(home: home, label: "laptop", now: { network.clock.now })
            let endpoint = try await CoordinatorServer.endpoint(home.identity())
            let result = try await joining.join(
                InviteTicket(ticket.text), handle: "Alice", password: Password("hunter2"), endpoint: endpoint)
            #expect(result.certificate.capabilities == [DeviceCertificate.administratorCapability])
            #expect(result.network.coordinatorAddresses == server.endpoint.localAddresses.map(\.hostAndPort))
            let again = try await joining.login(
                #require(home.networks.load().matching("alice@homelab").first), password: Password("hunter2"),
                endpoint: endpoint)
            #expect(again.network.networkID == network.coordinator.network.networkID)
            await #expect(throws: RPCError.self) {
                try await joining.login(again.network, password: Password("wrong"), endpoint: endpoint)
            }
            await endpoint.close()
            #expect(
                network.coordinator.roster.standing(of: try home.identity().nodeID, handle: "alice")
                    == .active(role: .admin))
        }
    }

    @Test func nobodyGetsACertificateForAKeyThatIsNotTheConnections() async throws {
        try await CoordinatorServer.run { server in
            let code = try await server.network.invitation(.user).code
            let victim = SecretKey().nodeID
            try await server.withClient(as: SecretKey()) { client in
                _ = try await client.register(invite: code, handle: "alice", password: Password("x"))
                await expectRefusal(.unauthorized) {
                    try await client.login(handle: "alice", password: Password("x"), deviceKey: victim)
                }
            }
            #expect(try await server.network.coordinator.devices().isEmpty)
        }
    }

    @Test func operatorRevokesOverLoopbackWithTheAgentsOwnKey() async throws {
        try await CoordinatorServer.run { server in
            let device = SecretKey().nodeID
            _ = try await server.network.addUser("alice", device: device)
            let changes = server.network.coordinator.roster.changes()
            try await server.withClient(as: server.network.identity) { client throws in
                #expect(try await client.listDevices().map(\.key) == [device.bytes])
                #expect(try await client.revokeDevice(device))
            }
            var iterator = changes.makeAsyncIterator()
            #expect(await iterator.next() == .device(device, handle: "alice", status: .revoked))
            try await server.withClient(as: SecretKey()) { client in
                await expectRefusal(.badRequest) { try await client.revokeDevice(device) }
            }
        }
    }

    @Test func manyCallsAtOnceAreAllAnswered() async throws {
        try await CoordinatorServer.run { server in
            try await server.withClient(as: SecretKey()) { client in
                try await withThrowingTaskGroup(of: NetworkInfo.self) { group in
                    for _ in 0..<150 { group.addTask { try await client.networkInfo() } }
                    var count = 0
                    for try await info in group {
                        #expect(info.name == "homelab")
                        count += 1
                    }
                    #expect(count == 150)
                }
            }
        }
    }

    /// Sends raw bytes on a stream and collects what comes back until the stream ends.
    static func exchange(_ bytes: [UInt8], finish: Bool, on connection: Connection) async throws -> [UInt8] {
        let channel = try await connection.openStream { RPCStream.prepare($0) }
        return try await channel.executeThenClose { inbound, outbound in
            try await outbound.write(ByteBuffer(bytes: bytes))
            if finish { outbound.finish() }
            var answer: [UInt8] = []
            do { for try await part in inbound { answer += part.readableBytesView } } catch is StreamError {}
            return answer
        }
    }

    @Test func framesPastTheLimitAreRefusedAndOthersGoOn() async throws {
        try await CoordinatorServer.run { server in
            try await server.withConnection(as: SecretKey()) { connection in
                for (bytes, code) in [
                    ([0, 1, 0, 1], RPCErrorCode.tooLarge), ([0xff, 0xff, 0xff, 0xff], .tooLarge),
                    ([0, 1, 0, 0] + Array(repeating: 0x20, count: 65_536), .badRequest), ([0, 0], .endOfStream),
                    ([0, 0, 0, 16, 0xa1], .endOfStream),
                ] as [([UInt8], RPCErrorCode)] {
                    let answer = try await Self.exchange(bytes, finish: true, on: connection)
                    let value = try CBORReader.read(answer.dropFirst(4), limits: CBORLimits(bytes: 1_000))
                    guard case .failure(.null, let error)? = RPCResponse(value) else {
                        Issue.record("answered \(value)")
                        continue
                    }
                    #expect(error.code == code)
                }
                #expect(try await CoordinatorClient(connection: connection).networkInfo().name == "homelab")
            }
        }
    }

    @Test func callersThatAreTooSlowAreCutOffAndHoldUpNobodyElse() async throws {
        try await CoordinatorServer.run(deadline: .milliseconds(300)) { server in
            try await server.withConnection(as: SecretKey()) { slow in
                try await withThrowingTaskGroup(of: [UInt8].self) { group in
                    for _ in 0..<20 {
                        group.addTask { try await Self.exchange([0, 0], finish: false, on: slow) }
                    }
                    let name = try await server.withClient(as: SecretKey()) { try await $0.networkInfo().name }
                    #expect(name == "homelab")
                    for try await answer in group { #expect(answer.isEmpty, "cut off without an answer") }
                }
                #expect(try await CoordinatorClient(connection: slow).networkInfo().name == "homelab")
            }
        }
    }

    @Test func aCoordinatorThatDoesNotAnswerIsGivenUp() async throws {
        let key = SecretKey()
        let silent = try await CoordinatorServer.endpoint(key, alpns: [ALPN.coordinator])
        let dialler = try await CoordinatorServer.endpoint(SecretKey())
        let connection = try await dialler.connect(
            to: NodeAddress(nodeID: key.nodeID, addresses: silent.localAddresses), alpn: ALPN.coordinator)
        await #expect(throws: CoordinatorClientError.timeout(seconds: 0)) {
            try await CoordinatorClient(connection: connection, timeout: .milliseconds(100)).networkInfo()
        }
        await silent.close()
        do {
            _ = try await CoordinatorClient(connection: connection).networkInfo()
            Issue.record("a closed coordinator answered")
        } catch let error as CoordinatorClientError {
            guard case .connectionLost = error else {
                Issue.record("\(error)")
                return
            }
        }
        await dialler.close()
    }
}
