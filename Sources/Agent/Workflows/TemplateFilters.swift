internal import Foundation
internal import JSON

// What can be done with a value behind `|`? One table, so that what is no filter, or gets other arguments than it takes, is known
// before anything runs.

/// What turns a value into another one.
struct TemplateFilter: Sendable {
    typealias Apply =
        @Sendable (
            _ evaluation: inout TemplateEvaluation, _ value: JSONValue, _ arguments: [String: JSONValue]
        ) throws(TemplateError) -> JSONValue

    var name: String
    var parameters: [(name: String, isRequired: Bool)]
    var apply: Apply

    private init(_ name: String, _ parameters: String..., apply: @escaping Apply) {
        self.name = name
        // A parameter that must be given has a star.
        self.parameters = parameters.map { $0.hasSuffix("*") ? (String($0.dropLast()), true) : ($0, false) }
        self.apply = apply
    }

    static func named(_ name: String) -> TemplateFilter? { byName[name] }

    /// How it is written.
    var usage: String { parameters.isEmpty ? name : "\(name)(\(parameters.map(\.name).joined(separator: ", ")))" }

    /// Whether it can be called with these.
    func takes(_ arguments: [TemplateExpression.Argument]) -> Bool {
        var given: Set<String> = []
        for (place, argument) in arguments.enumerated() {
            guard let name = argument.name ?? (place < parameters.count ? parameters[place].name : nil),
                parameters.contains(where: { $0.name == name }), given.insert(name).inserted
            else { return false }
        }
        return parameters.allSatisfy { !$0.isRequired || given.contains($0.name) }
    }

    private static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

    static let all: [TemplateFilter] =
        texts + lists + numbers + [
            TemplateFilter("json", "indent") { _, value, arguments throws(TemplateError) in
                .string(
                    TemplateText.json(value, isIndented: arguments["indent"].map(TemplateEvaluation.isTrue) == true))
            },
            TemplateFilter("tojson") { _, value, _ throws(TemplateError) in .string(TemplateText.json(value)) },
            TemplateFilter("from_json") { evaluation, value, _ throws(TemplateError) in
                let text = try Self.text(value, "from_json")
                try evaluation.spend(1 + text.utf8.count / 16)
                guard let read = try? JSONDecoder().decode(JSONValue.self, from: Data(text.utf8)) else {
                    throw TemplateError("\"from_json\" gets a text that is no JSON")
                }
                return read
            },
            // What is missing is the evaluation's business.
            TemplateFilter("default", "value", "boolean") { _, value, _ throws(TemplateError) in value },
            TemplateFilter("d", "value", "boolean") { _, value, _ throws(TemplateError) in value },
            TemplateFilter("default_if_none", "value*") { _, value, arguments throws(TemplateError) in
                value == .null ? arguments["value"] ?? .null : value
            },
            TemplateFilter("string") { _, value, _ throws(TemplateError) in .string(TemplateText.shown(value)) },
        ]

    // MARK: Texts

