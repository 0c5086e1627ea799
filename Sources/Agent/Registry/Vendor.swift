internal import Foundation
internal import Store

// Who runs models, where, and in which protocol are they asked? The vendors that are known by name; everybody else is asked as
// OpenAI is, at the address that the provider's row says.

/// A vendor of models.
struct Vendor: Sendable, Equatable {
    /// How a provider is asked.
    enum API: String, Sendable, CaseIterable { case openai, anthropic, google, ollama }

    var name: String
    var api: API
    /// Where it is asked unless the row says other; nil when the row has to.
    var address: String?
    /// Without a key it answers nothing.
    var needsKey: Bool

    static let known: [Vendor] = [
        .init("anthropic", .anthropic, "https://api.anthropic.com/v1"),
        .init("openai", .openai, "https://api.openai.com/v1"),
        .init("google", .google, "https://generativelanguage.googleapis.com/v1beta"),
        .init("openrouter", .openai, "https://openrouter.ai/api/v1"),
        .init("groq", .openai, "https://api.groq.com/openai/v1"),
        .init("mistral", .openai, "https://api.mistral.ai/v1"),
        .init("xai", .openai, "https://api.x.ai/v1"),
        .init("deepseek", .openai, "https://api.deepseek.com/v1"),
        .init("cerebras", .openai, "https://api.cerebras.ai/v1"),
        .init("zai", .openai, "https://api.z.ai/api/paas/v4"),
        .init("moonshot", .openai, "https://api.moonshot.ai/v1"),
        .init("qwen", .openai, "https://dashscope-intl.aliyuncs.com/compatible-mode/v1"),
        .init("ollama", .ollama, "http://127.0.0.1:11434", needsKey: false),
        .init("lmstudio", .openai, "http://127.0.0.1:1234/v1", needsKey: false),
        .init("llamacpp", .openai, "http://127.0.0.1:8080/v1", needsKey: false),
        .init("vllm", .openai, "http://127.0.0.1:8000/v1", needsKey: false),
        .init("local", .openai, nil, needsKey: false),
    ]

    static func named(_ name: String) -> Vendor? { known.first { $0.name == name } }

    /// Whoever a provider is asked as: `metadata.api` says so, else its name does.
    ///
    /// - Returns: nil when nobody knows where to ask.
    static func of(_ provider: ProviderRecord) -> Vendor? {
        let metadata = try? JSONSerialization.jsonObject(with: Data(provider.metadata.utf8)) as? [String: Any]
        let api = (metadata?["api"] as? String).flatMap(API.init)
        var vendor: Vendor
        if let known = named(provider.name) {
            vendor = known
        } else {
            vendor = Vendor(provider.name, .openai, nil, needsKey: false)
        }
        if let api { vendor.api = api }
        if let address = provider.baseURL { vendor.address = address }
        return vendor.address == nil ? nil : vendor
    }

    private init(_ name: String, _ api: API, _ address: String?, needsKey: Bool = true) {
        self.name = name
        self.api = api
        self.address = address
        self.needsKey = needsKey
    }
}
