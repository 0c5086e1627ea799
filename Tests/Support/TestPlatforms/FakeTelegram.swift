public import JSON

// Whom does a bridge to Telegram meet when a test runs it? The Bot API as far as bots that poll use it: it keeps chats and messages, holds
// polls open, forgets what was confirmed, and refuses what Telegram refuses, in Telegram's words. What people do there a test says.

/// The Bot API of one bot, on 127.0.0.1.
public final class FakeTelegram: Sendable {
    public static let token = "123456789:AAF-fake_token_of_a_test"
    public static let bot = Person(id: 123_456_789, name: "Test Bot", username: "fake_agent_bot", isBot: true)

    /// Somebody with an account.
    public struct Person: Sendable, Equatable {
        public var id: Int64
        public var name: String
        public var username: String
        public var isBot: Bool

        public init(id: Int64, name: String, username: String, isBot: Bool = false) {
            self.id = id
            self.name = name
            self.username = username
            self.isBot = isBot
        }

        public static let ann = Person(id: 1001, name: "Ann", username: "ann_example")
        public static let bob = Person(id: 1002, name: "Bob", username: "bob_example")
    }

    public struct Chat: Sendable {
        public enum Kind: String, Sendable { case `private`, group, supergroup, channel }

        public var id: Int64
        public var kind: Kind
        public var title = ""
        public var topics: Set<Int64> = []
        public var isForum = false
        /// Why the bot may not write here: what a 403 says.
        public var shut: String?
        public var migratedTo: Int64?
        /// The highest id of a message.
        public var lastMessage: Int64 = 0
    }

    /// A message in a chat.
    public struct Message: Sendable {
        public var id: Int64
        public var chat: Int64
        public var sender: Person
        /// As the Bot API shows it.
        public var object: JSONValue
        /// As it stands there now, without markup.
        public var text: String
        /// As the bot sent it.
        public var source = ""
        public var thread: Int64?
        public var replyTo: Int64?
        public var buttons: [Button] = []
        /// How the bot sent it.
        public var method = ""
        public var file: FakeRequest.Part?
        /// Texts that it had before.
        public var earlier: [String] = []
    }

    public struct Button: Sendable, Equatable {
        public var label: String
        public var data: String
    }

    /// One `getUpdates`.
    public struct Poll: Sendable {
        public var offset: Int64?
        public var timeout: Int64
        public var began: ContinuousClock.Instant
        /// Updates that it brought; nil while it is held.
        public var brought: [Int64]?
    }

    public struct State: Sendable {
        public internal(set) var chats: [Int64: Chat] = [:]
        /// What stands in the chats, in the order of its coming.
        public internal(set) var messages: [Message] = []
        /// Not confirmed.
        public internal(set) var updates: [(id: Int64, object: JSONValue)] = []
        public internal(set) var polls: [Poll] = []
        /// Presses that were answered.
        public internal(set) var answeredPresses: [String] = []
        public internal(set) var openPresses: Set<String> = []
        public internal(set) var commands: [JSONValue] = []
        /// Chats in which the bot showed that it writes, each time.
        public internal(set) var typing: [Int64] = []
        /// What was refused, in Telegram's words.
        public internal(set) var refusals: [String] = []
        var allowed: Set<String>?
        var lastUpdate: Int64 = 500_000_000
        var webhook: String?
        /// Given with so many polls, whatever was confirmed.
        var repeated: [(id: Int64, object: JSONValue)] = []
        var repeats = 0
        /// All that was given, however long ago.
        var history: [(id: Int64, object: JSONValue)] = []
        /// Polls that are held end with each.
        var cuts = 0
        var isReversed = false
        var files: [String: (path: String, bytes: [UInt8], size: Int64)] = [:]
        var lastFile = 0

        /// Messages of the bot, in the order of their coming.
        public var sent: [Message] { messages.filter(\.sender.isBot) }

        public func sent(to chat: Int64) -> [Message] { sent.filter { $0.chat == chat } }
    }

    let state = Watched(State())
    public let server: FakeServer

    init(_ server: FakeServer) { self.server = server }

    /// Runs Telegram while `body` does.
    public static func run<T: Sendable>(
        _ body: @escaping @Sendable (FakeTelegram) async throws -> T
    ) async throws -> T {
        let itself = Watched<FakeTelegram?>(nil)
        return try await FakeServer.run { request in
            try await itself.until { $0 }.answer(request)
        } _: { server in
            let telegram = FakeTelegram(server)
            itself.change { $0 = telegram }
            return try await body(telegram)
        }
    }

