internal import Wire

// What can be asked of a gateway over HTTP? The list of its rooms' routes; each room says itself what it serves and to whom.

extension GatewayServer {
    /// Everything that can be asked over HTTP.
    static func routes(
        _ configuration: GatewayConfiguration, live: LiveConnections, sessions: SessionManager,
        files: ArtifactStore? = nil
    ) -> [Route] {
        let administration = configuration.administration
        let monitor = SystemMonitor(folder: configuration.agent.directory, now: configuration.now)
        let routes =
            HealthRoutes.routes(configuration.agent, configuration.store) + AgentInfoRoutes.routes(configuration.agent)
            + WhoAmIRoutes.routes(configuration.agent, administration, live)
            + NetworkRoutes.routes(configuration.agent, coordinator: configuration.coordinator)
            + NetworkAgentRoutes.routes(administration) + UserRoutes.routes(administration)
            + DeviceRoutes.routes(administration, live) + InvitationRoutes.routes(administration)
            + AuditRoutes.routes(administration, configuration.audit) + SessionRoutes.routes(sessions)
            + FileRoutes.routes(files) + VaultRoutes.routes(configuration.vault)
            + BackupRoutes.routes(configuration.backup, gate: files?.gate ?? RemovalGate(), now: configuration.now)
            + ProviderRoutes.routes(configuration.registry)
            + MCPRoutes.routes(configuration.registry, configuration.mcps)
            + ModelRoutes.routes(configuration.registry) { await sessions.surroundings.models() }
            + TaskRoutes.routes(
                configuration.tasks, configuration.isServed ? configuration.scheduler : nil,
                waitingAtMost: configuration.limits.chatTime, now: configuration.now)
            + WebhookRoutes.routes(
                configuration.webhooks, configuration.workflows, configuration.random, now: configuration.now)
            + WorkflowRoutes.routes(configuration.workflows, runner: configuration.runner)
            + WorkflowRunRoutes.routes(configuration.workflows, runner: configuration.runner)
            + ApprovalRoutes.routes(configuration.approvals)
            + ToolPolicyRoutes.routes(configuration.approvals?.policies, tools: configuration.tools)
            + VoiceRoutes.routes(configuration.voice)
            + ConfigurationRoutes.routes(configuration.store, configuration.audit, now: configuration.now)
            + LogRoutes.routes(configuration.logs, now: configuration.now)
            + UsageRoutes.routes(sessions, now: configuration.now)
            + RestartRoutes.routes(configuration.requestRestart)
            + BridgeRoutes.routes(configuration.bridges, live, now: configuration.now)
            + SystemRoutes.routes(monitor) {
                let turns = await sessions.turnCounts
                return .init(
                    turnsRunning: turns.running, turnsWaiting: turns.waiting, sockets: live.listenerCount)
            } + ChatRoutes.routes(Listening.Room(configuration, live, sessions), files, configuration.random)
            + EventRoutes.routes(Listening.Room(configuration, live, sessions))
            + MCPServerRoutes(
                configuration.agent, OutsideRoutes(configuration, sessions), sessions, random: configuration.random,
                silence: configuration.limits.streamSilence
            ).routes
        return routes
            + DocumentRoutes.routes(
                version: configuration.agent.version, others: routes + [GatewayResponder.upgradeRequired(webSocket)])
    }
}
