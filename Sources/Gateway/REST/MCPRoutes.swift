internal import Agent
internal import Hummingbird
internal import Store
internal import Wire

// Which servers of tools does the agent have? For admins: a server is a program that runs as the agent does, so whoever may add one may do
// anything on its machine. What is in environments and headers comes in and never goes out again. How they fare is told beside how they are
// configured.

enum MCPRoutes {
    /// - Parameters:
    ///   - registry: nil when the agent has none.
    ///   - servers: nil when none run.
    static func routes(_ registry: Registry?, _ servers: MCPServers?) -> [Route] {
        let one = "/api/mcps/{name}"
        return [
            .admin(.get, "/api/mcps", .mcps) { request, _, _ in
                let asked = try request.page(by: String.self)
                let rows = try await RegistryRoutes.present(registry).mcps(
                    after: asked.after ?? "", limit: asked.limit + 1)
                let (page, next) = try asked.page(of: rows, key: \.name)
                let status = await servers?.status() ?? [:]
                return try JSON.response(
                    MCPsBody(mcps: page.map { MCPBody($0, status[$0.name]) }, nextCursor: next))
            },
            .admin(.post, "/api/mcps", .addMCP, announces: .created(.mcp, to: .everybody)) {
                request, context, caller in
                let wanted = try await request.decode(as: MCPWrite.self, context: context)
                guard let name = wanted.name else { throw ErrorResponse.invalid("'name' is missing.") }
                guard wanted.builtinName == nil else {
                    throw ErrorResponse.invalid(
                        "Servers with a 'builtin_name' come with the agent and can't be added.")
                }
                return try await RegistryRoutes.answering {
                    let row = try await RegistryRoutes.present(registry).addMCP(
                        name, try MCPChange(wanted), by: caller.actor)
                    context.announced.set(id: row.name)
                    return try JSON.response(MCPChanged(ok: true, mcp: MCPBody(row)), status: .created)
                }
            },
            .admin(.get, one, .mcp) { _, context, _ in
                let name = try context.pathPart("name")
                return try await RegistryRoutes.answering {
                    let row = try await RegistryRoutes.present(registry).mcp(name)
                    return try JSON.response(OneMCP(mcp: MCPBody(row, await servers?.status()[name])))
                }
            },
            .admin(.put, one, .changeMCP, announces: .updated(.mcp, "name", to: .everybody)) {
                request, context, caller in
                let wanted = try await request.decode(as: MCPWrite.self, context: context)
                let name = try context.pathPart("name")
                guard wanted.name ?? name == name else {
                    throw ErrorResponse.invalid("The name of an MCP server stays as it is.")
                }
                return try await change(try MCPChange(wanted), context, caller, registry)
            },
            .admin(.delete, one, .removeMCP, announces: .deleted(.mcp, "name", to: .everybody)) {
                _, context, caller in
                let name = try context.pathPart("name")
                return try await RegistryRoutes.answering {
                    try await RegistryRoutes.present(registry).removeMCP(name, by: caller.actor)
                    return try JSON.response(MCPRemoved(ok: true))
                }
            },
            .admin(.post, one + "/enable", .enableMCP, announces: .updated(.mcp, "name", to: .everybody)) {
                _, context, caller in
                try await change(MCPChange(isEnabled: true), context, caller, registry)
            },
            .admin(.post, one + "/disable", .disableMCP, announces: .updated(.mcp, "name", to: .everybody)) {
                _, context, caller in
                try await change(MCPChange(isEnabled: false), context, caller, registry)
            },
            .member(.get, "/api/mcp-tools", .mcpTools) { _, _, _ in
                guard let servers else { return try JSON.response(MCPToolsBody(mcps: [], running: false)) }
                var all: [MCPToolsOfServer] = []
                for server in await servers.servers() {
                    let tools = await server.tools().map(MCPToolBody.init)
                    if !tools.isEmpty { all.append(MCPToolsOfServer(mcpName: server.name, tools: tools)) }
                }
                return try JSON.response(MCPToolsBody(mcps: all, running: true))
            },
        ]
    }

    private static func change(
        _ wanted: MCPChange, _ context: GatewayContext, _ caller: Caller, _ registry: Registry?
    ) async throws -> Response {
        let name = try context.pathPart("name")
        return try await RegistryRoutes.answering {
            let row = try await RegistryRoutes.present(registry).changeMCP(name, wanted, by: caller.actor)
            return try JSON.response(MCPChanged(ok: true, mcp: MCPBody(row)))
        }
    }
}

extension MCPChange {
    fileprivate init(_ wanted: MCPWrite) throws(ErrorResponse) {
        let command: Command?
        switch wanted.command {
        case nil, .null?: command = nil
        case .string(let line)?: command = .line(line)
        case .array(let words)?:
            let texts = words.compactMap(\.string)
            guard texts.count == words.count else { throw .invalid("'command' is a list of texts, or one text.") }
            command = .words(texts)
        default: throw .invalid("'command' is a list of texts, or one text.")
        }
        self.init(
            command: command, arguments: wanted.args, url: wanted.url, environment: wanted.env,
            headers: wanted.headers, usesOAuth: wanted.oauth, isEnabled: wanted.enabled)
    }
}

extension MCPBody {
    /// - Parameter status: nil when it does not run here.
    fileprivate init(_ row: MCPRecord, _ status: MCPServer.Status? = nil) {
        self.init(
            name: row.name, kind: row.kind.rawValue, builtinName: row.builtinName, command: row.command,
            args: row.arguments, url: row.url, env: row.environment.mapValues(\.redacted),
            headers: row.headers.mapValues(\.redacted), oauth: row.usesOAuth, enabled: row.isEnabled,
            source: row.source, createdAt: row.createdAt, updatedAt: row.updatedAt)
        state = status?.state.rawValue
        lastError = status?.error
        toolCount = status?.tools
        restarts = status?.restarts
        stateSince = status?.since
        retryAt = status?.retryAt
    }
}

extension MCPToolBody {
    fileprivate init(_ tool: ToolDefinition) {
        self.init(name: tool.name, description: tool.description, parametersSchema: tool.parameters)
    }
}
