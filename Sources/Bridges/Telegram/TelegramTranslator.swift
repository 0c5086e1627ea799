// What happened, in the frame's words? An update of the Bot API is a message, a message that was changed, or a press of a button; all
// else is nobody's: what channels and other bots say, who came and went, stickers, places. Pure but for the promise of files.

/// What an update comes to.
struct TelegramNews: Sendable {
    enum Content: Sendable {
        case nothing
        case update(InboundUpdate)
        /// One of several messages that belong together.
        case albumPart(album: String, InboundUpdate)
    }

    var content: Content
    /// The query of a press: whoever pressed waits for an answer to it.
    var callback: String?
    /// A group that became a supergroup.
    var moved: (from: Int64, to: Int64)?

    init(_ content: Content = .nothing, callback: String? = nil, moved: (from: Int64, to: Int64)? = nil) {
        self.content = content
        self.callback = callback
        self.moved = moved
    }
}

/// Translates updates of one bot.
struct TelegramTranslator: Sendable {
    let bot: TelegramIdentity
    /// Gives the bytes of a file by its id.
    let fetch: @Sendable (_ file: String, _ write: @Sendable ([UInt8]) async throws -> Void) async throws -> Void

    /// Characters of an answer of ours that stand above what somebody replies to it.
    private static let quoteLength = 600

    func news(of update: TelegramObject) -> TelegramNews {
        guard let id = update.number("update_id") else { return TelegramNews() }
        if let message = update["message"] { return self.message(message, id: id, isEdit: false) }
        if let message = update["edited_message"] { return self.message(message, id: id, isEdit: true) }
        if let press = update["callback_query"] { return self.press(press, id: id) }
        return TelegramNews()
    }

    // MARK: Messages

    private func message(_ message: TelegramObject, id: Int64, isEdit: Bool) -> TelegramNews {
        guard let place = TelegramPlace(of: message), let type = message["chat"]?.text("type"), type != "channel" else {
            return TelegramNews()
        }
        if let target = message.number("migrate_to_chat_id") { return TelegramNews(moved: (place.chat, target)) }
        // Channels and nameless administrators speak in the name of a chat: nobody can say who they are.
        let sender = message["from"]
        guard sender?.isTrue("is_bot") != true, message["sender_chat"] == nil, !message.isTrue("is_automatic_forward")
        else { return TelegramNews() }

        let files = TelegramFiles.of(message, fetch)
        let isCaption = message.text("text") == nil
        let original = message.text(isCaption ? "caption" : "text") ?? ""
        guard !original.isEmpty || !files.isEmpty else { return TelegramNews() }
        let text = TelegramText(
            original, message.list(isCaption ? "caption_entities" : "entities"), bot: bot)

        let isPrivate = type == "private"
        let answered = message["reply_to_message"]
        // In a topic all that replies to nothing replies to the topic's beginning.
        let isReply = answered?["from"]?.number("id") == bot.id && answered?["forum_topic_created"] == nil
        var update = InboundUpdate(
            id: "\(id)", session: place.session, place: place.place,
            sender: self.sender(sender, isPrivateChat: isPrivate),
            isAddressed: isPrivate || text.isMentioned || isReply,
            content: .message(InboundMessage(text: "")), anchor: message.number("message_id").map(String.init))
        if files.isEmpty {
            switch text.command(bot: bot) {
            case .none: break
            case .ofAnotherBot: return TelegramNews()
            case .ours(let name, let argument, let isNamed):
                update.isAddressed = update.isAddressed || isNamed
                update.content = .command(name: name, argument: argument)
                return TelegramNews(.update(update))
            }
        }
        // Who says nothing but the bot's name says that.
        var words = text.plain.isEmpty && files.isEmpty ? original : text.plain
        if isReply, let answered, case .replies? = place.thread { words = Self.quoting(answered, words) }
        update.content = .message(InboundMessage(text: words, files: files, isEdit: isEdit))
        guard !isEdit, let album = message.text("media_group_id") else { return TelegramNews(.update(update)) }
        return TelegramNews(.albumPart(album: album, update))
    }

    private func sender(_ user: TelegramObject?, isPrivateChat: Bool) -> InboundUpdate.Sender {
        let names = [user?.text("first_name"), user?.text("last_name")].compactMap { $0 }.joined(separator: " ")
        return InboundUpdate.Sender(
            id: user?.number("id").map(String.init), name: names.isEmpty ? user?.text("username") ?? "" : names,
            isPrivateChat: isPrivateChat)
    }

    /// A reply thread is a conversation of its own, which knows nothing of the answer of ours that it begins with.
    private static func quoting(_ answered: TelegramObject, _ words: String) -> String {
        guard let text = answered.text("text") ?? answered.text("caption"), !text.isEmpty else { return words }
        let isLong = text.count > quoteLength
        let quote = isLong ? text.prefix(quoteLength) + "…" : text[...]
        let lines = quote.split(separator: "\n", omittingEmptySubsequences: false).map { "> \($0)" }
        return "\(lines.joined(separator: "\n"))\n\n\(words)"
    }

    // MARK: Presses

    private func press(_ press: TelegramObject, id: Int64) -> TelegramNews {
        let callback = press.text("id")
        // Without a message it belongs to one that was sent in the name of somebody else.
        guard let message = press["message"], let data = press.text("data"),
            let (place, plain) = TelegramPlace.unmarked(data, at: message), let type = message["chat"]?.text("type"),
            type != "channel", press["from"]?.isTrue("is_bot") != true
        else { return TelegramNews(callback: callback) }
        let update = InboundUpdate(
            id: "\(id)", session: place.session, place: place.place,
            sender: sender(press["from"], isPrivateChat: type == "private"), isAddressed: true,
            content: .press(data: plain))
        return TelegramNews(.update(update), callback: callback)
    }
}

/// Several messages that Telegram shows as one.
enum TelegramAlbum {
    /// One update with all files, and the captions that differ. Its id and anchor are the first one's.
    static func joined(_ parts: [InboundUpdate]) -> InboundUpdate? {
        guard var album = parts.first else { return nil }
        var captions: [String] = []
        var files: [InboundFile] = []
        for part in parts {
            guard case .message(let message) = part.content else { continue }
            if !message.text.isEmpty, !captions.contains(message.text) { captions.append(message.text) }
            for var file in message.files {
                file.name = TelegramFiles.unused(file.name, beside: files.map(\.name))
                files.append(file)
            }
            album.isAddressed = album.isAddressed || part.isAddressed
        }
        album.content = .message(InboundMessage(text: captions.joined(separator: "\n"), files: files))
        return album
    }
}
