// What is said over REST about conversations? A user's own sessions, what was said in them, what was cleared away, and the
// model that answers. Times are Unix seconds.

/// One session: of `GET /api/sessions`, and of `GET` and `PATCH /api/sessions/{id}`.
public struct SessionBody: Codable, Sendable, Equatable {
    public var sessionID: String
    /// Whose it is.
    public var clientID: String
    /// What its owner calls it; nil when it has no title.
    public var title: String?
    /// Messages of the transcript.
    public var messages: Int
    public var createdAt: Double
    /// When a turn of it was last accepted, or ended.
    public var lastActivity: Double
    /// The same, under the reference's key.
    public var lastActiveAt: Double
    /// The model that was chosen; nil is the default.
    public var model: String?
    /// Whether a summary stands for older messages.
    public var folded: Bool
    /// Turns that run.
    public var running: Int
    /// Turns that wait.
    public var waiting: Int

    public init(
        sessionID: String, clientID: String, title: String?, messages: Int, createdAt: Double, lastActivity: Double,
        model: String?, folded: Bool, running: Int, waiting: Int
    ) {
        self.sessionID = sessionID
        self.clientID = clientID
        self.title = title
        self.messages = messages
        self.createdAt = createdAt
        self.lastActivity = lastActivity
        lastActiveAt = lastActivity
        self.model = model
        self.folded = folded
        self.running = running
        self.waiting = waiting
    }

    private enum CodingKeys: String, CodingKey {
        case title, messages, model, folded, running, waiting
        case sessionID = "session_id"
        case clientID = "client_id"
        case createdAt = "created_at"
        case lastActivity = "last_activity"
        case lastActiveAt = "last_active_at"
    }
}

/// `GET /api/sessions?limit=&cursor=`, the most recently active first.
public struct SessionsBody: Codable, Sendable, Equatable {
    public var sessions: [SessionBody]
    /// What `cursor` is for the next page; nil when there is none.
    public var nextCursor: String?

    public init(sessions: [SessionBody], nextCursor: String?) {
        self.sessions = sessions
        self.nextCursor = nextCursor
    }

    private enum CodingKeys: String, CodingKey {
        case sessions
        case nextCursor = "next_cursor"
    }
}

/// One message of a transcript.
public struct TranscriptMessageBody: Codable, Sendable, Equatable {
    public var id: Int64
    /// `user`, `assistant`, `system` or `tool`.
    public var role: String
    public var text: String
    /// The answer was stopped before it was complete.
    public var interrupted: Bool
    public var at: Double

    public init(id: Int64, role: String, text: String, interrupted: Bool, at: Double) {
        self.id = id
        self.role = role
        self.text = text
        self.interrupted = interrupted
        self.at = at
    }
}

/// `GET /api/sessions/{id}/messages?limit=&before=`
public struct SessionMessagesBody: Codable, Sendable, Equatable {
    public var sessionID: String
    /// The last ones, oldest first.
    public var messages: [TranscriptMessageBody]
    /// The value of `before` that asks for what came earlier; nil at the beginning.
    public var next: Int64?
    /// The same as a `cursor`.
    public var nextCursor: String?

    public init(sessionID: String, messages: [TranscriptMessageBody], next: Int64?, nextCursor: String? = nil) {
        self.sessionID = sessionID
        self.messages = messages
        self.next = next
        self.nextCursor = nextCursor
    }

    private enum CodingKeys: String, CodingKey {
        case messages, next
        case sessionID = "session_id"
        case nextCursor = "next_cursor"
    }
}

/// Answer to `POST /api/sessions/{id}/clear`.
public struct ClearedSession: Codable, Sendable, Equatable {
    public var sessionID: String
    public var cleared: Bool
    /// Turns that were running.
    public var stopped: Int
    /// Turns that waited.
    public var dropped: Int
    /// Whether there was a transcript, which is in the archive now.
    public var archived: Bool

    public init(sessionID: String, cleared: Bool, stopped: Int, dropped: Int, archived: Bool) {
        self.sessionID = sessionID
        self.cleared = cleared
        self.stopped = stopped
        self.dropped = dropped
        self.archived = archived
    }

    private enum CodingKeys: String, CodingKey {
        case cleared, stopped, dropped, archived
        case sessionID = "session_id"
    }
}

/// One transcript that was cleared away.
public struct ArchiveBody: Codable, Sendable, Equatable {
    public var id: Int64
    /// The session that it was the transcript of.
    public var sessionID: String
    public var archivedAt: Double
    public var messages: Int
    /// The beginning of what the user said first.
    public var opening: String

    public init(id: Int64, sessionID: String, archivedAt: Double, messages: Int, opening: String) {
        self.id = id
        self.sessionID = sessionID
        self.archivedAt = archivedAt
        self.messages = messages
        self.opening = opening
    }

    private enum CodingKeys: String, CodingKey {
        case id, messages, opening
        case sessionID = "session_id"
        case archivedAt = "archived_at"
    }
}

/// `GET /api/sessions/archives?limit=&before=`, newest first.
public struct ArchivesBody: Codable, Sendable, Equatable {
    public var archives: [ArchiveBody]
    /// The value of `before` that asks for what follows; nil at the end.
    public var next: Int64?
    /// The same as a `cursor`.
    public var nextCursor: String?

    public init(archives: [ArchiveBody], next: Int64?, nextCursor: String? = nil) {
        self.archives = archives
        self.next = next
        self.nextCursor = nextCursor
    }

    private enum CodingKeys: String, CodingKey {
        case archives, next
        case nextCursor = "next_cursor"
    }
}

/// `GET /api/sessions/archives/{id}?limit=&before=`
public struct ArchivedMessagesBody: Codable, Sendable, Equatable {
    public var archive: ArchiveBody
    /// The last ones, oldest first.
    public var messages: [TranscriptMessageBody]
    /// The value of `before` that asks for what came earlier; nil at the beginning.
    public var next: Int64?
    /// The same as a `cursor`.
    public var nextCursor: String?

    public init(archive: ArchiveBody, messages: [TranscriptMessageBody], next: Int64?, nextCursor: String? = nil) {
        self.archive = archive
        self.messages = messages
        self.next = next
        self.nextCursor = nextCursor
    }

    private enum CodingKeys: String, CodingKey {
        case archive, messages, next
        case nextCursor = "next_cursor"
    }
}

/// Answer to `POST /api/restart`.
public struct RestartBody: Codable, Sendable, Equatable {
    public var ok: Bool

    public init(ok: Bool) {
        self.ok = ok
    }
}
