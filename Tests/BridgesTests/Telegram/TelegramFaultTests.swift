import JSON
import TestPlatforms
import Testing
import Wire

@testable import Bridges

// P-66: the ways in which Telegram can be out of reach, and what the bridge makes of each. No text of it holds the token.

@Suite struct TelegramFaultTests {
    @Test("a wrong token, a malformed one and none are an admin's affair")
    func tokens() async throws {
        for token in ["123456789:wrong", "malformed", "", "1:a/../../x", "1:a\r\nHost: x"] {
            try await TelegramRoom.run(token: token) { room in
                guard case .account(let words)? = await room.listen() else {
                    Issue.record("\(token) is taken")
                    return
                }
                #expect(words.contains("@BotFather") && (token.isEmpty || !words.contains(token)))
            }
        }
    }

    @Test("P-66: faults of Telegram end the listening, not the bridge; what was not confirmed comes with the next")
    func faults() async throws {
        let actions: [(String, FakeFault.Action)] = [
            ("getMe", .answer(.text("<html>Bad Gateway", status: 502))), ("getMe", .cut),
            ("getUpdates", .answer(.text("oops", status: 500))), ("getUpdates", .cut),
            ("getUpdates", .cutAnswer(after: 10)), ("getUpdates", .answer(.text("{\"ok\":true", status: 200))),
            ("getUpdates", .answer(.json(["ok": true]))), ("getUpdates", .answer(.json(["surprise": 1]))),
        ]
        try await TelegramRoom.run { room in
            room.telegram.say("Hello")
            for (method, action) in actions {
                room.telegram.fail(method, action)
                guard case .unavailable(let words)? = await room.listen() else {
                    Issue.record("\(method) \(action)")
                    continue
                }
                #expect(!words.contains("AAF-fake"))
            }
            #expect(room.inbox.state.now.connections.isEmpty)
            try await room.listening { try await room.inbox.waitForAccepted(1) }
            #expect(room.inbox.texts == ["Hello"])
        }
    }

    @Test("a poll that is half open ends, and so does one whose answer stops in the middle")
    func halfOpen() async throws {
        let seams = TelegramSeams(pollTime: .seconds(1), patience: .milliseconds(300))
        try await TelegramRoom.run(seams: seams) { room in
            for action in [FakeFault.Action.never, .stallAnswer(after: nil), .stallAnswer(after: 5)] {
                room.telegram.fail("getUpdates", action)
                guard case .unavailable? = await room.listen() else {
                    Issue.record("\(action)")
                    continue
                }
            }
        }
    }

    @Test("a request to slow down is about everything when it is about the account")
    func pauses() async throws {
        try await TelegramRoom.run { room in
            room.telegram.flood("getMe", retryAfter: 9)
            #expect(await room.listen() == .wait(.seconds(9), .everything))
            room.telegram.flood("getUpdates", retryAfter: 11)
            #expect(await room.listen() == .wait(.seconds(11), .everything))
            room.telegram.fail(
                "getUpdates", .answer(.text("slow down", status: 429, headers: [("Retry-After", "4")])))
            #expect(await room.listen() == .wait(.seconds(4), .everything))
        }
    }

    @Test("P-66: what is in hand is not cut short by polls that fail meanwhile")
    func inHand() async throws {
        let gate = FakeGate()
        let clock = StillClock()
        let inbox = NotingInbox { _ in try await gate.wait() }
        try await TelegramRoom.run(inbox: inbox, seams: clock.seams) { room in
            room.telegram.say("a large file")
            try await room.listening {
                try await inbox.waitForGiven(1)
                try await clock.waitForSleeps(1)
                room.telegram.refuse("getUpdates", 502, "Bad Gateway", times: 2)
                room.telegram.flood("getUpdates", retryAfter: 40)
                clock.advance(.seconds(1))
                try await clock.waitForSleeps(2)
                clock.advance(.seconds(1))
                try await clock.waitForSleeps(3)
                clock.advance(.seconds(2))
                try await clock.waitForSleeps(4)
                // Half of a random second, twice as much after the second fault, then what Telegram asked for.
                #expect(clock.sleeps == [.seconds(1), .milliseconds(750), .milliseconds(1500), .seconds(40)])
                gate.open()
                try await inbox.waitForAccepted(1)
                clock.advance(.seconds(40))
                try await room.telegram.waitFor("a confirmation") { $0.updates.isEmpty ? true : nil }
            }
            #expect(inbox.given.count == 1)
        }
    }

