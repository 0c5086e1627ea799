internal import Foundation
internal import JSON

// What did the model ask a tool for? Its arguments as values, each checked, and a sentence that the model understands where one
// is missing or wrong. This file knows no tool.

/// Why a tool does not do what it was asked for, in words for whoever asked.
struct ToolRefusal: Error, Equatable, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }
}

/// The arguments of one call. JSON's null is the same as nothing.
struct ToolArguments: Sendable {
    private let values: [String: JSONValue]

    init(_ values: [String: JSONValue]) { self.values = values.filter { $0.value != .null } }

    subscript(name: String) -> JSONValue? { values[name] }

    func has(_ name: String) -> Bool { values[name] != nil }

    /// - Throws: ``ToolRefusal`` when it is missing or no text.
    func text(_ name: String) throws(ToolRefusal) -> String { try required(optionalText(name), name) }

    func optionalText(_ name: String) throws(ToolRefusal) -> String? {
        guard let value = values[name] else { return nil }
        guard case .string(let text) = value else { throw ToolRefusal("'\(name)' is a text") }
        return text
    }

    /// - Parameter usual: what a missing one means.
    func integer(_ name: String, in range: ClosedRange<Int>, usual: Int) throws(ToolRefusal) -> Int {
        try optionalInteger(name, in: range) ?? usual
    }

    func optionalInteger(_ name: String, in range: ClosedRange<Int>) throws(ToolRefusal) -> Int? {
        guard let value = values[name] else { return nil }
        var number: Int?
        switch value {
        case .integer(let whole): number = Int(exactly: whole)
        // JSON knows one kind of number, and some models write 5 as 5.0.
        case .number(let double): number = Int(exactly: double)
        default: break
        }
        guard let number, range.contains(number) else {
            throw ToolRefusal("'\(name)' is a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    func optionalNumber(_ name: String) throws(ToolRefusal) -> Double? {
        switch values[name] {
        case nil: return nil
        case .integer(let whole)?: return Double(whole)
        case .number(let double)?: return double
        default: throw ToolRefusal("'\(name)' is a number")
        }
    }

    /// - Parameter usual: what a missing one means.
    func flag(_ name: String, usual: Bool) throws(ToolRefusal) -> Bool { try optionalFlag(name) ?? usual }

    func optionalFlag(_ name: String) throws(ToolRefusal) -> Bool? {
        guard let value = values[name] else { return nil }
        guard case .bool(let flag) = value else { throw ToolRefusal("'\(name)' is true or false") }
        return flag
    }

    func choice(_ name: String, of choices: [String], usual: String) throws(ToolRefusal) -> String {
        let text = try optionalText(name) ?? usual
        guard choices.contains(text) else {
            throw ToolRefusal("'\(name)' is one of: \(choices.joined(separator: ", "))")
        }
        return text
    }

    func texts(_ name: String, most: Int) throws(ToolRefusal) -> [String] {
        try required(optionalTexts(name, most: most), name)
    }

    func optionalTexts(_ name: String, most: Int) throws(ToolRefusal) -> [String]? {
        guard let value = values[name] else { return nil }
        var texts: [String] = []
        guard case .array(let list) = value, list.count <= most else {
            throw ToolRefusal("'\(name)' is a list of at most \(most) texts")
        }
        for item in list {
            guard case .string(let text) = item else { throw ToolRefusal("'\(name)' is a list of texts") }
            texts.append(text)
        }
        return texts
    }

    func object(_ name: String) throws(ToolRefusal) -> [String: JSONValue] { try required(optionalObject(name), name) }

    func optionalObject(_ name: String) throws(ToolRefusal) -> [String: JSONValue]? {
        guard let value = values[name] else { return nil }
        guard case .object(let fields) = value else { throw ToolRefusal("'\(name)' is an object") }
        return fields
    }

    /// An object whose values are texts.
    func optionalTextFields(_ name: String) throws(ToolRefusal) -> [String: String]? {
        guard let fields = try optionalObject(name) else { return nil }
        var texts: [String: String] = [:]
        for (key, value) in fields {
            guard case .string(let text) = value else { throw ToolRefusal("'\(name).\(key.prefix(64))' is a text") }
            texts[key] = text
        }
        return texts
    }

    private func required<Value>(_ value: Value?, _ name: String) throws(ToolRefusal) -> Value {
        guard let value else { throw ToolRefusal("'\(name)' is missing") }
        return value
    }
}

extension JSONValue {
    /// JSON in one line, names in order.
    var text: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
        guard let data = try? encoder.encode(self) else { return "null" }
        return String(decoding: data, as: UTF8.self)
    }

    init(json: String) throws {
        self = try JSONDecoder().decode(JSONValue.self, from: Data(json.utf8))
    }

    /// Nothing becomes null.
    init(_ text: String?) { self = text.map(JSONValue.string) ?? .null }
    init(_ number: Double?) { self = number.map(JSONValue.number) ?? .null }
    init(_ count: Int) { self = .integer(Int64(count)) }
    init(texts: some Sequence<String>) { self = .array(texts.map(JSONValue.string)) }
}
