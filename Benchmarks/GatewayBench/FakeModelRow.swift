internal import Store

/// The row of a model that is only there to be measured.
enum FakeModelRow {
    static let row = ModelOfProvider(
        model: ModelRecord(
            id: 1, providerID: 1, model: "fake", kind: .llm, metadata: #"{"context_window":1000000}"#, createdAt: 0,
            updatedAt: 0),
        provider: ProviderRecord(
            id: 1, name: "bench", framework: "api-based", kind: .llm, createdAt: 0, updatedAt: 0))
}
