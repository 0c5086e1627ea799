// What does the gateway ask of an agent? To turn one user text into an answer, telling what happens on the way. This
// file is that contract. It knows no sockets, no HTTP and no queue: the caller decides when a turn runs and who listens.

/// Runs turns. Implementations hold no per-turn state: everything that must survive a crash is in the turn's journal.
public protocol AgentRuntime: Sendable {
    /// Runs one turn to its end, or goes on with one that a crash interrupted (its journal is then not empty).
    ///
    /// Cancelling the surrounding task stops the run: the answer so far is returned with ``TurnOutcome/interrupted``
    /// set, promptly (within 200 ms of the cancellation).
    ///
    /// - Parameters:
    ///   - turn: what the user said and the conversation before it.
    ///   - journal: where every model reply and tool result is recorded before it is acted on.
    ///   - emit: called for each event, in order; awaiting it is the back-pressure of slow listeners.
    /// - Throws: ``AgentError``; the caller turns it into an answer that the user can read.
    func run(
        _ turn: TurnRequest, journal: any TurnJournal, emit: @escaping @Sendable (TurnEvent) async -> Void
    ) async throws -> TurnOutcome

    /// What can answer, the default first; empty when nothing can be chosen.
    func models() async -> [AgentModel]

    /// Says in a few sentences what a conversation was about, so that later turns need no more of it.
    ///
    /// - Throws: ``AgentError``
    func summarize(_ history: [ChatMessage], model: String?) async throws -> String

    /// The same, and tells of each model that was called for it.
    func summarize(
        _ history: [ChatMessage], model: String?, used: @Sendable (ModelCall) async -> Void
    ) async throws -> String
}

extension AgentRuntime {
    /// For those who call no model.
    public func summarize(
        _ history: [ChatMessage], model: String?, used: @Sendable (ModelCall) async -> Void
    ) async throws -> String {
        try await summarize(history, model: model)
    }
}

/// A model that can be chosen for a session.
public struct AgentModel: Sendable, Equatable {
    /// As in `openai:gpt-5`; the name under which its answers are recorded.
    public var id: String
    /// What people call it.
    public var name: String
    /// Tokens of history and answer that it can take; nil when it has no such bound.
    public var contextWindow: Int?

    public init(id: String, name: String, contextWindow: Int? = nil) {
        self.id = id
        self.name = name
        self.contextWindow = contextWindow
    }
}

/// A file that came with a user's text.
public struct TurnAttachment: Sendable, Equatable {
    /// `image`, `file`, `voice` or `video`.
    public var kind: String
    /// Where the agent can read it.
    public var path: String
    /// What the user calls it.
    public var filename: String

    public init(kind: String, path: String, filename: String) {
        self.kind = kind
        self.path = path
        self.filename = filename
    }
}

/// One user text and the conversation that it belongs to.
public struct TurnRequest: Sendable {
    public var turnID: String
    public var sessionID: String
    /// The user's handle, from the certificate.
    public var handle: String
    public var text: String
    /// Earlier messages of this session, oldest first, without `text`.
    public var history: [ChatMessage]
    public var attachments: [TurnAttachment]
    /// The model that the session is bound to; nil is the default.
    public var model: String?
    /// Whether the user is an administrator of the network.
    public var isAdmin: Bool
    /// Nobody waits in front of a screen: a scheduled task or a workflow.
    public var isUnattended: Bool

    public init(
        turnID: String, sessionID: String, handle: String, text: String, history: [ChatMessage] = [],
        attachments: [TurnAttachment] = [], model: String? = nil, isAdmin: Bool = false, isUnattended: Bool = false
    ) {
        self.turnID = turnID
        self.sessionID = sessionID
        self.handle = handle
        self.text = text
        self.history = history
        self.attachments = attachments
        self.model = model
        self.isAdmin = isAdmin
        self.isUnattended = isUnattended
    }
}

/// A message of a session's transcript.
public struct ChatMessage: Sendable, Equatable, Codable {
    public enum Role: String, Sendable, Codable { case user, assistant, system, tool }
    public var role: Role
    public var text: String
    /// The user stopped this answer before it was complete.
    public var interrupted: Bool

