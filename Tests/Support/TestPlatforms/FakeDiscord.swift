internal import Foundation
public import JSON

// Whom does a Discord bot meet in a test? REST, gateway and file host of a small Discord on one port (API v10). It refuses what Discord
// refuses, remembers what it was told, and fails as a test wants. This file is what a test does with it; how it answers is in the others.

/// A Discord.
public final class FakeDiscord: Sendable {
    public static let token = "MTE0.fake-token.of-the-bot-9c0d"
    public static let application = "1144000000000000001"
    /// The bot's user.
    public static let bot = "1144000000000000002"
    public static let guild = "1144000000000000003"
    /// What Discord made for the bot when it was invited.
    public static let botRole = "1144000000000000005"

    public let server: FakeServer
    let state: Watched<State>

    private init(_ server: FakeServer, _ state: Watched<State>) {
        self.server = server
        self.state = state
    }

    /// Runs a Discord while `body` does: with one server, and no channels in it.
    @discardableResult
    public static func run<T: Sendable>(
        _ body: @escaping @Sendable (FakeDiscord) async throws -> T
    ) async throws -> T {
        let state = Watched(State())
        return try await FakeServer.run(
            { request in try await FakeDiscordREST(state).answer(request) },
            webSocket: { socket in try await FakeDiscordGateway(state).speak(socket) }
        ) { server in try await body(FakeDiscord(server, state)) }
    }

    /// What a configuration names.
    public var apiBase: String { "\(server.url)/api/v10" }

    // MARK: Who and where

    public struct User: Sendable, Equatable {
        public var id: String
        public var name: String
        public var isBot = false
    }

    public func user(_ name: String, isBot: Bool = false) -> User {
        state.change { state in
            let user = User(id: state.snowflake(), name: name, isBot: isBot)
            state.users[user.id] = user
            return user
        }
    }

    /// A channel of the server.
    public func channel(_ name: String = "general") -> String {
        state.change { state in
            let id = state.snowflake()
            state.channels[id] = Channel(id: id, name: name, guild: Self.guild)
            state.emit("CHANNEL_CREATE", state.channelJSON(id))
            return id
        }
    }

    /// A thread of a channel.
    public func thread(in parent: String, _ name: String = "a thread") -> String {
        state.change { state in
            let id = state.snowflake()
            state.channels[id] = Channel(id: id, name: name, guild: Self.guild, parent: parent)
            state.emit("THREAD_CREATE", state.channelJSON(id))
            return id
        }
    }

    /// The chat of a user with the bot.
    public func direct(_ user: User) -> String {
        state.change { state in
            if let known = state.channels.values.first(where: { $0.recipient == user.id }) { return known.id }
            let id = state.snowflake()
            state.channels[id] = Channel(id: id, name: user.name, recipient: user.id)
            return id
        }
    }

    /// What the bot may not do in a channel from now on.
    public func shut(_ channel: String, _ reason: Channel.Shut?) {
        state.change { $0.channels[channel]?.shut = reason }
    }

    // MARK: What users do

    /// - Returns: the message's id.
    @discardableResult
    public func say(
        _ text: String, by user: User, in channel: String, mentioning: Bool = false, replyingTo message: String? = nil,
        files: [File] = [], isVoice: Bool = false, extra: [String: JSONValue] = [:]
    ) -> String {
        let host = server.url
        return state.change { state in
            var fields = state.message(text, by: user.id, in: channel)
            if mentioning { fields["mentions"] = [state.userJSON(Self.bot)] }
            if let message {
                fields["type"] = 19
                fields["message_reference"] = [
                    "type": 0, "message_id": .string(message), "channel_id": .string(channel),
                ]
                fields["referenced_message"] = state.messages[message] ?? .null
            }
            if isVoice { fields["flags"] = 8192 }
            fields["attachments"] = .array(files.map { state.attachment($0, host) })
            fields.merge(extra) { _, new in new }
            return state.add(fields)
        }
    }

    /// A file that a user sends.
    public struct File: Sendable, Equatable {
        public var name: String
        public var type: String
        public var bytes: [UInt8]

        public init(_ name: String, type: String, _ bytes: [UInt8]) {
            self.name = name
            self.type = type
            self.bytes = bytes
        }
    }

    /// A user changes a message.
    public func edit(_ message: String, to text: String) {
        state.change { $0.edit(message, ["content": .string(text)]) }
    }

