internal import Wire

// What is sent when a turn is over? From what the agent said last to the acts that say it on the platform. Pure.

/// What the agent said of a turn so far.
struct TurnOutcome: Equatable {
    var text: String?
    var attachments: [Attachment] = []
    /// Why it broke off.
    var failure: String?
}

/// A message of a user that waits for its answer.
struct OpenTurn {
    let id: String
    let session: String
    let place: ChatPlace
    /// Where what is said there waits in line.
    let lane: String
    let anchor: String?
    let isVoice: Bool
    var isSent = false
    /// The agent has it on disk.
    var isTaken = false
    var outcome = TurnOutcome()

    /// - Parameters:
    ///   - turnID: whose draft the answer takes the place of.
    ///   - reason: how it ended.
    func acts(
        _ reason: ServerMessage.TurnComplete.Reason, limits: PlatformLimits,
        split: (String, Int, PlatformLimits.Unit) -> [String]
    ) -> [Outgoing] {
        var acts: [StoredAct] = []
        let text = outcome.text ?? ""
        let isBlank = text.allSatisfy(\.isWhitespace)
        if isVoice, !isBlank, reason == .completed { acts.append(.speech(text: text, replyTo: anchor)) }
        acts += outcome.attachments.map { file in
            .file(
                StoredAttachment(
                    id: file.id, kind: file.kind, name: FileName.safe(file.filename), mimeType: file.mimeType,
                    size: file.size, replyTo: anchor))
        }
        var pieces = isBlank ? [] : split(text, limits.textLength, limits.unit)
        if let failure = outcome.failure { pieces += split(failure, limits.textLength, limits.unit) }
        if pieces.isEmpty {
            let isSilent = reason == .cancelled || !outcome.attachments.isEmpty
            acts.append(
                isSilent
                    ? .close(turn: id, reason == .cancelled ? Words.stopped : "📎")
                    : .reply(turn: id, OutboundText(Words.nothingSaid, replyTo: anchor)))
        }
        for (index, piece) in pieces.enumerated() {
            acts.append(
                index == 0
                    ? .reply(turn: id, OutboundText(piece, replyTo: anchor)) : .plain(.send(OutboundText(piece))))
        }
        return acts.enumerated().map { Outgoing(place: place, act: $1, key: "\(id):\($0)") }
    }
}
