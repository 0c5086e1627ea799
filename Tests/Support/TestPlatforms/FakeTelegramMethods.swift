internal import JSON

// What does the Bot API answer? Methods as bots call them, with the refusals that Telegram really has for what it does not take.

extension FakeTelegram {
    /// Why a call is refused.
    struct Refusal: Error {
        var code = 400
        var description: String
        var parameters: JSONValue?

        init(_ description: String, code: Int = 400, parameters: JSONValue? = nil) {
            self.description = description
            self.code = code
            self.parameters = parameters
        }
    }

    private static let longestText = 4096
    private static let largestUpload = 50 << 20
    private static let largestDownload = 20 << 20
    private static let buttonLength = 1...64

    func answer(_ request: FakeRequest) async throws -> FakeResponse {
        do {
            let parts = request.path.split(separator: "/", omittingEmptySubsequences: true).map(String.init)
            if parts.first == "file", parts.count > 2 {
                try check(parts[1])
                return try file(parts[2...].joined(separator: "/"))
            }
            guard parts.count == 2 else { throw Refusal("Not Found", code: 404) }
            try check(parts[0])
            return .json(.object(["ok": true, "result": try await result(of: parts[1], request)]))
        } catch let refusal as Refusal {
            state.change { $0.refusals.append(refusal.description) }
            return Self.refusal(refusal.code, refusal.description, parameters: refusal.parameters)
        }
    }

    private func check(_ component: String) throws {
        guard component.hasPrefix("bot"), component.contains(":") else { throw Refusal("Not Found", code: 404) }
        guard component == "bot\(Self.token)" else { throw Refusal("Unauthorized", code: 401) }
    }

    private func file(_ path: String) throws -> FakeResponse {
        guard let file = state.now.files.values.first(where: { $0.path == path }) else {
            throw Refusal("Not Found", code: 404)
        }
        return FakeResponse(200, headers: [("Content-Type", "application/octet-stream")], body: file.bytes)
    }

    private func result(of method: String, _ request: FakeRequest) async throws -> JSONValue {
        switch method.lowercased() {
        case "getme":
            guard case .object(var me) = Self.object(Self.bot) else { return .null }
            (me["can_join_groups"], me["can_read_all_group_messages"]) = (true, false)
            me["supports_inline_queries"] = false
            return .object(me)
        case "getupdates": return try await updates(request)
        case "setwebhook", "deletewebhook":
            let address = method.lowercased() == "setwebhook" ? request.field("url") : nil
            state.change { $0.webhook = address }
            return true
        case "getwebhookinfo":
            return [
                "url": .string(state.now.webhook ?? ""), "has_custom_certificate": false, "pending_update_count": 0,
            ]
        case "setmycommands":
            guard case .array(let commands)? = request.jsonField("commands"), commands.count <= 100 else {
                throw Refusal("Bad Request: can't parse commands")
            }
            for command in commands { try check(command: command) }
            state.change { $0.commands = commands }
            return true
        case "getmycommands": return .array(state.now.commands)
        case "sendmessage": return try sendMessage(request)
        case "editmessagetext": return try editMessage(request)
        case "sendchataction": return try sendAction(request)
        case "answercallbackquery": return try answerPress(request)
        case "sendphoto", "sendvoice", "sendaudio", "sendvideo", "senddocument":
            return try upload(request, field: String(method.lowercased().dropFirst(4)), method)
        case "getfile": return try fileObject(request)
        default: throw Refusal("Not Found", code: 404)
        }
    }

    private func check(command: JSONValue) throws {
        let name = command["command"]?.string ?? ""
        let isName = name.utf8.allSatisfy { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                || byte == UInt8(ascii: "_")
        }
        guard isName, (1...32).contains(name.utf8.count) else { throw Refusal("Bad Request: BOT_COMMAND_INVALID") }
        guard (1...256).contains(command["description"]?.string?.count ?? 0) else {
            throw Refusal("Bad Request: BOT_COMMAND_DESCRIPTION_INVALID")
        }
    }

