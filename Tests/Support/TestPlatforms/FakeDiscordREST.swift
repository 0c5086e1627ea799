internal import Foundation
internal import JSON

// What does a fake Discord answer over HTTP? What API v10 answers, with its headers about limits; what it refuses carries Discord's numbers.

struct FakeDiscordREST: Sendable {
    typealias State = FakeDiscord.State

    let state: Watched<State>

    init(_ state: Watched<State>) { self.state = state }

    func answer(_ request: FakeRequest) async throws -> FakeResponse {
        let path = request.path.split(separator: "/").map(String.init)
        if path.first == "attachments", path.count == 3 { return file(path[1]) }
        guard path.starts(with: ["api", "v10"]) else { return Self.refusal(404, 0, "404: Not Found") }
        guard request.headers["user-agent"]?.hasPrefix("DiscordBot (") == true else {
            return .text("error code: 1010", status: 403)
        }
        let rest = Array(path.dropFirst(2))
        let isOpen = rest.first == "interactions" || rest.first == "webhooks"
        if !isOpen, request.headers["authorization"] != "Bot \(FakeDiscord.token)" {
            return Self.refusal(401, 0, "401: Unauthorized")
        }
        let (limited, headers) = limit(request, rest, isFree: rest.first == "interactions")
        if let limited { return limited }
        var answer = route(request, rest)
        answer.headers += headers
        return answer
    }

    private func file(_ id: String) -> FakeResponse {
        guard let file = state.now.files[id] else { return FakeResponse(404) }
        return FakeResponse(200, headers: [("Content-Type", file.type)], body: file.bytes)
    }

    static func refusal(_ status: Int, _ code: Int, _ text: String) -> FakeResponse {
        .json(["code": .integer(Int64(code)), "message": .string(text)], status: status)
    }

    static func invalid(_ field: String, _ code: String, _ text: String) -> FakeResponse {
        .json(
            [
                "code": 50035, "message": "Invalid Form Body",
                "errors": .object([field: ["_errors": [["code": .string(code), "message": .string(text)]]]]),
            ], status: 400)
    }

    // MARK: Limits

    private func limit(
        _ request: FakeRequest, _ path: [String], isFree: Bool
    ) -> (FakeResponse?, [(name: String, value: String)]) {
        guard !isFree else { return (nil, []) }
        let major = ["channels", "guilds", "webhooks"].contains(path.first ?? "") ? path.dropFirst().first ?? "" : ""
        let pattern = path.map { $0.utf8.allSatisfy { $0 < 58 } ? "*" : $0 }.joined(separator: "/")
        let name = "\(request.method) \(pattern)"
        return state.change { state -> (FakeResponse?, [(name: String, value: String)]) in
            let now = ContinuousClock.now
            if let end = state.globalEnd, end > now {
                state.violations += 1
                return (Self.tooMany(&state, (end - now).seconds, isGlobal: true), [])
            }
            let key = "\(name):\(major)"
            var bucket = state.buckets[key] ?? .init(end: now)
            if bucket.end <= now {
                bucket = .init(end: now + .seconds(state.behaviour.bucket.seconds))
            } else if bucket.isShut {
                state.violations += 1
                return (Self.tooMany(&state, (bucket.end - now).seconds, isGlobal: false), [])
            }
            if let storm = state.behaviour.storm, storm.times > 0, request.path.hasSuffix(storm.suffix) {
                state.behaviour.storm?.times -= 1
                let end = now + .seconds(storm.retryAfter)
                if storm.isGlobal {
                    state.globalEnd = end
                } else {
                    bucket.isShut = true
                    bucket.end = end
                    state.buckets[key] = bucket
                }
                return (Self.tooMany(&state, storm.retryAfter, isGlobal: storm.isGlobal), [])
            }
            let left = state.behaviour.bucket.limit - bucket.count - 1
            guard left >= 0 else {
                bucket.isShut = true
                state.buckets[key] = bucket
                return (Self.tooMany(&state, (bucket.end - now).seconds, isGlobal: false), [])
            }
            bucket.count += 1
            state.buckets[key] = bucket
            let reset = (bucket.end - now).seconds
            return (
                nil,
                [
                    ("X-RateLimit-Limit", "\(state.behaviour.bucket.limit)"), ("X-RateLimit-Remaining", "\(left)"),
                    ("X-RateLimit-Reset", "\(Date().timeIntervalSince1970 + reset)"),
                    ("X-RateLimit-Reset-After", String(format: "%.3f", reset)),
                    ("X-RateLimit-Bucket", Self.bucketName(name)),
                ]
            )
        }
    }

