public import NIOCore
public import Transport

// How does a client get a word with the coordinator of a network that it has joined? One connection for one piece of
// business, made when it is needed: a renewal, a list of agents. Tests hand in a coordinator without sockets.

/// Reaches the coordinator of one network.
public protocol CoordinatorReach: Sendable {
    /// Connects, runs `body` and closes the connection.
    func withCoordinator<R: Sendable>(_ body: @Sendable (CoordinatorClient) async throws -> R) async throws -> R
}

/// Reaches it over QUIC.
public struct CoordinatorDialer: CoordinatorReach {
    private let endpoint: Endpoint
    private let address: NodeAddress
    private let timeout: Duration

    /// - Parameters:
    ///   - endpoint: bound with this device's key; its owner closes it.
    ///   - nearby: where the coordinator listens if it runs on this machine; tried first.
    ///   - timeout: for the dial, and again for each call.
    public init(
        endpoint: Endpoint, network: JoinedNetwork, nearby: [SocketAddress] = [], timeout: Duration = .seconds(20)
    ) {
        self.endpoint = endpoint
        self.timeout = timeout
        address = network.coordinatorAddress(nearby: nearby)
    }

    public func withCoordinator<R: Sendable>(
        _ body: @Sendable (CoordinatorClient) async throws -> R
    ) async throws -> R {
        let connection = try await endpoint.connect(to: address, alpn: ALPN.coordinator, timeout: timeout)
        defer { connection.close() }
        return try await body(CoordinatorClient(connection: connection, timeout: timeout))
    }
}

extension JoinedNetwork {
    /// Where the coordinator may be found: first on this machine, then where it was last.
    public func coordinatorAddress(nearby: [SocketAddress] = []) -> NodeAddress {
        NodeAddress(
            nodeID: coordinator,
            addresses: nearby + coordinatorAddresses.compactMap { try? SocketAddress(hostAndPort: $0) },
            relayURL: coordinatorRelayURL)
    }
}
