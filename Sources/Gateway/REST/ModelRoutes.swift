internal import Agent
internal import Hummingbird
internal import Store
internal import Wire

// Which models does the agent have, and which could it have? Every user reads names and prices, because every user chooses; admins
// change them, and ask providers for what they offer. The model that comes with the agent is in every list and can't be changed.

enum ModelRoutes {
    /// - Parameters:
    ///   - registry: nil when the agent has none.
    ///   - running: what the agent can run at this moment, the default first.
    static func routes(_ registry: Registry?, running: @escaping @Sendable () async -> [AgentModel]) -> [Route] {
        let one = "/api/models/{model}"
        return [
            .member(.get, "/api/models", .models) { request, _, _ in
                try await list(request, try RegistryRoutes.present(registry), running)
            },
            .admin(.post, "/api/models", .addModel, announces: .created(.model, to: .everybody)) {
                request, context, caller in
                let wanted = try await request.decode(as: ModelWrite.self, context: context)
                guard let provider = wanted.providerID else { throw ErrorResponse.invalid("'provider_id' is missing.") }
                return try await RegistryRoutes.answering {
                    let row = try await RegistryRoutes.present(registry).addModel(
                        try ModelChange(wanted), to: provider, by: caller.actor)
                    context.announced.set(id: "\(row.model.id)")
                    let body = ModelBody(row, running: await running())
                    return try JSON.response(ModelChanged(ok: true, model: body), status: .created)
                }
            },
            .member(.get, "/api/models/catalog", .modelCatalog) { request, _, _ in
                let provider = try request.queryValue("provider")
                let rows = try await RegistryRoutes.present(registry).models(enabled: true)
                let running = await running()
                let all = [CatalogModel(builtin: running)] + rows.map { CatalogModel($0, running: running) }
                return try JSON.response(
                    ModelCatalogBody(
                        models: all.filter { provider == nil || $0.provider == provider }
                            .sorted { $0.runtimeID < $1.runtimeID }))
            },
            .admin(.get, "/api/models/available", .availableModels) { request, _, _ in
                try await available(request, try RegistryRoutes.present(registry))
            },
            .member(.get, "/api/models/providers", .vendors) { _, _, _ in
                try JSON.response(VendorsBody(providers: Registry.vendors))
            },
            .member(.get, one, .model) { _, context, _ in
                let id = try context.rowNumber("model")
                return try await RegistryRoutes.answering {
                    let registry = try RegistryRoutes.present(registry)
                    let running = await running()
                    let body =
                        id == BuiltinModel.id
                        ? ModelBody(builtin: running) : ModelBody(try await registry.model(id), running: running)
                    return try JSON.response(OneModel(model: body))
                }
            },
            .admin(.put, one, .changeModel, announces: .updated(.model, "model", to: .everybody)) {
                request, context, caller in
                let wanted = try await request.decode(as: ModelWrite.self, context: context)
                return try await change(wanted, context, caller, registry, running)
            },
            .admin(.delete, one, .removeModel, announces: .deleted(.model, "model", to: .everybody)) {
                _, context, caller in
                let id = try row(context)
                return try await RegistryRoutes.answering {
                    try await RegistryRoutes.present(registry).removeModel(id, by: caller.actor)
                    return try JSON.response(ModelRemoved(ok: true))
                }
            },
            .admin(.post, one + "/enable", .enableModel, announces: .updated(.model, "model", to: .everybody)) {
                _, context, caller in
                try await change(ModelWrite(enabled: true), context, caller, registry, running)
            },
            .admin(.post, one + "/disable", .disableModel, announces: .updated(.model, "model", to: .everybody)) {
                _, context, caller in
                try await change(ModelWrite(enabled: false), context, caller, registry, running)
            },
        ]
    }

    // MARK: Reading

    private static func list(
        _ request: Request, _ registry: Registry, _ running: @Sendable () async -> [AgentModel]
    ) async throws -> Response {
        let asked = try request.page(by: Int64.self)
        let provider = try request.queryNumber("provider_id", in: 0...Int64.max)
        let framework = try request.queryValue("framework")
        var rows = try await registry.models(
            after: asked.after ?? 0, limit: asked.limit + 1, provider: provider, framework: framework,
            enabled: try request.queryFlag("enabled_only")
        )
        .map { row in { ModelBody(row, running: $0) } }
        let isBuiltin =
            provider ?? BuiltinModel.id == BuiltinModel.id
            && framework ?? BuiltinModel.provider == BuiltinModel.provider
        // It comes before every row: its number is the smallest.
        if asked.after == nil, isBuiltin { rows.insert({ ModelBody(builtin: $0) }, at: 0) }
        let models = await running()
        let (page, next) = try asked.page(of: rows.map { $0(models) }, key: \.id)
        return try JSON.response(ModelsBody(models: page, nextCursor: next))
    }

    private static func available(_ request: Request, _ registry: Registry) async throws -> Response {
        let id = try request.queryNumber("provider_id", in: 1...Int64.max)
        let name = try request.queryValue("provider")
        return try await RegistryRoutes.answering {
            let provider: ProviderRecord
            if let id {
                provider = try await registry.provider(id)
            } else if let name {
                provider = try await registry.provider(named: name)
            } else {
                return try JSON.response(try await overview(registry))
            }
            let offered = try await registry.discovery.models(of: provider)
            let added = Set(try await registry.models(provider: provider.id).map(\.model.model))
            return try JSON.response(
                AvailableModelsBody(
                    providerID: provider.id, provider: provider.name, framework: provider.framework,
                    models: offered.models.map { model in
                        .init(
                            id: model.id, displayName: model.displayName,
                            runtimeID: provider.runtimeID(of: model.id), added: added.contains(model.id),
                            kind: model.kind.rawValue)
                    }, stale: offered.isStale, fetchedAt: offered.fetchedAt))
        }
    }

