internal import ArgumentParser
internal import Certs
internal import Foundation
internal import Gateway
internal import Logging
internal import NIOCore
internal import NIOPosix
internal import Transport
internal import Wire

// Which agent does a device mean, and how is it reached? The network that was named, or the only one; its node; and where
// that node was last seen, on this machine first.

struct ClientOptions: ParsableArguments {
    @Option(
        name: .customLong("node"),
        help: ArgumentHelp(
            "The agent: a node id, or the name of a network that this device has joined; else $OPENAGENT_NODE.",
            valueName: "nodeid|name"))
    var node: String?

    @Option(
        name: .customLong("agent"),
        help: ArgumentHelp("The agent in this directory of this machine, else $OPENAGENT_AGENT.", valueName: "dir"))
    var agentDirectory: String?

    @Option(help: ArgumentHelp("How long to try to reach the agent.", valueName: "seconds"))
    var timeout = Seconds(20)

    @OptionGroup var log: LogOptions

    func validate() throws { try AgentOptions.refuseBoth(agent: agentDirectory, node: node) }

    /// Chooses the agent and binds the endpoint of this device.
    ///
    /// - Parameter network: `handle@network`, a network's name or its id, when the command takes one.
    func open(network: String? = nil) async throws -> Client {
        let environment = AgentOptions.environment
        let home = try ClientHome(environment: environment)
        let logger = try log.fileLogger(environment: environment)
        let choice = try choose(network: network, home: home, environment: environment)
        return try await Client(
            home: home, network: choice.network, node: choice.node, timeout: timeout.duration, logger: logger)
    }

    /// The chosen network, if this device has to log in to it again.
    func expired(network: String?) throws -> JoinedNetwork? {
        let environment = AgentOptions.environment
        let home = try ClientHome(environment: environment)
        let network = try choose(network: network, home: home, environment: environment).network
        let certificate = try? home.certificate(for: network)
        guard let certificate, certificate.expiresAt > Date().timeIntervalSince1970 else { return network }
        return nil
    }

    private func choose(
        network name: String?, home: ClientHome, environment: [String: String]
    ) throws -> (network: JoinedNetwork, node: NodeID) {
        let joined = try home.networks.load()
        guard !joined.networks.isEmpty else {
            throw CommandError(
                .usage, "this device has joined no network yet",
                hint: "join one with: openagent connect oa1… (a ticket)")
        }
        let flag = (name ?? node).map { AgentLocator.Choice.node($0) } ?? agentDirectory.map { .directory($0) }
        switch flag ?? AgentLocator.Choice(environment: environment) {
        case .node(let named)?:
            if let id = try? NodeID(named) { return (try network(of: id, in: joined, as: named), id) }
            return try network(named: named, in: joined)
        case .directory(let path)?:
            let directory = AgentDirectory(path)
            let id = try SecretKey.load(path: directory.identityKey).nodeID
            return (try network(of: id, in: joined, as: directory.path), id)
        case nil: break
        }
        if let active = joined.activeNetwork, let network = joined.matching(active).first {
            return (network, network.coordinator)
        }
        guard joined.networks.count == 1 else { throw Self.several(joined.networks) }
        return (joined.networks[0], joined.networks[0].coordinator)
    }

    private func network(of id: NodeID, in joined: JoinedNetworks, as name: String) throws -> JoinedNetwork {
        guard let network = joined.networks.first(where: { $0.coordinator == id }) else {
            throw CommandError(
                .usage, "this device has not joined the network of \(name)", hint: "join it with a ticket of that agent"
            )
        }
        return network
    }

    private func network(named name: String, in joined: JoinedNetworks) throws -> (JoinedNetwork, NodeID) {
        let matching = joined.matching(name)
        guard let first = matching.first else {
            let known = joined.networks.map(\.displayName).joined(separator: ", ")
            throw CommandError(.usage, "this device has not joined '\(name)'", hint: "it has joined: \(known)")
        }
        guard matching.count == 1 else { throw Self.several(matching) }
        return (first, first.coordinator)
    }

    private static func several(_ networks: [JoinedNetwork]) -> CommandError {
        CommandError(
            .usage, "this device has joined several networks",
            hint: "choose one of: \(networks.map(\.displayName).joined(separator: ", "))")
    }
}

/// This device, ready to speak to one agent.
struct Client: Sendable {
    let home: ClientHome
    let network: JoinedNetwork
    let logger: Logger
    let endpoint: Endpoint
    let pool: GatewayPool
    /// The loop that the endpoint's streams live on.
    let group: any EventLoopGroup

    init(
        home: ClientHome, network: JoinedNetwork, node: NodeID, timeout: Duration, logger: Logger
    ) async throws {
        self.home = home
        self.network = network
        self.logger = logger
        guard let certificate = try home.certificate(for: network) else {
            throw CommandError(
                .refused, "this device has no certificate for \(network.displayName)",
                hint: "log in again with: openagent connect \(network.displayName)")
        }
        if certificate.expiresAt <= Date().timeIntervalSince1970 {
            throw CommandError(
                .refused, "this device's certificate for \(network.displayName) has expired",
                hint: "log in again with: openagent connect \(network.displayName)")
        }
        group = MultiThreadedEventLoopGroup.singleton.next()
        var configuration = EndpointConfiguration(secretKey: try home.identity(), logger: logger)
        configuration.eventLoopGroup = group
        let endpoint = try await Endpoint.bind(configuration)
        self.endpoint = endpoint
        let address = NodeAddress(
            nodeID: node,
            addresses: Self.local(node)
                + network.coordinatorAddresses.compactMap { try? SocketAddress(hostAndPort: $0) },
            relayURL: network.coordinatorRelayURL)
        let wire = certificate.wire
        pool = GatewayPool(
            agent: network.name, certificate: { wire },
            connect: { try await endpoint.connect(to: address, alpn: ALPN.gateway, timeout: timeout) })
    }

    /// Where the node listens if it runs on this machine: its port may have changed since this device joined.
    private static func local(_ node: NodeID) -> [SocketAddress] {
        for directory in (try? AgentOptions.running())?.directories() ?? [] {
            guard case .running(let record) = InstanceState(directory), record.nodeId == node else { continue }
            return ["127.0.0.1", "::1"].compactMap { try? SocketAddress(ipAddress: $0, port: Int(record.udpPort)) }
        }
        return []
    }

    func close() async {
        pool.close()
        await endpoint.close()
    }
}
