// What is kept of a conversation? The rows of the session tables in domain terms. Frames and journal entries are opaque
// text here: their vocabularies belong to Wire and Agent.

/// A session's row and the event numbers that this process may use.
public struct SessionRecord: Sendable, Equatable {
    public let id: Int64
    /// No event number up to this one may be used by the caller.
    public let usedSequence: Int64
    /// The last event number that the caller may use before it reserves more.
    public let reservedSequence: Int64
    /// It was not there, or had been removed.
    public let isNew: Bool

    /// Of a session that has no row.
    public static let absent = SessionRecord(id: 0, usedSequence: 0, reservedSequence: 0, isNew: true)
}

/// How far a turn has come. Only the first two can run, or run again after a crash.
public enum TurnState: String, Sendable, CaseIterable {
    case accepted, running, completed, failed, cancelled
    /// Cut short by a clean shutdown.
    case interrupted
}

/// One user text on its way to an answer.
public struct TurnRecord: Sendable, Equatable {
    public let id: String
    /// The order of acceptance, over all lanes; unique.
    public let ordinal: Int64
    /// Whose turns run one after the other.
    public let lane: String
    /// Within whose messages a message id is unique, whatever the lane.
    public let sender: String
    /// The session's row.
    public let session: Int64
    /// The owner of the session.
    public let handle: String
    public let sessionID: String
    /// The client's own ids of the messages that became this turn, in order.
    public let messageIDs: [String]
    public let text: String
    /// Where the text comes from; opaque here.
    public let source: String
    /// The files that belong to it; opaque here, nil when there are none.
    public let attachments: String?
    /// Unix seconds.
    public let acceptedAt: Double
    public let state: TurnState

    /// The last one's id, when there is one.
    public var messageID: String? { messageIDs.last }

    /// - Parameter sender: nil is the device that the lane stands for, and the handle.
    public init(
        id: String, ordinal: Int64, lane: String, sender: String? = nil, session: Int64, handle: String,
        sessionID: String, messageIDs: [String], text: String, source: String = "user_typed",
        attachments: String? = nil, acceptedAt: Double, state: TurnState = .accepted
    ) {
        self.id = id
        self.ordinal = ordinal
        self.lane = lane
        self.sender = sender ?? "\(lane)/\(handle)"
        self.session = session
        self.handle = handle
        self.sessionID = sessionID
        self.messageIDs = messageIDs
        self.text = text
        self.source = source
        self.attachments = attachments
        self.acceptedAt = acceptedAt
        self.state = state
    }

    /// A turn of one message.
    public init(
        id: String, ordinal: Int64, lane: String, sender: String? = nil, session: Int64, handle: String,
        sessionID: String, messageID: String?, text: String, source: String = "user_typed",
        attachments: String? = nil, acceptedAt: Double, state: TurnState = .accepted
    ) {
        self.init(
            id: id, ordinal: ordinal, lane: lane, sender: sender, session: session, handle: handle,
            sessionID: sessionID, messageIDs: messageID.map { [$0] } ?? [], text: text, source: source,
            attachments: attachments, acceptedAt: acceptedAt, state: state)
    }
}

extension TurnRecord {
    /// With other content, as more messages became this turn.
    public func replacing(
        text: String, source: String, attachments: String?, messageIDs: [String]
    ) -> TurnRecord {
        TurnRecord(
            id: id, ordinal: ordinal, lane: lane, sender: sender, session: session, handle: handle,
            sessionID: sessionID, messageIDs: messageIDs, text: text, source: source, attachments: attachments,
            acceptedAt: acceptedAt, state: state)
    }
}

/// What became of a turn that was offered to the database.
public enum TurnAcceptance: Sendable, Equatable {
    case accepted
    /// The client sent this message before; this is the turn that it became then.
    case repeated(TurnRecord)
}

/// One frame of a session's event stream, as sent.
public struct SessionEventRecord: Sendable, Equatable {
    public let sequence: Int64
    public let turnID: String
    /// The JSON text of the frame.
    public let frame: String
    /// Unix seconds.
    public let createdAt: Double

    public init(sequence: Int64, turnID: String, frame: String, createdAt: Double) {
        self.sequence = sequence
        self.turnID = turnID
        self.frame = frame
        self.createdAt = createdAt
    }
}

/// One message of a session's transcript.
public struct SessionMessageRecord: Sendable, Equatable {
    /// `user`, `assistant`, `system` or `tool`.
    public let role: String
    public let text: String
    /// The user stopped this answer before it was complete.
    public let interrupted: Bool

    public init(role: String, text: String, interrupted: Bool = false) {
        self.role = role
        self.text = text
        self.interrupted = interrupted
    }
}

/// Everything that is written when a turn ends, in one transaction.
public struct TurnEnding: Sendable {
    public let state: TurnState
    /// Unix seconds.
    public let finishedAt: Double
    /// The frames that tell listeners.
    public let events: [SessionEventRecord]
    /// What is added to the transcript.
    public let messages: [SessionMessageRecord]
    /// The conversation was cleared while the turn ran: the messages go into its archive instead.
    public let isArchived: Bool
    /// Calls of models that are not recorded yet.
    public let usage: [ModelCallRecord]

    public init(
        state: TurnState, finishedAt: Double, events: [SessionEventRecord], messages: [SessionMessageRecord] = [],
        isArchived: Bool = false, usage: [ModelCallRecord] = []
    ) {
        self.state = state
        self.finishedAt = finishedAt
        self.events = events
        self.messages = messages
        self.isArchived = isArchived
        self.usage = usage
    }
}
