internal import JSON

// How is WhatsApp asked? Through Green API, which keeps a WhatsApp account at work and has one address for each of its methods. The
// account's token stands in every address, and Green API repeats the address in its own errors: nothing that it says leaves this file
// before the token was taken out. What a notification means is not known here.

/// The calls of one instance, as Green API names an account.
struct GreenAPI: Sendable {
    /// The most that Green API takes in one message, in characters. Our own pieces are far below.
    static let longestMessage = 20_000

    private let base: String
    private let mediaBase: String
    private let id: String
    private let token: String
    private let http: PlatformHTTP

    init(base: String, id: String, token: String, http: PlatformHTTP) {
        self.base = base
        mediaBase = Self.mediaBase(of: base)
        self.id = id
        self.token = token
        self.http = http
    }

    /// Files go to a host of their own: `media.green-api.com` for `api.green-api.com`, `7103.media.greenapi.com` for
    /// `7103.api.greenapi.com`. Any other address is taken for both.
    static func mediaBase(of base: String) -> String {
        base.replacing("//api.green", with: "//media.green").replacing(".api.green", with: ".media.green")
    }

    // MARK: The account

    /// What the account is set to.
    struct Settings: Sendable, Equatable {
        /// Our own id, e.g. `79001234567@c.us`; empty before the first authorization.
        var ownID: String
        /// Notifications go to somebody else, and none wait in the queue.
        var hasWebhook: Bool
        var tellsMessages: Bool
    }

    func settings() async throws -> Settings {
        let answer = try await call("getSettings")
        return Settings(
            ownID: answer["wid"]?.string ?? "", hasWebhook: answer["webhookUrl"]?.string.map { !$0.isEmpty } ?? false,
            tellsMessages: answer["incomingWebhook"]?.string != "no")
    }

    /// `authorized`, `notAuthorized`, `blocked`, `sleepMode`, `starting`, `yellowCard`.
    func state() async throws -> String { try await call("getStateInstance")["stateInstance"]?.string ?? "" }

    // MARK: The queue

    /// What happened, until it is deleted.
    struct Receipt: Sendable {
        var id: Int64
        var body: JSONValue
    }

    /// The oldest notification that was not deleted; nil when there was none for so long.
    ///
    /// - Parameters:
    ///   - seconds: 5 to 60.
    ///   - limit: longer than that.
    func receive(waiting seconds: Int, limit: Duration) async throws -> Receipt? {
        let answer = try await ask("receiveNotification", tail: "?receiveTimeout=\(seconds)", timeLimit: limit)
        if answer.body.isEmpty { return nil }
        guard let json = try? answer.json() else {
            // It can't be read, now or later, but it can be deleted.
            guard let id = Self.receipt(in: answer.body) else {
                throw PlatformFailure.unavailable("Green API gave a notification that is no JSON")
            }
            return Receipt(id: id, body: .null)
        }
        if json == .null { return nil }
        guard case .integer(let id)? = json["receiptId"] else {
            throw PlatformFailure.unavailable("Green API gave a notification without a receipt")
        }
        return Receipt(id: id, body: json["body"] ?? .null)
    }

    /// The receipt's id, which Green API writes first.
    private static func receipt(in bytes: [UInt8]) -> Int64? {
        String(decoding: bytes.prefix(256), as: UTF8.self).firstMatch(of: /"receiptId"\s*:\s*(\d{1,18})[^\d.]/)
            .flatMap { Int64($0.output.1) }
    }

    /// Takes a notification out of the queue; one that is gone is no failure.
    func delete(_ receipt: Int64) async throws {
        _ = try await call("deleteNotification", method: "DELETE", tail: "/\(receipt)")
    }

    // MARK: Sending

    /// - Parameter quoting: a message to reply to.
    /// - Returns: the message's id.
    func send(_ text: String, to chat: String, quoting: String?) async throws -> String? {
        var body: [String: JSONValue] = [
            "chatId": .string(chat), "message": .string(text), "linkPreview": false,
        ]
        if let quoting { body["quotedMessageId"] = .string(quoting) }
        return try await call("sendMessage", method: "POST", body: .json(.object(body)))["idMessage"]?.string
    }

