internal import JSON

// How is Slack asked? By its Web API: a method, fields, a token in a header, and an answer that says `ok` or names an error. What an error
// means for a bridge is decided here, in one table. No text that leaves this file holds more of an answer than the error's name.

/// The calls of one Slack app.
struct SlackAPI: Sendable {
    /// Whose token a call carries.
    enum Holder: Sendable { case bot, app }

    let base: String
    private let botToken: String
    private let appToken: String
    private let http: PlatformHTTP

    init(base: String, botToken: String, appToken: String, http: PlatformHTTP) {
        self.base = base
        self.botToken = botToken
        self.appToken = appToken
        self.http = http
    }

    /// Who we are.
    struct Identity: Sendable, Equatable {
        var user: String
        var name: String
    }

    func identity() async throws -> Identity {
        let answer = try await call("auth.test", .json([:]), scope: .everything)
        guard let user = answer["user_id"]?.string else {
            throw PlatformFailure.unavailable("Slack did not say who we are")
        }
        return Identity(user: user, name: answer["user"]?.string ?? user)
    }

    /// - Returns: where the next connection of Socket Mode goes; good for one, and soon over.
    func connectionAddress() async throws -> String {
        let answer = try await call("apps.connections.open", .form([]), as: .app, scope: .everything)
        guard let address = answer["url"]?.string, SlackAddress.isSocket(address, base: base) else {
            throw PlatformFailure.unavailable("Slack gave no address for Socket Mode")
        }
        return address
    }

    // MARK: Calls

    /// Calls a method and checks that it went well.
    ///
    /// - Parameter scope: what waits when Slack wants to be left alone.
    /// - Throws: ``PlatformFailure``, `CancellationError`.
    func call(
        _ method: String, _ body: PlatformHTTP.Body, as holder: Holder = .bot, scope: PlatformFailure.Scope = .chat
    ) async throws -> JSONValue {
        let answer = try await ask(method, body, as: holder, scope: scope)
        if let error = SlackError(answer) { throw error.failure(scope) }
        return answer
    }

    /// Calls a method. What Slack refused by name is an answer, too.
    func ask(
        _ method: String, _ body: PlatformHTTP.Body, as holder: Holder = .bot, scope: PlatformFailure.Scope = .chat
    ) async throws -> JSONValue {
        let token = holder == .bot ? botToken : appToken
        let answer = try await http.send(
            PlatformHTTP.Request(
                "POST", "\(base)/\(method)", headers: [("Authorization", "Bearer \(token)")], body: body))
        try Self.check(answer, scope)
        return try answer.json()
    }

    private static func check(_ answer: PlatformHTTP.Answer, _ scope: PlatformFailure.Scope) throws(PlatformFailure) {
        switch answer.status {
        case 429:
            throw .wait(PlatformWait.time(answer.headers["retry-after"]), scope)
        case 500...: throw .unavailable("Slack answered with status \(answer.status)")
        case 200: return
        default: throw .unavailable("Slack answered with status \(answer.status): is its address right?")
        }
    }

    // MARK: Answers to commands and buttons

    /// Answers by the address that came with a command or a press, for nobody but who gave it.
    ///
    /// - Returns: false when the address is no good any more.
    func respond(_ message: SlackMessage, at address: String) async throws -> Bool {
        guard SlackAddress.isTrusted(address, base: base) else { return false }
        var fields = message.fields
        fields["response_type"] = "ephemeral"
        fields["replace_original"] = false
        let answer = try await http.send(PlatformHTTP.Request("POST", address, body: .json(.object(fields))))
        if (400..<500).contains(answer.status), answer.status != 429 { return false }
        try Self.check(answer, .chat)
        return true
    }

    // MARK: Files

    /// Hands over the bytes of a file that somebody sent.
    ///
    /// - Parameter address: where it lies; nil when Slack did not say, as for files of other organizations.
    func fetch(
        _ file: String, at address: String?, limit: Int64, _ write: @Sendable ([UInt8]) async throws -> Void
    ) async throws {
        var address = address
        if address == nil {
            let known = try await call("files.info", .form([("file", file)]))["file"]
            address = known?["url_private_download"]?.string ?? known?["url_private"]?.string
        }
        // The token goes nowhere else.
        guard let address, SlackAddress.isTrusted(address, base: base) else {
            throw PlatformFailure.refused("the file does not lie at Slack")
        }
        try await http.download(address, headers: [("Authorization", "Bearer \(botToken)")], limit: limit, write)
    }

