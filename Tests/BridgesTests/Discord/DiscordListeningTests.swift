import Foundation
import JSON
import TestPlatforms
import Testing

@testable import Bridges

// P-66: what users say is heard once and in order, whatever happens to the connection or the process.

@Suite(.timeLimit(.minutes(1))) struct DiscordListeningTests {
    @Test func aMessageIsHeardAndTheSessionIsKept() async throws {
        try await FakeDiscord.run { discord in
            let (inbox, ann) = (DiscordInbox(), discord.user("ann"))
            let (channel, direct) = (discord.channel(), discord.direct(ann))
            let thread = discord.thread(in: channel)
            try await listening(discord.bridge(), inbox) {
                try await inbox.waitForSession()
                discord.say("hello <@\(FakeDiscord.bot)>", by: ann, in: channel, mentioning: true)
                discord.say("privately", by: ann, in: direct)
                discord.say("in a thread", by: ann, in: thread)
                discord.say("beep", by: discord.user("other", isBot: true), in: channel)
                #expect(Set(try await inbox.texts(3)) == ["hello", "privately", "in a thread"])
                let updates = inbox.state.now.updates
                #expect(
                    Set(updates.map(\.session)) == ["dc:\(channel)", "dc:\(ann.id)", "dc:\(thread)"])
                #expect(updates.first { $0.words == "hello" }?.sender.guild == FakeDiscord.guild)
                let events = discord.now.sessions.values.map(\.eventCount).max() ?? 0
                _ = try await inbox.waitFor("the last event to be kept") {
                    $0.memory["session"]?.contains("\"sequence\":\(events)") == true ? true : nil
                }
            }
            #expect(inbox.state.now.connected == ["agent"] && discord.now.identifies == 1)
        }
    }

    @Test func aMentionOfTheBotsOwnRoleIsOneOfTheBot() async throws {
        try await FakeDiscord.run { discord in
            let (inbox, ann, channel) = (DiscordInbox(), discord.user("ann"), discord.channel())
            try await listening(discord.bridge(), inbox) {
                try await inbox.waitForSession()
                for (role, word) in [(FakeDiscord.botRole, "mine"), ("1144000000000000044", "another")] {
                    let mention: [String: JSONValue] = ["mention_roles": [.string(role)]]
                    discord.say("<@&\(role)> \(word)", by: ann, in: channel, extra: mention)
                    discord.say("<@&\(role)>", by: ann, in: channel, extra: mention)
                }
                discord.say("none", by: ann, in: channel)
                let heard = try await inbox.texts(4)
                let (other, addressed) = ("<@&1144000000000000044>", inbox.state.now.updates.map(\.isAddressed))
                #expect(heard == ["mine", "\(other) another", other, "none"])
                #expect(addressed == [true, false, false, false])
            }
            let asked = discord.server.requests.count { $0.path.hasSuffix("/roles") }
            #expect(asked == 1, "what is known is not asked for again")
        }
    }

    @Test("P-66: while the connection is cut again and again, every message arrives once and in order")
    func cuts() async throws {
        try await FakeDiscord.run { discord in
            let (inbox, ann, channel) = (DiscordInbox(), discord.user("ann"), discord.channel())
            try await listening(discord.bridge(), inbox) {
                try await inbox.waitForSession()
                for round in 0..<8 {
                    for number in 0..<5 { discord.say("\(round * 5 + number)", by: ann, in: channel) }
                    discord.cutGateway()
                    try await discord.waitFor("connection \(round)") { $0.resumes.count > round ? true : nil }
                }
                let heard = try await inbox.texts(40)
                #expect(heard == (0..<40).map { "\($0)" })
            }
            #expect(discord.now.identifies == 1)
        }
    }

    @Test("P-66: a bridge that is killed takes its session up behind what was accepted, and misses nothing")
    func killed() async throws {
        try await FakeDiscord.run { discord in
            let (inbox, ann, channel) = (DiscordInbox(), discord.user("ann"), discord.channel())
            let other = discord.channel("other")
            inbox.hold { update in
                // Never accepted.
                if update.words == "stuck" { try await FakeGate().wait() }
            }
            try await listening(discord.bridge(), inbox) {
                try await inbox.waitForSession()
                discord.say("one", by: ann, in: channel)
                discord.say("stuck", by: ann, in: channel)
                discord.say("behind it", by: ann, in: channel)
                discord.say("elsewhere", by: ann, in: other)
                #expect(Set(try await inbox.texts(2)) == ["one", "elsewhere"])
            }
            discord.say("while it was away", by: ann, in: channel)
            inbox.hold(nil)
            try await listening(discord.bridge(), inbox) {
                let heard = try await inbox.texts(5)
                #expect(heard.suffix(3) == ["stuck", "behind it", "while it was away"])
            }
            #expect(discord.now.identifies == 1 && !discord.now.resumes.isEmpty)
        }
    }

    @Test("P-66: killed at any moment, twenty times, it hears everything at least once and in order")
    func killedOften() async throws {
        try await FakeDiscord.run { discord in
            let (inbox, ann, channel) = (DiscordInbox(), discord.user("ann"), discord.channel())
            var said = 0
            for round in 0..<20 {
                let (from, to) = (said, said + 3)
                said = to
                try await listening(discord.bridge(), inbox) {
                    try await inbox.waitForSession()
                    for number in from..<to { discord.say("\(number)", by: ann, in: channel) }
                    // Between the first of these and the last, as it happens.
                    _ = try await inbox.texts(from + round % 3)
                }
            }
            let all = said
            try await listening(discord.bridge(), inbox) {
                let heard = try await inbox.texts(all)
                #expect(heard == (0..<all).map { "\($0)" })
            }
            #expect(discord.now.identifies <= 2)
        }
    }

    @Test func repeatedAndReorderedEventsAreHeardOnce() async throws {
        try await FakeDiscord.run { discord in
            let (inbox, ann) = (DiscordInbox(), discord.user("ann"))
            let channels = (0..<5).map { discord.channel("\($0)") }
            try await listening(discord.bridge(), inbox) {
                try await inbox.waitForSession()
                discord.set {
                    $0.repeatsEvents = true
                    $0.holdsEvents = true
                }
                for (number, channel) in channels.enumerated() { discord.say("\(number)", by: ann, in: channel) }
                discord.release(reversed: true)
                let heard = try await inbox.texts(5)
                #expect(Set(heard) == Set((0..<5).map { "\($0)" }))
                discord.cutGateway()
                try await discord.waitFor("the session again") { $0.resumes.isEmpty ? nil : true }
                discord.say("last", by: ann, in: channels[0])
                #expect(try await inbox.texts(6).last == "last")
                #expect(inbox.state.now.updates.count == 6)
            }
        }
    }

    @Test func eachChannelIsHeardInOrderAndNoneWaitsForAnother() async throws {
        try await FakeDiscord.run { discord in
            let (inbox, ann) = (DiscordInbox(), discord.user("ann"))
            let (busy, free) = (discord.channel("busy"), discord.channel("free"))
            let gate = FakeGate()
            inbox.hold { update in if update.place.chat == busy { try await gate.wait() } }
            try await listening(discord.bridge(), inbox) {
                try await inbox.waitForSession()
                for number in 0..<3 { discord.say("busy \(number)", by: ann, in: busy) }
                discord.say("free", by: ann, in: free)
                #expect(try await inbox.texts(1) == ["free"])
                gate.open()
                #expect(try await inbox.texts(4) == ["free", "busy 0", "busy 1", "busy 2"])
            }
        }
    }

    @Test func aConnectionThatLooksOpenAndIsDeadIsReplaced() async throws {
        try await FakeDiscord.run { discord in
            let (inbox, ann, channel) = (DiscordInbox(), discord.user("ann"), discord.channel())
            discord.set { $0.heartbeat = 4000 }
            try await listening(discord.bridge(), inbox) {
                try await inbox.waitForSession()
                try await discord.waitFor("a heartbeat") { $0.heartbeats.isEmpty ? nil : true }
                discord.goSilent()
                discord.say("into the void", by: ann, in: channel)
                #expect(try await inbox.texts(1) == ["into the void"])
            }
            #expect(discord.now.resumes.count >= 1 && discord.now.identifies == 1)
        }
    }

    @Test func aConnectionThatTakesNothingAnyMoreIsReplaced() async throws {
        try await FakeDiscord.run { discord in
            let (inbox, ann, channel) = (DiscordInbox(), discord.user("ann"), discord.channel())
            discord.set { $0.heartbeat = 4000 }
            try await listening(discord.bridge(), inbox) {
                try await inbox.waitForSession()
                discord.goSilent()
                for socket in discord.server.sockets { socket.stopReading() }
                discord.say("half-open", by: ann, in: channel)
                #expect(try await inbox.texts(1) == ["half-open"])
            }
        }
    }

    @Test func discordsWishesAreGranted() async throws {
        try await FakeDiscord.run { discord in
            let (inbox, ann, channel) = (DiscordInbox(), discord.user("ann"), discord.channel())
            try await listening(discord.bridge(), inbox) {
                try await inbox.waitForSession()
                let before = discord.now.heartbeats.count
                discord.wantHeartbeat()
                try await discord.waitFor("a heartbeat") { $0.heartbeats.count > before ? true : nil }
                discord.askToReconnect()
                try await discord.waitFor("the session again") { $0.resumes.count == 1 ? true : nil }
                discord.invalidate(isResumable: true)
                try await discord.waitFor("and again") { $0.resumes.count == 2 ? true : nil }
                discord.say("still there", by: ann, in: channel)
                #expect(try await inbox.texts(1) == ["still there"])
            }
            #expect(discord.now.identifies == 1)
        }
    }

    @Test(
        "P-66: when a session is gone for good, what was said meanwhile is read where the bot talks",
        arguments: [3, 250])
    func missed(count: Int) async throws {
        try await FakeDiscord.run { discord in
            let (inbox, ann) = (DiscordInbox(), discord.user("ann"))
            let (used, unused) = (discord.channel("used"), discord.channel("unused"))
            let direct = discord.direct(ann)
            let bridge = discord.bridge()
            try await listening(bridge, inbox) {
                try await inbox.waitForSession()
                for place in [used, unused, direct] { discord.say("before", by: ann, in: place) }
                _ = try await inbox.texts(3)
                for place in [used, direct] {
                    _ = try await bridge.perform(.send(OutboundText("answer")), at: ChatPlace(chat: place), key: place)
                }
                _ = try await inbox.waitFor("the channels to be kept") { state in
                    let kept = state.memory["channels"] ?? ""
                    return kept.contains(used) && kept.contains(direct) ? true : nil
                }
            }
            discord.forgetSessions()
            for number in 0..<count { discord.say("\(number)", by: ann, in: used) }
            discord.say("privately", by: ann, in: direct)
            discord.say("lost", by: ann, in: unused)
            try await listening(discord.bridge(), inbox) {
                try await discord.waitForSession(2)
                discord.say("after", by: ann, in: used)
                _ = try await inbox.texts(3 + count + 2)
            }
            let updates = inbox.state.now.updates.dropFirst(3)
            #expect(updates.filter { $0.place.chat == used }.map(\.words) == (0..<count).map { "\($0)" } + ["after"])
            #expect(updates.allSatisfy { $0.place.chat != used || $0.sender.guild == FakeDiscord.guild })
            #expect(updates.first { $0.words == "privately" }?.session == "dc:\(ann.id)")
            #expect(!updates.contains { $0.words == "lost" })
        }
    }

    @Test func aBridgeThatIsKilledWhileItReadsWhatItMissedReadsItAgain() async throws {
        try await FakeDiscord.run { discord in
            let (inbox, ann, channel) = (DiscordInbox(), discord.user("ann"), discord.channel())
            let bridge = discord.bridge()
            try await listening(bridge, inbox) {
                try await inbox.waitForSession()
                discord.say("before", by: ann, in: channel)
                _ = try await inbox.texts(1)
                _ = try await bridge.perform(.send(OutboundText("answer")), at: ChatPlace(chat: channel), key: "k")
                _ = try await inbox.waitFor("the channel") {
                    $0.memory["channels"]?.contains(channel) == true ? true : nil
                }
            }
            discord.forgetSessions()
            for number in 0..<4 { discord.say("\(number)", by: ann, in: channel) }
            inbox.hold { update in if update.words == "2" { try await FakeGate().wait() } }
            try await listening(discord.bridge(), inbox) {
                _ = try await inbox.texts(3)
                // A live message behind it waits, and its session isn't kept.
                discord.say("live", by: ann, in: channel)
                try await discord.waitForSession(2)
            }
            inbox.hold(nil)
            try await listening(discord.bridge(), inbox) {
                let heard = try await inbox.texts(6)
                #expect(heard == ["before", "0", "1", "2", "3", "live"])
            }
        }
    }

    @Test func changedMessagesAreHeardAsEdits() async throws {
        try await FakeDiscord.run { discord in
            let (inbox, ann, channel) = (DiscordInbox(), discord.user("ann"), discord.channel())
            try await listening(discord.bridge(), inbox) {
                try await inbox.waitForSession()
                let message = discord.say("helo", by: ann, in: channel)
                discord.preview(message)
                discord.edit(message, to: "hello")
                #expect(try await inbox.texts(2) == ["helo", "hello"])
                let updates = inbox.state.now.updates
                #expect(updates[1].message?.isEdit == true && updates[1].id.hasPrefix("\(message):"))
                #expect(updates[1].anchor == message)
            }
        }
    }

    @Test func filesOfUsersAreFetched() async throws {
        try await FakeDiscord.run { discord in
            let (inbox, ann, channel) = (DiscordInbox(), discord.user("ann"), discord.channel())
            let bytes = (0..<200_000).map { UInt8(truncatingIfNeeded: $0) }
            try await listening(discord.bridge(), inbox) {
                try await inbox.waitForSession()
                discord.say(
                    "", by: ann, in: channel, files: [.init("voice.ogg", type: "audio/ogg", bytes)], isVoice: true)
                discord.say(
                    "", by: ann, in: channel,
                    extra: ["attachments": [["filename": "x", "url": "http://169.254.169.254/secret"]]])
                _ = try await inbox.texts(2)
            }
            let files = inbox.state.now.updates.compactMap { $0.message?.files.first }
            #expect(files[0].isVoice && files[0].name == "voice.ogg" && files[0].size == 200_000)
            let pieces = Pieces()
            try await files[0].fetch { await pieces.add($0) }
            #expect(await pieces.bytes == bytes)
            let refused = await failure { try await files[1].fetch { _ in } }
            #expect(refused == .refused("the file does not lie on Discord's hosts"))
        }
    }

    @Test func eventsThatAreNoneHoldNothingUp() async throws {
        try await FakeDiscord.run { discord in
            let (inbox, ann, channel) = (DiscordInbox(), discord.user("ann"), discord.channel())
            try await listening(discord.bridge(), inbox) {
                try await inbox.waitForSession()
                for event in ["MESSAGE_CREATE", "MESSAGE_UPDATE", "INTERACTION_CREATE", "SOMETHING_NEW"] {
                    for data in [.null, [], "text", ["id": 5], ["id": "1"]] as [JSONValue] { discord.emit(event, data) }
                }
                discord.say("fine", by: ann, in: channel)
                #expect(try await inbox.texts(1) == ["fine"])
                let events = discord.now.sessions.values.map(\.eventCount).max() ?? 0
                _ = try await inbox.waitFor("the last event to be kept") {
                    $0.memory["session"]?.contains("\"sequence\":\(events)") == true ? true : nil
                }
            }
        }
    }

    // MARK: What an admin must mend

    @Test func aWrongTokenAndMissingIntentsAreExplained() async throws {
        try await FakeDiscord.run { discord in
            let wrong = await failure { try await discord.bridge(token: "wrong").listen(DiscordInbox()) }
            #expect(wrong == .account(DiscordCloseCode.wrongToken))
            discord.set { $0.allowsMessageContent = false }
            let shut = await failure { try await discord.bridge().listen(DiscordInbox()) }
            guard case .account(let reason)? = shut else {
                Issue.record("\(String(describing: shut))")
                return
            }
            #expect(reason.contains("Message Content Intent"))
        }
    }

    @Test func whatOnlyAnAdminCanMendIsNotTriedAgainAtOnce() async throws {
        try await FakeDiscord.run { discord in
            discord.set { $0.allowsMessageContent = false }
            let time = Watched(ContinuousClock.now)
            var seams = DiscordSeams.hasty()
            seams.now = { time.now }
            let bridge = discord.bridge(seams)
            let first = await failure { try await bridge.listen(DiscordInbox()) }
            for _ in 0..<5 {
                let again = await failure { try await bridge.listen(DiscordInbox()) }
                #expect(again == first && again != nil)
            }
            #expect(discord.server.now.socketCount == 1)
            discord.set { $0.allowsMessageContent = true }
            time.change { $0 += .seconds(301) }
            let inbox = DiscordInbox()
            try await listening(bridge, inbox) { try await inbox.waitForSession() }
        }
    }

    @Test func whenNoSessionMayBeBegunTheFrameWaitsForSoLong() async throws {
        try await FakeDiscord.run { discord in
            discord.set { $0.sessionStarts = 0 }
            let failed = await failure { try await discord.bridge().listen(DiscordInbox()) }
            #expect(failed == .wait(.milliseconds(1500), .everything) && discord.now.identifies == 0)
        }
    }

    @Test func aDiscordThatCannotBeReachedIsLeftToTheFramesPauses() async throws {
        try await FakeDiscord.run { discord in
            discord.server.cutAll(refusing: true)
            let failed = await failure { try await discord.bridge().listen(DiscordInbox()) }
            guard case .unavailable? = failed else {
                Issue.record("\(String(describing: failed))")
                return
            }
            discord.server.mend()
            discord.server.fail(FakeFault(.answer(.text("no", status: 503))) { $0.isUpgrade })
            let refused = await failure { try await discord.bridge().listen(DiscordInbox()) }
            guard case .unavailable? = refused else {
                Issue.record("\(String(describing: refused))")
                return
            }
        }
    }
}
