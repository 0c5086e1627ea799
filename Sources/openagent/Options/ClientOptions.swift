internal import ArgumentParser
internal import Certs
internal import Foundation
internal import Gateway
internal import Logging
internal import Transport

// Which agent does a device mean? The network that was named, or the only one, and an agent in it. How it is reached is
// Client's question.

struct ClientOptions: ParsableArguments {
    @Option(
        name: .customLong("node"),
        help: ArgumentHelp(
            "The agent: a node id, or a network that this device has joined, with /agent or without; else "
                + "$OPENAGENT_NODE.", valueName: "nodeid|name"))
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
    /// - Parameter network: `handle@network`, a network's name or its id, with `/agent` or without, when the command takes
    ///   one.
    /// - Parameter asBridge: with a certificate that says so.
    func open(network: String? = nil, asBridge: Bool = false) async throws -> Client {
        let environment = AgentOptions.environment
        let home = try ClientHome(environment: environment)
        let logger = try log.fileLogger(environment: environment)
        let choice = try await choose(network: network, home: home, logger: logger)
        return try await Client(
            home: home, choice: choice, timeout: timeout.duration, asBridge: asBridge, logger: logger)
    }

    /// The chosen network, if this device has to log in to it again.
    func expired(network: String?) async throws -> JoinedNetwork? {
        let environment = AgentOptions.environment
        let home = try ClientHome(environment: environment)
        let logger = try log.fileLogger(environment: environment)
        let network = try await choose(network: network, home: home, logger: logger).network
        let device = try home.identity().nodeID
        let stored = try home.credential(for: network, device: device, now: Date().timeIntervalSince1970)
        // A clock that is wrong is not put right by a password.
        if case .notYetValid = stored { return nil }
        return stored.certificate == nil ? network : nil
    }

    /// A network, and the agent in it.
    struct Choice: Sendable {
        enum Agent: Sendable {
            /// The one that coordinates the network.
            case coordinator
            /// By handle or node id.
            case named(String)
        }

        var network: JoinedNetwork
        var agent: Agent
    }

    private func choose(network name: String?, home: ClientHome, logger: Logger) async throws -> Choice {
        let joined = try home.networks.load()
        guard !joined.networks.isEmpty else {
            throw CommandError(
                .usage, "this device has joined no network yet",
                hint: "join one with: openagent connect oa1… (a ticket)")
        }
        let flag = (name ?? node).map { AgentLocator.Choice.node($0) } ?? agentDirectory.map { .directory($0) }
        switch flag ?? AgentLocator.Choice(environment: AgentOptions.environment) {
        case .node(let named)?:
            if let id = try? NodeID(named) {
                return try await choice(of: id, in: joined, as: named, home: home, logger: logger)
            }
            return try Self.choice(named: named, in: joined)
        case .directory(let path)?:
            let directory = AgentDirectory(path)
            let id = try SecretKey.load(path: directory.identityKey).nodeID
            return try await choice(of: id, in: joined, as: directory.path, home: home, logger: logger)
        case nil: break
        }
        if let network = joined.active { return Self.usual(network, in: joined) }
        guard joined.networks.count == 1 else { throw Self.several(joined.networks) }
        return Self.usual(joined.networks[0], in: joined)
    }

    /// The agent that is used in `network` when none is named.
    private static func usual(_ network: JoinedNetwork, in joined: JoinedNetworks) -> Choice {
        let agent = joined.activeAgent(in: network)
        return Choice(network: network, agent: agent.map { .named($0) } ?? .coordinator)
    }

    /// Finds the network of a node: as coordinator, then among the agents that are remembered, then by asking.
    private func choice(
        of id: NodeID, in joined: JoinedNetworks, as name: String, home: ClientHome, logger: Logger
    ) async throws -> Choice {
        if let network = joined.networks.first(where: { $0.coordinator == id }) {
            return Choice(network: network, agent: .coordinator)
        }
        func known(_ network: JoinedNetwork) -> Bool {
            AgentFinder(home: home, network: network).known.contains { $0.nodeID == id }
        }
        var network = joined.networks.first(where: known)
        if network == nil {
            try await Client.withEndpoint(home: home, logger: logger) { endpoint in
                for candidate in joined.networks {
                    let dialer = Client.dialer(endpoint, candidate, timeout: min(timeout.duration, .seconds(5)))
                    _ = try? await AgentFinder(home: home, network: candidate).refresh(through: dialer)
                }
            }
            network = joined.networks.first(where: known)
        }
        guard let network else {
            throw CommandError(
                .usage, "this device has not joined the network of \(name)",
                hint: "join it with a ticket of that network"
            )
        }
        return Choice(network: network, agent: .named(id.hex))
    }

    private static func choice(named name: String, in joined: JoinedNetworks) throws -> Choice {
        let matching = joined.places(name)
        guard let first = matching.first else {
            let known = joined.networks.map(\.displayName).joined(separator: ", ")
            throw CommandError(.usage, "this device has not joined '\(name)'", hint: "it has joined: \(known)")
        }
        guard matching.count == 1 else { throw several(matching.map(\.network)) }
        guard let agent = first.agent else { return usual(first.network, in: joined) }
        return Choice(network: first.network, agent: .named(agent))
    }

    private static func several(_ networks: [JoinedNetwork]) -> CommandError {
        CommandError(
            .usage, "this device has joined several networks",
            hint: "choose one of: \(networks.map(\.displayName).joined(separator: ", "))")
    }
}
