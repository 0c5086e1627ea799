internal import Certs
internal import Logging
internal import NIOCore
internal import Transport
internal import Wire

// An honest device: it joins with a ticket over real QUIC, proves its password, and speaks to gateways with the
// certificate that it got.

/// Who cannot be reached through a port of its own is no peer: every device has its own key and socket.
func bindClient(_ key: SecretKey = SecretKey()) async throws -> Endpoint {
    try await Endpoint.bind(
        EndpointConfiguration(
            secretKey: key, bindAddresses: [try SocketAddress(ipAddress: "127.0.0.1", port: 0)],
            logger: Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() }))
}

struct Device: Sendable {
    let endpoint: Endpoint
    let coordinator: NodeAddress
    let certificate: DeviceCertificate

    var nodeID: NodeID { endpoint.nodeID }

    /// Registers a user and logs in with a new key.
    static func join(_ ticket: InviteTicket, handle: String) async throws -> Device {
        let address = NodeAddress(
            nodeID: ticket.node, addresses: try ticket.addresses.map { try SocketAddress(hostAndPort: $0) })
        let endpoint = try await bindClient()
        let connection = try await endpoint.connect(to: address, alpn: ALPN.coordinator)
        defer { connection.close() }
        let client = CoordinatorClient(connection: connection)
        let password = try password()
        let handle = try await client.register(invite: ticket.code, handle: handle, password: password)
        let certificate = try await client.login(handle: handle, password: password, deviceKey: endpoint.nodeID)
        return Device(endpoint: endpoint, coordinator: address, certificate: certificate)
    }

    /// One more device of the same user, with a key and a socket of its own.
    func another(handle: String, _ ticket: InviteTicket) async throws -> Device {
        let endpoint = try await bindClient()
        let connection = try await endpoint.connect(to: coordinator, alpn: ALPN.coordinator)
        defer { connection.close() }
        let certificate = try await CoordinatorClient(connection: connection).login(
            handle: handle, password: Self.password(), deviceKey: endpoint.nodeID, invite: ticket.code)
        return Device(endpoint: endpoint, coordinator: coordinator, certificate: certificate)
    }

    private static func password() throws -> Password { try Password("correct horse") }

    /// A pool of one connection to a gateway.
    ///
    /// - Parameter onClose: called for each connection that is over.
    func pool(to gateway: NodeAddress, onClose: @escaping @Sendable () -> Void = {}) -> GatewayPool {
        var limits = GatewayPool.Limits()
        limits.connections = 1
        return GatewayPool(agent: "bench", limits: limits) {
            certificate.wire
        } connect: {
            let connection = try await endpoint.connect(to: gateway, alpn: ALPN.gateway)
            connection.onClose { _ in onClose() }
            return connection
        }
    }

    /// What only a member gets.
    static let question = "/api/agent-info"

    /// Asks the coordinator's own gateway once.
    func ask() async throws {
        let answer = try await GatewayClient(dialer: pool(to: coordinator)).request(path: Self.question)
        guard answer.status == .ok else { throw BenchError.unexpected("answered by \(answer.status.code)") }
    }
}
