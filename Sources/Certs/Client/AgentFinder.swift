internal import Transport

// Where is the agent that somebody named? In what this device remembers, else in what the coordinator says now. It finds
// node ids and addresses; dialling them, and asking again when that failed, is the caller's work.

/// Finds agents of one network by name.
public struct AgentFinder: Sendable {
    private let network: JoinedNetwork
    private let file: AgentsFile

    public init(home: ClientHome, network: JoinedNetwork) {
        self.network = network
        file = home.agents(of: network.networkID)
    }

    /// The agents that are remembered.
    public var known: [KnownAgent] { file.load() }

    /// Asks the coordinator for all agents, and remembers them.
    ///
    /// - Throws: what the coordinator or the way to it throws, `PrivateFileError`.
    public func refresh(through coordinator: some CoordinatorReach) async throws -> [KnownAgent] {
        try file.store(
            try await coordinator.withCoordinator { try await $0.listAgents().compactMap { KnownAgent($0) } })
    }

    /// The agent with this handle or node id; the coordinator is asked only when nobody of that name is remembered.
    ///
    /// - Throws: ``AgentNameError`` with the names that there are; what ``refresh(through:)`` throws.
    public func agent(named name: String, through coordinator: some CoordinatorReach) async throws -> KnownAgent {
        if let agent = Self.pick(name, from: known) { return agent }
        let agents = try await refresh(through: coordinator)
        guard let agent = Self.pick(name, from: agents) else {
            throw AgentNameError.unknown(name, network: network.name, known: agents.map(\.handle).sorted())
        }
        return agent
    }

    /// Who `agent` is now: the one with its node id, else whoever has its handle.
    public static func pick(_ agent: KnownAgent, from agents: [KnownAgent]) -> KnownAgent? {
        agents.first { $0.nodeID == agent.nodeID } ?? pick(agent.handle, from: agents)
    }

    static func pick(_ name: String, from agents: [KnownAgent]) -> KnownAgent? {
        if let node = try? NodeID(name) { return agents.first { $0.nodeID == node } }
        let wanted = HandleRule.typed(name)
        return agents.first { HandleRule.typed($0.handle) == wanted }
    }
}
