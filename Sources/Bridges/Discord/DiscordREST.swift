internal import Foundation
internal import JSON
internal import Synchronization
internal import Wire

// How is Discord asked over HTTP? Within its limits, with the bot's token in one header and nowhere else, and never again with a token that
// it refused: many refused requests shut out the whole address. What a refusal means for an act is in DiscordRefusal.

/// One request.
struct DiscordRequest: Sendable {
    var method: String
    /// Behind the base, e.g. `/gateway/bot`. Holds secrets where it names an interaction: never told.
    var path: String
    /// The path with its ids left out.
    var pattern: String
    var major: String
    var body: PlatformHTTP.Body
    /// Whether it says who asks. Interactions are asked by their own token.
    var isAuthorized = true
    var timeLimit: Duration?

    init(
        _ method: String, _ path: String, pattern: String? = nil, major: String = "", body: PlatformHTTP.Body = .none
    ) {
        self.method = method
        self.path = path
        self.pattern = pattern ?? path
        self.major = major
        self.body = body
    }

    /// A request below a channel.
    static func channel(
        _ method: String, _ channel: String, _ rest: String, pattern: String? = nil, body: PlatformHTTP.Body = .none
    ) -> DiscordRequest {
        DiscordRequest(
            method, "/channels/\(channel)\(rest)", pattern: "/channels/*\(pattern ?? rest)", major: channel, body: body)
    }

    /// A request by an interaction's token.
    static func webhook(
        _ method: String, _ application: String, _ token: String, _ rest: String, body: PlatformHTTP.Body = .none
    ) -> DiscordRequest {
        var request = DiscordRequest(
            method, "/webhooks/\(application)/\(token)\(rest)", pattern: "/webhooks/*/*\(rest)", major: token,
            body: body)
        request.isAuthorized = false
        return request
    }

    fileprivate var route: DiscordRateLimits.Route { .init(name: "\(method) \(pattern)", major: major) }
}

/// Discord understood and will not do it.
struct DiscordRefusal: Error, Sendable, Equatable {
    var status: Int
    /// Discord's own number for what is wrong; 0 where it gave none.
    var code: Int
    /// In its words, cut.
    var text: String
}

/// What a bridge needs besides the network; tests give their own.
struct DiscordSeams: Sendable {
    var now: @Sendable () -> ContinuousClock.Instant = { .now }
    var sleep: @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
    /// From 0 to 1.
    var random: @Sendable () -> Double = { .random(in: 0...1) }
    /// Seconds since 1970.
    var clock: @Sendable () -> Double = { Date().timeIntervalSince1970 }
}

/// Asks Discord.
final class DiscordREST: Sendable {
    let base: String
    private let token: String
    private let http: PlatformHTTP
    private let seams: DiscordSeams
    private let state = Mutex<(limits: DiscordRateLimits, isRefused: Bool)>((DiscordRateLimits(), false))

    /// - Parameter base: with the version, without a slash at its end.
    init(base: String, token: String, http: PlatformHTTP = PlatformHTTP(), seams: DiscordSeams) {
        self.base = base
        self.token = token
        self.http = http
        self.seams = seams
    }

    /// A refused token is tried again: somebody may have mended it.
    func forgive() { state.withLock { $0.isRefused = false } }

    /// Sends a request once.
    ///
    /// - Throws: ``DiscordRefusal``, ``PlatformFailure``, `CancellationError`.
    @discardableResult
    func ask(_ request: DiscordRequest) async throws -> [UInt8] {
        let route = request.route
        if request.isAuthorized {
            let pause = try state.withLock { state in
                if state.isRefused { throw PlatformFailure.account(DiscordCloseCode.wrongToken) }
                return state.limits.take(route, now: seams.now())
            }
            if let (duration, scope) = pause { throw PlatformFailure.wait(duration, scope) }
        }
        var headers = [("User-Agent", "DiscordBot (https://github.com/openagent, \(OpenAgentVersion.current))")]
        if request.isAuthorized { headers.append(("Authorization", "Bot \(token)")) }
        let answer = try await http.send(
            .init(
                request.method, base + request.path, headers: headers, body: request.body, timeLimit: request.timeLimit,
                answerLimit: 8 << 20))
        if request.isAuthorized {
            state.withLock { $0.limits.note(route, headers: answer.headers, now: seams.now()) }
        }
        switch answer.status {
        case 200..<300: return answer.body
        case 429: throw tooMany(answer, route)
        case 401 where request.isAuthorized:
            state.withLock { $0.isRefused = true }
            throw PlatformFailure.account(DiscordCloseCode.wrongToken)
        case 500...: throw PlatformFailure.unavailable("Discord answered with status \(answer.status)")
        default:
            let said = try? answer.json()
            throw DiscordRefusal(
                status: answer.status, code: said?["code"]?.integer ?? 0,
                text: String((said?["message"]?.string ?? "status \(answer.status)").prefix(200)))
        }
    }

