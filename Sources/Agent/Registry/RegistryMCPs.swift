public import Store

// Which rules hold for MCP servers? Each is a program or an address. What comes with the agent is only switched on and off. A secret
// goes only to the server that it was stored for: who changes the program or the address has to send it again.

/// What to set of an MCP server; nil leaves it as it is.
public struct MCPChange: Sendable {
    /// A program with its arguments.
    public enum Command: Sendable {
        case words([String])
        /// Divided as a shell does, without one.
        case line(String)
    }

    public var command: Command?
    public var arguments: [String]?
    public var url: String?
    /// In the place of all that is stored; ``Store/Secret/marker`` keeps a value.
    public var environment: [String: String]?
    public var headers: [String: String]?
    public var usesOAuth: Bool?
    public var isEnabled: Bool?

    public init(
        command: Command? = nil, arguments: [String]? = nil, url: String? = nil, environment: [String: String]? = nil,
        headers: [String: String]? = nil, usesOAuth: Bool? = nil, isEnabled: Bool? = nil
    ) {
        self.command = command
        self.arguments = arguments
        self.url = url
        self.environment = environment
        self.headers = headers
        self.usesOAuth = usesOAuth
        self.isEnabled = isEnabled
    }

    /// It says no more than whether the server is switched on.
    fileprivate var isSwitch: Bool {
        command == nil && arguments == nil && url == nil && environment == nil && headers == nil && usesOAuth == nil
    }
}

extension Registry {
    /// - Parameter after: the last name that was seen; empty for the first page.
    public func mcps(after: String = "", limit: Int = .max) async throws -> [MCPRecord] {
        try await repository.read { try $0.mcps(after: after, limit: limit) }
    }

    /// - Throws: ``RegistryError/notFound(_:)``
    public func mcp(_ name: String) async throws -> MCPRecord {
        try await repository.read { try Self.found(try $0.mcp(name)) }
    }

    /// - Throws: ``RegistryError``
    public func addMCP(_ name: String, _ wanted: MCPChange, by actor: Actor) async throws -> MCPRecord {
        try await change("mcp.create", by: actor, [.mcps]) { transaction, now in
            let name = try RegistryRules.name(name, "an MCP server")
            guard try transaction.rows.mcp(name) == nil else {
                throw RegistryError.conflict("There is an MCP server \(name) already.")
            }
            guard try transaction.rows.mcpCount() < RegistryRules.mostMCPs else {
                throw RegistryError.conflict("There are \(RegistryRules.mostMCPs) MCP servers, which is the most.")
            }
            let empty = MCPRecord(name: name, source: "api", createdAt: now, updatedAt: now)
            let row = try Self.apply(wanted, to: empty, now)
            try transaction.put(row)
            return (row, name)
        }
    }

    /// - Throws: ``RegistryError``
    public func changeMCP(_ name: String, _ wanted: MCPChange, by actor: Actor) async throws -> MCPRecord {
        try await change("mcp.update", by: actor, [.mcps]) { transaction, now in
            let stored = try Self.found(try transaction.rows.mcp(name))
            guard stored.kind != .builtin || wanted.isSwitch else {
                throw RegistryError.invalid(
                    "\(name) comes with the agent and can only be enabled or disabled.")
            }
            var row = stored
            if stored.kind == .builtin {
                row.isEnabled = wanted.isEnabled ?? stored.isEnabled
                row.updatedAt = now
            } else {
                row = try Self.apply(wanted, to: stored, now)
            }
            try transaction.put(row)
            return (row, name)
        }
    }

    /// - Throws: ``RegistryError``
    public func removeMCP(_ name: String, by actor: Actor) async throws {
        try await change("mcp.delete", by: actor, [.mcps]) { transaction, _ in
            guard try Self.found(try transaction.rows.mcp(name)).kind != .builtin else {
                throw RegistryError.invalid(
                    "\(name) comes with the agent and can't be removed.", hint: "Disable it instead.")
            }
            try transaction.deleteMCP(name)
            return ((), name)
        }
    }

