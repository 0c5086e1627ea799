public import Wire

// What is a platform to the rest of this room? Somebody who says what came in and carries out what has to go out. All else, who may
// talk, which session a chat is, what is kept on disk, how answers are cut and paced, is the frame's, and the same for every platform.

/// A chat platform. A new one is one folder that holds one of these; nothing else changes.
public protocol Bridge: Sendable {
    var platform: Platform { get }
    var limits: PlatformLimits { get }

    /// Listens until the task is cancelled or the connection is lost; the frame calls it again, after a pause.
    ///
    /// Gives every update to `inbox` and confirms it to the platform only after the call has returned. Updates of different chats are given
    /// at the same time, so that a command is heard while a turn runs or a file is fetched; those of one chat in their order.
    ///
    /// - Throws: ``PlatformFailure``, `CancellationError`.
    func listen(_ inbox: any Inbox) async throws

    /// Carries out one act. Called for one chat at a time in order, for several chats side by side.
    ///
    /// - Parameters:
    ///   - act: what to do.
    ///   - place: where.
    ///   - key: the same for the same act when it is tried again, also after a crash; unique otherwise. For platforms that recognise repeats.
    /// - Returns: the platform's id of the message that there is now; nil where there is none.
    /// - Throws: ``PlatformFailure``, `CancellationError`.
    func perform(_ act: OutboundAct, at place: ChatPlace, key: String) async throws -> String?
}

/// Where a bridge brings what it heard.
public protocol Inbox: Sendable {
    /// Takes one update. Returns when it need not come again: it became a turn that is committed, it was answered in words that are kept, or
    /// it is nobody's. A repeat returns at once and does nothing. Waits as long as the agent can't be reached.
    ///
    /// - Throws: `CancellationError`.
    func receive(_ update: InboundUpdate) async throws

    /// What the bridge has to remember of the platform, e.g. how far it has read; nil at first. Keys are the bridge's own.
    func remembered(_ key: String) async throws -> String?
    /// Durable when it returns.
    func remember(_ key: String, _ value: String?) async throws

    /// The connection to the platform stands: tells admins, and ends the growth of pauses between attempts.
    func connected(as name: String) async
}

/// Where messages of a conversation go.
public struct ChatPlace: Sendable, Hashable, Codable {
    /// The platform's id of the chat.
    public var chat: String
    /// The topic or thread within it; nil: the chat itself.
    public var thread: String?

    public init(chat: String, thread: String? = nil) {
        self.chat = chat
        self.thread = thread
    }
}

/// Something that came in.
public struct InboundUpdate: Sendable {
    public enum Content: Sendable {
        case message(InboundMessage)
        /// A command of the platform's own menu, or a text that begins with a slash.
        ///
        /// - `name`: without the slash, in lower case.
        case command(name: String, argument: String)
        /// Somebody pressed a button of ours.
        ///
        /// - `data`: what ``OutboundButton/data`` said.
        case press(data: String)
    }

    /// The platform's own id, unique for the bot and the same whenever the update comes again. Becomes the `message_id` of the turn, with the
    /// bridge's prefix: at most 200 bytes.
    public var id: String
    /// The session that the chat is, e.g. `tg:155490357`. A private chat is `<prefix>:<user id>`, a group `<prefix>:<chat id>`, a topic or
    /// thread in it `<prefix>:<chat id>:<thread id>`.
    public var session: String
    public var place: ChatPlace
    public var sender: Sender
    /// Whether it is meant for the bot: a private chat, a mention, or a reply to a message of the bot.
    public var isAddressed: Bool
    public var content: Content
    /// How the answer to a command or press is given when it isn't a message in ``place``, e.g. an interaction's token; nil: by a message.
    public var answerTo: String?
    /// The user's message, to which answers reply; nil: they stand alone.
    public var anchor: String?

    public init(
        id: String, session: String, place: ChatPlace, sender: Sender, isAddressed: Bool, content: Content,
        answerTo: String? = nil, anchor: String? = nil
    ) {
        self.id = id
        self.session = session
        self.place = place
        self.sender = sender
        self.isAddressed = isAddressed
        self.content = content
        self.answerTo = answerTo
        self.anchor = anchor
    }

    /// Who said it.
    public struct Sender: Sendable, Equatable {
        /// The platform's id of the user; nil when the platform told none: then nobody may talk.
        public var id: String?
        /// For people, never for a decision.
        public var name: String
        public var isPrivateChat: Bool
        /// Discord's server.
        public var guild: String?

        public init(id: String?, name: String, isPrivateChat: Bool, guild: String? = nil) {
            self.id = id
            self.name = name
            self.isPrivateChat = isPrivateChat
            self.guild = guild
        }
    }
}

/// What a user said.
public struct InboundMessage: Sendable {
    /// Without the mention of the bot.
    public var text: String
    public var files: [InboundFile]
    /// It takes the place of an earlier message that the user changed.
    public var isEdit: Bool

    public init(text: String, files: [InboundFile] = [], isEdit: Bool = false) {
        self.text = text
        self.files = files
        self.isEdit = isEdit
    }
}

/// A file that the platform holds. Nothing is fetched until somebody who may talk has sent it.
public struct InboundFile: Sendable {
    /// As the platform says it, which is a stranger's word.
    public var name: String
    public var mimeType: String?
    /// Bytes, if the platform tells.
    public var size: Int64?
    /// A voice note: it is turned into text.
    public var isVoice: Bool
    /// Gives the bytes, in pieces. Throws ``PlatformFailure``.
    public var fetch: @Sendable (_ write: @Sendable ([UInt8]) async throws -> Void) async throws -> Void

    public init(
        name: String, mimeType: String? = nil, size: Int64? = nil, isVoice: Bool = false,
        fetch: @escaping @Sendable (_ write: @Sendable ([UInt8]) async throws -> Void) async throws -> Void
    ) {
        self.name = name
        self.mimeType = mimeType
        self.size = size
        self.isVoice = isVoice
        self.fetch = fetch
    }
}
