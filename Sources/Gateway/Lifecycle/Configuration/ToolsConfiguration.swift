public import Agent

// What may be set about the agent's own tools in openagent.yaml? Whom the web tools may ask besides the internet, and whether commands
// run.

/// The sections `web` and `shell`.
public struct ToolsConfiguration: Sendable, Equatable {
    public var web = WebSettings()
    public var shell = ShellSettings()

    private static let mostHosts = 100

    public init() {}

    mutating func read(_ root: inout ConfigurationSection) throws(ConfigurationError) {
        try root.section("web") { section throws(ConfigurationError) in
            let hosts = try section.values(
                "allow_private", "a list of hosts such as wiki.local or 192.168.1.5", most: Self.mostHosts,
                WebSettings.checkedHost)
            web.privateHosts = hosts.map(Set.init) ?? web.privateHosts
            web.searchURL =
                try section.value(
                    "search_url", "the address of a SearXNG search, e.g. http://127.0.0.1:8888/search",
                    WebSettings.checkedSearch) ?? web.searchURL
        }
        try root.section("shell") { section throws(ConfigurationError) in
            shell.isEnabled = try section.value("enabled", "true or false", Bool.init) ?? shell.isEnabled
            shell.memory =
                try section.integer("memory_mb", in: 64...1_048_576).map { $0 << 20 } ?? shell.memory
        }
    }
}