    /// What is known of all providers, and what could be added; nobody is asked for it.
    private static func overview(_ registry: Registry) async throws -> AvailableModelsBody {
        let providers = try await registry.providers(after: 0, limit: .max)
        let added = Set(try await registry.models().map(\.runtimeID))
        let known = await registry.discovery.overview(providers)
        let models = providers.flatMap { provider in
            (known.lists[provider.id]?.models ?? []).map { model in
                let runtimeID = provider.runtimeID(of: model.id)
                return OfferedModelBody(
                    id: model.id, displayName: model.displayName, runtimeID: runtimeID,
                    added: added.contains(runtimeID), kind: model.kind.rawValue)
            }
        }
        return AvailableModelsBody(
            providerID: 0, provider: "", framework: "", models: models,
            stale: known.lists.values.contains(where: \.isStale),
            fetchedAt: known.lists.values.map(\.fetchedAt).min() ?? 0, loading: known.isLoading,
            found: known.found.map { found in
                .init(
                    name: found.name, framework: found.framework, baseURL: found.address, version: found.version,
                    models: found.models.map(\.id), command: found.command)
            })
    }

    // MARK: Changing

    /// A row that may be changed.
    private static func row(_ context: GatewayContext) throws(ErrorResponse) -> Int64 {
        let id = try context.rowNumber("model")
        guard id != BuiltinModel.id else {
            throw .invalid("\(BuiltinModel.runtimeID) comes with the agent and can't be changed or removed.")
        }
        return id
    }

    private static func change(
        _ wanted: ModelWrite, _ context: GatewayContext, _ caller: Caller, _ registry: Registry?,
        _ running: @Sendable () async -> [AgentModel]
    ) async throws -> Response {
        let id = try row(context)
        return try await RegistryRoutes.answering {
            let registry = try RegistryRoutes.present(registry)
            if let provider = wanted.providerID, try await registry.model(id).provider.id != provider {
                throw ErrorResponse.invalid("A model stays with its provider.", hint: "Remove it and add it anew.")
            }
            let row = try await registry.changeModel(id, try ModelChange(wanted), by: caller.actor)
            return try JSON.response(ModelChanged(ok: true, model: ModelBody(row, running: await running())))
        }
    }
}

extension ModelChange {
    fileprivate init(_ wanted: ModelWrite) throws {
        self.init(
            model: wanted.model, kind: wanted.kind, displayName: wanted.displayName,
            tierHint: wanted.tierHint ?? wanted.notes, isEnabled: wanted.enabled, isDefault: wanted.isClassifier,
            metadata: try wanted.metadata.map(RegistryRoutes.text))
    }
}

extension ModelBody {
    fileprivate init(_ row: ModelOfProvider, running: [AgentModel]) {
        let (model, provider, price) = (row.model, row.provider, ModelPrice(row))
        self.init(
            id: model.id, providerID: provider.id, providerName: provider.name, framework: provider.framework,
            kind: model.kind.rawValue, runtimeID: row.runtimeID, model: model.model, displayName: model.displayName,
            tierHint: model.tierHint, enabled: model.isEnabled, isClassifier: model.isDefault,
            isDefault: running.first?.id == row.runtimeID, runs: running.contains { $0.id == row.runtimeID },
            providerEnabled: provider.isEnabled, metadata: RegistryRoutes.object(model.metadata),
            createdAt: model.createdAt, updatedAt: model.updatedAt, inputCost: price.input, outputCost: price.output)
    }

    /// What comes with the agent.
    fileprivate init(builtin running: [AgentModel]) {
        let id = BuiltinModel.runtimeID
        self.init(
            id: BuiltinModel.id, providerID: 0, providerName: BuiltinModel.provider, framework: BuiltinModel.provider,
            kind: ModelKind.llm.rawValue, runtimeID: id, model: BuiltinModel.model, displayName: "Librarian",
            enabled: true, isClassifier: false, isDefault: running.first?.id == id,
            runs: running.contains { $0.id == id }, providerEnabled: true, metadata: [:], createdAt: 0, updatedAt: 0,
            inputCost: 0, outputCost: 0)
    }
}

extension CatalogModel {
    private static let history = "gateway"

    fileprivate init(_ row: ModelOfProvider, running: [AgentModel]) {
        let price = ModelPrice(row)
        self.init(
            provider: row.provider.name, framework: row.provider.framework, model: row.model.model,
            runtimeID: row.runtimeID, historyMode: Self.history, tierHint: row.model.tierHint,
            runs: running.contains { $0.id == row.runtimeID }, inputCost: price.input, outputCost: price.output)
    }

    fileprivate init(builtin running: [AgentModel]) {
        self.init(
            provider: BuiltinModel.provider, framework: BuiltinModel.provider, model: BuiltinModel.model,
            runtimeID: BuiltinModel.runtimeID, historyMode: Self.history,
            runs: running.contains { $0.id == BuiltinModel.runtimeID }, inputCost: 0, outputCost: 0)
    }
}
