internal import Wire

// What do the routes of conversations say about themselves?

extension Operation {
    /// A user has as many sessions as are allowed.
    private static let tooManySessions = 409

    static let sessions = Operation(
        "The caller's sessions, the most recently active first", [.limit(), .cursor], answer: SessionsBody.self)
    static let session = Operation("One session", answer: SessionBody.self)
    static let sessionMessages = Operation(
        "What was said last in a session", [.limit(), .cursor, .before], answer: SessionMessagesBody.self)
    static let sessionRuns = Operation(
        "What was said last in a session, with turns, files and models", [.limit(), .cursor, .before],
        answer: SessionRunsBody.self)
    static let sessionEvents = Operation(
        "The events of a session behind a number, in order",
        [
            .query("after", .integer(minimum: 0, maximum: 1 << 53 - 1), "'seq' of the last event that is known"),
            .limit(), .cursor,
        ], answer: SessionEventsBody.self)
    static let sessionContext = Operation(
        "What the agent would be given with the next message", answer: SessionContextBody.self)
    static let changeSession = Operation(
        "Give a session a title, or take it away with null", body: .json(SessionPatch.self),
        answer: SessionBody.self)
    static let clearSession = Operation(
        "Stop a session's turns and move its transcript into the archive", answer: ClearedSession.self)
    static let removeSession = Operation(
        "Stop a session's turns, move its transcript into the archive and remove the session",
        answer: RemovedSession.self)
    static let sessionModel = Operation("The model that was chosen for a session", answer: PinnedSession.self)
    static let pinModel = Operation(
        "Choose the model of a session", body: .json(SessionPin.self), answer: PinnedSession.self,
        errors: [tooManySessions, 501])
    static let unpinModel = Operation("Let a session have the default model", answer: PinnedSession.self)
    static let archives = Operation(
        "The caller's cleared transcripts, newest first", [.limit(), .cursor, .before], answer: ArchivesBody.self)
    static let archivedMessages = Operation(
        "What was said last in a cleared transcript", [.limit(), .cursor, .before],
        answer: ArchivedMessagesBody.self)
}