    /// Something that tells nothing, and is the same for the same kind of request.
    private static func bucketName(_ name: String) -> String {
        String(name.utf8.reduce(UInt64(5381)) { $0 &* 33 &+ UInt64($1) }, radix: 16)
    }

    private static func tooMany(_ state: inout State, _ seconds: Double, isGlobal: Bool) -> FakeResponse {
        state.refusals += 1
        var headers = [
            ("Retry-After", "\(Int(seconds.rounded(.up)))"), ("Via", "1.1 fake"),
            ("X-RateLimit-Scope", isGlobal ? "global" : "user"), ("X-RateLimit-Remaining", "0"),
            ("X-RateLimit-Reset-After", String(format: "%.3f", seconds)),
        ]
        if isGlobal { headers.append(("X-RateLimit-Global", "true")) }
        return .json(
            [
                "message": "You are being rate limited.", "retry_after": .number(seconds), "global": .bool(isGlobal),
            ], status: 429, headers: headers)
    }

    // MARK: Routes

    private func route(_ request: FakeRequest, _ path: [String]) -> FakeResponse {
        let body = request.json ?? .null
        switch (request.method, path.first, path.count) {
        case ("GET", "users", 2) where path[1] == "@me": return .json(state.now.userJSON(FakeDiscord.bot))
        case ("POST", "users", 3) where path[2] == "channels": return direct(body)
        case ("GET", "oauth2", 3), ("GET", "applications", 2): return .json(application)
        case ("GET", "gateway", _): return gateway(request)
        case (_, "applications", 3) where path[2] == "commands": return menu(request, "global")
        case (_, "applications", 5) where path[4] == "commands": return menu(request, path[3])
        case ("GET", "guilds", 3) where path[1] == FakeDiscord.guild && path[2] == "roles":
            return .json(State.rolesJSON)
        case (_, "channels", 2...): return channel(request, path, body)
        case ("POST", "interactions", 4) where path[3] == "callback":
            return FakeDiscordInteractions(state).acknowledge(path[1], path[2], body)
        case (_, "webhooks", 3...):
            return FakeDiscordInteractions(state).webhook(request, path, body)
        default: return Self.refusal(404, 0, "404: Not Found")
        }
    }

    private var application: JSONValue {
        [
            "id": .string(FakeDiscord.application), "name": "agent", "icon": .null, "description": "",
            "bot_public": false, "bot_require_code_grant": false, "verify_key": "00", "team": .null, "flags": 0,
            "owner": state.now.userJSON("1144000000000000008"),
        ]
    }

    private func gateway(_ request: FakeRequest) -> FakeResponse {
        .json([
            "url": .string("ws://\(request.headers["host"] ?? "")"), "shards": 1,
            "session_start_limit": [
                "total": 1000, "remaining": .integer(Int64(max(state.now.behaviour.sessionStarts, 0))),
                "reset_after": 1500, "max_concurrency": 1,
            ],
        ])
    }

    private func direct(_ body: JSONValue) -> FakeResponse {
        let recipient = body["recipient_id"]?.string ?? ""
        return state.change { state in
            guard state.users[recipient] != nil else { return Self.refusal(400, 50033, "Invalid Recipient(s)") }
            if let known = state.channels.values.first(where: { $0.recipient == recipient }) {
                return .json(state.channelJSON(known.id))
            }
            let id = state.snowflake()
            state.channels[id] = .init(id: id, name: "", recipient: recipient)
            return .json(state.channelJSON(id))
        }
    }

