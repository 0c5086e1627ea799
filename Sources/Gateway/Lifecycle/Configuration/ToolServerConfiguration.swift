internal import Agent

// What may be set about servers of tools in openagent.yaml? How long their tools may take and how much memory their programs. Which servers
// there are is kept in the database.

/// The section `tool_servers`.
public struct ToolServerConfiguration: Sendable, Equatable {
    /// How long a tool may take that only reads, in seconds, 1 to 3,600.
    public var querySeconds = 10.0
    /// How long any other tool may take, in seconds, 1 to 3,600.
    public var actionSeconds = 30.0
    /// Seconds for certain tools or servers, by their names, 1 to 3,600 each.
    public var seconds: [String: Double] = [:]
    /// Bytes of memory of a server's program and all that it starts, 16 MiB to 1 TiB.
    public var memory = 1 << 30

    public init() {}

    private static let range = 1.0...3_600

    mutating func read(_ section: inout ConfigurationSection) throws(ConfigurationError) {
        querySeconds = try section.number("query_seconds", in: Self.range) ?? querySeconds
        actionSeconds = try section.number("action_seconds", in: Self.range) ?? actionSeconds
        memory = try section.integer("memory", in: (16 << 20)...(1 << 40)) ?? memory
        try section.section("seconds") { tools throws(ConfigurationError) in
            for name in tools.keys { seconds[name] = try tools.number(name, in: Self.range) }
        }
    }

    /// With these settings.
    ///
    /// - Parameters:
    ///   - folder: where programs run.
    ///   - version: of this program.
    func settings(folder: String, version: String) -> MCPSettings {
        var settings = MCPSettings()
        settings.queryTime = .seconds(querySeconds)
        settings.actionTime = .seconds(actionSeconds)
        settings.times = seconds.mapValues { .seconds($0) }
        settings.memory = memory
        settings.folder = folder
        settings.version = version
        return settings
    }
}