    private static let texts: [TemplateFilter] = [
        onText("upper") { $0.uppercased() }, onText("lower") { $0.lowercased() },
        onText("capitalize") { $0.prefix(1).uppercased() + $0.dropFirst().lowercased() },
        onText("title") { $0.capitalized },
        onText("trim") { $0.trimmingCharacters(in: .whitespacesAndNewlines) },
        onText("urlencode") {
            let plain = CharacterSet(
                charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
            return $0.addingPercentEncoding(withAllowedCharacters: plain) ?? ""
        },
        TemplateFilter("truncate_str", "n") { _, value, arguments throws(TemplateError) in
            let length = try Self.whole(arguments["n"] ?? .integer(80), "truncate_str", 0...1_000_000)
            let text = TemplateText.shown(value)
            return .string(text.count <= length ? text : text.prefix(max(0, length - 1)) + (length > 0 ? "…" : ""))
        },
        TemplateFilter("replace", "old*", "new*") { evaluation, value, arguments throws(TemplateError) in
            let text = try Self.text(value, "replace")
            let (old, new) = (TemplateText.shown(arguments["old"] ?? ""), TemplateText.shown(arguments["new"] ?? ""))
            guard !old.isEmpty else { throw TemplateError("\"replace\" gets nothing to look for") }
            let found = text.count { $0 == old.first }
            guard text.utf8.count + found * new.utf8.count <= 8 * TemplateEvaluation.largestText else {
                throw TemplateError("it makes a text of more than 1 MiB")
            }
            return .string(text.replacing(old, with: new))
        },
        TemplateFilter("split", "by") { evaluation, value, arguments throws(TemplateError) in
            let text = try Self.text(value, "split")
            try evaluation.spend(1 + text.utf8.count / 8)
            guard let by = arguments["by"], by != .null else {
                return .array(text.split(whereSeparator: \.isWhitespace).map { .string(String($0)) })
            }
            let separator = TemplateText.shown(by)
            guard !separator.isEmpty else { throw TemplateError("\"split\" gets nothing to look for") }
            return .array(text.components(separatedBy: separator).map(JSONValue.string))
        },
    ]

    private static func onText(_ name: String, _ change: @escaping @Sendable (String) -> String) -> TemplateFilter {
        TemplateFilter(name) { _, value, _ throws(TemplateError) in .string(change(try text(value, name))) }
    }

    // MARK: Lists

    private static let lists: [TemplateFilter] = [
        counting("length"), counting("count"),
        TemplateFilter("first") { _, value, _ throws(TemplateError) in try Self.end(of: value, "first") { $0.first } },
        TemplateFilter("last") { _, value, _ throws(TemplateError) in try Self.end(of: value, "last") { $0.last } },
        TemplateFilter("join", "by", "attribute") { evaluation, value, arguments throws(TemplateError) in
            let items = try Self.attributes(
                of: try Self.items(value, "join", &evaluation), arguments["attribute"], "join")
            var joined = ""
            let separator = TemplateText.shown(arguments["by"] ?? "")
            for (place, item) in items.enumerated() {
                if place > 0 { joined += separator }
                joined += TemplateText.shown(item)
                guard joined.utf8.count <= TemplateEvaluation.largestText else {
                    throw TemplateError("it makes a text of more than 1 MiB")
                }
            }
            return .string(joined)
        },
        TemplateFilter("map", "attribute*") { evaluation, value, arguments throws(TemplateError) in
            .array(try Self.attributes(of: try Self.items(value, "map", &evaluation), arguments["attribute"], "map"))
        },
        TemplateFilter("reverse") { evaluation, value, _ throws(TemplateError) in
            if case .string(let text) = value { return .string(String(text.reversed())) }
            return .array(try Self.items(value, "reverse", &evaluation).reversed())
        },
        TemplateFilter("sort", "reverse", "attribute") { evaluation, value, arguments throws(TemplateError) in
            let items = try Self.items(value, "sort", &evaluation)
            let keys = try Self.attributes(of: items, arguments["attribute"], "sort")
            try evaluation.spend(items.count * 8)
            // What has no order is found before sorting.
            for key in keys.dropFirst() { _ = try TemplateArithmetic.order(keys[0], key) }
            let isReversed = arguments["reverse"].map(TemplateEvaluation.isTrue) == true
            let sorted = keys.indices.sorted { first, second in
                let order = (try? TemplateArithmetic.order(keys[first], keys[second])) ?? 0
                return order == 0 ? first < second : isReversed ? order > 0 : order < 0
            }
            return .array(sorted.map { items[$0] })
        },
        TemplateFilter("unique") { evaluation, value, _ throws(TemplateError) in
            var seen: Set<String> = []
            let items = try Self.items(value, "unique", &evaluation)
            return .array(items.filter { seen.insert(TemplateText.json($0)).inserted })
        },
        TemplateFilter("list") { evaluation, value, _ throws(TemplateError) in
            if case .string(let text) = value {
                try evaluation.spend(1 + text.utf8.count)
                return .array(text.map { .string(String($0)) })
            }
            return .array(try Self.items(value, "list", &evaluation))
        },
        onObject("keys") { .string($0.key) }, onObject("values") { $0.value },
        onObject("items") { .array([.string($0.key), $0.value]) },
    ]

    private static func counting(_ name: String) -> TemplateFilter {
        TemplateFilter(name) { _, value, _ throws(TemplateError) in
            switch value {
            case .string(let text): return .integer(Int64(text.count))
            case .array(let items): return .integer(Int64(items.count))
            case .object(let fields): return .integer(Int64(fields.count))
            default: throw TemplateError("\"\(name)\" counts no \(TemplateTests.kind(value))")
            }
        }
    }

    private static func onObject(
        _ name: String, _ change: @escaping @Sendable ((key: String, value: JSONValue)) -> JSONValue
    ) -> TemplateFilter {
        TemplateFilter(name) { evaluation, value, _ throws(TemplateError) in
            guard case .object(let fields) = value else {
                throw TemplateError("\"\(name)\" gets \(TemplateTests.kind(value)) instead of an object")
            }
            try evaluation.spend(fields.count)
            return .array(fields.sorted { $0.key < $1.key }.map { change(($0.key, $0.value)) })
        }
    }

    private static func end(
        of value: JSONValue, _ name: String, _ end: ([JSONValue]) -> JSONValue?
    ) throws(TemplateError) -> JSONValue {
        switch value {
        case .array(let items):
            guard let item = end(items) else { throw TemplateError("\"\(name)\" gets an empty list") }
            return item
        case .string(let text):
            guard let item = end(text.map { JSONValue.string(String($0)) }) else {
                throw TemplateError("\"\(name)\" gets an empty text")
            }
            return item
        default: throw TemplateError("\"\(name)\" gets \(TemplateTests.kind(value)) instead of a list")
        }
    }

    // MARK: Numbers

    private static let numbers: [TemplateFilter] = [
        TemplateFilter("int") { _, value, _ throws(TemplateError) in
            switch value {
            case .integer: return value
            case .bool(let bool): return .integer(bool ? 1 : 0)
            case .number(let number):
                guard let whole = Int64(exactly: number.rounded(.towardZero)) else {
                    throw TemplateError("a number becomes too large")
                }
                return .integer(whole)
            case .string(let text):
                if let whole = Int64(text.trimmingCharacters(in: .whitespaces)) { return .integer(whole) }
            default: break
            }
            throw TemplateError("\"int\" gets \(TemplateTests.kind(value)) that is no whole number")
        },
        TemplateFilter("float") { _, value, _ throws(TemplateError) in
            if let number = TemplateArithmetic.number(value) { return .number(number) }
            if case .string(let text) = value, let number = Double(text.trimmingCharacters(in: .whitespaces)),
                number.isFinite
            {
                return .number(number)
            }
            throw TemplateError("\"float\" gets \(TemplateTests.kind(value)) that is no number")
        },
        TemplateFilter("abs") { _, value, _ throws(TemplateError) in
            try TemplateArithmetic.order(value, .integer(0)) < 0
                ? TemplateArithmetic.result("-", of: .integer(0), value) : value
        },
        TemplateFilter("round", "precision") { _, value, arguments throws(TemplateError) in
            guard let number = TemplateArithmetic.number(value) else {
                throw TemplateError("\"round\" gets \(TemplateTests.kind(value)) instead of a number")
            }
            let digits = try Self.whole(arguments["precision"] ?? .integer(0), "round", 0...12)
            let scale = pow(10, Double(digits))
            let rounded = (number * scale).rounded() / scale
            return .number(rounded.isFinite ? rounded : number)
        },
        TemplateFilter("sum", "attribute") { evaluation, value, arguments throws(TemplateError) in
            let items = try Self.attributes(
                of: try Self.items(value, "sum", &evaluation), arguments["attribute"], "sum")
            var sum = JSONValue.integer(0)
            for item in items { sum = try TemplateArithmetic.result("+", of: sum, item) }
            return sum
        },
        TemplateFilter("min") { evaluation, value, _ throws(TemplateError) in
            try Self.extreme(try Self.items(value, "min", &evaluation), "min") { $0 < 0 }
        },
        TemplateFilter("max") { evaluation, value, _ throws(TemplateError) in
            try Self.extreme(try Self.items(value, "max", &evaluation), "max") { $0 > 0 }
        },
    ]

    private static func extreme(
        _ items: [JSONValue], _ name: String, _ isBetter: (Int) -> Bool
    ) throws(TemplateError) -> JSONValue {
        guard var best = items.first else { throw TemplateError("\"\(name)\" gets an empty list") }
        for item in items.dropFirst() where isBetter(try TemplateArithmetic.order(item, best)) { best = item }
        return best
    }

    // MARK: Arguments

    private static func text(_ value: JSONValue, _ filter: String) throws(TemplateError) -> String {
        guard case .string(let text) = value else {
            throw TemplateError("\"\(filter)\" gets \(TemplateTests.kind(value)) instead of a text")
        }
        return text
    }

    private static func whole(
        _ value: JSONValue, _ filter: String, _ range: ClosedRange<Int64>
    ) throws(TemplateError) -> Int {
        guard case .integer(let number) = value, range.contains(number) else {
            throw TemplateError("\"\(filter)\" takes a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return Int(number)
    }

    private static func items(
        _ value: JSONValue, _ filter: String, _ evaluation: inout TemplateEvaluation
    ) throws(TemplateError) -> [JSONValue] {
        guard case .array(let items) = value else {
            throw TemplateError("\"\(filter)\" gets \(TemplateTests.kind(value)) instead of a list")
        }
        try evaluation.spend(items.count)
        return items
    }

    /// The field of each item that is called so; the items when no name is given.
    private static func attributes(
        of items: [JSONValue], _ name: JSONValue?, _ filter: String
    ) throws(TemplateError) -> [JSONValue] {
        guard let name, name != .null else { return items }
        guard case .string(let key) = name else { throw TemplateError("\"\(filter)\" takes the name of a field") }
        var found: [JSONValue] = []
        for item in items {
            guard let value = item[key] else { throw TemplateError("\"\(filter)\" finds no \"\(key)\" in an element") }
            found.append(value)
        }
        return found
    }
}