    /// The same, read as JSON.
    ///
    /// - Throws: as ``ask(_:)``; ``PlatformFailure/unavailable(_:)`` for what has another shape.
    func ask<Answer: Decodable>(_ request: DiscordRequest, as type: Answer.Type) async throws -> Answer {
        let body = try await ask(request)
        guard let answer = try? DiscordFrame.decoder.decode(Answer.self, from: Data(body)) else {
            throw PlatformFailure.unavailable("Discord answered in an unknown form")
        }
        return answer
    }

    /// Sends a request again and again until it is done or refused, at Discord's pace. For what no act of the frame stands behind.
    ///
    /// - Throws: ``DiscordRefusal``, ``PlatformFailure/account(_:)``, `CancellationError`.
    func insist<Answer: Decodable>(_ request: DiscordRequest, as type: Answer.Type) async throws -> Answer {
        var failures = 0
        while true {
            let pause: Duration
            do {
                return try await ask(request, as: type)
            } catch PlatformFailure.wait(let duration, _) {
                pause = duration
            } catch PlatformFailure.unavailable {
                failures += 1
                pause = .seconds(Double(1 << min(failures, 6)) * (0.5 + seams.random() / 2))
            }
            try await seams.sleep(pause)
        }
    }

    private func tooMany(_ answer: PlatformHTTP.Answer, _ route: DiscordRateLimits.Route) -> PlatformFailure {
        let said = try? answer.json()
        let header = answer.headers["retry-after"].flatMap(Double.init)
        // A proxy in front of Discord says it without JSON, and means the whole address.
        let isGlobal =
            said?["retry_after"] == nil || said?["global"] == true || answer.headers["x-ratelimit-global"] == "true"
        let (pause, scope) = state.withLock {
            $0.limits.refused(
                route, seconds: said?["retry_after"]?.double ?? header ?? 5, isGlobal: isGlobal, now: seams.now())
        }
        return .wait(pause, scope)
    }
}

extension DiscordRefusal {
    /// What was asked for.
    enum Act { case send, edit, typing, file }

    /// What the refusal means for the chat (API v10, "JSON Error Codes").
    func failure(of act: Act) -> PlatformFailure {
        switch (code, act) {
        case (10008, .edit), (50005, .edit): .messageGone
        case (10003, _), (50001, _): .chatGone("Discord says: \(text)")
        case (50007, _): .chatGone("this user takes no direct messages from the bot")
        case (50013, .file): .refused("the bot may not send files there")
        case (50013, _): .chatGone("the bot may not write there")
        case (50008, _), (160005, _), (50083, .send), (50083, .file), (10004, _):
            .chatGone("Discord says: \(text)")
        case (20016, _), (20028, _): .wait(.seconds(5), .chat)
        case (40005, _): .refused("the file is larger than Discord takes")
        case (_, .file) where status == 413: .refused("the file is larger than Discord takes")
        case (0, .send) where status == 404, (0, .typing) where status == 404, (0, .file) where status == 404:
            .chatGone("Discord knows no such channel")
        case (0, .edit) where status == 404: .messageGone
        case (0, _) where status == 403: .chatGone("Discord says: \(text)")
        default: .refused("Discord says: \(text) (\(code))")
        }
    }
}

extension JSONValue {
    var integer: Int? { if case .integer(let number) = self { Int(number) } else { nil } }
    var double: Double? {
        switch self {
        case .integer(let number): Double(number)
        case .number(let number): number
        default: nil
        }
    }
}
