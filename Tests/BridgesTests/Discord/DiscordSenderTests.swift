import JSON
import TestPlatforms
import Testing

@testable import Bridges

// What reaches Discord, and what its refusals become.

@Suite(.timeLimit(.minutes(1))) struct DiscordSenderTests {
    private static func seams() -> DiscordSeams { DiscordSeams() }

    private func sending(
        _ body: @escaping @Sendable (FakeDiscord, DiscordBridge, String) async throws -> Void
    ) async throws {
        try await FakeDiscord.run { discord in
            try await body(discord, discord.bridge(Self.seams()), discord.channel())
        }
    }

    @Test func aMessageArrivesQuietlyAsAReply() async throws {
        try await sending { discord, bridge, channel in
            let ann = discord.user("ann")
            let asked = discord.say("hello", by: ann, in: channel)
            let id = try await bridge.perform(
                .send(OutboundText("**hi** @everyone <@\(ann.id)>", replyTo: asked)), at: ChatPlace(chat: channel),
                key: "k1")
            let sent = try #require(discord.sent.first)
            #expect(sent.id == id && sent.kind == .message)
            #expect(sent.body["allowed_mentions"] == ["parse": [], "replied_user": false])
            #expect(sent.body["flags"] == 4 && sent.body["enforce_nonce"] == true)
            #expect(sent.body["message_reference"]?["message_id"]?.string == asked)
            #expect(discord.now.refusals == 0 && discord.messages(in: channel).count == 1)
        }
    }

    @Test func aReplyToAMessageThatIsGoneIsSentAllTheSame() async throws {
        try await sending { discord, bridge, channel in
            _ = try await bridge.perform(
                .send(OutboundText("hi", replyTo: "175928847299117063")), at: ChatPlace(chat: channel), key: "k")
            #expect(discord.messages(in: channel) == ["hi"])
        }
    }

    @Test("the same act is done once, however often it is tried")
    func nonce() async throws {
        try await sending { discord, bridge, channel in
            let place = ChatPlace(chat: channel)
            discord.server.fail(FakeFault(.cutAnswer(after: nil)) { $0.path.hasSuffix("/messages") })
            let failed = await failure {
                _ = try await bridge.perform(.send(OutboundText("once")), at: place, key: "k")
            }
            guard case .unavailable? = failed else {
                Issue.record("\(String(describing: failed))")
                return
            }
            let first = try await bridge.perform(.send(OutboundText("once")), at: place, key: "k")
            // As after a crash.
            let second = try await discord.bridge(Self.seams()).perform(
                .send(OutboundText("once")), at: place, key: "k")
            let other = try await bridge.perform(.send(OutboundText("once")), at: place, key: "l")
            #expect(first == second && other != first)
            #expect(discord.messages(in: channel) == ["once", "once"])
            for sent in discord.sent {
                #expect((1...25).contains(sent.body["nonce"]?.string?.count ?? 0))
            }
        }
    }

    @Test func keysOfAnyLengthBecomeNumbersThatDiscordTakes() {
        let keys = (0..<2000).map { "turn-\($0)-\(String(repeating: "x", count: $0 % 100))" } + ["", "a", "b"]
        let nonces = keys.map(DiscordSender.nonce)
        #expect(Set(nonces).count == keys.count && nonces.allSatisfy { (1...25).contains($0.utf8.count) })
        #expect(DiscordSender.nonce("a") == DiscordSender.nonce("a"))
    }

    @Test func buttonsStandUnderTheMessageAndGoWithAnEdit() async throws {
        try await sending { discord, bridge, channel in
            let place = ChatPlace(chat: channel)
            var buttons = (0..<30).map { OutboundButton(label: String(repeating: "l", count: 90), data: "b\($0)") }
            buttons.insert(OutboundButton(label: "again", data: "b0"), at: 1)
            let id = try #require(
                try await bridge.perform(.send(OutboundText("?", buttons: buttons)), at: place, key: "k"))
            guard case .array(let rows)? = discord.sent.first?.body["components"] else {
                Issue.record("no buttons")
                return
            }
            #expect(rows.count == 5)
            #expect(rows[0]["components"] != nil && rows[0]["type"] == 1)
            _ = try await bridge.perform(.edit(message: id, OutboundText("done")), at: place, key: "l")
            #expect(discord.sent.last?.body["components"] == [])
            #expect(discord.messages(in: channel) == ["done"])
        }
    }

    @Test func filesArriveWhole() async throws {
        try await sending { discord, bridge, channel in
            let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            try await withFile(bytes) { path in
                let file = OutboundFile(
                    kind: .file, name: "a \"b\".bin", mimeType: "application/x-test", size: 300_000, path: path)
                _ = try await bridge.perform(.file(file), at: ChatPlace(chat: channel), key: "k")
                _ = try await bridge.perform(.file(file), at: ChatPlace(chat: channel), key: "k")
            }
            let sent = try #require(discord.sent.first)
            #expect(sent.file == .init("a \"b\".bin", type: "application/x-test", bytes))
            #expect(sent.body["allowed_mentions"]?["parse"] == [] && discord.sent.count == 1)
        }
    }

    @Test func aFileThatIsTooLargeIsRefusedInWords() async throws {
        try await sending { discord, bridge, channel in
            let file = OutboundFile(kind: .file, name: "a", mimeType: nil, size: 11 << 20, path: "/nowhere")
            let failed = await failure {
                _ = try await bridge.perform(.file(file), at: ChatPlace(chat: channel), key: "k")
            }
            #expect(failed == .refused("the file is larger than the 10 MiB that Discord takes"))
            #expect(discord.server.requests.isEmpty)
        }
    }

    @Test func typingIsShown() async throws {
        try await sending { discord, bridge, channel in
            let id = try await bridge.perform(.typing, at: ChatPlace(chat: channel), key: "k")
            #expect(id == nil)
            #expect(discord.sent.map(\.kind) == [.typing])
        }
    }

    @Test(arguments: [FakeDiscord.Channel.Shut.gone, .forbidden, .takesNoMessages, .mayNotWrite])
    func aChatThatIsShutIsSaidToBeGone(reason: FakeDiscord.Channel.Shut) async throws {
        try await sending { discord, bridge, channel in
            discord.shut(channel, reason)
            let failed = await failure {
                _ = try await bridge.perform(.send(OutboundText("x")), at: ChatPlace(chat: channel), key: "k")
            }
            guard case .chatGone? = failed else {
                Issue.record("\(String(describing: failed))")
                return
            }
            // It is not asked again.
            #expect(discord.server.requests.count == 1)
        }
    }

    @Test func whatIsNoChannelIsNotAsked() async throws {
        try await sending { discord, bridge, channel in
            for chat in ["", "../users/@me", "abc", "1/2"] {
                let failed = await failure {
                    _ = try await bridge.perform(.typing, at: ChatPlace(chat: chat), key: "k")
                }
                #expect(failed == .chatGone("Discord has no such channel"))
            }
            let edit = await failure {
                _ = try await bridge.perform(
                    .edit(message: "../1", OutboundText("x")), at: ChatPlace(chat: channel), key: "k")
            }
            #expect(edit == .messageGone && discord.server.requests.isEmpty)
        }
    }

    @Test func whatDiscordWillNeverTakeIsRefused() async throws {
        try await sending { discord, bridge, channel in
            let place = ChatPlace(chat: channel)
            let empty = await failure { _ = try await bridge.perform(.send(OutboundText(" \n")), at: place, key: "k") }
            #expect(empty == .refused("Discord takes no empty messages"))
            let long = String(repeating: "x", count: 2001)
            let tooLong = await failure { _ = try await bridge.perform(.send(OutboundText(long)), at: place, key: "k") }
            #expect(tooLong == .refused("Discord says: Invalid Form Body (50035)"))
            _ = try await bridge.perform(
                .send(OutboundText(String(repeating: "😀", count: 1000))), at: place, key: "l")
            let gone = await failure {
                _ = try await bridge.perform(.edit(message: "5", OutboundText("x")), at: place, key: "k")
            }
            #expect(gone == .messageGone)
        }
    }

    @Test(
        "429 of a bucket and of everything are honoured, and nothing is lost or said twice", arguments: [false, true])
    func storm(isGlobal: Bool) async throws {
        try await sending { discord, bridge, channel in
            let other = discord.channel("other")
            discord.set { $0.storm = .init(times: 4, retryAfter: 0.15, isGlobal: isGlobal) }
            let failed = await failure {
                _ = try await bridge.perform(.send(OutboundText("0")), at: ChatPlace(chat: channel), key: "0")
            }
            guard case .wait(let pause, let scope)? = failed else {
                Issue.record("\(String(describing: failed))")
                return
            }
            #expect(
                scope == (isGlobal ? .everything : .chat) && pause > .milliseconds(100) && pause <= .milliseconds(150))
            // Known from then on, without asking.
            let asked = discord.server.requests.count
            let again = await failure {
                _ = try await bridge.perform(.typing, at: ChatPlace(chat: isGlobal ? other : channel), key: "t")
            }
            if isGlobal {
                guard case .wait(_, .everything)? = again else {
                    Issue.record("\(String(describing: again))")
                    return
                }
                #expect(discord.server.requests.count == asked)
            }
            for number in 0..<10 {
                _ = try await insist(bridge, .send(OutboundText("\(number)")), in: channel, key: "\(number)")
            }
            #expect(discord.messages(in: channel) == (0..<10).map { "\($0)" })
            #expect(discord.now.refusals == 4 && discord.now.violations == 0)
        }
    }

    @Test func anEmptyBucketIsNotAsked() async throws {
        try await sending { discord, bridge, channel in
            discord.set { $0.bucket = (limit: 3, seconds: 0.2) }
            for number in 0..<12 {
                _ = try await insist(bridge, .send(OutboundText("\(number)")), in: channel, key: "\(number)")
            }
            #expect(discord.messages(in: channel) == (0..<12).map { "\($0)" })
            #expect(discord.now.refusals == 0)
        }
    }

    @Test func aFaultOfDiscordsIsTriedAgain() async throws {
        try await sending { discord, bridge, channel in
            for status in [500, 502, 503] {
                discord.server.fail(FakeFault(.answer(.text("oops", status: status))))
            }
            discord.server.fail(FakeFault(.cut))
            _ = try await insist(bridge, .send(OutboundText("x")), in: channel, key: "k")
            #expect(discord.messages(in: channel) == ["x"] && discord.server.requests.count == 5)
        }
    }

    @Test func aProxysRefusalWithoutJSONHoldsEverything() async throws {
        try await sending { discord, bridge, channel in
            discord.server.fail(FakeFault(.answer(.text("slow down", status: 429, headers: [("Retry-After", "7")]))))
            let failed = await failure {
                _ = try await bridge.perform(.typing, at: ChatPlace(chat: channel), key: "k")
            }
            #expect(failed == .wait(.seconds(7), .everything))
        }
    }

    @Test func aRefusedTokenIsNotUsedAgain() async throws {
        try await FakeDiscord.run { discord in
            let bridge = discord.bridge(Self.seams(), token: "wrong-token-4711")
            let channel = discord.channel()
            for _ in 0..<5 {
                let failed = await failure {
                    _ = try await bridge.perform(.send(OutboundText("x")), at: ChatPlace(chat: channel), key: "k")
                }
                guard case .account(let reason)? = failed else {
                    Issue.record("\(String(describing: failed))")
                    return
                }
                #expect(reason.contains("Reset Token") && !reason.contains("4711"))
            }
            #expect(discord.server.requests.count == 1)
        }
    }
}
