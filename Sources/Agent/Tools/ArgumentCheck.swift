internal import Foundation
internal import JSON

// Do a call's arguments have the shape that the tool's schema asks for? The part of JSON Schema that says what is there and of which
// kind: type, required, properties, additionalProperties: false, items and enum. What else a schema says is for the tool to judge. The
// first thing that is wrong is said in words that a model can act on.

enum ArgumentCheck {
    private static let deepest = 16

    /// - Returns: nil when nothing is wrong.
    static func problem(_ arguments: [String: JSONValue], schema: JSONValue) -> String? {
        problem(.object(arguments), schema, at: "", depth: 0)
    }

    private static func problem(_ value: JSONValue, _ schema: JSONValue, at path: String, depth: Int) -> String? {
        guard depth < deepest, case .object(let rules) = schema else { return nil }
        let name = path.isEmpty ? "the arguments" : "'\(path)'"
        let types = types(rules["type"])
        if !types.isEmpty, !types.contains(where: { matches(value, $0) }) {
            return "\(name) must be \(types.map(article).joined(separator: " or ")), not \(article(kind(value)))"
        }
        if case .array(let choices)? = rules["enum"], !choices.contains(where: { isSame($0, value) }) {
            let shown = choices.prefix(20).map(text).joined(separator: ", ")
            return "\(name) must be one of \(shown)"
        }
        switch value {
        case .object(let fields): return problem(fields, rules, at: path, depth: depth)
        case .array(let items):
            guard let rule = rules["items"] else { return nil }
            for (index, item) in items.enumerated() {
                if let problem = problem(item, rule, at: "\(path)[\(index)]", depth: depth + 1) { return problem }
            }
            return nil
        default: return nil
        }
    }

    private static func problem(
        _ fields: [String: JSONValue], _ rules: [String: JSONValue], at path: String, depth: Int
    ) -> String? {
        func place(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }
        if case .array(let required)? = rules["required"] {
            for case .string(let key) in required where fields[key] == nil { return "'\(place(key))' is missing" }
        }
        var properties: [String: JSONValue] = [:]
        if case .object(let declared)? = rules["properties"] { properties = declared }
        for (key, value) in fields.sorted(by: { $0.key < $1.key }) {
            if let rule = properties[key] {
                if let problem = problem(value, rule, at: place(key), depth: depth + 1) { return problem }
            } else if rules["additionalProperties"] == .bool(false) {
                let known = properties.keys.sorted().joined(separator: ", ")
                return "'\(place(key).prefix(100))' is not known; there are: \(known.isEmpty ? "none" : known)"
            }
        }
        return nil
    }

    // MARK: Kinds

    private static func types(_ rule: JSONValue?) -> [String] {
        switch rule {
        case .string(let type)?: [type]
        case .array(let types)?: types.compactMap(\.string)
        default: []
        }
    }

    private static func kind(_ value: JSONValue) -> String {
        switch value {
        case .null: "null"
        case .bool: "boolean"
        case .integer: "integer"
        case .number: "number"
        case .string: "string"
        case .array: "array"
        case .object: "object"
        }
    }

    private static func matches(_ value: JSONValue, _ type: String) -> Bool {
        switch (type, value) {
        case ("number", .integer): true
        case ("integer", .number(let number)): number == number.rounded()
        default: kind(value) == type
        }
    }

    private static func article(_ kind: String) -> String {
        switch kind {
        case "null": "null"
        case "array", "object", "integer": "an \(kind)"
        default: "a \(kind)"
        }
    }

    private static func isSame(_ left: JSONValue, _ right: JSONValue) -> Bool {
        switch (left, right) {
        case (.integer(let integer), .number(let number)), (.number(let number), .integer(let integer)):
            Double(integer) == number
        default: left == right
        }
    }

    private static func text(_ value: JSONValue) -> String {
        (try? JSONEncoder().encode(value)).map { String(decoding: $0, as: UTF8.self) } ?? "?"
    }
}

extension JSONValue {
    /// About as many bytes as its text has.
    var roughLength: Int {
        switch self {
        case .null, .bool: 5
        case .integer, .number: 8
        case .string(let text): text.utf8.count + 3
        case .array(let items): items.reduce(2) { $0 + $1.roughLength + 1 }
        case .object(let fields): fields.reduce(2) { $0 + $1.key.utf8.count + 4 + $1.value.roughLength }
        }
    }
}
