internal import Foundation
public import JSON

// Whom does the bridge to Slack reach in a test? A workspace with channels, members, the Web API and Socket Mode: events wait until they
// are acknowledged, and come again when they were not. What the Web API says is in FakeSlackAPI.

/// A fake workspace of Slack.
public final class FakeSlack: Sendable {
    public struct Channel: Sendable, Equatable {
        public var isArchived = false
        /// Whether our app is in it.
        public var isMember = true

        public init() {}
    }

    /// A message of our app.
    public struct Post: Sendable, Equatable {
        public var ts: String
        public var channel: String
        public var thread: String?
        public var text: String
        public var blocks: [JSONValue] = []
        public var clientID: String?
        /// How often it was changed.
        public var edits = 0
        public var isDeleted = false

        /// What people see: the sections' texts where there are any.
        public var shown: String {
            let sections = blocks.compactMap { $0["text"]?["text"]?.string }
            return sections.isEmpty ? text : sections.joined(separator: "\n")
        }

        public var buttons: [JSONValue] {
            blocks.flatMap { block -> [JSONValue] in
                if case .array(let elements)? = block["elements"] { elements } else { [] }
            }
        }
    }

    public struct File: Sendable, Equatable {
        public var name: String
        public var bytes: [UInt8]
        public var type: String?
        /// Where it was shared.
        public var channel: String?
        public var thread: String?
        var length: Int?

        public init(name: String, bytes: [UInt8], type: String?) {
            self.name = name
            self.bytes = bytes
            self.type = type
        }
    }

    /// What Slack wants to bring.
    public struct Envelope: Sendable, Equatable {
        /// The same whenever it comes again.
        public var number: Int
        public var type: String
        public var payload: JSONValue
        public var attempts = 0
        /// Under which ids it was sent.
        public var ids: Set<String> = []
        public var isAcknowledged = false
    }

    public struct State: Sendable {
        public var posts: [Post] = []
        public var channels: [String: Channel] = ["C100": Channel(), "C200": Channel(), "D100": Channel()]
        /// By id.
        public var files: [String: File] = [:]
        public var envelopes: [Envelope] = []
        /// Answers by addresses that came with commands and presses.
        public var responses: [JSONValue] = []
        /// Addresses that are no good any more.
        public var expired: Set<String> = []
        /// What `apps.connections.open` gave, and was not used.
        public var tickets: Set<String> = []
        public var isSocketModeOn = true
        /// An error for each of the next calls of a method, e.g. `["chat.postMessage": ["is_archived"]]`.
        public var errors: [String: [String]] = [:]
        /// Connections that were told that they will be closed.
        var retiring: Set<String> = []
        /// By line: what it has brought; those that are bringing something; those that said hello.
        var brought: [String: Set<Int>] = [:]
        var busy: Set<String> = []
        var greeted: Set<String> = []
        var last = 100
        var opened = 0

        /// What our app has said and nobody has deleted, oldest first.
        public func shown(in channel: String) -> [String] {
            posts.filter { $0.channel == channel && !$0.isDeleted }.map(\.shown)
        }
    }

    public static let botToken = "xoxb-100-200-aBcDeFgHiJkLmNoP"
    public static let appToken = "xapp-1-A100-300-0123456789abcdef"
    /// Member ids: of our app, and of the person who writes.
    public static let own = "U0BOT"
    public static let person = "U0MARY"

    public let state = Watched(State())
    public let server: FakeServer

    private init(_ server: FakeServer) { self.server = server }

    /// Runs the fake while `body` does.
    public static func run<T: Sendable>(
        _ body: @escaping @Sendable (FakeSlack) async throws -> T
    ) async throws -> T {
        let made = Watched<FakeSlack?>(nil)
        return try await FakeServer.run { request in
            try await made.until { $0 }.answer(request)
        } webSocket: { socket in
            try await made.until { $0 }.serve(socket)
        } _: { server in
            let fake = FakeSlack(server)
            made.change { $0 = fake }
            return try await body(fake)
        }
    }

    public var apiBase: String { server.url + "/api" }
    public var posts: [Post] { state.now.posts }

    /// Of the nth thing that happened.
    static func time(_ number: Int) -> String { "1790000000.\(String(format: "%06d", number))" }

    // MARK: Socket Mode

