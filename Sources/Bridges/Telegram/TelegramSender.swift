internal import JSON
internal import Logging

// How does an act become a call? Text as HTML, and as plain text when Telegram can't read that HTML and only then; files in a form;
// into the place that it is for, also when the group has moved.

struct TelegramSender: Sendable {
    let api: TelegramAPI
    let memory: TelegramMemory
    let seams: TelegramSeams
    let logger: Logger

    /// - Returns: the message's id.
    /// - Throws: ``PlatformFailure``, `CancellationError`.
    func perform(_ act: OutboundAct, at chatPlace: ChatPlace) async throws -> String? {
        let place = try TelegramPlace(chatPlace)
        switch act {
        case .send(let text):
            try pace(place)
            return try await following(place) { try await send(text, at: $0) }
        case .edit(let message, let text):
            return try await following(place) { try await edit(message, text, at: $0) }
        case .typing:
            return try await following(place) { place in
                var parameters = target(of: place)
                parameters["action"] = "typing"
                _ = try await api.call("sendChatAction", parameters)
                return nil
            }
        case .file(let file):
            guard file.size <= TelegramFiles.largestOutbound else {
                throw PlatformFailure.refused(
                    "'\(file.name)' is larger than the \(TelegramFiles.largestOutbound >> 20) MB that Telegram takes from a bot"
                )
            }
            try pace(place)
            return try await following(place) { try await upload(file, at: $0) }
        case .answer(let query, let text):
            do {
                _ = try await api.call(
                    "answerCallbackQuery",
                    [
                        "callback_query_id": .string(query),
                        "text": .string(String(text.markdown.prefix(Self.alertLength))),
                    ])
            } catch let refusal as TelegramRefusal { throw refusal.failure(.chat) }
            return nil
        }
    }

    /// Characters in the answer to a press.
    private static let alertLength = 200

    private func pace(_ place: TelegramPlace) throws {
        if let pause = memory.pause(memory.chat(place.chat), at: seams.now()) {
            throw PlatformFailure.wait(pause, .chat)
        }
    }

    /// Runs a call, and once more where the group has moved to.
    private func following(
        _ place: TelegramPlace, _ call: (TelegramPlace) async throws -> String?
    ) async throws -> String? {
        var place = place
        place.chat = memory.chat(place.chat)
        do { return try await call(place) } catch let refusal as TelegramRefusal {
            guard let target = refusal.migrateTo, target != place.chat else { throw refusal.failure(.chat) }
            if memory.move(place.chat, to: target) {
                logger.notice("bridge::telegram_moved", metadata: ["chat": "\(place.chat)", "to": "\(target)"])
            }
            place.chat = target
            do { return try await call(place) } catch let refusal as TelegramRefusal { throw refusal.failure(.chat) }
        }
    }

    // MARK: Text

    private func send(_ text: OutboundText, at place: TelegramPlace) async throws -> String? {
        var parameters = target(of: place)
        if let reply = reply(to: text.replyTo, at: place) { parameters["reply_parameters"] = reply }
        return try await say(text, parameters, by: "sendMessage", at: place)
    }

    private func edit(_ message: String, _ text: OutboundText, at place: TelegramPlace) async throws -> String? {
        guard let id = Int64(message) else { throw PlatformFailure.messageGone }
        do {
            _ = try await say(
                text, ["chat_id": .integer(place.chat), "message_id": .integer(id)], by: "editMessageText", at: place)
        } catch let refusal as TelegramRefusal where refusal.isNoChange {}
        return message
    }

    private func say(
        _ text: OutboundText, _ parameters: [String: JSONValue], by method: String, at place: TelegramPlace
    ) async throws -> String? {
        var parameters = parameters
        parameters["link_preview_options"] = ["is_disabled": true]
        if !text.buttons.isEmpty { parameters["reply_markup"] = keyboard(text.buttons, at: place) }
        let html = TelegramMarkup.html(text.markdown)
        guard !html.allSatisfy(\.isWhitespace) else { return try await sayPlainly(text, parameters, by: method) }
        parameters["text"] = .string(html)
        parameters["parse_mode"] = "HTML"
        do { return message(in: try await api.call(method, parameters)) } catch let refusal as TelegramRefusal
            where refusal.isAboutMarkup
        {
            logger.notice(
                "bridge::telegram_plain", metadata: ["chat": "\(place.chat)", "reason": "\(refusal.description)"])
            parameters["parse_mode"] = nil
            return try await sayPlainly(text, parameters, by: method)
        }
    }

    /// As the agent wrote it: nothing of it is lost.
    private func sayPlainly(
        _ text: OutboundText, _ parameters: [String: JSONValue], by method: String
    ) async throws -> String? {
        var parameters = parameters
        parameters["text"] = .string(text.markdown)
        return message(in: try await api.call(method, parameters))
    }

    private func message(in result: TelegramObject) -> String? { result.number("message_id").map(String.init) }

    private func keyboard(_ buttons: [OutboundButton], at place: TelegramPlace) -> JSONValue {
        let row = buttons.map { button in
            JSONValue.object(["text": .string(button.label), "callback_data": .string(place.marked(button.data))])
        }
        return ["inline_keyboard": [.array(row)]]
    }

    // MARK: Places

    private func target(of place: TelegramPlace) -> [String: JSONValue] {
        var parameters: [String: JSONValue] = ["chat_id": .integer(place.chat)]
        if case .topic(let topic)? = place.thread { parameters["message_thread_id"] = .integer(topic) }
        return parameters
    }

    /// What stands alone in a reply thread replies to its first message, and so stays there.
    private func reply(to message: String?, at place: TelegramPlace) -> JSONValue? {
        var id = message.flatMap { Int64($0) }
        if id == nil, case .replies(let root)? = place.thread { id = root }
        return id.map { ["message_id": .integer($0), "allow_sending_without_reply": true] }
    }

    // MARK: Files

    private func upload(_ file: OutboundFile, at place: TelegramPlace) async throws -> String? {
        let sending = TelegramFiles.sending(file)
        do { return try await upload(file, sending, at: place) } catch let refusal as TelegramRefusal
            where refusal.code == 400 && refusal.migrateTo == nil && sending != .document
        {
            // E.g. a picture that is too wide to be a photo, or a user who takes no voice messages.
            guard case .refused = refusal.failure(.chat) else { throw refusal }
            return try await upload(file, .document, at: place)
        }
    }

    private func upload(
        _ file: OutboundFile, _ sending: TelegramFiles.Sending, at place: TelegramPlace
    ) async throws -> String? {
        var parts = [PlatformHTTP.Part("chat_id", .text("\(place.chat)"))]
        if case .topic(let topic)? = place.thread { parts.append(.init("message_thread_id", .text("\(topic)"))) }
        if let id = reply(to: file.replyTo, at: place)?["message_id"], case .integer(let number) = id {
            let reply = #"{"message_id":\#(number),"allow_sending_without_reply":true}"#
            parts.append(.init("reply_parameters", .text(reply)))
        }
        parts.append(.init(sending.field, .file(path: file.path), filename: file.name, contentType: file.mimeType))
        // A slow line carries 50 KB a second.
        let limit = seams.uploadTime + .seconds(file.size / 50_000)
        return message(in: try await api.upload(sending.method, parts, timeLimit: limit))
    }
}
