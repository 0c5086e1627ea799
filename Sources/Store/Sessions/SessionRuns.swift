internal import GRDB

// What was said in a session, and what belongs to it: which turn, which files, which model? The transcript page by page, as
// clients show a conversation.

/// One message of a transcript with what is known of its turn.
public struct SessionRunMessage: Sendable, Equatable {
    public let message: TranscriptMessage
    public let turnID: String
    /// The model that was called last for the answer; nil for other messages, and when it is not known.
    public let model: String?
    /// The files that came with it; opaque here, nil when there are none, or when the turn is no longer kept.
    public let attachments: String?
}

extension SessionRepository {
    /// The last messages of one of the user's sessions, oldest first, and whether there are older ones; nil when the user has
    /// no such session.
    ///
    /// - Parameter before: only those with a smaller id.
    public func runs(
        handle: String, sessionID: String, before: Int64? = nil, limit: Int
    ) async throws -> (messages: [SessionRunMessage], hasOlder: Bool)? {
        try await database.pool.read { connection in
            guard let session = try Self.row(handle, sessionID, in: connection) else { return nil }
            let rows = try Row.fetchCursor(
                connection,
                sql: """
                    SELECT said.id, said.turn, said.role, said.text, said.interrupted, said.created_at,
                        (SELECT model FROM usage_log WHERE turn = said.turn AND said.role = 'assistant'
                            ORDER BY call DESC LIMIT 1) AS model,
                        (SELECT attachments FROM turns WHERE id = said.turn AND said.role = 'user') AS attachments
                    FROM session_messages AS said WHERE session = ? AND said.id < ? ORDER BY said.id DESC
                    """, arguments: [session, before ?? Int64.max])
            var messages: [SessionRunMessage] = []
            var length = 0
            while let row = try rows.next() {
                guard messages.count < limit, messages.isEmpty || length < Self.pageLength else {
                    return (messages.reversed(), true)
                }
                let message = SessionMessageRecord(
                    role: row["role"], text: row["text"], interrupted: row["interrupted"])
                messages.append(
                    SessionRunMessage(
                        message: TranscriptMessage(id: row["id"], message: message, at: row["created_at"]),
                        turnID: row["turn"], model: row["model"], attachments: row["attachments"]))
                length += message.text.utf8.count
            }
            return (messages.reversed(), false)
        }
    }
}
