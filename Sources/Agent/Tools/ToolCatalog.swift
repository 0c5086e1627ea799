public import Logging
internal import Synchronization

// Which tools are there, and under which names? Every name belongs to one tool of one server for as long as that server is there: whoever
// came first keeps it, also while it is down, so that nobody takes a name over in between.

/// Keeps the names of tools apart.
final class ToolCatalog: Sendable {
    /// A tool with the server that runs it.
    struct Entry: Sendable {
        let tool: OfferedTool
        let server: any ToolServer
    }

    /// Providers of models take no longer ones.
    private static let longestName = 64

    private struct State {
        /// The server that has a full name.
        var owners: [String: String] = [:]
        var warned: Set<String> = []
    }

    private let state = Mutex(State())
    private let logger: Logger

    init(logger: Logger) { self.logger = logger }

    /// What the servers offer, in their order. Of two with the same name the first counts.
    func entries(of servers: [any ToolServer]) async -> [Entry] {
        var names: Set<String> = []
        var unique: [any ToolServer] = []
        for server in servers {
            if names.insert(Self.plain(server.name)).inserted {
                unique.append(server)
            } else {
                warn("server \(server.name)", "another server has this name: its tools are not offered")
            }
        }
        var entries: [Entry] = []
        var taken: Set<String> = []
        for server in unique {
            for definition in await server.tools() {
                let fullName = Self.fullName(server.name, definition.name)
                guard claim(fullName, for: server.name, among: names), taken.insert(fullName).inserted else {
                    warn("tool \(fullName) of \(server.name)", "another tool has this name: it is not offered")
                    continue
                }
                entries.append(
                    Entry(
                        tool: OfferedTool(fullName: fullName, server: server.name, definition: definition),
                        server: server))
            }
        }
        return entries
    }

    /// The server that a tool of this name would be of, when it offers none at all at the moment.
    func silentServer(of fullName: String, among servers: [any ToolServer]) async -> (any ToolServer)? {
        for server in servers where fullName.hasPrefix(Self.plain(server.name) + "_") {
            if await server.tools().isEmpty { return server }
        }
        return nil
    }

    private func claim(_ fullName: String, for server: String, among names: Set<String>) -> Bool {
        state.withLock { state in
            if let owner = state.owners[fullName], owner != server, names.contains(Self.plain(owner)) { return false }
            state.owners[fullName] = server
            return true
        }
    }

    /// Says it once.
    private func warn(_ subject: String, _ problem: String) {
        guard state.withLock({ $0.warned.insert(subject).inserted }) else { return }
        logger.warning("tools::name_taken", metadata: ["subject": "\(subject)", "problem": "\(problem)"])
    }

    // MARK: Names

    /// `web-search` and `get page` are `web_search_get_page`.
    static func fullName(_ server: String, _ tool: String) -> String {
        String((plain(server) + "_" + tool.map(letter)).prefix(longestName))
    }

    static func plain(_ name: String) -> String { String(name.map { $0 == "-" ? "_" : letter($0) }) }

    private static func letter(_ character: Character) -> Character {
        character.isASCII && (character.isLetter || character.isNumber || character == "_" || character == "-")
            ? character : "_"
    }
}
