import Foundation
import JSON
import Testing

@testable import Bridges

@Suite struct SlackTranslatorTests {
    private let translator = SlackTranslator(own: "U0BOT") { _, _, _ in }

    private func heard(_ json: String, kind: String = "events_api") throws -> InboundUpdate? {
        translator.update(kind: kind, try JSONDecoder().decode(JSONValue.self, from: Data(json.utf8)))
    }

    /// - Parameter more: fields of the event, with a comma in front.
    private func message(
        _ text: String, channel: String = "C1", user: String = "U1", type: String = "message", more: String = ""
    ) throws -> InboundUpdate? {
        try heard(
            #"{"type":"event_callback","event_id":"Ev1","event":{"type":"\#(type)","user":"\#(user)","text":"\#(text)","channel":"\#(channel)","ts":"1.5"\#(more)}}"#
        )
    }

    @Test func aConversationAloneIsSomebodysSession() throws {
        let update = try #require(try message("Hello", channel: "D1", more: #","channel_type":"im""#))
        #expect(update.session == "sl:U1" && update.place == ChatPlace(chat: "D1") && update.id == "D1:1.5")
        #expect(update.sender == .init(id: "U1", name: "U1", isPrivateChat: true))
        #expect(update.isAddressed && update.said == "Hello" && update.anchor == nil)
    }

