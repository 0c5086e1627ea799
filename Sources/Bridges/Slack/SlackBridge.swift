internal import JSON
public import Wire

// How is Slack a platform? Events come over connections that we open (Socket Mode), so no address of ours is known to Slack; everything that
// goes out is a call of the Web API. An envelope is acknowledged when its update is kept. That takes longer than Slack's three seconds only
// while the agent is away; then Slack brings it again, and it is recognised.

/// The bridge to Slack.
public struct SlackBridge: Bridge {
    public let platform = Platform.slack
    public let limits: PlatformLimits

    /// Slack takes 4000 characters after conversion, and wants no more than one message a second in a channel.
    static let usualLimits = PlatformLimits(
        prefix: "sl", textLength: 3500, unit: .utf16, canEdit: true, hasButtons: true, largestOutboundFile: 1 << 30,
        largestInboundFile: 1 << 30, chatPause: .seconds(1), globalPause: .milliseconds(150),
        editPause: .seconds(2), typingTime: .seconds(3600))

    private let api: SlackAPI
    private let seams: SlackSeams

    /// - Parameters:
    ///   - botToken: `xoxb-…`, for all calls.
    ///   - appToken: `xapp-…`, for opening connections.
    ///   - apiBase: without a slash at its end.
    public init(botToken: String, appToken: String, apiBase: String = "https://slack.com/api") {
        self.init(botToken: botToken, appToken: appToken, apiBase: apiBase, seams: SlackSeams())
    }

    init(
        botToken: String, appToken: String, apiBase: String, http: PlatformHTTP = PlatformHTTP(), seams: SlackSeams,
        limits: PlatformLimits = usualLimits
    ) {
        self.limits = limits
        api = SlackAPI(base: apiBase, botToken: botToken, appToken: appToken, http: http)
        self.seams = seams
    }

    // MARK: In

    public func listen(_ inbox: any Inbox) async throws {
        let identity = try await api.identity()
        let limit = limits.largestInboundFile
        let translator = SlackTranslator(own: identity.user) { [api] file, address, write in
            try await api.fetch(file, at: address, limit: limit, write)
        }
        let intake = ChatIntake()
        try await intake.run(inbox) {
            try await connect(SlackFeed(), identity, inbox) { payload, kind, acknowledge in
                guard let update = translator.update(kind: kind, payload) else { return await acknowledge() }
                intake.add(update, acknowledge)
            }
        }
    }

    /// Keeps connections, and hands over what they bring.
    private func connect(
        _ feed: SlackFeed, _ identity: SlackAPI.Identity, _ inbox: any Inbox,
        _ take: @Sendable (JSONValue, String, @escaping ChatIntake.Confirmation) async -> Void
    ) async throws {
        try await withThrowingDiscardingTaskGroup { group in
            var connections = SlackConnections(seams)
            func carryOut(_ step: SlackConnections.Step) async throws {
                switch step {
                case .nothing: break
                case .connected: await inbox.connected(as: identity.name)
                case .open(let number, let delay):
                    let connection = SlackConnection(
                        number: number, delay: delay, api: api, seams: seams, tell: { feed.put($0) })
                    group.addTask { try await connection.run() }
                case .fail(let failure): throw failure
                }
            }
            try await carryOut(connections.start())
            // Ends when this is cancelled; a connection tells why it ended.
            try await feed.forEach { happening in
                switch happening {
                case .greeted(let number): try await carryOut(connections.greeted(number))
                case .retiring(let number, let reason):
                    try await carryOut(connections.retiring(number, reason: reason))
                case .ended(let number, let failure): try await carryOut(connections.ended(number, failure))
                case .envelope(let payload, let kind, let acknowledge): await take(payload, kind, acknowledge)
                }
            }
        }
    }

    // MARK: Out

    public func perform(_ act: OutboundAct, at place: ChatPlace, key: String) async throws -> String? {
        switch act {
        case .send(let text): return try await post(text, at: place, key: key)
        case .edit(let message, let text):
            guard let content = SlackMessage(text) else { return message }
            let target: [String: JSONValue] = ["channel": .string(place.chat), "ts": .string(message)]
            _ = try await say("chat.update", content, text, target)
            return message
        case .typing: return nil
        case .file(let file):
            try await api.share(file, at: place)
            return nil
        case .answer(let address, let text):
            guard let content = SlackMessage(text) else { return nil }
            if try await api.respond(content, at: address) { return nil }
            return try await post(text, at: place, key: key)
        }
    }

    private func post(_ text: OutboundText, at place: ChatPlace, key: String) async throws -> String? {
        guard let content = SlackMessage(text) else { return nil }
        var target: [String: JSONValue] = [
            "channel": .string(place.chat), "unfurl_links": false, "unfurl_media": false,
            "client_msg_id": .string(SlackMessageID.text(for: "\(place.chat):\(key)")),
        ]
        if let thread = place.thread { target["thread_ts"] = .string(thread) }
        let answer = try await say("chat.postMessage", content, text, target)
        return answer["ts"]?.string
    }

    /// Sends or changes a message; without its blocks when Slack refuses those and nobody has to press one of them.
    private func say(
        _ method: String, _ content: SlackMessage, _ text: OutboundText, _ target: [String: JSONValue]
    ) async throws -> JSONValue {
        let answer = try await api.ask(method, .json(.object(target.merging(content.fields) { $1 })))
        guard let error = SlackError(answer) else { return answer }
        // It was sent before, and somebody has deleted it since.
        if error.code == "duplicate_message_not_found" { return .null }
        guard error.isOfBlocks, text.buttons.isEmpty else { throw error.failure(.chat) }
        let plain = SlackMessage(plain: text)
        return try await api.call(method, .json(.object(target.merging(plain.fields) { $1 })))
    }
}

/// Slack knows a message again by an id in the form of a UUID that its sender chose (`client_msg_id`). Its documents name it only among the
/// errors of `chat.postMessage`, so it is a help and no promise.
enum SlackMessageID {
    /// The same for the same key.
    static func text(for key: String) -> String {
        let halves = [UInt64(0xcbf2_9ce4_8422_2325), 0x9e37_79b9_7f4a_7c15].map { seed in
            // FNV-1a, with a last stir so that similar keys differ everywhere.
            var hash = key.utf8.reduce(seed) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
            hash = (hash ^ (hash >> 33)) &* 0xff51_afd7_ed55_8ccd
            return hash ^ (hash >> 33)
        }
        let digits = halves.map { half in
            let text = String(half, radix: 16)
            return String(repeating: "0", count: 16 - text.count) + text
        }.joined().map(String.init)
        // Version 8 of RFC 9562: made by a rule of our own.
        return digits[0..<8].joined() + "-" + digits[8..<12].joined() + "-8" + digits[13..<16].joined() + "-a"
            + digits[17..<20].joined() + "-" + digits[20..<32].joined()
    }
}
