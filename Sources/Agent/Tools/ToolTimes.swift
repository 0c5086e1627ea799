// How long may a call take? As long as was set for the tool, else for all tools of its server, else as long as the tool itself says, else as
// long as its kind usually takes. One place for tools that come with the agent and for those of MCP servers.

/// How long calls of tools may take.
public struct ToolTimes: Sendable, Equatable {
    /// For a tool that only reads.
    public var query: Duration
    /// For any other tool.
    public var action: Duration
    /// For certain tools, by full name, or for all tools of a server, by its name (with its dashes or with underscores in their place).
    public var certain: [String: Duration]

    public init(
        query: Duration = .seconds(10), action: Duration = .seconds(30), certain: [String: Duration] = [:]
    ) {
        self.query = query
        self.action = action
        self.certain = certain
    }

    /// How long a call may take.
    func time(for tool: ToolDefinition, of server: String) -> Duration {
        certain[ToolCatalog.fullName(server, tool.name)] ?? certain[ToolCatalog.plain(server)] ?? certain[server]
            ?? tool.timeLimit ?? (tool.effect == .query ? query : action)
    }
}
