import JSON
import Testing

@testable import Bridges

@Suite struct TelegramRefusalTests {
    @Test("what Telegram says no with decides what happens to the act")
    func meanings() {
        enum Kind { case account, wait, gone, messageGone, refused, unavailable }
        let cases: [(Int, String, Kind)] = [
            (401, "Unauthorized", .account), (404, "Not Found", .account),
            (403, "Forbidden: bot was blocked by the user", .gone),
            (403, "Forbidden: bot was kicked from the supergroup chat", .gone),
            (403, "Forbidden: user is deactivated", .gone), (400, "Bad Request: chat not found", .gone),
            (400, "Bad Request: PEER_ID_INVALID", .gone), (400, "Bad Request: message thread not found", .gone),
            (400, "Bad Request: TOPIC_CLOSED", .gone),
            (400, "Bad Request: not enough rights to send text messages to the chat", .gone),
            (400, "Bad Request: group chat was deactivated", .gone),
            (400, "Bad Request: message to edit not found", .messageGone),
            (400, "Bad Request: message can't be edited", .messageGone),
            (400, "Bad Request: message is too long", .refused), (400, "Bad Request: message text is empty", .refused),
            (400, "Bad Request: can't parse entities: unclosed start tag at byte offset 3", .refused),
            (413, "Request Entity Too Large", .refused), (400, "Bad Request: file is too big", .refused),
            (409, "Conflict: terminated by other getUpdates request", .unavailable),
            (429, "Too Many Requests: retry after 7", .wait), (500, "Internal Server Error", .unavailable),
            (502, "Bad Gateway", .unavailable),
        ]
        for (code, words, kind) in cases {
            let failure = TelegramRefusal(code: code, description: words, retryAfter: code == 429 ? 7 : nil).failure(
                .chat)
            let found: Kind =
                switch failure {
                case .account: .account
                case .wait: .wait
                case .chatGone: .gone
                case .messageGone: .messageGone
                case .refused: .refused
                case .unavailable: .unavailable
                }
            #expect(found == kind, "\(code) \(words): \(failure)")
        }
    }

    @Test("a pause that Telegram asks for is kept as it is, within an hour, and about what was asked")
    func pauses() {
        func pause(_ seconds: Double?) -> PlatformFailure {
            TelegramRefusal(code: 429, description: "", retryAfter: seconds).failure(.everything)
        }
        #expect(pause(35) == .wait(.seconds(35), .everything))
        #expect(pause(nil) == .wait(.seconds(1), .everything) && pause(-4) == .wait(.milliseconds(50), .everything))
        #expect(pause(1e12) == .wait(.seconds(3600), .everything))
        #expect(
            TelegramRefusal(code: 429, description: "", retryAfter: 2).failure(.chat) == .wait(.seconds(2), .chat))
    }

    @Test("a conflict is an admin's affair when it has lasted a minute, and forgotten when there was none for long")
    func conflicts() {
        let start = ContinuousClock.now
        var conflict = TelegramConflict()
        #expect(conflict.happened(at: start) == .begins)
        #expect(conflict.happened(at: start + .seconds(59)) == .goesOn)
        #expect(conflict.happened(at: start + .seconds(60)) == .lasts)
        #expect(conflict.happened(at: start + .seconds(60 + 179)) == .lasts)
        #expect(conflict.happened(at: start + .seconds(60 + 179 + 180)) == .begins)
    }

    @Test("a group gets twenty messages a minute, as fast as they come")
    func groups() {
        let memory = TelegramMemory()
        let start = ContinuousClock.now
        for _ in 0..<20 { #expect(memory.pause(-5, at: start) == nil) }
        #expect(memory.pause(-5, at: start + .seconds(10)) == .seconds(50))
        #expect(memory.pause(-6, at: start + .seconds(10)) == nil)
        #expect(memory.pause(-5, at: start + .seconds(60)) == nil)
        for _ in 0..<100 { #expect(memory.pause(5, at: start) == nil) }
    }
}
