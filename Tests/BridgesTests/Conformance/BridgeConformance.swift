import Synchronization
import Testing

@testable import Agent
@testable import Bridges
@testable import Gateway
@testable import Wire

// What does every bridge keep? One promise each, over the platform's fake and a real gateway. A platform's suite calls them all, see
// `ConformanceTests` for how.

/// Promises of a bridge.
enum BridgeConformance<Platform: ConformingPlatform> {
    /// What a test has at hand.
    struct World: Sendable {
        let platform: Platform
        let host: TestAgentHost
        let bridge: TestBridge
        /// Updates that were dealt with.
        let heard: CountedBridge.Count

        var agent: ScriptedAgent { host.agent }
    }

    /// Runs a platform, an agent and, unless `isRunning` is false, the bridge between them.
    static func run(
        _ agent: ScriptedAgent = .echo, _ options: TestAgentHost.Options = .init(), isRunning: Bool = true,
        access: @escaping @Sendable (Platform, inout ChannelAccess) -> Void = { $1.users = [$0.ana, $0.bob] },
        _ body: @escaping @Sendable (World) async throws -> Void
    ) async throws {
        try await Platform.run { platform in
            var allowed = ChannelAccess()
            access(platform, &allowed)
            var settings = ChannelSettings(account: platform.account)
            settings.access = allowed
            let host = try TestAgentHost(agent, options)
            let counted = CountedBridge(bridge: platform.makeBridge(settings))
            let bridge = try TestBridge(counted, host, access: allowed, account: platform.account)
            let world = World(platform: platform, host: host, bridge: bridge, heard: counted.count)
            try await host.run {
                if isRunning { try await bridge.run { try await body(world) } } else { try await body(world) }
            }
        }
    }

    // MARK: In and out

    /// A message is answered once, in its chat, and turns of two chats go side by side.
    static func answersEachMessageOnce() async throws {
        try await run { world in
            let (platform, ana, bob) = (world.platform, world.platform.ana, world.platform.bob)
            try await platform.say("one", by: ana)
            try await platform.say("two", by: bob)
            try await platform.waitFor("Ana's answer", in: ana) { $0.count == 1 }
            try await platform.waitFor("Bob's answer", in: bob) { $0.count == 1 }
            try await platform.say("three", by: ana)
            try await platform.waitFor("the second answer", in: ana) { $0.count == 2 }
            #expect(try await platform.texts(in: ana) == ["echo: one", "echo: three"])
            #expect(try await platform.texts(in: bob) == ["echo: two"])
        }
    }

    /// What the platform tells again is not heard again.
    static func hearsARepeatedUpdateOnce() async throws {
        try await run { world in
            let (platform, ana) = (world.platform, world.platform.ana)
            try await platform.say("one", by: ana)
            try await platform.waitFor("the answer", in: ana) { $0.count == 1 }
            try await platform.repeatUpdates()
            try await platform.say("two", by: ana)
            try await platform.waitFor("the second answer", in: ana) { $0.count == 2 }
            #expect(try await platform.texts(in: ana) == ["echo: one", "echo: two"])
            #expect(world.agent.texts == ["one", "two"])
        }
    }

    /// P-66: cut again and again, nothing is lost and nothing is doubled.
    static func comesBackWheneverItIsCut() async throws {
        try await run { world in
            let (platform, ana) = (world.platform, world.platform.ana)
            for round in 1...10 {
                try await platform.say("m\(round)", by: ana)
                try await platform.cut()
            }
            try await platform.waitFor("ten answers", in: ana) { $0.count >= 10 }
            try await platform.say("last", by: ana)
            try await platform.waitFor("the last answer", in: ana) { $0.last?.text == "echo: last" }
            #expect(try await platform.texts(in: ana) == (1...10).map { "echo: m\($0)" } + ["echo: last"])
            #expect(Set(world.agent.texts).count == world.agent.texts.count)
        }
    }

