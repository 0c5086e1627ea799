internal import Agent
internal import Certs
internal import Logging
internal import Store
internal import Transport

// How does an agent act by itself? Tasks, workflows and webhooks, with what runs them, put together: a time that has come and a
// delivery from outside start runs, and what a run asks the agent becomes a turn like everybody's. Bound to nothing; who serves the
// agent runs it.

/// What an agent does by itself.
struct AgentAutomation: Sendable {
    let tasks: ScheduledTasks
    let workflows: Workflows
    let scheduler: Scheduler
    /// Nil while nobody serves the agent.
    let runner: WorkflowRunner?
    let unattended: UnattendedSessions
    private let webhooks: WebhookRepository
    private let listener: WebhookListener?

    init(
        database: Database, place: AgentPlace, node: NodeID, configuration: AgentConfiguration, tools: ToolboxSlot,
        isServed: Bool, time: TimeSource, random: Randomness, logger: Logger
    ) {
        let makeID: @Sendable () -> String = { random.uuid() }
        let turns = UnattendedSessions(agent: node)
        unattended = turns
        var runner: WorkflowRunner?
        if isServed {
            var limits = WorkflowLimits()
            limits.keptRuns = configuration.limits.workflowRuns
            let membership = place.membership
            let http = FetchedWorkflowHTTP(privateHosts: configuration.tools.web.privateHosts)
            runner = WorkflowRunner(
                Workflows(WorkflowRepository(database), now: time.now, makeID: makeID),
                means: WorkflowMeans(
                    toolbox: { tools.current }, turns: { turns }, http: { http },
                    isAdmin: { membership.standing(ofHandle: $0) == .active(role: .admin) }),
                limits: limits, time: time, makeID: makeID, logger: logger)
        }
        self.runner = runner
        let fire = runner.map { runner -> Scheduler.Fire in
            { firing in
                _ = try await runner.start(
                    workflow: firing.workflowID, trigger: .schedule(node: firing.nodeID),
                    by: Principal.operator.auditName, key: firing.id)
            }
        }
        let scheduler = Scheduler(
            tasks: TaskRepository(database), workflows: WorkflowRepository(database), turns: turns, time: time,
            logger: logger, makeID: makeID, fire: fire)
        self.scheduler = scheduler
        workflows = Workflows(
            WorkflowRepository(database),
            tools: {
                guard let tools = tools.current else { return { _, _, _ in nil } }
                return GraphCheck.tools(of: await tools.tools(isAdmin: true))
            },
            now: time.now, makeID: makeID, changed: { scheduler.wake() })
        tasks = ScheduledTasks(TaskRepository(database), now: time.now, makeID: makeID, changed: { scheduler.wake() })
        webhooks = WebhookRepository(database)
        guard let address = configuration.webhooks, let runner else {
            listener = nil
            return
        }
        let door = WebhookDoor(webhooks, now: time.now, random: random, logger: logger) { workflow, run, payload in
            _ = try await runner.start(
                workflow: workflow, trigger: .event, inputs: payload, by: Principal.operator.auditName, key: run,
                id: run)
        }
        listener = WebhookListener(address: address, door: door, logger: logger)
    }

    /// Makes a gateway serve it.
    func enter(_ settings: inout GatewayConfiguration, store: ConfigurationStore, logger: Logger) {
        settings.unattended = unattended
        settings.tasks = tasks
        settings.workflows = workflows
        settings.scheduler = scheduler
        settings.runner = runner
        settings.webhooks = webhooks
        if let runner { settings.services.append { await runner.run() } }
        if let listener { settings.services.append { await listener.run() } }
        settings.services.append { [tasks] in await tasks.follow(store.active.dreamMode, logger: logger) }
        store.reconcile { [tasks] in await tasks.follow($0.dreamMode, logger: logger) }
    }
}
