public import Logging

// Which tools come with the agent? One server for each subject, put together here over the services that there are. A row of the registry
// switches each of them on and off, and is asked each time: what is off is neither offered nor called.

/// The servers that come with the agent.
public struct BuiltinTools: Sendable {
    /// What the tools work on. What is nil is not offered.
    public struct Services: Sendable {
        public var registry: Registry
        public var vault: Vault?
        public var tasks: ScheduledTasks?
        public var workflows: Workflows?
        public var workflowActions = WorkflowActions()
        public var modelActions = ModelActions()
        /// Where the agent's files are, absolute; nil: it has none, and no shell.
        public var workFolder: String?
        public var web = WebSettings()
        public var shell = ShellSettings()
        /// Unix seconds.
        public var now: @Sendable () -> Double

        public init(registry: Registry, now: @escaping @Sendable () -> Double) {
            self.registry = registry
            self.now = now
        }
    }

    /// What can be called, each switched by its row.
    public let servers: [any ToolServer]
    /// Servers that are off unless somebody switches them on.
    private let isOffAtFirst: Set<String>
    /// Servers that are meant for other programs, too, where whoever runs the agent grants it. The others work on the agent itself, on
    /// its files or on the session of a turn.
    private static let openToOthers: Set = ["vault", "scheduler", "workflow-manager"]
    private let registry: Registry
    private let jobs = ShellJobs()
    private let toolbox = ToolboxSlot()

    /// - Parameter logger: is told of tools that fail inside.
    public static func all(_ services: Services, logger: Logger) -> BuiltinTools {
        BuiltinTools(services, logger)
    }

    private init(_ services: Services, _ logger: Logger) {
        registry = services.registry
        let toolbox = toolbox
        var servers: [BuiltinServer] = []
        if let vault = services.vault { servers.append(VaultTools.server(vault)) }
        if let folder = services.workFolder { servers.append(EditorTools.server(folder)) }
        servers.append(WebTools.server(services.web))
        if let tasks = services.tasks { servers.append(ScheduleTools.server(tasks, now: services.now)) }
        if let workflows = services.workflows {
            var actions = services.workflowActions
            actions.availableTools =
                actions.availableTools ?? { await toolbox.current?.tools(isAdmin: $0.isAdmin) ?? [] }
            servers.append(WorkflowTools.server(workflows, actions))
        }
        servers.append(ModelTools.server(services.registry, services.modelActions))
        servers.append(MCPTools.server(services.registry))
        servers.append(ToolSearch.server { toolbox.current })
        if let folder = services.workFolder, services.shell.isEnabled {
            let sandbox = ShellSandbox(folder: folder, memory: services.shell.memory)
            servers.append(ShellTools(sandbox: sandbox, jobs: jobs, now: services.now).server)
        }
        isOffAtFirst = services.shell.isEnabled ? [] : ["shell"]
        self.servers = servers.map { server in
            var server = server
            let (name, registry) = (server.name, services.registry)
            server.logger = logger
            if Self.openToOthers.contains(name) { server.openTo.insert(.outside) }
            // A row that can't be read is no permission, and neither is that of somebody else's server of this name.
            server.isEnabled = {
                guard let row = try? await registry.mcp(name) else { return false }
                return row.kind == .builtin && row.isEnabled
            }
            return server
        }
    }

    /// The names of all servers that come with the agent; the shell has a row also where it is not allowed.
    public var names: [String] { servers.map(\.name) + isOffAtFirst.sorted() }

    /// Makes the rows that are missing.
    public func addRows() throws { try registry.addBuiltinMCPs(names, disabled: isOffAtFirst) }

    /// Says through which door `tool-search` calls what it finds.
    public func use(_ toolbox: any Toolbox) { self.toolbox.set(toolbox) }

    /// Forgets that door, which leads back to these tools. To be called when nobody calls them any more.
    public func release() { toolbox.clear() }

    /// Runs what commands do in the background, until the task is cancelled.
    public func run() async { await jobs.run() }
}