    public init(role: Role, text: String, interrupted: Bool = false) {
        self.role = role
        self.text = text
        self.interrupted = interrupted
    }
}

/// What happens while a turn runs.
public enum TurnEvent: Sendable, Equatable {
    /// Progress for people, e.g. `Thinking...`.
    case status(String)
    /// Text to append to the answer.
    case delta(String)
    /// A model was called. Told once for each call, as soon as it is over: what was told is recorded however the turn ends. When
    /// a turn tells none, ``TurnOutcome/usage`` counts as one call.
    case used(ModelCall)
    /// A tool waits until the user allows it.
    case approvalRequested(ApprovalRequest)
    /// It waits no longer.
    case approvalSettled(id: String, ApprovalSettlement)
}

/// A call that waits for the user's word.
public struct ApprovalRequest: Sendable, Equatable, Codable {
    public var id: String
    /// The tool's full name.
    public var tool: String
    /// JSON, exactly what will run.
    public var arguments: String
    /// Unix seconds; then it counts as denied.
    public var expiresAt: Double

    public init(id: String, tool: String, arguments: String, expiresAt: Double) {
        self.id = id
        self.tool = tool
        self.arguments = arguments
        self.expiresAt = expiresAt
    }
}

/// How the wait for an approval ended.
public enum ApprovalSettlement: String, Sendable, Codable, CaseIterable { case approved, denied, expired, withdrawn }

/// How a turn ended.
public struct TurnOutcome: Sendable, Equatable {
    public var text: String
    /// The model that answered, e.g. `builtin:librarian`.
    public var model: String
    public var usage: TurnUsage
    public var interrupted: Bool

    public init(text: String, model: String, usage: TurnUsage = TurnUsage(), interrupted: Bool = false) {
        self.text = text
        self.model = model
        self.usage = usage
        self.interrupted = interrupted
    }
}

/// What a turn cost.
public struct TurnUsage: Sendable, Equatable, Codable {
    public var inputTokens: Int
    public var outputTokens: Int
    /// In US dollars.
    public var cost: Double

    public init(inputTokens: Int = 0, outputTokens: Int = 0, cost: Double = 0) {
        self.inputTokens = inputTokens
        self.outputTokens = outputTokens
        self.cost = cost
    }
}

/// One call of a model.
public struct ModelCall: Sendable, Equatable {
    /// As in ``AgentModel/id``.
    public var model: String
    public var inputTokens: Int
    public var outputTokens: Int
    /// In US dollars, when whoever answered said so; else the model's price decides.
    public var cost: Double?

    public init(model: String, inputTokens: Int, outputTokens: Int, cost: Double? = nil) {
        self.model = model
        self.inputTokens = inputTokens
        self.outputTokens = outputTokens
        self.cost = cost
    }
}

/// One recorded step of a turn.
public enum JournalEntry: Sendable, Equatable, Codable {
    /// A tool is about to run. Without a matching ``toolResult(id:output:)`` its outcome is unknown.
    case toolCall(id: String, name: String, arguments: String)
    case toolResult(id: String, output: String)
    /// A tool that failed, or was not run; the reason is what the model reads.
    case toolFailed(id: String, output: String)
    /// A complete reply of the model.
    case modelReply(String)
    /// What a model answered in one step: its words and the tools that it asks for.
    case modelStep(text: String, calls: [ToolCall], model: String, stop: ModelReply.Stop)
}

/// The durable record of one turn.
public protocol TurnJournal: Sendable {
    /// What an earlier process recorded before it died; empty for a fresh turn.
    func entries() async throws -> [JournalEntry]
    /// Returns once the entry is on disk. Cancelling the task must not make this fail or skip: a tool that has run is
    /// recorded also when the user has stopped the turn meanwhile.
    func append(_ entry: JournalEntry) async throws
}

/// Why a turn failed, in words for the user.
public enum AgentError: Error, Sendable, CustomStringConvertible {
    case modelFailed(String)
    case storage(String)

    public var description: String {
        switch self {
        case .modelFailed(let reason): "the model failed: \(reason)"
        case .storage(let reason): "the agent's storage failed: \(reason)"
        }
    }
}
