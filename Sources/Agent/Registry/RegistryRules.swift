internal import Foundation
internal import Store

// What may a name, an address, a command or a piece of metadata be? Everything is bounded and checked before a row is written; what
// is refused is named, what is secret never repeated.

enum RegistryRules {
    static let mostProviders = 100
    static let mostModels = 5_000
    static let mostMCPs = 200

    private static let longestKey = 8_192
    private static let longestURL = 2_048
    private static let longestMetadata = 16_384
    private static let longestWord = 8_192
    private static let mostWords = 128
    private static let mostVariables = 128
    private static let longestVariable = 32_768

    // MARK: Names

    /// Of a provider or a server: lower-case letters, digits, `.`, `_` and `-`, at most 64.
    static func name(_ text: String, _ what: String) throws(RegistryError) -> String {
        let allowed = text.utf8.allSatisfy { byte in
            isDigit(byte) || isLower(byte) || [UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-")].contains(byte)
        }
        guard let first = text.utf8.first, isDigit(first) || isLower(first), allowed, text.utf8.count <= 64 else {
            throw .invalid(
                "The name of \(what) has 1 to 64 lower-case letters, digits, '.', '_' and '-', and begins with a letter or digit."
            )
        }
        return text
    }

    static func modelName(_ text: String) throws(RegistryError) -> String {
        guard (1...256).contains(text.utf8.count), text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw .invalid("'model' is what the provider calls it: 1 to 256 characters without spaces.")
        }
        return text
    }

    /// A text for people; empty is none.
    static func label(_ text: String, _ field: String, longest: Int) throws(RegistryError) -> String? {
        guard text.utf8.count <= longest, !hasControls(text) else {
            throw .invalid("'\(field)' has at most \(longest) bytes and no line breaks.")
        }
        return text.isEmpty ? nil : text
    }

    static func kind(_ text: String) throws(RegistryError) -> ModelKind {
        guard let kind = ModelKind(rawValue: text) else {
            throw .invalid("'kind' is one of \(ModelKind.allCases.map(\.rawValue).joined(separator: ", ")).")
        }
        return kind
    }

    static func isVariableName(_ text: some StringProtocol) -> Bool {
        guard let first = text.utf8.first, !isDigit(first), text.utf8.count <= 256 else { return false }
        return text.utf8.allSatisfy { isDigit($0) || isLower($0) || (65...90).contains($0) || $0 == 95 }
    }

    // MARK: Addresses

