internal import Hummingbird
internal import Wire

// Does the agent live? `GET /api/health`, for anybody; it tells strangers nothing but the version.

enum HealthRoutes {
    /// - Parameter store: tells how the configuration is, if there is one.
    static func routes(_ agent: AgentDescription, _ store: ConfigurationStore? = nil) -> [Route] {
        [
            .open(.get, "/api/health", .health) { _, context in
                guard let caller = try? context.authentication.get() else {
                    return try JSON.response(HealthBody(version: agent.version, agent: nil))
                }
                let config = store.map { store in
                    let error = store.health.error
                    // What is wrong may repeat what stands in the file, and that is for admins.
                    let told = caller.role >= .admin ? error : nil
                    return ConfigurationHealth(ok: error == nil, problem: told?.problem, line: told?.line)
                }
                return try JSON.response(HealthBody(version: agent.version, agent: agent.name, config: config))
            }
        ]
    }
}
