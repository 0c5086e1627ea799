internal import Hummingbird
internal import Wire

// Does the agent live? `GET /api/health`, for anybody; it tells strangers nothing but the version.

enum HealthRoutes {
    static func routes(_ agent: AgentDescription) -> [Route] {
        [
            .open(.get, "/api/health", .health) { _, context in
                let isMember = (try? context.authentication.get()) != nil
                return try JSON.response(HealthBody(version: agent.version, agent: isMember ? agent.name : nil))
            }
        ]
    }
}
