internal import Foundation
public import JSON

// What is there in a fake Discord, and how does it look as JSON? Shapes as in API v10, with all that client libraries insist on.

extension FakeDiscord {
    /// How the fake behaves.
    public struct Behaviour: Sendable {
        /// Milliseconds.
        public var heartbeat = 45_000
        /// The bot may hear what messages say.
        public var allowsMessageContent = true
        /// Sessions that may be begun.
        public var sessionStarts = 1000
        /// Requests of one bucket in so many seconds.
        public var bucket = (limit: 1000, seconds: 1.0)
        /// Requests of this kind are refused so many times, however few they are.
        public var storm: Storm?
        /// Every event is told twice.
        public var repeatsEvents = false
        /// Nil: events go out at once; else they wait for ``FakeDiscord/release(reversed:)``.
        public var holdsEvents = false
        /// Does not understand that a session is to be taken up, although it is there.
        public var refusesResume = false
    }

    /// Many requests in a short time, by whomever.
    public struct Storm: Sendable {
        public var times: Int
        /// Seconds.
        public var retryAfter: Double
        public var isGlobal: Bool
        /// What the path ends with.
        public var suffix: String

        public init(times: Int, retryAfter: Double, isGlobal: Bool = false, suffix: String = "/messages") {
            self.times = times
            self.retryAfter = retryAfter
            self.isGlobal = isGlobal
            self.suffix = suffix
        }
    }

    public struct Channel: Sendable {
        public enum Shut: Sendable { case gone, forbidden, takesNoMessages, mayNotWrite }

        var id: String
        var name: String
        var guild: String?
        var parent: String?
        var recipient: String?
        var shut: Shut?
    }

    /// Something that the bot did.
    public struct Sent: Sendable {
        public enum Kind: Sendable, Equatable {
            case message, edit, typing, file, acknowledged, answer, followUp, takenBack
        }

        public var kind: Kind
        /// The channel, or the token of the interaction.
        public var place: String
        public var text = ""
        public var id = ""
        public var body: JSONValue = .null
        public var file: File?
    }

    public struct Session: Sendable {
        var events: [JSONValue] = []
        /// The connection on which it is.
        var socket: Int?

        public var isOpen: Bool { socket != nil }
        public var eventCount: Int { events.count }
    }

    struct Socket: Sendable {
        var outbox: AsyncStream<JSONValue>.Continuation
        var isSilent = false
    }

    public struct Interaction: Sendable {
        public var id: String
        public var channel: String
        public var user: String
        /// The kind of acknowledgement; nil: none yet.
        public var acknowledged: Int?
        public var original: JSONValue?
        public var followUps: [JSONValue] = []
        /// Its time is over.
        public var isOver = false
    }

    struct Bucket: Sendable {
        var count = 0
        var end: ContinuousClock.Instant
        var isShut = false
    }

    public struct State: Sendable {
        public internal(set) var behaviour = Behaviour()
        public internal(set) var sent: [Sent] = []
        /// Requests that came although the bot had been told to wait.
        public internal(set) var violations = 0
        /// 429 that were given.
        public internal(set) var refusals = 0
        public internal(set) var identifies = 0
        public internal(set) var resumes: [Int] = []
        public internal(set) var heartbeats: [Int?] = []
        public internal(set) var sessions: [String: Session] = [:]
        public internal(set) var interactions: [String: Interaction] = [:]
        /// Menus: `global` and by server.
        public internal(set) var menus: [String: JSONValue] = [:]
        public internal(set) var menuChanges = 0
        public internal(set) var files: [String: File] = [:]

        var users: [String: User] = [
            FakeDiscord.bot: User(id: FakeDiscord.bot, name: "agent", isBot: true)
        ]
        var channels: [String: Channel] = [:]
        var messages: [String: JSONValue] = [:]
        /// Ids of messages by channel.
        var order: [String: [String]] = [:]
        /// Ids of messages by channel and nonce.
        var nonces: [String: String] = [:]
        var sockets: [Int: Socket] = [:]
        var held: [(session: String, frame: JSONValue)] = []
        var buckets: [String: Bucket] = [:]
        var globalEnd: ContinuousClock.Instant?
        private var counter: UInt64 = 0

