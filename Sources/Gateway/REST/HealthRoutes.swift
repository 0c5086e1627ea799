internal import Hummingbird
internal import Wire

// Does the agent live? `GET /api/health`, for anybody; it tells strangers nothing but the version.

enum HealthRoutes {
    /// - Parameter store: tells how the configuration is, if there is one.
    static func routes(_ agent: AgentDescription, _ store: ConfigurationStore? = nil) -> [Route] {
        [
            .open(.get, "/api/health", .health) { _, context in
                let isMember = (try? context.authentication.get()) != nil
                guard isMember else { return try JSON.response(HealthBody(version: agent.version, agent: nil)) }
                let config = store.map { store in
                    let error = store.health.error
                    return ConfigurationHealth(ok: error == nil, problem: error?.problem, line: error?.line)
                }
                return try JSON.response(HealthBody(version: agent.version, agent: agent.name, config: config))
            }
        ]
    }
}
