public import JSON
internal import Yams

// What does the block at the head of a note say? YAML, read as Obsidian's properties are: a mapping of plain values. What is
// no such mapping says nothing, and so does a block that is built to be costly.

/// The properties of a note.
struct FrontMatter: Equatable {
    /// Bytes of the longest block that is read.
    static let maximumLength = 64 << 10
    private static let maximumDepth = 64
    private static let maximumValues = 10_000
    /// The parser compares keys with all that aliases in them stand for, which of nested ones is a power of their number.
    private static let maximumAliases = 32

    var values: [String: JSONValue]

    /// - Returns: a value without properties when the block is no YAML mapping.
    init(yaml: [UInt8]) {
        values = [:]
        guard yaml.count <= Self.maximumLength, Self.isShallow(yaml), Self.hasFewAliases(yaml),
            let text = String(validating: yaml, as: UTF8.self), let node = try? Yams.compose(yaml: text)
        else { return }
        var left = Self.maximumValues
        if case .object(let object)? = Self.value(node, &left) { values = object }
    }

    /// A property as text; nil when it is missing, empty or none.
    func text(_ key: String) -> String? {
        guard let text = values[key].flatMap(Self.text), !text.isEmpty else { return nil }
        return text
    }

    /// A scalar is a list of one.
    func texts(_ key: String) -> [String] {
        switch values[key] {
        case .array(let list)?: list.compactMap(Self.text)
        case let value?: [Self.text(value)].compactMap { $0 }
        case nil: []
        }
    }

    private static func text(_ value: JSONValue) -> String? {
        switch value {
        case .string(let text): text
        case .integer(let number): String(number)
        case .number(let number): String(number)
        case .bool(let bool): String(bool)
        case .null, .array, .object: nil
        }
    }

    /// Aliases may stand for one value many times; each time counts.
    private static func value(_ node: Node, _ left: inout Int) -> JSONValue? {
        left -= 1
        guard left > 0 else { return nil }
        switch node {
        case .scalar(let scalar):
            return value(scalar, tag: node.tag.description)
        case .sequence(let sequence):
            var list: [JSONValue] = []
            for inner in sequence {
                guard let value = value(inner, &left) else { return nil }
                list.append(value)
            }
            return .array(list)
        case .mapping(let mapping):
            var object: [String: JSONValue] = [:]
            for (key, inner) in mapping {
                guard case .scalar(let name) = key, let value = value(inner, &left) else { return nil }
                object[name.string] = value
            }
            return .object(object)
        case .alias:
            return nil
        }
    }

    private static func value(_ scalar: Node.Scalar, tag: String) -> JSONValue {
        switch tag {
        case "tag:yaml.org,2002:null": return .null
        case "tag:yaml.org,2002:bool":
            return Bool.construct(from: scalar).map(JSONValue.bool) ?? .string(scalar.string)
        case "tag:yaml.org,2002:int":
            return Int64.construct(from: scalar).map(JSONValue.integer) ?? .string(scalar.string)
        case "tag:yaml.org,2002:float":
            guard let number = Double.construct(from: scalar), number.isFinite else { return .string(scalar.string) }
            return .number(number)
        case "tag:yaml.org,2002:timestamp":
            // YAML allows spaces where ISO 8601 has a T.
            let parts = scalar.string.split(whereSeparator: \.isWhitespace)
            return .string(parts.count == 2 ? parts.joined(separator: "T") : scalar.string)
        default: return .string(scalar.string)
        }
    }

    /// An alias is a `*` with a name where a value may begin. Text that looks like one counts where there is an anchor.
    private static func hasFewAliases(_ yaml: [UInt8]) -> Bool {
        guard yaml.contains(UInt8(ascii: "&")) else { return true }
        var count = 0
        for place in yaml.indices where yaml[place] == UInt8(ascii: "*") {
            let before = place > 0 ? yaml[place - 1] : UInt8(ascii: "\n")
            if before <= UInt8(ascii: " ") || "[]{},:?-".utf8.contains(before) { count += 1 }
        }
        return count <= maximumAliases
    }

    /// The parser calls itself for each level: how many there may be is settled before it sees the text. In a line, only
    /// spaces and the marks of lists and keys can open a level, and elsewhere only brackets.
    private static func isShallow(_ yaml: [UInt8]) -> Bool {
        var depth = 0
        var column = 0
        var isLeading = true
        for byte in yaml {
            switch byte {
            case UInt8(ascii: "\n"):
                (column, isLeading) = (0, true)
                continue
            case UInt8(ascii: " "), UInt8(ascii: "-"), UInt8(ascii: "?"), UInt8(ascii: ":"), UInt8(ascii: "\t"):
                break
            case UInt8(ascii: "["), UInt8(ascii: "{"):
                depth += 1
                isLeading = false
            case UInt8(ascii: "]"), UInt8(ascii: "}"):
                depth = max(0, depth - 1)
                isLeading = false
            default:
                isLeading = false
            }
            column += 1
            if depth > maximumDepth || (isLeading && column > 2 * maximumDepth) { return false }
        }
        return true
    }
}