    /// The agent goes in the middle of an answer and comes back: the answer arrives once.
    static func survivesARestartOfTheAgent() async throws {
        try await run(ScriptedAgent()) { world in
            let (platform, ana) = (world.platform, world.platform.ana)
            try await platform.say("one", by: ana)
            let first = try await world.agent.nextRun()
            first.delta("The beginning of ")
            try await world.host.stop()
            try await platform.say("two", by: ana)
            try await world.host.start()
            let again = try await world.agent.nextRun()
            #expect(again.request.text == "one")
            again.answer("done: one")
            let second = try await world.agent.nextRun()
            #expect(second.request.text == "two")
            second.answer("done: two")
            try await platform.waitFor("both answers", in: ana) { $0.last?.text == "done: two" }
            #expect(try await platform.texts(in: ana) == ["done: one", "done: two"])
        }
    }

    /// The bridge is stopped wherever it is, many times: each message runs once and is answered; at most one is said twice each time.
    static func survivesItsOwnEnd(rounds: Int = 20) async throws {
        try await run(isRunning: false) { world in
            let (platform, ana) = (world.platform, world.platform.ana)
            for round in 1...rounds {
                try await platform.say("m\(round)", by: ana)
                // From before it has heard anything to after it has said it.
                let time = Duration.milliseconds(Int.random(in: 0...40))
                try await world.bridge.run { try await Task.sleep(for: time) }
            }
            try await world.bridge.run {
                try await platform.waitFor("the last answer", in: ana) { $0.last?.text == "echo: m\(rounds)" }
            }
            let texts = try await platform.texts(in: ana)
            let wanted = (1...rounds).map { "echo: m\($0)" }
            #expect(Set(texts) == Set(wanted), "lost or made up")
            #expect(texts.count <= wanted.count + rounds, "a storm")
            #expect(world.agent.texts == (1...rounds).map { "m\($0)" }, "run twice, or out of order")
        }
    }

    /// An answer of 60,000 characters arrives whole, in order and once, while the platform wants to be left alone all the time.
    static func sendsALongAnswerThroughAStorm() async throws {
        let words = (1...10_000).map { String(format: "%05d", $0) }
        let text = words.joined(separator: " ")
        try await run(ScriptedAgent(.immediate { _ in text })) { world in
            let (platform, ana) = (world.platform, world.platform.ana)
            try await platform.storm(20)
            try await platform.say("everything", by: ana)
            try await platform.waitFor("all of it", in: ana) { $0.last?.text.hasSuffix("10000") ?? false }
            let found = try await platform.texts(in: ana).joined(separator: " ").split { $0 == " " || $0 == "\n" }
            #expect(found.map(String.init) == words)
        }
    }

    /// A fault of the platform's is waited out.
    static func triesAgainWhenThePlatformFails() async throws {
        try await run { world in
            let (platform, ana) = (world.platform, world.platform.ana)
            try await platform.fail(5)
            try await platform.say("one", by: ana)
            try await platform.waitFor("the answer", in: ana) { !$0.isEmpty }
            #expect(try await platform.texts(in: ana) == ["echo: one"])
        }
    }

    /// A chat that is shut is parked and told; others go on, and it is back when its user says something.
    static func parksAChatThatIsShut() async throws {
        try await run(ScriptedAgent()) { world in
            let (platform, ana, bob) = (world.platform, world.platform.ana, world.platform.bob)
            try await platform.say("one", by: ana)
            let run = try await world.agent.nextRun()
            try await platform.setBlocked(true, by: ana)
            run.answer("late")
            try await eventually("the chat to be reported") {
                world.host.senders.statuses.withLock { $0.last?.parked?.isEmpty == false }
            }
            try await platform.say("two", by: bob)
            try await world.agent.nextRun().answer("for Bob")
            try await platform.waitFor("Bob's answer", in: bob) { $0.last?.text == "for Bob" }
            #expect(try await platform.messages(in: ana).isEmpty)
            try await platform.setBlocked(false, by: ana)
            try await platform.say("three", by: ana)
            try await world.agent.nextRun().answer("back")
            try await platform.waitFor("what waited", in: ana) { $0.last?.text == "back" }
            #expect(try await platform.texts(in: ana) == ["late", "back"])
        }
    }

