internal import Hummingbird
internal import Wire

// How is the machine? `GET /api/system`, for users of the network: what `system_snapshot` tells, on demand.

enum SystemRoutes {
    /// - Parameter work: what the gateway has to do at the moment.
    static func routes(
        _ monitor: SystemMonitor, work: @escaping @Sendable () async -> SystemReport.Work
    ) -> [Route] {
        [
            .member(.get, "/api/system", .system) { _, _, _ in
                try JSON.response(SystemReport(system: monitor.snapshot(), work: await work()))
            }
        ]
    }
}