    /// - Parameter query: whether one may be there.
    static func url(_ text: String, _ field: String, query: Bool) throws(RegistryError) -> String {
        guard text.utf8.count <= longestURL, text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }),
            let parts = URLComponents(string: text), let scheme = parts.scheme?.lowercased(),
            ["http", "https"].contains(scheme), let host = parts.host, !host.isEmpty,
            parts.port.map({ (1...65_535).contains($0) }) ?? true
        else {
            throw .invalid("'\(field)' is an address that begins with http:// or https://.")
        }
        guard parts.user == nil, parts.password == nil, !text.contains("@") || !authority(text).contains("@") else {
            throw .invalid(
                "'\(field)' holds a user or a password, and addresses are shown.",
                hint: "Secrets have fields of their own."
            )
        }
        guard parts.fragment == nil, query || parts.query == nil else {
            throw .invalid("'\(field)' has no part behind '?' or '#'.", hint: "Secrets have fields of their own.")
        }
        return text
    }

    private static func authority(_ text: String) -> Substring {
        guard let start = text.range(of: "://")?.upperBound else { return "" }
        return text[start...].prefix { !"/?#".contains($0) }
    }

    /// Scheme, host and port: where what is sent there arrives.
    static func origin(_ text: String) -> String {
        guard let parts = URLComponents(string: text), let scheme = parts.scheme?.lowercased() else { return text }
        let port = parts.port ?? (scheme == "https" ? 443 : 80)
        return "\(scheme)://\((parts.host ?? "").lowercased()):\(port)"
    }

    // MARK: Secrets

    static func key(_ text: String) throws(RegistryError) -> Secret {
        let key = text.trimmingCharacters(in: .whitespacesAndNewlines)
        guard (1...longestKey).contains(key.utf8.count), key.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) else {
            throw .invalid("'api_key' has at most \(longestKey) printable ASCII characters.")
        }
        return Secret(key)
    }

    static func environment(_ names: some Collection<String>) throws(RegistryError) {
        guard names.count <= mostVariables, names.allSatisfy({ isVariableName($0) }) else {
            throw .invalid(
                "'env' has at most \(mostVariables) variables, named by letters, digits and '_' without a digit in front."
            )
        }
    }

    static func variable(_ text: String, _ field: String, oneLine: Bool) throws(RegistryError) -> Secret {
        guard text.utf8.count <= longestVariable, !text.utf8.contains(0), !oneLine || !hasControls(text) else {
            throw .invalid("A value in '\(field)' is too long or has characters that can't be there.")
        }
        return Secret(text)
    }

    static func headers(_ names: some Collection<String>) throws(RegistryError) {
        let isToken = { (name: String) in
            (1...128).contains(name.utf8.count)
                && name.utf8.allSatisfy { byte in
                    isDigit(byte) || isLower(byte) || (65...90).contains(byte) || "!#$%&'*+-.^_`|~".utf8.contains(byte)
                }
        }
        guard names.count <= mostVariables, names.allSatisfy(isToken),
            Set(names.map { $0.lowercased() }).count == names.count
        else { throw .invalid("'headers' has at most \(mostVariables) names of HTTP headers, each one once.") }
    }

    // MARK: Commands

    static func words(_ words: [String], _ field: String) throws(RegistryError) -> [String] {
        guard words.count <= mostWords,
            words.allSatisfy({ $0.utf8.count <= longestWord && !$0.utf8.contains(0) })
        else { throw .invalid("'\(field)' has at most \(mostWords) words of \(longestWord) bytes.") }
        return words
    }

    /// - Parameter words: the program first.
    static func command(_ words: [String]) throws(RegistryError) -> [String] {
        guard let program = words.first, !program.isEmpty, !program.utf8.contains(where: { $0 < 0x20 }) else {
            throw .invalid("'command' names a program.")
        }
        return try Self.words(words, "command")
    }

    // MARK: Metadata

    /// A JSON object of at most 16 KiB that holds no secret, as far as its names say.
    static func metadata(_ text: String) throws(RegistryError) -> String {
        guard text.utf8.count <= longestMetadata,
            let object = try? JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
        else { throw .invalid("'metadata' is a JSON object of at most \(longestMetadata) bytes.") }
        if let name = secretName(in: object, depth: 0) {
            throw .invalid(
                "'metadata' is shown to everybody, and '\(name.prefix(64))' seems to hold a secret.",
                hint: "A provider's key belongs into api_key.")
        }
        for field in [ModelPrice.inputKey, ModelPrice.outputKey] {
            guard let value = object[field], !(value is NSNull) else { continue }
            guard let price = value as? NSNumber, price.doubleValue.isFinite, (0...1e6).contains(price.doubleValue)
            else {
                throw .invalid("'\(field)' is a price in US dollars per million tokens, from 0 to 1000000.")
            }
        }
        return text
    }

    private static let secretNames = ["key", "token", "secret", "password", "passwd", "credential", "authorization"]

    private static func secretName(in value: Any, depth: Int) -> String? {
        switch value {
        case let object as [String: Any]:
            guard depth < 32 else { return "…" }
            for (name, inner) in object {
                let plain = name.lowercased()
                if holdsText(inner), secretNames.contains(where: { plain.hasSuffix($0) || plain.hasSuffix($0 + "s") }) {
                    return name
                }
                if let found = secretName(in: inner, depth: depth + 1) { return found }
            }
            return nil
        case let list as [Any]:
            guard depth < 32 else { return "…" }
            return list.lazy.compactMap { secretName(in: $0, depth: depth + 1) }.first
        default: return nil
        }
    }

    /// Prices per token are numbers, secrets are texts.
    private static func holdsText(_ value: Any) -> Bool {
        if let list = value as? [Any] { return list.contains { $0 is String } }
        return value is String
    }

    // MARK: Characters

    private static func hasControls(_ text: String) -> Bool {
        text.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7F }
    }
    private static func isDigit(_ byte: UInt8) -> Bool { (48...57).contains(byte) }
    private static func isLower(_ byte: UInt8) -> Bool { (97...122).contains(byte) }
}
