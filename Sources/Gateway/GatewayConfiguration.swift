public import Agent
internal import Certs
public import Store
public import Transport
internal import Wire

// What is a gateway made of? Everything that its server is given: what there is of it, its bounds and its clock. Who puts it together is
// GatewayCore's question.

/// What a gateway is made for.
public struct GatewayConfiguration: Sendable {
    public var agent: AgentDescription
    /// The key that signs the network's certificates.
    public var coordinator: NodeID
    /// Who carries out acts of administration. The default is that this agent is a member, and somebody else does.
    public var administration: NetworkAdministration
    public var limits = GatewayLimits()
    /// Whose turns run one after the other.
    public var lane = SessionLane.client
    /// Where files are kept; nil: the agent keeps none.
    public var files: AgentFiles?
    /// What the agent remembers; nil: nothing.
    public var vault: Vault?
    /// Providers, models and MCP servers; nil: the agent keeps none.
    public var registry: Registry?
    /// The MCP servers that run; nil: none do.
    public var mcps: MCPServers?
    /// What it does by itself; nil: nothing.
    public var tasks: ScheduledTasks?
    public var workflows: Workflows?
    /// Who runs them; nil: nobody.
    var runner: WorkflowRunner?
    /// Who runs what is due; nil: nobody.
    public var scheduler: Scheduler?
    /// Ways into workflows from outside; nil: there are none.
    public var webhooks: WebhookRepository?
    /// Turns that nobody types run through it once the gateway is there; nil: there are none.
    public var unattended: UnattendedSessions?
    /// Which calls of tools wait for their users; nil: none.
    public var approvals: Approvals?
    /// Keeps account of calls of tools.
    public var ledger: ToolCallLedger?
    /// The account of what is done here; nil: that of the network alone is read, where this agent coordinates it.
    public var audit: AuditLog?
    /// What tools there are for an administrator, or for anybody else.
    var tools: @Sendable (_ isAdmin: Bool) async -> [OfferedTool] = { _ in [] }
    /// The agent's tools as far as other programs may use them; nil: they may use none.
    var outsideTools: (any Toolbox)?
    /// What a backup is made of; nil: none is made.
    public var backup: BackupSource?
    /// Who else has a say in turns.
    var hooks = TurnHooks()
    /// How usage is priced and bounded.
    public var usage = UsageSettings()
    /// What the agent told of itself; nil: nothing can be read.
    public var logs: LogSource?
    /// What the agent hears and speaks with.
    public var voice = Voice()
    /// Its configuration; nil: there is no file that could be read or written.
    public var store: ConfigurationStore?
    /// What is known of bridges, and of who may talk through them.
    public var bridges = BridgeRoom()
    /// What works beside the requests for as long as the gateway runs; each ends when its task is cancelled.
    var services: [@Sendable () async -> Void] = []
    /// Unix seconds.
    public var now: @Sendable () -> Double
    /// What the names of new things are made of.
    var random = Randomness.system
    /// Whether somebody serves the agent: otherwise no turn runs, and nothing happens that one could listen to.
    var isServed = true
    /// Ends the process in good order, so that it is started again. Returns at once; nil when nobody serves the agent.
    public var requestRestart: (@Sendable () -> Void)?

    public init(agent: AgentDescription, coordinator: NodeID, now: @escaping @Sendable () -> Double) {
        self.agent = agent
        self.coordinator = coordinator
        self.now = now
        administration = .member(coordinator: coordinator, network: agent.networkName)
    }
}
