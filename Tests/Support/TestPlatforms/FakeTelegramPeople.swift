public import JSON

// What do people do in Telegram? They write, send files, change what they wrote, press buttons, and open groups. Each becomes an update
// as the Bot API shows it.

extension FakeTelegram {
    // MARK: Chats

    /// Opens a group with the bot in it.
    ///
    /// - Parameter topics: a forum with these topics; nil: no forum.
    public func open(_ id: Int64, _ kind: Chat.Kind = .group, title: String = "Group", topics: Set<Int64>? = nil) {
        state.change { state in
            state.chats[id] = Chat(id: id, kind: kind, title: title, topics: topics ?? [], isForum: topics != nil)
        }
    }

    /// A group becomes a supergroup with another id. Messages stay behind.
    public func migrate(_ chat: Int64, to target: Int64, announced: Bool = true) {
        open(target, .supergroup, title: state.now.chats[chat]?.title ?? "")
        state.change { $0.chats[chat]?.migratedTo = target }
        guard announced else { return }
        post(by: .ann, in: chat, ["migrate_to_chat_id": .integer(target)])
        post(by: .ann, in: target, ["migrate_from_chat_id": .integer(chat)])
    }

    // MARK: Messages

    /// Writes something. Mentions and a command at the beginning are marked as Telegram marks them.
    ///
    /// - Parameters:
    ///   - chat: nil: the private chat with the bot, which exists from then on.
    ///   - topic: of a forum.
    /// - Returns: the message's id.
    @discardableResult
    public func say(
        _ text: String, by person: Person = .ann, in chat: Int64? = nil, topic: Int64? = nil, replyTo: Int64? = nil,
        extra: [String: JSONValue] = [:]
    ) -> Int64 {
        var fields: [String: JSONValue] = ["text": .string(text)]
        let entities = Self.entities(of: text)
        if !entities.isEmpty { fields["entities"] = .array(entities) }
        return post(by: person, in: chat, topic: topic, replyTo: replyTo, fields.merging(extra) { $1 })
    }

    /// Sends a file.
    ///
    /// - Parameters:
    ///   - field: `photo`, `voice`, `audio`, `video`, `video_note`, `document`.
    ///   - size: what Telegram says of it; nil: the truth.
    @discardableResult
    public func send(
        _ field: String, _ bytes: [UInt8], name: String? = nil, type: String? = nil, caption: String? = nil,
        album: String? = nil, by person: Person = .ann, in chat: Int64? = nil, topic: Int64? = nil, size: Int64? = nil
    ) -> Int64 {
        let id = store(bytes, name: name ?? "\(field)s/file", size: size)
        var file: [String: JSONValue] = [
            "file_id": .string(id), "file_unique_id": .string("u\(id)"),
            "file_size": .integer(size ?? Int64(bytes.count)),
            "duration": 1,
        ]
        if let name { file["file_name"] = .string(name) }
        if let type { file["mime_type"] = .string(type) }
        (file["width"], file["height"]) = (640, 480)
        var fields: [String: JSONValue] = [:]
        if field == "photo" {
            var thumbnail = file
            thumbnail["file_id"] = .string(store([0], name: "photos/small", size: nil))
            (thumbnail["width"], thumbnail["height"]) = (64, 48)
            fields[field] = .array([.object(thumbnail), .object(file)])
        } else {
            fields[field] = .object(file)
        }
        if let caption {
            fields["caption"] = .string(caption)
            fields["caption_entities"] = .array(Self.entities(of: caption))
        }
        if let album { fields["media_group_id"] = .string(album) }
        return post(by: person, in: chat, topic: topic, fields)
    }

    /// Changes a message.
    public func change(_ message: Int64, in chat: Int64, to text: String) {
        state.change { state in
            guard let index = state.messages.firstIndex(where: { $0.chat == chat && $0.id == message }),
                case .object(var object) = state.messages[index].object
            else { return }
            object["text"] = .string(text)
            object["entities"] = .array(Self.entities(of: text))
            object["edit_date"] = 1_760_000_100
            state.messages[index].object = .object(object)
            state.messages[index].text = text
            state.give("edited_message", .object(object))
        }
    }

    /// Presses a button of a message of the bot.
    ///
    /// - Returns: the press's id; nil when there is no such button.
    @discardableResult
    public func press(_ label: String, of message: Int64, in chat: Int64, by person: Person = .ann) -> String? {
        press(of: message, in: chat, by: person) { $0.label == label }
    }

    /// The same, by what the button carries.
    @discardableResult
    public func press(data: String, of message: Int64, in chat: Int64, by person: Person = .ann) -> String? {
        press(of: message, in: chat, by: person) { $0.data == data }
    }

    private func press(
        of message: Int64, in chat: Int64, by person: Person, _ isMeant: @Sendable (Button) -> Bool
    ) -> String? {
        state.change { state in
            guard let found = state.messages.first(where: { $0.chat == chat && $0.id == message }),
                let button = found.buttons.first(where: isMeant)
            else { return nil }
            let id = "press\(state.lastUpdate + 1)"
            state.openPresses.insert(id)
            state.give(
                "callback_query",
                .object([
                    "id": .string(id), "from": Self.object(person), "message": found.object,
                    "chat_instance": .string("\(chat)"), "data": .string(button.data),
                ]))
            return id
        }
    }