    // MARK: Commands and buttons

    /// `/stop` is heard while a turn runs.
    static func stopsARunningAnswer() async throws {
        try await run(ScriptedAgent()) { world in
            let (platform, ana) = (world.platform, world.platform.ana)
            try await platform.say("something long", by: ana)
            _ = try await world.agent.nextRun()
            try await platform.say("/stop", by: ana)
            try await platform.waitFor("the word about it", in: ana) { messages in
                messages.contains { $0.text.contains("Stopped current operation") }
            }
            try await platform.say("next", by: ana)
            try await world.agent.nextRun().answer("here I am")
            try await platform.waitFor("the next answer", in: ana) { $0.last?.text == "here I am" }
        }
    }

    /// A slash alone is a message like any other; so is a command that nobody knows, and one that only an admin may give.
    static func passesOnWhatIsNoCommand() async throws {
        try await run { world in
            let (platform, ana) = (world.platform, world.platform.ana)
            for (index, text) in ["/", "/restart", "/unknown x"].enumerated() {
                try await platform.say(text, by: ana)
                try await platform.waitFor("the answer to \(text)", in: ana) { $0.count == index + 1 }
            }
            #expect(world.agent.texts == ["/", "/restart", "/unknown x"])
        }
    }

    /// The Stop button stops the answer in whose message it is, and goes with it.
    static func stopsByItsButton() async throws {
        try await run(ScriptedAgent()) { world in
            let (platform, ana) = (world.platform, world.platform.ana)
            guard world.bridge.platform.limits.canEdit, world.bridge.platform.limits.hasButtons else { return }
            try await platform.say("something long", by: ana)
            let run = try await world.agent.nextRun()
            run.delta("A beginning")
            let live = try await platform.waitFor("a message with a button", in: ana) { $0.first?.buttons.count == 1 }
            try #require(try await platform.press(live[0].buttons[0], on: live[0], by: ana))
            try await platform.waitFor("the button to go", in: ana) { $0.first?.buttons.isEmpty ?? false }
            #expect(try await platform.texts(in: ana).first?.contains("A beginning") ?? false)
        }
    }

    // MARK: Who may talk

    /// P-36: whoever is not on the list, or has no id, is not heard and gets nothing.
    static func hearsOnlyWhoMayTalk() async throws {
        try await run { world in
            let (platform, ana) = (world.platform, world.platform.ana)
            try await platform.say("let me in", by: platform.stranger)
            _ = try await platform.sayAnonymously("and me")
            try await platform.say("hello", by: ana)
            try await platform.waitFor("the answer", in: ana) { $0.count == 1 }
            if let group = platform.group {
                try await platform.say("all of you", by: platform.stranger, in: group, isMentioning: true)
                try await platform.say("not for you", by: ana, in: group, isMentioning: false)
                try await platform.say("for you", by: ana, in: group, isMentioning: true)
                try await platform.waitFor("the group's answer", in: group) { $0.count == 1 }
                #expect(world.agent.runs.count == 2)
            }
            #expect(try await platform.messages(in: platform.stranger).isEmpty)
            #expect(world.agent.texts.first == "hello")
        }
    }

    /// P-36: an empty list lets nobody in.
    static func hearsNobodyWhenTheListIsEmpty() async throws {
        try await run(access: { _, _ in }) { world in
            let (platform, ana) = (world.platform, world.platform.ana)
            try await platform.say("hello", by: ana)
            try await eventually("the message to be dealt with") { world.heard.now >= 1 }
            #expect(try await platform.messages(in: ana).isEmpty)
            #expect(world.agent.runs.isEmpty)
        }
    }

