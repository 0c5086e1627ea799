import Foundation
import TestPlatforms
import Testing
import Wire

@testable import Bridges

@Suite(.timeLimit(.minutes(1))) struct WhatsAppSendTests {
    private static let chat = ChatPlace(chat: "79001234567@c.us")

    private func bridge(_ fake: FakeWhatsApp) -> WhatsAppBridge {
        WhatsAppBridge(id: FakeWhatsApp.id, token: FakeWhatsApp.token, apiBase: fake.apiBase)
    }

    @Test func aTextGoesOutInWhatsAppsMarkupAsAReply() async throws {
        try await FakeWhatsApp.run { fake in
            let asked = fake.say("question")
            let id = try await bridge(fake).perform(
                .send(OutboundText("**Yes**", replyTo: asked)), at: Self.chat, key: "k")
            let sent = try #require(fake.sent.first)
            #expect(sent.id == id && sent.chat == Self.chat.chat)
            #expect(sent.text == "*Yes*")
            #expect(sent.quoted == asked)
        }
    }

    @Test func aMessageThatIsGoneIsNotRepliedTo() async throws {
        try await FakeWhatsApp.run { fake in
            _ = try await bridge(fake).perform(
                .send(OutboundText("Yes", replyTo: "3EB0GONE")), at: Self.chat, key: "k")
            #expect(fake.sent.map(\.text) == ["Yes"] && fake.sent.first?.quoted == nil)
        }
    }

    @Test func whatHasNothingToShowIsNotSent() async throws {
        try await FakeWhatsApp.run { fake in
            let id = try await bridge(fake).perform(.send(OutboundText(" \n ")), at: Self.chat, key: "k")
            #expect(id == nil && fake.sent.isEmpty)
        }
    }

    @Test func typingIsShown() async throws {
        try await FakeWhatsApp.run { fake in
            _ = try await bridge(fake).perform(.typing, at: Self.chat, key: "k")
            #expect(fake.state.now.typing.map(\.chat) == [Self.chat.chat])
        }
    }

    @Test func filesGoBothWays() async throws {
        try await FakeWhatsApp.run { fake in
            let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            try await withFile(bytes) { path in
                let file = OutboundFile(
                    kind: .file, name: "report.pdf", mimeType: "application/pdf", size: Int64(bytes.count), path: path)
                let id = try await bridge(fake).perform(.file(file), at: Self.chat, key: "k")
                let sent = try #require(fake.sent.first)
                #expect(sent.id == id && sent.file?.bytes == bytes && sent.file?.name == "report.pdf")
            }
            let inbox = KeptInbox()
            fake.send(.init(name: "a.oga", type: "audio/ogg; codecs=opus", bytes: bytes), as: "audioMessage")
            _ = try await listening(bridge(fake), inbox) {
                let update = try #require(try await inbox.waitFor(1).first)
                let file = try #require(update.message?.files.first)
                #expect(file.isVoice && file.name == "a.oga")
                let pieces = Pieces()
                try await file.fetch { await pieces.add($0) }
                #expect(await pieces.bytes == bytes)
            }
        }
    }

    @Test func aFileFromElsewhereIsNotFetched() async throws {
        try await FakeWhatsApp.run { fake in
            try await FakeServer.run { _ in
                .text("secret")
            } _: { elsewhere in
                let inbox = KeptInbox()
                fake.tell([
                    "typeMessage": "imageMessage",
                    "fileMessageData": ["downloadUrl": .string("\(elsewhere.url)/x"), "fileName": "x.jpg"],
                ])
                _ = try await listening(bridge(fake), inbox) {
                    let file = try #require(try await inbox.waitFor(1).first?.message?.files.first)
                    guard case .refused? = await failure({ try await file.fetch { _ in } }) else {
                        Issue.record("it was fetched")
                        return
                    }
                }
                #expect(elsewhere.requests.isEmpty)
            }
        }
    }

    @Test func whatGreenAPIRefusesIsSaidWithoutTheTokenThatItRepeats() async throws {
        try await FakeWhatsApp.run { fake in
            let bad = await failure {
                _ = try await bridge(fake).perform(.send(OutboundText("Hi")), at: ChatPlace(chat: "nobody"), key: "k")
            }
            guard case .refused(let text)? = bad else {
                Issue.record("\(String(describing: bad))")
                return
            }
            #expect(text.contains("chatId") && !text.contains(FakeWhatsApp.token))
        }
    }

    @Test func theQuotaOfThePlanIsSaidWithoutOtherPeoplesNumbers() async throws {
        try await FakeWhatsApp.run { fake in
            fake.state.change { $0.chatQuota = 1 }
            _ = try await bridge(fake).perform(.send(OutboundText("Hi")), at: Self.chat, key: "1")
            let other = ChatPlace(chat: "79007654321@c.us")
            let refused = await failure {
                _ = try await bridge(fake).perform(.send(OutboundText("Hi")), at: other, key: "2")
            }
            guard case .refused(let text)? = refused else {
                Issue.record("\(String(describing: refused))")
                return
            }
            #expect(text.contains("quota") && text.contains("1 of 1 chats") && !text.contains("79001234567"))
            // The chats that it covers go on.
            _ = try await bridge(fake).perform(.send(OutboundText("Hi")), at: Self.chat, key: "3")
        }
    }

    @Test func troubleHasItsKind() async throws {
        try await FakeWhatsApp.run { fake in
            func send() async -> PlatformFailure? {
                await failure {
                    _ = try await bridge(fake).perform(.send(OutboundText("Hi")), at: Self.chat, key: "k")
                }
            }
            fake.storm(1, retryAfter: "3")
            #expect(await send() == .wait(.seconds(3), .everything))
            fake.server.fail(FakeFault(.answer(.text("oops \(FakeWhatsApp.token)", status: 502))))
            #expect(await send() == .unavailable("Green API answered with status 502"))
            fake.server.fail(FakeFault(.answer(.text("", status: 401))))
            guard case .account? = await send() else {
                Issue.record("no trouble of the account")
                return
            }
            // It may have been sent: whoever tries again may say it twice, and never not at all.
            fake.server.fail(FakeFault(.cutAnswer(after: nil)))
            guard case .unavailable(let why)? = await send() else {
                Issue.record("not unavailable")
                return
            }
            #expect(fake.sent.count == 1 && !why.contains(FakeWhatsApp.token) && !why.contains("waInstance"))
        }
    }

    @Test func anAnswerThatNeverComesIsNotWaitedForForEver() async throws {
        try await FakeWhatsApp.run { fake in
            let bridge = WhatsAppBridge(
                id: FakeWhatsApp.id, token: FakeWhatsApp.token, apiBase: fake.apiBase,
                http: PlatformHTTP(timeLimit: .milliseconds(100)), seams: .init())
            fake.server.fail(FakeFault(.never))
            let lost = await failure {
                _ = try await bridge.perform(.send(OutboundText("Hi")), at: Self.chat, key: "k")
            }
            guard case .unavailable? = lost else {
                Issue.record("\(String(describing: lost))")
                return
            }
        }
    }

    @Test func theLongestPieceIsTaken() async throws {
        try await FakeWhatsApp.run { fake in
            let bridge = bridge(fake)
            let text = String(repeating: "**a** & <b> ", count: 341).prefix(bridge.limits.textLength)
            _ = try await bridge.perform(.send(OutboundText(String(text))), at: Self.chat, key: "k")
            #expect(fake.sent.count == 1)
        }
    }
}
