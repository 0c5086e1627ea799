internal import Foundation
internal import Wire

// Who else has a say in a turn? A voice that speaks the answer, and files that an answer names. Both are asked by the session
// manager at fixed moments and know nothing of lanes, storage or sockets.

/// Follows turns as they run. One call at a time for each turn, in the order of the declarations.
protocol TurnListener: Sendable {
    /// The turn starts, or goes on after a crash.
    func began(_ turn: Turn, in sessions: SessionManager) async

    /// Text was streamed, and has been sent to everybody who watches. Keep it short: the agent waits.
    func delta(_ text: String, of turn: Turn, in sessions: SessionManager) async

    /// The run is over, and its end is not told before this returns: what is said with ``SessionManager/say(_:of:)`` comes
    /// ahead of `response`. When the turn is interrupted the task is cancelled; then this has to return within 200 ms.
    ///
    /// - Parameter text: the answer, or as much of it as there is; nil when there will be no `response` of this turn.
    func willEnd(_ turn: Turn, text: String?, in sessions: SessionManager) async
}

/// Takes the names of files out of an answer.
protocol AnswerContent: Sendable {
    /// Called once the answer is known and before its end is committed; may be called again for the same turn after a
    /// crash.
    ///
    /// - Returns: the text that people read, and the files that belong to it.
    func content(of text: String, in turn: Turn) async -> (text: String, attachments: [Attachment])
}

/// The parts beside the agent that a session manager works with.
struct TurnHooks: Sendable {
    var listener: (any TurnListener)?
    var content: (any AnswerContent)?
}

/// How the files of a message are kept with its turn: JSON of what the wire says.
enum TurnAttachments {
    static func text(_ attachments: [Attachment]) throws -> String? {
        guard !attachments.isEmpty else { return nil }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(attachments), as: UTF8.self)
    }

    static func list(_ text: String?) throws -> [Attachment] {
        guard let text else { return [] }
        return try JSONDecoder().decode([Attachment].self, from: Data(text.utf8))
    }
}