    // MARK: What a test asks

    /// For `api_base`.
    public var url: String { server.url }
    public var now: State { state.now }

    /// Waits until `condition` gives something.
    ///
    /// - Throws: ``FakeTimeout``, `CancellationError`.
    @discardableResult
    public func waitFor<Result: Sendable>(
        _ what: String, within limit: Duration = .seconds(10), _ condition: @escaping @Sendable (State) -> Result?
    ) async throws -> Result {
        try await state.waitFor(what, within: limit, condition)
    }

    /// Waits for so many messages of the bot in a chat, and gives them.
    @discardableResult
    public func waitForSent(
        _ count: Int = 1, to chat: Int64, within limit: Duration = .seconds(10)
    ) async throws -> [Message] {
        try await waitFor("\(count) messages to \(chat)", within: limit) { state in
            let sent = state.sent(to: chat)
            return sent.count >= count ? sent : nil
        }
    }

    // MARK: What goes wrong

    /// Too many requests: the next calls of a method get 429.
    ///
    /// - Parameter chat: nil: whatever chat they are about.
    public func flood(_ method: String, chat: Int64? = nil, times: Int = 1, retryAfter: Int64 = 1) {
        let answer = Self.refusal(
            429, "Too Many Requests: retry after \(retryAfter)", parameters: ["retry_after": .integer(retryAfter)])
        fail(method, .answer(answer), times: times) { chat == nil || $0.field("chat_id") == chat.map { "\($0)" } }
    }

    /// The next calls of a method fail so.
    public func fail(
        _ method: String, _ action: FakeFault.Action, times: Int = 1,
        where matches: @escaping @Sendable (FakeRequest) -> Bool = { _ in true }
    ) {
        server.fail(FakeFault(action, times: times) { $0.lastComponent == method && matches($0) })
    }

    /// The next calls of a method are refused so.
    public func refuse(_ method: String, _ code: Int, _ description: String, times: Int = 1) {
        fail(method, .answer(Self.refusal(code, description)), times: times)
    }

    /// Somebody else polls with this token: polls end with 409.
    public func conflict(times: Int = .max) {
        refuse(
            "getUpdates", 409,
            "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
            times: times)
    }

    public func setWebhook(_ address: String?) { state.change { $0.webhook = address } }

    /// What was given last comes again with so many polls, also when it is confirmed.
    public func repeatUpdates(_ count: Int, times: Int = 1) {
        state.change { state in (state.repeated, state.repeats) = (Array(state.history.suffix(count)), times) }
    }

    public func stopRepeating() { state.change { $0.repeats = 0 } }

    /// The connection of a poll that is held ends without an answer, or that of the next one.
    public func cutPoll() {
        let isHeld = state.change { state in
            state.cuts += 1
            return state.polls.last.map { $0.brought == nil } ?? false
        }
        if !isHeld { fail("getUpdates", .cut) }
    }

    /// Polls bring updates in the wrong order.
    public func reverseUpdates(_ isReversed: Bool = true) { state.change { $0.isReversed = isReversed } }

    /// As after a quiet week: the next update has another number.
    public func count(from number: Int64) {
        state.change { state in
            state.lastUpdate = number - 1
            state.updates = []
        }
    }

    /// The bot may not write to a chat any more, e.g. "Forbidden: bot was blocked by the user"; nil: it may again.
    public func shut(_ chat: Int64, _ description: String? = "Forbidden: bot was blocked by the user") {
        state.change { $0.chats[chat]?.shut = description }
    }

    /// A chat is deleted.
    public func remove(_ chat: Int64) { state.change { $0.chats[chat] = nil } }

    /// A message is deleted.
    public func removeMessage(_ id: Int64, in chat: Int64) {
        state.change { $0.messages.removeAll { $0.chat == chat && $0.id == id } }
    }

    /// How Telegram says no.
    public static func refusal(_ code: Int, _ description: String, parameters: JSONValue? = nil) -> FakeResponse {
        var object: [String: JSONValue] = [
            "ok": false, "error_code": .integer(Int64(code)), "description": .string(description),
        ]
        object["parameters"] = parameters
        return .json(.object(object), status: code)
    }
}
