internal import ArgumentParser
internal import Foundation
internal import JSON
internal import Wire

// Which servers of tools does the agent have? Admins only: a server is a program that may do whatever the agent may.

struct MCPs: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mcps", abstract: "List and change the MCP servers, which give the agent tools.",
        subcommands: [
            List.self, Show.self, Add.self, Update.self, Remove.self, Enable.self, Disable.self,
        ])

    static let path = "/api/mcps"
    static let hint = "see: openagent mcps list"

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the MCP servers.")

        @OptionGroup var target: TargetOptions

        func run() async throws {
            try await target.run { agent in
                var all: [MCPBody] = []
                try await agent.pages(MCPs.path, as: MCPsBody.self) { page in
                    all += page.mcps
                    return page.nextCursor
                }
                return try Administration.answer(MCPsBody(mcps: all))
            } show: { body in
                var table = Table("NAME", "KIND", "STATE", "COMMAND OR ADDRESS", texts: ["NAME", "COMMAND OR ADDRESS"])
                for row in body.mcps {
                    table.add(row.name, row.kind, MCPs.state(row), MCPs.place(row))
                }
                table.show(empty: "There is no MCP server. Add one with: openagent mcps add NAME -- COMMAND")
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show an MCP server, without its secrets.")
        @OptionGroup var one: OneMCPOption

        func run() async throws {
            try await one.target.run {
                try await $0.get(Administration.path(MCPs.path, one.name), as: OneMCP.self, hint: MCPs.hint)
            } show: { body in
                let row = body.mcp
                var facts = Facts()
                facts.add("name", row.name)
                facts.add("kind", row.kind)
                facts.add("state", MCPs.state(row))
                if let tools = row.toolCount { facts.add("tools", "\(tools)") }
                if let restarts = row.restarts, restarts > 0 { facts.add("restarts", "\(restarts)") }
                if let error = row.lastError { facts.add("last error", error) }
                if let time = row.retryAt { facts.add("next start", timeText(time)) }
                facts.add(row.url == nil ? "command" : "address", MCPs.place(row))
                for (name, value) in row.env.sorted(by: { $0.key < $1.key }) { facts.add("env \(name)", value) }
                for (name, value) in row.headers.sorted(by: { $0.key < $1.key }) { facts.add("header \(name)", value) }
                facts.add("changed", timeText(row.updatedAt))
                facts.show()
            }
        }
    }

    /// Values for the server, none of them an argument that others see.
    struct Values: ParsableArguments {
        @Option(
            help: ArgumentHelp(
                "A variable for the program: NAME or NAME=@VARIABLE from this command's environment, or NAME={env:OTHER} from the agent's. May be repeated.",
                valueName: "name"))
        var env: [String] = []
        @Option(
            help: ArgumentHelp(
                "A header for the address: NAME=@VARIABLE or NAME={env:OTHER}. May be repeated.", valueName: "name"))
        var header: [String] = []

        /// - Parameter before: what is stored; its secrets are markers.
        func environment(_ before: [String: String] = [:], without names: [String] = []) throws -> [String: String]? {
            guard !env.isEmpty || !names.isEmpty else { return nil }
            return before.merging(try SecretText.values(env, "--env")) { $1 }.filter { !names.contains($0.key) }
        }

        func headers(_ before: [String: String] = [:], without names: [String] = []) throws -> [String: String]? {
            guard !header.isEmpty || !names.isEmpty else { return nil }
            return before.merging(try SecretText.values(header, "--header")) { $1 }.filter { !names.contains($0.key) }
        }
    }

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Add an MCP server: a program, or an address.",
            usage:
                "openagent mcps add <name> [<options>] -- <command> …\n       openagent mcps add <name> --url <url> [<options>]"
        )

        @Argument(help: "Its name: lower-case letters, digits, '.', '_' and '-'.")
        var name: String
        @Argument(help: "The program and its arguments, behind --.")
        var command: [String] = []
        @Option(help: ArgumentHelp("The address of a server that runs elsewhere.", valueName: "url"))
        var url: String?
        @Flag(help: "Do not use it yet.")
        var disabled = false
        @OptionGroup var values: Values
        @OptionGroup var target: TargetOptions

        func validate() throws {
            if command.isEmpty == (url == nil) { throw ValidationError("give a command behind --, or --url") }
        }

        func run() async throws {
            let wanted = MCPWrite(
                name: name, command: MCPs.words(command), args: command.isEmpty ? nil : Array(command.dropFirst()),
                url: url, env: try values.environment(), headers: try values.headers(), enabled: !disabled)
            try await target.run {
                try await $0.post(MCPs.path, wanted, as: MCPChanged.self)
            } show: { body in
                print("Added \(Screen.plain(body.mcp.name)).")
            }
        }
    }

    struct Update: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Change an MCP server; what isn't named stays.",
            discussion:
                "Secrets stay with the program or address that they were stored for: with a new one, give them again.")

        @Argument(help: "Its name.")
        var name: String
        @Argument(help: "Another program and its arguments, behind --.")
        var command: [String] = []
        @Option(help: ArgumentHelp("Another address.", valueName: "url"))
        var url: String?
        @Option(help: ArgumentHelp("Take away this variable. May be repeated.", valueName: "name"))
        var unsetEnv: [String] = []
        @Option(help: ArgumentHelp("Take away this header. May be repeated.", valueName: "name"))
        var unsetHeader: [String] = []
        @OptionGroup var values: Values
        @OptionGroup var target: TargetOptions

        func validate() throws {
            if !command.isEmpty, url != nil { throw ValidationError("give a command or --url, not both") }
        }

        func run() async throws {
            try await target.run {
                let path = Administration.path(MCPs.path, name)
                let row = try await $0.get(path, as: OneMCP.self, hint: MCPs.hint).value.mcp
                return try await $0.change(
                    path,
                    to: MCPWrite(
                        command: MCPs.words(command), args: command.isEmpty ? nil : Array(command.dropFirst()),
                        url: url,
                        env: try values.environment(row.env, without: unsetEnv),
                        headers: try values.headers(row.headers, without: unsetHeader)))
            } show: { (body: MCPChanged) in
                print("Changed \(Screen.plain(body.mcp.name)).")
            }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Remove an MCP server with its secrets.")

        @Flag(help: "Do not ask.")
        var yes = false
        @OptionGroup var one: OneMCPOption

        func run() async throws {
            try Confirmation.ask("Remove the MCP server \(one.name)?", given: yes)
            try await one.target.run {
                try await $0.delete(Administration.path(MCPs.path, one.name), as: MCPRemoved.self, hint: MCPs.hint)
            } show: { _ in
                print("Removed \(Screen.plain(one.name)).")
            }
        }
    }

    struct Enable: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Use an MCP server.")
        @OptionGroup var one: OneMCPOption
        func run() async throws { try await one.act("enable", done: "is enabled") }
    }

    struct Disable: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Use an MCP server no longer.")
        @OptionGroup var one: OneMCPOption
        func run() async throws { try await one.act("disable", done: "is disabled") }
    }

    /// The server that a command is about.
    struct OneMCPOption: ParsableArguments {
        @Argument(help: "Its name.")
        var name: String
        @OptionGroup var target: TargetOptions

        func act(_ action: String, done: String) async throws {
            try await target.run {
                try await $0.post(
                    Administration.path(MCPs.path, name) + "/\(action)", [String: String](), as: MCPChanged.self,
                    hint: MCPs.hint)
            } show: { body in
                print("\(Screen.plain(body.mcp.name)) \(done).")
            }
        }
    }

    /// A program; its arguments have a field of their own.
    fileprivate static func words(_ command: [String]) -> JSONValue? {
        command.first.map { .array([.string($0)]) }
    }

    /// How it fares, or whether it is to be used at all.
    fileprivate static func state(_ row: MCPBody) -> String {
        row.enabled ? row.state?.replacing("_", with: " ") ?? "enabled" : "disabled"
    }

    fileprivate static func place(_ row: MCPBody) -> String? {
        row.url ?? row.command.map { ($0 + row.args).joined(separator: " ") }
    }
}
