internal import Foundation
internal import JSON

// What does the Web API of the fake workspace answer? It takes what Slack takes, and names the same errors.

extension FakeSlack {
    func answer(_ request: FakeRequest) async throws -> FakeResponse {
        if request.path.hasPrefix("/api/") { return call(request.lastComponent, request) }
        if request.path.hasPrefix("/files-pri/") { return download(request) }
        if request.path.hasPrefix("/upload/v1/") { return upload(request) }
        if request.path.hasPrefix("/commands/") || request.path.hasPrefix("/actions/") { return respond(request) }
        return .text("not found", status: 404)
    }

    /// The next so many calls of a method are too many, or of any.
    public func storm(_ times: Int, retryAfter: Double = 1, of method: String? = nil) {
        let response = FakeResponse.json(
            ["ok": false, "error": "ratelimited"], status: 429, headers: [("Retry-After", "\(retryAfter)")])
        server.fail(
            FakeFault(.answer(response), times: times) {
                $0.path.hasPrefix("/api/") && (method == nil || $0.lastComponent == method)
            })
    }

    private static func failed(_ error: String) -> FakeResponse { .json(["ok": false, "error": .string(error)]) }

    private func call(_ method: String, _ request: FakeRequest) -> FakeResponse {
        let token = request.headers["authorization"]
        let isOpening = method == "apps.connections.open"
        guard let token else { return Self.failed("not_authed") }
        guard token == "Bearer \(Self.botToken)" || token == "Bearer \(Self.appToken)" else {
            return Self.failed("invalid_auth")
        }
        guard token == "Bearer \(isOpening ? Self.appToken : Self.botToken)" else {
            return Self.failed("not_allowed_token_type")
        }
        if let error = state.change({ state -> String? in
            guard state.errors[method]?.isEmpty == false else { return nil }
            return state.errors[method]?.removeFirst()
        }) {
            return Self.failed(error)
        }
        switch method {
        case "auth.test":
            return .json([
                "ok": true, "url": "https://fake.slack.com/", "team": "Fake", "user": "agent", "team_id": "T100",
                "user_id": .string(Self.own), "bot_id": "B100",
            ])
        case "apps.connections.open": return open()
        case "chat.postMessage": return post(request)
        case "chat.update": return update(request)
        case "files.getUploadURLExternal": return uploadAddress(request)
        case "files.completeUploadExternal": return complete(request)
        case "files.info": return info(request)
        default: return Self.failed("unknown_method")
        }
    }

    private func open() -> FakeResponse {
        guard state.now.isSocketModeOn else { return Self.failed("forbidden_team") }
        let ticket = UUID().uuidString.lowercased()
        state.change { _ = $0.tickets.insert(ticket) }
        return .json(["ok": true, "url": .string("\(server.socketURL)/link/?ticket=\(ticket)&app_id=A100")])
    }

    // MARK: Messages

    /// Nil when a message may go there.
    private static func refusal(_ channel: String?, _ state: State) -> String? {
        guard let channel, let known = state.channels[channel] else { return "channel_not_found" }
        if known.isArchived { return "is_archived" }
        return known.isMember ? nil : "not_in_channel"
    }

    /// What is wrong with blocks, as far as Slack looks.
    private static func fault(in blocks: [JSONValue]) -> String? {
        guard blocks.count <= 50 else { return "invalid_blocks" }
        var names: Set<String> = []
        for block in blocks {
            switch block["type"]?.string {
            case "section":
                guard let text = block["text"]?["text"]?.string, (1...3000).contains(text.utf16.count) else {
                    return "invalid_blocks"
                }
            case "actions":
                guard case .array(let elements)? = block["elements"], (1...25).contains(elements.count) else {
                    return "invalid_blocks"
                }
                for element in elements {
                    guard element["type"] == "button", let name = element["action_id"]?.string,
                        names.insert(name).inserted, let label = element["text"]?["text"]?.string,
                        element["text"]?["type"] == "plain_text", (1...75).contains(label.utf16.count),
                        (element["value"]?.string ?? "").utf8.count <= 2000
                    else { return "invalid_blocks" }
                }
            default: return "invalid_blocks"
            }
        }
        return nil
    }

    private func content(_ request: FakeRequest, longest: Int) -> Result<(String, [JSONValue]), Refusal> {
        var blocks: [JSONValue] = []
        if case .array(let list)? = request.jsonField("blocks") { blocks = list }
        let text = request.field("text") ?? ""
        if text.isEmpty, blocks.isEmpty { return .failure(Refusal(code: "no_text")) }
        if let fault = Self.fault(in: blocks) { return .failure(Refusal(code: fault)) }
        guard text.utf16.count <= longest else { return .failure(Refusal(code: "msg_too_long")) }
        return .success((text, blocks))
    }

    private struct Refusal: Error { var code: String }