    /// Sends a file: asks where to, brings it there, and says which chat it is for.
    func share(_ file: OutboundFile, at place: ChatPlace) async throws {
        let target = try await call(
            "files.getUploadURLExternal", .form([("filename", file.name), ("length", "\(file.size)")]))
        guard let id = target["file_id"]?.string, let address = target["upload_url"]?.string,
            SlackAddress.isTrusted(address, base: base)
        else { throw PlatformFailure.unavailable("Slack did not say where the file goes") }
        let part = PlatformHTTP.Part(
            "filename", .file(path: file.path), filename: file.name,
            contentType: file.mimeType ?? "application/octet-stream")
        // At 100 KB a second it still arrives. The address is secret enough: no token goes along.
        let sent = try await http.send(
            PlatformHTTP.Request(
                "POST", address, body: .multipart([part]), timeLimit: .seconds(60 + file.size / 100_000)))
        if sent.status == 413 { throw PlatformFailure.refused("the file is too large for Slack") }
        try Self.check(sent, .chat)
        var fields: [String: JSONValue] = [
            "files": [["id": .string(id), "title": .string(file.name)]], "channel_id": .string(place.chat),
        ]
        if let thread = place.thread { fields["thread_ts"] = .string(thread) }
        _ = try await call("files.completeUploadExternal", .json(.object(fields)))
    }
}

/// What Slack named instead of `ok`.
struct SlackError: Equatable {
    /// Small letters, digits and underscores.
    let code: String
    /// The permission that is missing.
    let needed: String?

    /// Nil for an answer that is well.
    init?(_ answer: JSONValue) {
        if answer["ok"] == true { return nil }
        code = Self.plain(answer["error"]?.string) ?? "no reason"
        needed = Self.plain(answer["needed"]?.string)
    }

    private static func plain(_ text: String?) -> String? {
        text.map { text in
            String(
                String.UnicodeScalarView(
                    text.unicodeScalars.filter {
                        $0.isASCII && ($0.properties.isAlphabetic || "0123456789_:.,-".unicodeScalars.contains($0))
                    }
                    .prefix(80)))
        }
    }

    /// Slack refused the blocks, and text alone may do.
    var isOfBlocks: Bool { ["invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long"].contains(code) }

    /// - Parameter scope: of a call that is about the account itself, everything; then there is no chat that could be gone.
    func failure(_ scope: PlatformFailure.Scope) -> PlatformFailure {
        switch meaning {
        case .wait(let time, _): .wait(time, scope)
        case .chatGone(let why), .refused(let why): scope == .chat ? meaning : .account(why)
        case let meaning: meaning
        }
    }

    private var meaning: PlatformFailure {
        switch code {
        case "ratelimited", "rate_limited", "message_limit_exceeded": .wait(.seconds(1), .chat)
        case "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired",
            "not_allowed_token_type",
            "forbidden_team", "team_access_not_granted", "org_login_required":
            .account(
                "Slack refuses the token (\(code)): compare bot_token (xoxb-…) and app_token (xapp-…) with the settings of the app, and install it again if it was removed"
            )
        case "missing_scope": .refused(lacking)
        case "channel_not_found", "is_archived", "not_in_channel", "user_disabled", "messages_tab_disabled",
            "restricted_action", "restricted_action_read_only_channel", "restricted_action_thread_locked",
            "restricted_action_non_threadable_channel", "thread_not_found", "cannot_reply_to_message", "no_permission",
            "ekm_access_denied", "access_denied":
            .chatGone("Slack does not let us into this conversation (\(code)): invite the app into it again")
        case "message_not_found", "cant_update_message", "edit_window_closed": .messageGone
        case "internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org",
            "accesslimited":
            .unavailable("Slack has a fault of its own (\(code))")
        default: .refused("Slack refused it (\(code))")
        }
    }

    private var lacking: String {
        "the Slack app lacks the permission \(needed ?? "for this"): add it under OAuth & Permissions, and install the app again"
    }
}
