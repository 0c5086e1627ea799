import JSON
import Testing
import Wire

@testable import Bridges

@Suite struct TelegramTranslatorTests {
    private static let translator = TelegramTranslator(bot: TelegramIdentity(id: 7, username: "our_bot")) { _, _ in }

    private static let ann: JSONValue = ["id": 1001, "is_bot": false, "first_name": "Ann", "last_name": "Example"]
    private static let bot: JSONValue = ["id": 7, "is_bot": true, "first_name": "Bot"]
    private static let direct: JSONValue = ["id": 1001, "type": "private"]
    private static let group: JSONValue = ["id": -500, "type": "supergroup"]
    private static let forum: JSONValue = ["id": -600, "type": "supergroup", "is_forum": true]

    private static func news(
        _ fields: [String: JSONValue], in chat: JSONValue = direct, from: JSONValue? = ann, kind: String = "message"
    ) -> TelegramNews {
        var message = fields
        message["message_id"] = 10
        message["chat"] = chat
        message["from"] = from
        return translator.news(of: TelegramObject(.object(["update_id": 5, kind: .object(message)])))
    }

    private static func update(
        _ fields: [String: JSONValue], in chat: JSONValue = direct, from: JSONValue? = ann, kind: String = "message"
    ) -> InboundUpdate? {
        if case .update(let update) = news(fields, in: chat, from: from, kind: kind).content { update } else { nil }
    }

    @Test("a private chat is the session of its user, and always meant for the bot")
    func direct() throws {
        let update = try #require(Self.update(["text": "Hello"]))
        #expect(update.id == "5" && update.session == "tg:1001" && update.place == ChatPlace(chat: "1001"))
        #expect(update.sender == .init(id: "1001", name: "Ann Example", isPrivateChat: true))
        #expect(update.isAddressed && update.words == "Hello" && update.anchor == "10" && update.answerTo == nil)
        #expect(update.message?.isEdit == false)
    }

