import Foundation
import Synchronization
import Testing

@testable import Agent
@testable import Bridges
@testable import Gateway
@testable import Store
@testable import Wire

// What the frame does beyond what every platform's suite asks for: what the agent refuses, how it ends, many chats, questions, voice.

@Suite(.timeLimit(.minutes(2))) struct FrameTests {
    /// Runs a platform in memory, an agent and a bridge.
    private func run(
        _ agent: ScriptedAgent = .echo, _ options: TestAgentHost.Options = .init(),
        _ platform: FakePlatform = FakePlatform(), change: (inout ChannelSettings) -> Void = { _ in },
        _ body: @escaping @Sendable (FakePlatform, TestAgentHost, TestBridge) async throws -> Void
    ) async throws {
        let host = try TestAgentHost(agent, options)
        let bridge = try TestBridge(platform, host, change: change)
        try await host.run { try await bridge.run { try await body(platform, host, bridge) } }
    }

    @Test func aMessageIsAnsweredOnceAndConfirmed() async throws {
        try await run { platform, host, _ in
            platform.give(.say("hello", id: "1"))
            platform.give(.say("again", id: "2"))
            try await platform.waitFor("two answers") { $0.messages.count == 2 && $0.confirmed.count == 2 }
            #expect(platform.texts(in: "ana") == ["echo: hello", "echo: again"])
            #expect(platform.messages.map(\.replyTo) == ["u-1", "u-2"])
            #expect(host.agent.texts == ["hello", "again"])
        }
    }

    @Test func nothingIsConfirmedBeforeTheAgentHasIt() async throws {
        try await run { platform, host, _ in
            try await host.stop()
            platform.give(.say("hello", id: "1"))
            platform.give(.command("status", id: "2", by: "bob"))
            // Another chat's stranger is dealt with meanwhile.
            platform.give(.say("hi", id: "3", by: "mallory"))
            try await platform.waitFor("the stranger to be dealt with") { $0.confirmed == ["3"] }
            try await host.start()
            try await platform.waitFor("the answers") { $0.messages.count == 2 && $0.confirmed.count == 3 }
            #expect(platform.texts(in: "ana") == ["echo: hello"])
            #expect(platform.texts(in: "bob")[0].contains("Queue: 0"))
        }
    }

    @Test func whatWasHeardIsKnownAfterARestart() async throws {
        let (platform, host) = (FakePlatform(), try TestAgentHost())
        let bridge = try TestBridge(platform, host)
        try await host.run {
            try await bridge.run {
                platform.give(.say("hello", id: "1"))
                try await platform.waitFor("the answer") { $0.messages.count == 1 && $0.confirmed == ["1"] }
            }
            platform.give(.say("hello", id: "1"))
            try await bridge.run {
                platform.give(.say("bye", id: "2"))
                try await platform.waitFor("the next answer") { $0.confirmed.count == 3 && $0.messages.count == 2 }
            }
        }
        #expect(platform.texts(in: "ana") == ["echo: hello", "echo: bye"])
    }

    @Test("after kill -9 at any moment nothing is lost, nothing runs twice, and at most one message a kill is repeated")
    func killed() async throws {
        let (platform, host) = (FakePlatform(), try TestAgentHost())
        let bridge = try TestBridge(platform, host)
        let rounds = 25
        try await host.run {
            for round in 1...rounds {
                for part in 1...3 { platform.give(.say("m\(round).\(part)", id: "\(round).\(part)")) }
                try await bridge.run {
                    try await Task.sleep(for: .milliseconds(Int.random(in: 0...60)))
                    // From now on nothing of it gets anywhere; then its disk is as it is.
                    platform.set(isFrozen: true)
                    try bridge.takeSnapshot()
                }
                platform.set(isFrozen: false)
            }
            try await bridge.run {
                platform.give(.say("end", id: "end"))
                try await platform.waitFor("the end") { $0.texts(in: "ana").last == "echo: end" }
            }
        }
        let wanted = (1...rounds).flatMap { round in (1...3).map { "m\(round).\($0)" } } + ["end"]
        #expect(host.agent.texts == wanted)
        let said = platform.texts(in: "ana")
        #expect(Set(said) == Set(wanted.map { "echo: \($0)" }))
        #expect(said.count <= wanted.count + rounds)
    }

    @Test func itEndsWithinASecondWhateverItWaitsFor() async throws {
        let (platform, host) = (FakePlatform(), try TestAgentHost())
        platform.delay.withLock { $0 = { _, _ in try await Task.sleep(for: .seconds(60)) } }
        let bridge = try TestBridge(platform, host)
        try await host.run {
            let clock = ContinuousClock()
            let ended = Mutex(clock.now)
            try await bridge.run {
                platform.give(.say("hello", id: "1"))
                try await platform.waitFor("the message to be taken") { $0.confirmed == ["1"] }
                try await host.stop()
                platform.give(.say("again", id: "2"))
                ended.withLock { $0 = clock.now }
            }
            #expect(clock.now - ended.withLock { $0 } < .seconds(1))
            try await host.start()
            platform.delay.withLock { $0 = nil }
            try await bridge.run {
                try await platform.waitFor("both answers") { $0.texts(in: "ana") == ["echo: hello", "echo: again"] }
            }
        }
    }

    @Test func aBridgeThatWasPutOutEndsAndSaysWhatToDo() async throws {
        let (platform, host) = (FakePlatform(), try TestAgentHost())
        let bridge = try TestBridge(platform, host)
        try await host.run {
            await #expect(throws: ChatError.revoked) {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { try await bridge.runner.run() }
                    platform.give(.say("hello"))
                    try await platform.waitFor("the answer") { $0.messages.count == 1 }
                    host.membership.revoke(host.device.nodeID)
                    try await group.next()
                }
            }
        }
    }

    @Test func anAccountThatDoesNotWorkIsReportedAndTriedAgain() async throws {
        try await run { platform, host, _ in
            try await platform.waitFor("the connection") { $0.connections == 1 }
            platform.refuseToListen(.account("the token is wrong: ask BotFather for another one"))
            try await eventually("the report") {
                host.senders.statuses.withLock { $0.contains { $0.problem?.contains("BotFather") ?? false } }
            }
            platform.refuseToListen(nil)
            try await platform.waitFor("another connection") { $0.connections == 2 }
            try await eventually("the good news") {
                host.senders.statuses.withLock { $0.last?.state == "connected" && $0.last?.problem == nil }
            }
        }
    }

    // MARK: What the agent refuses

    @Test func aMessageForWhichThereIsNoRoomIsAnsweredInWordsOnce() async throws {
        var options = TestAgentHost.Options()
        options.limits.waitingPerLane = 1
        try await run(ScriptedAgent(), options) { platform, host, _ in
            platform.give(.say("one", id: "1"))
            let first = try await host.agent.nextRun()
            platform.give(.say("two", id: "2"))
            platform.give(.say("three", id: "3"))
            try await platform.waitFor("the refusal") { !$0.messages.isEmpty && $0.confirmed.count == 3 }
            #expect(platform.messages.map(\.replyTo) == ["u-3"])
            #expect(platform.texts(in: "ana")[0].contains("Too many messages queued"))
            first.answer("1")
            try await host.agent.nextRun().answer("2")
            try await platform.waitFor("the answers") { $0.messages.count == 3 }
            platform.give(.say("three", id: "3"))
            platform.give(.say("four", id: "4"))
            try await host.agent.nextRun().answer("4")
            try await platform.waitFor("the last answer") { $0.texts(in: "ana").last == "4" }
            #expect(platform.messages.count == 4)
        }
    }

    @Test("P-95: a limit of the day is told with what it is, how much of it is used, and when it begins anew")
    func budget() async throws {
        var options = TestAgentHost.Options()
        options.usage.caps.agent.requests = 1
        try await run(.echo, options) { platform, _, _ in
            platform.give(.say("one"))
            try await platform.waitFor("the answer") { $0.messages.count == 1 }
            platform.give(.say("two", id: "2"))
            try await platform.waitFor("the refusal") { $0.messages.count == 2 && $0.confirmed.contains("2") }
            let words = platform.texts(in: "ana")[1]
            for part in ["limit of the day", "1 of 1 requests", "UTC"] { #expect(words.contains(part), "\(words)") }
        }
    }

    @Test func anAnswerThatFailsSaysWhy() async throws {
        try await run(ScriptedAgent()) { platform, host, _ in
            platform.give(.say("one"))
            try await host.agent.nextRun().fail(AgentError.modelFailed("it is out of order"))
            try await platform.waitFor("the reason") { !$0.messages.isEmpty }
            #expect(platform.texts(in: "ana")[0].contains("out of order"))
            platform.give(.say("two"))
            try await host.agent.nextRun().answer("")
            try await platform.waitFor("a word") { $0.messages.count == 2 }
            #expect(platform.texts(in: "ana")[1] == Words.nothingSaid)
        }
    }

    // MARK: Many chats

    @Test func moreChatsThanAConnectionTakesAreAllAnswered() async throws {
        let (platform, host) = (FakePlatform(), try TestAgentHost())
        let users = (1...60).map { "user\($0)" }
        let bridge = try TestBridge(platform, host, access: ChannelAccess.users(users))
        bridge.sessionsPerConnection.withLock { $0 = 7 }
        try await host.run {
            try await bridge.run {
                for round in 1...2 {
                    for user in users { platform.give(.say("hi \(round)", by: user)) }
                    try await platform.waitFor("all answers") { $0.messages.count == users.count * round }
                }
                for user in users { #expect(platform.texts(in: user) == ["echo: hi 1", "echo: hi 2"]) }
            }
        }
    }

    // MARK: Questions

    @Test func aToolRunsWhenItsUserPressesTheButtonAndNobodyElses() async throws {
        try await run(ScriptedAgent()) { platform, host, _ in
            platform.give(.say("write it", id: "1"))
            let run = try await host.agent.nextRun()
            async let verdict = host.callTool(run)
            try await platform.waitFor("the question") { $0.messages.count == 1 }
            let question = platform.messages[0]
            #expect(question.text.contains("other\\_write") && question.text.contains(#""path":"a""#))
            let buttons = question.buttons.map(\.data)
            #expect(buttons.count == 2 && buttons.allSatisfy { $0.utf8.count <= 50 })
            // Another conversation's word is none, nor that of somebody who may not talk.
            platform.give(.press(buttons[0], id: "p1", by: "bob"))
            platform.give(.press(buttons[0], id: "p2", by: "mallory", in: "ana"))
            try await platform.waitFor("a word to Bob") { $0.texts(in: "bob") == [Words.unanswerable] }
            platform.give(.press(buttons[0], id: "p3"))
            #expect(try await verdict == .allowed)
            run.answer("written")
            try await platform.waitFor("the answer") { $0.texts(in: "ana").last == "written" }
            let said = platform.texts(in: "ana")
            #expect(said.contains(Words.approved) && said.count { $0.contains("was allowed") } == 1)
            platform.give(.press(buttons[1], id: "p4"))
            try await platform.waitFor("that it is settled") { $0.texts(in: "ana").last == Words.unanswerable }
        }
    }

    @Test func whereThereAreNoButtonsAQuestionIsAnsweredByACommand() async throws {
        var limits = PlatformLimits.quick
        limits.hasButtons = false
        try await run(ScriptedAgent(), .init(), FakePlatform(limits)) { platform, host, _ in
            platform.give(.say("write it"))
            let run = try await host.agent.nextRun()
            async let verdict = host.callTool(run)
            try await platform.waitFor("the question") { $0.messages.count == 1 }
            #expect(platform.messages[0].buttons.isEmpty)
            let id = try #require(platform.messages[0].text.firstMatch(of: /\/deny (\S+)/)?.1)
            platform.give(.command("deny", String(id)))
            guard case .denied = try await verdict else {
                Issue.record("it was allowed")
                return
            }
            run.answer("then not")
            try await platform.waitFor("the answer") { $0.texts(in: "ana").last == "then not" }
        }
    }

    // MARK: Commands

    @Test func anInteractionIsAnsweredWhereItWasAsked() async throws {
        try await run { platform, _, _ in
            platform.give(.command("start", id: "1", answerTo: "token-1"))
            platform.give(.command("status", id: "2", answerTo: "token-2"))
            try await platform.waitFor("both answers") { $0.messages.count == 2 }
            #expect(platform.messages.map(\.answerTo) == ["token-1", "token-2"])
            #expect(platform.texts(in: "ana")[0].hasPrefix("Hello ana!"))
        }
    }

    @Test func aButtonOfAnotherConversationStopsNothing() async throws {
        try await run(ScriptedAgent()) { platform, host, _ in
            platform.give(.say("long"))
            let run = try await host.agent.nextRun()
            platform.give(.press("stop:" + BridgeFrame.mark(of: "fk:ana"), id: "p", by: "bob"))
            try await platform.waitFor("a word to Bob") { $0.texts(in: "bob") == [Words.otherConversation] }
            run.answer("done")
            try await platform.waitFor("the answer") { $0.texts(in: "ana") == ["done"] }
        }
    }

    @Test func personalityAndEditsArePutInFrontOfWhatIsSaid() async throws {
        try await run(.echo, change: { $0.personality = "pirate" }) { platform, host, _ in
            var update = InboundUpdate.say("three")
            update.content = .message(InboundMessage(text: "three", isEdit: true))
            platform.give(update)
            try await platform.waitFor("the answer") { $0.messages.count == 1 }
            #expect(host.agent.texts == ["[Speak like a pirate.]\n\n" + Words.edited("three")])
        }
    }
}

extension ChannelAccess {
    static func users(_ users: [String]) -> ChannelAccess {
        var access = ChannelAccess()
        access.users = Set(users)
        return access
    }
}