    @Test("an inbox that can't go on ends the listening with its own reason, while another chat's message is in hand")
    func brokenInbox() async throws {
        struct Broken: Error {}
        let gate = FakeGate()
        let inbox = NotingInbox { update in
            guard update.words == "break" else { return try await gate.wait() }
            throw Broken()
        }
        try await TelegramRoom.run(inbox: inbox) { room in
            room.telegram.say("waits", by: .bob)
            room.telegram.say("break")
            await #expect(throws: Broken.self) { try await room.bridge.listen(inbox) }
            #expect(room.telegram.now.updates.count == 2)
        }
    }

    @Test("somebody else who polls with the token is explained at once, and an admin's affair after a minute")
    func conflict() async throws {
        let clock = StillClock()
        try await TelegramRoom.run(seams: clock.seams) { room in
            room.telegram.conflict()
            guard case .unavailable(let words)? = await room.listen() else {
                Issue.record("no conflict")
                return
            }
            #expect(words.contains("Another program polls"))
            clock.advance(.seconds(59))
            guard case .unavailable? = await room.listen() else {
                Issue.record("given up too early")
                return
            }
            clock.advance(.seconds(1))
            #expect(await room.listen() == .account(words))
            #expect(room.log.lines.now.filter { $0.contains("bridge::telegram_conflict") }.count == 1)
            // When it is over, all is well.
            room.telegram.server.mend()
            room.telegram.say("Hello")
            try await room.listening { try await room.inbox.waitForAccepted(1) }
        }
    }

    @Test("a webhook that is set is explained, with the way to remove it")
    func webhook() async throws {
        let clock = StillClock()
        try await TelegramRoom.run(seams: clock.seams) { room in
            room.telegram.setWebhook("https://example.com/hook")
            _ = await room.listen()
            clock.advance(.seconds(61))
            guard case .account(let words)? = await room.listen() else {
                Issue.record("no webhook")
                return
            }
            #expect(words.contains("webhook") && words.contains("deleteWebhook"))
        }
    }

    @Test("the token stands in no log and no error, whatever goes wrong and whatever a server repeats")
    func secret() async throws {
        let token = FakeTelegram.token
        try await TelegramRoom.run { room in
            let place = room.ann()
            var words: [String] = []
            func note(_ failure: PlatformFailure?) { words.append("\(String(describing: failure))") }
            for method in ["getMe", "getUpdates", "setMyCommands"] {
                for code in [400, 401, 403, 409, 500] {
                    room.telegram.refuse(method, code, "no such thing: /bot\(token)/\(method)")
                }
            }
            for _ in 0..<10 { note(await room.listen()) }
            room.telegram.server.mend()
            for code in [400, 403] {
                room.telegram.refuse("sendMessage", code, "no such thing: /bot\(token)/\(code)")
                note(await room.failure(.send(OutboundText("x")), at: place))
            }
            room.telegram.fail("sendMessage", .cut)
            note(await room.failure(.send(OutboundText("x")), at: place))
            room.telegram.refuse("sendMessage", 400, "Bad Request: can't parse entities: \(token)")
            note(await room.failure(.send(OutboundText("x")), at: place))
            // Nobody listens there any more.
            let gone = TelegramBridge(token: token, apiBase: "http://127.0.0.1:1", logger: room.log.logger)
            do { try await gone.listen(room.inbox) } catch { words.append("\(error) \(String(reflecting: error))") }
            let wrong = TelegramBridge(token: token, apiBase: "no address", logger: room.log.logger)
            do { try await wrong.listen(room.inbox) } catch { words.append("\(error) \(String(reflecting: error))") }
            words += room.log.lines.now
            #expect(words.count > 15 && words.allSatisfy { !$0.contains("AAF-fake") }, "\(words)")
        }
    }
}