    @Test func aThreadIsASessionOfItsOwn() throws {
        let thread = try #require(try message("Hi", more: #","thread_ts":"1.1""#))
        #expect(thread.session == "sl:C1:1.1" && thread.place == ChatPlace(chat: "C1", thread: "1.1"))
        #expect(try message("Hi")?.session == "sl:C1")
        let alone = try message("Hi", channel: "D1", more: #","thread_ts":"1.1""#)
        #expect(alone?.session == "sl:D1:1.1" && alone?.isAddressed == true)
    }

    @Test func aChannelMeansUsByAMentionOrAReply() throws {
        #expect(try message("Hi")?.isAddressed == false)
        let mention = try #require(try message("<@U0BOT> Hi <@U2|bob>"))
        #expect(mention.isAddressed && mention.said == "Hi @bob")
        #expect(try message("Hi", type: "app_mention")?.isAddressed == true)
        #expect(try message("Hi", more: #","thread_ts":"1.1","parent_user_id":"U0BOT""#)?.isAddressed == true)
        #expect(try message("Hi", more: #","thread_ts":"1.1","parent_user_id":"U2""#)?.isAddressed == false)
        #expect(try message("<@U0BOTTOM> Hi")?.isAddressed == false)
        #expect(try message("Hi", channel: "G1", more: #","channel_type":"mpim""#)?.isAddressed == false)
    }

    @Test("Weakness: an update is known by what it is and not by how often Slack tried") func identity() throws {
        let first = try #require(try message("<@U0BOT> Hi"))
        let mention = try #require(try message("<@U0BOT> Hi", type: "app_mention"))
        #expect(first.id == mention.id && first.session == mention.session && first.said == mention.said)
        // Two messages that both come for the first time are two.
        let other = try heard(
            #"{"event":{"type":"message","user":"U1","text":"Hi","channel":"C1","ts":"1.6"},"event_id":"Ev2"}"#)
        #expect(other?.id != first.id)
    }

    @Test("P-36: what no person has said is not heard") func others() throws {
        for more in [
            #","bot_id":"B1""#, #","subtype":"bot_message""#, #","subtype":"message_changed""#,
            #","subtype":"message_deleted""#, #","subtype":"channel_join""#,
        ] {
            #expect(try message("Hi", more: more) == nil)
        }
        #expect(try message("Hi", user: "U0BOT") == nil)
        #expect(try message("Hi", user: "") == nil)
        #expect(try message("Hi", user: "U 1") == nil)
        #expect(try message("Hi", channel: "C1:1") == nil)
        #expect(try message("") == nil)
        for json in [
            "{}", "null", #"{"event":{}}"#, #"{"event":7}"#, #"{"event":{"type":"reaction_added","user":"U1"}}"#,
            #"{"event":{"type":"message","text":"Hi","channel":"C1","ts":"1.5"}}"#,
            #"{"event":{"type":"message","user":"U1","text":"Hi","ts":"1.5"}}"#,
            #"{"event":{"type":"message","user":"U1","text":"Hi","channel":"C1"}}"#,
        ] {
            #expect(try heard(json) == nil)
        }
        #expect(try message("Hi", more: #","subtype":"thread_broadcast","thread_ts":"1.1""#)?.said == "Hi")
    }

    @Test func filesComeWithTheirMessage() throws {
        let files =
            #","subtype":"file_share","files":[{"id":"F1","name":"a.png","mimetype":"image/png","size":12,"url_private_download":"https://files.slack.com/x"},{"id":"F2","name":"b.m4a","mimetype":"audio/mp4","subtype":"slack_audio"},{"id":"F3","mode":"tombstone"},{"name":"no id"}]"#
        let update = try #require(try message("look", more: files))
        #expect(update.said == "look [a.png] [b.m4a] [file]")
        let heard = try #require(update.message?.files)
        #expect(heard.map(\.size) == [12, nil, nil] && heard.map(\.isVoice) == [false, true, false])
        #expect(try message("", more: files)?.said == " [a.png] [b.m4a] [file]")
    }

    @Test func textIsReadAsPeopleReadIt() {
        let texts = [
            ("a &amp;&lt;b&gt; c", "a &<b> c"), ("&amp;lt;", "&lt;"), ("<#C1|general> and <#C2>", "#general and #C2"),
            ("<!here> <!subteam^S1|@ops> <!date^1^{date}|May 1>", "@here @ops May 1"),
            ("<https://x.org>", "https://x.org"), ("<https://x.org|x.org>", "x.org"),
            ("<https://x.org?a=1&amp;b=2|look>", "look (https://x.org?a=1&b=2)"),
            ("<mailto:a@x.org|a@x.org>", "a@x.org"),
            ("1 < 2", "1 < 2"), ("<", "<"), ("<>", ""), ("a > b", "a > b"), ("  Hi \n", "Hi"),
        ]
        for (text, plain) in texts { #expect(SlackWords.plain(text, own: "U0BOT").text == plain) }
    }

    @Test func commandsAreHeardUnderTheirOwnNameAndBehindAnother() throws {
        func command(_ command: String, _ text: String, channel: String = "C1") throws -> InboundUpdate? {
            try heard(
                #"{"command":"\#(command)","text":"\#(text)","user_id":"U1","user_name":"mary","channel_id":"\#(channel)","trigger_id":"13.2.a","response_url":"https://hooks.slack.com/commands/1"}"#,
                kind: "slash_commands")
        }
        let stop = try #require(try command("/stop", ""))
        #expect(stop.said == "/stop" && stop.id == "command:13.2.a" && stop.session == "sl:C1" && stop.isAddressed)
        #expect(stop.answerTo == "https://hooks.slack.com/commands/1" && stop.sender.id == "U1")
        #expect(try command("/stop", "", channel: "D1")?.session == "sl:U1")
        #expect(try command("/Model", "big one")?.said == "/model big one")
        #expect(try command("/agent", "stop")?.said == "/stop")
        #expect(try command("/agent", "model  big")?.said == "/model big")
        #expect(try command("/agent", "")?.said == "/help")
        #expect(try command("/agent", "what is new?")?.message?.text == "what is new?")
        #expect(try command("/agent", "restart")?.message?.text == "restart")
        #expect(try message("/stop", channel: "D1")?.said == "/stop")
        #expect(try message("/", channel: "D1")?.message?.text == "/")
    }

    @Test func ourButtonsAreHeardAndNoOthers() throws {
        func press(_ action: String, value: String = "approve:1") throws -> InboundUpdate? {
            try heard(
                #"{"type":"block_actions","user":{"id":"U1","username":"mary"},"channel":{"id":"C1"},"message":{"ts":"1.2","thread_ts":"1.1"},"response_url":"https://hooks.slack.com/actions/1","actions":[{"action_id":"\#(action)","value":"\#(value)","action_ts":"9.9"}]}"#,
                kind: "interactive")
        }
        let update = try #require(try press("openagent-0"))
        #expect(update.said == "(approve:1)" && update.session == "sl:C1:1.1" && update.id == "press:C1:U1:9.9")
        #expect(update.answerTo == "https://hooks.slack.com/actions/1" && update.sender.id == "U1")
        #expect(try press("other") == nil)
        #expect(try press("openagent-0", value: String(repeating: "x", count: 65)) == nil)
        for json in ["{}", #"{"type":"view_submission"}"#, #"{"type":"block_actions","actions":[]}"#] {
            #expect(try heard(json, kind: "interactive") == nil)
        }
    }

    @Test func framesAreToldApart() throws {
        func frame(_ json: String) throws -> SlackFrame {
            SlackFrame(try JSONDecoder().decode(JSONValue.self, from: Data(json.utf8)))
        }
        guard case .hello = try frame(#"{"type":"hello"}"#),
            case .disconnect("warning") = try frame(#"{"type":"disconnect","reason":"warning"}"#),
            case .envelope("e1", _, "events_api") = try frame(#"{"type":"events_api","envelope_id":"e1","payload":{}}"#),
            case .unknown = try frame("{}"), case .unknown = try frame("7"),
            case .unknown = try frame(#"{"type":"events_api"}"#)
        else {
            Issue.record("a frame was mistaken for another")
            return
        }
    }

    @Test("P-36: tokens go to Slack and nowhere else") func addresses() {
        let base = "https://slack.com/api"
        for address in ["https://files.slack.com/x", "https://slack.com/x", "https://files.slack-gov.com/x"] {
            #expect(SlackAddress.isTrusted(address, base: base), "\(address)")
        }
        for address in [
            "http://files.slack.com/x", "https://slack.com.evil.org/x", "https://evilslack.com/x",
            "https://127.0.0.1/x",
            "https://files.slack.com@evil.org/x", "https://files.slack.com:8443/x", "", "x", "file:///etc/passwd",
        ] {
            #expect(!SlackAddress.isTrusted(address, base: base), "\(address)")
            #expect(!SlackAddress.isSocket(address, base: base), "\(address)")
        }
        #expect(SlackAddress.isSocket("wss://wss-primary.slack.com/link/?ticket=1", base: base))
        #expect(!SlackAddress.isSocket("ws://wss-primary.slack.com/link", base: base))
        #expect(!SlackAddress.isSocket("wss://evil.org/link", base: base))
        #expect(SlackAddress.isSocket("ws://127.0.0.1:9/link", base: "http://127.0.0.1:8/api"))
    }
}
