import JSON
import TestPlatforms
import Testing
import Wire

@testable import Bridges

// What goes out to Telegram, and what the bridge makes of each way in which Telegram does not take it.

@Suite struct TelegramSendTests {
    private static func text(_ markdown: String, replyTo: String? = nil, _ buttons: [OutboundButton] = [])
        -> OutboundAct
    {
        .send(OutboundText(markdown, replyTo: replyTo, buttons: buttons))
    }

    @Test("text goes out as HTML with link previews off, as a reply, with buttons below it")
    func send() async throws {
        try await TelegramRoom.run { room in
            let place = room.ann()
            let buttons = [OutboundButton(label: "Approve", data: "a:1"), OutboundButton(label: "Deny", data: "d:1")]
            let id = try await room.bridge.perform(
                Self.text("**bold** & <plain>", replyTo: "1", buttons), at: place, key: "k")
            let message = try #require(room.telegram.now.sent.first)
            #expect(id == "\(message.id)" && message.chat == 1001 && message.replyTo == 1)
            #expect(message.text == "bold & <plain>" && message.source.contains("<b>bold</b> &amp; &lt;plain&gt;"))
            #expect(
                message.buttons.map(\.label) == ["Approve", "Deny"] && message.buttons.map(\.data) == ["a:1", "d:1"])
            let request = try #require(room.telegram.server.requests.last)
            #expect(request.field("parse_mode") == "HTML" && request.method == "POST")
            #expect(request.jsonField("link_preview_options")?["is_disabled"] == true)
        }
    }

    @Test("a message that is gone can be replied to: the answer stands alone")
    func replyToNothing() async throws {
        try await TelegramRoom.run { room in
            _ = try await room.bridge.perform(Self.text("x", replyTo: "999"), at: room.ann(), key: "k")
            #expect(room.telegram.now.sent.first?.replyTo == nil && room.telegram.now.sent.count == 1)
        }
    }

    @Test("topics are named; in a reply thread what stands alone replies to its first message")
    func threads() async throws {
        try await TelegramRoom.run { room in
            let telegram = room.telegram
            telegram.open(-600, .supergroup, topics: [77])
            telegram.open(-500, .supergroup)
            let root = telegram.say("The beginning", in: -500)
            let inner = telegram.say("below", in: -500, replyTo: root)
            let topic = ChatPlace(chat: "-600", thread: "77")
            let thread = ChatPlace(chat: "-500", thread: "r\(root)")
            for act in [Self.text("x"), .typing] { _ = try await room.bridge.perform(act, at: topic, key: "k") }
            _ = try await room.bridge.perform(Self.text("alone"), at: thread, key: "k")
            _ = try await room.bridge.perform(Self.text("reply", replyTo: "\(inner)"), at: thread, key: "k")
            _ = try await room.bridge.perform(.typing, at: thread, key: "k")
            #expect(telegram.now.sent(to: -600).map(\.thread) == [77])
            #expect(telegram.now.sent(to: -500).map(\.replyTo) == [root, inner])
            #expect(telegram.now.sent(to: -500).map(\.thread) == [root, root])
            #expect(telegram.now.typing == [-600, -500])
            telegram.open(-600, .supergroup, topics: [])
            guard case .chatGone? = await room.failure(Self.text("x"), at: topic) else {
                Issue.record("a topic that is gone")
                return
            }
        }
    }

    @Test("a button in a reply thread tells on a press in which conversation it stands")
    func buttonInThread() async throws {
        try await TelegramRoom.run { room in
            let telegram = room.telegram
            telegram.open(-500, .supergroup)
            let root = telegram.say("The beginning", in: -500)
            let stop = [OutboundButton(label: "Stop", data: "stop")]
            for thread in [nil, "r\(root)"] {
                let id = try await room.bridge.perform(
                    Self.text("…", replyTo: "\(root)", stop), at: ChatPlace(chat: "-500", thread: thread), key: "k")
                telegram.press("Stop", of: try #require(id.flatMap { Int64($0) }), in: -500)
            }
            let presses = try await room.listening { try await room.inbox.waitForGiven(3).dropFirst() }
            #expect(presses.map(\.session) == ["tg:-500", "tg:-500:\(root)"])
            #expect(presses.map(\.words) == ["press stop", "press stop"])
        }
    }

    @Test("an edit changes the message; no change is none, and a message that is gone is told")
    func edit() async throws {
        try await TelegramRoom.run { room in
            let place = room.ann()
            let id = try #require(
                try await room.bridge.perform(Self.text("one", [.init(label: "Stop", data: "s")]), at: place, key: "k"))
            let act = OutboundAct.edit(message: id, OutboundText("two"))
            #expect(try await room.bridge.perform(act, at: place, key: "k") == id)
            #expect(try await room.bridge.perform(act, at: place, key: "k") == id)
            let message = try #require(room.telegram.now.sent.first)
            #expect(message.text == "two" && message.earlier == ["one"] && message.buttons.isEmpty)
            #expect(room.telegram.now.refusals.contains { $0.contains("message is not modified") })
            room.telegram.removeMessage(message.id, in: 1001)
            #expect(await room.failure(act, at: place) == .messageGone)
            #expect(await room.failure(.edit(message: "x", OutboundText("y")), at: place) == .messageGone)
        }
    }

    @Test("plain text takes the place of HTML when Telegram can't read that, once, and for no other reason")
    func plain() async throws {
        try await TelegramRoom.run { room in
            let place = room.ann()
            let refusal = "Bad Request: can't parse entities: Can't find end tag corresponding to start tag b"
            room.telegram.refuse("sendMessage", 400, refusal)
            _ = try await room.bridge.perform(Self.text("**x** _y_"), at: place, key: "k")
            #expect(room.telegram.now.sent.map(\.source) == ["**x** _y_"])
            #expect(room.log.lines.now.contains { $0.contains("bridge::telegram_plain") })
            room.telegram.refuse("sendMessage", 400, refusal, times: 2)
            guard case .refused? = await room.failure(Self.text("**x**"), at: place) else {
                Issue.record("two refusals")
                return
            }
            // 429 and faults of the server are about the text's time, not its form.
            for action in [FakeFault.Action.answer(.text("", status: 500)), .cut] {
                room.telegram.fail("sendMessage", action)
                guard case .unavailable? = await room.failure(Self.text("**x**"), at: place) else {
                    Issue.record("\(action)")
                    return
                }
            }
            room.telegram.flood("sendMessage", chat: 1001, retryAfter: 7)
            #expect(await room.failure(Self.text("**x**"), at: place) == .wait(.seconds(7), .chat))
            #expect(room.telegram.now.sent.count == 1)
            let sends = room.telegram.server.requests.filter { $0.lastComponent == "sendMessage" }
            #expect(sends.filter { $0.field("parse_mode") == nil }.count == 2)
        }
    }

    @Test("a text that Telegram finds too long is refused, and one that shows nothing as well")
    func tooLong() async throws {
        try await TelegramRoom.run { room in
            let place = room.ann()
            let longest = String(repeating: "😀", count: 2048)
            _ = try await room.bridge.perform(Self.text(longest), at: place, key: "k")
            #expect(room.telegram.now.sent.first?.text == longest)
            for text in [longest + "x", "", " \n "] {
                guard case .refused? = await room.failure(Self.text(text), at: place) else {
                    Issue.record("\(text.count) characters are taken")
                    continue
                }
            }
            #expect(room.telegram.now.sent.count == 1)
        }
    }

    @Test("P-36: a chat that is blocked, left or deleted is told as gone; others go on")
    func gone() async throws {
        try await TelegramRoom.run { room in
            let place = room.ann()
            room.telegram.say("Hi", by: .bob)
            room.telegram.shut(1001)
            for act in [Self.text("x"), .typing, .edit(message: "1", OutboundText("x"))] {
                #expect(await room.failure(act, at: place) == .chatGone("Forbidden: bot was blocked by the user"))
            }
            _ = try await room.bridge.perform(Self.text("x"), at: ChatPlace(chat: "1002"), key: "k")
            room.telegram.remove(1001)
            #expect(await room.failure(Self.text("x"), at: place) == .chatGone("Bad Request: chat not found"))
            #expect(room.telegram.now.sent.map(\.chat) == [1002])
        }
    }

    @Test("a group that became a supergroup is followed, and remembered")
    func migration() async throws {
        try await TelegramRoom.run { room in
            room.telegram.open(-500)
            room.telegram.migrate(-500, to: -100_500, announced: false)
            let place = ChatPlace(chat: "-500")
            for text in ["one", "two"] { _ = try await room.bridge.perform(Self.text(text), at: place, key: "k") }
            #expect(room.telegram.now.sent(to: -100_500).map(\.text) == ["one", "two"])
            #expect(room.telegram.server.requests.filter { $0.lastComponent == "sendMessage" }.count == 3)
            #expect(room.log.lines.now.filter { $0.contains("bridge::telegram_moved") }.count == 1)
            // The supergroup is shut: that is no reason to look elsewhere.
            room.telegram.shut(-100_500, "Forbidden: bot was kicked from the supergroup chat")
            guard case .chatGone? = await room.failure(Self.text("x"), at: place) else {
                Issue.record("not gone")
                return
            }
        }
    }

    @Test("a migration that is announced is known before anything is sent")
    func announcedMigration() async throws {
        try await TelegramRoom.run { room in
            room.telegram.open(-500)
            room.telegram.migrate(-500, to: -100_500)
            room.telegram.say("Hi", by: .bob)
            try await room.listening { try await room.inbox.waitForAccepted(1) }
            _ = try await room.bridge.perform(Self.text("x"), at: ChatPlace(chat: "-500"), key: "k")
            #expect(room.telegram.server.requests.filter { $0.lastComponent == "sendMessage" }.count == 1)
            #expect(room.inbox.texts == ["Hi"])
        }
    }

    @Test("a group gets twenty messages a minute, edits and typing besides; the twenty-first is told to wait")
    func groupPace() async throws {
        let clock = StillClock()
        try await TelegramRoom.run(seams: clock.seams) { room in
            room.telegram.open(-500)
            let place = ChatPlace(chat: "-500")
            for number in 1...20 {
                let id = try #require(try await room.bridge.perform(Self.text("\(number)"), at: place, key: "k"))
                _ = try await room.bridge.perform(.edit(message: id, OutboundText("\(number)!")), at: place, key: "k")
                _ = try await room.bridge.perform(.typing, at: place, key: "k")
            }
            clock.advance(.seconds(20))
            #expect(await room.failure(Self.text("21"), at: place) == .wait(.seconds(40), .chat))
            #expect(room.telegram.now.sent.count == 20)
            clock.advance(.seconds(40))
            _ = try await room.bridge.perform(Self.text("21"), at: place, key: "k")
            #expect(room.telegram.now.sent.count == 21)
        }
    }

    @Test("an answer to a press can be shown above the chat, shortened")
    func answer() async throws {
        try await TelegramRoom.run { room in
            let place = room.ann()
            let id = try await room.bridge.perform(
                Self.text("?", [.init(label: "Yes", data: "y")]), at: place, key: "k")
            let press = room.telegram.press("Yes", of: try #require(id.flatMap { Int64($0) }), in: 1001)
            let act = OutboundAct.answer(
                to: try #require(press), OutboundText(String(repeating: "x", count: 300)))
            #expect(try await room.bridge.perform(act, at: place, key: "k") == nil)
            #expect(room.telegram.server.requests.last?.field("text")?.count == 200)
            guard case .refused? = await room.failure(act, at: place) else {
                Issue.record("answered twice")
                return
            }
        }
    }

    @Test("the limits are Telegram's")
    func limits() {
        let bridge = TelegramBridge(token: "1:a", apiBase: "", logger: NotedLog().logger)
        #expect(bridge.platform == .telegram && bridge.limits.textLength == 4096 && bridge.limits.unit == .utf16)
        #expect(bridge.limits.canEdit && bridge.limits.hasButtons && bridge.limits.prefix == "tg")
        #expect(bridge.limits.editPause >= .milliseconds(1500) && bridge.limits.chatPause >= .seconds(1))
        #expect(bridge.limits.globalPause * 30 >= .seconds(1))
    }
}