    /// Any message at all, e.g. of a service, without a sender, or malformed.
    @discardableResult
    public func post(
        by person: Person?, in chat: Int64? = nil, topic: Int64? = nil, replyTo: Int64? = nil,
        kind: String = "message", _ fields: [String: JSONValue]
    ) -> Int64 {
        state.change { state in
            let chat = chat ?? person?.id ?? 0
            if state.chats[chat] == nil {
                state.chats[chat] = Chat(id: chat, kind: .private, title: person?.name ?? "")
            }
            return state.post(by: person, in: chat, thread: topic, replyTo: replyTo, fields) { message in
                message.text = fields["text"]?.string ?? fields["caption"]?.string ?? ""
            } giving: {
                state, object in
                state.give(kind, object)
            }
        }
    }

    /// Any update at all.
    public func give(_ kind: String, _ object: JSONValue) { state.change { $0.give(kind, object) } }

    /// A file that `getFile` knows.
    func store(_ bytes: [UInt8], name: String, size: Int64?) -> String {
        state.change { state in
            state.lastFile += 1
            let id = "file-\(state.lastFile)"
            state.files[id] = (path: "files/\(state.lastFile)/\(name)", bytes: bytes, size: size ?? Int64(bytes.count))
            return id
        }
    }

    // MARK: Marks

    /// Mentions, and a command at the beginning, counted in UTF-16.
    public static func entities(of text: String) -> [JSONValue] {
        var entities: [JSONValue] = []
        let units = Array(text.utf16)
        var index = 0
        while index < units.count {
            let mark = units[index]
            let isStart = index == 0 || !isWord(units[index - 1])
            guard isStart, mark == UInt16(UInt8(ascii: "@")) || mark == UInt16(UInt8(ascii: "/")) && index == 0 else {
                index += 1
                continue
            }
            var end = index + 1
            while end < units.count,
                isWord(units[end]) || mark != UInt16(UInt8(ascii: "@")) && units[end] == UInt16(UInt8(ascii: "@"))
            {
                end += 1
            }
            if end > index + 1 {
                entities.append(
                    .object([
                        "type": mark == UInt16(UInt8(ascii: "@")) ? "mention" : "bot_command",
                        "offset": .integer(Int64(index)),
                        "length": .integer(Int64(end - index)),
                    ]))
            }
            index = end
        }
        return entities
    }

    private static func isWord(_ unit: UInt16) -> Bool {
        guard unit < 128, let scalar = Unicode.Scalar(unit) else { return false }
        return scalar == "_" || scalar.properties.isAlphabetic || scalar.properties.numericType != nil
    }

    static func object(_ person: Person) -> JSONValue {
        [
            "id": .integer(person.id), "is_bot": .bool(person.isBot), "first_name": .string(person.name),
            "username": .string(person.username),
        ]
    }
}

extension FakeTelegram.State {
    mutating func give(_ kind: String, _ object: JSONValue) {
        lastUpdate += 1
        if let allowed, !allowed.contains(kind) { return }
        updates.append((lastUpdate, .object(["update_id": .integer(lastUpdate), kind: object])))
        history.append((lastUpdate, .object(["update_id": .integer(lastUpdate), kind: object])))
    }

    func message(_ id: Int64?, in chat: Int64) -> FakeTelegram.Message? {
        guard let id else { return nil }
        return messages.first { $0.chat == chat && $0.id == id }
    }

    /// Puts a message into a chat.
    ///
    /// - Returns: its id.
    mutating func post(
        by person: FakeTelegram.Person?, in chat: Int64, thread: Int64?, replyTo: Int64?, _ fields: [String: JSONValue],
        _ complete: (inout FakeTelegram.Message) -> Void,
        giving: (inout FakeTelegram.State, JSONValue) -> Void = { _, _ in }
    ) -> Int64 {
        guard var place = chats[chat] else { return 0 }
        place.lastMessage += 1
        chats[chat] = place
        let answered = message(replyTo, in: chat)
        var object = fields
        object["message_id"] = .integer(place.lastMessage)
        object["date"] = 1_760_000_000
        object["chat"] = place.object
        if let person { object["from"] = FakeTelegram.object(person) }
        var thread = thread
        if thread != nil {
            object["is_topic_message"] = true
        } else if place.kind == .supergroup, let answered {
            thread = answered.thread ?? answered.id
        }
        if let thread { object["message_thread_id"] = .integer(thread) }
        if let answered, case .object(var quoted) = answered.object {
            // One level, as the Bot API has it.
            quoted["reply_to_message"] = nil
            object["reply_to_message"] = .object(quoted)
        }
        var message = FakeTelegram.Message(
            id: place.lastMessage, chat: chat, sender: person ?? .init(id: 0, name: "", username: ""),
            object: .object(object), text: "", thread: thread, replyTo: answered?.id)
        complete(&message)
        messages.append(message)
        giving(&self, message.object)
        return message.id
    }
}

extension FakeTelegram.Chat {
    var object: JSONValue {
        var object: [String: JSONValue] = ["id": .integer(id), "type": .string(kind.rawValue)]
        object[kind == .private ? "first_name" : "title"] = .string(title)
        if isForum { object["is_forum"] = true }
        return .object(object)
    }
}
