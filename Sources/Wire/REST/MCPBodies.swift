public import JSON

// What is said over REST about MCP servers. Values of environments and headers are written and never read: in their place stands a marker,
// which written back keeps them.

/// An MCP server.
public struct MCPBody: Codable, Sendable, Equatable {
    public var name: String
    /// `builtin`, `custom` or `default`.
    public var kind: String
    public var builtinName: String?
    public var command: [String]?
    public var args: [String]
    public var url: String?
    /// `[redacted]` in the place of every value that is no reference.
    public var env: [String: String]
    /// As `env`.
    public var headers: [String: String]
    public var oauth: Bool
    public var enabled: Bool
    public var source: String
    /// Unix seconds.
    public var createdAt: Double
    public var updatedAt: Double
    /// How it fares: `starting`, `ready`, `backing_off` (it has ended and is started again), `failed` (it can't be started), `stopped`; nil
    /// when it does not run here. The others are nil with it.
    public var state: String?
    /// Why it has ended last, or can't be started.
    public var lastError: String?
    public var toolCount: Int?
    /// How often it was started again.
    public var restarts: Int?
    /// Since when it is in this state, and when it is started again, in Unix seconds.
    public var stateSince: Double?
    public var retryAt: Double?

    public init(
        name: String, kind: String, builtinName: String? = nil, command: [String]? = nil, args: [String],
        url: String? = nil, env: [String: String], headers: [String: String], oauth: Bool, enabled: Bool,
        source: String, createdAt: Double, updatedAt: Double
    ) {
        self.name = name
        self.kind = kind
        self.builtinName = builtinName
        self.command = command
        self.args = args
        self.url = url
        self.env = env
        self.headers = headers
        self.oauth = oauth
        self.enabled = enabled
        self.source = source
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }

    private enum CodingKeys: String, CodingKey {
        case name, kind, command, args, url, env, headers, oauth, enabled, source, state, restarts
        case lastError = "last_error"
        case toolCount = "tool_count"
        case stateSince = "state_since"
        case retryAt = "retry_at"
        case builtinName = "builtin_name"
        case createdAt = "created_at"
        case updatedAt = "updated_at"
    }
}

/// `GET /api/mcps`
public struct MCPsBody: Codable, Sendable, Equatable {
    public var mcps: [MCPBody]
    /// What `cursor` is for the next page; nil when there is none.
    public var nextCursor: String?

    public init(mcps: [MCPBody], nextCursor: String? = nil) {
        self.mcps = mcps
        self.nextCursor = nextCursor
    }

    private enum CodingKeys: String, CodingKey {
        case mcps
        case nextCursor = "next_cursor"
    }
}

/// `GET /api/mcps/{name}`
public struct OneMCP: Codable, Sendable, Equatable {
    public var mcp: MCPBody

    public init(mcp: MCPBody) {
        self.mcp = mcp
    }
}

/// The body of `POST /api/mcps` and `PUT /api/mcps/{name}`. What is nil stays as it is.
public struct MCPWrite: Codable, Sendable, Equatable {
    /// Only for a new server.
    public var name: String?
    /// A list of words, or one text that is divided as a shell does.
    public var command: JSONValue?
    public var args: [String]?
    public var url: String?
    /// In the place of all that is stored.
    public var env: [String: String]?
    /// As `env`.
    public var headers: [String: String]?
    public var oauth: Bool?
    public var enabled: Bool?
    /// Refused: servers of that kind come with the agent.
    public var builtinName: String?

    public init(
        name: String? = nil, command: JSONValue? = nil, args: [String]? = nil, url: String? = nil,
        env: [String: String]? = nil, headers: [String: String]? = nil, oauth: Bool? = nil, enabled: Bool? = nil,
        builtinName: String? = nil
    ) {
        self.name = name
        self.command = command
        self.args = args
        self.url = url
        self.env = env
        self.headers = headers
        self.oauth = oauth
        self.enabled = enabled
        self.builtinName = builtinName
    }

    private enum CodingKeys: String, CodingKey {
        case name, command, args, url, env, headers, oauth, enabled
        case builtinName = "builtin_name"
    }
}

/// The answer to a change of an MCP server.
public struct MCPChanged: Codable, Sendable, Equatable {
    public var ok: Bool
    public var mcp: MCPBody

    public init(ok: Bool, mcp: MCPBody) {
        self.ok = ok
        self.mcp = mcp
    }
}

/// The answer to `DELETE /api/mcps/{name}`.
public struct MCPRemoved: Codable, Sendable, Equatable {
    public var ok: Bool

    public init(ok: Bool) {
        self.ok = ok
    }
}

/// A tool of an MCP server.
public struct MCPToolBody: Codable, Sendable, Equatable {
    public var name: String
    public var description: String?
    public var parametersSchema: JSONValue

    public init(name: String, description: String? = nil, parametersSchema: JSONValue) {
        self.name = name
        self.description = description
        self.parametersSchema = parametersSchema
    }

    private enum CodingKeys: String, CodingKey {
        case name, description
        case parametersSchema = "parameters_schema"
    }
}

/// An MCP server with its tools.
public struct MCPToolsOfServer: Codable, Sendable, Equatable {
    public var mcpName: String
    public var tools: [MCPToolBody]

    public init(mcpName: String, tools: [MCPToolBody]) {
        self.mcpName = mcpName
        self.tools = tools
    }

    private enum CodingKeys: String, CodingKey {
        case tools
        case mcpName = "mcp_name"
    }
}

/// `GET /api/mcp-tools`
public struct MCPToolsBody: Codable, Sendable, Equatable {
    public var mcps: [MCPToolsOfServer]
    /// False: nobody serves the agent, and none of its MCP servers run.
    public var running: Bool

    public init(mcps: [MCPToolsOfServer], running: Bool) {
        self.mcps = mcps
        self.running = running
    }
}
