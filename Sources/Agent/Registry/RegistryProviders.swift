public import Store

// Which rules hold for providers? One row for each name and framework, renamed in place. A key goes only to where it was meant for: who
// changes the address has to send the key again, so that nobody can have a key sent to themselves that they can't read.

/// What to set of a provider; nil leaves it as it is.
public struct ProviderChange: Sendable {
    public var name: String?
    public var framework: String?
    public var kind: String?
    /// Empty takes the key away; what is shown of a key keeps it.
    public var apiKey: String?
    /// Empty is none.
    public var baseURL: String?
    public var isEnabled: Bool?
    /// A JSON object.
    public var metadata: String?

    public init(
        name: String? = nil, framework: String? = nil, kind: String? = nil, apiKey: String? = nil,
        baseURL: String? = nil, isEnabled: Bool? = nil, metadata: String? = nil
    ) {
        self.name = name
        self.framework = framework
        self.kind = kind
        self.apiKey = apiKey
        self.baseURL = baseURL
        self.isEnabled = isEnabled
        self.metadata = metadata
    }
}

extension Registry {
    /// Who speaks with a provider: the gateway itself, or as older versions called it.
    static let frameworks = ["api-based", "agno", "claude-cli", "litellm", "command"]

    /// - Parameter after: the last id that was seen; 0 for the first page.
    public func providers(after: Int64, limit: Int) async throws -> [ProviderRecord] {
        try await repository.read { try $0.providers(after: after, limit: limit) }
    }

    /// - Throws: ``RegistryError/notFound(_:)``
    public func provider(_ id: Int64) async throws -> ProviderRecord {
        try await repository.read { try Self.found(try $0.provider(id)) }
    }

    /// - Throws: ``RegistryError/notFound(_:)``
    public func provider(named name: String) async throws -> ProviderRecord {
        try await repository.read { try Self.found(try $0.provider(named: name)) }
    }

    /// Adds a provider; where there is one of its name and framework, that one is changed.
    public func addProvider(
        _ wanted: ProviderChange, by actor: Actor
    ) async throws -> (provider: ProviderRecord, isNew: Bool) {
        let row = try await change("provider.create", by: actor, [.providers, .models]) { transaction, now in
            guard let name = wanted.name else { throw RegistryError.invalid("'name' is missing.") }
            let framework = wanted.framework ?? Self.frameworks[0]
            if let stored = try transaction.rows.provider(named: name, framework: framework) {
                let changed = try Self.apply(wanted, to: stored, now)
                try transaction.update(changed)
                return ((provider: changed, isNew: false), name)
            }
            guard try transaction.rows.providerCount() < RegistryRules.mostProviders else {
                throw RegistryError.conflict("There are \(RegistryRules.mostProviders) providers, which is the most.")
            }
            guard Self.frameworks.contains(framework) else {
                throw RegistryError.invalid("'framework' is one of \(Self.frameworks.joined(separator: ", ")).")
            }
            let empty = ProviderRecord(
                name: try Self.providerName(name), framework: framework,
                kind: try RegistryRules.kind(wanted.kind ?? ModelKind.llm.rawValue), createdAt: now, updatedAt: now)
            var row = try Self.apply(wanted, to: empty, now)
            row.id = try transaction.insert(row)
            return ((provider: row, isNew: true), name)
        }
        return row
    }

    /// - Throws: ``RegistryError``
    public func changeProvider(_ id: Int64, _ wanted: ProviderChange, by actor: Actor) async throws -> ProviderRecord {
        try await change("provider.update", by: actor, [.providers, .models]) { transaction, now in
            let stored = try Self.found(try transaction.rows.provider(id))
            let changed = try Self.apply(wanted, to: stored, now)
            if let other = try transaction.rows.provider(named: changed.name, framework: changed.framework),
                other.id != id
            {
                throw RegistryError.conflict("There is a provider \(changed.name) (\(changed.framework)) already.")
            }
            try transaction.update(changed)
            return (changed, changed.name)
        }
    }

