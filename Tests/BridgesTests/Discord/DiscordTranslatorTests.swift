import Foundation
import JSON
import Testing

@testable import Bridges

// What Discord's events say, read as Discord writes them.

@Suite struct DiscordTranslatorTests {
    private let translator = DiscordTranslator(user: "9", fetch: { _, _ in })

    private func message(_ fields: [String: JSONValue], isEdit: Bool = false) throws -> InboundUpdate? {
        var all: [String: JSONValue] = [
            "id": "100", "channel_id": "20", "guild_id": "30", "content": "hello", "type": 0, "flags": 0,
            "author": ["id": "7", "username": "ann", "global_name": "Ann"], "mentions": [], "attachments": [],
        ]
        all.merge(fields) { _, new in new }
        all = all.filter { $0.value != "-" }
        let frame = try JSONEncoder().encode(JSONValue.object(["d": .object(all)]))
        let message: DiscordMessage? = DiscordFrame.payload(String(decoding: frame, as: UTF8.self))
        return translator.update(try #require(message), isEdit: isEdit)
    }

    private func interaction(_ fields: [String: JSONValue]) throws -> InboundUpdate? {
        var all: [String: JSONValue] = [
            "id": "200", "application_id": "2", "type": 2, "token": "aW50ZXJhY3Rpb24", "channel_id": "20",
            "guild_id": "30", "context": 0, "member": ["user": ["id": "7", "username": "ann"]],
            "data": ["id": "1", "name": "Status", "type": 1],
        ]
        all.merge(fields) { _, new in new }
        all = all.filter { $0.value != "-" }
        let frame = try JSONEncoder().encode(JSONValue.object(["d": .object(all)]))
        let interaction: DiscordInteraction? = DiscordFrame.payload(String(decoding: frame, as: UTF8.self))
        return translator.update(try #require(interaction))
    }

    @Test func aMessageOfAServersChannelBelongsToTheChannelsSession() throws {
        let update = try #require(try message([:]))
        #expect(update.id == "100" && update.session == "dc:20" && update.place == ChatPlace(chat: "20"))
        #expect(update.sender == .init(id: "7", name: "Ann", isPrivateChat: false, guild: "30"))
        #expect(!update.isAddressed && update.anchor == "100" && update.answerTo == nil && update.words == "hello")
    }

    @Test func aPrivateChatBelongsToItsUsersSession() throws {
        let update = try #require(try message(["guild_id": "-"]))
        #expect(update.session == "dc:7" && update.place.chat == "20" && update.isAddressed)
        #expect(update.sender.isPrivateChat && update.sender.guild == nil)
    }

    @Test func mentionsOfTheBotAddressItAndAreTakenOut() throws {
        for text in ["<@9> hello", "<@!9> hello", "hello <@9>", " <@9>\nhello"] {
            let update = try #require(try message(["content": .string(text)]))
            #expect(update.isAddressed && update.words == "hello", "\(text)")
        }
        let other = try #require(try message(["content": "<@8> <@!8> hello <@"]))
        #expect(!other.isAddressed && other.words == "<@8> <@!8> hello <@")
        #expect(try message(["mentions": [["id": "9"]]])?.isAddressed == true)
        #expect(try message(["content": "<@9>"]) == nil)
    }

    @Test func mentionsOfTheBotsRoleAddressItAndAreTakenOut() throws {
        var translator = translator
        translator.role = "5"
        let frame =
            #"{"d":{"id":"100","channel_id":"20","guild_id":"30","content":"<@&5> hello <@&6>","mention_roles":["5","6"],"author":{"id":"7"}}}"#
        let message: DiscordMessage = try #require(DiscordFrame.payload(frame))
        let update = try #require(translator.update(message, isEdit: false))
        #expect(update.isAddressed && update.words == "hello <@&6>")
        translator.role = "8"
        #expect(translator.update(message, isEdit: false)?.isAddressed == false)
    }

    @Test func repliesToTheBotAddressIt() throws {
        let toBot: [String: JSONValue] = [
            "type": 19, "message_reference": ["message_id": "50"], "referenced_message": ["author": ["id": "9"]],
        ]
        #expect(try message(toBot)?.isAddressed == true)
        #expect(try message(["type": 19, "referenced_message": ["author": ["id": "8"]]])?.isAddressed == false)
        #expect(try message(["type": 19, "referenced_message": .null])?.isAddressed == false)
    }

    @Test func otherBotsNoticesAndOwnWordsAreNobodys() throws {
        #expect(try message(["author": ["id": "8", "bot": true]]) == nil)
        #expect(try message(["author": ["id": "9"]]) == nil)
        #expect(try message(["webhook_id": "5"]) == nil)
        #expect(try message(["author": "-"]) == nil)
        for type in [1, 6, 7, 18, 20, 21, 46] { #expect(try message(["type": .integer(Int64(type))]) == nil) }
        #expect(try message(["content": ""]) == nil)
        #expect(try message(["id": "../../x"]) == nil)
        #expect(try message(["channel_id": "x"]) == nil)
    }

    @Test func slashTextsAreCommandsAndASlashAloneIsNot() throws {
        func content(_ text: String) throws -> InboundUpdate.Content? {
            try message(["content": .string(text)])?.content
        }
        guard case .command("model", "gpt x")? = try content("<@9> /Model  gpt x") else {
            Issue.record("no command")
            return
        }
        guard case .command("stop", "")? = try content("/stop") else {
            Issue.record("no command")
            return
        }
        for text in ["/", "/ stop", "/usr/bin/env", "//", "/é"] {
            guard case .message(let said)? = try content(text) else {
                Issue.record("\(text) is a command")
                return
            }
            #expect(said.text == text)
        }
    }

    @Test func aChangedMessageIsAnEditWithAnIdOfItsOwn() throws {
        let edited = try #require(
            try message(["edited_timestamp": "2026-11-22T05:00:00.000000+00:00", "content": "/stop"], isEdit: true))
        #expect(edited.id == "100:2026-11-22T05:00:00.000000+00:00")
        #expect(edited.message?.isEdit == true && edited.words == "/stop")
        // A preview that Discord added, and an update without words.
        #expect(try message(["edited_timestamp": .null], isEdit: true) == nil)
        #expect(try message(["edited_timestamp": "now", "content": "-"], isEdit: true) == nil)
    }

    @Test func filesAndVoiceAreDescribed() throws {
        let file: JSONValue = [
            "id": "1", "filename": "a.png", "content_type": "image/png", "size": 12,
            "url": "https://cdn.discordapp.com/a.png",
        ]
        let update = try #require(try message(["content": "", "attachments": [file, ["id": "2"]]]))
        let files = try #require(update.message?.files)
        #expect(files.count == 1 && files[0].name == "a.png" && files[0].mimeType == "image/png" && files[0].size == 12)
        #expect(!files[0].isVoice)
        let voice = try #require(try message(["content": "", "flags": 8192, "attachments": [file]]))
        #expect(voice.message?.files.first?.isVoice == true)
    }

    @Test func whatSomebodyForwardsIsSaid() throws {
        let update = try #require(
            try message([
                "content": "", "message_reference": ["type": 1],
                "message_snapshots": [["message": ["content": "the news", "attachments": []]]],
            ]))
        #expect(update.words == "Forwarded: the news")
    }

    @Test func commandsOfTheMenuAreCommands() throws {
        let update = try #require(try interaction([:]))
        #expect(update.id == "200" && update.words == "/status" && update.isAddressed && update.session == "dc:20")
        #expect(update.answerTo == "command:2:200:aW50ZXJhY3Rpb24" && update.sender.id == "7")
        let model = try #require(
            try interaction([
                "guild_id": "-", "member": "-", "context": 1, "user": ["id": "7", "username": "ann"],
                "data": ["name": "model", "options": [["name": "name", "type": 3, "value": "big one"]]],
            ]))
        #expect(model.words == "/model big one" && model.session == "dc:7" && model.sender.isPrivateChat)
        let nobody = try #require(try interaction(["member": "-"]))
        #expect(nobody.sender.id == nil)
    }