    /// Makes the rows of servers that come with the agent and have none yet; others stay as their users left them.
    ///
    /// - Parameters:
    ///   - names: what they are called.
    ///   - disabled: which of them are switched off at first.
    public func addBuiltinMCPs(_ names: [String], disabled: Set<String> = []) throws {
        let now = now()
        try repository.write { transaction in
            for name in names where try transaction.rows.mcp(name) == nil {
                try transaction.put(
                    MCPRecord(
                        name: name, kind: .builtin, builtinName: name, isEnabled: !disabled.contains(name),
                        source: "builtin", createdAt: now, updatedAt: now))
            }
        }
        changes.tell([.mcps])
    }

    // MARK: Rules

    private static func apply(
        _ wanted: MCPChange, to stored: MCPRecord, _ now: Double
    ) throws(RegistryError) -> MCPRecord {
        var row = stored
        guard wanted.command == nil || (wanted.url ?? "").isEmpty else {
            throw .invalid("An MCP server has a 'command' or a 'url', not both.")
        }
        switch wanted.command {
        case .words(let words): (row.command, row.url) = (try RegistryRules.command(words), nil)
        case .line(let line):
            guard line.utf8.count <= 16_384, let words = ShellWords.split(line) else {
                throw .invalid("'command' has a quote that is not closed, or is too long.")
            }
            (row.command, row.url) = (try RegistryRules.command(words), nil)
        case nil: break
        }
        if let url = wanted.url, !url.isEmpty {
            (row.url, row.command, row.arguments) = (try RegistryRules.url(url, "url", query: true), nil, [])
        }
        guard row.command != nil || row.url != nil else {
            throw .invalid("An MCP server needs a 'command' or a 'url'.")
        }
        if let arguments = wanted.arguments { row.arguments = try RegistryRules.words(arguments, "args") }
        guard row.url == nil || row.arguments.isEmpty else { throw .invalid("'args' belong to a 'command'.") }
        if let environment = wanted.environment {
            try RegistryRules.environment(environment.keys)
            row.environment = try merge(environment, into: stored.environment, "env", oneLine: false)
        }
        if let headers = wanted.headers {
            try RegistryRules.headers(headers.keys)
            row.headers = try merge(headers, into: stored.headers, "headers", oneLine: true)
        }
        if !goesToSame(stored, row) {
            try refuseKept(stored.environment, in: row.environment, wanted.environment, "env")
            try refuseKept(stored.headers, in: row.headers, wanted.headers, "headers")
        }
        if let usesOAuth = wanted.usesOAuth { row.usesOAuth = usesOAuth }
        if let isEnabled = wanted.isEnabled { row.isEnabled = isEnabled }
        row.updatedAt = now
        return row
    }

    private static func goesToSame(_ old: MCPRecord, _ new: MCPRecord) -> Bool {
        old.command == new.command && old.arguments == new.arguments
            && old.url.map(RegistryRules.origin) == new.url.map(RegistryRules.origin)
    }

    /// A value that was not sent again would reach a server that it was not meant for.
    private static func refuseKept(
        _ stored: [String: Secret], in row: [String: Secret], _ wanted: [String: String]?, _ field: String
    ) throws(RegistryError) {
        for (name, secret) in row where !secret.isReference && stored[name] != nil {
            if wanted?[name] == nil || wanted?[name] == Secret.marker {
                throw .invalid(
                    "What is stored in '\(field)' was meant for another command or address.",
                    hint: "Send the value of \(name) again together with the new one, or leave it out of '\(field)'.")
            }
        }
    }

    private static func found(_ mcp: MCPRecord?) throws(RegistryError) -> MCPRecord {
        guard let mcp else { throw .notFound("There is no such MCP server.") }
        return mcp
    }
}
