internal import GRDB

// How are providers, models and MCP servers read and changed? In transactions, as the network's rows: the rules run inside the
// closure, and when it throws nothing has happened.

/// Rows of providers, models and MCP servers.
public struct RegistryRepository: Sendable {
    private let database: Database

    public init(_ database: Database) { self.database = database }

    /// Runs `body` in a write transaction: all of its changes are committed and durable on return, or none when it
    /// throws. Write transactions run one after another.
    public func write<T: Sendable>(_ body: @escaping @Sendable (RegistryTransaction) throws -> T) async throws -> T {
        try await database.pool.write { try body(RegistryTransaction($0)) }
    }

    /// As the asynchronous form; for starting up, before anything else runs.
    @_disfavoredOverload
    public func write<T>(_ body: (RegistryTransaction) throws -> T) throws -> T {
        try database.pool.write { try body(RegistryTransaction($0)) }
    }

    /// Runs `body` on one consistent snapshot.
    public func read<T: Sendable>(_ body: @escaping @Sendable (RegistryReader) throws -> T) async throws -> T {
        try await database.pool.read { try body(RegistryReader($0)) }
    }
}

/// Changes rows within one transaction. It does not outlive the closure that it was handed to.
public struct RegistryTransaction {
    private let database: GRDB.Database

    init(_ database: GRDB.Database) { self.database = database }

    /// For the changes of other files.
    var connection: GRDB.Database { database }

    /// Reads, with the changes that were made so far.
    public var rows: RegistryReader { RegistryReader(database) }

    /// Appends to the audit table.
    public func audit(_ record: AuditRecord) throws { try NetworkTransaction(database).audit(record) }

    // MARK: Providers

    /// - Returns: the new row's id.
    public func insert(_ provider: ProviderRecord) throws -> Int64 {
        try database.execute(
            sql: """
                INSERT INTO providers
                    (name, framework, kind, api_key, base_url, enabled, metadata_json, created_at, updated_at)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                provider.name, provider.framework, provider.kind.rawValue, provider.apiKey?.revealed, provider.baseURL,
                provider.isEnabled, provider.metadata, provider.createdAt, provider.updatedAt,
            ])
        return database.lastInsertedRowID
    }

    /// Puts the values into the row of the same id: a new name is no new row.
    public func update(_ provider: ProviderRecord) throws {
        try database.execute(
            sql: """
                UPDATE providers SET name = ?, framework = ?, kind = ?, api_key = ?, base_url = ?, enabled = ?,
                    metadata_json = ?, updated_at = ? WHERE id = ?
                """,
            arguments: [
                provider.name, provider.framework, provider.kind.rawValue, provider.apiKey?.revealed, provider.baseURL,
                provider.isEnabled, provider.metadata, provider.updatedAt, provider.id,
            ])
    }

    /// Removes a provider with its models.
    public func deleteProvider(_ id: Int64) throws {
        try database.execute(sql: "DELETE FROM providers WHERE id = ?", arguments: [id])
    }

    // MARK: Models

    /// - Returns: the new row's id.
    public func insert(_ model: ModelRecord) throws -> Int64 {
        if model.isDefault { try clearDefault() }
        try database.execute(
            sql: """
                INSERT INTO models
                    (provider_id, model, kind, display_name, tier_hint, enabled, is_classifier, metadata_json,
                    created_at, updated_at)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                model.providerID, model.model, model.kind.rawValue, model.displayName, model.tierHint, model.isEnabled,
                model.isDefault, model.metadata, model.createdAt, model.updatedAt,
            ])
        return database.lastInsertedRowID
    }

    /// Puts the values into the row of the same id. Becoming the default takes it from whichever was.
    public func update(_ model: ModelRecord) throws {
        if model.isDefault { try clearDefault() }
        try database.execute(
            sql: """
                UPDATE models SET model = ?, kind = ?, display_name = ?, tier_hint = ?, enabled = ?, is_classifier = ?,
                    metadata_json = ?, updated_at = ? WHERE id = ?
                """,
            arguments: [
                model.model, model.kind.rawValue, model.displayName, model.tierHint, model.isEnabled, model.isDefault,
                model.metadata, model.updatedAt, model.id,
            ])
    }

    public func deleteModel(_ id: Int64) throws {
        try database.execute(sql: "DELETE FROM models WHERE id = ?", arguments: [id])
    }

    private func clearDefault() throws {
        try database.execute(sql: "UPDATE models SET is_classifier = 0 WHERE is_classifier = 1")
    }

    // MARK: MCP servers

    /// Stores a server, in place of the one of its name.
    public func put(_ mcp: MCPRecord) throws {
        try database.execute(
            sql: """
                INSERT INTO mcps
                    (name, kind, builtin_name, command_json, args_json, url, env_json, headers_json, oauth, enabled,
                    source, created_at, updated_at)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (name) DO UPDATE SET
                    kind = excluded.kind, builtin_name = excluded.builtin_name, command_json = excluded.command_json,
                    args_json = excluded.args_json, url = excluded.url, env_json = excluded.env_json,
                    headers_json = excluded.headers_json, oauth = excluded.oauth, enabled = excluded.enabled,
                    source = excluded.source, updated_at = excluded.updated_at
                """,
            arguments: [
                mcp.name, mcp.kind.rawValue, mcp.builtinName, try mcp.command.map(RegistryJSON.text),
                try RegistryJSON.text(mcp.arguments), mcp.url,
                try RegistryJSON.text(mcp.environment.mapValues(\.revealed)),
                try RegistryJSON.text(mcp.headers.mapValues(\.revealed)), mcp.usesOAuth, mcp.isEnabled, mcp.source,
                mcp.createdAt, mcp.updatedAt,
            ])
    }

    public func deleteMCP(_ name: String) throws {
        try database.execute(sql: "DELETE FROM mcps WHERE name = ?", arguments: [name])
    }
}