        // MARK: Ids and events

        mutating func snowflake() -> String {
            counter += 1
            let milliseconds = UInt64(Date().timeIntervalSince1970 * 1000) - 1_420_070_400_000
            return "\(milliseconds << 22 | counter & 0x3FFFFF)"
        }

        /// Tells all sessions.
        mutating func emit(_ event: String, _ data: JSONValue) {
            for id in sessions.keys { emit(event, data, to: id) }
        }

        mutating func emit(_ event: String, _ data: JSONValue, to session: String) {
            guard let count = sessions[session]?.events.count else { return }
            let frame: JSONValue = [
                "op": 0, "s": .integer(Int64(count + 1)), "t": .string(event), "d": data,
            ]
            sessions[session]?.events.append(frame)
            if behaviour.holdsEvents { held.append((session, frame)) } else { deliver(frame, to: session) }
        }

        func deliver(_ frame: JSONValue, to session: String) {
            guard let number = sessions[session]?.socket, let socket = sockets[number], !socket.isSilent else { return }
            socket.outbox.yield(frame)
            if behaviour.repeatsEvents { socket.outbox.yield(frame) }
        }

        // MARK: Messages

        func message(_ text: String, by user: String, in channel: String) -> [String: JSONValue] {
            [
                "channel_id": .string(channel), "author": userJSON(user), "content": .string(text),
                "timestamp": .string(Self.now), "edited_timestamp": .null, "tts": false, "mention_everyone": false,
                "mentions": [], "mention_roles": [], "attachments": [], "embeds": [], "pinned": false, "type": 0,
                "flags": 0, "components": [],
            ]
        }

        /// - Returns: its id.
        mutating func add(_ fields: [String: JSONValue], nonce: JSONValue? = nil) -> String {
            var fields = fields
            let id = snowflake()
            fields["id"] = .string(id)
            let channel = fields["channel_id"]?.string ?? ""
            messages[id] = .object(fields)
            order[channel, default: []].append(id)
            if let guild = channels[channel]?.guild {
                fields["guild_id"] = .string(guild)
                fields["member"] = memberJSON
            }
            if let nonce { fields["nonce"] = nonce }
            emit("MESSAGE_CREATE", .object(fields))
            return id
        }

        mutating func edit(_ message: String, _ changes: [String: JSONValue]) {
            guard case .object(var fields)? = messages[message] else { return }
            fields.merge(changes) { _, new in new }
            fields["edited_timestamp"] = .string(Self.now)
            messages[message] = .object(fields)
            if let guild = channels[fields["channel_id"]?.string ?? ""]?.guild { fields["guild_id"] = .string(guild) }
            emit("MESSAGE_UPDATE", .object(fields))
        }

        mutating func attachment(_ file: File, _ host: String) -> JSONValue {
            let id = snowflake()
            files[id] = file
            return [
                "id": .string(id), "filename": .string(file.name), "content_type": .string(file.type),
                "size": .integer(Int64(file.bytes.count)), "url": .string("\(host)/attachments/\(id)/\(file.name)"),
                "proxy_url": .string("\(host)/attachments/\(id)/\(file.name)"),
            ]
        }

        mutating func interaction(
            _ type: Int, _ data: JSONValue, _ user: String, _ channel: String, _ message: String?
        ) -> String {
            let id = snowflake()
            let token = "aW50ZXJhY3Rpb246\(id)"
            interactions[token] = Interaction(id: id, channel: channel, user: user)
            var fields: [String: JSONValue] = [
                "id": .string(id), "application_id": .string(FakeDiscord.application), "type": .integer(Int64(type)),
                "token": .string(token), "version": 1, "channel_id": .string(channel), "data": data,
                "channel": channelJSON(channel), "locale": "en-GB", "entitlements": [],
            ]
            if let guild = channels[channel]?.guild {
                fields["guild_id"] = .string(guild)
                fields["context"] = 0
                if case .object(var member) = memberJSON {
                    member["user"] = userJSON(user)
                    fields["member"] = .object(member)
                }
            } else {
                fields["context"] = 1
                fields["user"] = userJSON(user)
            }
            if let message { fields["message"] = messages[message] ?? .null }
            emit("INTERACTION_CREATE", .object(fields))
            return token
        }

