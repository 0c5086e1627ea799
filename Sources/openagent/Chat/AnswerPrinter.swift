internal import Foundation
internal import Wire

// How does a stream of events look to a reader? Text as it comes, progress in a line of its own, and the authoritative
// answer only as far as it was not streamed already. Other devices may be answered in the same session at the same time: one
// answer streams, the others come whole. It holds text and prints nothing itself.

/// Turns the events of turns into text for a terminal.
struct AnswerPrinter {
    private var streamed = ""
    /// The turn whose answer streams, by its own id and by that of its message.
    private var streaming: (turn: String?, message: String?)?
    private var atLineStart = true

    /// What to print for `message`.
    mutating func text(for message: ServerMessage) -> String {
        switch message.body {
        case .delta(let text):
            guard mayStream(message) else { return "" }
            streamed += text
            return put(text)
        case .response(let text, _, let attachments):
            let isStreamed = mayStream(message)
            defer { if isStreamed { streamed = "" } }
            let rest: String
            if !isStreamed || streamed.isEmpty {
                rest = freshLine() + text
            } else if text.hasPrefix(streamed) {
                rest = String(text.dropFirst(streamed.count))
            } else if AttachmentMarkers(streamed).text == text {
                // It was streamed with the names of its files.
                rest = ""
            } else {
                // Some of it was missed while there was no connection, or the agent corrected itself.
                rest = (atLineStart ? "" : "\n") + text
            }
            return put(rest) + freshLine() + attachments.map { Transfer.line($0) }.joined()
        case .status(let text): return mayStream(message) ? progress(text) : ""
        case .queued(let position):
            return position > 0 ? note("queued, \(position) ahead") : ""
        case .error(_, let text): return freshLine() + put("error: \(text)\n")
        case .commandResult(let text): return freshLine() + put(text + "\n")
        case .turnComplete(let end):
            if mayStream(message) { (streamed, streaming) = ("", nil) }
            return freshLine() + (end.reason == .cancelled ? note("interrupted") : "")
        case .approvalRequest(let request): return freshLine() + put(Self.question(request))
        case .approvalSettled(_, let decision): return note("the call was \(decision)")
        case .heard(let text): return note("you said: \(text)")
        case .sessionState(let state):
            // The ends of turns may be among what is gone.
            (streamed, streaming) = ("", nil)
            return note("\(state.messages.count) earlier messages are in the transcript")
        case .authOK, .pong, .audioStart, .audioChunk, .audioEnd, .resourceEvent, .systemSnapshot, .unknown: return ""
        }
    }

    /// What would run, to the letter, and until when somebody may say no.
    static func question(_ request: ServerMessage.ApprovalRequest) -> String {
        """
        May \(Screen.plain(request.tool)) run with \(Screen.json(request.arguments))?
        y or n; no answer by \(timeText(request.expiresAt, seconds: true)) means no. Elsewhere: \
        openagent approvals approve \(Screen.plain(request.id))

        """
    }

    /// A line about what happens, set apart from what is said.
    mutating func note(_ text: String) -> String { freshLine() + "\u{1B}[2m· \(Screen.lines(text))\u{1B}[0m\n" }

    /// A tool that runs, in one line: what it was called with stands in front of its answer. That it is over shows in what comes
    /// next, unless it failed.
    private mutating func progress(_ status: String) -> String {
        guard let step = ToolStep(status: status) else { return note(status) }
        switch step.phase {
        case .running: return note(Self.line(Self.call(step)))
        case .failed(let reason): return note(Self.line("\(step.tool) failed: \(reason)"))
        case .done: return ""
        }
    }

    private static func call(_ step: ToolStep) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let arguments = step.arguments.sorted { $0.key < $1.key }.map { name, value in
            "\(name): \((try? encoder.encode(value)).map { String(decoding: $0, as: UTF8.self) } ?? "…")"
        }
        return "\(step.tool)(\(arguments.joined(separator: ", ")))"
    }

    /// The rest of it is for `--json`.
    private static func line(_ text: String) -> String {
        Screen.cut(text.split(whereSeparator: \.isNewline).joined(separator: " "), to: max(Screen.size.columns - 3, 20))
    }

    /// Whether this message belongs to the answer that streams, which it then does from now on.
    private mutating func mayStream(_ message: ServerMessage) -> Bool {
        if let streaming, streaming.turn != message.turnID {
            // A turn that took another one's place has its messages.
            guard let replaced = streaming.message, message.messageIDs.contains(replaced) else { return false }
            streamed = ""
        }
        streaming = (message.turnID, message.messageID)
        return true
    }

    private mutating func put(_ text: String) -> String {
        if let last = text.last { atLineStart = last.isNewline }
        return Screen.lines(text)
    }

    private mutating func freshLine() -> String {
        defer { atLineStart = true }
        return atLineStart ? "" : "\n"
    }
}
