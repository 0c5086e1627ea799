internal import JSON

// How is the Bot API called? By a POST to an address that holds the token, which answers `{"ok": …}`. So addresses are made here and
// nowhere else, and nothing that leaves this file holds the token: no error, and no sentence of the server that repeats it.

/// The Bot API of one bot.
struct TelegramAPI: Sendable {
    /// A hundred updates fit in well.
    private static let answerLimit = 16 << 20
    private static let longestDescription = 300

    private let token: String
    private let base: String
    private let http: PlatformHTTP

    /// - Parameters:
    ///   - base: without a slash at its end.
    ///   - timeLimit: of one call.
    init(token: String, base: String, timeLimit: Duration) {
        self.token = token
        self.base = base
        http = PlatformHTTP(timeLimit: timeLimit)
    }

    /// Calls a method.
    ///
    /// - Parameter timeLimit: nil: the usual one.
    /// - Returns: `result`.
    /// - Throws: ``TelegramRefusal``, ``PlatformFailure``, `CancellationError`.
    func call(
        _ method: String, _ parameters: [String: JSONValue] = [:], timeLimit: Duration? = nil
    ) async throws -> TelegramObject {
        try await ask(method, .json(.object(parameters)), timeLimit)
    }

    /// Calls a method with a form, which may have files.
    func upload(_ method: String, _ parts: [PlatformHTTP.Part], timeLimit: Duration) async throws -> TelegramObject {
        try await ask(method, .multipart(parts), timeLimit)
    }

    private func ask(_ method: String, _ body: PlatformHTTP.Body, _ limit: Duration?) async throws -> TelegramObject {
        let answer = try await http.send(
            PlatformHTTP.Request(
                "POST", try address("bot", method), body: body, timeLimit: limit, answerLimit: Self.answerLimit))
        return try result(of: answer)
    }

    /// Fetches a file.
    ///
    /// - Parameter path: `file_path` as `getFile` told it.
    /// - Throws: ``PlatformFailure``, `CancellationError`, what `write` throws.
    func download(
        _ path: String, limit: Int64, _ write: @Sendable ([UInt8]) async throws -> Void
    ) async throws {
        guard let path = Self.plain(path) else {
            throw PlatformFailure.refused(
                "the Bot API server keeps this file in a place of its own, from where it can't be fetched")
        }
        try await http.download(try address("file/bot", path), limit: limit, write)
    }

    // MARK: Addresses

    private func address(_ kind: String, _ rest: String) throws(PlatformFailure) -> String {
        let isToken =
            !token.isEmpty
            && token.utf8.allSatisfy { byte in
                Self.isPlain(byte) || byte == UInt8(ascii: ":")
            }
        guard isToken else {
            throw .account(
                "channels.telegram.token holds no bot token: one looks like 123456789:AAExample, and @BotFather gives it out."
            )
        }
        return "\(base)/\(kind)\(token)/\(rest)"
    }

    /// A path below the bot's own folder with all that has a meaning in addresses escaped; nil for one that leads elsewhere.
    private static func plain(_ path: String) -> String? {
        let components = path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).map(Array.init)
        let dots = [Array(".".utf8), Array("..".utf8), []]
        guard !components.isEmpty, !components.contains(where: dots.contains) else { return nil }
        return components.map { component in
            component.map { byte in
                guard !isPlain(byte), byte != UInt8(ascii: ".") else { return String(Unicode.Scalar(byte)) }
                return "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }.joined()
        }.joined(separator: "/")
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }

    // MARK: Answers

    private func result(of answer: PlatformHTTP.Answer) throws -> TelegramObject {
        if let json = try? answer.json() {
            let object = TelegramObject(json)
            if object.isTrue("ok"), let result = object["result"] { return result }
            if json["ok"] == .bool(false) { throw refusal(object, answer.status) }
        }
        // Somebody between us and Telegram said this.
        switch answer.status {
        case 413: throw TelegramRefusal(code: 413, description: "too large")
        case 429:
            let pause = answer.headers["retry-after"].flatMap(Double.init)
            throw TelegramRefusal(code: 429, description: "too many requests", retryAfter: pause)
        default: throw PlatformFailure.unavailable("what answered with status \(answer.status) is no Bot API")
        }
    }

    private func refusal(_ object: TelegramObject, _ status: Int) -> TelegramRefusal {
        let parameters = object["parameters"]
        return TelegramRefusal(
            code: object.number("error_code").flatMap(Int.init(exactly:)) ?? status,
            description: withoutToken(object.text("description") ?? "no reason given"),
            retryAfter: parameters?.number("retry_after").map(Double.init),
            migrateTo: parameters?.number("migrate_to_chat_id"))
    }

    private func withoutToken(_ text: String) -> String {
        let plain = text.replacing(token, with: "…").unicodeScalars.filter { $0.value >= 0x20 && $0.value != 0x7F }
        return String(String.UnicodeScalarView(plain.prefix(Self.longestDescription)))
    }
}
