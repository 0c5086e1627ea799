internal import Store

// What stands behind `${NAME}`, `{env:NAME}` and `{file:path}`? An environment variable, or the content of a file:
// secrets stay out of openagent.yaml. One pass: what was put in is not looked at again. Nothing can be escaped, as in
// files that people have already.

/// Replaces references in values.
struct ConfigurationReferences {
    private let environment: [String: String]
    private let directory: AgentDirectory
    /// Whether hidden files and folders of the agent's are refused, too.
    private let refusesHidden: Bool

    init(environment: [String: String], directory: AgentDirectory, refusesHidden: Bool = false) {
        self.environment = environment
        self.directory = directory
        self.refusesHidden = refusesHidden
    }

    /// `text` with every reference replaced. Braces that hold no reference stay as they are.
    func replace(in text: String) throws(ConfigurationReferenceError) -> String {
        var result = ""
        var rest = text[...]
        while let start = rest.firstIndex(where: { $0 == "$" || $0 == "{" }) {
            result += rest[..<start]
            rest = rest[start...]
            guard let (reference, end) = Reference.atStart(of: rest) else {
                result.append(rest.removeFirst())
                continue
            }
            result += try value(of: reference)
            rest = rest[end...]
        }
        return result + rest
    }

    /// What an environment variable says; nil when it says nothing.
    func variable(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }

    private enum Reference {
        case variable(String)
        case file(String)

        static func atStart(of text: Substring) -> (Reference, Substring.Index)? {
            for beginning in ["${", "{env:", "{file:"] where text.hasPrefix(beginning) {
                let inner = text.dropFirst(beginning.count)
                guard let end = inner.firstIndex(of: "}") else { return nil }
                let name = String(inner[..<end])
                let isFile = beginning == "{file:"
                guard isFile ? !name.isEmpty : isVariableName(name) else { return nil }
                return (isFile ? .file(name) : .variable(name), text.index(after: end))
            }
            return nil
        }

        private static func isVariableName(_ name: String) -> Bool {
            guard let first = name.utf8.first, !(48...57).contains(first) else { return false }
            return name.utf8.allSatisfy { byte in
                (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || byte == 95
            }
        }
    }

    private func value(of reference: Reference) throws(ConfigurationReferenceError) -> String {
        switch reference {
        case .variable(let name):
            guard let value = environment[name] else { throw .unset(name) }
            return value
        case .file(let path):
            guard let resolved = directory.resolve(path) else { throw .outside(path) }
            guard !directory.isReserved(resolved, hiddenToo: refusesHidden) else { throw .reserved(path) }
            let bytes: [UInt8]?
            do { bytes = try PrivateFile.read(resolved) } catch { throw .unreadable(error) }
            guard let bytes else { throw .missing(resolved) }
            guard var text = String(validating: bytes, as: UTF8.self) else { throw .notText(resolved) }
            if text.last?.isNewline == true { text.removeLast() }
            return text
        }
    }
}

/// Why a reference could not be replaced. Never holds a value.
enum ConfigurationReferenceError: Error, CustomStringConvertible {
    case unset(String)
    case outside(String)
    case reserved(String)
    case missing(String)
    case notText(String)
    case unreadable(PrivateFileError)

    var description: String {
        switch self {
        case .unset(let name): "the environment variable \(name) is not set"
        case .outside(let path): "the path \(path) leads out of the agent's folder: use an absolute path"
        case .reserved(let path): "\(path) is the agent's own, and no reference may name it"
        case .missing(let path): "there is no file \(path)"
        case .notText(let path): "\(path) is not UTF-8 text"
        case .unreadable(let error): error.description
        }
    }
}
