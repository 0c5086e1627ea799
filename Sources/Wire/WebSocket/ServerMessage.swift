// What does the server say on `/ws`? The server half of the vocabulary (reference: websocket.md §3). Frames that belong
// to a session carry its id and a sequence number from 1, by which a client that reconnects asks for what it missed.

/// A frame from server to client.
public struct ServerMessage: Sendable, Equatable {
    public var body: Body
    public var sessionID: String?
    /// Position in the session's event stream, from 1; nil on frames outside of it.
    public var sequence: Int?
    /// The turn that the frame belongs to.
    public var turnID: String?
    /// The client's own id of that turn, when it gave one.
    public var messageID: String?
    /// The ids of all messages that became one turn, when there are several; the last one is ``messageID``.
    public var messageIDs: [String] = []
    /// Why a command came to nothing; nil on the answer to one that did what it says, and on all other frames.
    public var failure: ErrorCode?
    /// Of an error `budget_exceeded`: which limit it is.
    public var budget: BudgetDetails?

    public init(
        _ body: Body, sessionID: String? = nil, sequence: Int? = nil, turnID: String? = nil, messageID: String? = nil
    ) {
        self.body = body
        self.sessionID = sessionID
        self.sequence = sequence
        self.turnID = turnID
        self.messageID = messageID
    }

    public enum Body: Sendable, Equatable {
        /// Always the first frame of a socket.
        case authOK(AuthOK)
        case pong
        /// The turn is committed and waits behind `position` others.
        case queued(position: Int)
        case status(String)
        case delta(String)
        /// The whole answer, which replaces its deltas.
        case response(text: String, model: String?, attachments: [Attachment] = [])
        case turnComplete(TurnComplete)
        case error(code: ErrorCode, text: String)
        case commandResult(String)
        /// A tool waits until its user allows the call.
        case approvalRequest(ApprovalRequest)
        /// It waits no longer: `approved`, `denied`, `expired` or `withdrawn`.
        case approvalSettled(id: String, decision: String)
        /// What a user said, as it was recognised.
        case heard(String)
        case audioStart(AudioStart)
        /// - `number`: from 1 within the spoken answer.
        case audioChunk(data: [UInt8], number: Int)
        case audioEnd(chunks: Int)
        /// Something that others may show has changed.
        case resourceEvent(ResourceEvent)
        case systemSnapshot(SystemSnapshot)
        /// The transcript instead of events that are no longer kept. Its `seq` is the number up to which it stands for
        /// all events, and may be lower than one that was seen.
        case sessionState(SessionState)
        /// A type that this version does not know.
        case unknown(type: String)
    }

    public struct AuthOK: Sendable, Equatable {
        public var agentName: String
        public var version: String
        public var handle: String
        /// The network's name.
        public var network: String
        public var networkID: String

        public init(agentName: String, version: String, handle: String, network: String, networkID: String) {
            self.agentName = agentName
            self.version = version
            self.handle = handle
            self.network = network
            self.networkID = networkID
        }
    }

    /// A call that waits for its user's word.
    public struct ApprovalRequest: Sendable, Equatable {
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

    public struct AudioStart: Sendable, Equatable {
        /// E.g. `wav`.
        public var format: String
        /// E.g. `audio/wav`.
        public var mime: String
        public var voiceID: String?

        public init(format: String, mime: String, voiceID: String? = nil) {
            self.format = format
            self.mime = mime
            self.voiceID = voiceID
        }
    }

    public struct ResourceEvent: Sendable, Equatable {
        /// E.g. `vault`, `session`.
        public var resource: String
        /// `created`, `updated`, `deleted` or `changed`.
        public var action: String
        /// Nil when it is not one thing alone.
        public var id: String?

        public init(resource: String, action: String, id: String? = nil) {
            self.resource = resource
            self.action = action
            self.id = id
        }
    }

    /// What a session's transcript says up to an event number.
    public struct SessionState: Sendable, Equatable, Codable {
        public struct Message: Sendable, Equatable, Codable {
            /// `user`, `assistant`, `system` or `tool`.
            public var role: String
            public var text: String
            /// The answer was stopped before it was complete.
            public var interrupted: Bool

            public init(role: String, text: String, interrupted: Bool = false) {
                self.role = role
                self.text = text
                self.interrupted = interrupted
            }
        }

        /// Why the state is told.
        public enum Reason: String, Sendable, Codable {
            /// Some of the events that were asked for are no longer kept.
            case eventsForgotten = "events_forgotten"
            /// The session has not got as far as the number that was asked for: the agent's database is older.
            case numberUnknown = "number_unknown"
        }

        /// The last ones, oldest first.
        public var messages: [Message]
        /// There are older ones, or the oldest was cut.
        public var truncated: Bool
        /// Nil when this version does not know it.
        public var reason: Reason?
        /// What the session's owner calls it.
        public var title: String?

        public init(messages: [Message], truncated: Bool, reason: Reason? = nil, title: String? = nil) {
            self.messages = messages
            self.truncated = truncated
            self.reason = reason
            self.title = title
        }

        private enum CodingKeys: CodingKey { case messages, truncated, reason, title }

        public init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            messages = try fields.decode([Message].self, forKey: .messages)
            truncated = try fields.decode(Bool.self, forKey: .truncated)
            reason = try fields.decodeIfPresent(String.self, forKey: .reason).flatMap(Reason.init)
            title = try fields.decodeIfPresent(String.self, forKey: .title)
        }
    }

    public struct TurnComplete: Sendable, Equatable {
        public enum Reason: String, Sendable, Codable { case completed, error, cancelled, empty }
        public var reason: Reason
        public var inputTokens: Int
        public var outputTokens: Int
        /// In US dollars.
        public var cost: Double

        public init(reason: Reason, inputTokens: Int = 0, outputTokens: Int = 0, cost: Double = 0) {
            self.reason = reason
            self.inputTokens = inputTokens
            self.outputTokens = outputTokens
            self.cost = cost
        }
    }
}
