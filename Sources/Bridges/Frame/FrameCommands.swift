internal import Logging
internal import Wire

// What do commands and buttons do? Commands are the agent's, but for those that people of a chat may not give. Buttons are ours: they stop
// an answer or say whether a tool may run, in their own conversation only.

extension FrameInbox {
    /// Those that are passed on. What needs an admin is not among them.
    private static let passedOn: Set<String> = ["new", "clear", "reset", "stop", "status", "queue", "usage", "model"]

    func perform(_ name: String, _ argument: String, _ update: InboundUpdate, _ id: String) async throws {
        let name = name.lowercased()
        switch name {
        case "start": try await answer(Words.welcome(update.sender.name), update, id)
        case "help": try await answer(Words.commands, update, id)
        case "approve", "deny":
            try await decide(argument, name == "approve" ? .approve : .deny, update, id)
        case _ where Self.passedOn.contains(name):
            let said = try await conversations.command(
                name, session: update.session, argument: argument.isEmpty ? nil : argument)
            try await answer(said, update, id)
        default:
            let text = argument.isEmpty ? "/\(name)" : "/\(name) \(argument)"
            // Where a command has an answer of its own, that says that there will be another one.
            if update.answerTo != nil { try await say(Words.passedOn, update, key: "on:\(id)") }
            try await take(InboundMessage(text: text), update, id)
        }
    }

    func press(_ data: String, _ update: InboundUpdate, _ id: String) async throws {
        let parts = data.split(separator: ":", maxSplits: 1).map(String.init)
        guard parts.count == 2 else {
            try await finish(update, id)
            return
        }
        switch parts[0] {
        case "stop":
            guard parts[1] == BridgeFrame.mark(of: update.session) else {
                return try await answer(Words.otherConversation, update, id)
            }
            let said = try await conversations.command("stop", session: update.session, argument: nil)
            try await answer(said, update, id)
        case "ok": try await decide(parts[1], .approve, update, id)
        case "no": try await decide(parts[1], .deny, update, id)
        default: try await finish(update, id)
        }
    }

    /// A user's word about a call that waits. It counts only in the conversation in which was asked.
    private func decide(
        _ question: String, _ decision: ClientMessage.ApprovalReply, _ update: InboundUpdate, _ id: String
    ) async throws {
        let known = try await frame.persist { try await frame.store.question(question) }
        guard let known, known.session == update.session else {
            return try await answer(Words.unanswerable, update, id)
        }
        let isTaken = try await frame.agent.decide(question, decision)
        // What was decided is said in the chat when the agent tells it; the button only needs to know that it was pressed.
        guard isTaken else { return try await answer(Words.unanswerable, update, id) }
        if update.answerTo != nil {
            try await answer(decision == .approve ? Words.approved : Words.denied, update, id)
        } else {
            try await finish(update, id)
        }
    }

    private func answer(_ text: String, _ update: InboundUpdate, _ id: String) async throws {
        var pieces = Splitting.pieces(of: text, limit: frame.limits.textLength, unit: frame.limits.unit)
        if pieces.isEmpty { pieces = [Words.nothingSaid] }
        try await finish(
            update, id,
            saying: pieces.enumerated().map { index, piece in
                let text = OutboundText(piece, replyTo: index == 0 ? update.anchor : nil)
                return .plain(update.answerTo.map { .answer(to: $0, text) } ?? .send(text))
            })
    }

    /// Says something once that does not end the update.
    private func say(_ text: String, _ update: InboundUpdate, key: String) async throws {
        let text = OutboundText(text)
        let act = update.answerTo.map { OutboundAct.answer(to: $0, text) } ?? .send(text)
        let message = try Outgoing(place: update.place, act: .plain(act), key: key).message()
        let isNew = try await frame.persist {
            try await frame.store.accept(key, messages: [message], at: frame.seams.now())
        }
        if isNew { try await lanes.sent([message]) }
    }
}
