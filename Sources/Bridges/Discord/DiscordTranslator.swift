internal import Wire

// What does an event of Discord's say to the frame? Who speaks is told by ids, never by names; who may speak is not decided here. Pure but
// for the files, which are described here and fetched when somebody asks.

/// Turns Discord's events into updates.
struct DiscordTranslator: Sendable {
    /// The bot.
    let user: String
    /// The bot's own role in the server where something is said.
    var role: String?
    /// Gives the bytes of a file at an address of Discord's.
    let fetch: @Sendable (String, @Sendable ([UInt8]) async throws -> Void) async throws -> Void

    private static let voiceFlag = 1 << 13
    /// An ordinary message and a reply; all others are notices of the platform.
    private static let types: Set<Int> = [0, 19]

    /// - Returns: nil for what is nobody's: other bots, our own words, notices, changes that are no user's.
    func update(_ message: DiscordMessage, isEdit: Bool) -> InboundUpdate? {
        guard let author = message.author, author.bot != true, author.id != user, message.webhookId == nil,
            Self.types.contains(message.type ?? 0), Snowflake.isOne(message.id), Snowflake.isOne(message.channelId)
        else { return nil }
        var id = message.id
        if isEdit {
            // Discord also tells of previews that were added: those carry no time of an edit.
            guard let edited = message.editedTimestamp, edited.utf8.count <= 64, message.content != nil else {
                return nil
            }
            id += ":\(edited)"
        }
        let isPrivate = message.guildId == nil
        let raw = message.content ?? ""
        let text = withoutMention(raw)
        var said = [text]
        var attachments = message.attachments ?? []
        for snapshot in (message.messageSnapshots ?? []).prefix(10) where message.messageReference?.type == 1 {
            if let content = snapshot.message?.content, !content.isEmpty { said.append("Forwarded: \(content)") }
            attachments += snapshot.message?.attachments ?? []
        }
        let isVoice = (message.flags ?? 0) & Self.voiceFlag != 0
        let files = attachments.prefix(20).compactMap { file($0, isVoice: isVoice) }
        let words = said.filter { !$0.isEmpty }.joined(separator: "\n")
        let content = InboundMessage(text: words, files: files, isEdit: isEdit)
        guard !words.isEmpty || !files.isEmpty else { return nil }
        return InboundUpdate(
            id: id, session: isPrivate ? "dc:\(author.id)" : "dc:\(message.channelId)",
            place: ChatPlace(chat: message.channelId),
            sender: .init(id: author.id, name: author.name, isPrivateChat: isPrivate, guild: message.guildId),
            isAddressed: isPrivate || mentions(message, raw) || message.referencedMessage?.author?.id == user,
            content: Self.content(content), anchor: message.id)
    }

    /// - Returns: nil for kinds of interaction that the bot doesn't offer.
    func update(_ interaction: DiscordInteraction) -> InboundUpdate? {
        guard let channel = interaction.channelId, Snowflake.isOne(channel),
            let answer = DiscordAnswerAddress(interaction)
        else { return nil }
        let content: InboundUpdate.Content
        switch (interaction.type, interaction.data?.name, interaction.data?.customId) {
        case (2, let name?, _):
            let argument = (interaction.data?.options ?? []).compactMap(\.value).joined(separator: " ")
            content = .command(name: name.lowercased(), argument: argument)
        case (3, _, let data?): content = .press(data: data)
        default: return nil
        }
        let sender = interaction.member?.user ?? interaction.user
        let isPrivate = interaction.guildId == nil && interaction.context != 2
        return InboundUpdate(
            id: interaction.id,
            session: isPrivate ? "dc:\(sender?.id ?? "")" : "dc:\(channel)", place: ChatPlace(chat: channel),
            sender: .init(
                id: sender?.id, name: sender?.name ?? "", isPrivateChat: isPrivate, guild: interaction.guildId),
            isAddressed: true, content: content, answerTo: answer.text)
    }

    // MARK: Text

    private func mentions(_ message: DiscordMessage, _ raw: String) -> Bool {
        message.mentions?.contains { $0.id == user } == true || ownMentions.contains { raw.contains($0) }
            || role.map { message.mentionRoles?.contains($0) == true } == true
    }

    private var ownMentions: [String] { ["<@\(user)>", "<@!\(user)>"] + (role.map { ["<@&\($0)>"] } ?? []) }

    private func withoutMention(_ text: String) -> String {
        var rest = text[...]
        var kept = ""
        while let start = rest.firstRange(of: "<@") {
            kept += rest[..<start.lowerBound]
            rest = rest[start.lowerBound...]
            if let mention = ownMentions.first(where: rest.hasPrefix) {
                rest = rest.dropFirst(mention.count)
            } else {
                kept += "<@"
                rest = rest.dropFirst(2)
            }
        }
        kept += rest
        let isBlank: (Character) -> Bool = { $0.isWhitespace || $0.isNewline }
        return String(kept.drop(while: isBlank).reversed().drop(while: isBlank).reversed())
    }

    private static func content(_ message: InboundMessage) -> InboundUpdate.Content {
        guard !message.isEdit, message.files.isEmpty, message.text.hasPrefix("/") else { return .message(message) }
        let rest = message.text.dropFirst()
        let name = rest.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
        let argument = rest.dropFirst(name.count)
        guard !name.isEmpty, name.count <= 32, argument.first.map({ $0.isWhitespace || $0.isNewline }) ?? true else {
            return .message(message)
        }
        return .command(name: name.lowercased(), argument: String(argument.drop { $0.isWhitespace || $0.isNewline }))
    }

    private func file(_ attachment: DiscordAttachment, isVoice: Bool) -> InboundFile? {
        guard let url = attachment.url else { return nil }
        let fetch = fetch
        return InboundFile(
            name: attachment.filename ?? "file", mimeType: attachment.contentType, size: attachment.size,
            isVoice: isVoice
        ) { write in try await fetch(url, write) }
    }
}

/// How an interaction is answered, as the text that ``InboundUpdate/answerTo`` holds.
struct DiscordAnswerAddress: Sendable, Equatable {
    /// Discord takes answers for 15 minutes; a little earlier we stop trying.
    static let lifetime = 14.5 * 60

    /// A button was pressed; else a command was given.
    var isPress: Bool
    var application: String
    var interaction: String
    var token: String

    init?(_ interaction: DiscordInteraction) {
        self.init(
            isPress: interaction.type == 3, application: interaction.applicationId, interaction: interaction.id,
            token: interaction.token)
    }

    init?(_ text: String) {
        let parts = text.split(separator: ":", maxSplits: 3, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 4, ["press", "command"].contains(parts[0]) else { return nil }
        self.init(isPress: parts[0] == "press", application: parts[1], interaction: parts[2], token: parts[3])
    }

    private init?(isPress: Bool, application: String, interaction: String, token: String) {
        // It becomes a part of an address.
        let isPlain = token.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "="),
                UInt8(ascii: "."):
                true
            default: false
            }
        }
        guard Snowflake.isOne(application), Snowflake.isOne(interaction), isPlain, (8...1024).contains(token.utf8.count)
        else { return nil }
        self.isPress = isPress
        self.application = application
        self.interaction = interaction
        self.token = token
    }

    var text: String { "\(isPress ? "press" : "command"):\(application):\(interaction):\(token)" }

    /// - Parameter clock: seconds since 1970.
    func isOver(_ clock: Double) -> Bool { clock > Snowflake.time(interaction) + Self.lifetime }
}
