public import Store
internal import Yams

// How is a checked value taken out of YAML, so that every mistake names its line and key? A section hands out values by
// key, checks type and range, and knows afterwards which keys nobody asked for. What the keys mean is not known here.

/// A mapping of openagent.yaml while it is being read.
struct ConfigurationSection {
    /// Every key that was in the file and was not asked for, as a sentence with its line.
    var warnings: [String] { inner + unknownKeys() }

    private let mapping: Node.Mapping
    private let prefix: String
    private let file: String
    private let references: ConfigurationReferences
    private let mistakes: Mistakes
    private var asked: Set<String> = []
    private var inner: [String] = []

    /// What was wrong in all sections of a file. Belongs to whoever reads it.
    private final class Mistakes {
        var all: [ConfigurationError] = []
    }

    /// Everything that was wrong until now, in the order of the lines. A value that is wrong reads as one that is missing.
    var errors: [ConfigurationError] { mistakes.all.sorted { $0.line ?? 0 < $1.line ?? 0 } }

    /// - Returns: nil for a file without content.
    /// - Throws: ``ConfigurationError`` when the text is no YAML mapping.
    init?(yaml: String, file: String, references: ConfigurationReferences) throws(ConfigurationError) {
        guard let node = try Self.compose(yaml, file: file) else { return nil }
        guard case .mapping(let mapping) = node else {
            throw .syntax(file: file, line: node.line, problem: "expected lines such as 'name: my-agent'")
        }
        self.init(mapping: mapping, prefix: "", file: file, references: references, mistakes: Mistakes())
    }

    /// The nodes of a text; nil when there is nothing in it.
    ///
    /// - Throws: ``ConfigurationError/syntax(file:line:problem:)``
    static func compose(_ yaml: String, file: String) throws(ConfigurationError) -> Node? {
        do {
            guard let node = try Yams.compose(yaml: yaml), !node.isEmpty else { return nil }
            return node
        } catch {
            throw syntaxError(error, file: file)
        }
    }

    private init(
        mapping: Node.Mapping, prefix: String, file: String, references: ConfigurationReferences, mistakes: Mistakes
    ) {
        self.mapping = mapping
        self.mistakes = mistakes
        self.prefix = prefix
        self.file = file
        self.references = references
    }

    /// Reads the mapping below `key`, if there is one.
    mutating func section(
        _ key: String, _ read: (inout ConfigurationSection) throws(ConfigurationError) -> Void
    ) throws(ConfigurationError) {
        guard let node = take(key) else { return }
        guard case .mapping(let mapping) = node else {
            return mistakes.all.append(invalid(key, node, expected: "a section with keys of its own"))
        }
        var section = ConfigurationSection(
            mapping: mapping, prefix: prefix + key + ".", file: file, references: references, mistakes: mistakes)
        try read(&section)
        inner += section.warnings
    }

    /// The keys of a section whose keys are names, in the order of the file.
    var keys: [String] { mapping.keys.compactMap(\.string) }

    mutating func integer(_ key: String, in range: ClosedRange<Int>) throws(ConfigurationError) -> Int? {
        try value(key, "a whole number from \(range.lowerBound) to \(range.upperBound)") { text in
            Int(text).flatMap { range.contains($0) ? $0 : nil }
        }
    }

    mutating func number(_ key: String, in range: ClosedRange<Double>) throws(ConfigurationError) -> Double? {
        try value(key, "a number from \(range.lowerBound.formatted) to \(range.upperBound.formatted)") { text in
            Double(text).flatMap { range.contains($0) ? $0 : nil }
        }
    }

