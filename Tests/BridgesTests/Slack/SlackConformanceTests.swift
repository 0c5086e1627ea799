import JSON
import TestPlatforms
import Testing
import Wire

@testable import Bridges

// Slack keeps what every bridge keeps. It refuses no markup.

struct ConformingSlack: ConformingPlatform {
    let fake: FakeSlack

    static func run<T: Sendable>(_ body: @escaping @Sendable (Self) async throws -> T) async throws -> T {
        try await FakeSlack.run { fake in
            fake.state.change { state in
                for user in ["UANA", "UBOB", "UMALLORY"] { state.channels[Self.chat(user)] = .init() }
            }
            return try await body(ConformingSlack(fake: fake))
        }
    }

    var account: PlatformAccount {
        .slack(botToken: FakeSlack.botToken, appToken: FakeSlack.appToken, apiBase: fake.apiBase)
    }

    func makeBridge(_ settings: ChannelSettings) -> any Bridge {
        var limits = SlackBridge.usualLimits
        limits.chatPause = .zero
        limits.globalPause = .zero
        limits.editPause = .milliseconds(20)
        return SlackBridge(
            botToken: FakeSlack.botToken, appToken: FakeSlack.appToken, apiBase: fake.apiBase, seams: .init(),
            limits: limits)
    }

    var ana: String { "UANA" }
    var bob: String { "UBOB" }
    var stranger: String { "UMALLORY" }
    var group: String? { "C100" }

    /// A conversation alone has an id of its own.
    private static func chat(_ id: String) -> String { id.hasPrefix("U") ? "D" + id.dropFirst() : id }

    func say(_ text: String, by user: String, in group: String?, isMentioning: Bool) async throws {
        let text = isMentioning ? "<@\(FakeSlack.own)> \(text)" : text
        let (_, ts) = await fake.say(text, in: group ?? Self.chat(user), from: user)
        if isMentioning, let group { await fake.mention(text, in: group, ts: ts, from: user) }
    }

    func sendFile(_ name: String, _ bytes: [UInt8], caption: String, by user: String) async throws -> Bool {
        await fake.share(
            .init(name: name, bytes: bytes, type: "text/plain"), text: caption, in: Self.chat(user), from: user)
        return true
    }

    func sayAnonymously(_ text: String) async throws -> Bool {
        await fake.event([
            "type": "message", "text": .string(text), "channel": .string(Self.chat(ana)), "ts": "1.1",
            "channel_type": "im",
        ])
        return true
    }

    func repeatUpdates() async throws {
        for envelope in fake.state.now.envelopes { await fake.again(envelope.number) }
    }

    func messages(in chat: String) async throws -> [ConformingMessage] {
        fake.posts.filter { $0.channel == Self.chat(chat) }.map { post in
            ConformingMessage(
                id: post.ts, text: SlackWords.plain(post.shown, own: "").text,
                buttons: post.buttons.compactMap { $0["value"]?.string })
        }
            + fake.state.now.files.filter { $0.value.channel == Self.chat(chat) }.map {
                ConformingMessage(id: $0, text: "", file: ($1.name, $1.bytes))
            }
    }

    func press(_ data: String, on message: ConformingMessage, by user: String) async throws -> Bool {
        await fake.press(data, on: message.id, in: Self.chat(user), from: user)
        return true
    }

    func cut() async throws { fake.server.cutAll() }

    private static func isSending(_ request: FakeRequest) -> Bool {
        ["chat.postMessage", "chat.update"].contains(request.lastComponent)
    }

    func storm(_ count: Int) async throws {
        let response = FakeResponse.json(
            ["ok": false, "error": "ratelimited"], status: 429, headers: [("Retry-After", "0.02")])
        fake.server.fail(FakeFault(.answer(response), times: count, where: Self.isSending))
    }

    func fail(_ count: Int) async throws {
        fake.server.fail(FakeFault(.answer(.text("oops", status: 500)), times: count, where: Self.isSending))
    }

    func setBlocked(_ isBlocked: Bool, by user: String) async throws {
        fake.state.change { $0.channels[Self.chat(user)]?.isArchived = isBlocked }
    }

    func refuseMarkup() async throws -> Bool { false }
}

@Suite(.timeLimit(.minutes(2))) struct SlackConformanceTests {
    typealias Conformance = BridgeConformance<ConformingSlack>

    @Test func answersEachMessageOnce() async throws { try await Conformance.answersEachMessageOnce() }
    @Test func hearsARepeatedUpdateOnce() async throws { try await Conformance.hearsARepeatedUpdateOnce() }
    @Test("P-66") func comesBackWheneverItIsCut() async throws { try await Conformance.comesBackWheneverItIsCut() }
    @Test func survivesARestartOfTheAgent() async throws { try await Conformance.survivesARestartOfTheAgent() }
    @Test func survivesItsOwnEnd() async throws { try await Conformance.survivesItsOwnEnd() }
    @Test func sendsALongAnswerThroughAStorm() async throws { try await Conformance.sendsALongAnswerThroughAStorm() }
    @Test func triesAgainWhenThePlatformFails() async throws { try await Conformance.triesAgainWhenThePlatformFails() }
    @Test func parksAChatThatIsShut() async throws { try await Conformance.parksAChatThatIsShut() }
    @Test func stopsARunningAnswer() async throws { try await Conformance.stopsARunningAnswer() }
    @Test func passesOnWhatIsNoCommand() async throws { try await Conformance.passesOnWhatIsNoCommand() }
    @Test func stopsByItsButton() async throws { try await Conformance.stopsByItsButton() }
    @Test("P-36") func hearsOnlyWhoMayTalk() async throws { try await Conformance.hearsOnlyWhoMayTalk() }
    @Test("P-36") func hearsNobodyWhenTheListIsEmpty() async throws {
        try await Conformance.hearsNobodyWhenTheListIsEmpty()
    }
    @Test func letsInWhoWasApproved() async throws { try await Conformance.letsInWhoWasApproved() }
    @Test func carriesFilesBothWays() async throws { try await Conformance.carriesFilesBothWays() }
    @Test func takesNoPrograms() async throws { try await Conformance.takesNoPrograms() }
}
