internal import Hummingbird
internal import Transport

// Which agent is this? `GET /api/agent-info`, for users of the network (rest.md §3).

enum AgentInfoRoutes {
    private struct AgentInfo: Encodable {
        let name: String
        let agentDirectory: String
        let nodeID: NodeID
        let network: String
        let role: String
        let version: String

        private enum Key: String, CodingKey {
            case name, network, role, version, port
            case agentDirectory = "agent_dir"
            case nodeID = "node_id"
        }

        func encode(to encoder: any Encoder) throws {
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

    static func routes(_ agent: AgentDescription) -> [Route] {
        [
            .member(.get, "/api/agent-info") { _, _, _ in
                try JSON.response(
                    AgentInfo(
                        name: agent.name, agentDirectory: agent.directory, nodeID: agent.nodeID,
                        network: agent.networkName, role: agent.networkRole, version: agent.version))
            }
        ]
    }
}