    private func menu(_ request: FakeRequest, _ scope: String) -> FakeResponse {
        guard request.method == "PUT" else { return .json(state.now.menus[scope] ?? []) }
        guard case .array(let commands)? = request.json else { return Self.refusal(400, 50035, "Invalid Form Body") }
        let names = commands.compactMap { $0["name"]?.string }
        let isValid = commands.allSatisfy { command in
            let name = command["name"]?.string ?? ""
            let text = command["description"]?.string ?? ""
            return (1...32).contains(name.count) && name == name.lowercased() && (1...100).contains(text.count)
        }
        guard isValid, Set(names).count == commands.count else { return Self.refusal(400, 50035, "Invalid Form Body") }
        return state.change { state in
            let made = commands.map { command -> JSONValue in
                guard case .object(var fields) = command else { return command }
                fields["id"] = .string(state.snowflake())
                fields["application_id"] = .string(FakeDiscord.application)
                fields["version"] = "1"
                fields["default_member_permissions"] = .null
                return .object(fields)
            }
            state.menus[scope] = .array(made)
            state.menuChanges += 1
            return .json(.array(made))
        }
    }

    // MARK: Channels

    private func channel(_ request: FakeRequest, _ path: [String], _ body: JSONValue) -> FakeResponse {
        let id = path[1]
        if let refusal = refusal(id, request.method, path) { return refusal }
        switch (request.method, path.dropFirst(2).first, path.count) {
        case ("GET", nil, 2): return .json(state.now.channelJSON(id))
        case ("POST", "typing", 3):
            state.change { $0.sent.append(.init(kind: .typing, place: id)) }
            return FakeResponse(204)
        case ("GET", "messages", 3): return history(request, id)
        case ("POST", "messages", 3): return FakeDiscordMessages(state).create(request, id)
        case ("GET", "messages", 4):
            guard let message = message(path[3], id) else { return Self.refusal(404, 10008, "Unknown Message") }
            return .json(message)
        case ("PATCH", "messages", 4): return FakeDiscordMessages(state).edit(path[3], id, body)
        case ("DELETE", "messages", 4):
            return state.change { state in
                guard state.messages.removeValue(forKey: path[3]) != nil else {
                    return Self.refusal(404, 10008, "Unknown Message")
                }
                state.order[id]?.removeAll { $0 == path[3] }
                return FakeResponse(204)
            }
        default: return Self.refusal(405, 0, "405: Method Not Allowed")
        }
    }

    private func message(_ id: String, _ channel: String) -> JSONValue? {
        guard let message = state.now.messages[id], message["channel_id"]?.string == channel else { return nil }
        return message
    }

    private func refusal(_ id: String, _ method: String, _ path: [String]) -> FakeResponse? {
        guard let channel = state.now.channels[id] else { return Self.refusal(404, 10003, "Unknown Channel") }
        return switch channel.shut {
        case nil: nil
        case .gone: Self.refusal(404, 10003, "Unknown Channel")
        case .forbidden: Self.refusal(403, 50001, "Missing Access")
        case .takesNoMessages where method == "POST": Self.refusal(403, 50007, "Cannot send messages to this user")
        case .mayNotWrite where method == "POST": Self.refusal(403, 50013, "Missing Permissions")
        case .takesNoMessages, .mayNotWrite: nil
        }
    }

    private func history(_ request: FakeRequest, _ channel: String) -> FakeResponse {
        let state = state.now
        let after = UInt64(request.field("after") ?? "0") ?? 0
        let limit = Int(request.field("limit") ?? "50") ?? 50
        guard (1...100).contains(limit) else { return Self.invalid("limit", "NUMBER_TYPE_MAX", "too many") }
        let all = state.order[channel, default: []].filter { (UInt64($0) ?? 0) > after }
        // The newest first; behind a message: those that follow it.
        let page = request.field("after") == nil ? all.suffix(limit) : all.prefix(limit)
        return .json(.array(page.reversed().compactMap { state.messages[$0] }))
    }
}

extension Duration {
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}
