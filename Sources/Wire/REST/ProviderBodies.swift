public import JSON

// What is said over REST about providers of models. Keys are written and never read: an answer shows at most the end of one.

/// A provider.
public struct ProviderBody: Codable, Sendable, Equatable {
    public var id: Int64
    public var name: String
    public var framework: String
    /// `llm`, `tts` or `stt`.
    public var kind: String
    /// What is shown of the key: `—` when there is none.
    public var apiKeyDisplay: String
    public var baseURL: String?
    public var enabled: Bool
    public var metadata: [String: JSONValue]
    /// Unix seconds.
    public var createdAt: Double
    public var updatedAt: Double

    public init(
        id: Int64, name: String, framework: String, kind: String, apiKeyDisplay: String, baseURL: String? = nil,
        enabled: Bool, metadata: [String: JSONValue], createdAt: Double, updatedAt: Double
    ) {
        self.id = id
        self.name = name
        self.framework = framework
        self.kind = kind
        self.apiKeyDisplay = apiKeyDisplay
        self.baseURL = baseURL
        self.enabled = enabled
        self.metadata = metadata
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }

    private enum CodingKeys: String, CodingKey {
        case id, name, framework, kind, enabled, metadata
        case apiKeyDisplay = "api_key_display"
        case baseURL = "base_url"
        case createdAt = "created_at"
        case updatedAt = "updated_at"
    }
}

/// `GET /api/providers`
public struct ProvidersBody: Codable, Sendable, Equatable {
    public var providers: [ProviderBody]
    /// What `cursor` is for the next page; nil when there is none.
    public var nextCursor: String?

    public init(providers: [ProviderBody], nextCursor: String? = nil) {
        self.providers = providers
        self.nextCursor = nextCursor
    }

    private enum CodingKeys: String, CodingKey {
        case providers
        case nextCursor = "next_cursor"
    }
}

/// `GET /api/providers/{provider}`
public struct OneProvider: Codable, Sendable, Equatable {
    public var provider: ProviderBody

    public init(provider: ProviderBody) {
        self.provider = provider
    }
}

/// The body of `POST /api/providers` and `PUT /api/providers/{provider}`. What is nil stays as it is.
public struct ProviderWrite: Codable, Sendable, Equatable {
    public var name: String?
    public var framework: String?
    public var kind: String?
    /// Empty takes the key away.
    public var apiKey: String?
    /// Empty is none.
    public var baseURL: String?
    public var enabled: Bool?
    public var metadata: [String: JSONValue]?

    public init(
        name: String? = nil, framework: String? = nil, kind: String? = nil, apiKey: String? = nil,
        baseURL: String? = nil, enabled: Bool? = nil, metadata: [String: JSONValue]? = nil
    ) {
        self.name = name
        self.framework = framework
        self.kind = kind
        self.apiKey = apiKey
        self.baseURL = baseURL
        self.enabled = enabled
        self.metadata = metadata
    }

    private enum CodingKeys: String, CodingKey {
        case name, framework, kind, enabled, metadata
        case apiKey = "api_key"
        case baseURL = "base_url"
    }
}

/// The answer to a change of a provider.
public struct ProviderChanged: Codable, Sendable, Equatable {
    public var ok: Bool
    public var provider: ProviderBody

    public init(ok: Bool, provider: ProviderBody) {
        self.ok = ok
        self.provider = provider
    }
}

/// The answer to `DELETE /api/providers/{provider}`.
public struct ProviderRemoved: Codable, Sendable, Equatable {
    public var ok: Bool
    /// So many models went with it.
    public var modelsPurged: Int

    public init(ok: Bool, modelsPurged: Int) {
        self.ok = ok
        self.modelsPurged = modelsPurged
    }

    private enum CodingKeys: String, CodingKey {
        case ok
        case modelsPurged = "models_purged"
    }
}

/// The body of `POST /api/providers/{provider}/test`.
public struct ProviderTest: Codable, Sendable, Equatable {
    /// Does the provider have it?
    public var model: String?

    public init(model: String? = nil) {
        self.model = model
    }
}

/// The answer to it, when the key works.
public struct ProviderTested: Codable, Sendable, Equatable {
    public var ok: Bool
    /// So many models has the provider.
    public var models: Int
    public var model: String?
    /// Whether it has the model that was asked for.
    public var available: Bool?

    public init(ok: Bool, models: Int, model: String? = nil, available: Bool? = nil) {
        self.ok = ok
        self.models = models
        self.model = model
        self.available = available
    }
}
