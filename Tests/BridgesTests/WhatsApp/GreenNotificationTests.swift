import Foundation
import JSON
import Testing

@testable import Bridges

@Suite struct GreenNotificationTests {
    private static let own = "79990000001@c.us"

    private func update(_ json: String) throws -> InboundUpdate? {
        let body = try JSONDecoder().decode(JSONValue.self, from: Data(json.utf8))
        if case .update(let update) = GreenNotification(body, own: Self.own, fetch: { _, _ in }) { return update }
        return nil
    }

    private func message(
        _ data: String, chat: String = "79001234567@c.us", sender: String = #""79001234567@c.us""#,
        id: String = "F7AEC1B7"
    ) throws -> InboundUpdate? {
        try update(
            """
            {"typeWebhook":"incomingMessageReceived","instanceData":{"idInstance":1,"wid":"\(Self.own)"},"timestamp":1,
             "idMessage":"\(id)","senderData":{"chatId":"\(chat)","sender":\(sender),"senderName":"John"},
             "messageData":\(data)}
            """)
    }

    private func text(_ text: String) -> String {
        #"{"typeMessage":"textMessage","textMessageData":{"textMessage":"\#(text)"}}"#
    }

    @Test func aPrivateMessageIsSomebodysSession() throws {
        let update = try #require(try message(text("Hello")))
        #expect(update.session == "wa:79001234567" && update.place == ChatPlace(chat: "79001234567@c.us"))
        #expect(update.id == "79001234567@c.us:F7AEC1B7" && update.anchor == "F7AEC1B7")
        #expect(update.sender == .init(id: "79001234567", name: "John", isPrivateChat: true))
        #expect(update.isAddressed && update.said == "Hello")
    }

    @Test("P-36: in a group the sender is who wrote, and without one nobody may talk") func groups() throws {
        let group = "120363000000000001@g.us"
        let update = try #require(try message(text("Hi all"), chat: group))
        #expect(update.session == "wa:120363000000000001" && update.place.chat == group)
        #expect(update.sender == .init(id: "79001234567", name: "John", isPrivateChat: false))
        #expect(!update.isAddressed)
        for nobody in ["null", "\"\"", "7", #""a b""#] {
            #expect(try message(text("Hi"), chat: group, sender: nobody)?.sender.id == nil)
        }
        #expect(try message(text("Hi"), sender: "null")?.sender.id == nil)
        // An id of another kind stays whole, so that nobody's number is met by it.
        #expect(try message(text("Hi"), sender: #""79001234567@lid""#)?.sender.id == "79001234567@lid")
    }

    @Test func aGroupMeansUsByAMentionOrAReply() throws {
        let group = "79001234567-1581234048@g.us"
        let mention = try #require(try message(text("@79990000001 what is new?"), chat: group))
        #expect(mention.isAddressed && mention.said == "what is new?")
        let longer = try #require(try message(text("@799900000012 hello"), chat: group))
        #expect(!longer.isAddressed && longer.said == "@799900000012 hello")
        let both = try #require(try message(text("@799900000012 and @79990000001!"), chat: group))
        #expect(both.isAddressed && both.said == "@799900000012 and !")
        #expect(try message(text("@79990000001"), chat: group)?.said == "")
        let reply =
            #"{"typeMessage":"quotedMessage","extendedTextMessageData":{"text":"why?","participant":"79990000001@c.us"}}"#
        #expect(try message(reply, chat: group)?.isAddressed == true)
        let newer =
            #"{"typeMessage":"textMessage","textMessageData":{"textMessage":"why?"},"quotedMessage":{"participant":"79990000001@c.us"}}"#
        #expect(try message(newer, chat: group)?.isAddressed == true)
        let another = newer.replacingOccurrences(of: "79990000001", with: "79990000002")
        #expect(try message(another, chat: group)?.isAddressed == false)
    }

