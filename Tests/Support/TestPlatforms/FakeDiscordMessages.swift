internal import Foundation
internal import JSON

// What does a fake Discord take as a message? What Discord takes: lengths in code points, no empty ones, no nonce twice, buttons within their
// limits.

struct FakeDiscordMessages: Sendable {
    let state: Watched<FakeDiscord.State>

    init(_ state: Watched<FakeDiscord.State>) { self.state = state }

    func create(_ request: FakeRequest, _ channel: String) -> FakeResponse {
        let files = request.parts.filter { $0.filename != nil }
        let body = request.parts.isEmpty ? request.json ?? .null : request.jsonField("payload_json") ?? .null
        guard files.allSatisfy({ $0.bytes.count <= 10 << 20 }) else {
            return FakeDiscordREST.refusal(413, 40005, "Request entity too large")
        }
        if let refusal = Self.refusal(body, hasFiles: !files.isEmpty) { return refusal }
        let nonce = body["nonce"]
        let nonceText = nonce.flatMap { $0.string ?? ($0 == .null ? nil : "\($0)") }
        guard (nonceText?.count ?? 0) <= 25 else {
            return FakeDiscordREST.invalid("nonce", "NONCE_TYPE_TOO_LONG", "Must be 25 or fewer in length.")
        }
        return state.change { state in
            let key = "\(channel):\(nonceText ?? "")"
            if body["enforce_nonce"] == true, nonceText != nil, let known = state.nonces[key],
                let message = state.messages[known]
            {
                return .json(message)
            }
            var fields = state.message(body["content"]?.string ?? "", by: FakeDiscord.bot, in: channel)
            if let reference = body["message_reference"], reference != .null {
                let replied = Self.id(reference["message_id"])
                if state.messages[replied]?["channel_id"]?.string != channel {
                    guard reference["fail_if_not_exists"] == false else {
                        return FakeDiscordREST.invalid(
                            "message_reference", "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
                    }
                } else {
                    fields["type"] = 19
                    fields["message_reference"] = ["message_id": .string(replied), "channel_id": .string(channel)]
                    fields["referenced_message"] = state.messages[replied] ?? .null
                }
            }
            fields["mention_everyone"] = .bool(Self.callsEverybody(body))
            if let components = body["components"] { fields["components"] = components }
            if case .integer(let flags)? = body["flags"] { fields["flags"] = .integer(flags) }
            fields["attachments"] = .array(
                files.enumerated().map { index, part in
                    [
                        "id": .string(state.snowflake()), "filename": .string(part.filename ?? ""),
                        "size": .integer(Int64(part.bytes.count)), "url": "https://cdn.discordapp.com/x",
                        "proxy_url": "https://media.discordapp.net/x",
                    ]
                })
            let id = state.add(fields, nonce: nonce)
            if nonceText != nil { state.nonces[key] = id }
            var sent = FakeDiscord.Sent(
                kind: files.isEmpty ? .message : .file, place: channel, text: body["content"]?.string ?? "", id: id,
                body: body)
            sent.file = files.first.map { .init($0.filename ?? "", type: $0.type ?? "", $0.bytes) }
            state.sent.append(sent)
            guard case .object(var made)? = state.messages[id] else { return FakeResponse(500) }
            if let nonce { made["nonce"] = nonce }
            return .json(.object(made))
        }
    }

    func edit(_ id: String, _ channel: String, _ body: JSONValue) -> FakeResponse {
        if body["content"] != nil, let refusal = Self.refusal(body, hasFiles: false) { return refusal }
        return state.change { state in
            guard let message = state.messages[id], message["channel_id"]?.string == channel else {
                return FakeDiscordREST.refusal(404, 10008, "Unknown Message")
            }
            guard message["author"]?["id"]?.string == FakeDiscord.bot else {
                return FakeDiscordREST.refusal(403, 50005, "Cannot edit a message authored by another user")
            }
            var changes: [String: JSONValue] = [:]
            for name in ["content", "components", "flags"] {
                if let value = body[name], value != .null { changes[name] = value }
            }
            state.edit(id, changes)
            state.sent.append(
                .init(kind: .edit, place: channel, text: body["content"]?.string ?? "", id: id, body: body))
            return .json(state.messages[id] ?? .null)
        }
    }

    /// Discord takes ids as texts and as numbers.
    private static func id(_ value: JSONValue?) -> String {
        if case .integer(let number)? = value { "\(number)" } else { value?.string ?? "" }
    }

    // MARK: What is refused

    static func refusal(_ body: JSONValue, hasFiles: Bool) -> FakeResponse? {
        let text = body["content"]?.string ?? ""
        if text.unicodeScalars.count > 2000 {
            return FakeDiscordREST.invalid(
                "content", "BASE_TYPE_MAX_LENGTH", "Must be 2000 or fewer in length.")
        }
        var hasEmbeds = false
        if case .array(let embeds)? = body["embeds"] { hasEmbeds = !embeds.isEmpty }
        if text.allSatisfy(\.isWhitespace), !hasFiles, !hasEmbeds {
            return FakeDiscordREST.refusal(400, 50006, "Cannot send an empty message")
        }
        guard let components = body["components"], components != .null else { return nil }
        guard case .array(let rows) = components, rows.count <= 5, rows.allSatisfy(isRow) else {
            return FakeDiscordREST.invalid("components", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 in length.")
        }
        let ids = rows.flatMap { buttons($0) }.compactMap { $0["custom_id"]?.string }
        return Set(ids).count == ids.count
            ? nil
            : FakeDiscordREST.invalid(
                "components", "COMPONENT_CUSTOM_ID_DUPLICATED", "Component custom id cannot be duplicated")
    }

    static func buttons(of components: JSONValue) -> [JSONValue] {
        if case .array(let rows) = components { rows.flatMap { buttons($0) } } else { [] }
    }

    private static func buttons(_ row: JSONValue) -> [JSONValue] {
        if case .array(let buttons)? = row["components"] { buttons } else { [] }
    }

    private static func isRow(_ row: JSONValue) -> Bool {
        let buttons = buttons(row)
        return row["type"] == 1 && (1...5).contains(buttons.count)
            && buttons.allSatisfy { button in
                let id = button["custom_id"]?.string ?? ""
                let label = button["label"]?.string ?? ""
                return button["type"] == 2 && (1...100).contains(id.count) && (1...80).contains(label.count)
                    && [1, 2, 3, 4].contains(button["style"])
            }
    }

    private static func callsEverybody(_ body: JSONValue) -> Bool {
        let text = body["content"]?.string ?? ""
        guard text.contains("@everyone") || text.contains("@here") else { return false }
        guard let allowed = body["allowed_mentions"], allowed != .null else { return true }
        if case .array(let parse)? = allowed["parse"] { return parse.contains("everyone") }
        return false
    }
}
