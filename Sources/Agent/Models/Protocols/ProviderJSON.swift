internal import Foundation
internal import JSON

// How is JSON of a stranger looked at? Field by field, and what is missing or of another kind is simply not there: providers leave out
// and add fields as they like.

/// A value out of a provider's answer.
struct ProviderJSON {
    private let value: Any?

    private init(_ value: Any?) { self.value = value }

    /// - Throws: ``ModelError/malformed(_:)``
    init(parsing bytes: [UInt8]) throws {
        guard let value = try? JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed) else {
            throw ModelError.malformed("what came is no JSON")
        }
        self.value = value
    }

    subscript(key: String) -> ProviderJSON { ProviderJSON((value as? [String: Any])?[key]) }
    subscript(index: Int) -> ProviderJSON {
        guard let list = value as? [Any], list.indices.contains(index) else { return ProviderJSON(nil) }
        return ProviderJSON(list[index])
    }

    var exists: Bool { value != nil && !(value is NSNull) }
    var isObject: Bool { value is [String: Any] }
    var string: String? { value as? String }
    var isTrue: Bool { (value as? NSNumber)?.boolValue ?? false }
    var list: [ProviderJSON] { (value as? [Any])?.map(ProviderJSON.init) ?? [] }

    /// Not negative.
    var number: Double? {
        guard let number = (value as? NSNumber)?.doubleValue, number.isFinite, number >= 0 else { return nil }
        return number
    }

    /// As many as can be: tokens, statuses and places.
    var count: Int? { number.flatMap { $0 <= 1e9 ? Int($0) : nil } }

    /// An object or a list as JSON text.
    var json: String? {
        guard let value, JSONSerialization.isValidJSONObject(value),
            let data = try? JSONSerialization.data(
                withJSONObject: value, options: [.sortedKeys, .withoutEscapingSlashes])
        else { return nil }
        return String(decoding: data, as: UTF8.self)
    }

    /// The text of something that is a text, or a list of parts with texts.
    var joinedText: String? {
        if let string { return string }
        let texts = list.compactMap { part -> String? in
            ["text", nil].contains(part["type"].string) ? part["text"].string : nil
        }
        return texts.isEmpty ? nil : texts.joined()
    }
}

extension JSONValue {
    /// JSON text as a value; nil when it is none.
    init?(parsing text: String) {
        guard let value = try? JSONDecoder().decode(JSONValue.self, from: Data(text.utf8)) else { return nil }
        self = value
    }

    /// As JSON text, always the same for the same value.
    var bytes: [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(self)).map(Array.init) ?? []
    }

    var object: [String: JSONValue]? { if case .object(let fields) = self { fields } else { nil } }
    var array: [JSONValue]? { if case .array(let list) = self { list } else { nil } }
}
