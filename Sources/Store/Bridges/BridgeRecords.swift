// What does a bridge keep, in its own terms? Places and acts are text here: what they say, only the bridge knows.

/// A message of a user that has no answer yet.
public struct BridgeTurn: Sendable, Equatable {
    /// In the order in which they came; 0 before it is kept.
    public var ordinal: Int64 = 0
    public var messageID: String
    public var session: String
    public var place: String
    /// The platform's id of the user's message.
    public var anchor: String?
    public var text: String
    public var source: String
    public var attachments: String

    public init(
        messageID: String, session: String, place: String, anchor: String?, text: String, source: String,
        attachments: String
    ) {
        self.messageID = messageID
        self.session = session
        self.place = place
        self.anchor = anchor
        self.text = text
        self.source = source
        self.attachments = attachments
    }
}

/// Something that is to be done on the platform.
public struct BridgeMessage: Sendable, Equatable {
    /// Grows; 0 before it is kept.
    public var id: Int64 = 0
    /// Those of a lane go out one after the other.
    public var lane: String
    public var chat: String
    public var place: String
    public var act: String
    /// Unique among those that are kept: a second one with the same key is not taken.
    public var key: String

    public init(lane: String, chat: String, place: String, act: String, key: String) {
        self.lane = lane
        self.chat = chat
        self.place = place
        self.act = act
        self.key = key
    }
}

/// The end of a turn.
public struct BridgeEnding: Sendable {
    /// The messages that it was.
    public var messageIDs: [String]
    public var session: String
    /// The number of its last event; nil when it has none.
    public var afterSequence: Int?
    public var messages: [BridgeMessage]

    public init(messageIDs: [String], session: String, afterSequence: Int?, messages: [BridgeMessage]) {
        self.messageIDs = messageIDs
        self.session = session
        self.afterSequence = afterSequence
        self.messages = messages
    }
}

/// A question that waits for a user's word.
public struct BridgeQuestion: Sendable, Equatable {
    public var id: String
    public var session: String
    public var tool: String

    public init(id: String, session: String, tool: String) {
        self.id = id
        self.session = session
        self.tool = tool
    }
}

/// A chat that takes nothing any more.
public struct ParkedChat: Sendable, Equatable {
    public var chat: String
    public var reason: String
    /// Unix seconds.
    public var since: Double

    public init(chat: String, reason: String, since: Double) {
        self.chat = chat
        self.reason = reason
        self.since = since
    }
}

/// A lane with something to send.
public struct BridgeLane: Sendable, Hashable {
    public var lane: String
    public var place: String
}
