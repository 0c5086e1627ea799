internal import Logging
internal import Store
internal import Synchronization
internal import Wire

// What becomes of an update? Once, whatever the platform repeats: nothing, when nobody who may talk said it; words, kept in the outbox; or
// a turn, kept here in the same transaction as the note that the update was seen, and at the agent before the platform is told. What
// commands and buttons do is in `FrameCommands.swift`.

final class FrameInbox: Inbox {
    let frame: BridgeFrame
    let conversations: Conversations
    let lanes: Lanes
    private let senders: Senders
    private let status: StatusReporter
    private let onConnected: @Sendable () -> Void
    /// Updates that are being dealt with.
    private let current = Mutex<Set<String>>([])
    private let news = Bell()

    init(
        _ frame: BridgeFrame, _ conversations: Conversations, _ lanes: Lanes, _ status: StatusReporter,
        onConnected: @escaping @Sendable () -> Void
    ) {
        self.frame = frame
        self.conversations = conversations
        self.lanes = lanes
        self.status = status
        self.onConnected = onConnected
        senders = Senders(frame.agent, frame.seams)
    }

    func remembered(_ key: String) async throws -> String? {
        try await frame.persist { try await frame.store.remembered(key) }
    }

    func remember(_ key: String, _ value: String?) async throws {
        try await frame.persist { try await frame.store.remember(key, value) }
    }

    func connected(as name: String) async {
        frame.logger.notice("bridge::connected", metadata: ["platform": "\(frame.platform.rawValue)"])
        status.set(.connected, account: name)
        onConnected()
    }

    func receive(_ update: InboundUpdate) async throws {
        let id = "\(frame.limits.prefix):\(update.id)"
        while true {
            let rings = news.rings
            try Task.checkCancellation()
            if current.withLock({ $0.insert(id).inserted }) { break }
            await news.wait(after: rings)
        }
        defer {
            _ = current.withLock { $0.remove(id) }
            news.ring()
        }
        guard try await frame.persist({ try await !frame.store.hasSeen("in:\(id)") }) else {
            return try await conversations.waitUntilTaken(id)
        }
        guard try await mayTalk(update, id) else { return }
        try await lanes.unpark(update.place.chat)
        switch update.content {
        case .message(let message): try await take(message, update, id)
        case .command(let name, let argument): try await perform(name, argument, update, id)
        case .press(let data): try await press(data, update, id)
        }
    }

    // MARK: Who

    /// Nothing is kept of whoever may not.
    private func mayTalk(_ update: InboundUpdate, _ id: String) async throws -> Bool {
        var isAddressed = update.isAddressed
        // A button of ours was meant for us.
        if case .press = update.content { isAddressed = true }
        let answer = AccessRule.decide(
            update.sender, chat: update.place.chat, isAddressed: isAddressed, frame.settings.access)
        switch answer {
        case .allow: return true
        case .silence:
            frame.logger.debug("bridge::not_heard", metadata: ["chat": "\(update.place.chat)"])
            return false
        case .ask(let mayPair):
            guard let sender = update.sender.id, sender.utf8.count <= 128 else { return false }
            if try await senders.isApproved(sender) { return true }
            guard mayPair, let code = try await senders.code(for: sender, name: update.sender.name) else {
                return false
            }
            let words = Words.pairing(code: code, platform: frame.platform)
            try await finish(update, id, saying: [.plain(.send(OutboundText(words, replyTo: update.anchor)))])
            return false
        }
    }

    // MARK: Messages

    func take(_ message: InboundMessage, _ update: InboundUpdate, _ id: String) async throws {
        let files = try await InboundFiles(frame).take(message.files)
        let said = ([message.text] + files.spoken).filter { !$0.allSatisfy(\.isWhitespace) }.joined(separator: "\n")
        let notices = files.notices.map { StoredAct.plain(.send(OutboundText($0, replyTo: update.anchor))) }
        guard !said.isEmpty || !files.attachments.isEmpty else {
            try await finish(update, id, saying: notices)
            return
        }
        var text = Personality.text(message.isEdit ? Words.edited(said) : said, frame.settings.personality)
        // The agent takes no more in one frame, and no platform's message has as much.
        if text.utf8.count > Self.longestText { text = String(text.unicodeScalars.prefix(Self.longestText / 4)) }
        let turn = BridgeTurn(
            messageID: id, session: update.session, place: try update.place.text(), anchor: update.anchor, text: text,
            source: (files.spoken.isEmpty ? ClientMessage.Source.typed : .speech).rawValue,
            attachments: try JSONText.encode(files.attachments))
        guard try await finish(update, id, turn: turn, saying: notices) else { return }
        // Without anything in between that a lost connection to the platform could end.
        try await conversations.begin(turn)
        try await conversations.waitUntilTaken(id)
    }

    private static let longestText = 512 * 1_024

    /// The update need not come again.
    ///
    /// - Returns: false when it was dealt with before.
    @discardableResult
    func finish(
        _ update: InboundUpdate, _ id: String, turn: BridgeTurn? = nil, saying acts: [StoredAct] = []
    ) async throws -> Bool {
        let messages = try acts.enumerated().map {
            try Outgoing(place: update.place, act: $1, key: "say:\(id):\($0)").message()
        }
        let isNew = try await frame.persist {
            try await frame.store.accept("in:\(id)", turn: turn, messages: messages, at: frame.seams.now())
        }
        if isNew { try await lanes.sent(messages) }
        return isNew
    }
}
