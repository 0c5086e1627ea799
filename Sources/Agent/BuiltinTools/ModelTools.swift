internal import JSON
internal import Store

// How does the agent change which models it has? As an administrator does. A key goes in and never comes out: whether there is one is
// all that is shown. What needs somebody who runs models or sessions is given from outside, and not offered where it is missing.

/// What the tools about models can't do by themselves.
public struct ModelActions: Sendable {
    /// Asks a model something short and gives its answer.
    public var test: (@Sendable (_ runtimeID: String) async throws -> String)?
    /// Binds a session of the caller to a model, or with nil to none.
    public var pin: (@Sendable (_ session: String, _ runtimeID: String?, ToolContext) async throws -> Void)?

    public init(
        test: (@Sendable (_ runtimeID: String) async throws -> String)? = nil,
        pin: (@Sendable (_ session: String, _ runtimeID: String?, ToolContext) async throws -> Void)? = nil
    ) {
        self.test = test
        self.pin = pin
    }
}

/// The tools of the server `model-manager`.
struct ModelTools: Sendable {
    let registry: Registry
    let actions: ModelActions

    private static let ids = 1...Int(Int32.max)
    private static let provider = ToolParameter.integer("provider_id", ids, "The provider's id", required: true)
    private static let model = ToolParameter.integer("model_id", ids, "The model's id", required: true)
    private static let key = ToolParameter.text(
        "api_key", "Its key; prefer a reference such as {env:NAME}. It is never shown again."
    ).secret

    static func server(_ registry: Registry, _ actions: ModelActions) -> BuiltinServer {
        let tools = ModelTools(registry: registry, actions: actions)
        return BuiltinServer("model-manager", tools.providers + tools.models + tools.sessions)
    }

    // MARK: Providers

    private var providers: [BuiltinTool] {
        [
            BuiltinTool("list_providers", .query, "Lists who runs models", needsAdmin: true) { _, _ in
                ["providers": .array(try await registry.providers(after: 0, limit: 100).map(Self.shown))]
            },
            BuiltinTool("list_supported_providers", .query, "Lists the vendors that are known by name") { _, _ in
                ["vendors": JSONValue(texts: Registry.vendors)]
            },
            BuiltinTool(
                "add_provider", .action, "Adds a provider, or changes the one of this name",
                [
                    .text("name", "A vendor's name, or any other with a base_url", required: true), Self.key,
                    .text("base_url", "Where it is asked"),
                ], needsAdmin: true
            ) { arguments, context in
                let change = ProviderChange(
                    name: try arguments.text("name"), apiKey: try arguments.optionalText("api_key"),
                    baseURL: try arguments.optionalText("base_url"))
                return Self.shown(try await registry.addProvider(change, by: .init(name: context.handle)).provider)
            },
            BuiltinTool(
                "update_provider", .action, "Changes what is given of a provider",
                [
                    Self.provider, .text("name", "Its new name"), Self.key, .text("base_url", "Where it is asked"),
                    .flag("enabled", "Whether its models are used"),
                ], needsAdmin: true
            ) { arguments, context in
                let change = ProviderChange(
                    name: try arguments.optionalText("name"), apiKey: try arguments.optionalText("api_key"),
                    baseURL: try arguments.optionalText("base_url"), isEnabled: try arguments.optionalFlag("enabled"))
                return Self.shown(
                    try await registry.changeProvider(
                        try Self.id(arguments, "provider_id"), change, by: .init(name: context.handle)))
            },
            BuiltinTool(
                "remove_provider", .action, "Removes a provider with its models", [Self.provider], needsAdmin: true
            ) { arguments, context in
                let models = try await registry.removeProvider(
                    try Self.id(arguments, "provider_id"), by: .init(name: context.handle))
                return ["removed_models": JSONValue(models)]
            },
            BuiltinTool(
                "list_available_models", .query, "Asks a provider for its models", [Self.provider], needsAdmin: true,
                timeLimit: .seconds(15)
            ) { arguments, _ in
                let provider = try await registry.provider(try Self.id(arguments, "provider_id"))
                let offered = try await registry.discovery.models(of: provider)
                return [
                    "models": JSONValue(texts: offered.models.prefix(1_000).map(\.id)),
                    "is_stale": .bool(offered.isStale),
                ]
            },
        ]
    }

    // MARK: Models

