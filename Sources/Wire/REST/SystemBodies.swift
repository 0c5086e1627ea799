// Which agent is it, and how is it? `GET /api/health`, `GET /api/agent-info` and `GET /api/system`: the object of
// `system_snapshot`, and what the gateway itself has to do.

/// `GET /api/health`
public struct HealthBody: Codable, Sendable, Equatable {
    /// `ok`
    public var status = "ok"
    public var version: String
    /// The agent's name; only for users of the network.
    public var agent: String?
    /// How its configuration is; only for users of the network.
    public var config: ConfigurationHealth?

    public init(version: String, agent: String?, config: ConfigurationHealth? = nil) {
        self.version = version
        self.agent = agent
        self.config = config
    }
}

/// Whether the file of the configuration is good. While it is not, what it said before holds.
public struct ConfigurationHealth: Codable, Sendable, Equatable {
    public var ok: Bool
    /// What is wrong, with the key.
    public var problem: String?
    /// Where in `openagent.yaml`.
    public var line: Int?

    public init(ok: Bool, problem: String? = nil, line: Int? = nil) {
        self.ok = ok
        self.problem = problem
        self.line = line
    }
}

/// `GET /api/agent-info`
public struct AgentInformation: Codable, Sendable, Equatable {
    public var name: String
    public var agentDirectory: String
    public var nodeID: String
    public var network: String
    /// `coordinator` or `member`.
    public var role: String
    public var version: String

    public init(
        name: String, agentDirectory: String, nodeID: String, network: String, role: String, version: String
    ) {
        self.name = name
        self.agentDirectory = agentDirectory
        self.nodeID = nodeID
        self.network = network
        self.role = role
        self.version = version
    }

    private enum Key: String, CodingKey {
        case name, network, role, version, port
        case agentDirectory = "agent_dir"
        case nodeID = "node_id"
    }

    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: Key.self)
        name = try fields.decode(String.self, forKey: .name)
        agentDirectory = try fields.decode(String.self, forKey: .agentDirectory)
        nodeID = try fields.decode(String.self, forKey: .nodeID)
        network = try fields.decode(String.self, forKey: .network)
        role = try fields.decode(String.self, forKey: .role)
        version = try fields.decode(String.self, forKey: .version)
        _ = try fields.decodeIfPresent(Int.self, forKey: .port)
    }

    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: Key.self)
        try fields.encode(name, forKey: .name)
        try fields.encode(agentDirectory, forKey: .agentDirectory)
        try fields.encode(nodeID, forKey: .nodeID)
        try fields.encode(network, forKey: .network)
        try fields.encode(role, forKey: .role)
        try fields.encode(version, forKey: .version)
        // Clients of the token era read a TCP port; there is none.
        try fields.encodeNil(forKey: .port)
    }
}

/// How the machine and the gateway are.
public struct SystemReport: Sendable, Equatable, Codable {
    /// What the gateway has to do.
    public struct Work: Sendable, Equatable, Codable {
        public var turnsRunning: Int
        public var turnsWaiting: Int
        /// Open WebSockets.
        public var sockets: Int

        public init(turnsRunning: Int, turnsWaiting: Int, sockets: Int) {
            self.turnsRunning = turnsRunning
            self.turnsWaiting = turnsWaiting
            self.sockets = sockets
        }

        private enum CodingKeys: String, CodingKey {
            case sockets
            case turnsRunning = "turns_running"
            case turnsWaiting = "turns_waiting"
        }
    }

    public var system: SystemSnapshot
    public var work: Work

    public init(system: SystemSnapshot, work: Work) {
        self.system = system
        self.work = work
    }

    private enum Key: String, CodingKey { case gateway }

    public init(from decoder: any Decoder) throws {
        system = try SystemSnapshot(from: decoder)
        work = try decoder.container(keyedBy: Key.self).decode(Work.self, forKey: .gateway)
    }

    public func encode(to encoder: any Encoder) throws {
        try system.encode(to: encoder)
        var fields = encoder.container(keyedBy: Key.self)
        try fields.encode(work, forKey: .gateway)
    }
}
