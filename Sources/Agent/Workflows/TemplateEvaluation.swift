internal import Foundation
internal import JSON

// What does an expression come to? It sees the values that it is given and nothing else: no clock, no files, no code. Values are JSON;
// a name that is not there is an error that says which. Steps and sizes are bounded, so that no template holds up a run.

/// What the expressions of a block see.
struct TemplateScope {
    var inputs: JSONValue = .object([:])
    var variables: [String: JSONValue] = [:]
    /// What a finished block left, by its id; nil: it has not run.
    var node: (String) -> JSONValue? = { _ in nil }
    /// The ids of all that have run.
    var nodes: () -> [String] = { [] }
    /// ISO 8601.
    var now = ""
    var runID = ""
}

/// Fills in templates.
struct TemplateEvaluation {
    /// About one for each part of an expression and each element that it looks at.
    static let mostSteps = 200_000
    /// UTF-8 bytes of a text that a template makes.
    static let largestText = 1 << 20
    /// How deep values are looked into.
    private static let deepest = 64

    private let scope: TemplateScope
    private var steps = 0

    init(_ scope: TemplateScope) { self.scope = scope }

    /// Fills in all texts within a value.
    mutating func fill(_ value: JSONValue, depth: Int = 0) throws(TemplateError) -> JSONValue {
        guard depth <= Self.deepest else { throw TemplateError("it is nested deeper than \(Self.deepest)") }
        switch value {
        case .string(let text): return try fill(text)
        case .array(let items):
            var filled: [JSONValue] = []
            for item in items { filled.append(try fill(item, depth: depth + 1)) }
            return .array(filled)
        case .object(let fields):
            var filled: [String: JSONValue] = [:]
            for (key, item) in fields { filled[key] = try fill(item, depth: depth + 1) }
            return .object(filled)
        default: return value
        }
    }

    /// Fills in a text; one that is an expression and nothing else keeps the kind of its value.
    mutating func fill(_ text: String) throws(TemplateError) -> JSONValue {
        guard text.contains("{{") else { return .string(text) }
        let template = try Template(text)
        if let only = template.only { return try value(only) }
        var filled = ""
        for piece in template.pieces {
            switch piece {
            case .text(let text): filled += text
            case .expression(let expression): filled += TemplateText.shown(try value(expression))
            }
            try require(filled)
        }
        return .string(filled)
    }

    /// The value of a text that is an expression, with or without braces.
    mutating func expression(_ text: String) throws(TemplateError) -> JSONValue {
        text.contains("{{") ? try fill(text) : try value(TemplateExpression(text))
    }

    // MARK: Bounds

    /// - Throws: when the template has taken all of its steps.
    mutating func spend(_ count: Int = 1) throws(TemplateError) {
        steps += count
        guard steps <= Self.mostSteps else { throw TemplateError("it takes more than \(Self.mostSteps) steps") }
    }

    mutating func require(_ text: String) throws(TemplateError) {
        let size = text.utf8.count
        guard size <= Self.largestText else { throw TemplateError("it makes a text of more than 1 MiB") }
        try spend(1 + size / 256)
    }

    // MARK: Expressions

    private enum Found {
        case value(JSONValue)
        /// What is missing, in words.
        case missing(String)
    }

    mutating func value(_ expression: TemplateExpression) throws(TemplateError) -> JSONValue {
        switch try find(expression) {
        case .value(let value): return value
        case .missing(let what): throw TemplateError(what)
        }
    }

    private mutating func find(_ expression: TemplateExpression) throws(TemplateError) -> Found {
        try spend()
        switch expression {
        case .value(let value): return .value(value)
        case .name(let name): return find(name)
        case .member(let base, let key): return try findMember(base, key)
        case .conditional(let value, let condition, let otherwise):
            if try isTrue(condition) { return try find(value) }
            guard let otherwise else { return .missing("there is no value, because \"if\" has no \"else\"") }
            return try find(otherwise)
        case .filter(let base, let name, let arguments): return try findFiltered(base, name, arguments)
        default: return .value(try operated(expression))
        }
    }