    // MARK: Text

    private func sendMessage(_ request: FakeRequest) throws -> JSONValue {
        let source = request.field("text") ?? ""
        let text = try shown(request)
        let buttons = try buttons(request)
        return try place(request, "sendMessage") { message in
            message.text = text
            message.source = source
            message.buttons = buttons
        }
    }

    private func editMessage(_ request: FakeRequest) throws -> JSONValue {
        let source = request.field("text") ?? ""
        let text = try shown(request)
        let buttons = try buttons(request)
        let chat = try chat(request)
        let id = request.field("message_id").flatMap { Int64($0) }
        return try state.change { state in
            guard let index = state.messages.firstIndex(where: { $0.chat == chat.id && $0.id == id }) else {
                throw Refusal("Bad Request: message to edit not found")
            }
            var message = state.messages[index]
            guard message.sender.isBot else { throw Refusal("Bad Request: message can't be edited") }
            guard message.text != text || message.buttons != buttons || message.source != source else {
                throw Refusal(
                    "Bad Request: message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message"
                )
            }
            message.earlier.append(message.text)
            (message.text, message.source, message.buttons) = (text, source, buttons)
            if case .object(var object) = message.object {
                object["text"] = .string(text)
                object["edit_date"] = 1_760_000_200
                message.object = .object(object)
            }
            state.messages[index] = message
            return message.object
        }
    }

    /// The text as people see it.
    private func shown(_ request: FakeRequest) throws -> String {
        let source = request.field("text") ?? ""
        var text = source
        switch request.field("parse_mode")?.lowercased() {
        case nil, "": break
        case "html":
            do { text = try TelegramHTMLCheck.text(of: source) } catch { throw Refusal("\(error)") }
        default: throw Refusal("Bad Request: unsupported parse_mode")
        }
        guard !text.allSatisfy(\.isWhitespace) else { throw Refusal("Bad Request: message text is empty") }
        guard text.utf16.count <= Self.longestText else { throw Refusal("Bad Request: message is too long") }
        return text
    }

    private func buttons(_ request: FakeRequest) throws -> [Button] {
        guard case .array(let rows)? = request.jsonField("reply_markup")?["inline_keyboard"] else { return [] }
        return try rows.flatMap { row -> [Button] in
            guard case .array(let row) = row else { throw Refusal("Bad Request: can't parse inline keyboard") }
            return try row.map { button in
                guard let label = button["text"]?.string, !label.isEmpty, let data = button["callback_data"]?.string,
                    Self.buttonLength.contains(data.utf8.count)
                else { throw Refusal("Bad Request: BUTTON_DATA_INVALID") }
                return Button(label: label, data: data)
            }
        }
    }

    // MARK: Places

    /// The chat that a call is about.
    private func chat(_ request: FakeRequest) throws -> Chat {
        guard let id = request.field("chat_id").flatMap({ Int64($0) }) else {
            throw Refusal("Bad Request: chat_id is empty")
        }
        guard let chat = state.now.chats[id] else { throw Refusal("Bad Request: chat not found") }
        if let target = chat.migratedTo {
            throw Refusal(
                "Bad Request: group chat was upgraded to a supergroup chat",
                parameters: ["migrate_to_chat_id": .integer(target)])
        }
        if let reason = chat.shut { throw Refusal(reason, code: 403) }
        return chat
    }

