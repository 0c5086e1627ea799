import Foundation
import JSON
import TestPlatforms
import Testing

@testable import Bridges
@testable import Wire

// People in Telegram talk with an agent: the fake of the Bot API, the bridge, the frame and a real gateway together.

/// Time that runs a hundred times as fast, so that the pauses that Telegram wants take no time of a test's.
enum QuickTime {
    private static let factor = 100
    private static let start = ContinuousClock.now

    static let now: @Sendable () -> ContinuousClock.Instant = { start + (.now - start) * factor }
    static let sleep: @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0 / factor) }

    static var bridge: BridgeSeams {
        BridgeSeams(clock: now, sleep: sleep, reportPause: .seconds(5))
    }

    static var telegram: TelegramSeams {
        var seams = TelegramSeams()
        (seams.now, seams.sleep) = (now, sleep)
        return seams
    }
}

@Suite(.timeLimit(.minutes(2))) struct TelegramConversationTests {
    /// A Telegram and an agent with the bridge between them.
    private struct Room: Sendable {
        let telegram: FakeTelegram
        let host: TestAgentHost
        let bridge: TestBridge

        var sent: [FakeTelegram.Message] { telegram.now.sent }
    }

    private static func run(
        _ agent: ScriptedAgent = .echo, access: ChannelAccess = .users("1001"), hasFiles: Bool = false,
        _ body: @escaping @Sendable (Room) async throws -> Void
    ) async throws {
        try await FakeTelegram.run { telegram in
            var options = TestAgentHost.Options()
            options.hasFiles = hasFiles
            let host = try TestAgentHost(agent, options)
            let platform = TelegramBridge(
                token: FakeTelegram.token, apiBase: telegram.url, logger: NotedLog().logger, seams: QuickTime.telegram)
            let bridge = try TestBridge(platform, host, access: access, seams: QuickTime.bridge)
            let room = Room(telegram: telegram, host: host, bridge: bridge)
            try await host.run { try await body(room) }
        }
    }

    @Test("a message is answered as a reply to it, and a topic's answer stands in the topic")
    func answers() async throws {
        try await Self.run { room in
            let telegram = room.telegram
            telegram.open(-600, .supergroup, topics: [77])
            try await room.bridge.run {
                let asked = telegram.say("Hello")
                let answer = try await telegram.waitForSent(to: 1001)[0]
                #expect(answer.text == "echo: Hello" && answer.replyTo == asked)
                telegram.say("not for the bot", in: -600, topic: 77)
                telegram.say("@fake_agent_bot and this?", in: -600, topic: 77)
                let second = try await telegram.waitForSent(to: -600)[0]
                #expect(second.text == "echo: and this?" && second.thread == 77)
            }
            #expect(room.host.agent.texts == ["Hello", "and this?"])
            #expect(room.host.agent.runs.map(\.request.sessionID) == ["tg:1001", "tg:-600:77"])
        }
    }

    @Test(
        "P-36: who is not on the list gets no turn and no word; names count for nothing, and an empty list lets nobody in"
    )
    func strangers() async throws {
        let poser = FakeTelegram.Person(id: 1003, name: "1001", username: "ann_example")
        for access in [ChannelAccess.users("1001"), ChannelAccess()] {
            try await Self.run(access: access) { room in
                let telegram = room.telegram
                telegram.open(-500)
                for person in [FakeTelegram.Person.bob, poser] {
                    telegram.say("Hello", by: person)
                    telegram.say("/status", by: person)
                    telegram.say("@fake_agent_bot hello", by: person, in: -500)
                    telegram.send("document", [1], name: "x", by: person)
                }
                telegram.post(by: nil, in: -500, ["text": "@fake_agent_bot hello"])
                if !access.users.isEmpty { telegram.say("I may") }
                try await room.bridge.run {
                    try await telegram.waitFor("all to be confirmed") {
                        $0.updates.isEmpty && $0.polls.count > 1 ? true : nil
                    }
                    if !access.users.isEmpty { try await telegram.waitForSent(to: 1001) }
                }
                #expect(room.sent.allSatisfy { $0.chat == 1001 } && room.sent.count == access.users.count)
                #expect(room.host.agent.texts == (access.users.isEmpty ? [] : ["I may"]))
                #expect(telegram.now.typing.allSatisfy { $0 == 1001 })
                #expect(!telegram.server.requests.contains { $0.lastComponent == "getFile" })
            }
        }
    }

    @Test("P-66: a link that is cut again and again loses nothing and doubles nothing")
    func cuts() async throws {
        try await Self.run { room in
            let telegram = room.telegram
            try await room.bridge.run {
                for number in 1...12 {
                    // Before the update is heard, before its answer is taken, or while nothing is said.
                    switch number % 3 {
                    case 0: telegram.cutPoll()
                    case 1: telegram.fail("getUpdates", .cutAnswer(after: 3), times: 2)
                    default: telegram.fail("sendMessage", .cut, times: 2)
                    }
                    telegram.say("\(number)")
                    try await telegram.waitForSent(number, to: 1001, within: .seconds(30))
                }
                try await telegram.waitFor("the last confirmation") { $0.updates.isEmpty ? true : nil }
            }
            let numbers = (1...12).map(String.init)
            #expect(room.host.agent.texts == numbers && room.sent.map(\.text) == numbers.map { "echo: \($0)" })
        }
    }

    @Test("P-66: a bridge that ends in the middle of anything goes on where it was: nothing lost, nothing run twice")
    func restarts() async throws {
        try await Self.run { room in
            let telegram = room.telegram
            for number in 1...10 {
                telegram.say("\(number)")
                try await room.bridge.run {
                    let polls = telegram.now.polls.count
                    switch number % 3 {
                    case 0: try await telegram.waitFor("a poll") { $0.polls.count > polls ? true : nil }
                    case 1:
                        try await telegram.waitFor("an update on its way") {
                            $0.polls.last?.brought?.isEmpty == false ? true : nil
                        }
                    default: try await telegram.waitFor("a confirmation") { $0.updates.isEmpty ? true : nil }
                    }
                }
            }
            try await room.bridge.run {
                try await telegram.waitFor("all answers", within: .seconds(30)) {
                    Set($0.sent.map(\.text)).count == 10 && $0.updates.isEmpty ? true : nil
                }
            }
            #expect(room.host.agent.texts == (1...10).map(String.init))
            // A send that was under way may have arrived although nobody heard of it.
            for number in 1...10 { #expect((1...2).contains(room.sent.filter { $0.text == "echo: \(number)" }.count)) }
        }
    }

    @Test("an answer of 60,000 characters in a storm of 429 arrives complete, in order, once")
    func storm() async throws {
        let words = (1...10_500).map { "w\($0) " }
        let text = String(words.joined().prefix(60_000))
        try await Self.run(ScriptedAgent(.immediate { _ in text })) { room in
            let telegram = room.telegram
            for _ in 0..<6 {
                telegram.flood("sendMessage", chat: 1001, times: 3, retryAfter: 7)
                telegram.flood("getUpdates", times: 1, retryAfter: 2)
            }
            try await room.bridge.run {
                telegram.say("Tell me all")
                try await telegram.waitFor("the end", within: .seconds(60)) { state in
                    state.sent.last?.text.hasSuffix(String(text.suffix(20)).trimmingCharacters(in: .whitespaces))
                        == true ? true : nil
                }
            }
            let arrived = room.sent.map(\.text).joined(separator: " ").split(whereSeparator: \.isWhitespace)
            let wanted = text.split(separator: " ")
            let first = zip(arrived, wanted).first { $0 != $1 }
            #expect(
                arrived.count == wanted.count && first == nil,
                "\(arrived.count) \(wanted.count) \(String(describing: first))")
            #expect(room.sent.allSatisfy { $0.text.utf16.count <= 4096 } && room.sent.count >= 15)
            // Nothing of it was made plain text, and nothing was given up.
            #expect(
                telegram.server.requests.filter { $0.lastComponent == "sendMessage" }.allSatisfy {
                    $0.field("parse_mode") == "HTML"
                })
            #expect(telegram.server.requests.filter { $0.lastComponent == "sendMessage" }.count == room.sent.count + 18)
        }
    }

    @Test("an answer grows while it is written, below a button that stops it, also in a reply thread")
    func stopButton() async throws {
        let agent = ScriptedAgent()
        try await Self.run(agent) { room in
            let telegram = room.telegram
            telegram.open(-500, .supergroup)
            let root = telegram.say("Something", by: .bob, in: -500)
            try await room.bridge.run {
                telegram.say("@fake_agent_bot what is that?", in: -500, replyTo: root)
                let run = try await agent.nextRun()
                #expect(run.request.sessionID == "tg:-500:\(root)")
                run.delta("It is **something")
                let shown = try await telegram.waitForSent(to: -500)[0]
                let stop = try #require(shown.buttons.first)
                run.delta(" else** entirely")
                try await telegram.waitFor("an edit") {
                    $0.sent(to: -500).first?.text.contains("entirely") == true ? true : nil
                }
                telegram.press(stop.label, of: shown.id, in: -500)
                try await telegram.waitFor("the end of the button") {
                    $0.sent(to: -500).first?.buttons.isEmpty == true ? true : nil
                }
                #expect(telegram.now.answeredPresses.count == 1)
            }
        }
    }

    @Test("an album becomes one turn with its files and its captions")
    func album() async throws {
        try await Self.run(hasFiles: true) { room in
            let telegram = room.telegram
            telegram.send("photo", [0xFF, 0xD8, 0xFF, 1], caption: "Which is better?", album: "g")
            telegram.send("photo", [0xFF, 0xD8, 0xFF, 2], album: "g")
            telegram.say("Say it in a word")
            try await room.bridge.run {
                try await telegram.waitForSent(2, to: 1001)
                try await telegram.waitFor("a confirmation") { $0.updates.isEmpty ? true : nil }
            }
            #expect(room.host.agent.runs.count == 2)
            let album = try #require(room.host.agent.runs.first?.request)
            #expect(album.text.contains("Which is better?") && album.attachments.count == 2)
            #expect(room.host.agent.texts.last == "Say it in a word")
        }
    }

    @Test("a chat that blocked the bot is left alone, others go on, and it is heard again when it says something")
    func blocked() async throws {
        try await Self.run(access: .users("1001", "1002")) { room in
            let telegram = room.telegram
            try await room.bridge.run {
                telegram.say("one")
                try await telegram.waitForSent(1, to: 1001)
                telegram.shut(1001)
                telegram.say("two")
                try await telegram.waitFor("a refusal") { $0.refusals.contains { $0.contains("blocked") } ? true : nil }
                telegram.say("Hello", by: .bob)
                try await telegram.waitForSent(1, to: 1002)
                telegram.shut(1001, nil)
                telegram.say("three")
                try await telegram.waitForSent(3, to: 1001)
            }
            #expect(telegram.now.sent(to: 1001).map(\.text) == ["echo: one", "echo: two", "echo: three"])
        }
    }
}
