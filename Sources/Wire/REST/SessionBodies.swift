// What is said over REST about conversations? A user's own sessions, what was said in them, what was cleared away, and the
// model that answers. Times are Unix seconds.

/// One session of `GET /api/sessions?limit=`.
public struct SessionBody: Codable, Sendable, Equatable {
    public var sessionID: String
    /// Messages of the transcript.
    public var messages: Int
    public var createdAt: Double
    /// When something was last said, or accepted that waits or runs.
    public var lastActivity: Double
    /// The model that was chosen; nil is the default.
    public var model: String?
    /// Whether a summary stands for older messages.
    public var folded: Bool
    /// Turns that run.
    public var running: Int
    /// Turns that wait.
    public var waiting: Int

    public init(
        sessionID: String, messages: Int, createdAt: Double, lastActivity: Double, model: String?, folded: Bool,
        running: Int, waiting: Int
    ) {
        self.sessionID = sessionID
        self.messages = messages
        self.createdAt = createdAt
        self.lastActivity = lastActivity
        self.model = model
        self.folded = folded
        self.running = running
        self.waiting = waiting
    }

    private enum CodingKeys: String, CodingKey {
        case messages, model, folded, running, waiting
        case sessionID = "session_id"
        case createdAt = "created_at"
        case lastActivity = "last_activity"
    }
}

/// The most recently active first.
public struct SessionsBody: Codable, Sendable, Equatable {
    public var sessions: [SessionBody]

    public init(sessions: [SessionBody]) {
        self.sessions = sessions
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

    public init(sessionID: String, messages: [TranscriptMessageBody], next: Int64?) {
        self.sessionID = sessionID
        self.messages = messages
        self.next = next
    }

    private enum CodingKeys: String, CodingKey {
        case messages, next
        case sessionID = "session_id"
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

/// `POST` or `PUT /api/sessions/{id}/pin`.
public struct SessionPin: Codable, Sendable, Equatable {
    public var model: String

    public init(model: String) {
        self.model = model
    }
}

/// Answer to it, and to `DELETE /api/sessions/{id}/pin`.
public struct PinnedSession: Codable, Sendable, Equatable {
    public var sessionID: String
    /// Nil is the default.
    public var model: String?

    public init(sessionID: String, model: String?) {
        self.sessionID = sessionID
        self.model = model
    }

    private enum CodingKeys: String, CodingKey {
        case model
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

    public init(archives: [ArchiveBody], next: Int64?) {
        self.archives = archives
        self.next = next
    }
}

/// `GET /api/sessions/archives/{id}?limit=&before=`
public struct ArchivedMessagesBody: Codable, Sendable, Equatable {
    public var archive: ArchiveBody
    /// The last ones, oldest first.
    public var messages: [TranscriptMessageBody]
    /// The value of `before` that asks for what came earlier; nil at the beginning.
    public var next: Int64?

    public init(archive: ArchiveBody, messages: [TranscriptMessageBody], next: Int64?) {
        self.archive = archive
        self.messages = messages
        self.next = next
    }
}

/// Answer to `POST /api/restart`.
public struct RestartBody: Codable, Sendable, Equatable {
    public var ok: Bool

    public init(ok: Bool) {
        self.ok = ok
    }
}