    /// Puts a message of the bot where the call says.
    private func place(
        _ request: FakeRequest, _ method: String, _ complete: @Sendable (inout Message) -> Void
    ) throws -> JSONValue {
        let chat = try chat(request)
        let topic = try topic(request, in: chat)
        let reply = request.jsonField("reply_parameters")
        return try state.change { state in
            var replyTo: Int64?
            if case .integer(let id)? = reply?["message_id"] {
                if state.message(id, in: chat.id) != nil {
                    replyTo = id
                } else if reply?["allow_sending_without_reply"] != .bool(true) {
                    throw Refusal("Bad Request: message to be replied not found")
                }
            }
            let id = state.post(by: Self.bot, in: chat.id, thread: topic, replyTo: replyTo, [:]) { message in
                complete(&message)
                message.method = method
                if case .object(var object) = message.object, !message.text.isEmpty {
                    object["text"] = .string(message.text)
                    message.object = .object(object)
                }
            }
            return state.message(id, in: chat.id)?.object ?? .null
        }
    }

    private func topic(_ request: FakeRequest, in chat: Chat) throws -> Int64? {
        guard let topic = request.field("message_thread_id").flatMap({ Int64($0) }) else { return nil }
        guard chat.isForum, chat.topics.contains(topic) else { throw Refusal("Bad Request: message thread not found") }
        return topic
    }

    // MARK: Other things

    private func sendAction(_ request: FakeRequest) throws -> JSONValue {
        let chat = try chat(request)
        _ = try topic(request, in: chat)
        guard request.field("action") == "typing" else {
            throw Refusal("Bad Request: wrong parameter action in request")
        }
        state.change { $0.typing.append(chat.id) }
        return true
    }

    private func answerPress(_ request: FakeRequest) throws -> JSONValue {
        try state.change { state in
            guard let id = request.field("callback_query_id"), state.openPresses.remove(id) != nil else {
                throw Refusal("Bad Request: query is too old and response timeout expired or query ID is invalid")
            }
            state.answeredPresses.append(id)
        }
        return true
    }

    // MARK: Files

    private func upload(_ request: FakeRequest, field: String, _ method: String) throws -> JSONValue {
        // A field may name the part that holds the file.
        let named = request.field(field).map { $0.hasPrefix("attach://") ? String($0.dropFirst(9)) : $0 }
        guard let part = request.parts.first(where: { $0.filename != nil && $0.name == named ?? field }) else {
            throw Refusal("Bad Request: there is no \(field) in the request")
        }
        guard !part.bytes.isEmpty else { throw Refusal("Bad Request: file must be non-empty") }
        guard part.bytes.count <= Self.largestUpload else { throw Refusal("Request Entity Too Large", code: 413) }
        if field == "photo" { try checkPhoto(part) }
        _ = try chat(request)
        let id = store(part.bytes, name: part.filename ?? "file", size: nil)
        return try place(request, method) { message in
            message.file = part
            if case .object(var fields) = message.object {
                let file: [String: JSONValue] = [
                    "file_id": .string(id), "file_unique_id": .string("u\(id)"), "duration": 1, "width": 1, "height": 1,
                    "file_name": .string(part.filename ?? ""), "file_size": .integer(Int64(part.bytes.count)),
                ]
                fields[field] = field == "photo" ? .array([.object(file)]) : .object(file)
                message.object = .object(fields)
            }
        }
    }

    /// JPEG, PNG or WebP.
    private func checkPhoto(_ part: FakeRequest.Part) throws {
        let starts: [[UInt8]] = [[0xFF, 0xD8, 0xFF], [0x89, 0x50, 0x4E, 0x47], Array("RIFF".utf8)]
        guard part.bytes.count <= 10 << 20, starts.contains(where: part.bytes.starts) else {
            throw Refusal("Bad Request: IMAGE_PROCESS_FAILED")
        }
    }

    private func fileObject(_ request: FakeRequest) throws -> JSONValue {
        guard let id = request.field("file_id"), let file = state.now.files[id] else {
            throw Refusal("Bad Request: wrong file_id or the file is temporarily unavailable")
        }
        guard file.size <= Int64(Self.largestDownload) else { throw Refusal("Bad Request: file is too big") }
        return [
            "file_id": .string(id), "file_unique_id": .string("u\(id)"), "file_size": .integer(file.size),
            "file_path": .string(file.path),
        ]
    }
}