        // MARK: Shapes

        func userJSON(_ id: String) -> JSONValue {
            let user = users[id]
            return [
                "id": .string(id), "username": .string(user?.name ?? "somebody"), "discriminator": "0",
                "global_name": .string(user?.name ?? "somebody"), "avatar": .null, "bot": .bool(user?.isBot ?? false),
                "flags": 0, "verified": true,
            ]
        }

        var memberJSON: JSONValue {
            [
                "roles": [], "joined_at": .string(Self.now), "deaf": false, "mute": false, "flags": 0,
                "permissions": "8",
            ]
        }

        func channelJSON(_ id: String) -> JSONValue {
            guard let channel = channels[id] else { return .null }
            var fields: [String: JSONValue] = [
                "id": .string(id), "name": .string(channel.name), "last_message_id": .null, "flags": 0,
            ]
            if let parent = channel.parent {
                fields["type"] = 11
                fields["parent_id"] = .string(parent)
                fields["owner_id"] = .string(FakeDiscord.bot)
                fields["message_count"] = 0
                fields["member_count"] = 1
                fields["thread_metadata"] = [
                    "archived": false, "auto_archive_duration": 1440, "archive_timestamp": .string(Self.now),
                    "locked": false,
                ]
            } else if let recipient = channel.recipient {
                fields["type"] = 1
                fields["recipients"] = [userJSON(recipient)]
            } else {
                fields["type"] = 0
                fields["position"] = 0
                fields["permission_overwrites"] = []
                fields["nsfw"] = false
                fields["topic"] = .null
                fields["parent_id"] = .null
            }
            if let guild = channel.guild { fields["guild_id"] = .string(guild) }
            return .object(fields)
        }

        var guildJSON: JSONValue {
            let here = channels.values.filter { $0.guild != nil }.sorted { $0.id < $1.id }
            return [
                "id": .string(FakeDiscord.guild), "name": "A server", "icon": .null, "splash": .null,
                "owner_id": "1144000000000000008", "afk_channel_id": .null, "afk_timeout": 300,
                "verification_level": 0, "default_message_notifications": 0, "explicit_content_filter": 0,
                "roles": Self.rolesJSON,
                "emojis": [], "features": [], "mfa_level": 0, "system_channel_id": .null, "system_channel_flags": 0,
                "premium_tier": 0, "preferred_locale": "en-US", "nsfw_level": 0, "stickers": [],
                "joined_at": .string(Self.now), "large": false, "unavailable": false, "member_count": 2,
                "voice_states": [], "members": [], "presences": [], "stage_instances": [],
                "guild_scheduled_events": [],
                "channels": .array(here.filter { $0.parent == nil }.map { channelJSON($0.id) }),
                "threads": .array(here.filter { $0.parent != nil }.map { channelJSON($0.id) }),
            ]
        }

        static var rolesJSON: JSONValue {
            [
                [
                    "id": .string(FakeDiscord.guild), "name": "@everyone", "color": 0, "hoist": false,
                    "position": 0, "permissions": "2248473465835073", "managed": false, "mentionable": false,
                    "flags": 0,
                ],
                [
                    "id": .string(FakeDiscord.botRole), "name": "agent", "color": 0, "hoist": false,
                    "position": 1, "permissions": "274878024768", "managed": true, "mentionable": false,
                    "flags": 0, "tags": ["bot_id": .string(FakeDiscord.bot)],
                ],
            ]
        }

        static var now: String {
            let now = Date()
            let micros = Int(now.timeIntervalSince1970 * 1_000_000) % 1_000_000
            let text = now.formatted(.iso8601.year().month().day().time(includingFractionalSeconds: false))
            return "\(text).\(String(repeating: "0", count: 6 - "\(micros)".count))\(micros)+00:00"
        }
    }

    /// Events that waited go out.
    public func release(reversed: Bool = false) {
        state.change { state in
            let held = state.held
            state.held = []
            state.behaviour.holdsEvents = false
            for (session, frame) in reversed ? held.reversed() : held { state.deliver(frame, to: session) }
        }
    }
}
