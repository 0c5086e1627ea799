internal import Foundation
internal import JSON
internal import Store

// Which program answers for a provider of the framework `command`, and how? Its row's metadata say so: the command line, how its output
// is read, and which variable its key goes into. Only administrators write such rows, because whoever does runs programs.

/// An agent's program, as `claude -p` or `codex exec`.
struct AgentProgram: Sendable, Equatable {
    enum Output: String, Sendable, CaseIterable {
        /// Standard output is the answer.
        case text
        /// A JSON object for each line, as Claude Code and Codex write them.
        case json = "stream-json"
    }

    static let usualTime = Duration.seconds(600)
    /// Bytes of standard output.
    static let outputLimit = 16 << 20
    /// Stands in the command line for the model's name; without it the program is not told.
    static let modelMark = "{model}"

    var words: [String]
    var output: Output
    var environment: [String: String]
    var timeLimit: Duration
    /// What must not be told.
    var key: String?

    /// Programs that are known by the provider's name.
    static let known: [String: (words: [String], output: Output)] = [
        "claude": (
            [
                "claude", "-p", "--output-format", "stream-json", "--verbose", "--include-partial-messages", "--model",
                modelMark,
            ], .json
        ),
        "codex": (["codex", "exec", "--json", "--skip-git-repo-check", "--model", modelMark, "-"], .json),
        "gemini": (["gemini", "--model", modelMark], .text),
    ]

    static func isProgram(_ provider: ProviderRecord) -> Bool {
        provider.framework == "command" || provider.framework == "claude-cli"
    }

    /// - Throws: ``ModelError/rejected(_:)`` when the row says no program.
    init(_ provider: ProviderRecord, model: String, key: String?) throws {
        let settings: Settings
        do { settings = try Settings(provider) } catch { throw ModelError.rejected(error.description) }
        words = settings.words.map { $0.replacingOccurrences(of: Self.modelMark, with: model) }
        output = settings.output
        environment = settings.environment
        timeLimit = settings.timeLimit
        self.key = key
        if let key, let variable = settings.keyVariable { environment[variable] = key }
    }

    /// What a row's metadata say.
    struct Settings: Equatable {
        var words: [String]
        var output: Output
        var environment: [String: String] = [:]
        var keyVariable: String?
        var timeLimit = AgentProgram.usualTime

        /// - Throws: ``RegistryError/invalid(_:hint:)``
        init(_ provider: ProviderRecord) throws(RegistryError) {
            let metadata = JSONValue(parsing: provider.metadata)?.object ?? [:]
            let known = AgentProgram.known[provider.framework == "claude-cli" ? "claude" : provider.name]
            switch metadata["command"] {
            case .array(let list)?:
                words = list.compactMap(\.string)
                guard words.count == list.count else { throw .invalid("'metadata.command' is a list of words.") }
            case .string(let line)?:
                guard let split = ShellWords.split(line) else {
                    throw .invalid("'metadata.command' has a quote that is not closed.")
                }
                words = split
            case nil:
                guard let known else {
                    throw .invalid(
                        "'metadata.command' is missing: which program answers?",
                        hint: "Known by name are \(AgentProgram.known.keys.sorted().joined(separator: ", ")).")
                }
                words = known.words
            default: throw .invalid("'metadata.command' is a list of words.")
            }
            words = try RegistryRules.command(words)
            switch metadata["output"] {
            case .string(let name)?:
                guard let named = Output(rawValue: name) else {
                    throw .invalid(
                        "'metadata.output' is one of \(Output.allCases.map(\.rawValue).joined(separator: ", ")).")
                }
                output = named
            case nil: output = metadata["command"] == nil ? known?.output ?? .text : .text
            default: throw .invalid("'metadata.output' is a text.")
            }
            if let variables = metadata["environment"] {
                guard let texts = variables.object, texts.values.allSatisfy({ $0.string?.utf8.contains(0) == false })
                else { throw .invalid("'metadata.environment' is an object of texts.") }
                try RegistryRules.environment(texts.keys)
                environment = texts.compactMapValues(\.string)
            }
            if let variable = metadata["key_variable"] {
                guard let name = variable.string, RegistryRules.isVariableName(name) else {
                    throw .invalid("'metadata.key_variable' is the name of an environment variable.")
                }
                keyVariable = name
            }
            if let time = metadata[ProviderSettings.timeout] {
                guard let seconds = ProviderSettings.seconds(time) else {
                    throw .invalid("'metadata.\(ProviderSettings.timeout)' is from 1 to 3600.")
                }
                timeLimit = .seconds(seconds)
            }
        }
    }
}
