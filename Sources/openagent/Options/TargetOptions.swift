internal import ArgumentParser
internal import Certs
internal import Foundation
internal import Gateway
internal import LoopbackProxy
internal import Transport
internal import Wire

// Which agent does an administrator mean, and how is it reached? What was named first; else an agent of this machine,
// whose operator is whoever can read its key; else the network that this device has joined.

struct TargetOptions: ParsableArguments {
    /// The environment variable that names a proxy.
    static let proxyVariable = "OPENAGENT_PROXY"
    /// The environment variable that holds its token.
    static let tokenVariable = "OPENAGENT_PROXY_TOKEN"

    @Option(
        name: .customLong("agent"),
        help: ArgumentHelp(
            "The agent in this directory, whether it runs or not. Without this, --node and --proxy: $OPENAGENT_PROXY, "
                + "$OPENAGENT_AGENT, $OPENAGENT_NODE, the agent of the current directory, ./my-agent, the only agent that "
                + "runs here, the network that this device joined.", valueName: "dir"))
    var agentDirectory: String?

    @Option(
        name: .customLong("node"),
        help: ArgumentHelp(
            "The agent of this machine with this node id or name, else the network (also handle@network) that this "
                + "device joined.", valueName: "nodeid|name"))
    var node: String?

    @Option(
        help: ArgumentHelp(
            "Through this 'openagent proxy', http://127.0.0.1:PORT or unix:PATH. A token is taken from "
                + "$OPENAGENT_PROXY_TOKEN or user/proxy.token.", valueName: "url"))
    var proxy: String?

    @Option(help: ArgumentHelp("How long to try to reach the agent.", valueName: "seconds"))
    var timeout = Seconds(20)

    @Flag(help: "Print one JSON document.")
    var json = false

    @OptionGroup var log: LogOptions

    func validate() throws {
        if [agentDirectory, node, proxy].filter({ $0 != nil }).count > 1 {
            throw ValidationError("--agent, --node and --proxy each name an agent: give one of them")
        }
    }

    /// Asks the agent by `work` and prints the answer: as it came with `--json`, else by `show`.
    func run<Body: Sendable>(
        _ work: (Administration) async throws -> Administration.Answer<Body>, show: (Body) throws -> Void
    ) async throws {
        let answer = try await ask(work)
        if json { Output.write(Screen.json(answer.json) + "\n") } else { try show(answer.value) }
    }

    /// Asks the agent by `work`.
    func ask<R: Sendable>(_ work: (Administration) async throws -> R) async throws -> R {
        let carrier = try await open()
        let result: Result<R, any Error>
        do { result = .success(try await work(Administration(carrier))) } catch { result = .failure(error) }
        await carrier.close()
        return try result.get()
    }

    /// Where the agent's folder is, if it is one of this machine that nobody serves.
    func stoppedAgent() throws -> AgentDirectory? {
        guard case .agent(let directory) = try choose(AgentOptions.environment),
            case .stopped = InstanceState(directory)
        else { return nil }
        return directory
    }

    // MARK: Choosing

    private enum Choice {
        case agent(AgentDirectory)
        case network(JoinedNetwork)
        case proxy(ProxyPlace)
    }

    private func open() async throws -> any AdministrationCarrier {
        let environment = AgentOptions.environment
        let choice = try choose(environment)
        let logger = try log.fileLogger(environment: environment)
        switch choice {
        case .agent(let directory):
            switch try await Self.state(of: directory, within: min(timeout.duration, Administration.restartTime)) {
            case .running(let record):
                return try await RunningAgentCarrier(
                    directory: directory, record: record, timeout: timeout.duration, logger: logger)
            case .starting: throw AgentLocatorError.starting(directory)
            case .stopped: return try await StoppedAgentCarrier(directory: directory, logger: logger)
            }
        case .network(let network):
            return NetworkCarrier(
                try await Client(
                    home: ClientHome(environment: environment),
                    choice: ClientOptions.Choice(network: network, agent: .coordinator),
                    timeout: timeout.duration, logger: logger))
        case .proxy(let place):
            return ProxyCarrier(
                place, token: try token(environment), timeout: timeout.duration)
        }
    }

