internal import JSON
internal import Logging

// Which commands does Discord's menu offer, and how does it learn of them? It is told only when its list is another one: it takes two hundred
// changes a day.

/// The bot's menu.
struct DiscordCommands: Sendable {
    struct Command: Sendable, Hashable {
        var name: String
        var description: String
        /// What can be said with it: a name and what it is.
        var argument: [String]
    }

    static let menu = [
        Command(name: "new", description: "Begin a new conversation", argument: []),
        Command(name: "stop", description: "Stop what is being done", argument: []),
        Command(name: "status", description: "What is being done", argument: []),
        Command(name: "queue", description: "What waits to be done", argument: []),
        Command(
            name: "model", description: "Which model answers, or choose another",
            argument: ["name", "The model; nothing: which one answers"]),
        Command(name: "usage", description: "What was used", argument: []),
        Command(name: "help", description: "What can be said here", argument: []),
    ]

    /// 0 servers, 1 the chat with the bot.
    private enum Context { static let server: JSONValue = 0, chat: JSONValue = 1 }

    let rest: DiscordREST
    let guilds: Set<String>
    let logger: Logger

    /// Brings the menu up to date. What Discord refuses goes into the log: the bot works without a menu.
    ///
    /// - Throws: ``PlatformFailure/account(_:)``, `CancellationError`.
    func register(_ application: String) async throws {
        let everywhere = "/applications/\(application)/commands"
        if guilds.isEmpty {
            try await register(everywhere, [Context.server, Context.chat])
        } else {
            // In the chat with the bot only what is registered everywhere can be chosen.
            try await register(everywhere, [Context.chat])
            for guild in guilds.sorted() where Snowflake.isOne(guild) {
                try await register("/applications/\(application)/guilds/\(guild)/commands", nil)
            }
        }
    }

    private func register(_ path: String, _ contexts: [JSONValue]?) async throws {
        let pattern = contexts == nil ? "/applications/*/guilds/*/commands" : "/applications/*/commands"
        do {
            let known = try await rest.insist(DiscordRequest("GET", path, pattern: pattern), as: JSONValue.self)
            guard Self.entries(known) != Self.entries(Self.list(contexts)) else { return }
            let body = PlatformHTTP.Body.json(Self.list(contexts))
            _ = try await rest.insist(DiscordRequest("PUT", path, pattern: pattern, body: body), as: JSONValue.self)
            logger.info("bridge::discord_menu_changed", metadata: ["scope": contexts == nil ? "server" : "everywhere"])
        } catch let refusal as DiscordRefusal {
            logger.warning(
                "bridge::discord_menu_refused",
                metadata: ["scope": contexts == nil ? "server" : "everywhere", "reason": "\(refusal.text)"])
        }
    }

    static func list(_ contexts: [JSONValue]?) -> JSONValue {
        .array(
            menu.map { command in
                var fields: [String: JSONValue] = [
                    "type": 1, "name": .string(command.name), "description": .string(command.description),
                ]
                if let name = command.argument.first, let description = command.argument.last {
                    let option: JSONValue = [
                        "type": 3, "name": .string(name), "description": .string(description), "required": false,
                    ]
                    fields["options"] = .array([option])
                }
                if let contexts {
                    fields["contexts"] = .array(contexts)
                    fields["integration_types"] = [0]
                }
                return .object(fields)
            })
    }

    private struct Entry: Hashable {
        var command: Command
        var contexts: Set<Int>
    }

    /// What two lists are compared by: Discord adds fields of its own.
    private static func entries(_ list: JSONValue) -> Set<Entry> {
        guard case .array(let commands) = list else { return [] }
        return Set(
            commands.map { command in
                var argument: [String] = []
                if case .array(let options)? = command["options"] {
                    argument = options.flatMap { [$0["name"]?.string ?? "", $0["description"]?.string ?? ""] }
                }
                var contexts: Set<Int> = []
                if case .array(let numbers)? = command["contexts"] { contexts = Set(numbers.compactMap(\.integer)) }
                return Entry(
                    command: Command(
                        name: command["name"]?.string ?? "", description: command["description"]?.string ?? "",
                        argument: argument), contexts: contexts)
            })
    }
}