    @Test("a group is a session; only what mentions the bot or replies to it is meant for it")
    func groups() throws {
        let plain = try #require(Self.update(["text": "Hello all"], in: Self.group))
        #expect(plain.session == "tg:-500" && !plain.isAddressed && !plain.sender.isPrivateChat)
        let mention: JSONValue = [["type": "mention", "offset": 0, "length": 8]]
        let mentioned = try #require(Self.update(["text": "@our_bot hello", "entities": mention], in: Self.group))
        #expect(mentioned.isAddressed && mentioned.words == "hello")
        let reply: JSONValue = ["message_id": 9, "from": Self.bot, "text": "Yes?"]
        let replied = try #require(Self.update(["text": "no", "reply_to_message": reply], in: Self.group))
        #expect(replied.isAddressed && replied.words == "no")
        let other: JSONValue = ["message_id": 9, "from": Self.ann, "text": "Yes?"]
        #expect(Self.update(["text": "no", "reply_to_message": other], in: Self.group)?.isAddressed == false)
        let caption = try #require(
            Self.update(
                ["caption": "@our_bot look", "caption_entities": mention, "photo": [["file_id": "f"]]], in: Self.group))
        #expect(caption.isAddressed && caption.words == "look" && caption.message?.files.count == 1)
        let alone = try #require(Self.update(["text": "@our_bot", "entities": mention], in: Self.group))
        #expect(alone.words == "@our_bot")
    }

    @Test("topics and reply threads are sessions of their own; a reply in a forum's general topic is not")
    func threads() throws {
        let topic = try #require(
            Self.update(["text": "x", "message_thread_id": 77, "is_topic_message": true], in: Self.forum))
        #expect(topic.session == "tg:-600:77" && topic.place == ChatPlace(chat: "-600", thread: "77"))
        let began: JSONValue = ["message_id": 77, "from": Self.bot, "forum_topic_created": ["name": "t"]]
        let unaddressed = Self.update(
            ["text": "x", "message_thread_id": 77, "is_topic_message": true, "reply_to_message": began], in: Self.forum)
        #expect(unaddressed?.isAddressed == false)
        #expect(Self.update(["text": "x", "message_thread_id": 78], in: Self.forum)?.session == "tg:-600")
        let thread = try #require(Self.update(["text": "x", "message_thread_id": 9], in: Self.group))
        #expect(thread.session == "tg:-500:9" && thread.place == ChatPlace(chat: "-500", thread: "r9"))
        let direct = try #require(Self.update(["text": "x", "message_thread_id": 3, "is_topic_message": true]))
        #expect(direct.session == "tg:1001:3")
    }

    @Test("a reply thread that begins with an answer of the bot begins with its words")
    func quotes() throws {
        let long = String(repeating: "a", count: 700)
        for (text, quote) in [("One\nTwo", "> One\n> Two"), (long, "> \(long.prefix(600))…")] {
            let answer: JSONValue = ["message_id": 9, "from": Self.bot, "text": .string(text)]
            let update = try #require(
                Self.update(["text": "and?", "message_thread_id": 9, "reply_to_message": answer], in: Self.group))
            #expect(update.words == "\(quote)\n\nand?")
        }
        // What somebody else said is not put into the mouth of who may talk.
        let stranger: JSONValue = ["message_id": 9, "from": ["id": 666, "is_bot": false], "text": "do this"]
        let update = Self.update(
            ["text": "and?", "message_thread_id": 9, "reply_to_message": stranger], in: Self.group)
        #expect(update?.words == "and?")
    }

    @Test("commands are commands; those of other bots are nobody's")
    func commands() throws {
        #expect(Self.update(["text": "/New conversation"])?.words == "/new conversation")
        #expect(Self.update(["text": "/"])?.message?.text == "/")
        #expect(Self.update(["text": "/stop"], in: Self.group)?.isAddressed == false)
        #expect(Self.update(["text": "/stop@our_bot"], in: Self.group)?.isAddressed == true)
        #expect(Self.update(["text": "/stop@other_bot"], in: Self.group) == nil)
        #expect(Self.update(["text": "/stop@other_bot"]) == nil)
        // With a file it is what the file is about.
        #expect(Self.update(["caption": "/new", "photo": [["file_id": "f"]]])?.message?.text == "/new")
    }

    @Test("P-36: channels, bots, services and whoever hides behind a chat are nobody; who has no id keeps none")
    func nobody() throws {
        let channel: JSONValue = ["id": -700, "type": "channel"]
        #expect(Self.update(["text": "x"], in: channel) == nil)
        #expect(Self.update(["text": "x"], kind: "channel_post") == nil)
        #expect(Self.update(["text": "x"], from: Self.bot) == nil)
        #expect(Self.update(["text": "x"], in: Self.group, from: ["id": 8, "is_bot": true]) == nil)
        #expect(Self.update(["text": "x", "sender_chat": channel], in: Self.group) == nil)
        #expect(Self.update(["text": "x", "is_automatic_forward": true], in: Self.group) == nil)
        for service in ["new_chat_members", "sticker", "location", "contact", "pinned_message", "left_chat_member"] {
            #expect(Self.update([service: [:]]) == nil)
        }
        let nameless = try #require(Self.update(["text": "x"], in: Self.group, from: nil))
        #expect(nameless.sender.id == nil)
        // An id as text, or a name that looks like one, is none.
        let posing = try #require(Self.update(["text": "x"], from: ["id": "1001", "first_name": "1001"]))
        #expect(posing.sender.id == nil && posing.sender.name == "1001")
    }

    @Test("malformed updates are nobody's and keep nothing from others")
    func malformed() {
        let odd: [JSONValue] = [
            .null, [], "text", [:], ["update_id": 5], ["update_id": "5", "message": ["text": "x"]],
            ["update_id": 5, "message": "text"], ["update_id": 5, "message": ["text": "x"]],
            ["update_id": 5, "message": ["text": "x", "chat": ["id": 1]]],
            ["update_id": 5, "message": ["text": 17, "chat": ["id": 1, "type": "private"]]],
            ["update_id": 5, "message": ["photo": [], "chat": ["id": 1, "type": "private"]]],
            ["update_id": 5, "message": ["photo": [["width": 3]], "chat": ["id": 1, "type": "private"]]],
            ["update_id": 5, "callback_query": [:]], ["update_id": 5, "callback_query": ["id": "7", "data": "x"]],
        ]
        for object in odd {
            guard case .nothing = Self.translator.news(of: TelegramObject(object)).content else {
                Issue.record("\(object)")
                continue
            }
        }
    }

    @Test("a changed message says that it is one")
    func edits() {
        #expect(Self.update(["text": "better"], kind: "edited_message")?.message?.isEdit == true)
        let changed = Self.update(
            ["caption": "better", "photo": [["file_id": "f"]], "media_group_id": "g"], kind: "edited_message")
        #expect(changed?.message?.isEdit == true && changed?.words == "better")
    }

    @Test("a part of an album is one")
    func albums() {
        let news = Self.news(["caption": "x", "photo": [["file_id": "f"]], "media_group_id": "g"])
        guard case .albumPart("g", let update) = news.content else {
            Issue.record("\(news)")
            return
        }
        #expect(update.words == "x")
    }

    @Test("files keep what Telegram says of them; of a photo the largest is taken")
    func files() throws {
        let photo: JSONValue = [
            ["file_id": "small", "width": 90, "height": 90],
            ["file_id": "large", "width": 900, "height": 900, "file_size": 4],
            ["file_id": "middle", "width": 300, "height": 300],
        ]
        let cases: [([String: JSONValue], String, String?, Int64?, Bool)] = [
            (["photo": photo], "photo.jpg", "image/jpeg", 4, false),
            (["voice": ["file_id": "f", "mime_type": "audio/ogg", "file_size": 9]], "voice.ogg", "audio/ogg", 9, true),
            (["audio": ["file_id": "f", "file_name": "song.m4a"]], "song.m4a", "audio/mpeg", nil, false),
            (["video": ["file_id": "f"]], "video.mp4", "video/mp4", nil, false),
            (["video_note": ["file_id": "f"]], "video_note.mp4", "video/mp4", nil, false),
            (
                ["document": ["file_id": "f", "file_name": "../../x", "mime_type": "text/plain"]], "../../x",
                "text/plain", nil, false
            ),
            (["animation": ["file_id": "a"], "document": ["file_id": "f"]], "document", nil, nil, false),
        ]
        for (fields, name, type, size, isVoice) in cases {
            let file = try #require(Self.update(fields)?.message?.files.first)
            #expect(
                file.name == name && file.mimeType == type && file.size == size && file.isVoice == isVoice, "\(file)")
        }
    }

    @Test("a press is told with the chat, topic and conversation of its message")
    func presses() throws {
        func press(_ data: String, _ message: JSONValue) -> (InboundUpdate, String?)? {
            let query: JSONValue = ["id": "77", "from": Self.ann, "data": .string(data), "message": message]
            let news = Self.translator.news(of: TelegramObject(["update_id": 5, "callback_query": query]))
            if case .update(let update) = news.content { return (update, news.callback) } else { return nil }
        }
        let (direct, callback) = try #require(press("stop", ["message_id": 3, "chat": Self.direct]))
        #expect(direct.session == "tg:1001" && direct.words == "press stop" && direct.isAddressed && callback == "77")
        #expect(direct.sender.id == "1001" && direct.sender.isPrivateChat)
        // An answer of ours below a message of the group is not a conversation below that message.
        let below: JSONValue = ["message_id": 3, "chat": Self.group, "message_thread_id": 2]
        #expect(press("stop", below)?.0.session == "tg:-500")
        let thread = TelegramPlace(chat: -500, thread: .replies(root: 2))
        let (inThread, _) = try #require(press(thread.marked("stop"), below))
        #expect(inThread.session == "tg:-500:2" && inThread.words == "press stop" && inThread.place == thread.place)
        let topic: JSONValue = ["message_id": 3, "chat": Self.forum, "message_thread_id": 2, "is_topic_message": true]
        #expect(press("stop", topic)?.0.session == "tg:-600:2")
        // A message that is too old to be shown.
        #expect(press("stop", ["message_id": 3, "chat": Self.group, "date": 0])?.0.session == "tg:-500")
    }

    @Test("a place survives what is kept of it, and what is none of Telegram's is refused")
    func places() throws {
        for place in [
            TelegramPlace(chat: 5), .init(chat: -100, thread: .topic(7)), .init(chat: -100, thread: .replies(root: 7)),
        ] {
            #expect(try TelegramPlace(place.place) == place)
        }
        for place in [
            ChatPlace(chat: "x"), .init(chat: ""), .init(chat: "5", thread: "x"), .init(chat: "5", thread: "r"),
        ] {
            #expect(throws: PlatformFailure.self) { try TelegramPlace(place) }
        }
        let long = String(repeating: "d", count: 64)
        #expect(TelegramPlace(chat: 5, thread: .replies(root: 7)).marked(long) == long)
        #expect(TelegramPlace(chat: 5, thread: .topic(7)).marked("stop") == "stop")
    }

    @Test("a group that became a supergroup is followed")
    func moves() {
        let news = Self.news(["migrate_to_chat_id": -100_500], in: ["id": -500, "type": "group"])
        #expect(news.moved?.from == -500 && news.moved?.to == -100_500)
    }
}
