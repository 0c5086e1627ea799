internal import JSON
internal import Wire

// Which values of the configuration are secrets, and how is a document shown without them? A value is one if its key says
// so, in one of the words below, or if it stands somewhere below such a key. It is shown as a marker; whoever writes the
// marker back means "as it was". References such as `${NAME}` are no secrets and stay as they are: what they stand for is
// not in the document.
//
// The words: see ``words``; `key` at the end of a name (`api_key`, `signing-key`, `key`); the values below `env`,
// `environment` and `headers`; a URL with a password in it, wherever it stands.

enum ConfigurationSecrets {
    /// Stands for a secret that is kept.
    static let marker = "[redacted]"

    private static let words: Set = [
        "token", "tokens", "secret", "secrets", "password", "passwords", "passwd", "passphrase", "pwd", "pin", "psk",
        "credential", "credentials", "auth", "authorization", "bearer", "cookie", "cookies", "apikey", "apikeys",
        "apitoken", "accesskey", "secretkey", "privatekey", "seed", "salt", "signature", "webhook",
    ]
    private static let keyWords: Set = ["key", "keys"]
    private static let holders: Set = ["env", "environment", "headers"]

    /// Whether a key says that its value is a secret: `api_key`, `bot-token`, `clientSecret`.
    static func isSecret(_ key: String) -> Bool {
        var words = words(of: key)
        // The second of several: `api_key_2`, `token1`.
        words = words.map { word in
            let name = word.replacing(/[0-9]+$/, with: "")
            return name.isEmpty ? word : name
        }
        while words.count > 1, words.last?.allSatisfy(\.isNumber) == true { words.removeLast() }
        return words.contains { Self.words.contains($0) || endings.contains(where: $0.hasSuffix) }
            || words.last.map(keyWords.contains) == true
    }

    /// Words that are written together with others: `githubtoken`, `OPENAIKey`.
    private static let endings = ["token", "secret", "password", "passphrase", "apikey", "aikey"]

    /// What stands in a document, without its secrets.
    static func redacted(_ fields: [String: JSONValue]) -> [String: JSONValue] {
        fields.reduce(into: [:]) { $0[$1.key] = redacted($1.value, below: $1.key, isSecret: false) }
    }

    /// - Parameter key: below which the value stands.
    static func redacted(_ value: JSONValue, below key: String, isSecret: Bool = false) -> JSONValue {
        let isSecret = isSecret || Self.isSecret(key) || holds(value, below: key)
        switch value {
        case .object(let fields):
            return .object(
                fields.reduce(into: [:]) { $0[$1.key] = redacted($1.value, below: $1.key, isSecret: isSecret) })
        case .array(let list): return .array(list.map { redacted($0, below: key, isSecret: isSecret) })
        default: return hides(value, below: key, isSecret: isSecret) ? .string(marker) : value
        }
    }

    /// `new` with every marker replaced by what stands at its place in `old`.
    ///
    /// - Throws: ``ConfigurationRefusal/nothingKept(_:)`` where there is no secret at its place.
    static func restored(
        _ new: [String: JSONValue], from old: [String: JSONValue]
    ) throws(ConfigurationRefusal) -> [String: JSONValue] {
        var result: [String: JSONValue] = [:]
        for (key, value) in new { result[key] = try restored(value, from: old[key], below: key, path: key) }
        return result
    }

    /// - Parameters:
    ///   - key: below which the value stands.
    ///   - path: to it, for people.
    static func restored(
        _ new: JSONValue, from old: JSONValue?, below key: String, path: String, isSecret: Bool = false
    ) throws(ConfigurationRefusal) -> JSONValue {
        let isSecret = isSecret || Self.isSecret(key) || (old.map { holds($0, below: key) } ?? false)
        switch new {
        case .string(marker):
            guard let old, hides(old, below: key, isSecret: isSecret) else {
                throw .nothingKept(path)
            }
            return old
        case .object(let fields):
            var result: [String: JSONValue] = [:]
            for (name, value) in fields {
                result[name] = try restored(
                    value, from: old?[name], below: name, path: "\(path).\(name)", isSecret: isSecret)
            }
            return .object(result)
        case .array(let list):
            var earlier: [JSONValue] = []
            if case .array(let values)? = old { earlier = values }
            var result: [JSONValue] = []
            for (index, element) in list.enumerated() {
                let before =
                    contains(element)
                    ? origin(of: element, at: index, in: earlier, below: key, isSecret: isSecret) : nil
                result.append(
                    try restored(element, from: before, below: key, path: "\(path)[\(index)]", isSecret: isSecret))
            }
            return .array(result)
        default: return new
        }
    }

    // MARK: Parts

    /// Which element of a list this one was. A secret must not get to another element's place, so only what is the same
    /// but for its secrets counts, or what has the same name.
    private static func origin(
        of element: JSONValue, at index: Int, in earlier: [JSONValue], below key: String, isSecret: Bool
    ) -> JSONValue? {
        func isSame(_ old: JSONValue) -> Bool { redacted(old, below: key, isSecret: isSecret) == element }
        if earlier.indices.contains(index), isSame(earlier[index]) { return earlier[index] }
        let same = earlier.filter(isSame)
        if let first = same.first, same.allSatisfy({ $0 == first }) { return first }
        for name in ["id", "name"] {
            guard let own = element[name]?.string, own != marker else { continue }
            let named = earlier.filter { $0[name]?.string == own }
            if named.count == 1 { return named[0] }
        }
        return nil
    }

    /// Whether a marker stands somewhere in it.
    private static func contains(_ value: JSONValue) -> Bool {
        switch value {
        case .string(let text): text == marker
        case .array(let list): list.contains(where: contains)
        case .object(let fields): fields.values.contains(where: contains)
        default: false
        }
    }

    /// Whether a value without inner values is not shown.
    private static func hides(_ value: JSONValue, below key: String, isSecret: Bool) -> Bool {
        switch value {
        case .string(let text):
            guard !text.isEmpty, !isReference(text) else { return false }
            return isSecret || text == marker || text.contains(/:\/\/[^\/@\s]*:[^\/@\s]+@/)
        case .integer, .number: return isSecret && words(of: key).last != "tokens"
        default: return false
        }
    }

    /// Keys whose inner values may all be secrets.
    private static func holds(_ value: JSONValue, below key: String) -> Bool {
        switch value {
        case .object, .array: words(of: key).last.map(holders.contains) ?? false
        default: false
        }
    }

    /// Whether a text is one reference and nothing else.
    static func isReference(_ text: String) -> Bool {
        text.wholeMatch(of: /(\$\{[A-Za-z_][A-Za-z0-9_]*\}|\{env:[A-Za-z_][A-Za-z0-9_]*\}|\{file:[^{}]+\})/) != nil
    }

    /// The words of a key: `botToken` and `BOT_TOKEN` have the same two.
    private static func words(of key: String) -> [String] {
        var words: [String] = []
        var word = ""
        var isAfterLower = false
        for character in key {
            let isUpper = character.isUppercase
            if !character.isLetter && !character.isNumber || isUpper && isAfterLower {
                if !word.isEmpty { words.append(word) }
                word = ""
            }
            if character.isLetter || character.isNumber { word += character.lowercased() }
            isAfterLower = character.isLowercase || character.isNumber
        }
        if !word.isEmpty { words.append(word) }
        return words
    }
}
