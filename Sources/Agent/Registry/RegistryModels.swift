public import Store

// Which rules hold for models? One row for each name at a provider, and one default at most. What comes with the agent is in every
// list, needs no row and can't be changed. Whether a model can run is for whoever runs it to say.

/// The model that comes with the agent.
public enum BuiltinModel {
    public static let provider = "builtin"
    public static let model = "librarian"
    /// No row has it.
    public static let id: Int64 = 0
    public static let runtimeID = "builtin:librarian"
}

/// What to set of a model; nil leaves it as it is.
public struct ModelChange: Sendable {
    public var model: String?
    public var kind: String?
    /// Empty is none.
    public var displayName: String?
    /// Empty is none.
    public var tierHint: String?
    public var isEnabled: Bool?
    public var isDefault: Bool?
    /// A JSON object.
    public var metadata: String?

    public init(
        model: String? = nil, kind: String? = nil, displayName: String? = nil, tierHint: String? = nil,
        isEnabled: Bool? = nil, isDefault: Bool? = nil, metadata: String? = nil
    ) {
        self.model = model
        self.kind = kind
        self.displayName = displayName
        self.tierHint = tierHint
        self.isEnabled = isEnabled
        self.isDefault = isDefault
        self.metadata = metadata
    }
}

extension ProviderRecord {
    /// As sessions and usage name a model of this provider.
    public func runtimeID(of model: String) -> String {
        (framework == "claude-cli" ? "claude-cli:" : "") + "\(name):\(model)"
    }
}

extension ModelOfProvider {
    /// As sessions and usage name it.
    public var runtimeID: String { provider.runtimeID(of: model.model) }

    public var isEnabled: Bool { model.isEnabled && provider.isEnabled }
}

extension Registry {
    /// - Parameter after: the last id that was seen; 0 for the first page.
    public func models(
        after: Int64 = 0, limit: Int = .max, provider: Int64? = nil, framework: String? = nil, enabled: Bool = false
    ) async throws -> [ModelOfProvider] {
        try await repository.read {
            try $0.models(after: after, limit: limit, provider: provider, framework: framework, enabled: enabled)
        }
    }

    /// - Throws: ``RegistryError/notFound(_:)``
    public func model(_ id: Int64) async throws -> ModelOfProvider {
        try await repository.read { try Self.found(try $0.model(id)) }
    }

    /// The model of this runtime id; one that is enabled before one that isn't. Nil when there is none.
    public func model(runtimeID: String) async throws -> ModelOfProvider? {
        let matching = try await models().filter { $0.runtimeID == runtimeID }
        return matching.first(where: \.isEnabled) ?? matching.first
    }

    /// - Throws: ``RegistryError``
    public func addModel(_ wanted: ModelChange, to provider: Int64, by actor: Actor) async throws -> ModelOfProvider {
        try await change("model.create", by: actor, [.models]) { transaction, now in
            guard let name = wanted.model else { throw RegistryError.invalid("'model' is missing.") }
            guard let provider = try transaction.rows.provider(provider) else {
                throw RegistryError.invalid("'provider_id' is no provider's.", hint: "See: openagent providers list")
            }
            guard try transaction.rows.modelCount() < RegistryRules.mostModels else {
                throw RegistryError.conflict("There are \(RegistryRules.mostModels) models, which is the most.")
            }
            let empty = ModelRecord(
                providerID: provider.id, model: try RegistryRules.modelName(name), kind: provider.kind, createdAt: now,
                updatedAt: now)
            var row = try Self.apply(wanted, to: empty, now)
            try Self.refuseTaken(row, in: transaction)
            row.id = try transaction.insert(row)
            let added = ModelOfProvider(model: row, provider: provider)
            return (added, added.runtimeID)
        }
    }

    /// - Throws: ``RegistryError``
    public func changeModel(_ id: Int64, _ wanted: ModelChange, by actor: Actor) async throws -> ModelOfProvider {
        try await change("model.update", by: actor, [.models]) { transaction, now in
            var stored = try Self.found(try transaction.rows.model(id))
            stored.model = try Self.apply(wanted, to: stored.model, now)
            try Self.refuseTaken(stored.model, in: transaction)
            try transaction.update(stored.model)
            return (stored, stored.runtimeID)
        }
    }

    /// - Throws: ``RegistryError``
    public func removeModel(_ id: Int64, by actor: Actor) async throws {
        try await change("model.delete", by: actor, [.models]) { transaction, _ in
            let stored = try Self.found(try transaction.rows.model(id))
            try transaction.deleteModel(id)
            return ((), stored.runtimeID)
        }
    }

    // MARK: Rules

    private static func apply(
        _ wanted: ModelChange, to stored: ModelRecord, _ now: Double
    ) throws(RegistryError) -> ModelRecord {
        var row = stored
        if let model = wanted.model { row.model = try RegistryRules.modelName(model) }
        if let kind = wanted.kind { row.kind = try RegistryRules.kind(kind) }
        if let name = wanted.displayName {
            row.displayName = try RegistryRules.label(name, "display_name", longest: 256)
        }
        if let hint = wanted.tierHint { row.tierHint = try RegistryRules.label(hint, "tier_hint", longest: 1_024) }
        if let isEnabled = wanted.isEnabled { row.isEnabled = isEnabled }
        if let isDefault = wanted.isDefault { row.isDefault = isDefault }
        if let metadata = wanted.metadata { row.metadata = try RegistryRules.metadata(metadata) }
        guard row.kind == .llm || !row.isDefault else {
            throw .invalid("Only a model of the kind 'llm' can be the default.")
        }
        row.updatedAt = now
        return row
    }

    private static func refuseTaken(_ row: ModelRecord, in transaction: RegistryTransaction) throws {
        if let other = try transaction.rows.model(row.model, of: row.providerID), other.id != row.id {
            throw RegistryError.conflict("The provider has a model \(row.model) already.")
        }
    }

    private static func found(_ model: ModelOfProvider?) throws(RegistryError) -> ModelOfProvider {
        guard let model else { throw .notFound("There is no such model.") }
        return model
    }
}
