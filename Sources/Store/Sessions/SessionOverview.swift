internal import GRDB

// Which conversations has a user, and what was said in them? Reads for people: lists, and transcripts page by page. Every
// question names the handle, and nothing of another one's is ever part of an answer.

/// One session of a list.
public struct SessionOverview: Sendable, Equatable {
    let row: Int64
    public let sessionID: String
    /// What its owner calls it.
    public let title: String?
    /// Unix seconds.
    public let createdAt: Double
    /// When a turn of it was last accepted, or ended. Unix seconds.
    public let lastActivity: Double
    /// Messages of the transcript.
    public let messages: Int
    /// The model that the user chose; nil is the default.
    public let model: String?
    /// Whether a summary stands for older messages.
    public let isFolded: Bool
    /// Turns that are running, or begin again after a restart.
    public let running: Int
    public let waiting: Int

    /// Where it stands in the list.
    public var place: SessionPlace { SessionPlace(lastActivity: lastActivity, id: row) }
}

/// One message of a transcript, as it is kept.
public struct TranscriptMessage: Sendable, Equatable {
    /// Grows with time; not without gaps.
    public let id: Int64
    public let message: SessionMessageRecord
    /// Unix seconds.
    public let at: Double
}

/// Part of a transcript.
public struct TranscriptPage: Sendable, Equatable {
    /// Oldest first.
    public let messages: [TranscriptMessage]
    /// Whether there are older ones.
    public let hasOlder: Bool
}

extension SessionRepository {
    /// A page ends behind so many bytes of text, however many messages were asked for.
    static let pageLength = 4 << 20

    /// The last messages of one of the user's sessions; nil when the user has no such session.
    ///
    /// - Parameter before: only those with a smaller id.
    public func transcript(
        handle: String, sessionID: String, before: Int64? = nil, limit: Int
    ) async throws -> TranscriptPage? {
        try await database.pool.read { connection in
            try Self.row(handle, sessionID, in: connection).map { session in
                try Self.page(
                    connection, sql: "FROM session_messages WHERE session = ?", of: session, before: before,
                    limit: limit)
            }
        }
    }

    /// The last messages of an archive. Whose it is was asked before.
    public func transcript(ofArchive id: Int64, before: Int64? = nil, limit: Int) async throws -> TranscriptPage {
        try await database.pool.read { connection in
            try Self.page(
                connection, sql: "FROM archived_messages WHERE archive = ?", of: id, before: before, limit: limit)
        }
    }

    private static func page(
        _ connection: GRDB.Database, sql: String, of owner: Int64, before: Int64?, limit: Int
    ) throws -> TranscriptPage {
        let rows = try Row.fetchCursor(
            connection, sql: "SELECT id, role, text, interrupted, created_at \(sql) AND id < ? ORDER BY id DESC",
            arguments: [owner, before ?? Int64.max])
        var messages: [TranscriptMessage] = []
        var length = 0
        while let row = try rows.next() {
            guard messages.count < limit, messages.isEmpty || length < pageLength else {
                return TranscriptPage(messages: messages.reversed(), hasOlder: true)
            }
            let message = SessionMessageRecord(role: row["role"], text: row["text"], interrupted: row["interrupted"])
            messages.append(TranscriptMessage(id: row["id"], message: message, at: row["created_at"]))
            length += message.text.utf8.count
        }
        return TranscriptPage(messages: messages.reversed(), hasOlder: false)
    }
}
