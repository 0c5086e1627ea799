public import JSON

// What is a tool to those who offer it and to those who call it? A name within a server, a schema, and a call that ends in words. This
// file is that contract; it knows neither MCP nor models. Built-in tools and MCP servers look the same from here.

/// One tool of a server.
public struct ToolDefinition: Sendable, Equatable {
    /// What a call does to the world; it decides how long the call may take and how careful its users are.
    public enum Effect: String, Sendable, Codable {
        /// Only reads. Usually 10 seconds.
        case query
        /// May change something. Usually 30 seconds.
        case action
    }

    /// Unique within its server.
    public var name: String
    public var description: String
    /// A JSON schema of an object.
    public var parameters: JSONValue
    public var effect: Effect
    /// Whether only administrators' turns may call it.
    public var needsAdmin: Bool
    /// How long a call may take; nil: as long as its effect says.
    public var timeLimit: Duration?
    /// Names of parameters whose values nobody but the tool may see: of an object all that stands in it.
    public var secretParameters: Set<String>

    public init(
        name: String, description: String, parameters: JSONValue, effect: Effect = .action, needsAdmin: Bool = false,
        timeLimit: Duration? = nil, secretParameters: Set<String> = []
    ) {
        self.name = name
        self.description = description
        self.parameters = parameters
        self.effect = effect
        self.needsAdmin = needsAdmin
        self.timeLimit = timeLimit
        self.secretParameters = secretParameters
    }
}

/// For whom a tool is called.
public struct ToolContext: Sendable {
    public var turnID: String
    /// Unique within the turn and the same after a restart.
    public var callID: String
    public var sessionID: String
    /// The user's handle.
    public var handle: String
    /// Whether the user is an administrator of the network.
    public var isAdmin: Bool
    /// Nobody waits in front of a screen: a scheduled task or a workflow.
    public var isUnattended: Bool

    public init(
        turnID: String, callID: String, sessionID: String, handle: String, isAdmin: Bool, isUnattended: Bool = false
    ) {
        self.turnID = turnID
        self.callID = callID
        self.sessionID = sessionID
        self.handle = handle
        self.isAdmin = isAdmin
        self.isUnattended = isUnattended
    }
}

/// What came of a call.
public struct ToolResult: Sendable, Equatable, Codable {
    public var text: String
    /// The tool ran and says that it failed, or it could not be run. The model reads the text and may try otherwise.
    public var isError: Bool

    public init(_ text: String, isError: Bool = false) {
        self.text = text
        self.isError = isError
    }
}

/// Offers tools.
public protocol ToolServer: Sendable {
    /// The first half of the tools' full names, e.g. `vault`.
    var name: String { get }
    /// Who may be offered its tools, as far as the server has a say; whoever runs the agent must agree (``ToolGrants``).
    var openTo: Set<ToolCaller> { get }
    /// By how much whoever calls waits longer than a call may take. A server that ends its calls itself needs it to say so.
    var grace: Duration { get }
    /// What can be called now; empty while the server is down.
    func tools() async -> [ToolDefinition]
    /// Calls a tool. Returns also when it fails; cancelling the task ends the call promptly.
    ///
    /// - Parameter arguments: an object; not yet checked against the schema.
    func call(
        _ tool: String, _ arguments: [String: JSONValue], for context: ToolContext,
        progress: @Sendable (String) async -> Void
    ) async -> ToolResult
}

extension ToolServer {
    public var openTo: Set<ToolCaller> { [.turn, .workflow] }
    public var grace: Duration { .zero }
}

/// Who calls a tool.
public enum ToolCaller: String, Sendable, Codable, CaseIterable {
    /// A model, or a user through the librarian.
    case turn
    case workflow
    /// Another program, which asks the agent for its tools.
    case outside
}

/// All tools of an agent behind one door: whoever calls a tool, a model, a workflow or another program, goes through here, and here the
/// policy is asked, the call is bounded and the audit row is written.
public protocol Toolbox: Sendable {
    /// What a caller may use, by full name (`vault_search_notes`), in a fixed order.
    func tools(isAdmin: Bool) async -> [OfferedTool]
    /// Asks the policy, waits for approval when it says so, calls and notes what came of it. A refusal is a result, too.
    ///
    /// - Parameter willRun: called when the call is admitted, right before it runs; when it throws the tool does not run.
    func call(
        _ fullName: String, _ arguments: [String: JSONValue], for context: ToolContext,
        emit: @escaping @Sendable (TurnEvent) async -> Void, willRun: @Sendable () async throws -> Void
    ) async throws -> ToolResult
    /// What is known of a tool, whoever may use it; nil when there is none now.
    func definition(_ fullName: String) async -> ToolDefinition?
}

/// A tool under its full name.
public struct OfferedTool: Sendable, Equatable {
    /// `<server>_<tool>`, dashes of the server's name as underscores (reference: agent.md §4.1).
    public var fullName: String
    public var server: String
    public var definition: ToolDefinition

    public init(fullName: String, server: String, definition: ToolDefinition) {
        self.fullName = fullName
        self.server = server
        self.definition = definition
    }
}

/// Decides whether a call may run.
public protocol ToolGate: Sendable {
    /// - Parameter emit: how the user is asked, when the policy wants that. Waiting for the answer survives a restart: asked again with
    ///   the same turn and call id the gate goes on waiting for, or gives, the answer of the first time.
    /// - Throws: `CancellationError` when the turn is stopped while it waits.
    func admit(
        _ tool: OfferedTool, _ arguments: [String: JSONValue], for context: ToolContext,
        emit: @Sendable (TurnEvent) async -> Void
    ) async throws -> ToolVerdict
}

public enum ToolVerdict: Sendable, Equatable {
    case allowed
    /// Why not, in words that the model and the user read.
    case denied(String)
}

/// Keeps account of calls; its rows can only be added.
public protocol ToolLedger: Sendable {
    /// - Throws: when the row could not be written; the call does not run then.
    func began(_ tool: OfferedTool, _ arguments: [String: JSONValue], for context: ToolContext) async throws
    /// - Parameter result: nil when the call was denied.
    func ended(_ tool: OfferedTool, for context: ToolContext, _ result: ToolResult, took: Duration) async
    func denied(_ tool: OfferedTool, for context: ToolContext, because reason: String) async
}
