internal import Hummingbird

// Does the agent live? `GET /api/health`, for anybody; it tells strangers nothing but the version.

enum HealthRoutes {
    private struct Health: Encodable {
        let status = "ok"
        let version: String
        /// Only for users of the network.
        let agent: String?
    }

    static func routes(_ agent: AgentDescription) -> [Route] {
        [
            .open(.get, "/api/health") { _, context in
                let isMember = (try? context.authentication.get()) != nil
                return try JSON.response(Health(version: agent.version, agent: isMember ? agent.name : nil))
            }
        ]
    }
}
