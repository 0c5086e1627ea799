internal import Wire

// What did a client ask for besides the conversation itself? How it wants to be answered, and files that wait for its next
// message. In memory only: a client says it again when it comes back.

/// How a session's clients want it, from whichever said it last.
struct SessionSettings: Sendable, Equatable {
    /// The longest time that typed messages may be gathered, in milliseconds.
    static let longestWindow = 60_000

    /// UTF-8 bytes of a language's name (RFC 5646 §4.4.1): a longer one is none.
    static let longestLanguage = 35

    /// Whether answers to typed messages are spoken.
    var speak = true
    /// Of speech, ISO 639-1.
    var language: String?
    /// How long typed messages are gathered into one turn. Zero: each is a turn of its own.
    var coalesceWindow = Duration.zero

    /// What the message does not name stays as it was.
    mutating func apply(_ open: ClientMessage.SessionOpen) {
        if let speak = open.speak { self.speak = speak }
        if let language = open.language, language.utf8.count <= Self.longestLanguage { self.language = language }
        if let window = open.coalesceWindow {
            coalesceWindow = .milliseconds(min(max(0, window), Self.longestWindow))
        }
    }
}

/// Files that were named ahead of the message to which they belong.
struct PendingAttachments: Sendable {
    /// Whose next message in which session.
    struct Key: Hashable, Sendable {
        let session: SessionKey
        let device: String
    }

    /// For one message.
    static let limit = 32
    /// Devices' sessions that have some: of all, and of one device, so that none takes the others' places.
    static let sessionLimit = 1_000
    static let sessionsPerDevice = 32
    /// How long they are kept, in seconds.
    static let memory: Double = 3600

    private var lists: [Key: (attachments: [Attachment], since: Double)] = [:]

    /// - Returns: false when there is no room.
    mutating func add(_ attachment: Attachment, for key: Key, now: Double) -> Bool {
        if lists[key] == nil {
            guard lists.count < Self.sessionLimit,
                lists.keys.count(where: { $0.device == key.device }) < Self.sessionsPerDevice
            else { return false }
        }
        guard (lists[key]?.attachments.count ?? 0) < Self.limit else { return false }
        lists[key, default: ([], now)].attachments.append(attachment)
        return true
    }

    mutating func take(for key: Key) -> [Attachment] { lists.removeValue(forKey: key)?.attachments ?? [] }

    /// They were taken for a message that was not accepted.
    mutating func putBack(_ attachments: [Attachment], for key: Key, now: Double) {
        guard !attachments.isEmpty else { return }
        let later = lists[key]?.attachments ?? []
        lists[key] = (Array((attachments + later).prefix(Self.limit)), now)
    }

    /// Files whose message never came.
    mutating func forget(before time: Double) {
        lists = lists.filter { $0.value.since >= time }
    }
}

extension SessionManager {
    /// Bounds that somebody has moved. They count for what is accepted from now on; in a lane in which turns wait already,
    /// for what comes once it was empty.
    func adopt(_ new: AgentConfiguration) {
        limits.waitingPerLane = new.limits.waitingTurnsPerLane
        limits.waitingPerGateway = new.limits.waitingTurns
        limits.sessionsPerUser = new.limits.sessionsPerUser
        let prices = usage.prices
        usage = new.usage.settings
        usage.prices = prices
    }

    /// How answers of a session are spoken.
    func speech(for key: SessionKey) -> (speak: Bool, language: String?) {
        let settings = sessions[key]?.settings ?? SessionSettings()
        return (settings.speak && sessions[key]?.isOnlyRead != true, settings.language)
    }

    /// Keeps a file for the caller's next message in a session. Who may use the file was asked before.
    ///
    /// - Returns: false when too many wait already.
    func addAttachment(_ attachment: Attachment, to sessionID: String, by caller: Caller) -> Bool {
        guard isUsable(sessionID) else { return false }
        return pendingAttachments.add(attachment, for: attachmentKey(sessionID, caller), now: now())
    }

    func attachmentKey(_ sessionID: String, _ caller: Caller) -> PendingAttachments.Key {
        PendingAttachments.Key(
            session: SessionKey(handle: caller.handle, sessionID: sessionID), device: caller.device.hex)
    }

    /// A frame of a running turn outside of the numbered stream, for everybody who watches its session. In order with the
    /// turn's numbered frames for whoever watches live.
    func say(_ body: ServerMessage.Body, of turn: Turn) {
        // Nothing of a turn follows its end.
        guard running[turn.id] != nil else { return }
        sessions[turn.key]?.tell(unnumbered(body, of: turn.record).frame)
    }
}
