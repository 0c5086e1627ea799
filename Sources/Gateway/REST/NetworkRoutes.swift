internal import Hummingbird
internal import Transport
internal import Wire

// Which network is this? `GET /api/network`, and the path that older clients ask. Every agent of the network can answer.

enum NetworkRoutes {
    static func routes(_ agent: AgentDescription, coordinator: NodeID) -> [Route] {
        ["/api/network", "/api/network/info"].map { path in
            .member(.get, path, .network) { _, _, _ in
                try JSON.response(
                    NetworkBody(
                        role: agent.networkRole, networkID: agent.networkID, name: agent.networkName,
                        nodeID: agent.nodeID.hex, coordinatorNodeID: coordinator.hex))
            }
        }
    }
}
