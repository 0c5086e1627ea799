internal import Foundation
internal import GRDB

// What can be asked about providers, models and MCP servers? Each method is one query, in domain terms. Everything comes with
// its secrets: who must not have them is decided by whoever asks.

/// Reads rows of one moment. It does not outlive the closure that it was handed to.
public struct RegistryReader {
    private let database: GRDB.Database

    init(_ database: GRDB.Database) { self.database = database }

    /// For the queries of other files.
    var connection: GRDB.Database { database }

    // MARK: Providers

    /// - Parameters:
    ///   - after: the id of the last row that was seen; 0 for the first page.
    public func providers(after: Int64 = 0, limit: Int = .max) throws -> [ProviderRecord] {
        try Row.fetchAll(
            database, sql: "SELECT * FROM providers WHERE id > ? ORDER BY id LIMIT ?", arguments: [after, limit]
        ).map(Self.provider)
    }

    public func provider(_ id: Int64) throws -> ProviderRecord? {
        try Row.fetchOne(database, sql: "SELECT * FROM providers WHERE id = ?", arguments: [id]).map(Self.provider)
    }

    /// The first provider of this name, of any framework unless one is given.
    public func provider(named name: String, framework: String? = nil) throws -> ProviderRecord? {
        try Row.fetchOne(
            database,
            sql: "SELECT * FROM providers WHERE name = ?1 AND framework = ifnull(?2, framework) ORDER BY id LIMIT 1",
            arguments: [name, framework]
        ).map(Self.provider)
    }

    public func providerCount() throws -> Int { try count("providers") }

    // MARK: Models

    /// - Parameters:
    ///   - after: the id of the last row that was seen; 0 for the first page.
    ///   - provider: only this provider's.
    ///   - enabled: only those that are enabled, and whose provider is.
    public func models(
        after: Int64 = 0, limit: Int = .max, provider: Int64? = nil, framework: String? = nil, enabled: Bool = false
    ) throws -> [ModelOfProvider] {
        let models = try Row.fetchAll(
            database,
            sql: """
                SELECT models.* FROM models JOIN providers ON providers.id = models.provider_id
                WHERE models.id > ?1 AND models.provider_id = ifnull(?2, models.provider_id)
                    AND providers.framework = ifnull(?3, providers.framework)
                    AND (NOT ?4 OR (models.enabled AND providers.enabled))
                ORDER BY models.id LIMIT ?5
                """, arguments: [after, provider, framework, enabled, limit]
        ).map(Self.model)
        guard !models.isEmpty else { return [] }
        let providers = Dictionary(uniqueKeysWithValues: try self.providers().map { ($0.id, $0) })
        return models.compactMap { model in providers[model.providerID].map { .init(model: model, provider: $0) } }
    }

    public func model(_ id: Int64) throws -> ModelOfProvider? {
        guard let row = try Row.fetchOne(database, sql: "SELECT * FROM models WHERE id = ?", arguments: [id]) else {
            return nil
        }
        let model = try Self.model(row)
        return try provider(model.providerID).map { ModelOfProvider(model: model, provider: $0) }
    }

    /// The model that this provider calls so.
    public func model(_ model: String, of provider: Int64) throws -> ModelRecord? {
        try Row.fetchOne(
            database, sql: "SELECT * FROM models WHERE provider_id = ? AND model = ?", arguments: [provider, model]
        ).map(Self.model)
    }

    public func modelCount(of provider: Int64? = nil) throws -> Int {
        try Int.fetchOne(
            database, sql: "SELECT count(*) FROM models WHERE provider_id = ifnull(?, provider_id)",
            arguments: [provider]) ?? 0
    }

    // MARK: MCP servers

    /// - Parameter after: the name of the last row that was seen; empty for the first page.
    public func mcps(after: String = "", limit: Int = .max) throws -> [MCPRecord] {
        try Row.fetchAll(
            database, sql: "SELECT * FROM mcps WHERE name > ? ORDER BY name LIMIT ?", arguments: [after, limit]
        ).map(Self.mcp)
    }

    public func mcp(_ name: String) throws -> MCPRecord? {
        try Row.fetchOne(database, sql: "SELECT * FROM mcps WHERE name = ?", arguments: [name]).map(Self.mcp)
    }

    public func mcpCount() throws -> Int { try count("mcps") }

    // MARK: Rows

    private func count(_ table: String) throws -> Int {
        try Int.fetchOne(database, sql: "SELECT count(*) FROM \(table)") ?? 0
    }

    private static func provider(_ row: Row) throws -> ProviderRecord {
        ProviderRecord(
            id: row["id"], name: row["name"], framework: row["framework"], kind: try kind(row["kind"]),
            apiKey: (row["api_key"] as String?).map(Secret.init), baseURL: row["base_url"], isEnabled: row["enabled"],
            metadata: row["metadata_json"], createdAt: row["created_at"], updatedAt: row["updated_at"])
    }

    private static func model(_ row: Row) throws -> ModelRecord {
        ModelRecord(
            id: row["id"], providerID: row["provider_id"], model: row["model"], kind: try kind(row["kind"]),
            displayName: row["display_name"], tierHint: row["tier_hint"], isEnabled: row["enabled"],
            isDefault: row["is_classifier"], metadata: row["metadata_json"], createdAt: row["created_at"],
            updatedAt: row["updated_at"])
    }

    private static func mcp(_ row: Row) throws -> MCPRecord {
        guard let kind = MCPRecord.Kind(rawValue: row["kind"]) else { throw RegistryRowError.unreadable("kind") }
        return MCPRecord(
            name: row["name"], kind: kind, builtinName: row["builtin_name"],
            command: try (row["command_json"] as String?).map { try RegistryJSON.value($0, "command_json") },
            arguments: try RegistryJSON.value(row["args_json"], "args_json"), url: row["url"],
            environment: try secrets(row["env_json"], "env_json"),
            headers: try secrets(row["headers_json"], "headers_json"), usesOAuth: row["oauth"],
            isEnabled: row["enabled"], source: row["source"], createdAt: row["created_at"],
            updatedAt: row["updated_at"])
    }

    private static func kind(_ text: String) throws -> ModelKind {
        guard let kind = ModelKind(rawValue: text) else { throw RegistryRowError.unreadable("kind") }
        return kind
    }

    private static func secrets(_ text: String, _ column: String) throws -> [String: Secret] {
        try RegistryJSON.value(text, column, as: [String: String].self).mapValues(Secret.init)
    }
}

/// Lists and maps in columns of text.
enum RegistryJSON {
    static func text(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    /// - Throws: ``RegistryRowError``, which does not hold the text: it may be a secret.
    static func value<Value: Decodable>(_ text: String, _ column: String, as type: Value.Type = Value.self) throws
        -> Value
    {
        guard let value = try? JSONDecoder().decode(type, from: Data(text.utf8)) else {
            throw RegistryRowError.unreadable(column)
        }
        return value
    }
}

/// A row that this program did not write.
public enum RegistryRowError: Error, CustomStringConvertible {
    case unreadable(_ column: String)

    public var description: String {
        switch self {
        case .unreadable(let column): "the registry holds an unreadable \(column): was the database edited?"
        }
    }
}
