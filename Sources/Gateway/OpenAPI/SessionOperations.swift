internal import Wire

// What do the routes of conversations say about themselves?

extension Operation {
    static let sessions = Operation(
        "The caller's sessions, the most recently active first", [.limit()], answer: SessionsBody.self)
    static let sessionMessages = Operation(
        "What was said last in a session", [.limit(), .before], answer: SessionMessagesBody.self)
    static let clearSession = Operation(
        "Stop a session's turns and move its transcript into the archive", answer: ClearedSession.self)
    static let pinModel = Operation(
        "Choose the model of a session", body: .json(SessionPin.self), answer: PinnedSession.self, errors: [501])
    static let unpinModel = Operation("Let a session have the default model", answer: PinnedSession.self)
    static let archives = Operation(
        "The caller's cleared transcripts, newest first", [.limit(), .before], answer: ArchivesBody.self)
    static let archivedMessages = Operation(
        "What was said last in a cleared transcript", [.limit(), .before], answer: ArchivedMessagesBody.self)
}
