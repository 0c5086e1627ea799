internal import JSON
public import Wire

// How is WhatsApp a platform? Green API keeps a queue of what happened and gives its head again and again until it is deleted. So one
// notification is handed over at a time, and deleted when it is kept, is nobody's, or can't be understood; what waits for the agent stays at
// Green API (for a day) and not with us, but for files, on which nobody else shall wait. Nothing can be edited and there are no buttons.

/// The bridge to WhatsApp, by Green API.
public struct WhatsAppBridge: Bridge {
    /// What a test decides in place of the world.
    struct Seams: Sendable {
        var pause: @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
        var now: @Sendable () -> ContinuousClock.Instant = { .now }
        /// How long one question waits at Green API: 5 to 60 seconds.
        var pollSeconds = 20
        /// After which nobody answers any more.
        var pollLimit: Duration = .seconds(35)
    }

    public let platform = Platform.whatsapp
    public let limits: PlatformLimits

    /// WhatsApp itself takes longer messages, but folds them away.
    static let usualLimits = PlatformLimits(
        prefix: "wa", textLength: 4096, unit: .utf16, canEdit: false, hasButtons: false,
        largestOutboundFile: 100 << 20, largestInboundFile: 100 << 20, chatPause: .seconds(1),
        globalPause: .milliseconds(100), editPause: .seconds(8), typingTime: .seconds(5))

    private let api: GreenAPI
    private let base: String
    private let http: PlatformHTTP
    private let seams: Seams

    /// - Parameters:
    ///   - id: of the instance (`idInstance`).
    ///   - token: of the instance (`apiTokenInstance`).
    ///   - apiBase: without a slash at its end.
    public init(id: String, token: String, apiBase: String = "https://api.green-api.com") {
        self.init(id: id, token: token, apiBase: apiBase, seams: Seams())
    }

    init(
        id: String, token: String, apiBase: String, http: PlatformHTTP = PlatformHTTP(), seams: Seams,
        limits: PlatformLimits = usualLimits
    ) {
        self.limits = limits
        base = apiBase
        api = GreenAPI(base: apiBase, id: id, token: token, http: http)
        self.http = http
        self.seams = seams
    }

    // MARK: In

    public func listen(_ inbox: any Inbox) async throws {
        let own = try await checkedAccount()
        await inbox.connected(as: own.isEmpty ? "WhatsApp" : "+\(own.prefix { $0 != "@" })")
        let (intake, backlog) = (ChatIntake(), GreenBacklog(inbox))
        try await intake.run(inbox) {
            for item in try await backlog.load() {
                if case .update(let update) = notification(item.body, own) {
                    intake.add(update) { await backlog.remove(item.place) }
                } else {
                    await backlog.remove(item.place)
                }
            }
            while true {
                let asked = seams.now()
                guard let receipt = try await receive() else {
                    // An answer that came at once although there was nothing to say must not become a storm.
                    if seams.now() - asked < .seconds(1) { try await seams.pause(.seconds(1)) }
                    continue
                }
                let notification = notification(receipt.body, own)
                if case .update(let update) = notification {
                    try await take(update, receipt.body, inbox, intake, backlog)
                }
                try await api.delete(receipt.id)
                // An old notification may tell of a state that is long over.
                if case .state(let state) = notification, Self.remedy(for: state) != nil { try await checkState() }
            }
        }
    }

    /// Returns when the notification need not come again.
    private func take(
        _ update: InboundUpdate, _ body: JSONValue, _ inbox: any Inbox, _ intake: ChatIntake, _ backlog: GreenBacklog
    ) async throws {
        // Fetching files takes time in which the queue would stand still for everybody.
        if update.hasFiles || intake.holds(update.session), let place = try await backlog.add(body) {
            if intake.add(update, { await backlog.remove(place) }) != .dropped { return }
            await backlog.remove(place)
        }
        try await inbox.receive(update)
    }

    private func notification(_ body: JSONValue, _ own: String) -> GreenNotification {
        GreenNotification(body, own: own) { address, write in try await fetch(address, write) }
    }

    private func receive() async throws -> GreenAPI.Receipt? {
        do {
            return try await api.receive(waiting: seams.pollSeconds, limit: seams.pollLimit)
        } catch PlatformFailure.refused(let why) {
            throw PlatformFailure.account(why)
        }
    }

    /// - Returns: our own id.
    private func checkedAccount() async throws -> String {
        do {
            try await checkState()
            let settings = try await api.settings()
            if settings.hasWebhook {
                throw PlatformFailure.account(
                    "the Green API instance sends its notifications to a webhook, so none can be read: empty the webhook's URL in the settings of its console"
                )
            }
            if !settings.tellsMessages {
                throw PlatformFailure.account(
                    "the Green API instance does not tell of messages: switch on notifications about incoming messages and files in its console"
                )
            }
            return settings.ownID
        } catch PlatformFailure.refused(let why) { throw PlatformFailure.account(why) }
    }

    private func checkState() async throws {
        if let remedy = Self.remedy(for: try await api.state()) { throw PlatformFailure.account(remedy) }
    }

    /// What an admin does about a state of the account; nil for those that are well or pass by themselves.
    static func remedy(for state: String) -> String? {
        switch state {
        case "notAuthorized":
            "WhatsApp is not linked to the Green API instance: open its console, and scan the QR code again with the phone (Linked devices)"
        case "blocked":
            "WhatsApp has blocked the phone number of the Green API instance: have it unblocked, or link another number"
        case "yellowCard":
            "WhatsApp has suspended sending from this number: read the warning in the Green API console, and restart the instance there"
        default: nil
        }
    }

    private func fetch(_ address: String, _ write: @Sendable ([UInt8]) async throws -> Void) async throws {
        guard GreenFileAddress.isAllowed(address, base: base) else {
            throw PlatformFailure.refused("the file lies at a host that isn't known to belong to Green API")
        }
        try await http.download(address, limit: limits.largestInboundFile, write)
    }

    // MARK: Out

    public func perform(_ act: OutboundAct, at place: ChatPlace, key: String) async throws -> String? {
        switch act {
        case .send(let text), .answer(_, let text): return try await send(text, to: place.chat)
        case .edit: throw PlatformFailure.refused("WhatsApp messages are not edited")
        case .typing:
            try await api.type(in: place.chat, for: Int64(limits.typingTime / .milliseconds(1)))
            return nil
        case .file(let file):
            return try await quoting(file.replyTo) { try await api.send(file, to: place.chat, quoting: $0) }
        }
    }

    private func send(_ text: OutboundText, to chat: String) async throws -> String? {
        var message = WhatsAppMarkup.text(text.markdown)
        // Markup that makes more of it than there was is left out.
        if message.utf16.count > GreenAPI.longestMessage { message = text.markdown }
        guard message.contains(where: { !$0.isWhitespace }) else { return nil }
        return try await quoting(text.replyTo) { [message] in
            try await api.send(message, to: chat, quoting: $0)
        }
    }

    /// Replies; when Green API won't, as for a message that it does not keep any more, the message stands alone.
    private func quoting(_ message: String?, _ send: (String?) async throws -> String?) async throws -> String? {
        do { return try await send(message) } catch PlatformFailure.refused(let why) {
            if message == nil { throw PlatformFailure.refused(why) }
            return try await send(nil)
        }
    }
}

extension InboundUpdate {
    fileprivate var hasFiles: Bool { if case .message(let message) = content { !message.files.isEmpty } else { false } }
}
