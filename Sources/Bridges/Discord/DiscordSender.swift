internal import Foundation
internal import JSON
internal import Wire

// How is an act of the frame's done on Discord? As one request, which may be repeated: a message carries a number made of the act's key, by
// which Discord recognises it for some minutes.

/// Carries out acts.
struct DiscordSender: Sendable {
    let rest: DiscordREST
    let interactions: DiscordInteractions
    let progress: DiscordProgress
    let seams: DiscordSeams

    static let largestFile: Int64 = 10 << 20
    static let textLength = 2000
    private static let withoutPreviews: JSONValue = 4
    /// Mentions in an answer call nobody: not everyone, not roles, not users, not even whom it replies to.
    private static let callsNobody: JSONValue = ["parse": [], "replied_user": false]

    /// - Throws: ``PlatformFailure``, `CancellationError`.
    func perform(_ act: OutboundAct, at place: ChatPlace, key: String) async throws -> String? {
        guard Snowflake.isOne(place.chat) else { throw PlatformFailure.chatGone("Discord has no such channel") }
        do {
            switch act {
            case .send(let text): return try await send(text, place, key)
            case .edit(let message, let text):
                guard Snowflake.isOne(message) else { throw PlatformFailure.messageGone }
                return try await edit(message, text, place)
            case .typing:
                try await refusable(.typing) { try await rest.ask(.channel("POST", place.chat, "/typing")) }
                return nil
            case .file(let file): return try await send(file, place, key)
            case .answer(let to, let text): return try await answer(to, text, place, key)
            }
        } catch PlatformFailure.chatGone(let reason) {
            progress.remove(place.chat)
            throw PlatformFailure.chatGone(reason)
        }
    }

    // MARK: Messages

    private struct Made: Decodable { var id: String }

    private func send(_ text: OutboundText, _ place: ChatPlace, _ key: String) async throws -> String? {
        let fields = try Self.fields(text).merging(Self.delivery(key)) { _, new in new }
        return try await create(fields, replyTo: text.replyTo, place, .send) { .json(.object($0)) }
    }

    private func edit(_ message: String, _ text: OutboundText, _ place: ChatPlace) async throws -> String? {
        var fields = try Self.fields(text)
        // None takes away those that were there.
        fields["components"] = fields["components"] ?? []
        let body = PlatformHTTP.Body.json(.object(fields))
        try await refusable(.edit) {
            try await rest.ask(
                .channel("PATCH", place.chat, "/messages/\(message)", pattern: "/messages/*", body: body))
        }
        return message
    }

    private func send(_ file: OutboundFile, _ place: ChatPlace, _ key: String) async throws -> String? {
        guard file.size <= Self.largestFile else {
            throw PlatformFailure.refused("the file is larger than the 10 MiB that Discord takes")
        }
        var fields = Self.delivery(key)
        fields["allowed_mentions"] = Self.callsNobody
        fields["attachments"] = [["id": 0, "filename": .string(file.name)]]
        return try await create(fields, replyTo: file.replyTo, place, .file) { fields in
            .multipart([
                .init("payload_json", .text(Self.json(fields)), contentType: "application/json"),
                .init("files[0]", .file(path: file.path), filename: file.name, contentType: file.mimeType),
            ])
        }
    }

    private func create(
        _ fields: [String: JSONValue], replyTo: String?, _ place: ChatPlace, _ act: DiscordRefusal.Act,
        _ body: ([String: JSONValue]) -> PlatformHTTP.Body
    ) async throws -> String? {
        func ask(_ fields: [String: JSONValue]) async throws -> String {
            var request = DiscordRequest.channel("POST", place.chat, "/messages", body: body(fields))
            if act == .file { request.timeLimit = .seconds(180) }
            return try await rest.ask(request, as: Made.self).id
        }
        let id = try await refusable(act) {
            guard let replyTo, Snowflake.isOne(replyTo) else { return try await ask(fields) }
            var replying = fields
            replying["message_reference"] = ["message_id": .string(replyTo), "fail_if_not_exists": false]
            do { return try await ask(replying) } catch let refusal as DiscordRefusal
                where refusal.code == 160002 || refusal.code == 50035
            {
                // It may not reply there, or not to that.
                return try await ask(fields)
            }
        }
        progress.use(place.chat)
        return id
    }

    private func answer(_ to: String, _ text: OutboundText, _ place: ChatPlace, _ key: String) async throws -> String? {
        if let address = DiscordAnswerAddress(to), !address.isOver(seams.clock()) {
            let fields = try Self.fields(text)
            let isAnswered = try await refusable(.edit) { try await interactions.answer(address, fields, key: key) }
            if isAnswered {
                progress.use(place.chat)
                return nil
            }
        }
        return try await send(text, place, key)
    }

    private func refusable<Result>(_ act: DiscordRefusal.Act, _ body: () async throws -> Result) async throws -> Result
    {
        do { return try await body() } catch let refusal as DiscordRefusal { throw refusal.failure(of: act) }
    }

    // MARK: Parts

    private static func fields(_ text: OutboundText) throws -> [String: JSONValue] {
        let content = DiscordMarkup.text(text.markdown)
        guard content.contains(where: { !$0.isWhitespace }) else {
            throw PlatformFailure.refused("Discord takes no empty messages")
        }
        var fields: [String: JSONValue] = [
            "content": .string(content), "allowed_mentions": callsNobody, "flags": withoutPreviews,
        ]
        let rows = rows(of: text.buttons)
        if !rows.isEmpty { fields["components"] = .array(rows) }
        return fields
    }

    /// Five rows of five at most; each button says something else when it is pressed.
    private static func rows(of buttons: [OutboundButton]) -> [JSONValue] {
        var known: Set<String> = []
        let usable = buttons.filter { !$0.data.isEmpty && !$0.label.isEmpty && known.insert($0.data).inserted }.prefix(
            25)
        return stride(from: 0, to: usable.count, by: 5).map { start in
            let row = usable.dropFirst(start).prefix(5).map { button -> JSONValue in
                [
                    "type": 2, "style": 2, "label": .string(String(button.label.prefix(80))),
                    "custom_id": .string(String(button.data.prefix(100))),
                ]
            }
            return ["type": 1, "components": .array(row)]
        }
    }

    private static func delivery(_ key: String) -> [String: JSONValue] {
        ["nonce": .string(nonce(key)), "enforce_nonce": true]
    }

    /// The same for the same key; at most 25 characters, which is all that Discord takes (FNV-1a with 128 bits).
    static func nonce(_ key: String) -> String {
        var hash: UInt128 = 0x6C62_272E_07BB_0142_62B8_2175_6295_C58D
        for byte in key.utf8 {
            hash ^= UInt128(byte)
            hash = hash &* 0x0000_0000_0100_0000_0000_0000_0000_013B
        }
        return String(hash, radix: 36)
    }

    private static func json(_ fields: [String: JSONValue]) -> String {
        (try? JSONEncoder().encode(JSONValue.object(fields))).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }
}
