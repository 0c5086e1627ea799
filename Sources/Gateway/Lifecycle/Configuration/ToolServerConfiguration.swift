internal import Agent

// What may be set about servers of tools in openagent.yaml? How much memory their programs may take. How long their tools may take is set for
// all tools together, and which servers there are is kept in the database.

/// The section `tool_servers`.
public struct ToolServerConfiguration: Sendable, Equatable {
    /// Bytes of memory of a server's program and all that it starts, 16 MiB to 1 TiB.
    public var memory = 1 << 30

    public init() {}

    mutating func read(_ section: inout ConfigurationSection) throws(ConfigurationError) {
        memory = try section.integer("memory", in: (16 << 20)...(1 << 40)) ?? memory
    }

    /// With these settings.
    ///
    /// - Parameters:
    ///   - folder: where programs run.
    ///   - version: of this program.
    ///   - times: how long calls may take; asked for each one.
    func settings(
        folder: String, version: String, times: @escaping @Sendable () -> ToolTimes
    ) -> MCPSettings {
        var settings = MCPSettings()
        settings.times = times
        settings.memory = memory
        settings.folder = folder
        settings.version = version
        return settings
    }
}
