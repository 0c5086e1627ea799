internal import Hummingbird
internal import Wire

// Which agent is this? `GET /api/agent-info`, for users of the network (rest.md §3).

enum AgentInfoRoutes {
    static func routes(_ agent: AgentDescription) -> [Route] {
        [
            .member(.get, "/api/agent-info", .agentInformation) { _, _, _ in
                try JSON.response(
                    AgentInformation(
                        name: agent.name, agentDirectory: agent.directory, nodeID: agent.nodeID.hex,
                        network: agent.networkName, role: agent.networkRole, version: agent.version))
            }
        ]
    }
}