    private func serve(_ socket: FakeSocket) async throws {
        let ticket = socket.request.query.first { $0.name == "ticket" }?.value ?? ""
        guard state.change({ $0.tickets.remove(ticket) }) != nil else {
            return try await socket.close(code: 1008, reason: "invalid ticket")
        }
        try await socket.send([
            "type": "hello", "num_connections": 1, "connection_info": ["app_id": "A100"],
            "debug_info": ["host": "applink-1", "approximate_connection_time": 18_060],
        ])
        state.change { _ = $0.greeted.insert(socket.request.target) }
        await bringAll(by: socket)
        for await event in socket.events {
            guard let id = event.json?["envelope_id"]?.string else { continue }
            state.change { state in
                guard let index = state.envelopes.firstIndex(where: { $0.ids.contains(id) }) else { return }
                state.envelopes[index].isAcknowledged = true
            }
        }
    }

    /// Brings in order what nobody acknowledged, and this line has not brought yet. One at a time for a line.
    private func bringAll(by socket: FakeSocket) async {
        let line = socket.request.target
        while true {
            let number = state.change { state -> Int? in
                guard !state.busy.contains(line) else { return nil }
                let done = state.brought[line] ?? []
                guard let next = state.envelopes.first(where: { !$0.isAcknowledged && !done.contains($0.number) })
                else {
                    return nil
                }
                state.busy.insert(line)
                state.brought[line] = done.union([next.number])
                return next.number
            }
            guard let number else { return }
            await bring(number, by: socket)
            state.change { _ = $0.busy.remove(line) }
        }
    }

    private func bring(_ number: Int, by socket: FakeSocket) async {
        let id = UUID().uuidString.lowercased()
        let frame = state.change { state -> JSONValue? in
            guard let index = state.envelopes.firstIndex(where: { $0.number == number }) else { return nil }
            let envelope = state.envelopes[index]
            state.envelopes[index].ids.insert(id)
            state.envelopes[index].attempts += 1
            var frame: [String: JSONValue] = [
                "envelope_id": .string(id), "type": .string(envelope.type), "payload": envelope.payload,
                "accepts_response_payload": .bool(envelope.type != "events_api"),
            ]
            if envelope.type == "events_api" {
                frame["retry_attempt"] = .integer(Int64(envelope.attempts))
                frame["retry_reason"] = envelope.attempts > 0 ? "timeout" : ""
            }
            return .object(frame)
        }
        if let frame { try? await socket.send(frame) }
    }

    /// Lines that Slack sends on.
    private var lines: [FakeSocket] {
        let (retiring, greeted) = (state.now.retiring, state.now.greeted)
        return server.sockets.filter {
            $0.isOpen && greeted.contains($0.request.target) && !retiring.contains($0.request.target)
        }
    }

    /// Waits until the bridge is on the line.
    ///
    /// - Parameter count: how many lines there have been.
    public func waitForLine(_ count: Int = 1) async throws {
        _ = try await state.waitFor("line \(count)") { $0.greeted.count >= count ? true : nil }
    }

    /// Tells the youngest line that it will be closed, and sends nothing more on it.
    public func retire(_ reason: String = "refresh_requested") async throws {
        guard let socket = lines.last else { return }
        state.change { _ = $0.retiring.insert(socket.request.target) }
        try await socket.send(["type": "disconnect", "reason": .string(reason), "debug_info": ["host": "applink-1"]])
    }

    // MARK: What people do

    private func add(_ type: String, _ payload: JSONValue) async -> Int {
        let number = state.change { state in
            state.envelopes.append(Envelope(number: state.envelopes.count, type: type, payload: payload))
            return state.envelopes.count - 1
        }
        if let socket = lines.last { await bringAll(by: socket) }
        return number
    }

    /// The same once more, as when it was not acknowledged in time.
    public func again(_ number: Int) async {
        if let socket = lines.last { await bring(number, by: socket) }
    }

    /// Waits until it is acknowledged.
    public func waitForAcknowledgement(_ number: Int, within limit: Duration = .seconds(10)) async throws {
        _ = try await state.waitFor("the acknowledgement of \(number)", within: limit) {
            $0.envelopes[number].isAcknowledged ? true : nil
        }
    }

    /// Some event.
    @discardableResult
    public func event(_ event: JSONValue) async -> Int {
        let number = state.change { state in
            state.last += 1
            return state.last
        }
        return await add(
            "events_api",
            [
                "type": "event_callback", "team_id": "T100", "api_app_id": "A100", "event": event,
                "event_id": .string("Ev\(number)"), "event_time": 1_790_000_000,
                "authorizations": [["team_id": "T100", "user_id": .string(Self.own), "is_bot": true]],
            ])
    }

