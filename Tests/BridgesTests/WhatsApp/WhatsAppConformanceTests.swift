import TestPlatforms
import Testing
import Wire

@testable import Bridges

// WhatsApp keeps what every bridge keeps. Green API never says that a chat is gone, refuses no markup and has no buttons: those promises have
// nothing to be tested by.

struct ConformingWhatsApp: ConformingPlatform {
    let fake: FakeWhatsApp

    static func run<T: Sendable>(_ body: @escaping @Sendable (Self) async throws -> T) async throws -> T {
        try await FakeWhatsApp.run { try await body(ConformingWhatsApp(fake: $0)) }
    }

    var account: PlatformAccount {
        .whatsapp(id: FakeWhatsApp.id, token: FakeWhatsApp.token, apiBase: fake.apiBase)
    }

    func makeBridge(_ settings: ChannelSettings) -> any Bridge {
        var limits = WhatsAppBridge.usualLimits
        limits.chatPause = .zero
        limits.globalPause = .zero
        return WhatsAppBridge(
            id: FakeWhatsApp.id, token: FakeWhatsApp.token, apiBase: fake.apiBase, seams: .init(), limits: limits)
    }

    var ana: String { "79000000001" }
    var bob: String { "79000000002" }
    var stranger: String { "79000000003" }
    var group: String? { "120363000000000001@g.us" }

    private static func chat(_ id: String) -> String { id.contains("@") ? id : id + "@c.us" }

    func say(_ text: String, by user: String, in group: String?, isMentioning: Bool) async throws {
        let number = FakeWhatsApp.ownID.prefix { $0 != "@" }
        fake.say(isMentioning ? "@\(number) \(text)" : text, from: Self.chat(user), in: group)
    }

    func sendFile(_ name: String, _ bytes: [UInt8], caption: String, by user: String) async throws -> Bool {
        fake.send(
            .init(name: name, type: "text/plain", bytes: bytes), as: "documentMessage", caption: caption,
            from: Self.chat(user))
        return true
    }

    func sayAnonymously(_ text: String) async throws -> Bool {
        fake.tell(
            ["typeMessage": "textMessage", "textMessageData": ["textMessage": .string(text)]], from: nil,
            in: Self.chat(ana))
        return true
    }

    func repeatUpdates() async throws { fake.againAll() }

    func messages(in chat: String) async throws -> [ConformingMessage] {
        fake.sent.filter { $0.chat == Self.chat(chat) }.map { sent in
            ConformingMessage(id: sent.id, text: sent.text, file: sent.file.map { ($0.name, $0.bytes) })
        }
    }

    func press(_ data: String, on message: ConformingMessage, by user: String) async throws -> Bool { false }
    func cut() async throws { fake.server.cutAll() }

    func storm(_ count: Int) async throws { fake.storm(count, retryAfter: "0.02", of: "sendMessage") }

    func fail(_ count: Int) async throws {
        fake.server.fail(
            FakeFault(.answer(.text("bad gateway", status: 502)), times: count) {
                FakeWhatsApp.method($0) == "sendMessage"
            })
    }

    func setBlocked(_ isBlocked: Bool, by user: String) async throws {}
    func refuseMarkup() async throws -> Bool { false }
}

@Suite(.timeLimit(.minutes(2))) struct WhatsAppConformanceTests {
    typealias Conformance = BridgeConformance<ConformingWhatsApp>

    @Test func answersEachMessageOnce() async throws { try await Conformance.answersEachMessageOnce() }
    @Test func hearsARepeatedUpdateOnce() async throws { try await Conformance.hearsARepeatedUpdateOnce() }
    @Test("P-66") func comesBackWheneverItIsCut() async throws { try await Conformance.comesBackWheneverItIsCut() }
    @Test func survivesARestartOfTheAgent() async throws { try await Conformance.survivesARestartOfTheAgent() }
    @Test func survivesItsOwnEnd() async throws { try await Conformance.survivesItsOwnEnd() }
    @Test func sendsALongAnswerThroughAStorm() async throws { try await Conformance.sendsALongAnswerThroughAStorm() }
    @Test func triesAgainWhenThePlatformFails() async throws { try await Conformance.triesAgainWhenThePlatformFails() }
    @Test func stopsARunningAnswer() async throws { try await Conformance.stopsARunningAnswer() }
    @Test func passesOnWhatIsNoCommand() async throws { try await Conformance.passesOnWhatIsNoCommand() }
    @Test("P-36") func hearsOnlyWhoMayTalk() async throws { try await Conformance.hearsOnlyWhoMayTalk() }
    @Test("P-36") func hearsNobodyWhenTheListIsEmpty() async throws {
        try await Conformance.hearsNobodyWhenTheListIsEmpty()
    }
    @Test func letsInWhoWasApproved() async throws { try await Conformance.letsInWhoWasApproved() }
    @Test func carriesFilesBothWays() async throws { try await Conformance.carriesFilesBothWays() }
    @Test func takesNoPrograms() async throws { try await Conformance.takesNoPrograms() }

    @Test("Weakness: the name of a file leads nowhere") func fileNames() async throws {
        var options = TestAgentHost.Options()
        options.hasFiles = true
        try await Conformance.run(ScriptedAgent(), options) { world in
            let platform = world.platform
            _ = try await platform.sendFile("../../../evil.txt", [1, 2], caption: "look", by: platform.ana)
            let run = try await world.agent.nextRun()
            let file = try #require(run.request.attachments.first)
            #expect(!file.filename.contains("/") && !file.path.contains(".."))
        }
    }
}
