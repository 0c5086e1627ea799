internal import JSON

// What does Socket Mode bring? Envelopes with events, commands and presses of buttons in them. Pure: JSON in, an update or nothing out. One
// message may come several times: again because it was not acknowledged in time, and once more as a mention of us. It is known by where and
// when it was said, which is the same each time; how often Slack tried says nothing.

/// A frame of Socket Mode.
enum SlackFrame {
    case hello
    /// The connection will be closed, or is of no use.
    case disconnect(reason: String)
    case envelope(id: String, payload: JSONValue, kind: String)
    case unknown

    init(_ frame: JSONValue) {
        switch frame["type"]?.string {
        case "hello": self = .hello
        case "disconnect": self = .disconnect(reason: frame["reason"]?.string ?? "")
        case let kind?:
            guard let id = frame["envelope_id"]?.string, id.utf8.count <= 200 else {
                self = .unknown
                return
            }
            self = .envelope(id: id, payload: frame["payload"] ?? .null, kind: kind)
        case nil: self = .unknown
        }
    }
}

/// Turns what is in an envelope into an update.
struct SlackTranslator: Sendable {
    /// Gives the bytes of a file: its id, where it lies if Slack says so, and who takes them.
    typealias Fetch =
        @Sendable (_ file: String, _ address: String?, @Sendable ([UInt8]) async throws -> Void) async throws -> Void

    /// Those that a word of its own calls; any other text behind a slash command is for the agent.
    private static let commands: Set<String> = [
        "new", "stop", "status", "queue", "help", "usage", "model", "start", "clear", "reset",
    ]
    private static let mostFiles = 20

    /// Our own member id.
    let own: String
    let fetch: Fetch

    /// Nil when it is nothing for us.
    func update(kind: String, _ payload: JSONValue) -> InboundUpdate? {
        switch kind {
        case "events_api": payload["event"].flatMap(message)
        case "slash_commands": command(payload)
        case "interactive": press(payload)
        default: nil
        }
    }

    // MARK: Messages

    private func message(_ event: JSONValue) -> InboundUpdate? {
        // A thread's reply that was also sent to its channel is told with a subtype, and only so.
        guard let type = event["type"]?.string, type == "message" || type == "app_mention",
            [nil, "file_share", "thread_broadcast"].contains(event["subtype"]?.string), event["bot_id"]?.string == nil,
            let user = Self.id(event["user"]), user != own, let channel = Self.id(event["channel"]),
            let time = Self.id(event["ts"])
        else { return nil }
        let isPrivate = event["channel_type"]?.string == "im" || channel.hasPrefix("D")
        let (text, isMentioned) = SlackWords.plain(event["text"]?.string ?? "", own: own)
        let files = files(event["files"])
        let isAddressed =
            isPrivate || isMentioned || type == "app_mention" || event["parent_user_id"]?.string == own
        if text.isEmpty, files.isEmpty, !isMentioned { return nil }
        let chat = Chat(channel: channel, thread: Self.id(event["thread_ts"]), user: user, isPrivate: isPrivate)
        return chat.update(
            id: "\(channel):\(time)", name: user, isAddressed: isAddressed,
            SlashText.content(of: InboundMessage(text: text, files: files)))
    }

    private func files(_ list: JSONValue?) -> [InboundFile] {
        guard case .array(let list)? = list else { return [] }
        return list.prefix(Self.mostFiles).compactMap { file in
            guard let id = Self.id(file["id"]) else { return nil }
            var size: Int64?
            if case .integer(let bytes)? = file["size"], bytes > 0 { size = bytes }
            let type = file["mimetype"]?.string
            let address = file["url_private_download"]?.string ?? file["url_private"]?.string
            return InboundFile(
                name: file["name"]?.string ?? "file", mimeType: type, size: size,
                isVoice: file["subtype"]?.string == "slack_audio" || type?.hasPrefix("audio/") == true
            ) { [fetch] in try await fetch(id, address, $0) }
        }
    }

    // MARK: Commands and buttons

    private func command(_ payload: JSONValue) -> InboundUpdate? {
        guard let user = Self.id(payload["user_id"]), user != own, let channel = Self.id(payload["channel_id"]),
            let trigger = payload["trigger_id"]?.string, (1...120).contains(trigger.utf8.count),
            let written = payload["command"]?.string
        else { return nil }
        let isPrivate = channel.hasPrefix("D")
        let chat = Chat(channel: channel, thread: nil, user: user, isPrivate: isPrivate)
        return chat.update(
            id: "command:\(trigger)", name: payload["user_name"]?.string ?? user, isAddressed: true,
            Self.content(written, text: payload["text"]?.string ?? ""), answerTo: payload["response_url"]?.string)
    }

    /// `/stop` is the command, and so is `/agent stop`, since an app's commands share their names with those of other apps; `/agent what is
    /// new?` asks the agent.
    private static func content(_ written: String, text: String) -> InboundUpdate.Content {
        let text = String(SlashText.trimmed(text[...]))
        if let (name, _) = SlashText.command(in: written), commands.contains(name) {
            return .command(name: name, argument: text)
        }
        if text.isEmpty { return .command(name: "help", argument: "") }
        if let (name, argument) = SlashText.command(in: "/\(text)"), commands.contains(name) {
            return .command(name: name, argument: argument)
        }
        return .message(InboundMessage(text: text))
    }

    private func press(_ payload: JSONValue) -> InboundUpdate? {
        guard payload["type"]?.string == "block_actions", let user = Self.id(payload["user"]?["id"]),
            case .array(let actions)? = payload["actions"], let action = actions.first,
            action["action_id"]?.string?.hasPrefix(SlackMessage.buttonPrefix) == true,
            let data = action["value"]?.string, data.utf8.count <= 64, let time = Self.id(action["action_ts"]),
            let channel = Self.id(payload["channel"]?["id"] ?? payload["container"]?["channel_id"])
        else { return nil }
        let isPrivate = channel.hasPrefix("D")
        let thread = payload["message"]?["thread_ts"] ?? payload["container"]?["thread_ts"]
        let chat = Chat(channel: channel, thread: Self.id(thread), user: user, isPrivate: isPrivate)
        return chat.update(
            id: "press:\(channel):\(user):\(time)", name: payload["user"]?["username"]?.string ?? user,
            isAddressed: true, .press(data: data), answerTo: payload["response_url"]?.string)
    }

    // MARK: Parts

    /// Where something was said, and by whom.
    private struct Chat {
        var channel: String
        var thread: String?
        var user: String
        var isPrivate: Bool

        func update(
            id: String, name: String, isAddressed: Bool, _ content: InboundUpdate.Content, answerTo: String? = nil
        ) -> InboundUpdate {
            let session =
                if let thread { "sl:\(channel):\(thread)" } else { isPrivate ? "sl:\(user)" : "sl:\(channel)" }
            return InboundUpdate(
                id: id, session: session, place: ChatPlace(chat: channel, thread: thread),
                sender: InboundUpdate.Sender(id: user, name: name, isPrivateChat: isPrivate),
                isAddressed: isAddressed, content: content, answerTo: answerTo)
        }
    }

    /// Ids of Slack are short; ours are bounded.
    private static func id(_ value: JSONValue?) -> String? {
        guard let text = value?.string, (1...40).contains(text.utf8.count),
            text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: ":") })
        else { return nil }
        return text
    }
}