    /// Somebody unknown is told a code, once; when an admin has used it they may talk, until they are taken off.
    static func letsInWhoWasApproved() async throws {
        try await run(access: { $1.pairing = true }) { world in
            let (platform, stranger) = (world.platform, world.platform.stranger)
            try await platform.say("hello", by: stranger)
            try await platform.waitFor("a code", in: stranger) { $0.count == 1 }
            #expect(try await platform.texts(in: stranger)[0].contains("CODE-\(stranger)"))
            try await platform.say("hello?", by: stranger)
            try await looked(world, 2)
            world.host.senders.approve(stranger)
            try await platform.say("am I in?", by: stranger)
            try await platform.waitFor("an answer", in: stranger) { $0.last?.text == "echo: am I in?" }
            #expect(world.host.senders.asked == [stranger])
            world.host.senders.remove(stranger)
            try await platform.say("still?", by: stranger)
            try await looked(world, 4)
            world.host.senders.approve(stranger)
            try await platform.say("again", by: stranger)
            try await platform.waitFor("an answer", in: stranger) { $0.last?.text == "echo: again" }
            #expect(!world.agent.texts.contains("still?"))
        }
    }

    /// Waits until the bridge has asked so often whether somebody was let in.
    private static func looked(_ world: World, _ count: Int) async throws {
        try await eventually("the bridge to ask about the sender") {
            world.host.senders.looks.withLock { $0.count } >= count
        }
    }

    // MARK: Files and markup

    /// A file of a user's reaches the agent with its bytes, and one of the agent's the user.
    static func carriesFilesBothWays() async throws {
        var options = TestAgentHost.Options()
        options.hasFiles = true
        try await run(ScriptedAgent(), options) { world in
            let (platform, ana) = (world.platform, world.platform.ana)
            let bytes = Array("what is in it".utf8)
            guard try await platform.sendFile("notes.txt", bytes, caption: "look", by: ana) else { return }
            let run = try await world.agent.nextRun()
            #expect(run.request.text == "look")
            let file = try #require(run.request.attachments.first)
            #expect(file.filename == "notes.txt")
            let path = file.path.hasPrefix("/") ? file.path : world.host.directory.path + "/" + file.path
            #expect(contents(path) == bytes)
            let answer = world.host.directory.workspace + "/plan.txt"
            try write("the plan", answer)
            run.answer("Here it is.\n[FILE:\(answer)]")
            let messages = try await platform.waitFor("the file and the words", in: ana) { messages in
                messages.contains { $0.file != nil } && messages.contains { $0.text.contains("Here it is.") }
            }
            let sent = try #require(messages.first { $0.file != nil }?.file)
            #expect(sent.name == "plan.txt" && sent.bytes == Array("the plan".utf8))
        }
    }

    /// A file that runs when it is opened is not taken, and its sender is told.
    static func takesNoPrograms() async throws {
        var options = TestAgentHost.Options()
        options.hasFiles = true
        try await run(.echo, options) { world in
            let (platform, ana) = (world.platform, world.platform.ana)
            guard try await platform.sendFile("setup.EXE", [1, 2, 3], caption: "run it", by: ana) else { return }
            try await platform.waitFor("a word about it and an answer", in: ana) { $0.count == 2 }
            let texts = try await platform.texts(in: ana)
            #expect(texts.contains { $0.contains("Blocked: setup.EXE") })
            #expect(world.agent.runs.first?.request.attachments.isEmpty ?? false)
        }
    }

    /// When the platform refuses the markup, and only then, the same words come as plain text.
    static func sendsPlainTextWhenMarkupIsRefused() async throws {
        try await run(ScriptedAgent(.immediate { _ in "some **bold** words" })) { world in
            let (platform, ana) = (world.platform, world.platform.ana)
            guard try await platform.refuseMarkup() else { return }
            try await platform.say("hello", by: ana)
            let messages = try await platform.waitFor("the answer", in: ana) { !$0.isEmpty }
            #expect(messages.count == 1)
            #expect(messages[0].text.contains("bold"))
        }
    }
}
