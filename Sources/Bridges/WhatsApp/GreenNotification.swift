internal import JSON

// What does a notification of Green API say? Pure: JSON in, an update or nothing out. Everything in it but the ids is a stranger's word,
// and what can't be understood is nothing, because whoever asks deletes it either way.

/// A notification of the queue.
enum GreenNotification {
    case update(InboundUpdate)
    /// The account's state may have changed.
    case state(String)
    /// Nothing for us: our own messages, what became of them, calls, reactions.
    case nothing

    /// - Parameters:
    ///   - own: our own id, as the account's settings gave it.
    ///   - fetch: gives the bytes behind an address.
    init(
        _ body: JSONValue, own: String,
        fetch: @escaping @Sendable (String, @Sendable ([UInt8]) async throws -> Void) async throws -> Void
    ) {
        switch body["typeWebhook"]?.string {
        case "incomingMessageReceived":
            let own = body["instanceData"]?["wid"]?.string.flatMap { $0.isEmpty ? nil : $0 } ?? own
            self = Self.update(body, own: own, fetch).map(Self.update) ?? .nothing
        case "stateInstanceChanged": self = .state(body["stateInstance"]?.string ?? "")
        default: self = .nothing
        }
    }

    private typealias Fetch =
        @Sendable (String, @Sendable ([UInt8]) async throws -> Void) async throws -> Void

    private static func update(_ body: JSONValue, own: String, _ fetch: @escaping Fetch) -> InboundUpdate? {
        guard let sender = body["senderData"], let chat = sender["chatId"]?.string, isID(chat),
            let message = body["idMessage"]?.string, isID(message), let data = body["messageData"],
            let kind = ChatKind(chat), var content = content(of: data, fetch)
        else { return nil }
        // Green API has told of messages of ours as if somebody else had sent them.
        let author = sender["sender"]?.string.flatMap { isID($0) ? $0 : nil }
        if let author, author == own { return nil }
        let isReply = !own.isEmpty && quoted(data) == own
        let isMentioned = takeMention(of: own, from: &content.text)
        if content.text.isEmpty, content.files.isEmpty, !isMentioned { return nil }
        return InboundUpdate(
            id: "\(chat):\(message)", session: "wa:\(bare(chat))", place: ChatPlace(chat: chat),
            sender: InboundUpdate.Sender(
                id: author.map(bare), name: sender["senderName"]?.string ?? "", isPrivateChat: kind == .person),
            isAddressed: kind == .person || isMentioned || isReply, content: SlashText.content(of: content),
            anchor: message)
    }

    private enum ChatKind {
        case person, group

        /// Nil for what nobody can be answered in: statuses, channels, lists.
        init?(_ chat: String) {
            if chat.hasSuffix("@c.us") || chat.hasSuffix("@lid") {
                self = .person
            } else if chat.hasSuffix("@g.us") {
                self = .group
            } else {
                return nil
            }
        }
    }

    /// Ids stand in our own ids, which are bounded.
    private static func isID(_ text: String) -> Bool {
        (1...80).contains(text.utf8.count) && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
    }

    /// As people know it: the number of a person, the id of a group.
    private static func bare(_ id: String) -> String {
        for ending in ["@c.us", "@g.us"] where id.hasSuffix(ending) { return String(id.dropLast(ending.count)) }
        return id
    }

    // MARK: What was said

    private static func content(of data: JSONValue, _ fetch: @escaping Fetch) -> InboundMessage? {
        switch data["typeMessage"]?.string {
        case "textMessage": text(data["textMessageData"]?["textMessage"])
        case "extendedTextMessage", "quotedMessage": text(data["extendedTextMessageData"]?["text"])
        case "editedMessage": text(data["editedMessageData"]?["textMessage"], isEdit: true)
        case "audioMessage", "voiceMessage": file(data, isVoice: true, fetch)
        case "imageMessage", "videoMessage", "documentMessage": file(data, isVoice: false, fetch)
        default: nil
        }
    }

    private static func text(_ value: JSONValue?, isEdit: Bool = false) -> InboundMessage? {
        // `{{SWE001}}` and the like stand for a message that did not reach Green API.
        guard let text = value?.string, text.wholeMatch(of: /\{\{SWE\d{1,4}\}\}/) == nil else { return nil }
        return InboundMessage(text: text, isEdit: isEdit)
    }

    private static func file(_ data: JSONValue, isVoice: Bool, _ fetch: @escaping Fetch) -> InboundMessage? {
        guard let file = data["fileMessageData"], let address = file["downloadUrl"]?.string, !address.isEmpty else {
            return nil
        }
        let name = file["fileName"]?.string ?? ""
        return InboundMessage(
            text: file["caption"]?.string ?? "",
            files: [
                InboundFile(
                    name: name.isEmpty ? "file" : name, mimeType: file["mimeType"]?.string, isVoice: isVoice
                ) { try await fetch(address, $0) }
            ])
    }

    // MARK: Meant for us?

    /// Who wrote the message that this one replies to.
    private static func quoted(_ data: JSONValue) -> String? {
        data["quotedMessage"]?["participant"]?.string ?? data["extendedTextMessageData"]?["participant"]?.string
    }

    /// A mention is our number behind an `@` in the text; it is taken out, since it says nothing.
    private static func takeMention(of own: String, from text: inout String) -> Bool {
        let number = bare(own)
        guard !number.isEmpty, number.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return false }
        let mention = "@\(number)"
        var isMentioned = false
        var rest = text[...]
        var kept = ""
        while let range = rest.firstRange(of: mention) {
            // `@1234` is no mention of 123.
            let isLonger = rest[range.upperBound...].utf8.first.map { (0x30...0x39).contains($0) } ?? false
            kept += isLonger ? rest[..<range.upperBound] : rest[..<range.lowerBound]
            if !isLonger { isMentioned = true }
            rest = rest[range.upperBound...]
        }
        if isMentioned { text = String(SlashText.trimmed((kept + rest)[...])) }
        return isMentioned
    }
}