    /// Somebody writes.
    ///
    /// - Parameters:
    ///   - channel: one that begins with D is a conversation with us alone.
    ///   - more: further fields of the event.
    /// - Returns: the envelope's number, and when it was said, which is the message's id.
    @discardableResult
    public func say(
        _ text: String, in channel: String = "D100", from user: String = FakeSlack.person, thread: String? = nil,
        more: [String: JSONValue] = [:]
    ) async -> (envelope: Int, ts: String) {
        let ts = nextTime()
        var event: [String: JSONValue] = [
            "type": "message", "user": .string(user), "text": .string(text), "channel": .string(channel),
            "ts": .string(ts), "event_ts": .string(ts), "team": "T100",
            "channel_type": channel.hasPrefix("D") ? "im" : "channel",
            "client_msg_id": .string(UUID().uuidString.lowercased()),
        ]
        if let thread { event["thread_ts"] = .string(thread) }
        return (await self.event(.object(event.merging(more) { $1 })), ts)
    }

    /// The same message once more, as the mention of us that it is.
    @discardableResult
    public func mention(_ text: String, in channel: String, ts: String, from user: String = FakeSlack.person) async
        -> Int
    {
        await event([
            "type": "app_mention", "user": .string(user), "text": .string(text), "channel": .string(channel),
            "ts": .string(ts), "event_ts": .string(ts), "team": "T100",
        ])
    }

    /// Somebody sends a file.
    @discardableResult
    public func share(
        _ file: File, text: String = "", in channel: String = "D100", from user: String = FakeSlack.person,
        more: [String: JSONValue] = [:]
    ) async -> (envelope: Int, ts: String) {
        let id = "F\(nextNumber())"
        state.change { $0.files[id] = file }
        var fields: [String: JSONValue] = [
            "id": .string(id), "name": .string(file.name), "size": .integer(Int64(file.bytes.count)),
            "mimetype": file.type.map { .string($0) } ?? .null,
            "url_private_download": .string("\(server.url)/files-pri/T100-\(id)/download/file"),
        ]
        fields.merge(more) { $1 }
        fields = fields.filter { $0.value != .null }
        return await say(text, in: channel, from: user, more: ["subtype": "file_share", "files": [.object(fields)]])
    }

    /// Somebody gives a command, e.g. `/stop`.
    @discardableResult
    public func command(
        _ command: String, text: String = "", in channel: String = "D100", from user: String = FakeSlack.person
    ) async -> Int {
        let number = nextNumber()
        return await add(
            "slash_commands",
            [
                "command": .string(command), "text": .string(text), "user_id": .string(user), "user_name": "mary",
                "channel_id": .string(channel), "channel_name": "a-channel", "team_id": "T100",
                "trigger_id": .string("\(number).100.abc"), "api_app_id": "A100",
                "response_url": .string("\(server.url)/commands/T100/\(number)"),
            ])
    }

    /// Somebody presses a button of a message.
    @discardableResult
    public func press(
        _ data: String, on ts: String, in channel: String = "D100", from user: String = FakeSlack.person
    ) async -> Int {
        let number = nextNumber()
        let post = state.now.posts.first { $0.ts == ts && $0.channel == channel }
        let action = post?.buttons.first { $0["value"]?.string == data }?["action_id"]?.string ?? "unknown"
        var message: [String: JSONValue] = ["ts": .string(ts), "user": .string(Self.own)]
        if let thread = post?.thread { message["thread_ts"] = .string(thread) }
        return await add(
            "interactive",
            [
                "type": "block_actions", "user": ["id": .string(user), "username": "mary"],
                "channel": ["id": .string(channel), "name": "a-channel"], "message": .object(message),
                "container": ["type": "message", "message_ts": .string(ts), "channel_id": .string(channel)],
                "trigger_id": .string("\(number).100.abc"), "team": ["id": "T100"],
                "response_url": .string("\(server.url)/actions/T100/\(number)"),
                "actions": [
                    [
                        "type": "button", "action_id": .string(action), "block_id": "b1", "value": .string(data),
                        "action_ts": .string(Self.time(number)),
                    ]
                ],
            ])
    }

    func nextNumber() -> Int {
        state.change { state in
            state.last += 1
            return state.last
        }
    }

    func nextTime() -> String { Self.time(nextNumber()) }
}
