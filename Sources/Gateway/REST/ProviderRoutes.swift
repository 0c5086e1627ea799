internal import Agent
internal import Hummingbird
internal import Store
internal import Wire

// Who runs the agent's models, and with which key? For admins: addresses and keys are the network's, and whoever changes them decides who
// reads its conversations. A key comes in and never goes out again; an answer shows at most its end.

enum ProviderRoutes {
    /// - Parameter registry: nil when the agent has none.
    static func routes(_ registry: Registry?) -> [Route] {
        let one = "/api/providers/{provider}"
        return [
            .admin(.get, "/api/providers", .providers) { request, _, _ in
                let asked = try request.page(by: Int64.self)
                let rows = try await RegistryRoutes.present(registry).providers(
                    after: asked.after ?? 0, limit: asked.limit + 1)
                let (page, next) = try asked.page(of: rows, key: \.id)
                return try JSON.response(ProvidersBody(providers: page.map(ProviderBody.init), nextCursor: next))
            },
            .admin(.post, "/api/providers", .addProvider, announces: .created(.provider, to: .everybody)) {
                request, context, caller in
                let wanted = try await request.decode(as: ProviderWrite.self, context: context)
                return try await RegistryRoutes.answering {
                    let (row, isNew) = try await RegistryRoutes.present(registry).addProvider(
                        try ProviderChange(wanted), by: caller.actor)
                    context.announced.set(id: "\(row.id)", action: isNew ? .created : .updated)
                    return try JSON.response(
                        ProviderChanged(ok: true, provider: ProviderBody(row)), status: isNew ? .created : .ok)
                }
            },
            .admin(.get, one, .provider) { _, context, _ in
                let id = try context.rowNumber("provider")
                return try await RegistryRoutes.answering {
                    try JSON.response(
                        OneProvider(
                            provider: ProviderBody(try await RegistryRoutes.present(registry).provider(id))))
                }
            },
            .admin(.put, one, .changeProvider, announces: .updated(.provider, "provider", to: .everybody)) {
                request, context, caller in
                let wanted = try await request.decode(as: ProviderWrite.self, context: context)
                return try await change(try ProviderChange(wanted), context, caller, registry)
            },
            .admin(.delete, one, .removeProvider, announces: .deleted(.provider, "provider", to: .everybody)) {
                _, context, caller in
                let id = try context.rowNumber("provider")
                return try await RegistryRoutes.answering {
                    let purged = try await RegistryRoutes.present(registry).removeProvider(id, by: caller.actor)
                    return try JSON.response(ProviderRemoved(ok: true, modelsPurged: purged))
                }
            },
            .admin(.post, one + "/enable", .enableProvider, announces: .updated(.provider, "provider", to: .everybody))
            {
                _, context, caller in
                try await change(ProviderChange(isEnabled: true), context, caller, registry)
            },
            .admin(
                .post, one + "/disable", .disableProvider, announces: .updated(.provider, "provider", to: .everybody)
            ) {
                _, context, caller in
                try await change(ProviderChange(isEnabled: false), context, caller, registry)
            },
            .admin(.post, one + "/test", .testProvider, announces: .nothing(because: "it only asks the provider")) {
                request, context, _ in
                let wanted = try await request.decode(as: ProviderTest.self, context: context)
                return try await test(wanted, context, registry)
            },
        ]
    }

    private static func change(
        _ wanted: ProviderChange, _ context: GatewayContext, _ caller: Caller, _ registry: Registry?
    ) async throws -> Response {
        let id = try context.rowNumber("provider")
        return try await RegistryRoutes.answering {
            let row = try await RegistryRoutes.present(registry).changeProvider(id, wanted, by: caller.actor)
            return try JSON.response(ProviderChanged(ok: true, provider: ProviderBody(row)))
        }
    }

    private static func test(
        _ wanted: ProviderTest, _ context: GatewayContext, _ registry: Registry?
    ) async throws -> Response {
        let id = try context.rowNumber("provider")
        return try await RegistryRoutes.answering {
            let registry = try RegistryRoutes.present(registry)
            let models = try await registry.discovery.ask(try await registry.provider(id))
            return try JSON.response(
                ProviderTested(
                    ok: true, models: models.count, model: wanted.model,
                    available: wanted.model.map { name in models.contains { $0.id == name } }))
        }
    }
}

extension ProviderChange {
    fileprivate init(_ wanted: ProviderWrite) throws {
        self.init(
            name: wanted.name, framework: wanted.framework, kind: wanted.kind, apiKey: wanted.apiKey,
            baseURL: wanted.baseURL, isEnabled: wanted.enabled, metadata: try wanted.metadata.map(RegistryRoutes.text))
    }
}

extension ProviderBody {
    fileprivate init(_ row: ProviderRecord) {
        self.init(
            id: row.id, name: row.name, framework: row.framework, kind: row.kind.rawValue,
            apiKeyDisplay: row.apiKey?.display ?? Secret.noKey, baseURL: row.baseURL, enabled: row.isEnabled,
            metadata: RegistryRoutes.object(row.metadata), createdAt: row.createdAt, updatedAt: row.updatedAt)
    }
}
