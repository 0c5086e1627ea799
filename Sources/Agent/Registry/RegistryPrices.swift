// What does a model cost, as its rows say? What comes with the agent costs nothing.

/// The prices of the registry's models.
public struct RegistryPrices: Prices {
    private let registry: Registry

    public init(_ registry: Registry) { self.registry = registry }

    /// A price that can't be read now is one that nobody knows.
    public func price(of model: String) async -> ModelPrice? {
        if let price = BuiltInPrices().price(of: model) { return price }
        return (try? await registry.model(runtimeID: model)).map(ModelPrice.init)
    }

    public func all() async -> [String: ModelPrice] {
        let rows = (try? await registry.models(enabled: true)) ?? []
        return BuiltInPrices().all().merging(rows.map { ($0.runtimeID, ModelPrice($0)) }) { built, _ in built }
    }
}