    private mutating func operated(_ expression: TemplateExpression) throws(TemplateError) -> JSONValue {
        switch expression {
        case .list(let items):
            var values: [JSONValue] = []
            for item in items { values.append(try value(item)) }
            return .array(values)
        case .dictionary(let pairs):
            var fields: [String: JSONValue] = [:]
            for pair in pairs {
                guard case .string(let key) = try value(pair.key) else {
                    throw TemplateError("a key in \"{…}\" is no text")
                }
                fields[key] = try value(pair.value)
            }
            return .object(fields)
        case .slice(let base, let from, let to): return try sliced(value(base), from, to)
        case .negative(let operand):
            return try TemplateArithmetic.result("-", of: .integer(0), value(operand))
        case .arithmetic(let sign, let left, let right):
            let (first, second) = (try value(left), try value(right))
            let result =
                sign == "~"
                ? .string(TemplateText.shown(first) + TemplateText.shown(second))
                : try TemplateArithmetic.result(sign, of: first, second)
            switch result {
            case .string(let text): try require(text)
            case .array(let items): try spend(items.count)
            default: break
            }
            return result
        case .not(let operand): return .bool(!(try isTrue(operand)))
        // As in Jinja, what decides is what comes out.
        case .and(let left, let right):
            let first = try value(left)
            return Self.isTrue(first) ? try value(right) : first
        case .or(let left, let right):
            let first = try value(left)
            return Self.isTrue(first) ? first : try value(right)
        case .comparison(let first, let others):
            var left = try value(first)
            for comparison in others {
                let right = try value(comparison.other)
                guard try compare(left, comparison.sign, right) else { return .bool(false) }
                left = right
            }
            return .bool(true)
        case .test(let base, let name):
            let found = try find(base)
            switch (name, found) {
            case ("defined", .value), ("undefined", .missing): return .bool(true)
            case ("defined", .missing), ("undefined", .value): return .bool(false)
            case (_, .missing(let what)): throw TemplateError(what)
            case (_, .value(let value)): return .bool(TemplateTests.holds(name, of: value))
            }
        default: throw TemplateError("it has no value")
        }
    }

    private func find(_ name: String) -> Found {
        switch name {
        case "inputs": .value(scope.inputs)
        case "vars": .value(.object(scope.variables))
        case "nodes":
            .value(.object(Dictionary(scope.nodes().compactMap { id in scope.node(id).map { (id, $0) } }) { $1 }))
        case "now": .value(.string(scope.now))
        case "run_id": .value(.string(scope.runID))
        default: .missing("there is no \"\(name)\"")
        }
    }

    private mutating func findMember(
        _ base: TemplateExpression, _ key: TemplateExpression
    ) throws(TemplateError) -> Found {
        let key = try value(key)
        // One of many blocks or variables: the others need not be gathered.
        if case .string(let name) = key {
            switch base {
            case .name("nodes"):
                return scope.node(name).map(Found.value) ?? .missing("the node \"\(name)\" has not run")
            case .name("vars"):
                return scope.variables[name].map(Found.value) ?? .missing("there is no variable \"\(name)\"")
            default: break
            }
        }
        let object: JSONValue
        switch try find(base) {
        case .value(let value): object = value
        case .missing(let what): return .missing(what)
        }
        switch (object, key) {
        case (.object(let fields), .string(let name)):
            return fields[name].map(Found.value) ?? .missing("there is no \"\(name)\" in \(Self.shown(base))")
        case (.array(let items), .integer(let number)):
            let place = number < 0 ? items.count + Int(clamping: number) : Int(clamping: number)
            return items.indices.contains(place)
                ? .value(items[place])
                : .missing("there is no element \(number) in \(Self.shown(base)), which has \(items.count)")
        case (.string(let text), .integer(let number)):
            try spend(1 + text.utf8.count / 64)
            let place = number < 0 ? text.count + Int(clamping: number) : Int(clamping: number)
            guard place >= 0, place < text.count else {
                return .missing("there is no character \(number) in \(Self.shown(base))")
            }
            return .value(.string(String(text[text.index(text.startIndex, offsetBy: place)])))
        default:
            return .missing(
                "\(Self.shown(base)) is \(TemplateTests.kind(object)) and has no \(TemplateText.shown(key))")
        }
    }

    /// What an expression is called in an error.
    private static func shown(_ expression: TemplateExpression) -> String {
        switch expression {
        case .name(let name): "\"\(name)\""
        case .member(let base, .value(let key)):
            "\(shown(base).dropLast()).\(TemplateText.shown(key).prefix(64))\""
        default: "\"(…)\""
        }
    }

