import Foundation
import JSON
import TestPlatforms
import Testing

@testable import Bridges
@testable import Wire

// What every bridge keeps (P-36, P-65, P-66), kept by Discord's with the fake Discord.

struct ConformingDiscord: ConformingPlatform {
    let discord: FakeDiscord
    private let people: [String: FakeDiscord.User]
    private let channel: String
    /// What is kept of a session that stood before: nobody hears what was said before the first one.
    private let session: String

    static func run<T: Sendable>(_ body: @escaping @Sendable (ConformingDiscord) async throws -> T) async throws -> T {
        try await FakeDiscord.run { discord in
            let people = ["ana", "bob", "mallory"].map { discord.user($0) }
            let channel = discord.channel()
            let inbox = DiscordInbox()
            let session = try await listening(discord.bridge(), inbox) {
                try await inbox.waitFor("a session") { $0.memory["session"] }
            }
            return try await body(
                ConformingDiscord(
                    discord: discord, people: Dictionary(uniqueKeysWithValues: people.map { ($0.id, $0) }),
                    channel: channel, session: session))
        }
    }

    var account: PlatformAccount { .discord(token: FakeDiscord.token, apiBase: discord.apiBase) }
    func makeBridge(_ settings: ChannelSettings) -> any Bridge {
        QuickDiscord(bridge: discord.bridge(guilds: settings.access.guilds), session: session)
    }

    private func id(_ name: String) -> String { people.values.first { $0.name == name }?.id ?? "" }
    var ana: String { id("ana") }
    var bob: String { id("bob") }
    var stranger: String { id("mallory") }
    var group: String? { channel }

    private func user(_ id: String) throws -> FakeDiscord.User { try #require(people[id]) }
    private func place(_ chat: String) -> String { people[chat].map(discord.direct) ?? chat }

    func say(_ text: String, by user: String, in group: String?, isMentioning: Bool) async throws {
        let said = isMentioning ? "<@\(FakeDiscord.bot)> \(text)" : text
        discord.say(said, by: try self.user(user), in: group ?? place(user), mentioning: isMentioning)
    }

    func sendFile(_ name: String, _ bytes: [UInt8], caption: String, by user: String) async throws -> Bool {
        discord.say(
            caption, by: try self.user(user), in: place(user), files: [.init(name, type: "text/plain", bytes)])
        return true
    }

    func sayAnonymously(_ text: String) async throws -> Bool {
        discord.say(text, by: try user(ana), in: place(ana), extra: ["author": .null])
        return true
    }

    func repeatUpdates() async throws { discord.repeatMessages() }

    func messages(in chat: String) async throws -> [ConformingMessage] {
        discord.posts(in: place(chat)).map { post in
            ConformingMessage(
                id: post.id, text: post.text, file: post.file.map { ($0.name, $0.bytes) }, buttons: post.buttons)
        }
    }

    func press(_ data: String, on message: ConformingMessage, by user: String) async throws -> Bool {
        discord.press(data, by: try self.user(user), in: place(user), message: message.id)
        return true
    }

    func cut() async throws { discord.cutGateway() }
    func storm(_ count: Int) async throws { discord.set { $0.storm = .init(times: count, retryAfter: 0.02) } }

    func fail(_ count: Int) async throws {
        discord.server.fail(
            FakeFault(.answer(.text("out of order", status: 503)), times: count) {
                $0.path.contains("/messages") && $0.method != "GET"
            })
    }

    func setBlocked(_ isBlocked: Bool, by user: String) async throws {
        discord.shut(place(user), isBlocked ? .takesNoMessages : nil)
    }

    /// Discord takes any text.
    func refuseMarkup() async throws -> Bool { false }
}

/// A bridge that was connected before, at a pace for tests.
private struct QuickDiscord: Bridge {
    let bridge: DiscordBridge
    let session: String

    var platform: Platform { bridge.platform }
    var limits: PlatformLimits {
        var limits = bridge.limits
        limits.chatPause = .milliseconds(1)
        limits.globalPause = .zero
        limits.editPause = .milliseconds(10)
        limits.typingTime = .milliseconds(200)
        return limits
    }

    func listen(_ inbox: any Inbox) async throws {
        if try await inbox.remembered("session") == nil { try await inbox.remember("session", session) }
        try await bridge.listen(inbox)
    }

    func perform(_ act: OutboundAct, at place: ChatPlace, key: String) async throws -> String? {
        try await bridge.perform(act, at: place, key: key)
    }
}

@Suite(.timeLimit(.minutes(2))) struct DiscordConformanceTests {
    typealias Conformance = BridgeConformance<ConformingDiscord>

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