    /// Removes a provider with its models.
    ///
    /// - Returns: how many models went with it.
    /// - Throws: ``RegistryError/notFound(_:)``
    public func removeProvider(_ id: Int64, by actor: Actor) async throws -> Int {
        try await change("provider.delete", by: actor, [.providers, .models]) { transaction, _ in
            let stored = try Self.found(try transaction.rows.provider(id))
            let models = try transaction.rows.modelCount(of: id)
            try transaction.deleteProvider(id)
            return (models, stored.name)
        }
    }

    // MARK: Rules

    private static func apply(
        _ wanted: ProviderChange, to stored: ProviderRecord, _ now: Double
    ) throws(RegistryError) -> ProviderRecord {
        var row = stored
        if let name = wanted.name { row.name = try providerName(name) }
        guard wanted.framework ?? row.framework == row.framework else {
            throw .invalid("The framework of a provider stays as it is.", hint: "Remove it and add it anew.")
        }
        if let kind = wanted.kind, try RegistryRules.kind(kind) != row.kind {
            throw .invalid("The kind of a provider stays as it is.", hint: "Remove it and add it anew.")
        }
        if let url = wanted.baseURL {
            row.baseURL = url.isEmpty ? nil : try RegistryRules.url(url, "base_url", query: false)
        }
        if let isEnabled = wanted.isEnabled { row.isEnabled = isEnabled }
        if let metadata = wanted.metadata { row.metadata = try RegistryRules.metadata(metadata) }
        if row.kind == .llm, row.framework != "command", Vendor.of(row) == nil {
            throw .invalid(
                "'base_url' is missing: nobody knows where \(row.name) is asked.",
                hint:
                    "Known by name are \(Vendor.known.filter { $0.address != nil }.map(\.name).joined(separator: ", "))."
            )
        }
        // Rows of older versions have no command line, and stay as they are until somebody gives them one.
        if row.framework == "command", wanted.metadata != nil || stored.id == 0 { _ = try AgentProgram.Settings(row) }
        row.apiKey = try key(wanted.apiKey, of: stored, becoming: row)
        row.updatedAt = now
        return row
    }

    private static func key(
        _ wanted: String?, of stored: ProviderRecord, becoming row: ProviderRecord
    ) throws(RegistryError) -> Secret? {
        if wanted?.isEmpty == true { return nil }
        if let wanted, !Secret.isDisplay(wanted), wanted != stored.apiKey?.display {
            return try RegistryRules.key(wanted)
        }
        guard let key = stored.apiKey else {
            guard wanted == nil || wanted == Secret.noKey else {
                throw .invalid("'api_key' is a marker, and no key is stored.", hint: "Send the key, or leave it out.")
            }
            return nil
        }
        guard wanted == nil || wanted == Secret.marker || wanted == key.display else {
            throw .invalid("'api_key' is not what is shown of the stored key.", hint: "Send the key, or leave it out.")
        }
        guard key.isReference || destination(stored) == destination(row) else {
            throw .invalid(
                "The key was stored for another address.", hint: "Send 'api_key' together with the new address or name."
            )
        }
        return key
    }

    /// Where the key goes.
    private static func destination(_ provider: ProviderRecord) -> String {
        Vendor.of(provider)?.address.map(RegistryRules.origin) ?? provider.name
    }

    private static func providerName(_ text: String) throws(RegistryError) -> String {
        let name = try RegistryRules.name(text, "a provider")
        guard name != BuiltinModel.provider else {
            throw .invalid("The name '\(BuiltinModel.provider)' is taken by what comes with the agent.")
        }
        return name
    }

    static func found(_ provider: ProviderRecord?) throws(RegistryError) -> ProviderRecord {
        guard let provider else { throw .notFound("There is no such provider.") }
        return provider
    }
}