    @Test func eachKindOfMessageIsHeard() throws {
        let kinds = [
            (
                #"{"typeMessage":"extendedTextMessage","extendedTextMessageData":{"text":"see https://x.org"}}"#,
                "see https://x.org"
            ),
            (#"{"typeMessage":"quotedMessage","extendedTextMessageData":{"text":"why?"}}"#, "why?"),
            (
                #"{"typeMessage":"editedMessage","editedMessageData":{"textMessage":"better","stanzaId":"3PE"}}"#,
                "better"
            ),
        ]
        for (data, said) in kinds { #expect(try message(data)?.said == said) }
        #expect(try message(kinds[2].0)?.message?.isEdit == true)
        for kind in ["imageMessage", "videoMessage", "documentMessage", "audioMessage", "voiceMessage"] {
            let file = try #require(
                try message(
                    #"{"typeMessage":"\#(kind)","fileMessageData":{"downloadUrl":"https://x.org/1","caption":"look","fileName":"a.bin","mimeType":"x/y"}}"#
                ))
            #expect(file.said == "look [a.bin]")
            #expect(file.message?.files.first?.isVoice == (kind == "audioMessage" || kind == "voiceMessage"))
        }
        #expect(try message(text("/Stop now"))?.said == "/stop now")
        for plain in ["/", "/ stop", "/usr/bin/env", "//", "/stop!"] {
            #expect(try message(text(plain))?.message?.text == plain)
        }
    }

    @Test func whatIsNothingForUsIsNothing() throws {
        let nothing = [
            "{}", "[]", "null", "7", #"{"typeWebhook":"incomingCall"}"#,
            #"{"typeWebhook":"outgoingMessageReceived","idMessage":"1"}"#,
            #"{"typeWebhook":"outgoingMessageStatus","status":"delivered"}"#,
            #"{"typeWebhook":"incomingMessageReceived"}"#, #"{"typeWebhook":7}"#,
        ]
        for json in nothing { #expect(try update(json) == nil) }
        for data in [
            "{}", "7", #"{"typeMessage":"reactionMessage"}"#, #"{"typeMessage":"templateButtonsReplyMessage"}"#,
            #"{"typeMessage":"textMessage"}"#, #"{"typeMessage":"textMessage","textMessageData":{"textMessage":7}}"#,
            #"{"typeMessage":"imageMessage","fileMessageData":{}}"#, text(""), text("{{SWE001}}"),
        ] {
            #expect(try message(data) == nil)
        }
        // Statuses and channels can't be answered, and what we said ourselves needs no answer.
        for chat in ["status@broadcast", "120363@newsletter", "nobody", "", "a b@c.us"] {
            #expect(try message(text("Hi"), chat: chat) == nil)
        }
        #expect(try message(text("Hi"), chat: "1203630000@g.us", sender: "\"\(Self.own)\"") == nil)
        let long = String(repeating: "7", count: 200)
        #expect(try message(text("Hi"), id: long) == nil)
        #expect(try message(text("Hi"), chat: long + "@c.us") == nil)
    }

    @Test func idsStayWithinWhatATurnMayHave() throws {
        let id = String(repeating: "A", count: 80)
        let chat = String(repeating: "7", count: 75) + "@c.us"
        let update = try #require(try message(text("Hi"), chat: chat, id: id))
        #expect(update.id.utf8.count <= 200 - "wa:".utf8.count)
    }

    @Test func filesAreFetchedFromGreenAPIsPlacesOnly() {
        let base = "https://7103.api.greenapi.com"
        for address in [
            "https://do-media-7103.fra1.digitaloceanspaces.com/7103/a.oga", "https://media.green-api.com/x",
            "https://sw-media-1101.storage.yandexcloud.net/1101/a.jpg", "https://7103.api.greenapi.com/file",
        ] {
            #expect(GreenFileAddress.isAllowed(address, base: base), "\(address)")
        }
        for address in [
            "http://media.green-api.com/x", "https://127.0.0.1/x", "https://localhost/x", "https://169.254.169.254/",
            "https://green-api.com.evil.org/x", "https://evilgreen-api.com/x", "https://user@media.green-api.com/x",
            "https://media.green-api.com:8443/x", "file:///etc/passwd", "ftp://media.green-api.com/x", "", "x",
            "https://[::1]/x", "http://7103.api.greenapi.com/file",
        ] {
            #expect(!GreenFileAddress.isAllowed(address, base: base), "\(address)")
        }
        #expect(GreenFileAddress.isAllowed("http://127.0.0.1:8080/f", base: "http://127.0.0.1:8080"))
        #expect(!GreenFileAddress.isAllowed("http://127.0.0.1:8081/f", base: "http://127.0.0.1:8080"))
    }

    @Test func filesGoToTheHostForFiles() {
        #expect(GreenAPI.mediaBase(of: "https://api.green-api.com") == "https://media.green-api.com")
        #expect(GreenAPI.mediaBase(of: "https://7103.api.greenapi.com") == "https://7103.media.greenapi.com")
        #expect(GreenAPI.mediaBase(of: "http://127.0.0.1:99") == "http://127.0.0.1:99")
    }

    @Test func statesAreToldAndHaveRemedies() throws {
        let json = #"{"typeWebhook":"stateInstanceChanged","stateInstance":"notAuthorized"}"#
        let body = try JSONDecoder().decode(JSONValue.self, from: Data(json.utf8))
        guard case .state("notAuthorized") = GreenNotification(body, own: "", fetch: { _, _ in }) else {
            Issue.record("not a state")
            return
        }
        #expect(WhatsAppBridge.remedy(for: "notAuthorized")?.contains("scan the QR code again") == true)
        for state in ["authorized", "starting", "sleepMode", ""] { #expect(WhatsAppBridge.remedy(for: state) == nil) }
    }
}
