import JSON
import TestPlatforms
import Testing

@testable import Bridges

// Commands of the menu and buttons: understood at once, answered for one pair of eyes, and never left hanging.

@Suite(.timeLimit(.minutes(1))) struct DiscordInteractionTests {
    @Test func aCommandIsUnderstoodWhileItsChannelIsBusy() async throws {
        try await FakeDiscord.run { discord in
            let (inbox, ann, channel) = (DiscordInbox(), discord.user("ann"), discord.channel())
            let gate = FakeGate()
            inbox.hold { _ in try await gate.wait() }
            try await listening(discord.bridge(), inbox) {
                try await inbox.waitForSession()
                discord.say("a long file", by: ann, in: channel)
                let token = discord.command("stop", by: ann, in: channel)
                try await discord.waitFor("the acknowledgement") {
                    $0.interactions[token]?.acknowledged == 5 ? true : nil
                }
                #expect(discord.now.interactions[token]?.original?["flags"] == 192)
                #expect(inbox.state.now.updates.isEmpty)
                gate.open()
                #expect(try await inbox.texts(2) == ["a long file", "/stop"])
            }
        }
    }

    @Test func anAnswerTakesThePlaceOfItsAnnouncementAndMoreFollows() async throws {
        try await FakeDiscord.run { discord in
            let (inbox, ann, channel) = (DiscordInbox(), discord.user("ann"), discord.channel())
            let bridge = discord.bridge()
            try await listening(bridge, inbox) {
                try await inbox.waitForSession()
                let token = discord.command("model", "big", by: ann, in: channel)
                _ = try await inbox.texts(1)
                let update = inbox.state.now.updates[0]
                let to = try #require(update.answerTo)
                #expect(update.words == "/model big" && update.sender.id == ann.id)
                for _ in 0..<2 {
                    _ = try await bridge.perform(.answer(to: to, OutboundText("one")), at: update.place, key: "1")
                }
                // As after a crash: the same is not said again, and what is new follows.
                let after = discord.bridge()
                _ = try await after.perform(.answer(to: to, OutboundText("one")), at: update.place, key: "1")
                _ = try await after.perform(.answer(to: to, OutboundText("two")), at: update.place, key: "2")
                _ = try await bridge.perform(.answer(to: to, OutboundText("three")), at: update.place, key: "3")
                let seen = try #require(discord.now.interactions[token])
                #expect(seen.original?["content"] == "one" && seen.original?["flags"] == 64)
                #expect(seen.followUps.map { $0["content"]?.string } == ["two", "three"])
                #expect(seen.followUps.allSatisfy { $0["flags"] == 68 })
                #expect(discord.messages(in: channel).isEmpty)
            }
        }
    }

    @Test func whoGetsNoAnswerIsLeftWithNothing() async throws {
        try await FakeDiscord.run { discord in
            let (inbox, ann, channel) = (DiscordInbox(), discord.user("ann"), discord.channel())
            let bridge = discord.bridge()
            try await listening(bridge, inbox) {
                try await inbox.waitForSession()
                let token = discord.command("status", by: ann, in: channel)
                _ = try await inbox.texts(1)
                try await discord.waitFor("the end of the announcement") { state in
                    state.sent.contains { $0.kind == .takenBack && $0.place == token } ? true : nil
                }
                // An answer that comes later all the same is still for one pair of eyes.
                let update = inbox.state.now.updates[0]
                _ = try await bridge.perform(
                    .answer(to: update.answerTo ?? "", OutboundText("late")), at: update.place, key: "k")
                #expect(discord.now.interactions[token]?.followUps.first?["content"] == "late")
            }
        }
    }

    @Test func anAnsweredCommandIsNotTakenBackByAnotherProcess() async throws {
        try await FakeDiscord.run { discord in
            let (inbox, ann, channel) = (DiscordInbox(), discord.user("ann"), discord.channel())
            let bridge = discord.bridge()
            let token = try await listening(bridge, inbox) {
                try await inbox.waitForSession()
                inbox.hold { update in
                    _ = try await bridge.perform(
                        .answer(to: update.answerTo ?? "", OutboundText("answer")), at: update.place, key: "k")
                    // Killed before it is accepted.
                    try await FakeGate().wait()
                }
                let token = discord.command("status", by: ann, in: channel)
                try await discord.waitFor("the answer") { $0.sent.contains { $0.kind == .answer } ? true : nil }
                return token
            }
            inbox.hold(nil)
            try await listening(discord.bridge(), inbox) {
                _ = try await inbox.texts(1)
                _ = try await discord.server.waitForRequest("a look at the answer") {
                    $0.method == "GET" && $0.path.hasSuffix("/@original")
                }
                discord.say("and on", by: ann, in: channel)
                _ = try await inbox.texts(2)
            }
            #expect(discord.now.interactions[token]?.original?["content"] == "answer")
            #expect(!discord.sent.contains { $0.kind == .takenBack })
        }
    }

    @Test func whenItIsTooLateTheAnswerIsAMessage() async throws {
        try await FakeDiscord.run { discord in
            let (inbox, ann, channel) = (DiscordInbox(), discord.user("ann"), discord.channel())
            let bridge = discord.bridge()
            try await listening(bridge, inbox) {
                try await inbox.waitForSession()
                let token = discord.command("status", by: ann, in: channel)
                _ = try await inbox.texts(1)
                discord.expire(token)
                let update = inbox.state.now.updates[0]
                let to = update.answerTo ?? ""
                _ = try await bridge.perform(.answer(to: to, OutboundText("one")), at: update.place, key: "1")
                // By the clock alone, without asking.
                var seams = DiscordSeams.hasty()
                let now = DiscordSeams().clock()
                seams.clock = { now + 15 * 60 }
                let asked = discord.server.requests.filter { $0.path.contains("/webhooks/") }.count
                _ = try await discord.bridge(seams).perform(
                    .answer(to: to, OutboundText("two")), at: update.place, key: "2")
                #expect(discord.server.requests.filter { $0.path.contains("/webhooks/") }.count == asked)
                _ = try await bridge.perform(.answer(to: "nonsense", OutboundText("three")), at: update.place, key: "3")
                #expect(discord.messages(in: channel) == ["one", "two", "three"])
            }
        }
    }

    @Test func aPressedButtonIsUnderstoodAndItsMessageStays() async throws {
        try await FakeDiscord.run { discord in
            let (inbox, ann, channel) = (DiscordInbox(), discord.user("ann"), discord.channel())
            let bridge = discord.bridge()
            try await listening(bridge, inbox) {
                try await inbox.waitForSession()
                let message = try #require(
                    try await bridge.perform(
                        .send(OutboundText("May it?", buttons: [.init(label: "Approve", data: "yes:1")])),
                        at: ChatPlace(chat: channel), key: "m"))
                let token = discord.press("yes:1", by: ann, in: channel, message: message)
                #expect(try await inbox.texts(1) == ["press yes:1"])
                #expect(discord.now.interactions[token]?.acknowledged == 6)
                let update = inbox.state.now.updates[0]
                _ = try await bridge.perform(
                    .answer(to: update.answerTo ?? "", OutboundText("not yours")), at: update.place, key: "k")
                #expect(discord.now.interactions[token]?.followUps.first?["flags"] == 68)
                #expect(discord.messages(in: channel) == ["May it?"])
            }
        }
    }

    @Test func theMenuIsToldOnlyWhenItIsAnother() async throws {
        try await FakeDiscord.run { discord in
            for round in 1...2 {
                try await listening(discord.bridge(), DiscordInbox()) {
                    try await discord.waitForSession(round)
                    _ = try await discord.waitFor("the menu") { $0.menus["global"] }
                    _ = try await discord.server.waitFor("a look at the menu") { state in
                        let looks = state.requests.filter { $0.path.hasSuffix("/commands") && $0.method == "GET" }
                        return looks.count == round ? true : nil
                    }
                }
            }
            // What would have followed the look has had its time: a whole look of another bridge.
            let last = DiscordInbox()
            try await listening(discord.bridge(), last) {
                try await last.waitForSession()
                discord.say("on", by: discord.user("ann"), in: discord.channel())
                _ = try await last.texts(1)
            }
            guard case .array(let menu)? = discord.now.menus["global"] else {
                Issue.record("no menu")
                return
            }
            #expect(
                Set(menu.compactMap { $0["name"]?.string })
                    == ["new", "stop", "status", "queue", "help", "usage", "model"])
            #expect(discord.now.menuChanges == 1)
        }
    }

    @Test func theMenuOfNamedServersIsTheirsAndThePrivateChats() async throws {
        try await FakeDiscord.run { discord in
            try await listening(discord.bridge(guilds: [FakeDiscord.guild, "not an id"]), DiscordInbox()) {
                _ = try await discord.waitFor("the menu") { $0.menus[FakeDiscord.guild] }
                guard case .array(let menu)? = discord.now.menus["global"] else {
                    Issue.record("no menu")
                    return
                }
                #expect(menu.allSatisfy { $0["contexts"] == [1] } && discord.now.menuChanges == 2)
            }
        }
    }

    @Test func aMenuThatIsRefusedKeepsNobodyFromTalking() async throws {
        try await FakeDiscord.run { discord in
            let (inbox, log) = (DiscordInbox(), LogText())
            discord.server.fail(
                FakeFault(.answer(.json(["code": 50001, "message": "Missing Access"], status: 403)), times: 9) {
                    $0.path.hasSuffix("/commands")
                })
            try await listening(discord.bridge(logger: log.logger), inbox) {
                _ = try await log.lines.waitFor("a line about it") { lines in
                    lines.first { $0.contains("bridge::discord_menu_refused") }
                }
                try await inbox.waitForSession()
                discord.say("on", by: discord.user("ann"), in: discord.channel())
                #expect(try await inbox.texts(1) == ["on"])
            }
        }
    }

    @Test("neither the bot's token nor an interaction's is in a log, an error or what is kept")
    func secrecy() async throws {
        try await FakeDiscord.run { discord in
            let (inbox, log, ann) = (DiscordInbox(), LogText(), discord.user("ann"))
            let channel = discord.channel()
            let bridge = discord.bridge(logger: log.logger)
            let told = Watched<[String]>([])
            let token = try await listening(bridge, inbox) {
                try await inbox.waitForSession()
                let token = discord.command("status", by: ann, in: channel)
                _ = try await inbox.texts(1)
                discord.cutGateway()
                try await discord.waitFor("the session again") { $0.resumes.isEmpty ? nil : true }
                discord.invalidate(isResumable: false)
                try await discord.waitFor("a new session") { $0.identifies == 2 ? true : nil }
                let to = inbox.state.now.updates[0].answerTo ?? ""
                let faults: [FakeFault.Action] = [
                    .cut, .answer(.text("no", status: 500)), .answer(.text("no", status: 429)),
                    .answer(.json(["code": 50035, "message": "Invalid Form Body"], status: 400)),
                    .answer(.json(["code": 0, "message": "401: Unauthorized"], status: 401)),
                ]
                for fault in faults {
                    discord.server.fail(FakeFault(fault) { !$0.isUpgrade })
                    for act in [.answer(to: to, OutboundText("x")), .send(OutboundText("x"))] as [OutboundAct] {
                        do { _ = try await bridge.perform(act, at: ChatPlace(chat: channel), key: "k") } catch {
                            told.change { [text = "\(error) \(error.localizedDescription)"] in $0.append(text) }
                        }
                    }
                }
                return token
            }
            #expect(!told.now.isEmpty && !log.lines.now.isEmpty)
            let kept = inbox.state.now.memory.values.joined()
            for text in told.now + log.lines.now + [kept] {
                #expect(!text.contains(FakeDiscord.token) && !text.contains(token), "\(text)")
            }
        }
    }
}
