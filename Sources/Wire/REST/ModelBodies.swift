public import JSON

// What is said over REST about models: those that were added, those that can be chosen, and those that a provider has. Costs are US
// dollars for a million tokens.

/// A model.
public struct ModelBody: Codable, Sendable, Equatable {
    /// 0 is the model that comes with the agent.
    public var id: Int64
    public var providerID: Int64
    public var providerName: String
    public var framework: String
    public var kind: String
    /// As sessions name it, `<provider>:<model>`.
    public var runtimeID: String
    public var model: String
    public var displayName: String?
    public var tierHint: String?
    public var enabled: Bool
    /// It was made the default.
    public var isClassifier: Bool
    /// It answers where no other was chosen, at this moment.
    public var isDefault: Bool
    /// This version of the agent can run it.
    public var runs: Bool
    public var providerEnabled: Bool
    public var metadata: [String: JSONValue]
    /// Unix seconds.
    public var createdAt: Double
    public var updatedAt: Double
    public var inputCost: Double?
    public var outputCost: Double?

    public init(
        id: Int64, providerID: Int64, providerName: String, framework: String, kind: String, runtimeID: String,
        model: String, displayName: String? = nil, tierHint: String? = nil, enabled: Bool, isClassifier: Bool,
        isDefault: Bool, runs: Bool, providerEnabled: Bool, metadata: [String: JSONValue], createdAt: Double,
        updatedAt: Double, inputCost: Double? = nil, outputCost: Double? = nil
    ) {
        self.id = id
        self.providerID = providerID
        self.providerName = providerName
        self.framework = framework
        self.kind = kind
        self.runtimeID = runtimeID
        self.model = model
        self.displayName = displayName
        self.tierHint = tierHint
        self.enabled = enabled
        self.isClassifier = isClassifier
        self.isDefault = isDefault
        self.runs = runs
        self.providerEnabled = providerEnabled
        self.metadata = metadata
        self.createdAt = createdAt
        self.updatedAt = updatedAt
        self.inputCost = inputCost
        self.outputCost = outputCost
    }

    private enum CodingKeys: String, CodingKey {
        case id, framework, kind, model, enabled, runs, metadata
        case providerID = "provider_id"
        case providerName = "provider_name"
        case runtimeID = "runtime_id"
        case displayName = "display_name"
        case tierHint = "tier_hint"
        case isClassifier = "is_classifier"
        case isDefault = "is_default"
        case providerEnabled = "provider_enabled"
        case createdAt = "created_at"
        case updatedAt = "updated_at"
        case inputCost = "input_cost_per_million"
        case outputCost = "output_cost_per_million"
    }
}

/// `GET /api/models`
public struct ModelsBody: Codable, Sendable, Equatable {
    public var models: [ModelBody]
    /// What `cursor` is for the next page; nil when there is none.
    public var nextCursor: String?

    public init(models: [ModelBody], nextCursor: String? = nil) {
        self.models = models
        self.nextCursor = nextCursor
    }

    private enum CodingKeys: String, CodingKey {
        case models
        case nextCursor = "next_cursor"
    }
}

/// `GET /api/models/{model}`
public struct OneModel: Codable, Sendable, Equatable {
    public var model: ModelBody

    public init(model: ModelBody) {
        self.model = model
    }
}

/// The body of `POST /api/models` and `PUT /api/models/{model}`. What is nil stays as it is.
public struct ModelWrite: Codable, Sendable, Equatable {
    /// Only for a new model.
    public var providerID: Int64?
    public var model: String?
    public var kind: String?
    /// Empty is none.
    public var displayName: String?
    /// Empty is none.
    public var tierHint: String?
    /// Another name of `tier_hint`.
    public var notes: String?
    public var enabled: Bool?
    /// It is the default from now on, or no longer.
    public var isClassifier: Bool?
    public var metadata: [String: JSONValue]?

    public init(
        providerID: Int64? = nil, model: String? = nil, kind: String? = nil, displayName: String? = nil,
        tierHint: String? = nil, notes: String? = nil, enabled: Bool? = nil, isClassifier: Bool? = nil,
        metadata: [String: JSONValue]? = nil
    ) {
        self.providerID = providerID
        self.model = model
        self.kind = kind
        self.displayName = displayName
        self.tierHint = tierHint
        self.notes = notes
        self.enabled = enabled
        self.isClassifier = isClassifier
        self.metadata = metadata
    }

    private enum CodingKeys: String, CodingKey {
        case model, kind, notes, enabled, metadata
        case providerID = "provider_id"
        case displayName = "display_name"
        case tierHint = "tier_hint"
        case isClassifier = "is_classifier"
    }
}

