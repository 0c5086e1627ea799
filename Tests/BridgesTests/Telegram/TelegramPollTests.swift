import JSON
import TestPlatforms
import Testing
import Wire

@testable import Bridges

// P-66: what a bridge hears from Telegram, over a real connection, and what it tells Telegram that it has.

@Suite struct TelegramPollTests {
    @Test("P-66: what was said is given to the inbox, kept there, and only then confirmed")
    func confirmed() async throws {
        let gate = FakeGate()
        let inbox = NotingInbox { _ in try await gate.wait() }
        try await TelegramRoom.run(inbox: inbox) { room in
            let telegram = room.telegram
            telegram.say("Hello")
            try await room.listening {
                let first = try await inbox.waitForGiven(1)[0]
                #expect(first.words == "Hello" && inbox.state.now.connections == ["@fake_agent_bot"])
                try await telegram.waitFor("another poll") { $0.polls.count >= 2 ? true : nil }
                #expect(telegram.now.updates.count == 1 && telegram.now.polls[1].offset.map(String.init) == first.id)
                gate.open()
                try await telegram.waitFor("a confirmation") { $0.updates.isEmpty ? true : nil }
                #expect(inbox.offset.flatMap { Int64($0) } == Int64(first.id).map { $0 + 1 })
            }
            #expect(inbox.given.count == 1)
        }
    }

    @Test("P-66: after a start nothing comes again that was confirmed, and all that was not")
    func restart() async throws {
        let gate = FakeGate()
        let first = NotingInbox { if $0.words == "three" { try await gate.wait() } }
        try await TelegramRoom.run { room in
            for text in ["one", "two", "three"] { room.telegram.say(text) }
            try await room.listening(to: first) {
                try await first.waitForAccepted(2)
                try await first.waitForGiven(3)
                _ = try await first.state.waitFor("the offset") {
                    $0.memory[TelegramListener.offsetKey] == $0.given[2].id ? true : nil
                }
            }
            room.telegram.say("four")
            let second = NotingInbox(memory: first.state.now.memory)
            try await room.listening(to: second) { try await second.waitForAccepted(2) }
            #expect(second.texts == ["three", "four"])
        }
    }

    @Test("chats are given side by side, what is said in one in its order; polling goes on at one a second")
    func sideBySide() async throws {
        let gate = FakeGate()
        let clock = StillClock()
        let inbox = NotingInbox { if $0.words == "wait" { try await gate.wait() } }
        try await TelegramRoom.run(inbox: inbox, seams: clock.seams) { room in
            let telegram = room.telegram
            telegram.say("wait")
            telegram.say("after")
            telegram.say("hello", by: .bob)
            try await room.listening {
                try await inbox.waitForAccepted(1)
                #expect(Set(inbox.texts) == ["wait", "hello"])
                try await clock.waitForSleeps(1)
                #expect(clock.sleeps == [.seconds(1)] && telegram.now.polls.count == 1)
                // A command of Bob's is heard while Ann's message waits.
                telegram.say("/stop", by: .bob)
                clock.advance(.seconds(1))
                try await inbox.waitForAccepted(2)
                #expect(inbox.texts.last == "/stop" && telegram.now.polls.count == 2)
                #expect(telegram.now.polls.allSatisfy { $0.timeout == 0 })
                gate.open()
                try await inbox.waitForAccepted(4)
                #expect(inbox.texts.last == "after")
                // All is accepted: the next poll waits for what comes.
                let poll = try await telegram.waitFor("a poll that waits") {
                    $0.polls.last.flatMap { $0.timeout > 0 ? $0 : nil }
                }
                #expect(poll.timeout == 50 && poll.offset.map { "\($0)" } == inbox.offset)
                telegram.say("at once", by: .bob)
                try await inbox.waitForAccepted(5)
            }
            #expect(inbox.given.count == 5)
        }
    }

