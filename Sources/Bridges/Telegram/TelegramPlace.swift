internal import Wire

// Where in Telegram is something said? In a chat, in a topic of it, or below a message of a group without topics (a reply thread, as the
// comments of a channel's post are). Both have a number; topics are named when something is sent there, reply threads only by replying
// to their first message (the Bot API knows no other way), so a place says which it is. Pure.

/// A place as the Bot API has it.
struct TelegramPlace: Sendable, Equatable {
    enum Thread: Sendable, Equatable {
        case topic(Int64)
        /// - `root`: the message that it is about.
        case replies(root: Int64)

        var number: Int64 {
            switch self {
            case .topic(let number), .replies(let number): number
            }
        }
    }

    var chat: Int64
    var thread: Thread?

    init(chat: Int64, thread: Thread? = nil) {
        self.chat = chat
        self.thread = thread
    }

    /// Where a message stands; nil when it names no chat.
    ///
    /// A reply in a forum's general topic has a number as well, which is of no topic.
    init?(of message: TelegramObject) {
        guard let chat = message["chat"], let id = chat.number("id") else { return nil }
        self.chat = id
        guard let number = message.number("message_thread_id") else { return }
        if message.isTrue("is_topic_message") {
            thread = .topic(number)
        } else if chat.text("type") == "supergroup", !chat.isTrue("is_forum") {
            thread = .replies(root: number)
        }
    }

    /// - Throws: ``PlatformFailure/refused(_:)`` for a place that is none of Telegram's.
    init(_ place: ChatPlace) throws(PlatformFailure) {
        guard let id = Int64(place.chat) else { throw .refused("'\(place.chat.prefix(40))' is no chat of Telegram") }
        chat = id
        guard let text = place.thread else { return }
        let isReplies = text.hasPrefix(Self.mark)
        guard let number = Int64(isReplies ? text.dropFirst() : text[...]) else {
            throw .refused("'\(text.prefix(40))' is no topic of Telegram")
        }
        thread = isReplies ? .replies(root: number) : .topic(number)
    }

    private static let mark = "r"

    var place: ChatPlace {
        switch thread {
        case nil: ChatPlace(chat: "\(chat)")
        case .topic(let number): ChatPlace(chat: "\(chat)", thread: "\(number)")
        case .replies(let root): ChatPlace(chat: "\(chat)", thread: "\(Self.mark)\(root)")
        }
    }

    /// In a private chat the chat's id is the user's.
    var session: String {
        let chat = "\(TelegramBridge.prefix):\(self.chat)"
        return thread.map { "\(chat):\($0.number)" } ?? chat
    }

    // MARK: Buttons

    /// Bytes that a button carries.
    private static let buttonLength = 64

    /// What a button of ours carries at this place. A press tells the chat and the topic but not the conversation below a message, since every
    /// answer of ours stands below some message: so the button says it, where there is room.
    func marked(_ data: String) -> String {
        guard case .replies(let root)? = thread else { return data }
        let marked = "\(data)~\(Self.mark)\(root)"
        return marked.utf8.count <= Self.buttonLength ? marked : data
    }

    /// Undoes ``marked(_:)`` for a button at `message`.
    static func unmarked(_ data: String, at message: TelegramObject) -> (place: TelegramPlace, data: String)? {
        guard var place = TelegramPlace(of: message) else { return nil }
        guard case .topic? = place.thread else {
            place.thread = nil
            let parts = data.split(separator: "~", omittingEmptySubsequences: false)
            guard parts.count > 1, let last = parts.last, last.hasPrefix(mark), let root = Int64(last.dropFirst())
            else {
                return (place, data)
            }
            place.thread = .replies(root: root)
            return (place, String(data.dropLast(last.count + 1)))
        }
        return (place, data)
    }
}
