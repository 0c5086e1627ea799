internal import JSON
internal import Store

// What must not be in an account of what tools were called with? The secrets that the agent itself keeps, in plain text or behind a
// reference, and what stands under a name that speaks of one. What a user typed of their own nobody here knows.

/// Takes secrets out of arguments before they are written down.
public struct KnownSecrets: Sendable {
    /// A shorter one would be found in ordinary words.
    private static let shortest = 6
    private static let words = [
        "password", "passwd", "passphrase", "secret", "token", "api_key", "apikey", "authorization", "credential",
        "private_key", "cookie",
    ]

    private let all: @Sendable () async throws -> [String]
    private let hidden: @Sendable (String) -> String

    /// - Parameters:
    ///   - all: what the agent keeps; asked for each call.
    ///   - hidden: takes out of a text what looks like a secret, whoever keeps it.
    public init(
        all: @escaping @Sendable () async throws -> [String],
        hidden: @escaping @Sendable (String) -> String = { $0 }
    ) {
        self.all = all
        self.hidden = hidden
    }

    /// `arguments` without secrets; nil when it can't be said what is one.
    func removed(from arguments: [String: JSONValue]) async -> [String: JSONValue]? {
        guard let all = try? await all() else { return nil }
        let secrets = all.filter { $0.utf8.count >= Self.shortest }.sorted { $0.utf8.count > $1.utf8.count }
        return object(arguments, secrets)
    }

    private func object(_ fields: [String: JSONValue], _ secrets: [String]) -> [String: JSONValue] {
        var plain: [String: JSONValue] = [:]
        for (name, value) in fields {
            let speaks = name.lowercased().replacing("-", with: "_")
            let isSecret = Self.words.contains { speaks.contains($0) }
            plain[text(name, secrets)] = isSecret ? .string(Secret.marker) : self.value(value, secrets)
        }
        return plain
    }

    private func value(_ value: JSONValue, _ secrets: [String]) -> JSONValue {
        switch value {
        case .string(let text): .string(self.text(text, secrets))
        case .array(let values): .array(values.map { self.value($0, secrets) })
        case .object(let fields): .object(object(fields, secrets))
        default: value
        }
    }

    private func text(_ text: String, _ secrets: [String]) -> String {
        hidden(secrets.reduce(text) { $0.replacing($1, with: Secret.marker) })
    }
}

extension Registry {
    /// The secrets of providers and MCP servers as they are used: what a reference stands for, too, as far as it leads anywhere.
    public func secrets() async throws -> [String] {
        let kept = try await repository.read { rows -> [Secret] in
            var kept = try rows.providers().compactMap(\.apiKey)
            for mcp in try rows.mcps() { kept += Array(mcp.environment.values) + Array(mcp.headers.values) }
            return kept
        }
        return kept.compactMap { try? reveal($0) }
    }
}