    /// Discord adds a preview to a message: it is told as an update, too.
    public func preview(_ message: String) {
        state.change { state in
            guard case .object(var fields)? = state.messages[message] else { return }
            fields["embeds"] = [["type": "link", "url": "https://example.org"]]
            state.emit("MESSAGE_UPDATE", .object(fields))
        }
    }

    /// Discord tells again, as news, what users said.
    public func repeatMessages() {
        state.change { state in
            for id in state.order.values.joined().sorted() {
                guard case .object(var fields)? = state.messages[id], fields["author"]?["bot"] != true else { continue }
                if let guild = state.channels[fields["channel_id"]?.string ?? ""]?.guild {
                    fields["guild_id"] = .string(guild)
                }
                state.emit("MESSAGE_CREATE", .object(fields))
            }
        }
    }

    /// A user gives a command of the menu.
    ///
    /// - Returns: the token of the interaction.
    @discardableResult
    public func command(_ name: String, _ argument: String? = nil, by user: User, in channel: String) -> String {
        let options: [JSONValue] = argument.map { [["name": "name", "type": 3, "value": .string($0)]] } ?? []
        return interaction(
            2,
            [
                "id": "1144000000000000009", "name": .string(name), "type": 1, "options": .array(options),
            ], user, channel)
    }

    /// A user presses a button.
    @discardableResult
    public func press(_ data: String, by user: User, in channel: String, message: String) -> String {
        interaction(3, ["custom_id": .string(data), "component_type": 2], user, channel, message)
    }

    private func interaction(
        _ type: Int, _ data: JSONValue, _ user: User, _ channel: String, _ message: String? = nil
    ) -> String {
        state.change { $0.interaction(type, data, user.id, channel, message) }
    }

    /// Something that bots are told.
    public func emit(_ event: String, _ data: JSONValue) { state.change { $0.emit(event, data) } }

    // MARK: What was told

    /// What the bot did, in order.
    public var sent: [Sent] { state.now.sent }
    /// Messages in a channel by the bot, oldest first, as they read now.
    public func messages(in channel: String) -> [String] {
        let state = state.now
        return state.order[channel, default: []].compactMap { state.messages[$0] }
            .filter { $0["author"]?["id"]?.string == Self.bot }.compactMap { $0["content"]?.string }
    }
    /// The same with all that belongs to them: their ids, files, and what their buttons say.
    public func posts(in channel: String) -> [(id: String, text: String, file: File?, buttons: [String])] {
        let state = state.now
        return state.sent.filter { $0.place == channel && ($0.kind == .message || $0.kind == .file) }.map { sent in
            let message = state.messages[sent.id]
            let buttons = FakeDiscordMessages.buttons(of: message?["components"] ?? []).compactMap {
                $0["custom_id"]?.string
            }
            return (sent.id, message?["content"]?.string ?? "", sent.file, buttons)
        }
    }
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

    // MARK: What goes wrong

    /// How the fake behaves from now on.
    public func set(_ change: @Sendable (inout Behaviour) -> Void) { state.change { change(&$0.behaviour) } }

    /// All connections of the gateway are cut, without a word.
    public func cutGateway() { for socket in server.sockets { socket.cut() } }

    /// The gateway takes nothing and says nothing any more on the connections that are open.
    public func goSilent() {
        state.change { state in
            for number in state.sockets.keys { state.sockets[number]?.isSilent = true }
        }
    }

    /// Asks all bots to connect anew (op 7).
    public func askToReconnect() { tell(["op": 7, "d": .null, "s": .null, "t": .null]) }

    /// Says that sessions are over (op 9); when they are, nobody can take them up any more.
    public func invalidate(isResumable: Bool) {
        state.change { state in if !isResumable { state.sessions = [:] } }
        tell(["op": 9, "d": .bool(isResumable), "s": .null, "t": .null])
    }

    /// The time for answers to an interaction is over.
    public func expire(_ token: String) { state.change { $0.interactions[token]?.isOver = true } }

    /// Sessions are forgotten without a word.
    public func forgetSessions() { state.change { $0.sessions = [:] } }

    /// Closes all connections with a code.
    public func close(_ code: UInt16) async throws {
        for socket in server.sockets { try await socket.close(code: code) }
    }

    /// Wants a heartbeat now (op 1).
    public func wantHeartbeat() { tell(["op": 1, "d": .null, "s": .null, "t": .null]) }

    private func tell(_ frame: JSONValue) {
        state.change { state in
            for socket in state.sockets.values { socket.outbox.yield(frame) }
        }
    }
}
