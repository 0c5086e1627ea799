internal import JSON
internal import Store

// How does the agent change which servers of tools it has? As an administrator does. What a server is told in secret goes in and never
// comes out again: of an environment and of headers only the names are shown.

/// The tools of the server `mcp-manager`. A command line runs as the agent, so all of them are for administrators.
struct MCPTools: Sendable {
    let registry: Registry

    private static let name = ToolParameter.text("name", "The server's name", required: true)
    private static let target: [ToolParameter] = [
        .texts("command", "A program and its first arguments"), .texts("args", "Further arguments"),
        .text("url", "Where a server is that is reached over HTTP"),
        .object("env", "Variables of the program; prefer references such as {env:NAME}").secret,
        .object("headers", "Headers for the URL; prefer references such as {env:NAME}").secret,
    ]

    static func server(_ registry: Registry) -> BuiltinServer {
        BuiltinServer("mcp-manager", MCPTools(registry: registry).tools)
    }

    private var tools: [BuiltinTool] {
        [
            BuiltinTool("list_mcps", .query, "Lists all servers of tools", needsAdmin: true) { _, _ in
                ["mcps": .array(try await registry.mcps().map(Self.shown))]
            },
            BuiltinTool("list_builtin_mcps", .query, "Lists the servers that come with the agent", needsAdmin: true) {
                _, _ in ["mcps": .array(try await registry.mcps().filter { $0.kind == .builtin }.map(Self.shown))]
            },
            BuiltinTool("get_mcp", .query, "Shows a server", [Self.name], needsAdmin: true) { arguments, _ in
                Self.shown(try await registry.mcp(arguments.text("name")))
            },
            BuiltinTool(
                "add_custom_mcp", .action, "Adds a server: a program ('command') or an address ('url')",
                [Self.name] + Self.target + [.flag("enabled", "Usually true")], needsAdmin: true
            ) { arguments, context in
                var change = try Self.change(arguments)
                change.isEnabled = try arguments.flag("enabled", usual: true)
                return Self.shown(
                    try await registry.addMCP(arguments.text("name"), change, by: .init(name: context.handle)))
            },
            BuiltinTool(
                "update_mcp", .action, "Changes what is given of a server", [Self.name] + Self.target, needsAdmin: true
            ) { arguments, context in
                Self.shown(
                    try await registry.changeMCP(
                        arguments.text("name"), try Self.change(arguments), by: .init(name: context.handle)))
            },
            BuiltinTool("enable_mcp", .action, "Switches a server on", [Self.name], needsAdmin: true) {
                try await turn($0, isOn: true, $1)
            },
            BuiltinTool("disable_mcp", .action, "Switches a server off", [Self.name], needsAdmin: true) {
                try await turn($0, isOn: false, $1)
            },
            BuiltinTool(
                "remove_mcp", .action, "Removes a server that does not come with the agent", [Self.name],
                needsAdmin: true
            ) { arguments, context in
                let name = try arguments.text("name")
                try await registry.removeMCP(name, by: .init(name: context.handle))
                return ["removed": .string(name)]
            },
        ]
    }

    private func turn(_ arguments: ToolArguments, isOn: Bool, _ context: ToolContext) async throws -> JSONValue {
        let row = try await registry.changeMCP(
            arguments.text("name"), MCPChange(isEnabled: isOn), by: .init(name: context.handle))
        return Self.shown(row)
    }

    private static func change(_ arguments: ToolArguments) throws -> MCPChange {
        MCPChange(
            command: try arguments.optionalTexts("command", most: 128).map { .words($0) },
            arguments: try arguments.optionalTexts("args", most: 128), url: try arguments.optionalText("url"),
            environment: try arguments.optionalTextFields("env"), headers: try arguments.optionalTextFields("headers"))
    }

    private static func shown(_ mcp: MCPRecord) -> JSONValue {
        [
            "name": .string(mcp.name), "kind": .string(mcp.kind.rawValue), "enabled": .bool(mcp.isEnabled),
            "command": mcp.command.map { JSONValue(texts: $0) } ?? .null, "args": JSONValue(texts: mcp.arguments),
            "url": JSONValue(mcp.url), "env": JSONValue(texts: mcp.environment.keys.sorted()),
            "headers": JSONValue(texts: mcp.headers.keys.sorted()),
        ]
    }
}
