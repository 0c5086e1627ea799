public import JSON

// How does a model use a tool that it was not told of? It asks which servers and tools there are, and calls one by name. Such a call
// goes through the same door as every other: policy, approval and audit see the tool that really runs.

/// The tools of the server `tool-search`.
public struct ToolSearch: Sendable {
    /// The name of the server.
    public static let name = "tool-search"

    /// What there is; nil while nobody has put a toolbox together.
    let toolbox: @Sendable () -> (any Toolbox)?

    private static let serverName = ToolParameter.text("server", "The server's name", required: true)
    private static let toolName = ToolParameter.text("tool", "The tool's name within its server", required: true)

    static func server(_ toolbox: @escaping @Sendable () -> (any Toolbox)?) -> BuiltinServer {
        BuiltinServer(name, ToolSearch(toolbox: toolbox).tools)
    }

    /// Which tool a call of `call_tool` is about. A toolbox that unwraps calls with this before it does anything else lets
    /// the user see what they are asked for, and hears of an approval that is needed.
    ///
    /// - Parameter fullName: of any tool.
    /// - Returns: full name and arguments of the inner call; nil for another tool, and for a call that names none.
    public static func unwrapped(
        _ fullName: String, _ arguments: [String: JSONValue]
    ) -> (fullName: String, arguments: [String: JSONValue])? {
        guard fullName == "tool_search_call_tool", let server = arguments["server"]?.string,
            let tool = arguments["tool"]?.string, let inner = try? ToolArguments(arguments).optionalObject("args")
        else { return nil }
        return (Self.fullName(server, tool), inner)
    }

    static func fullName(_ server: String, _ tool: String) -> String {
        String(server.map { $0 == "-" ? "_" : $0 }) + "_" + tool
    }

    private var tools: [BuiltinTool] {
        [
            BuiltinTool("list_servers", .query, "Lists the servers of tools that there are") { _, context in
                var counts: [String: Int] = [:]
                for tool in try await offered(context) { counts[tool.server, default: 0] += 1 }
                return [
                    "servers": .array(
                        counts.sorted { $0.key < $1.key }.map {
                            ["name": .string($0.key), "tools": JSONValue($0.value)]
                        })
                ]
            },
            BuiltinTool("list_tools", .query, "Lists the tools of a server", [Self.serverName]) { arguments, context in
                let server = try arguments.text("server")
                let tools = try await offered(context).filter { $0.server == server }
                guard !tools.isEmpty else { throw ToolRefusal("there is no server '\(server.prefix(64))'") }
                return [
                    "tools": .array(
                        tools.map {
                            [
                                "name": .string($0.definition.name),
                                "description": .string(String($0.definition.description.prefix(200))),
                            ]
                        })
                ]
            },
            BuiltinTool(
                "describe_tool", .query, "Tells what a tool does and which arguments it takes",
                [Self.serverName, Self.toolName]
            ) { arguments, context in
                let found = try await find(arguments, context)
                return [
                    "name": .string(found.definition.name), "full_name": .string(found.fullName),
                    "description": .string(found.definition.description), "parameters": found.definition.parameters,
                    "effect": .string(found.definition.effect.rawValue),
                ]
            },
            BuiltinTool(
                "call_tool", .action, "Calls a tool",
                [Self.serverName, Self.toolName, .object("args", "The tool's arguments")], timeLimit: .seconds(1_860)
            ) { arguments, context in
                let found = try await find(arguments, context)
                guard found.server != Self.name else { throw ToolRefusal("call the tools of \(Self.name) directly") }
                var inner = context
                inner.callID += "/inner"
                let result = try await box().call(
                    found.fullName, try arguments.optionalObject("args") ?? [:], for: inner, emit: { _ in },
                    willRun: {})
                guard !result.isError else { throw ToolRefusal(result.text) }
                return .string(result.text)
            },
        ]
    }

    private func box() throws(ToolRefusal) -> any Toolbox {
        guard let toolbox = toolbox() else { throw ToolRefusal("there are no tools") }
        return toolbox
    }

    private func offered(_ context: ToolContext) async throws -> [OfferedTool] {
        try await box().tools(isAdmin: context.isAdmin)
    }

    private func find(_ arguments: ToolArguments, _ context: ToolContext) async throws -> OfferedTool {
        let (server, tool) = (try arguments.text("server"), try arguments.text("tool"))
        guard
            let found = try await offered(context).first(where: { $0.server == server && $0.definition.name == tool })
        else { throw ToolRefusal("there is no tool '\(tool.prefix(64))' of a server '\(server.prefix(64))'") }
        return found
    }
}