    /// What becomes of an agent that is being started: it says soon where it listens.
    private static func state(of directory: AgentDirectory, within time: Duration) async throws -> InstanceState {
        let deadline = ContinuousClock.now + time
        while case .starting = InstanceState(directory), ContinuousClock.now < deadline {
            try await Task.sleep(for: .milliseconds(50))
        }
        return InstanceState(directory)
    }

    private func choose(_ environment: [String: String]) throws -> Choice {
        if let proxy { return .proxy(try ProxyPlace(proxy)) }
        let locator = try AgentOptions.locator()
        if let agentDirectory { return .agent(try locator.locate(.directory(agentDirectory))) }
        if let node { return try named(node, locator: locator, environment) }
        if let proxy = environment[Self.proxyVariable], !proxy.isEmpty { return .proxy(try ProxyPlace(proxy)) }
        if case .node(let node)? = AgentLocator.Choice(environment: environment) {
            return try named(node, locator: locator, environment)
        }
        switch Result(catching: { () throws(AgentLocatorError) in try locator.locate(nil) }) {
        case .success(let directory): return .agent(directory)
        case .failure(.noneRuns(let stopped)): return try joined(environment, stopped: stopped)
        case .failure(let error): throw error
        }
    }

    /// No agent of this machine was found.
    private func joined(_ environment: [String: String], stopped: [AgentDirectory]) throws -> Choice {
        let joined = try ClientHome(environment: environment).networks.load()
        if let network = try Self.chosen(among: joined) { return .network(network) }
        throw CommandError(
            .state, "no agent runs on this machine, and this device has joined no network",
            hint: stopped.isEmpty
                ? "name an agent's directory with --agent DIR, or join a network with: openagent connect oa1…"
                : "name an agent's directory with --agent, such as \(stopped[0])")
    }

    /// A local agent comes first: its operator may do more than any user of its network.
    private func named(_ name: String, locator: AgentLocator, _ environment: [String: String]) throws -> Choice {
        var known: [AgentDirectory] = []
        if !name.contains("@") {
            switch Result(catching: { () throws(AgentLocatorError) in try locator.locate(.node(name)) }) {
            case .success(let directory): return .agent(directory)
            case .failure(.unknown(_, _, let agents)): known = agents
            case .failure(let error): throw error
            }
        }
        let home = try ClientHome(environment: environment)
        let joined = try home.networks.load()
        let matching: [JoinedNetwork]
        if let id = try? NodeID(name) {
            matching = joined.networks.filter { network in
                let agents = AgentFinder(home: home, network: network).known
                return network.coordinator == id || agents.contains { $0.nodeID == id }
            }
        } else {
            // Whichever agent of a network is named: the one that coordinates it administers it.
            matching = joined.places(name).map(\.network)
        }
        guard let network = matching.first else {
            let names = known.map(\.path) + joined.networks.map(\.displayName)
            throw CommandError(
                .usage, "neither an agent of this machine nor a network of this device is called '\(name)'",
                hint: names.isEmpty
                    ? "name an agent's directory with --agent DIR, or join a network with: openagent connect oa1…"
                    : "known are: \(names.joined(separator: ", "))")
        }
        guard matching.count == 1 else { throw Self.several(matching) }
        return .network(network)
    }

    /// The active network, or the only one.
    private static func chosen(among joined: JoinedNetworks) throws -> JoinedNetwork? {
        if let network = joined.active { return network }
        guard joined.networks.count < 2 else { throw several(joined.networks) }
        return joined.networks.first
    }

    private static func several(_ networks: [JoinedNetwork]) -> CommandError {
        CommandError(
            .usage, "this device has joined several networks",
            hint: "choose one with --node: \(networks.map(\.displayName).joined(separator: ", "))")
    }

    /// What the proxy may ask for. A file that is there and unusable is an error; none is none.
    private func token(_ environment: [String: String]) throws -> ProxyToken? {
        if let text = environment[Self.tokenVariable], !text.isEmpty {
            do { return try ProxyToken(text) } catch {
                throw CommandError(
                    .usage, "what \(Self.tokenVariable) holds is no proxy's token",
                    hint: "set it to what is in user/proxy.token of whoever started the proxy, or unset it")
            }
        }
        let path = try UserDirectory.path(environment: environment) + "/user/proxy.token"
        return FileManager.default.fileExists(atPath: path) ? try ProxyToken.loadOrCreate(path: path) : nil
    }
}
