// How does something that runs by itself ask the agent? Through the same sessions as everybody: a task and a workflow block become
// turns that are accepted durably, run in their lane and are known by their message id.

/// A turn that nobody types.
public struct UnattendedTurn: Sendable, Equatable {
    /// The same id is the same turn, however often it is asked for: also after a restart.
    public var messageID: String
    public var sessionID: String
    /// In whose name it runs; the rights are those that the user has now.
    public var handle: String
    public var text: String
    /// Nil: the agent's default.
    public var model: String?
    /// Whether the conversation is forgotten afterwards, so that the next run begins anew.
    public var forgets: Bool

    public init(
        messageID: String, sessionID: String, handle: String, text: String, model: String? = nil, forgets: Bool = false
    ) {
        self.messageID = messageID
        self.sessionID = sessionID
        self.handle = handle
        self.text = text
        self.model = model
        self.forgets = forgets
    }
}

/// How an unattended turn ended.
public struct UnattendedAnswer: Sendable, Equatable {
    public enum Ending: Sendable, Equatable {
        case completed
        /// Why, in words.
        case failed(String)
        case cancelled
    }

    public var ending: Ending
    public var text: String
    public var turnID: String?
    public var model: String?
    public var usage: TurnUsage

    public init(
        ending: Ending, text: String, turnID: String? = nil, model: String? = nil, usage: TurnUsage = TurnUsage()
    ) {
        self.ending = ending
        self.text = text
        self.turnID = turnID
        self.model = model
        self.usage = usage
    }
}

/// Runs turns that nobody types.
public protocol UnattendedTurns: Sendable {
    /// Has the turn accepted, or finds it when it was accepted before, and waits for its end. Cancelling the task stops the turn.
    ///
    /// - Throws: `CancellationError`; ``AgentError`` when it could not be accepted.
    func run(_ turn: UnattendedTurn) async throws -> UnattendedAnswer
}
