import TestPlatforms
import Testing

@testable import Bridges
@testable import Wire

// What every bridge keeps, kept by the bridge to Telegram.

struct ConformingTelegram: ConformingPlatform {
    private static let group: Int64 = -500

    let telegram: FakeTelegram

    static func run<T: Sendable>(_ body: @escaping @Sendable (ConformingTelegram) async throws -> T) async throws -> T {
        try await FakeTelegram.run { telegram in
            telegram.open(group)
            return try await body(ConformingTelegram(telegram: telegram))
        }
    }

    var account: PlatformAccount { .telegram(token: FakeTelegram.token, apiBase: telegram.url) }

    func makeBridge(_ settings: ChannelSettings) -> any Bridge {
        var bridge = TelegramBridge(
            token: FakeTelegram.token, apiBase: telegram.url, logger: NotedLog().logger, seams: QuickTime.telegram)
        (bridge.limits.chatPause, bridge.limits.globalPause) = (.milliseconds(1), .zero)
        bridge.limits.editPause = .milliseconds(10)
        return bridge
    }

    var ana: String { "1001" }
    var bob: String { "1002" }
    var stranger: String { "1003" }
    var group: String? { "\(Self.group)" }

    private func person(_ id: String) -> FakeTelegram.Person {
        FakeTelegram.Person(id: Int64(id) ?? 0, name: "User \(id)", username: "user_\(id)")
    }

    func say(_ text: String, by user: String, in group: String?, isMentioning: Bool) async throws {
        let text = isMentioning ? "@\(FakeTelegram.bot.username) \(text)" : text
        telegram.say(text, by: person(user), in: group.flatMap { Int64($0) })
    }

    func sendFile(_ name: String, _ bytes: [UInt8], caption: String, by user: String) async throws -> Bool {
        telegram.send("document", bytes, name: name, type: "text/plain", caption: caption, by: person(user))
        return true
    }

    func sayAnonymously(_ text: String) async throws -> Bool {
        let text = "@\(FakeTelegram.bot.username) \(text)"
        telegram.post(
            by: nil, in: Self.group, ["text": .string(text), "entities": .array(FakeTelegram.entities(of: text))])
        return true
    }

    func repeatUpdates() async throws { telegram.repeatUpdates(100) }

    func messages(in chat: String) async throws -> [ConformingMessage] {
        telegram.now.sent(to: Int64(chat) ?? 0).map { message in
            ConformingMessage(
                id: "\(message.id)", text: message.text, file: message.file.map { ($0.filename ?? "", $0.bytes) },
                buttons: message.buttons.map(\.data))
        }
    }

    func press(_ data: String, on message: ConformingMessage, by user: String) async throws -> Bool {
        let chat = telegram.now.sent.first { "\($0.id)" == message.id && $0.buttons.contains { $0.data == data } }?.chat
        return telegram.press(data: data, of: Int64(message.id) ?? 0, in: chat ?? 0, by: person(user)) != nil
    }

    func cut() async throws { telegram.cutPoll() }

    private func fail(_ count: Int, _ answer: FakeResponse) {
        telegram.server.fail(
            FakeFault(.answer(answer), times: count) { ["sendMessage", "editMessageText"].contains($0.lastComponent) })
    }

    func storm(_ count: Int) async throws {
        // No second at all, which the bridge does not take at its word.
        fail(count, FakeTelegram.refusal(429, "Too Many Requests: retry after 0", parameters: ["retry_after": 0]))
    }

    func fail(_ count: Int) async throws { fail(count, FakeTelegram.refusal(502, "Bad Gateway")) }

    func setBlocked(_ isBlocked: Bool, by user: String) async throws {
        telegram.shut(Int64(user) ?? 0, isBlocked ? "Forbidden: bot was blocked by the user" : nil)
    }

    func refuseMarkup() async throws -> Bool {
        let answer = FakeTelegram.refusal(400, "Bad Request: can't parse entities: unexpected end tag at byte offset 9")
        telegram.server.fail(FakeFault(.answer(answer), times: .max) { $0.field("parse_mode") == "HTML" })
        return true
    }
}

@Suite(.timeLimit(.minutes(2))) struct TelegramConformanceTests {
    typealias Conformance = BridgeConformance<ConformingTelegram>

    @Test func answersEachMessageOnce() async throws { try await Conformance.answersEachMessageOnce() }
    @Test func hearsARepeatedUpdateOnce() async throws { try await Conformance.hearsARepeatedUpdateOnce() }
    @Test("P-65, P-66: cut again and again, nothing is lost and nothing is doubled")
    func comesBackWheneverItIsCut() async throws { try await Conformance.comesBackWheneverItIsCut() }
    @Test func survivesARestartOfTheAgent() async throws { try await Conformance.survivesARestartOfTheAgent() }
    @Test func survivesItsOwnEnd() async throws { try await Conformance.survivesItsOwnEnd() }
    @Test func sendsALongAnswerThroughAStorm() async throws { try await Conformance.sendsALongAnswerThroughAStorm() }
    @Test func triesAgainWhenThePlatformFails() async throws { try await Conformance.triesAgainWhenThePlatformFails() }
    @Test func parksAChatThatIsShut() async throws { try await Conformance.parksAChatThatIsShut() }
    @Test func stopsARunningAnswer() async throws { try await Conformance.stopsARunningAnswer() }
    @Test func passesOnWhatIsNoCommand() async throws { try await Conformance.passesOnWhatIsNoCommand() }
    @Test func stopsByItsButton() async throws { try await Conformance.stopsByItsButton() }
    @Test("P-36: who may not talk is not heard") func hearsOnlyWhoMayTalk() async throws {
        try await Conformance.hearsOnlyWhoMayTalk()
    }
    @Test("P-36: an empty list lets nobody in") func hearsNobodyWhenTheListIsEmpty() async throws {
        try await Conformance.hearsNobodyWhenTheListIsEmpty()
    }
    @Test func letsInWhoWasApproved() async throws { try await Conformance.letsInWhoWasApproved() }
    @Test func carriesFilesBothWays() async throws { try await Conformance.carriesFilesBothWays() }
    @Test func takesNoPrograms() async throws { try await Conformance.takesNoPrograms() }
    @Test func sendsPlainTextWhenMarkupIsRefused() async throws {
        try await Conformance.sendsPlainTextWhenMarkupIsRefused()
    }
}