    /// One of a few words.
    mutating func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ key: String
    ) throws(ConfigurationError) -> Choice? {
        try value(key, "one of \(Choice.allCases.map(\.rawValue).joined(separator: ", "))") { Choice(rawValue: $0) }
    }

    /// What `parse` makes of the text below `key`, references replaced; nil when the key is missing or null.
    mutating func value<Value>(
        _ key: String, _ expected: String, _ parse: (String) -> Value?
    ) throws(ConfigurationError) -> Value? {
        guard let node = take(key) else { return nil }
        guard case .scalar(let scalar) = node else {
            mistakes.all.append(invalid(key, node, expected: expected))
            return nil
        }
        let text: String
        do {
            text = try references.replace(in: scalar.string)
        } catch {
            mistakes.all.append(
                .invalid(file: file, line: node.line, key: prefix + key, problem: error.description))
            return nil
        }
        guard let value = parse(text) else {
            mistakes.all.append(invalid(key, node, expected: expected, found: scalar.string))
            return nil
        }
        return value
    }

    /// A secret, from the file or from the environment, that may be missing.
    ///
    /// - Parameter variable: stands for it where the file is silent.
    /// - Returns: nil when it is in neither, or when the file names a place where it isn't.
    mutating func secret(_ key: String, or variable: String) throws(ConfigurationError) -> String? {
        guard let node = take(key) else { return references.variable(variable) }
        guard case .scalar(let scalar) = node else {
            mistakes.all.append(invalid(key, node, expected: "a text"))
            return nil
        }
        do {
            let text = try references.replace(in: scalar.string)
            guard !text.isEmpty else { return nil }
            guard text.utf8.count <= 1_024, text.utf8.allSatisfy({ (33...126).contains($0) }) else {
                mistakes.all.append(
                    .invalid(file: file, line: node.line, key: prefix + key, problem: "this can't be such a secret"))
                return nil
            }
            return text
        } catch {
            switch error {
            case .unset, .missing: return nil
            default:
                mistakes.all.append(
                    .invalid(file: file, line: node.line, key: prefix + key, problem: error.description))
                return nil
            }
        }
    }

    /// `true` or `false`, in whatever case.
    mutating func flag(_ key: String) throws(ConfigurationError) -> Bool? {
        try value(key, "true or false") { ["true": true, "false": false][$0.lowercased()] }
    }

    /// The texts of a list; one text alone is a list of one, an empty list is no text.
    mutating func texts(_ key: String) throws(ConfigurationError) -> [String]? {
        let expected = "a list of names such as [one, two]"
        guard let node = take(key) else { return nil }
        let nodes: [Node]
        switch node {
        case .sequence(let sequence): nodes = Array(sequence)
        case .scalar: nodes = [node]
        default:
            mistakes.all.append(invalid(key, node, expected: expected))
            return nil
        }
        var texts: [String] = []
        for node in nodes {
            guard case .scalar(let scalar) = node, let text = try? references.replace(in: scalar.string),
                !text.isEmpty, text.utf8.count <= 512
            else {
                mistakes.all.append(invalid(key, node, expected: expected))
                return nil
            }
            texts.append(text)
        }
        return texts
    }

    /// A number for each key of a mapping.
    mutating func numbers(
        _ key: String, in range: ClosedRange<Double>
    ) throws(ConfigurationError) -> [String: Double]? {
        var numbers: [String: Double]?
        try section(key) { section throws(ConfigurationError) in
            var found: [String: Double] = [:]
            for name in section.mapping.keys.compactMap(\.string) {
                if let number = try section.number(name, in: range) { found[name] = number }
            }
            numbers = found
        }
        return numbers
    }

    /// What `parse` makes of each text in the list below `key`; nil when the key is missing or null.
    mutating func values<Value>(
        _ key: String, _ expected: String, most: Int, _ parse: (String) -> Value?
    ) throws(ConfigurationError) -> [Value]? {
        guard let node = take(key) else { return nil }
        guard case .sequence(let sequence) = node, sequence.count <= most else {
            mistakes.all.append(invalid(key, node, expected: expected))
            return nil
        }
        var values: [Value] = []
        for inner in sequence {
            guard let text = inner.scalar?.string, let value = parse(text) else {
                mistakes.all.append(invalid(key, inner, expected: expected, found: inner.scalar?.string))
                continue
            }
            values.append(value)
        }
        return values
    }

    // MARK: Nodes

    private mutating func take(_ key: String) -> Node? {
        asked.insert(key)
        guard let node = mapping[key], !node.isEmpty else { return nil }
        return node
    }

    /// `found` is the text as it stands in the file: what a reference stands for may be a secret.
    private func invalid(_ key: String, _ node: Node, expected: String, found: String? = nil) -> ConfigurationError {
        let problem = "expected \(expected)" + (found.map { ", found '\($0.prefix(80))'" } ?? "")
        return .invalid(file: file, line: node.line, key: prefix + key, problem: problem)
    }

    private func unknownKeys() -> [String] {
        mapping.keys.compactMap { node in
            let key = node.string ?? "?"
            guard !asked.contains(key) else { return nil }
            return "\(file):\(node.line): \(prefix)\(key) is not known to this version and is ignored"
        }
    }

    private static func syntaxError(_ error: any Error, file: String) -> ConfigurationError {
        switch error {
        case YamlError.scanner(_, let problem, let mark, _), YamlError.parser(_, let problem, let mark, _),
            YamlError.composer(_, let problem, let mark, _):
            .syntax(file: file, line: mark.line, problem: problem)
        case YamlError.duplicatedKeysInMapping(let duplicates, let context):
            .syntax(
                file: file, line: context.mark.line,
                problem: "the same key twice: \(duplicates.sorted().joined(separator: ", "))")
        case YamlError.reader(let problem, let offset, _, let yaml):
            .syntax(
                file: file, line: 1 + yaml.prefix(offset ?? 0).count(where: \.isNewline), problem: problem)
        default:
            .syntax(file: file, line: 1, problem: String(describing: error))
        }
    }
}

extension Node {
    fileprivate var line: Int { mark?.line ?? 1 }

    /// An empty value, `~` or `null`.
    fileprivate var isEmpty: Bool { null != nil }
}

extension Double {
    fileprivate var formatted: String { self == rounded() ? String(Int(self)) : String(self) }
}

/// Why openagent.yaml was refused.
public enum ConfigurationError: Error, Equatable, CustomStringConvertible {
    case unreadable(PrivateFileError)
    case syntax(file: String, line: Int, problem: String)
    case invalid(file: String, line: Int, key: String, problem: String)

    /// Counted from 1; nil when the file can't be read.
    public var line: Int? {
        switch self {
        case .unreadable: nil
        case .syntax(_, let line, _), .invalid(_, let line, _, _): line
        }
    }

    /// What is wrong, without file and line.
    public var problem: String {
        switch self {
        case .unreadable(let error): error.description
        case .syntax(_, _, let problem): problem
        case .invalid(_, _, let key, let problem): "\(key): \(problem)"
        }
    }

    public var description: String {
        switch self {
        case .unreadable(let error): error.description
        case .syntax(let file, let line, let problem): "\(file):\(line): \(problem)"
        case .invalid(let file, let line, let key, let problem): "\(file):\(line): \(key): \(problem)"
        }
    }
}
