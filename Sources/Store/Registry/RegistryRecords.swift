// What is known of a provider, a model and an MCP server? Rows as values. What their fields may hold is decided in another
// module, before a row is written.

/// What a provider or a model is for.
public enum ModelKind: String, Sendable, CaseIterable, Codable { case llm, tts, stt }

/// Somebody who runs models.
public struct ProviderRecord: Sendable, Equatable {
    /// 0 in a row that is not stored yet.
    public var id: Int64
    public var name: String
    public var framework: String
    public var kind: ModelKind
    public var apiKey: Secret?
    public var baseURL: String?
    public var isEnabled: Bool
    /// A JSON object.
    public var metadata: String
    /// Unix seconds, as ``updatedAt``.
    public var createdAt: Double
    public var updatedAt: Double

    public init(
        id: Int64 = 0, name: String, framework: String, kind: ModelKind, apiKey: Secret? = nil, baseURL: String? = nil,
        isEnabled: Bool = true, metadata: String = "{}", createdAt: Double, updatedAt: Double
    ) {
        self.id = id
        self.name = name
        self.framework = framework
        self.kind = kind
        self.apiKey = apiKey
        self.baseURL = baseURL
        self.isEnabled = isEnabled
        self.metadata = metadata
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }
}

/// A model of a provider.
public struct ModelRecord: Sendable, Equatable {
    /// 0 in a row that is not stored yet.
    public var id: Int64
    public var providerID: Int64
    /// As the provider calls it.
    public var model: String
    public var kind: ModelKind
    public var displayName: String?
    /// What it is good for, in the words of whoever added it.
    public var tierHint: String?
    public var isEnabled: Bool
    /// It answers where no other was chosen. At most one row has it.
    public var isDefault: Bool
    /// A JSON object.
    public var metadata: String
    /// Unix seconds, as ``updatedAt``.
    public var createdAt: Double
    public var updatedAt: Double

    public init(
        id: Int64 = 0, providerID: Int64, model: String, kind: ModelKind, displayName: String? = nil,
        tierHint: String? = nil, isEnabled: Bool = true, isDefault: Bool = false, metadata: String = "{}",
        createdAt: Double, updatedAt: Double
    ) {
        self.id = id
        self.providerID = providerID
        self.model = model
        self.kind = kind
        self.displayName = displayName
        self.tierHint = tierHint
        self.isEnabled = isEnabled
        self.isDefault = isDefault
        self.metadata = metadata
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }
}

/// A model together with its provider, of one moment.
public struct ModelOfProvider: Sendable, Equatable {
    public var model: ModelRecord
    public var provider: ProviderRecord

    public init(model: ModelRecord, provider: ProviderRecord) {
        self.model = model
        self.provider = provider
    }
}

/// A server of tools.
public struct MCPRecord: Sendable, Equatable {
    /// - `builtin`: comes with the agent and is only switched on and off.
    /// - `default`: was put there by the agent, and belongs to its users since.
    public enum Kind: String, Sendable, CaseIterable { case builtin, custom, `default` }

    public var name: String
    public var kind: Kind
    public var builtinName: String?
    /// The program and its first arguments; nil when ``url`` says where the server is.
    public var command: [String]?
    public var arguments: [String]
    public var url: String?
    public var environment: [String: Secret]
    public var headers: [String: Secret]
    public var usesOAuth: Bool
    public var isEnabled: Bool
    /// Who put it there, as `api`.
    public var source: String
    /// Unix seconds, as ``updatedAt``.
    public var createdAt: Double
    public var updatedAt: Double

    public init(
        name: String, kind: Kind = .custom, builtinName: String? = nil, command: [String]? = nil,
        arguments: [String] = [], url: String? = nil, environment: [String: Secret] = [:],
        headers: [String: Secret] = [:], usesOAuth: Bool = false, isEnabled: Bool = true, source: String,
        createdAt: Double, updatedAt: Double
    ) {
        self.name = name
        self.kind = kind
        self.builtinName = builtinName
        self.command = command
        self.arguments = arguments
        self.url = url
        self.environment = environment
        self.headers = headers
        self.usesOAuth = usesOAuth
        self.isEnabled = isEnabled
        self.source = source
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }
}

/// Which rows a change was about.
public enum RegistryResource: Sendable, Hashable, CaseIterable { case providers, models, mcps }
