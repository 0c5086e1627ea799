internal import JSON
internal import Logging
internal import Store

// How does a function of ours become a tool? With a name, a schema that is made from its parameters, and arguments that are checked
// before it runs. Whoever calls may not know better than the schema: what it does not name is refused here once for all tools.

/// One parameter of a tool.
struct ToolParameter: Sendable {
    var name: String
    var schema: [String: JSONValue]
    var isRequired: Bool
    private(set) var isSecret = false

    private init(_ name: String, _ schema: [String: JSONValue], _ summary: String, _ isRequired: Bool) {
        self.name = name
        self.schema = schema.merging(["description": .string(summary)]) { $1 }
        self.isRequired = isRequired
    }

    /// Nobody but the tool sees what is given for it.
    var secret: Self {
        var parameter = self
        parameter.isSecret = true
        return parameter
    }

    static func text(_ name: String, _ summary: String, required: Bool = false) -> Self {
        Self(name, ["type": "string"], summary, required)
    }

    static func choice(_ name: String, _ choices: [String], _ summary: String, required: Bool = false) -> Self {
        Self(name, ["type": "string", "enum": JSONValue(texts: choices)], summary, required)
    }

    static func integer(_ name: String, _ range: ClosedRange<Int>, _ summary: String, required: Bool = false) -> Self {
        Self(
            name,
            ["type": "integer", "minimum": JSONValue(range.lowerBound), "maximum": JSONValue(range.upperBound)],
            summary, required)
    }

    static func number(_ name: String, _ summary: String) -> Self { Self(name, ["type": "number"], summary, false) }

    static func flag(_ name: String, _ summary: String) -> Self { Self(name, ["type": "boolean"], summary, false) }

    static func texts(_ name: String, _ summary: String, required: Bool = false) -> Self {
        Self(name, ["type": "array", "items": ["type": "string"]], summary, required)
    }

    static func object(_ name: String, _ summary: String, required: Bool = false) -> Self {
        Self(name, ["type": "object"], summary, required)
    }

    /// A graph, a list: whatever the summary says.
    static func any(_ name: String, _ summary: String, required: Bool = false) -> Self {
        Self(name, [:], summary, required)
    }
}

/// One tool: what is told of it and what it does.
struct BuiltinTool: Sendable {
    typealias Body = @Sendable (ToolArguments, ToolContext) async throws -> JSONValue

    let definition: ToolDefinition
    let parameters: Set<String>
    let body: Body

    /// - Parameter body: a text is given as it is, everything else as JSON.
    init(
        _ name: String, _ effect: ToolDefinition.Effect, _ description: String, _ parameters: [ToolParameter] = [],
        needsAdmin: Bool = false, timeLimit: Duration? = nil, _ body: @escaping Body
    ) {
        var schema: [String: JSONValue] = [
            "type": "object", "additionalProperties": false,
            "properties": .object(
                Dictionary(uniqueKeysWithValues: parameters.map { ($0.name, .object($0.schema)) })),
        ]
        let required = parameters.filter(\.isRequired).map(\.name)
        if !required.isEmpty { schema["required"] = JSONValue(texts: required) }
        definition = ToolDefinition(
            name: name, description: description, parameters: .object(schema), effect: effect, needsAdmin: needsAdmin,
            timeLimit: timeLimit, secretParameters: Set(parameters.filter(\.isSecret).map(\.name)))
        self.parameters = Set(parameters.map(\.name))
        self.body = body
    }
}

/// Tools of one subject.
struct BuiltinServer: ToolServer {
    let name: String
    /// In the order in which they are offered.
    let all: [BuiltinTool]
    var openTo: Set<ToolCaller> = [.turn, .workflow]
    /// Whether it is switched on now.
    var isEnabled: @Sendable () async -> Bool = { true }
    var logger = Logger(label: "openagent.tools") { _ in SwiftLogNoOpLogHandler() }

    init(_ name: String, _ tools: [BuiltinTool]) {
        self.name = name
        all = tools
    }

    func tools() async -> [ToolDefinition] { await isEnabled() ? all.map(\.definition) : [] }

    func call(
        _ tool: String, _ arguments: [String: JSONValue], for context: ToolContext,
        progress: @Sendable (String) async -> Void
    ) async -> ToolResult {
        guard let found = all.first(where: { $0.definition.name == tool }) else {
            return ToolResult("\(name) has no tool '\(tool.prefix(64))'", isError: true)
        }
        guard await isEnabled() else { return ToolResult("\(name) is switched off", isError: true) }
        guard context.isAdmin || !found.definition.needsAdmin else {
            return ToolResult("only administrators may use \(name)'s \(tool)", isError: true)
        }
        do {
            if let unknown = arguments.keys.sorted().first(where: { !found.parameters.contains($0) }) {
                let known = found.parameters.sorted().joined(separator: ", ")
                throw ToolRefusal(
                    "there is no argument '\(unknown.prefix(64))'"
                        + (known.isEmpty ? ": \(tool) takes none" : "; there are: \(known)"))
            }
            let value = try await found.body(ToolArguments(arguments), context)
            if case .string(let text) = value { return ToolResult(text) }
            return ToolResult(value.text)
        } catch {
            return ToolResult(words(of: error, tool), isError: true)
        }
    }

    /// What our own rooms say for users is told; of anything else only that it happened.
    private func words(of error: any Error, _ tool: String) -> String {
        switch error {
        case let error as ToolRefusal: return error.description
        case let error as VaultError: return error.description
        case let error as PlanError: return error.description
        case let error as ScheduleError: return error.description
        case let error as DiscoveryError: return error.description
        case let error as WebError: return error.description
        case let error as RegistryError:
            return error.description + (error.hint.map { " \($0)" } ?? "")
        case is CancellationError: return "it was stopped"
        default:
            logger.error(
                "tools::failed",
                metadata: ["tool": "\(name)_\(tool)", "error": "\(type(of: error))"])
            return "it failed inside the agent"
        }
    }
}
