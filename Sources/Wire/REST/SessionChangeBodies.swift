public import JSON

// What is said over REST to change a conversation, and what comes of it: its model, its title, its end; and what a turn of it
// would be given now.

/// `POST` or `PUT /api/sessions/{id}/pin`, and `PUT /api/sessions/{id}/model`: either key names the model.
public struct SessionPin: Codable, Sendable, Equatable {
    public var model: String?
    public var runtimeID: String?

    public init(model: String) {
        self.model = model
    }

    private enum CodingKeys: String, CodingKey {
        case model
        case runtimeID = "runtime_id"
    }
}

/// The model of a session.
public struct PinnedSession: Codable, Sendable, Equatable {
    public var sessionID: String
    /// Nil is the default.
    public var model: String?
    /// The same, under the reference's key.
    public var runtimeID: String?
    /// Whether a model was chosen.
    public var pinned: Bool

    public init(sessionID: String, model: String?) {
        self.sessionID = sessionID
        self.model = model
        runtimeID = model
        pinned = model != nil
    }

    private enum CodingKeys: String, CodingKey {
        case model, pinned
        case sessionID = "session_id"
        case runtimeID = "runtime_id"
    }
}

/// `PATCH /api/sessions/{id}`
public struct SessionPatch: Codable, Sendable, Equatable {
    /// 1 to 200 characters; nil takes the title away.
    public var title: String?

    public init(title: String?) {
        self.title = title
    }

    private enum CodingKeys: CodingKey { case title }

    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        // What is not said is not meant.
        title = try fields.decode(String?.self, forKey: .title)
    }

    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode(title, forKey: .title)
    }
}

/// Answer to `DELETE /api/sessions/{id}`.
public struct RemovedSession: Codable, Sendable, Equatable {
    public var sessionID: String
    public var deleted: Bool
    /// Here, a session has no others below it.
    public var deletedSessionIDs: [String]
    public var deletedCount: Int
    /// Turns that were running.
    public var stopped: Int
    /// Turns that waited.
    public var dropped: Int
    /// Whether there was a transcript, which is in the archive now.
    public var archived: Bool

    public init(sessionID: String, stopped: Int, dropped: Int, archived: Bool) {
        self.sessionID = sessionID
        deleted = true
        deletedSessionIDs = [sessionID]
        deletedCount = 1
        self.stopped = stopped
        self.dropped = dropped
        self.archived = archived
    }

    private enum CodingKeys: String, CodingKey {
        case deleted, stopped, dropped, archived
        case sessionID = "session_id"
        case deletedSessionIDs = "deleted_session_ids"
        case deletedCount = "deleted_count"
    }
}

/// `GET /api/sessions/{id}/context`: what the agent would be given with the next message.
public struct SessionContextBody: Codable, Sendable, Equatable {
    public var sessionID: String
    /// What would answer; nil when the agent has no models to choose from.
    public var model: String?
    /// Whether it was chosen for this session.
    public var pinned: Bool
    /// Tokens that fit; nil when there is no fixed limit.
    public var contextWindow: Int?
    /// An estimate: four bytes a token.
    public var tokens: Int
    /// Messages that would be given as they are.
    public var messages: Int
    /// Older messages for which the summary stands.
    public var folded: Int
    public var summary: String?

    public init(
        sessionID: String, model: String?, pinned: Bool, contextWindow: Int?, tokens: Int, messages: Int, folded: Int,
        summary: String?
    ) {
        self.sessionID = sessionID
        self.model = model
        self.pinned = pinned
        self.contextWindow = contextWindow
        self.tokens = tokens
        self.messages = messages
        self.folded = folded
        self.summary = summary
    }

    private enum CodingKeys: String, CodingKey {
        case model, pinned, tokens, messages, folded, summary
        case sessionID = "session_id"
        case contextWindow = "context_window"
    }
}

/// One message of `GET /api/sessions/{id}/runs`.
public struct SessionRunBody: Codable, Sendable, Equatable {
    public var id: String
    /// `user`, `assistant`, `system` or `tool`.
    public var role: String
    public var text: String
    public var timestamp: Double
    public var turnID: String
    public var interrupted: Bool
    public var model: String?
    public var attachments: [Attachment]?
    /// Who said it: the user's handle, or nil.
    public var author: String?

    public init(
        id: String, role: String, text: String, timestamp: Double, turnID: String, interrupted: Bool, model: String?,
        attachments: [Attachment]?, author: String?
    ) {
        self.id = id
        self.role = role
        self.text = text
        self.timestamp = timestamp
        self.turnID = turnID
        self.interrupted = interrupted
        self.model = model
        self.attachments = attachments
        self.author = author
    }

    private enum CodingKeys: String, CodingKey {
        case id, role, text, timestamp, interrupted, model, attachments, author
        case turnID = "turn_id"
    }
}

/// `GET /api/sessions/{id}/runs?limit=&cursor=`: the last messages, oldest first.
public struct SessionRunsBody: Codable, Sendable, Equatable {
    public var sessionID: String
    public var messages: [SessionRunBody]
    /// What `cursor` is for what came earlier; nil at the beginning.
    public var nextCursor: String?

    public init(sessionID: String, messages: [SessionRunBody], nextCursor: String?) {
        self.sessionID = sessionID
        self.messages = messages
        self.nextCursor = nextCursor
    }

    private enum CodingKeys: String, CodingKey {
        case messages
        case sessionID = "session_id"
        case nextCursor = "next_cursor"
    }
}

/// `GET /api/sessions/{id}/events?after=&limit=&cursor=`: frames of the session's stream as sockets get them, in order.
public struct SessionEventsBody: Codable, Sendable, Equatable {
    public var sessionID: String
    public var events: [JSONValue]
    /// Events up to this number may be missing: the transcript says what they said.
    public var floor: Int64
    /// The number after which to ask for what comes later.
    public var last: Int64
    /// What `cursor` is for the next page; nil when this one has all that there is now.
    public var nextCursor: String?

    public init(sessionID: String, events: [JSONValue], floor: Int64, last: Int64, nextCursor: String?) {
        self.sessionID = sessionID
        self.events = events
        self.floor = floor
        self.last = last
        self.nextCursor = nextCursor
    }

    private enum CodingKeys: String, CodingKey {
        case events, floor, last
        case sessionID = "session_id"
        case nextCursor = "next_cursor"
    }
}
