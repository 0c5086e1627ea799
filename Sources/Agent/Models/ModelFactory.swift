internal import Foundation
internal import JSON
public import Store

// How does a row of the registry become something that answers? By its provider's vendor: the protocol, the address and the key, which is
// revealed here and kept by nothing else than what it is for.

/// Makes language models of rows.
public struct ModelFactory: Sendable {
    private let http: any OutboundHTTP
    private let reveal: @Sendable (Secret) throws -> String
    private let now: @Sendable () -> Double
    private let makeID: @Sendable () -> String
    private let folder: String

    /// - Parameters:
    ///   - reveal: the text of a key.
    ///   - folder: where programs that answer run; made when it is needed.
    ///   - now: Unix seconds.
    ///   - makeID: another text each time, of letters, digits and dashes.
    public init(
        http: any OutboundHTTP, folder: String, now: @escaping @Sendable () -> Double,
        makeID: @escaping @Sendable () -> String, reveal: @escaping @Sendable (Secret) throws -> String
    ) {
        self.http = http
        self.folder = folder
        self.now = now
        self.makeID = makeID
        self.reveal = reveal
    }

    /// The model of a row; whether it is enabled is not asked.
    ///
    /// - Throws: ``ModelError`` when the row can't be used, in words for whoever can change it.
    public func model(for row: ModelOfProvider) throws -> any LanguageModel {
        let provider = row.provider
        guard row.model.kind == .llm else { throw ModelError.rejected("\(row.runtimeID) is no model that chats") }
        let key = try key(of: provider)
        if AgentProgram.isProgram(provider) {
            return CommandModel(try AgentProgram(provider, model: row.model.model, key: key), folder: folder)
        }
        guard let vendor = Vendor.of(provider), let address = vendor.address else {
            throw ModelError.rejected("nobody knows where \(provider.name) is asked: it has no base_url")
        }
        guard key != nil || !vendor.needsKey else { throw ModelError.unauthorized }
        let endpoint = ModelEndpoint(
            http: http, address: vendor.api.base(address), key: key, patience: Self.patience(provider), now: now,
            makeID: makeID)
        return switch vendor.api {
        case .openai: OpenAIModel(endpoint: endpoint, dialect: .of(provider.name))
        case .anthropic: AnthropicModel(endpoint: endpoint)
        case .google: GeminiModel(endpoint: endpoint)
        case .ollama: OllamaModel(endpoint: endpoint)
        }
    }

    private func key(of provider: ProviderRecord) throws -> String? {
        guard let secret = provider.apiKey else { return nil }
        let key: String
        do { key = try reveal(secret) } catch {
            // The error of a reference names the reference, and of anything else nothing is told.
            throw ModelError.rejected(
                "the key of \(provider.name) can't be used" + (secret.isReference ? ": \(error)" : ""))
        }
        guard !key.isEmpty else { return nil }
        guard key.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) else {
            throw ModelError.rejected("the key of \(provider.name) has characters that no key has")
        }
        return key
    }

    private static func patience(_ provider: ProviderRecord) -> Duration {
        let seconds = JSONValue(parsing: provider.metadata)?[ProviderSettings.timeout].flatMap(ProviderSettings.seconds)
        return seconds.map { .seconds($0) } ?? ModelEndpoint.usualPatience
    }
}

/// What a provider's metadata may say about how it is asked.
enum ProviderSettings {
    static let timeout = "timeout_seconds"
    private static let times: ClosedRange<Double> = 1...3_600

    /// Nil when it is no time that may be.
    static func seconds(_ value: JSONValue) -> Double? {
        let seconds: Double? =
            switch value {
            case .integer(let number): Double(number)
            case .number(let number): number
            default: nil
            }
        return seconds.flatMap { times.contains($0) ? $0 : nil }
    }
}

extension Vendor.API {
    /// Where the protocol's paths begin: an address without a path gets the usual one.
    func base(_ address: String) -> String {
        var base = address
        while base.hasSuffix("/") { base.removeLast() }
        let hasPath = base.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false).count > 3
        return switch self {
        case .openai, .anthropic: hasPath ? base : base + "/v1"
        case .google: hasPath ? base : base + "/v1beta"
        case .ollama: base.hasSuffix("/v1") ? String(base.dropLast(3)) : base
        }
    }
}
