internal import Wire

// What do the routes of providers, models and MCP servers say about themselves?

extension Operation {
    // MARK: Providers

    static let providers = Operation(
        "The providers of models, with as much of their keys as may be seen", [.limit(), .cursor],
        answer: ProvidersBody.self)
    static let provider = Operation("A provider", answer: OneProvider.self)
    static let addProvider = Operation(
        "Add a provider; one of the same name and framework is changed instead", body: .json(ProviderWrite.self),
        answers: [.json(ProviderChanged.self, status: 201), .json(ProviderChanged.self)], errors: [409])
    static let changeProvider = Operation(
        "Change a provider; a key that isn't sent stays, unless the provider's address changes",
        body: .json(ProviderWrite.self), answer: ProviderChanged.self, errors: [409])
    static let removeProvider = Operation("Remove a provider with its models", answer: ProviderRemoved.self)
    static let enableProvider = Operation("Use a provider", answer: ProviderChanged.self, errors: [409])
    static let disableProvider = Operation("Use a provider no longer", answer: ProviderChanged.self, errors: [409])
    static let testProvider = Operation(
        "Ask a provider for its models: does the key work?", body: .json(ProviderTest.self),
        answer: ProviderTested.self, errors: [412, 502, 504])

    // MARK: Models

    static let models = Operation(
        "The models, the one that comes with the agent first",
        [
            .limit(), .cursor,
            .query("provider_id", .integer(minimum: 0, maximum: .max), "Only this provider's"),
            .query("framework", "Only of providers of this framework"),
            .query("enabled_only", .boolean, "Only those that are enabled"),
        ], answer: ModelsBody.self)
    static let model = Operation("A model", answer: OneModel.self)
    static let addModel = Operation(
        "Add a model of a provider", body: .json(ModelWrite.self), answer: ModelChanged.self, status: 201,
        errors: [409])
    static let changeModel = Operation(
        "Change a model, or make it the default", body: .json(ModelWrite.self), answer: ModelChanged.self,
        errors: [409])
    static let removeModel = Operation("Remove a model", answer: ModelRemoved.self)
    static let enableModel = Operation("Let a model be chosen", answer: ModelChanged.self, errors: [409])
    static let disableModel = Operation("Let a model be chosen no longer", answer: ModelChanged.self, errors: [409])
    static let modelCatalog = Operation(
        "The enabled models with their prices", [.query("provider", "Only this provider's")],
        answer: ModelCatalogBody.self)
    static let availableModels = Operation(
        "The models that a provider has, as it says itself; without one, what is known of all of them and what was found on this machine",
        [
            .query("provider_id", .integer(minimum: 1, maximum: .max), "The provider"),
            .query("provider", "The provider's name, in the place of its number"),
        ], answer: AvailableModelsBody.self, errors: [404, 412, 502, 504])
    static let vendors = Operation("Vendors that need no address", answer: VendorsBody.self)

    // MARK: MCP servers

    static let mcps = Operation(
        "The servers of tools, their secrets redacted", [.limit(), .cursor], answer: MCPsBody.self)
    static let mcp = Operation("A server of tools", answer: OneMCP.self)
    static let addMCP = Operation(
        "Add a server of tools", body: .json(MCPWrite.self), answer: MCPChanged.self, status: 201, errors: [409])
    static let changeMCP = Operation(
        "Change a server of tools; a secret whose marker is sent stays, unless the command or address changes",
        body: .json(MCPWrite.self), answer: MCPChanged.self)
    static let removeMCP = Operation("Remove a server of tools", answer: MCPRemoved.self)
    static let enableMCP = Operation("Use a server of tools", answer: MCPChanged.self)
    static let disableMCP = Operation("Use a server of tools no longer", answer: MCPChanged.self)
    static let mcpTools = Operation("The tools of the MCP servers that run", answer: MCPToolsBody.self)
}
