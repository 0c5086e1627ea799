internal import Agent
internal import Certs
internal import Foundation
internal import Gateway
internal import Logging
internal import NIOCore
internal import Store
internal import Transport

// The party that is measured or attacked: a coordinator and a gateway behind one endpoint, put together as in
// Sources/Gateway/Node, with an agent that does as it is told. On standard input it is asked how it is.
//
//     status    memory, connections, handshakes, streams        trim    the same, after unused memory was given back

struct BenchNetwork {
    private let endpoint: Endpoint
    private let coordinator: Coordinator
    private let gateway: GatewayServer
    private let database: Store.Database

    /// - Parameters:
    ///   - directory: takes the database and `identity.key`, which makes whoever reads it the operator.
    ///   - strangerTime: how long a connection may do without a certificate; nil is the default.
    init(directory: String, strangerTime: Duration? = nil) async throws {
        let now: @Sendable () -> Double = { Date().timeIntervalSince1970 }
        let logger = Self.logger
        let key = try SecretKey.loadOrCreate(path: directory + "/identity.key")
        let database = try Store.Database(path: directory + "/openagent.db")
        let repository = NetworkRepository(database)
        let network = try Coordinator.createNetworkIfMissing(
            repository: repository, identity: key, name: "bench", now: now())
        let coordinator = try Coordinator(repository: repository, identity: key, now: now, logger: logger)
        var configuration = GatewayConfiguration(
            agent: AgentDescription(
                name: "bench", directory: directory, nodeID: key.nodeID, networkID: network.networkID,
                networkName: network.name, version: "0"),
            coordinator: key.nodeID, now: now)
        if let strangerTime { configuration.limits.strangerTime = strangerTime }
        gateway = try GatewayServer(
            configuration: configuration, membership: coordinator.roster, agent: ToldAgent(),
            sessions: SessionRepository(database), logger: logger)
        var binding = EndpointConfiguration(
            secretKey: key, alpns: [ALPN.gateway, ALPN.coordinator],
            bindAddresses: [try SocketAddress(ipAddress: "127.0.0.1", port: 0)], logger: logger)
        binding.isKnown = { coordinator.roster.isKnown($0) }
        endpoint = try await Endpoint.bind(binding)
        self.coordinator = coordinator
        self.database = database
    }

    static let logger = Logger(label: "bench") { label in
        var handler = StreamLogHandler.standardError(label: label)
        handler.logLevel = .error
        return handler
    }

    /// Serves until standard input ends.
    func run() async throws {
        // More uses than a person may ask for: each of the bench's devices belongs to a user of its own.
        let now = Date().timeIntervalSince1970
        let invitation = Invitation(
            code: String((0..<20).map { _ in "abcdefghijklmnopqrstuvwxyz234567".randomElement() ?? "a" }), role: .user,
            createdBy: "bench", bindTo: nil, usesLeft: 10_000,
            expiresAt: now + 3_600, createdAt: now)
        try await NetworkRepository(database).write { try $0.insertInvitation(invitation) }
        let ticket = coordinator.ticket(for: invitation, addresses: endpoint.localAddresses)
        let forAgents = try await coordinator.createInvitation(InvitationRequest(role: .agent), by: .system)
        let agentTicket = coordinator.ticket(for: forAgents, addresses: endpoint.localAddresses)
        Report.write([
            ("node", .text(endpoint.nodeID.hex)), ("address", .text(endpoint.localAddresses[0].hostAndPort)),
            ("ticket", .text(ticket.text)), ("agent_ticket", .text(agentTicket.text)),
        ])
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await gateway.run() }
            group.addTask { await accept() }
            for await command in Commands.read() {
                if command == ["trim"] { Memory.trim() }
                await reportStatus()
            }
            await gateway.shutdown(grace: .zero)
            await endpoint.close()
            group.cancelAll()
        }
        try database.close()
    }

    private func accept() async {
        await withDiscardingTaskGroup { group in
            for await connection in endpoint.connections {
                group.addTask {
                    switch connection.alpn {
                    case ALPN.gateway: await gateway.serve(connection)
                    default: await coordinator.serve(connection)
                    }
                }
            }
        }
    }

    private func reportStatus() async {
        let statistics = await endpoint.statistics()
        Report.write([
            ("resident_kib", .number(Memory.resident)), ("connections", .count(statistics.connections)),
            ("handshakes", .count(statistics.handshakes)), ("streams", .count(statistics.openStreams)),
            ("refusals", .number(Double(statistics.refusals))),
        ])
    }
}
