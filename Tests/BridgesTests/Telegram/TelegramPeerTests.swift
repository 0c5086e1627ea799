import Foundation
import TestPlatforms
import Testing

// Is the fake what Telegram is? A library that many bots use speaks with it by its own code: python-telegram-bot.

@Suite struct TelegramPeerTests {
    @Test("python-telegram-bot takes the fake for Telegram: it logs in, hears, answers, edits, sends and fetches files")
    func library() async throws {
        let seen = try await FakeTelegram.run { telegram in
            telegram.open(-500, .supergroup)
            telegram.say("Hi", by: .bob)
            telegram.shut(1002)
            let slow = FakeTelegram.refusal(429, "Too Many Requests: retry after 3", parameters: ["retry_after": 3])
            telegram.fail("sendMessage", .answer(slow)) { $0.field("text") == "Again" }
            return try await PeerProgram.run("telegram_bot.py", [telegram.url, FakeTelegram.token]) {
                try await telegram.waitFor("the library to poll", within: .seconds(40)) {
                    // What is old is not for it.
                    $0.polls.last.flatMap { $0.timeout > 0 && $0.brought == nil ? true : nil }
                }
                telegram.say("Hello @fake_agent_bot 😀", in: -500)
                telegram.say("/report a b")
                telegram.send("document", Array("bytes".utf8), name: "notes.txt")
                let id = telegram.say("unseen", in: -500)
                telegram.change(id, in: -500, to: "better")
                let answers = try await telegram.waitForSent(2, to: -500, within: .seconds(20))
                telegram.press("Go on", of: answers[0].id, in: -500)
                #expect(answers[0].earlier == ["Hello & welcome"] && answers[1].text == "Again")
                let files = try await telegram.waitForSent(2, to: 1001)
                #expect(files.map(\.method) == ["sendDocument", "sendPhoto"])
                #expect(files[0].file?.filename == "a report.txt" && files[0].file?.bytes == Array("contents".utf8))
            }
        }
        #expect(seen["me"] == "fake_agent_bot" && seen["menu"] == ["report"])
        #expect(seen["mention"] == "@fake_agent_bot" && seen["answered"] == ["Hello & welcome", true])
        #expect(seen["edited"] == "Changed" && seen["changed"] == "better" && seen["pressed"] == "go")
        #expect(seen["command"] == ["a", "b"] && seen["document"] == ["a report.txt", 8])
        #expect(seen["name"] == "notes.txt" && seen["fetched"] == "bytes")
        #expect(seen["retry_after"] == 3 || seen["retry_after"] == .number(3))
        guard case .array(let errors)? = seen["errors"] else {
            Issue.record("\(seen)")
            return
        }
        let kinds = errors.compactMap { $0.string?.prefix { $0 != ":" } }
        #expect(
            kinds == ["InvalidToken", "BadRequest", "BadRequest", "BadRequest", "BadRequest", "Forbidden"], "\(seen)")
    }
}
