import JSON
import Testing

@testable import Bridges

@Suite struct TelegramTextTests {
    private static let bot = TelegramIdentity(id: 7, username: "Our_Bot")

    private static func entity(_ type: String, _ offset: Int64, _ length: Int64, user: Int64? = nil) -> TelegramObject {
        var fields: [String: JSONValue] = [
            "type": .string(type), "offset": .integer(offset), "length": .integer(length),
        ]
        if let user { fields["user"] = ["id": .integer(user)] }
        return TelegramObject(.object(fields))
    }

    @Test("a mention of the bot is taken out where its entity says, in UTF-16, whatever stands around it")
    func mentions() {
        let cases: [(text: String, entities: [TelegramObject], plain: String, isMentioned: Bool)] = [
            ("@our_bot hello", [Self.entity("mention", 0, 8)], "hello", true),
            ("hello @Our_Bot", [Self.entity("mention", 6, 8)], "hello", true),
            ("hey @our_bot what", [Self.entity("mention", 4, 8)], "hey what", true),
            ("👩‍👩‍👧 @our_bot yes", [Self.entity("mention", 9, 8)], "👩‍👩‍👧 yes", true),
            ("𝄞@our_bot𝄞", [Self.entity("mention", 2, 8)], "𝄞𝄞", true),
            ("@our_bot @our_bot twice", [Self.entity("mention", 0, 8), Self.entity("mention", 9, 8)], "twice", true),
            ("Our hello", [Self.entity("text_mention", 0, 3, user: 7)], "hello", true),
            ("Ann hello", [Self.entity("text_mention", 0, 3, user: 8)], "Ann hello", false),
            ("@other_bot hello", [Self.entity("mention", 0, 10)], "@other_bot hello", false),
            // A mention without its mark is a text like any other, and so is one in code.
            ("@our_bot hello", [], "@our_bot hello", false),
            ("@our_bot hello", [Self.entity("code", 0, 8)], "@our_bot hello", false),
            ("@our_bot", [Self.entity("mention", 0, 8)], "", true),
            ("line\n@our_bot\nnext", [Self.entity("mention", 5, 8)], "line\n\nnext", true),
            ("  spaces  ", [], "spaces", false),
        ]
        for (text, entities, plain, isMentioned) in cases {
            let heard = TelegramText(text, entities, bot: Self.bot)
            #expect(heard.plain == plain && heard.isMentioned == isMentioned, "\(text): \(heard)")
        }
    }

    @Test("marks that lie outside of the text are passed over")
    func wrongMarks() {
        for (offset, length) in [(-1, 8), (0, -1), (0, 100), (100, 1), (Int64.max, Int64.max), (3, Int64.max), (0, 0)] {
            let heard = TelegramText(
                "@our_bot hi", [Self.entity("mention", Int64(offset), Int64(length))], bot: Self.bot)
            #expect(heard.plain == "@our_bot hi" && !heard.isMentioned)
        }
    }

    @Test("a command is ours unless it names another bot; a slash alone and a path are messages")
    func commands() {
        let cases: [(String, TelegramText.Command)] = [
            ("/new", .ours(name: "new", argument: "", isNamed: false)),
            ("/New  and more ", .ours(name: "new", argument: "and more", isNamed: false)),
            ("/stop@our_bot", .ours(name: "stop", argument: "", isNamed: true)),
            ("/model@OUR_BOT small\nline", .ours(name: "model", argument: "small\nline", isNamed: true)),
            ("/stop@other_bot", .ofAnotherBot), ("/", .none), ("/ new", .none), ("//", .none), ("/usr/bin", .none),
            ("/näher", .none), ("say /new", .none), ("/stop@", .none), ("/@our_bot", .none), ("", .none),
        ]
        for (text, command) in cases {
            #expect(TelegramText(text, [], bot: Self.bot).command(bot: Self.bot) == command, "\(text)")
        }
    }
}
