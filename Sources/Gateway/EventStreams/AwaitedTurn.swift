internal import Wire

// Which of a session's events belong to one message, and when has it got its answer? Others may talk in the same session, and
// several messages may become one turn; the message's id is in every event that tells of it. Pure: events in, steps out.

/// A message on the way to its answer.
///
/// ```
///   sent ──error──▶ refused
///    │ ──queued, in another session──▶ (asked for there, still sent)
///    └──queued──▶ accepted ──(status │ delta │ approval │ error │ response)*──▶ accepted ──turn_complete──▶ ended
/// ```
struct AwaitedTurn: Sendable {
    enum Step: Sendable, Equatable {
        /// Somebody else's.
        case ignored
        /// It did not become a turn.
        case refused(ErrorCode, String)
        /// It had become a turn in this session before.
        case elsewhere(sessionID: String)
        case event
        case end
    }

    private enum State { case sent, accepted, ended }

    let messageID: String
    private(set) var sessionID: String
    private(set) var turnID: String?
    private(set) var text = ""
    private(set) var model: String?
    private(set) var attachments: [Attachment] = []
    private(set) var completion: ServerMessage.TurnComplete?
    /// Why the turn failed, when an event says it.
    private(set) var failure: (code: ErrorCode, text: String)?
    /// The limit that speaks against it, when an error names one.
    private(set) var budget: BudgetDetails?
    /// Calls that wait for their user's word, with their tools.
    private(set) var waiting: [String: String] = [:]
    private var state = State.sent

    init(messageID: String, sessionID: String) {
        self.messageID = messageID
        self.sessionID = sessionID
    }

    /// The next event of the sessions that are watched.
    mutating func take(_ message: ServerMessage) -> Step {
        guard state != .ended, message.messageID == messageID || message.messageIDs.contains(messageID) else {
            return .ignored
        }
        budget = message.budget ?? budget
        if state == .sent {
            if case .error(let code, let text) = message.body {
                state = .ended
                return .refused(code, text)
            }
            if let session = message.sessionID, session != sessionID {
                sessionID = session
                return .elsewhere(sessionID: session)
            }
            state = .accepted
        }
        // Several messages may have become one turn in the place of another.
        turnID = message.turnID ?? turnID
        switch message.body {
        case .queued, .status, .delta: return .event
        case .approvalRequest(let request):
            waiting[request.id] = request.tool
            return .event
        case .approvalSettled(let id, _):
            waiting[id] = nil
            return .event
        case .error(let code, let text):
            failure = (code, text)
            return .event
        case .response(let text, let model, let attachments):
            (self.text, self.model, self.attachments) = (text, model, attachments)
            return .event
        case .turnComplete(let end):
            completion = end
            state = .ended
            return .end
        default: return .ignored
        }
    }
}