    private var models: [BuiltinTool] {
        [
            BuiltinTool(
                "list_models", .query, "Lists the models that can be chosen",
                [.flag("enabled_only", "Leaves out those that are switched off")]
            ) { arguments, _ in
                let models = try await registry.models(
                    limit: 1_000, enabled: try arguments.flag("enabled_only", usual: false))
                let own: JSONValue = ["runtime_id": .string(BuiltinModel.runtimeID), "enabled": true]
                return ["models": .array([own] + models.map(Self.shown))]
            },
            BuiltinTool("get_model", .query, "Shows a model", [Self.model]) { arguments, _ in
                Self.shown(try await registry.model(try Self.id(arguments, "model_id")))
            },
            BuiltinTool(
                "add_model", .action, "Adds a model of a provider",
                [
                    Self.provider, .text("model", "As the provider calls it", required: true),
                    .text("display_name", "What people call it"), .text("tier_hint", "What it is good for"),
                ], needsAdmin: true
            ) { arguments, context in
                let change = ModelChange(
                    model: try arguments.text("model"), displayName: try arguments.optionalText("display_name"),
                    tierHint: try arguments.optionalText("tier_hint"))
                return Self.shown(
                    try await registry.addModel(
                        change, to: try Self.id(arguments, "provider_id"), by: .init(name: context.handle)))
            },
            BuiltinTool(
                "update_model", .action, "Changes what is given of a model",
                [
                    Self.model, .text("model", "As the provider calls it"),
                    .text("display_name", "What people call it"),
                    .text("tier_hint", "What it is good for"),
                ], needsAdmin: true
            ) { arguments, context in
                let change = ModelChange(
                    model: try arguments.optionalText("model"), displayName: try arguments.optionalText("display_name"),
                    tierHint: try arguments.optionalText("tier_hint"))
                return try await self.change(arguments, change, context)
            },
            BuiltinTool("enable_model", .action, "Switches a model on", [Self.model], needsAdmin: true) {
                try await change($0, ModelChange(isEnabled: true), $1)
            },
            BuiltinTool("disable_model", .action, "Switches a model off", [Self.model], needsAdmin: true) {
                try await change($0, ModelChange(isEnabled: false), $1)
            },
            BuiltinTool(
                "set_default_model", .action, "Makes a model the one that answers where no other was chosen",
                [Self.model], needsAdmin: true
            ) { try await change($0, ModelChange(isDefault: true), $1) },
            BuiltinTool("remove_model", .action, "Removes a model", [Self.model], needsAdmin: true) {
                arguments, context in
                let id = try Self.id(arguments, "model_id")
                try await registry.removeModel(id, by: .init(name: context.handle))
                return ["removed": .integer(id)]
            },
        ]
    }

    private func change(
        _ arguments: ToolArguments, _ change: ModelChange, _ context: ToolContext
    ) async throws -> JSONValue {
        Self.shown(
            try await registry.changeModel(
                try Self.id(arguments, "model_id"), change, by: .init(name: context.handle)))
    }

    // MARK: Elsewhere

    private var sessions: [BuiltinTool] {
        let runtimeID = ToolParameter.text("runtime_id", "The model, e.g. openai:gpt-5", required: true)
        let session = ToolParameter.text("session_id", "The session; usually this one")
        var tools: [BuiltinTool] = []
        if let test = actions.test {
            tools.append(
                BuiltinTool("test_model", .action, "Asks a model for a short answer", [runtimeID], needsAdmin: true) {
                    arguments, _ in ["answer": .string(try await test(arguments.text("runtime_id")))]
                })
        }
        if let pin = actions.pin {
            tools.append(
                BuiltinTool(
                    "pin_session", .action, "Lets a model answer in a session from now on", [session, runtimeID]
                ) {
                    arguments, context in
                    let runtimeID = try arguments.text("runtime_id")
                    guard runtimeID.utf8.count <= 512 else { throw ToolRefusal("'runtime_id' is too long") }
                    try await pin(try arguments.optionalText("session_id") ?? context.sessionID, runtimeID, context)
                    return ["pinned": .string(runtimeID)]
                })
            tools.append(
                BuiltinTool("unpin_session", .action, "Lets the default model answer in a session", [session]) {
                    arguments, context in
                    try await pin(try arguments.optionalText("session_id") ?? context.sessionID, nil, context)
                    return ["pinned": .null]
                })
        }
        return tools
    }

    // MARK: Values

    private static func id(_ arguments: ToolArguments, _ name: String) throws(ToolRefusal) -> Int64 {
        guard let id = try arguments.optionalInteger(name, in: ids) else { throw ToolRefusal("'\(name)' is missing") }
        return Int64(id)
    }

    private static func shown(_ provider: ProviderRecord) -> JSONValue {
        [
            "id": .integer(provider.id), "name": .string(provider.name), "kind": .string(provider.kind.rawValue),
            "framework": .string(provider.framework), "base_url": JSONValue(provider.baseURL),
            "has_key": .bool(provider.apiKey != nil), "enabled": .bool(provider.isEnabled),
        ]
    }

    private static func shown(_ model: ModelOfProvider) -> JSONValue {
        [
            "id": .integer(model.model.id), "runtime_id": .string(model.runtimeID),
            "kind": .string(model.model.kind.rawValue), "display_name": JSONValue(model.model.displayName),
            "tier_hint": JSONValue(model.model.tierHint), "enabled": .bool(model.isEnabled),
            "is_default": .bool(model.model.isDefault),
        ]
    }
}