    /// - Parameter milliseconds: 1000 to 20,000.
    func type(in chat: String, for milliseconds: Int64) async throws {
        _ = try await call(
            "sendTyping", method: "POST",
            body: .json(["chatId": .string(chat), "typingTime": .integer(milliseconds)]))
    }

    /// Sends a file. What it is shown as follows from the ending of its name.
    ///
    /// - Returns: the message's id.
    func send(_ file: OutboundFile, to chat: String, quoting: String?) async throws -> String? {
        var parts = [
            PlatformHTTP.Part("chatId", .text(chat)), PlatformHTTP.Part("fileName", .text(file.name)),
        ]
        if let quoting { parts.append(PlatformHTTP.Part("quotedMessageId", .text(quoting))) }
        parts.append(
            PlatformHTTP.Part(
                "file", .file(path: file.path), filename: file.name,
                contentType: file.mimeType ?? "application/octet-stream"))
        // At 100 KB a second it still arrives.
        let time = Duration.seconds(60 + file.size / 100_000)
        let answer = try await call(
            "sendFileByUpload", at: mediaBase, method: "POST", body: .multipart(parts), timeLimit: time)
        return answer["idMessage"]?.string
    }

    // MARK: Calls

    private func call(
        _ name: String, at host: String? = nil, method: String = "GET", tail: String = "",
        body: PlatformHTTP.Body = .none, timeLimit: Duration? = nil
    ) async throws -> JSONValue {
        let answer = try await ask(name, at: host, method: method, tail: tail, body: body, timeLimit: timeLimit)
        return answer.body.isEmpty ? .null : try answer.json()
    }

    /// - Throws: ``PlatformFailure``, whose text holds no token; `CancellationError`.
    private func ask(
        _ name: String, at host: String? = nil, method: String = "GET", tail: String = "",
        body: PlatformHTTP.Body = .none, timeLimit: Duration? = nil
    ) async throws -> PlatformHTTP.Answer {
        let address = "\(host ?? base)/waInstance\(id)/\(name)/\(token)\(tail)"
        let answer = try await http.send(
            PlatformHTTP.Request(method, address, body: body, timeLimit: timeLimit, answerLimit: 16 << 20))
        guard answer.status == 200 else { throw failure(of: answer) }
        return answer
    }

    /// What an answer other than 200 means.
    private func failure(of answer: PlatformHTTP.Answer) -> PlatformFailure {
        switch answer.status {
        case 429:
            return .wait(PlatformWait.time(answer.headers["retry-after"]), .everything)
        case 401, 403, 404:
            return .account(
                "Green API does not know this instance with this token (status \(answer.status)): compare green_api_id and green_api_token with its console"
            )
        case 466: return .refused(quota(of: answer))
        case 500...: return .unavailable("Green API answered with status \(answer.status)")
        default: return .refused("Green API refused it (status \(answer.status)): \(words(of: answer))")
        }
    }

    /// Its own words name the numbers of people, which don't belong into a log.
    private func quota(of answer: PlatformHTTP.Answer) -> String {
        let body = (try? answer.json()) ?? .null
        let isOfChats = body["correspondentsStatus"] != nil
        let status = body["correspondentsStatus"] ?? body["invokeStatus"]
        let what = isOfChats ? "chats" : "calls"
        let numbers: String
        if case .integer(let used)? = status?["used"], case .integer(let total)? = status?["total"] {
            numbers = " (\(used) of \(total) \(what) this month)"
        } else {
            numbers = ""
        }
        return
            "the quota of the Green API plan is used up\(numbers): take a larger plan in its console, or wait for the next month"
    }

    /// The platform's own words, cut short, without what is secret.
    private func words(of answer: PlatformHTTP.Answer) -> String {
        let body = (try? answer.json()) ?? .null
        let said = body["message"]?.string ?? body["error"]?.string ?? "it gave no reason"
        let plain = String(said.unicodeScalars.map { $0.value < 0x20 ? " " : Character($0) })
        return String(plain.replacing(token, with: "…").prefix(300))
    }
}
