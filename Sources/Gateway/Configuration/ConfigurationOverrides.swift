internal import JSON
public import Logging
internal import Synchronization
internal import Wire

// Which settings follow the file while the agent runs, and what wins over it? Flags and the environment of `serve` win for as
// long as it runs, whatever the file says meanwhile.

/// What somebody said when the agent was started.
public struct ConfigurationOverrides: Sendable {
    public var name: String?
    /// Zero: any port, whatever the file says.
    public var port: UInt16?
    public var logLevel: Logger.Level?

    public init(name: String? = nil, port: UInt16? = nil, logLevel: Logger.Level? = nil) {
        self.name = name
        self.port = port
        self.logLevel = logLevel
    }

    /// What holds when the file says `file`.
    public func applied(to file: AgentConfiguration) -> AgentConfiguration {
        var configuration = file
        if let name { configuration.name = name }
        if let port { configuration.port = port == 0 ? nil : port }
        if let logLevel { configuration.logLevel = logLevel }
        return configuration
    }

    /// Settings that a document makes and that something wins over.
    func hidden(in fields: [String: JSONValue]) -> [(section: String, sentence: String)] {
        func sentence(_ key: String) -> String { "\(key) was given when the agent was started, and that wins" }
        var hidden: [(section: String, sentence: String)] = []
        if name != nil, fields["name"] != nil { hidden.append(("name", sentence("name"))) }
        if port != nil, fields["network"]?["port"] != nil { hidden.append(("network", sentence("network.port"))) }
        if logLevel != nil, fields["logging"]?["level"] != nil {
            hidden.append(("logging", sentence("logging.level")))
        }
        return hidden
    }
}

extension AgentConfiguration {
    /// Settings that are read once, when the agent is put together: how each is called and what tells one value from another.
    /// All others are followed while the agent runs. `network.name` is neither: it only names a network that is made.
    static let afterRestart: [(key: String, text: @Sendable (AgentConfiguration) -> String)] = [
        ("limits.chat_seconds", { "\($0.limits.chatSeconds)" }),
        ("limits.connections", { "\($0.limits.connections)" }),
        ("limits.connections_per_device", { "\($0.limits.connectionsPerDevice)" }),
        ("limits.file_bytes_per_user", { "\($0.limits.fileBytesPerUser)" }),
        ("limits.file_size", { "\($0.limits.fileSize)" }),
        ("limits.files_per_user", { "\($0.limits.filesPerUser)" }),
        ("limits.note_size", { "\($0.limits.noteSize)" }),
        ("limits.streams_per_connection", { "\($0.limits.streamsPerConnection)" }),
        ("limits.workflow_runs", { "\($0.limits.workflowRuns)" }),
        ("logging.keep", { "\($0.logFiles.keep)" }),
        ("logging.max_size", { "\($0.logFiles.size)" }),
        ("memory.vault_path", { $0.vault }),
        ("network.port", { "\($0.port ?? 0)" }),
        ("sessions.lane", { $0.lane.rawValue }),
        ("webhooks.listen", { $0.webhooks.map { "\($0.host) \($0.port)" } ?? "" }),
        ("shell.enabled", { "\($0.tools.shell.isEnabled)" }),
        ("shell.memory_mb", { "\($0.tools.shell.memory)" }),
        ("web.allow_private", { $0.tools.web.privateHosts.sorted().joined(separator: " ") }),
        ("web.search_url", { $0.tools.web.searchURL ?? "" }),
    ]
}

/// The level from which on events are logged, for as long as it is not changed.
public final class LogLevel: Sendable {
    private let state: Mutex<Logger.Level>

    public init(_ level: Logger.Level) { state = Mutex(level) }

    public var current: Logger.Level { state.withLock { $0 } }

    public func set(_ level: Logger.Level) { state.withLock { $0 = level } }
}