/// The answer to a change of a model.
public struct ModelChanged: Codable, Sendable, Equatable {
    public var ok: Bool
    public var model: ModelBody

    public init(ok: Bool, model: ModelBody) {
        self.ok = ok
        self.model = model
    }
}

/// The answer to `DELETE /api/models/{model}`.
public struct ModelRemoved: Codable, Sendable, Equatable {
    public var ok: Bool

    public init(ok: Bool) {
        self.ok = ok
    }
}

/// A model that can be chosen.
public struct CatalogModel: Codable, Sendable, Equatable {
    public var provider: String
    public var framework: String
    public var model: String
    public var runtimeID: String
    /// `gateway`: the gateway keeps the conversation.
    public var historyMode: String
    public var tierHint: String?
    /// This version of the agent can run it.
    public var runs: Bool
    public var inputCost: Double?
    public var outputCost: Double?

    public init(
        provider: String, framework: String, model: String, runtimeID: String, historyMode: String,
        tierHint: String? = nil, runs: Bool, inputCost: Double? = nil, outputCost: Double? = nil
    ) {
        self.provider = provider
        self.framework = framework
        self.model = model
        self.runtimeID = runtimeID
        self.historyMode = historyMode
        self.tierHint = tierHint
        self.runs = runs
        self.inputCost = inputCost
        self.outputCost = outputCost
    }

    private enum CodingKeys: String, CodingKey {
        case provider, framework, model, runs
        case runtimeID = "runtime_id"
        case historyMode = "history_mode"
        case tierHint = "tier_hint"
        case inputCost = "input_cost_per_million"
        case outputCost = "output_cost_per_million"
    }
}

/// `GET /api/models/catalog`
public struct ModelCatalogBody: Codable, Sendable, Equatable {
    public var models: [CatalogModel]

    public init(models: [CatalogModel]) {
        self.models = models
    }
}

/// A model that a provider has.
public struct OfferedModelBody: Codable, Sendable, Equatable {
    /// As the provider calls it.
    public var id: String
    public var displayName: String
    public var runtimeID: String
    /// There is a row for it.
    public var added: Bool
    /// Guessed from the name.
    public var kind: String

    public init(id: String, displayName: String, runtimeID: String, added: Bool, kind: String) {
        self.id = id
        self.displayName = displayName
        self.runtimeID = runtimeID
        self.added = added
        self.kind = kind
    }

    private enum CodingKeys: String, CodingKey {
        case id, added, kind
        case displayName = "display_name"
        case runtimeID = "runtime_id"
    }
}

/// Something on the agent's machine that could be a provider.
public struct FoundProviderBody: Codable, Sendable, Equatable {
    public var name: String
    public var framework: String
    /// Where it listens; nil for a program.
    public var baseURL: String?
    /// What a program says of its version.
    public var version: String?
    /// As it calls them.
    public var models: [String]
    /// What adds it.
    public var command: String

    public init(
        name: String, framework: String, baseURL: String? = nil, version: String? = nil, models: [String],
        command: String
    ) {
        self.name = name
        self.framework = framework
        self.baseURL = baseURL
        self.version = version
        self.models = models
        self.command = command
    }

    private enum CodingKeys: String, CodingKey {
        case name, framework, version, models, command
        case baseURL = "base_url"
    }
}

/// `GET /api/models/available`
public struct AvailableModelsBody: Codable, Sendable, Equatable {
    /// 0 when the answer is about all providers.
    public var providerID: Int64
    public var provider: String
    public var framework: String
    public var models: [OfferedModelBody]
    /// The provider could not be asked; this is what it said before.
    public var stale: Bool
    /// Unix seconds; of several lists the oldest one's.
    public var fetchedAt: Double
    /// Providers are being asked: more may be known soon. Only where the answer is about all providers.
    public var loading: Bool?
    /// What could be added. Only where the answer is about all providers.
    public var found: [FoundProviderBody]?

    public init(
        providerID: Int64, provider: String, framework: String, models: [OfferedModelBody], stale: Bool,
        fetchedAt: Double, loading: Bool? = nil, found: [FoundProviderBody]? = nil
    ) {
        self.loading = loading
        self.found = found
        self.providerID = providerID
        self.provider = provider
        self.framework = framework
        self.models = models
        self.stale = stale
        self.fetchedAt = fetchedAt
    }

    private enum CodingKeys: String, CodingKey {
        case provider, framework, models, stale, loading, found
        case providerID = "provider_id"
        case fetchedAt = "fetched_at"
    }
}

/// `GET /api/models/providers`
public struct VendorsBody: Codable, Sendable, Equatable {
    /// Vendors whose address is known.
    public var providers: [String]

    public init(providers: [String]) {
        self.providers = providers
    }
}
