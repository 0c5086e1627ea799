import JSON
import TestPlatforms
import Testing
import Wire

@testable import Bridges

@Suite(.timeLimit(.minutes(1))) struct SlackSendTests {
    private static let chat = ChatPlace(chat: "C100")

    private func bridge(_ fake: FakeSlack) -> SlackBridge {
        SlackBridge(botToken: FakeSlack.botToken, appToken: FakeSlack.appToken, apiBase: fake.apiBase)
    }

    @Test func aTextGoesOutInSlacksMarkupWhereItBelongs() async throws {
        try await FakeSlack.run { fake in
            let thread = ChatPlace(chat: "C100", thread: "1790000000.000001")
            let id = try await bridge(fake).perform(.send(OutboundText("**Yes** & no")), at: thread, key: "1")
            _ = try await bridge(fake).perform(.send(OutboundText("Hi", replyTo: "1.1")), at: Self.chat, key: "2")
            #expect(fake.posts.map(\.text) == ["*Yes* &amp; no", "Hi"])
            #expect(fake.posts.map(\.thread) == [thread.thread, nil] && fake.posts.first?.ts == id)
        }
    }

    @Test func aMessageCanBeChangedAlsoToALongOneAndBack() async throws {
        try await FakeSlack.run { fake in
            let bridge = bridge(fake)
            let id = try #require(try await bridge.perform(.send(OutboundText("…")), at: Self.chat, key: "1"))
            let long = String(repeating: "a < b\n", count: 500)
            for text in [long, "short", String(repeating: "&", count: 3500), "end"] {
                let same = try await bridge.perform(.edit(message: id, OutboundText(text)), at: Self.chat, key: "2")
                #expect(same == id)
            }
            let post = try #require(fake.posts.first)
            #expect(fake.posts.count == 1 && post.shown == "end" && post.edits == 4)
            fake.state.change { $0.posts[0].isDeleted = true }
            let gone = await failure {
                _ = try await bridge.perform(.edit(message: id, OutboundText("x")), at: Self.chat, key: "3")
            }
            #expect(gone == .messageGone)
        }
    }

    @Test func buttonsAreShownPressedAndTakenAway() async throws {
        try await FakeSlack.run { fake in
            let (bridge, inbox) = (bridge(fake), KeptInbox())
            _ = try await listening(bridge, inbox) {
                try await fake.waitForLine()
                let buttons = [
                    OutboundButton(label: "Approve", data: "a:1"), OutboundButton(label: "Deny", data: "d:1"),
                ]
                let id = try #require(
                    try await bridge.perform(
                        .send(OutboundText("Run **it**?", buttons: buttons)), at: Self.chat, key: "1"))
                #expect(fake.posts.first?.buttons.count == 2 && fake.posts.first?.shown == "Run *it*?")
                let envelope = await fake.press("d:1", on: id, in: "C100")
                try await fake.waitForAcknowledgement(envelope)
                let update = try #require(inbox.state.now.updates.first)
                #expect(update.said == "(d:1)" && update.sender.id == FakeSlack.person)
                let answer = try #require(update.answerTo)
                _ = try await bridge.perform(.answer(to: answer, OutboundText("Denied.")), at: Self.chat, key: "2")
                #expect(fake.state.now.responses.first?["response_type"] == "ephemeral")
                #expect(fake.state.now.responses.first?["replace_original"] == false)
                _ = try await bridge.perform(.edit(message: id, OutboundText("Done")), at: Self.chat, key: "3")
                #expect(fake.posts.first?.buttons.isEmpty == true && fake.posts.first?.shown == "Done")
            }
        }
    }

    @Test func anAnswerThatComesTooLateIsAMessage() async throws {
        try await FakeSlack.run { fake in
            let address = "\(fake.server.url)/commands/T100/1"
            fake.state.change { $0.expired = ["/commands/T100/1"] }
            _ = try await bridge(fake).perform(.answer(to: address, OutboundText("Late")), at: Self.chat, key: "1")
            #expect(fake.posts.map(\.text) == ["Late"])
            // Nor does it go to anybody else.
            try await FakeServer.run { _ in
                .text("ok")
            } _: { elsewhere in
                _ = try await bridge(fake).perform(
                    .answer(to: "\(elsewhere.url)/x", OutboundText("Here")), at: Self.chat, key: "2")
                #expect(elsewhere.requests.isEmpty && fake.posts.count == 2)
            }
        }
    }

    @Test func typingIsNothing() async throws {
        try await FakeSlack.run { fake in
            _ = try await bridge(fake).perform(.typing, at: Self.chat, key: "1")
            #expect(fake.server.requests.isEmpty)
        }
    }

    @Test func aMessageThatWasSentIsKnownWhenItIsTriedAgain() async throws {
        try await FakeSlack.run { fake in
            let bridge = bridge(fake)
            fake.server.fail(FakeFault(.cutAnswer(after: nil)))
            let lost = await failure {
                _ = try await bridge.perform(.send(OutboundText("once")), at: Self.chat, key: "1")
            }
            guard case .unavailable? = lost else {
                Issue.record("\(String(describing: lost))")
                return
            }
            let id = try await bridge.perform(.send(OutboundText("once")), at: Self.chat, key: "1")
            #expect(fake.posts.map(\.text) == ["once"] && fake.posts.first?.ts == id)
            _ = try await bridge.perform(.send(OutboundText("once")), at: Self.chat, key: "2")
            _ = try await bridge.perform(.send(OutboundText("once")), at: ChatPlace(chat: "C200"), key: "1")
            #expect(fake.posts.count == 3)
            // Somebody has deleted it meanwhile: it was said.
            fake.state.change { $0.posts[0].isDeleted = true }
            let gone = try await bridge.perform(.send(OutboundText("once")), at: Self.chat, key: "1")
            #expect(gone == nil && fake.posts.count == 3)
        }
    }

    @Test func filesGoBothWays() async throws {
        try await FakeSlack.run { fake in
            let bridge = bridge(fake)
            let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            try await withFile(bytes) { path in
                let file = OutboundFile(
                    kind: .file, name: "report.pdf", mimeType: "application/pdf", size: Int64(bytes.count), path: path)
                let place = ChatPlace(chat: "C100", thread: "1790000000.000001")
                _ = try await bridge.perform(.file(file), at: place, key: "1")
                let kept = try #require(fake.state.now.files.values.first)
                #expect(kept.name == "report.pdf" && kept.bytes == bytes && kept.channel == "C100")
                #expect(kept.thread == place.thread)
            }
            // The address of an upload gets no token.
            let upload = try #require(fake.server.requests.first { $0.path.hasPrefix("/upload/") })
            #expect(upload.headers["authorization"] == nil)
            let inbox = KeptInbox()
            _ = try await listening(bridge, inbox) {
                try await fake.waitForLine()
                await fake.share(.init(name: "a.png", bytes: bytes, type: "image/png"), text: "look")
                await fake.share(
                    .init(name: "b.png", bytes: [1, 2], type: "image/png"),
                    more: ["url_private_download": .null, "file_access": "check_file_info"])
                let updates = try await inbox.waitFor(2)
                #expect(updates.first?.said == "look [a.png]")
                for (update, wanted) in zip(updates, [bytes, [1, 2]]) {
                    let file = try #require(update.message?.files.first)
                    let pieces = Pieces()
                    try await file.fetch { await pieces.add($0) }
                    #expect(await pieces.bytes == wanted)
                }
            }
        }
    }

    @Test("P-36: the token is not sent to whoever a file names") func otherHosts() async throws {
        try await FakeSlack.run { fake in
            try await FakeServer.run { _ in
                .text("mine")
            } _: { elsewhere in
                let inbox = KeptInbox()
                _ = try await listening(bridge(fake), inbox) {
                    try await fake.waitForLine()
                    await fake.share(
                        .init(name: "a.png", bytes: [1], type: nil),
                        more: ["url_private_download": .string("\(elsewhere.url)/x")])
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

    @Test func troubleHasItsKind() async throws {
        try await FakeSlack.run { fake in
            func send(_ chat: String = "C100") async -> PlatformFailure? {
                await failure {
                    _ = try await bridge(fake).perform(
                        .send(OutboundText("Hi")), at: ChatPlace(chat: chat), key: "\(fake.server.requests.count)")
                }
            }
            fake.storm(1, retryAfter: 9)
            #expect(await send() == .wait(.seconds(9), .chat))
            fake.server.fail(FakeFault(.answer(.text("", status: 500))))
            #expect(await send() == .unavailable("Slack answered with status 500"))
            fake.state.change { $0.channels["C200"]?.isArchived = true }
            for chat in ["C200", "C999"] {
                guard case .chatGone? = await send(chat) else {
                    Issue.record("\(chat)")
                    continue
                }
            }
            fake.state.change { $0.errors["chat.postMessage"] = ["token_revoked", "restricted_action"] }
            guard case .account(let text)? = await send(), case .chatGone? = await send() else {
                Issue.record("an error is mistaken for another")
                return
            }
            #expect(!text.contains(FakeSlack.botToken))
            #expect(await send() == nil)
        }
    }

    @Test func onlyWhenSlackRefusesTheBlocksTheTextGoesOutPlain() async throws {
        try await FakeSlack.run { fake in
            let long = String(repeating: "a < b\n", count: 580)
            fake.state.change { $0.errors["chat.postMessage"] = ["invalid_blocks"] }
            _ = try await bridge(fake).perform(.send(OutboundText(long)), at: Self.chat, key: "1")
            #expect(fake.posts.first?.blocks.isEmpty == true)
            fake.storm(1, of: "chat.postMessage")
            let waits = await failure {
                _ = try await bridge(fake).perform(.send(OutboundText(long)), at: Self.chat, key: "2")
            }
            #expect(waits == .wait(.seconds(1), .chat) && fake.posts.count == 1)
        }
    }
}
