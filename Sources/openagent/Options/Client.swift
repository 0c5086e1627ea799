internal import Certs
internal import Foundation
internal import Gateway
internal import Logging
internal import NIOCore
internal import NIOPosix
internal import Transport
internal import Wire

// How does this device reach the agent that was chosen? With a certificate that is renewed when it is due, at the places
// where the agent was last seen, on this machine first; and when it is not there any more, where the coordinator says.

/// This device, ready to speak to one agent.
struct Client: Sendable {
    let home: ClientHome
    let network: JoinedNetwork
    let logger: Logger
    let endpoint: Endpoint
    let pool: GatewayPool
    /// The agent that was chosen.
    let agent: NodeID
    /// The loop that the endpoint's streams live on.
    let group: any EventLoopGroup
    private let keeper: CertificateKeeper
    private let coordinator: CoordinatorDialer

    /// Before a command's own work, a coordinator that is away may hold it up for so long.
    private static let courtesy = Duration.seconds(5)

    /// - Parameter asBridge: comes in as a bridge, with a certificate of its own that is asked for when there is none.
    init(
        home: ClientHome, choice: ClientOptions.Choice, timeout: Duration, asBridge: Bool = false, logger: Logger
    ) async throws {
        self.home = home
        let network = choice.network
        self.network = network
        self.logger = logger
        let key = try home.identity()
        let now = Date().timeIntervalSince1970
        let bridge =
            asBridge
            ? try home.credential(for: network, device: key.nodeID, now: now, asBridge: true).certificate : nil
        var certificate = try bridge ?? Self.certificate(in: network, device: key.nodeID, home: home)
        group = MultiThreadedEventLoopGroup.singleton.next()
        var configuration = EndpointConfiguration(secretKey: key, logger: logger)
        configuration.eventLoopGroup = group
        let endpoint = try await Endpoint.bind(configuration)
        self.endpoint = endpoint
        let coordinator = Self.dialer(endpoint, network, timeout: asBridge ? timeout : min(timeout, Self.courtesy))
        self.coordinator = coordinator
        if asBridge, !certificate.isOfBridge {
            do {
                let own = certificate
                certificate = try await coordinator.withCoordinator { try await $0.renew(own, asBridge: true) }
                _ = try home.store(certificate)
            } catch {
                await endpoint.close()
                throw error
            }
        }
        let keeper = CertificateKeeper(
            certificate, of: network, home: home, now: { Date().timeIntervalSince1970 })
        self.keeper = keeper
        if case .failed(let error) = await keeper.renewIfDue(through: coordinator) {
            logger.warning("client::renewal_failed", metadata: ["reason": "\(error)"])
        }
        let finder = AgentFinder(home: home, network: network)
        let name: String
        let connect: @Sendable () async throws -> any StreamSource
        do {
            if let agent = try await Self.member(choice, finder: finder, coordinator: coordinator) {
                name = agent.handle
                self.agent = agent.nodeID
                connect = {
                    try await Self.connect(
                        to: agent, endpoint: endpoint, finder: finder, coordinator: coordinator, timeout: timeout)
                }
            } else {
                name = network.name
                agent = network.coordinator
                let address = network.coordinatorAddress(nearby: Self.local(network.coordinator))
                connect = { try await endpoint.connect(to: address, alpn: ALPN.gateway, timeout: timeout) }
            }
        } catch {
            await endpoint.close()
            throw error
        }
        pool = GatewayPool(agent: name, certificate: { keeper.current.wire }, connect: connect)
    }

    /// Runs `body` while this device's certificate is kept fresh.
    func keepingFresh<R>(_ body: () async throws -> R) async throws -> R {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { [keeper, coordinator, logger] in
                await keeper.run(
                    through: coordinator,
                    onFailure: { error in
                        logger.warning("client::renewal_failed", metadata: ["reason": "\(error)"])
                    })
            }
            defer { group.cancelAll() }
            return try await body()
        }
    }

    func close() async {
        pool.close()
        await endpoint.close()
    }

    // MARK: Credentials

    private static func certificate(
        in network: JoinedNetwork, device: NodeID, home: ClientHome
    ) throws -> DeviceCertificate {
        let name = network.displayName
        let login = "log in again with: openagent connect \(name)"
        switch try home.credential(for: network, device: device, now: Date().timeIntervalSince1970) {
        case .usable(let certificate): return certificate
        case .missing: throw CommandError(.refused, "this device has no certificate for \(name)", hint: login)
        case .expired: throw CommandError(.refused, "this device's certificate for \(name) has expired", hint: login)
        case .damaged, .foreign:
            throw CommandError(.refused, "this device's certificate for \(name) cannot be used", hint: login)
        case .otherKey:
            throw CommandError(
                .refused, "this device's certificate for \(name) is of another key than it has now",
                hint: "get a ticket on another device with: openagent devices invite, then here: openagent join oa1…")
        case .notYetValid:
            throw CommandError(
                .refused, "this device's certificate for \(name) is not valid yet: a clock is wrong",
                hint: "find out which with: openagent network doctor \(name)")
        }
    }

    // MARK: Ways

    /// The agent that was chosen, unless it is the one that coordinates the network.
    private static func member(
        _ choice: ClientOptions.Choice, finder: AgentFinder, coordinator: CoordinatorDialer
    ) async throws -> KnownAgent? {
        guard case .named(let name) = choice.agent else { return nil }
        let agent = try await finder.agent(named: name, through: coordinator)
        return agent.nodeID == choice.network.coordinator ? nil : agent
    }

    /// Dials where the agent was; then asks the coordinator where it is.
    private static func connect(
        to agent: KnownAgent, endpoint: Endpoint, finder: AgentFinder, coordinator: CoordinatorDialer,
        timeout: Duration
    ) async throws -> Connection {
        let remembered = AgentFinder.pick(agent, from: finder.known) ?? agent
        do {
            return try await endpoint.connect(to: address(of: remembered), alpn: ALPN.gateway, timeout: timeout / 2)
        } catch let error as ConnectError {
            guard let agents = try? await finder.refresh(through: coordinator),
                let found = AgentFinder.pick(agent, from: agents), found != remembered
            else { throw error }
            return try await endpoint.connect(to: address(of: found), alpn: ALPN.gateway, timeout: timeout / 2)
        }
    }

    private static func address(of agent: KnownAgent) -> NodeAddress {
        NodeAddress(
            nodeID: agent.nodeID,
            addresses: local(agent.nodeID) + agent.addresses.compactMap { try? SocketAddress(hostAndPort: $0) })
    }

    static func dialer(_ endpoint: Endpoint, _ network: JoinedNetwork, timeout: Duration) -> CoordinatorDialer {
        CoordinatorDialer(
            endpoint: endpoint, network: network, nearby: local(network.coordinator), timeout: timeout)
    }

    /// Where a node listens if it runs on this machine: its port may have changed since this device joined.
    static func local(_ node: NodeID) -> [SocketAddress] {
        (try? AgentOptions.running())?.addresses(of: node) ?? []
    }

    /// An endpoint with this device's key for as long as `body` runs.
    static func withEndpoint<R>(
        home: ClientHome, logger: Logger, _ body: (Endpoint) async throws -> R
    ) async throws -> R {
        let endpoint = try await Endpoint.bind(EndpointConfiguration(secretKey: try home.identity(), logger: logger))
        let result: Result<R, any Error>
        do { result = .success(try await body(endpoint)) } catch { result = .failure(error) }
        await endpoint.close()
        return try result.get()
    }
}
