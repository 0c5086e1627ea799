internal import Foundation
internal import Store
internal import Wire

// How does what is to be sent survive the process? As text in the outbox: acts of the platform's vocabulary, and those that become one only
// in the moment in which they are sent, because that needs a file of the agent's or the message that is there already.

enum StoredAct: Codable, Equatable {
    /// As the platform is asked.
    case plain(OutboundAct)
    /// The beginning of an answer: takes the place of the turn's draft, if there is one.
    case reply(turn: String, OutboundText)
    /// The turn has nothing to say: its draft, if there is one, says this.
    case close(turn: String, String)
    case file(StoredAttachment)
    /// The answer, spoken.
    case speech(text: String, replyTo: String?)
}

/// A file that the agent keeps.
struct StoredAttachment: Codable, Equatable {
    var id: String?
    var kind: Attachment.Kind
    var name: String
    var mimeType: String?
    var size: Int64?
    var replyTo: String?
}

/// What is to be done where.
struct Outgoing: Equatable {
    var place: ChatPlace
    var act: StoredAct
    /// Unique among all that wait.
    var key: String

    /// - Throws: when it has no JSON form, which all have.
    func message() throws -> BridgeMessage {
        let text = try place.text()
        return BridgeMessage(
            lane: Self.lane(text, isAnswer: act.isAnswer), chat: place.chat, place: text, act: try JSONText.encode(act),
            key: key)
    }

    /// Answers to an interaction have not long to live: they don't wait behind what a chat has still to get.
    static func lane(_ place: String, isAnswer: Bool) -> String { isAnswer ? place + "!" : place }
}

extension StoredAct {
    var isAnswer: Bool { if case .plain(.answer) = self { true } else { false } }
}

extension ChatPlace {
    /// The same text for the same place.
    func text() throws -> String { try JSONText.encode(self) }

    init(text: String) throws { self = try JSONText.decode(ChatPlace.self, text) }
}

enum JSONText {
    static func encode(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    static func decode<T: Decodable>(_ type: T.Type, _ text: String) throws -> T {
        try JSONDecoder().decode(type, from: Data(text.utf8))
    }
}