    private func post(_ request: FakeRequest) -> FakeResponse {
        let (text, blocks): (String, [JSONValue])
        switch content(request, longest: 40_000) {
        case .failure(let refusal): return Self.failed(refusal.code)
        case .success(let content): (text, blocks) = content
        }
        let (channel, clientID) = (request.field("channel"), request.field("client_msg_id"))
        let thread = request.field("thread_ts")
        return state.change { state in
            if let refusal = Self.refusal(channel, state) { return Self.failed(refusal) }
            if let clientID, let known = state.posts.first(where: { $0.clientID == clientID }) {
                return known.isDeleted
                    ? Self.failed("duplicate_message_not_found")
                    : .json(["ok": true, "channel": .string(known.channel), "ts": .string(known.ts)])
            }
            state.last += 1
            let ts = Self.time(state.last)
            state.posts.append(
                Post(
                    ts: ts, channel: channel ?? "", thread: thread, text: text, blocks: blocks, clientID: clientID))
            return .json(["ok": true, "channel": .string(channel ?? ""), "ts": .string(ts)])
        }
    }

    private func update(_ request: FakeRequest) -> FakeResponse {
        let (text, blocks): (String, [JSONValue])
        switch content(request, longest: 4_000) {
        case .failure(let refusal): return Self.failed(refusal.code)
        case .success(let content): (text, blocks) = content
        }
        let (channel, ts) = (request.field("channel"), request.field("ts"))
        return state.change { state in
            if let refusal = Self.refusal(channel, state) { return Self.failed(refusal) }
            guard
                let index = state.posts.firstIndex(where: { $0.channel == channel && $0.ts == ts && !$0.isDeleted })
            else { return Self.failed("message_not_found") }
            state.posts[index].text = text
            state.posts[index].blocks = blocks
            state.posts[index].edits += 1
            return .json(["ok": true, "channel": .string(channel ?? ""), "ts": .string(ts ?? "")])
        }
    }

    private func respond(_ request: FakeRequest) -> FakeResponse {
        state.change { state in
            guard !state.expired.contains(request.path) else { return .text("expired_url", status: 404) }
            guard let body = request.json, body["text"]?.string?.isEmpty == false else {
                return .text("no_text", status: 400)
            }
            state.responses.append(body)
            return .text("ok")
        }
    }

    // MARK: Files

    private func uploadAddress(_ request: FakeRequest) -> FakeResponse {
        guard request.headers["content-type"]?.hasPrefix("application/x-www-form-urlencoded") == true,
            let name = request.field("filename"), !name.isEmpty,
            let length = request.field("length").flatMap(Int.init), length > 0
        else { return Self.failed("invalid_arguments") }
        let id = "F\(nextNumber())"
        state.change { state in
            var file = File(name: name, bytes: [], type: nil)
            file.length = length
            state.files[id] = file
        }
        return .json(["ok": true, "file_id": .string(id), "upload_url": .string("\(server.url)/upload/v1/\(id)")])
    }

    private func upload(_ request: FakeRequest) -> FakeResponse {
        let bytes = request.parts.first { $0.filename != nil }?.bytes ?? request.body
        return state.change { state in
            guard let known = state.files[request.lastComponent] else { return .text("no such upload", status: 404) }
            guard known.length == bytes.count else { return .text("wrong length", status: 400) }
            state.files[request.lastComponent]?.bytes = bytes
            return .text("OK - \(bytes.count)")
        }
    }

    private func complete(_ request: FakeRequest) -> FakeResponse {
        guard case .array(let files)? = request.jsonField("files"), !files.isEmpty else {
            return Self.failed("invalid_arguments")
        }
        let (channel, thread) = (request.field("channel_id"), request.field("thread_ts"))
        return state.change { state in
            if let refusal = Self.refusal(channel, state) { return Self.failed(refusal) }
            for file in files {
                guard let id = file["id"]?.string, let known = state.files[id], known.length == known.bytes.count else {
                    return Self.failed("file_not_found")
                }
                state.files[id]?.channel = channel
                state.files[id]?.thread = thread
            }
            return .json(["ok": true, "files": .array(files)])
        }
    }

    private func info(_ request: FakeRequest) -> FakeResponse {
        guard let id = request.field("file"), let file = state.now.files[id] else {
            return Self.failed("file_not_found")
        }
        return .json([
            "ok": true,
            "file": [
                "id": .string(id), "name": .string(file.name),
                "url_private_download": .string("\(server.url)/files-pri/T100-\(id)/download/file"),
            ],
        ])
    }

    private func download(_ request: FakeRequest) -> FakeResponse {
        guard request.headers["authorization"] == "Bearer \(Self.botToken)" else {
            return FakeResponse(302, headers: [("Location", "https://fake.slack.com/login")])
        }
        let parts = request.path.split(separator: "/")
        let id = parts.count > 1 ? String(parts[1].split(separator: "-").last ?? "") : ""
        guard let file = state.now.files[id] else { return .text("gone", status: 404) }
        return FakeResponse(headers: [("Content-Type", file.type ?? "")], body: file.bytes)
    }
}
