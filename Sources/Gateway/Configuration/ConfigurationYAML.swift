internal import JSON
internal import Wire
internal import Yams

// How does YAML become JSON, and JSON YAML that everybody reads the same way? Here words and numbers are what people mean:
// `yes` is true as YAML 1.1 says, `3:00` and dates stay text. What another reader could take for something else is written
// in quotes. References such as `${NAME}` are text like any other. Which keys there are is not known here.

/// Why a value of a document can't be taken.
struct YAMLValueError: Error {
    var line: Int
    var problem: String
}

/// Turns YAML nodes into JSON values, within bounds: an alias may stand for more than the text is long.
struct YAMLReader {
    static let mostValues = 50_000
    static let deepest = 64

    private var values = 0

    init() {}

    mutating func json(_ node: Node, depth: Int = 0) throws(YAMLValueError) -> JSONValue {
        values += 1
        let line = node.mark?.line ?? 1
        guard values <= Self.mostValues else {
            throw YAMLValueError(line: line, problem: "there are more than \(Self.mostValues) values")
        }
        guard depth <= Self.deepest else {
            throw YAMLValueError(line: line, problem: "values stand more than \(Self.deepest) deep in each other")
        }
        switch node {
        case .scalar(let scalar): return Self.value(of: scalar)
        case .sequence(let sequence):
            var list: [JSONValue] = []
            for element in sequence { list.append(try json(element, depth: depth + 1)) }
            return .array(list)
        case .mapping(let mapping):
            var fields: [String: JSONValue] = [:]
            for (key, value) in mapping {
                guard case .scalar(let name) = key else {
                    throw YAMLValueError(line: line, problem: "a key has to be a word")
                }
                fields[name.string] = try json(value, depth: depth + 1)
            }
            return .object(fields)
        case .alias:
            throw YAMLValueError(line: line, problem: "an alias stands for nothing")
        }
    }

    private static func value(of scalar: Node.Scalar) -> JSONValue {
        guard scalar.style == .plain, scalar.tag.description != "tag:yaml.org,2002:str" else {
            return .string(scalar.string)
        }
        return plain(scalar.string)
    }

    /// What a text without quotes means.
    static func plain(_ text: String) -> JSONValue {
        switch text {
        case "", "~", "null", "Null", "NULL": return .null
        case "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON": return .bool(true)
        case "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF": return .bool(false)
        default: break
        }
        guard let first = text.utf8.first, (48...57).contains(first) || "+-.".utf8.contains(first) else {
            return .string(text)
        }
        if text.wholeMatch(of: /[-+]?(0|[1-9][0-9]*)/) != nil {
            return Int64(text).map { .integer($0) } ?? Double(text).map { .number($0) } ?? .string(text)
        }
        if let digits = text.wholeMatch(of: /0x([0-9a-fA-F]+)/)?.1, let number = Int64(digits, radix: 16) {
            return .integer(number)
        }
        if text.wholeMatch(of: /[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+[eE]|[0-9]+\.[0-9]*[eE])([-+]?[0-9]+)?/) != nil
            || text.wholeMatch(of: /[-+]?[0-9]+\.?[0-9]*[eE][-+]?[0-9]+/) != nil,
            let number = Double(text.last == "." ? text + "0" : text), number.isFinite
        {
            return JSONValue.number(number).normalized
        }
        return .string(text)
    }
}

/// Writes JSON values as YAML in blocks, keys in the order of the alphabet.
enum YAMLWriter {
    /// `key: value` as lines, indented.
    static func lines(_ key: String, _ value: JSONValue, indent: Int) -> [String] {
        let margin = String(repeating: " ", count: indent)
        switch value {
        case .object(let fields) where !fields.isEmpty:
            return ["\(margin)\(scalar(.string(key))):"] + lines(fields, indent: indent + 2)
        case .array(let list) where !list.isEmpty:
            return ["\(margin)\(scalar(.string(key))):"] + list.flatMap { lines($0, indent: indent + 2) }
        default: return ["\(margin)\(scalar(.string(key))): \(scalar(value))"]
        }
    }

    /// The keys of a mapping, one after the other.
    static func lines(_ fields: [String: JSONValue], indent: Int = 0) -> [String] {
        fields.sorted { $0.key < $1.key }.flatMap { lines($0.key, $0.value, indent: indent) }
    }

    /// One element of a list.
    private static func lines(_ element: JSONValue, indent: Int) -> [String] {
        let margin = String(repeating: " ", count: indent)
        var inner: [String]
        switch element {
        case .object(let fields) where !fields.isEmpty: inner = lines(fields, indent: indent + 2)
        case .array(let list) where !list.isEmpty: inner = list.flatMap { lines($0, indent: indent + 2) }
        default: return ["\(margin)- \(scalar(element))"]
        }
        inner[0] = "\(margin)- \(inner[0].dropFirst(indent + 2))"
        return inner
    }

    /// A value without inner values, on one line.
    static func scalar(_ value: JSONValue) -> String {
        switch value {
        case .null: "null"
        case .bool(let bool): bool ? "true" : "false"
        case .integer(let number): "\(number)"
        case .number(let number): "\(number)"
        case .string(let text): isPlain(text) ? text : quoted(text)
        case .array: "[]"
        case .object: "{}"
        }
    }

    /// Whether every reader of YAML takes it for this text also without quotes.
    private static func isPlain(_ text: String) -> Bool {
        let words: Set = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"]
        guard text.utf8.count <= 200, !words.contains(text.lowercased()) else { return false }
        return text.wholeMatch(of: /[A-Za-z_\/]([-A-Za-z0-9_.\/+@ ]*[-A-Za-z0-9_.\/+@])?/) != nil
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            default:
                let value = scalar.value
                let isPrintable =
                    (0x20...0x7E).contains(value) || (0xA0...0x2027).contains(value)
                    || (0x202F...0xFEFE).contains(value)
                    || (0xFF00...0xFFFD).contains(value) || value >= 0x10000
                if isPrintable {
                    result.unicodeScalars.append(scalar)
                } else {
                    let digits = String(value, radix: 16, uppercase: true)
                    result += "\\u" + String(repeating: "0", count: 4 - min(4, digits.count)) + digits
                }
            }
        }
        return result + "\""
    }
}

extension JSONValue {
    /// A whole number is the same however it is written.
    var normalized: JSONValue {
        switch self {
        case .number(let number) where number == number.rounded() && abs(number) < 0x1p53: .integer(Int64(number))
        case .array(let list): .array(list.map(\.normalized))
        case .object(let fields): .object(fields.mapValues(\.normalized))
        default: self
        }
    }
}
