import JSON
import TestPlatforms
import Testing
import Wire

@testable import Bridges

@Suite(.timeLimit(.minutes(1))) struct SlackPartsTests {
    // MARK: Connections

    private func connections(life: Duration = .seconds(3600)) -> SlackConnections {
        let clock = Watched(ContinuousClock.now)
        var seams = SlackSeams()
        seams.now = {
            defer { clock.change { $0 += life } }
            return clock.now
        }
        return SlackConnections(seams)
    }

    private func step(_ step: SlackConnections.Step, _ wanted: SlackConnections.Step) {
        #expect(step == wanted)
    }

    @Test func theNextConnectionIsThereBeforeTheOldOneGoes() {
        var connections = connections()
        step(connections.start(), .open(1, after: .zero))
        step(connections.greeted(1), .connected)
        step(connections.retiring(1, reason: "warning"), .open(2, after: .zero))
        // Slack says it twice.
        step(connections.retiring(1, reason: "refresh_requested"), .nothing)
        step(connections.greeted(2), .nothing)
        step(connections.ended(1, .unavailable("closed")), .nothing)
        step(connections.retiring(2, reason: "refresh_requested"), .open(3, after: .zero))
        // It goes before the next is there, which is on its way.
        step(connections.ended(2, .unavailable("closed")), .nothing)
        step(connections.greeted(3), .nothing)
        step(connections.ended(3, .unavailable("closed")), .fail(.unavailable("closed")))
        step(connections.ended(3, .unavailable("closed")), .nothing)
    }

    @Test func aConnectionThatCannotBeReplacedIsTriedAgainWhileItLasts() {
        var connections = connections()
        _ = connections.start()
        _ = connections.greeted(1)
        step(connections.retiring(1, reason: "warning"), .open(2, after: .zero))
        step(connections.ended(2, .wait(.seconds(9), .everything)), .open(3, after: .seconds(5)))
        step(connections.ended(1, .unavailable("closed")), .nothing)
        step(connections.ended(3, .unavailable("no answer")), .fail(.unavailable("no answer")))
    }

    @Test func shortLivesAreNotFollowedAtOnce() {
        var connections = connections(life: .milliseconds(1))
        _ = connections.start()
        _ = connections.greeted(1)
        step(connections.retiring(1, reason: "refresh_requested"), .open(2, after: .seconds(5)))
    }

    @Test func whatAnAdminMustMendEndsIt() {
        var first = connections()
        _ = first.start()
        guard case .fail(.account(let text)) = first.retiring(1, reason: "link_disabled") else {
            Issue.record("it goes on")
            return
        }
        #expect(text.contains("Socket Mode"))
        var second = connections()
        _ = second.start()
        _ = second.greeted(1)
        _ = second.retiring(1, reason: "warning")
        step(second.ended(2, .account("no")), .fail(.account("no")))
        var third = connections()
        _ = third.start()
        guard case .fail(.unavailable) = third.retiring(1, reason: "too_many_websockets") else {
            Issue.record("it goes on")
            return
        }
    }

    // MARK: Intake

    private func update(_ id: String, _ session: String = "sl:C1") -> InboundUpdate {
        InboundUpdate(
            id: id, session: session, place: ChatPlace(chat: "C1"),
            sender: .init(id: "U1", name: "", isPrivateChat: false), isAddressed: true,
            content: .message(InboundMessage(text: id)))
    }

    @Test func chatsAreHeardSideBySideAndEachInItsOrder() async throws {
        let (intake, inbox, acknowledged) = (ChatIntake(), KeptInbox(), Watched<[String]>([]))
        func acknowledge(_ id: String) -> ChatIntake.Confirmation {
            { acknowledged.change { $0.append(id) } }
        }
        inbox.state.change { $0.isAway = true }
        #expect(intake.add(update("a"), acknowledge("a")) == .begins)
        #expect(intake.add(update("b"), acknowledge("b")) == .queued)
        #expect(intake.add(update("c", "sl:C2"), acknowledge("c")) == .begins)
        // A repeat is acknowledged with the one that it repeats.
        #expect(intake.add(update("a"), acknowledge("a again")) == .queued)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await intake.run(inbox) { try await Task.sleep(for: .seconds(60)) } }
            _ = try await inbox.state.waitFor("two chats") { $0.underWay == 2 ? true : nil }
            #expect(acknowledged.now.isEmpty && intake.holds("sl:C1"))
            inbox.state.change { $0.isAway = false }
            _ = try await acknowledged.waitFor("all four") { $0.count == 4 ? true : nil }
            group.cancelAll()
        }
        #expect(inbox.texts.filter { $0 != "c" } == ["a", "b"] && inbox.state.now.calls == 3)
        #expect(acknowledged.now.filter { $0 != "c" } == ["a", "a again", "b"])
        #expect(intake.add(update("d"), acknowledge("d")) == .begins)
    }

    @Test func whatTheInboxCannotKeepEndsItUnconfirmed() async throws {
        let (intake, inbox, acknowledged) = (ChatIntake(), KeptInbox(), Watched<[String]>([]))
        inbox.state.change { $0.failure = .unavailable("the disk is full") }
        intake.add(update("a")) { acknowledged.change { $0.append("a") } }
        let ended = await failure { try await intake.run(inbox) { try await Task.sleep(for: .seconds(60)) } }
        #expect(ended == .unavailable("the disk is full") && acknowledged.now.isEmpty)
    }

    @Test func whatIsTooMuchIsNotAcknowledged() {
        let intake = ChatIntake(most: 2)
        #expect(intake.add(update("a")) {} == .begins)
        #expect(intake.add(update("b")) {} == .queued)
        #expect(intake.add(update("c")) {} == .dropped)
        #expect(intake.add(update("c", "sl:C2")) {} == .dropped)
        for _ in 0..<20 { _ = intake.add(update("a")) {} }
        #expect(intake.add(update("a")) {} == .dropped)
    }

    @Test func aFloodOfEnvelopesTakesNoMoreRoomThanThereIs() async throws {
        let (feed, seen) = (SlackFeed(most: 3), Watched<[String]>([]))
        for number in 0..<10 { feed.put(.envelope(payload: .integer(Int64(number)), kind: "x") {}) }
        feed.put(.greeted(1))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await feed.forEach { happening in
                    if case .envelope(.integer(let number), _, _) = happening { seen.change { $0.append("\(number)") } }
                    if case .greeted = happening { seen.change { $0.append("greeted") } }
                }
            }
            _ = try await seen.waitFor("the greeting") { $0.last == "greeted" ? true : nil }
            #expect(seen.now == ["0", "1", "2", "greeted"])
            feed.put(.envelope(payload: 11, kind: "x") {})
            _ = try await seen.waitFor("another") { $0.last == "11" ? true : nil }
            group.cancelAll()
        }
    }

    // MARK: Messages

    @Test func aShortTextIsText() throws {
        let message = try #require(SlackMessage(OutboundText("**a** & <b>")))
        #expect(message.text == "*a* &amp; &lt;b&gt;" && message.blocks.isEmpty)
        #expect(SlackMessage(OutboundText(" \n")) == nil)
        #expect(message.fields["blocks"] == .array([]))
    }

    @Test func aTextThatGrowsBecomesSections() throws {
        let text = (0..<50).map { "line \($0) & " + String(repeating: "<x>", count: 18) }.joined(separator: "\n\n")
        #expect(text.utf16.count < 3500)
        let message = try #require(SlackMessage(OutboundText(text)))
        #expect(message.blocks.count > 1 && message.text.utf16.count <= 4000)
        var shown = ""
        for block in message.blocks {
            let section = try #require(block["text"]?["text"]?.string)
            #expect((1...3000).contains(section.utf16.count))
            shown += section
        }
        for line in 0..<50 { #expect(shown.contains("line \(line) &amp;")) }
        // Not even a text of nothing but signs that grow most.
        let worst = try #require(SlackMessage(OutboundText(String(repeating: "&", count: 3500))))
        let whole = worst.blocks.compactMap { $0["text"]?["text"]?.string }.joined()
        #expect(whole == String(repeating: "&amp;", count: 3500))
    }

    @Test func buttonsBecomeBlocks() throws {
        let buttons = (0..<27).map { OutboundButton(label: $0 == 0 ? "" : "b\($0)", data: "d\($0)") }
        let message = try #require(SlackMessage(OutboundText("Go?", buttons: buttons)))
        #expect(message.blocks.count == 3 && message.text == "Go?")
        var names: Set<String> = []
        for row in message.blocks.dropFirst() {
            guard case .array(let elements)? = row["elements"] else { continue }
            #expect(elements.count <= 25)
            for element in elements { names.insert(element["action_id"]?.string ?? "") }
        }
        #expect(names.count == 27)
    }

    @Test func theSameKeyIsTheSameMessage() {
        let ids = (0..<2000).map { SlackMessageID.text(for: "C1:sl:C1:1.\($0):0") }
        #expect(Set(ids).count == 2000 && ids[7] == SlackMessageID.text(for: "C1:sl:C1:1.7:0"))
        #expect(
            ids.allSatisfy {
                $0.wholeMatch(of: /[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}/) != nil
            })
    }

    @Test func errorsHaveTheirMeaning() {
        func meaning(_ code: String, _ scope: PlatformFailure.Scope = .chat) -> PlatformFailure? {
            SlackError(["ok": false, "error": .string(code), "needed": "files:write"])?.failure(scope)
        }
        for code in ["channel_not_found", "is_archived", "not_in_channel"] {
            guard case .chatGone? = meaning(code) else {
                Issue.record("\(code)")
                continue
            }
        }
        for code in ["account_inactive", "invalid_auth", "token_revoked", "not_authed"] {
            guard case .account? = meaning(code) else {
                Issue.record("\(code)")
                continue
            }
        }
        #expect(meaning("message_not_found") == .messageGone)
        #expect(meaning("msg_too_long") == .refused("Slack refused it (msg_too_long)"))
        #expect(meaning("ratelimited") == .wait(.seconds(1), .chat))
        guard case .unavailable? = meaning("internal_error"), case .refused(let lacks)? = meaning("missing_scope"),
            case .account? = meaning("missing_scope", .everything), case .account? = meaning("whatever", .everything)
        else {
            Issue.record("an error is mistaken for another")
            return
        }
        #expect(lacks.contains("files:write"))
        #expect(SlackError(["ok": true]) == nil)
        // A stranger's words don't get into a log.
        #expect(SlackError(["error": "a\nb c \u{1B}[31m"])?.code == "abc31m")
        #expect(SlackError(7)?.code == "no reason")
    }
}