    @Test("an album is one update with all its files, and confirmed when all of it is accepted")
    func album() async throws {
        let clock = StillClock()
        try await TelegramRoom.run(seams: clock.seams) { room in
            let (telegram, inbox) = (room.telegram, room.inbox)
            telegram.send("photo", Array("one".utf8), caption: "Holidays", album: "g")
            try await room.listening {
                try await clock.waitForSleeps(1)
                telegram.send("photo", Array("two".utf8), album: "g")
                telegram.say("And?")
                clock.advance(.seconds(1))
                try await clock.waitForSleeps(2)
                #expect(inbox.given.isEmpty)
                clock.advance(.seconds(1))
                try await inbox.waitForAccepted(2)
                try await telegram.waitFor("a confirmation") { $0.updates.isEmpty ? true : nil }
            }
            #expect(inbox.texts == ["Holidays", "And?"])
            let files = try #require(inbox.given[0].message?.files)
            #expect(files.map(\.name) == ["photo.jpg", "photo-2.jpg"])
            let held = telegram.now.polls.prefix(3).compactMap(\.offset)
            #expect(Set(held) == [try #require(Int64(inbox.given[0].id))])
            #expect(try await Self.bytes(of: files[1]) == Array("two".utf8))
        }
    }

    static func bytes(of file: InboundFile) async throws -> [UInt8] {
        let bytes = Watched<[UInt8]>([])
        try await file.fetch { piece in bytes.change { $0 += piece } }
        return bytes.now
    }

    @Test("P-66: what Telegram repeats or mixes up is given in its order, and is not asked for in a storm")
    func repeatsAndOrder() async throws {
        let clock = StillClock()
        try await TelegramRoom.run(seams: clock.seams) { room in
            let (telegram, inbox) = (room.telegram, room.inbox)
            for text in ["one", "two", "three"] { telegram.say(text) }
            telegram.reverseUpdates()
            telegram.repeatUpdates(2, times: .max)
            try await room.listening {
                try await inbox.waitForAccepted(3)
                #expect(inbox.texts == ["one", "two", "three"])
                // The repeats come with every poll, and bring nothing: polls are a second apart.
                try await telegram.waitFor("a poll that repeats") {
                    $0.polls.count >= 2 ? $0.polls[1].brought.map { $0.count == 2 } : nil
                }
                try await clock.waitForSleeps(1)
                #expect(inbox.given.count == 3)
                telegram.stopRepeating()
                telegram.say("four")
                clock.advance(.seconds(1))
                _ = try await inbox.state.waitFor("what is new") { $0.given.last?.words == "four" ? true : nil }
                #expect(telegram.now.polls.count <= 4)
            }
            // A repeat has the number that it had.
            #expect(Set(inbox.given.map(\.id)).count == 4)
        }
    }

    @Test("numbers that begin anew are followed")
    func newNumbers() async throws {
        let inbox = NotingInbox(memory: [TelegramListener.offsetKey: "900000000"])
        try await TelegramRoom.run(inbox: inbox) { room in
            room.telegram.count(from: 17)
            room.telegram.say("one")
            try await room.listening {
                try await inbox.waitForAccepted(1)
                room.telegram.say("two")
                try await inbox.waitForAccepted(2)
                try await room.telegram.waitFor("a confirmation") { $0.updates.isEmpty ? true : nil }
            }
            #expect(inbox.given.map(\.id) == ["17", "18"] && inbox.offset == "19")
        }
    }

    @Test("more than a hundred updates come in batches, each once")
    func batches() async throws {
        try await TelegramRoom.run { room in
            for number in 0..<250 { room.telegram.say("\(number)") }
            try await room.listening { try await room.inbox.waitForAccepted(250) }
            #expect(room.inbox.texts == (0..<250).map(String.init))
        }
    }

    @Test("only what is understood is asked for, and a button's waiting ends at once")
    func presses() async throws {
        let gate = FakeGate()
        let inbox = NotingInbox { if case .press = $0.content { try await gate.wait() } }
        try await TelegramRoom.run(inbox: inbox) { room in
            let telegram = room.telegram
            let place = room.ann()
            let text = OutboundText("Really?", buttons: [OutboundButton(label: "Yes", data: "approve:7")])
            let message = try await room.bridge.perform(.send(text), at: place, key: "k")
            let id = try #require(message.flatMap { Int64($0) })
            telegram.press("Yes", of: id, in: 1001)
            try await room.listening {
                // Whether or not somebody may press it, and before anybody has decided that.
                try await telegram.waitFor("an answer to the press") { $0.answeredPresses.isEmpty ? nil : true }
                try await inbox.waitForGiven(2)
                gate.open()
                try await inbox.waitForAccepted(2)
            }
            #expect(inbox.texts == ["Hello", "press approve:7"])
            let polled = telegram.server.requests.first { $0.lastComponent == "getUpdates" }
            #expect(polled?.jsonField("allowed_updates") == ["message", "edited_message", "callback_query"])
            #expect(telegram.now.commands.count == TelegramBridge.menu.count)
        }
    }
}
