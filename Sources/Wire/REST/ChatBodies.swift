// What is said in one turn over REST? `POST /api/chat`: a message goes in, its answer comes back.

/// The body of `POST /api/chat`.
public struct ChatRequest: Codable, Sendable, Equatable {
    public var message: String
    /// Nil: a new session.
    public var sessionID: String?
    /// Chosen by the client; a repeat of the same id gets the same turn's answer and never runs twice.
    public var messageID: String?
    /// Files of the caller that were uploaded before.
    public var attachments: [Attachment]?

    public init(
        message: String, sessionID: String? = nil, messageID: String? = nil, attachments: [Attachment]? = nil
    ) {
        self.message = message
        self.sessionID = sessionID
        self.messageID = messageID
        self.attachments = attachments
    }

    private enum CodingKeys: String, CodingKey {
        case message, attachments
        case sessionID = "session_id"
        case messageID = "message_id"
    }
}

/// The answer to `POST /api/chat`.
public struct ChatAnswer: Codable, Sendable, Equatable {
    public struct Usage: Codable, Sendable, Equatable {
        public var inputTokens: Int
        public var outputTokens: Int
        /// In US dollars.
        public var cost: Double

        public init(inputTokens: Int, outputTokens: Int, cost: Double) {
            self.inputTokens = inputTokens
            self.outputTokens = outputTokens
            self.cost = cost
        }

        private enum CodingKeys: String, CodingKey {
            case cost
            case inputTokens = "input_tokens"
            case outputTokens = "output_tokens"
        }
    }

    /// The whole answer; what is wrong when ``errored``.
    public var response: String
    /// Nil when no model answered.
    public var model: String?
    /// The agent failed.
    public var errored: Bool
    /// `completed`, `empty`, `cancelled` or `error`
    public var reason: String
    public var sessionID: String
    /// Whether the session began with this message.
    public var created: Bool
    public var turnID: String?
    /// The client's own, or the one that was made for it.
    public var messageID: String
    public var usage: Usage
    public var attachments: [Attachment]?

    public init(
        response: String, model: String?, errored: Bool, reason: String, sessionID: String, created: Bool,
        turnID: String?, messageID: String, usage: Usage, attachments: [Attachment]?
    ) {
        self.response = response
        self.model = model
        self.errored = errored
        self.reason = reason
        self.sessionID = sessionID
        self.created = created
        self.turnID = turnID
        self.messageID = messageID
        self.usage = usage
        self.attachments = attachments
    }

    private enum CodingKeys: String, CodingKey {
        case response, model, errored, reason, created, usage, attachments
        case sessionID = "session_id"
        case turnID = "turn_id"
        case messageID = "message_id"
    }
}