    @Test func pressedButtonsSayTheirData() throws {
        let update = try #require(
            try interaction(["type": 3, "data": ["custom_id": "approve:1", "component_type": 2]]))
        #expect(update.words == "press approve:1" && update.answerTo?.hasPrefix("press:") == true)
        for type in [1, 4, 5] { #expect(try interaction(["type": .integer(Int64(type))]) == nil) }
        #expect(try interaction(["token": "../../channels/1"]) == nil)
        #expect(try interaction(["channel_id": "-"]) == nil)
    }

    @Test func anAnswersAddressIsReadAsItWasWritten() throws {
        let text = "command:2:175928847299117063:aW50ZXJhY3Rpb24"
        let address = try #require(DiscordAnswerAddress(text))
        #expect(address.text == text && !address.isPress)
        #expect(!address.isOver(1_462_015_105 + 800) && address.isOver(1_462_015_105 + 900))
        for wrong in [
            "", "x:1:2:tokentoken", "press:1:2", "press:a:2:tokentoken", "press:1:2:to/ken/to", "press:1:2:short",
        ] {
            #expect(DiscordAnswerAddress(wrong) == nil, "\(wrong)")
        }
    }

    @Test(arguments: [
        ("https://cdn.discordapp.com/attachments/1/2/a.png?ex=1", true),
        ("https://media.discordapp.net/a", true),
        ("http://127.0.0.1:8080/a", true),
        ("http://cdn.discordapp.com/a", false),
        ("https://cdn.discordapp.com.example.org/a", false),
        ("https://cdn.discordapp.com@example.org/a", false),
        ("https://user:pass@cdn.discordapp.com/a", false),
        ("https://cdn.discordapp.com:8443/a", false),
        ("http://127.0.0.1:8081/a", false),
        ("http://169.254.169.254/latest/meta-data", false),
        ("file:///etc/passwd", false),
        ("", false),
    ])
    func filesComeFromDiscordsHostsOnly(url: String, isAllowed: Bool) {
        #expect(DiscordFiles(base: "http://127.0.0.1:8080/api/v10", limit: 1).isAllowed(url) == isAllowed)
    }
}