    private mutating func sliced(
        _ value: JSONValue, _ from: TemplateExpression?, _ to: TemplateExpression?
    ) throws(TemplateError) -> JSONValue {
        func place(_ number: JSONValue, _ count: Int) throws(TemplateError) -> Int {
            guard case .integer(let number) = number else { throw TemplateError("what \"[…:…]\" cuts by is no number") }
            let place = Int(clamping: number)
            return max(0, min(count, place < 0 ? count + place : place))
        }
        func bounds(_ count: Int, _ first: JSONValue?, _ last: JSONValue?) throws(TemplateError) -> Range<Int> {
            let start = if let first { try place(first, count) } else { 0 }
            let end = if let last { try place(last, count) } else { count }
            return start..<max(start, end)
        }
        let first: JSONValue? = if let from { try self.value(from) } else { nil }
        let last: JSONValue? = if let to { try self.value(to) } else { nil }
        switch value {
        case .array(let items):
            let range = try bounds(items.count, first, last)
            try spend(range.count)
            return .array(Array(items[range]))
        case .string(let text):
            let characters = Array(text)
            try spend(1 + characters.count / 16)
            return .string(String(characters[try bounds(characters.count, first, last)]))
        default: throw TemplateError("\(TemplateTests.kind(value)) can't be cut with \"[…:…]\"")
        }
    }

    // MARK: Filters

    private mutating func findFiltered(
        _ base: TemplateExpression, _ name: String, _ arguments: [TemplateExpression.Argument]
    ) throws(TemplateError) -> Found {
        guard let filter = TemplateFilter.named(name) else { throw TemplateError("there is no filter \"\(name)\"") }
        var given: [String: JSONValue] = [:]
        for (place, argument) in arguments.enumerated() {
            given[argument.name ?? filter.parameters[place].name] = try value(argument.value)
        }
        let found = try find(base)
        if name == "default" || name == "d" {
            switch found {
            case .value(let value) where Self.isTrue(value) || given["boolean"].map(Self.isTrue) != true: return found
            default: return .value(given["value"] ?? .string(""))
            }
        }
        switch found {
        case .missing(let what): throw TemplateError(what)
        case .value(let value):
            let result = try filter.apply(&self, value, given)
            if case .string(let text) = result { try require(text) }
            return .value(result)
        }
    }

    // MARK: Truth

    static func isTrue(_ value: JSONValue) -> Bool {
        switch value {
        case .null: false
        case .bool(let bool): bool
        case .integer(let number): number != 0
        case .number(let number): number != 0
        case .string(let text): !text.isEmpty
        case .array(let items): !items.isEmpty
        case .object(let fields): !fields.isEmpty
        }
    }

    private mutating func isTrue(_ expression: TemplateExpression) throws(TemplateError) -> Bool {
        Self.isTrue(try value(expression))
    }

    private mutating func compare(
        _ left: JSONValue, _ sign: String, _ right: JSONValue
    ) throws(TemplateError) -> Bool {
        switch sign {
        case "==": return try isEqual(left, right)
        case "!=": return !(try isEqual(left, right))
        case "in": return try contains(right, left)
        case "not in": return !(try contains(right, left))
        default:
            let order = try TemplateArithmetic.order(left, right)
            return switch sign {
            case "<": order < 0
            case "<=": order <= 0
            case ">": order > 0
            default: order >= 0
            }
        }
    }

    /// Numbers are equal when they are the same number, with a fraction or without.
    mutating func isEqual(_ left: JSONValue, _ right: JSONValue, depth: Int = 0) throws(TemplateError) -> Bool {
        guard depth <= Self.deepest else {
            throw TemplateError("what is compared is nested deeper than \(Self.deepest)")
        }
        try spend()
        switch (left, right) {
        case (.integer(let first), .number(let second)), (.number(let second), .integer(let first)):
            return Double(first) == second
        case (.string(let first), .string(let second)):
            try spend(min(first.utf8.count, second.utf8.count) / 256)
            return first == second
        case (.array(let first), .array(let second)):
            guard first.count == second.count else { return false }
            for (one, other) in zip(first, second) where !(try isEqual(one, other, depth: depth + 1)) { return false }
            return true
        case (.object(let first), .object(let second)):
            guard first.count == second.count else { return false }
            for (key, one) in first {
                guard let other = second[key], try isEqual(one, other, depth: depth + 1) else { return false }
            }
            return true
        default: return left == right
        }
    }

    private mutating func contains(_ whole: JSONValue, _ part: JSONValue) throws(TemplateError) -> Bool {
        switch (whole, part) {
        case (.array(let items), _):
            for item in items where try isEqual(item, part) { return true }
            return false
        case (.object(let fields), .string(let key)): return fields[key] != nil
        case (.string(let text), .string(let piece)):
            try spend(1 + text.utf8.count / 256)
            return piece.isEmpty || text.contains(piece)
        default:
            throw TemplateError(
                "\"in\" looks into a list, an object or a text for a text, and not into \(TemplateTests.kind(whole))")
        }
    }
}
