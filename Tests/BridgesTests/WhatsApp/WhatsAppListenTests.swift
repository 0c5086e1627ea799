import JSON
import TestPlatforms
import Testing

@testable import Bridges

@Suite(.timeLimit(.minutes(1))) struct WhatsAppListenTests {
    private func bridge(_ fake: FakeWhatsApp, token: String = FakeWhatsApp.token) -> WhatsAppBridge {
        var seams = WhatsAppBridge.Seams()
        seams.pollSeconds = 5
        return WhatsAppBridge(id: FakeWhatsApp.id, token: token, apiBase: fake.apiBase, seams: seams)
    }

    private func emptied(_ fake: FakeWhatsApp) async throws {
        _ = try await fake.state.waitFor("an empty queue") { $0.queue.isEmpty ? true : nil }
    }

    @Test func whatIsKeptIsDeletedAndTheRestStays() async throws {
        try await FakeWhatsApp.run { fake in
            let inbox = KeptInbox()
            inbox.state.change { $0.isAway = true }
            fake.say("one")
            fake.say("two")
            _ = try await listening(bridge(fake), inbox) {
                _ = try await inbox.state.waitFor("the first") { $0.underWay == 1 ? true : nil }
                // While the agent is away the head of the queue waits, and nothing is deleted.
                #expect(fake.state.now.deleted.isEmpty && fake.state.now.given == [1])
                inbox.state.change { $0.isAway = false }
                _ = try await inbox.waitFor(2)
                try await emptied(fake)
                #expect(fake.state.now.deleted == [1, 2])
            }
            #expect(inbox.texts == ["one", "two"] && inbox.state.now.names.first == "+79990000001")
        }
    }

    /// The inbox takes a message when its turn is committed; the turn itself may last for hours.
    @Test("Weakness: /stop is read while a turn runs") func stop() async throws {
        try await FakeWhatsApp.run { fake in
            let inbox = KeptInbox()
            _ = try await listening(bridge(fake), inbox) {
                fake.say("Write a long poem")
                _ = try await inbox.waitFor(1)
                fake.say("/stop")
                let updates = try await inbox.waitFor(2)
                #expect(updates[1].said == "/stop" && updates[1].message == nil)
                try await emptied(fake)
            }
        }
    }

    @Test func nobodyWaitsForTheFilesOfOthers() async throws {
        try await FakeWhatsApp.run { fake in
            let inbox = KeptInbox()
            inbox.state.change { $0.holdsFiles = true }
            let other = "79007654321@c.us"
            _ = try await listening(bridge(fake), inbox) {
                fake.send(.init(name: "film.mp4", type: "video/mp4", bytes: [1]), as: "videoMessage")
                fake.say("seen it?")
                fake.say("/stop", from: other)
                _ = try await inbox.waitFor(1)
                try await emptied(fake)
                // Of one chat the order stays.
                #expect(inbox.texts == ["/stop"])
                #expect(inbox.state.now.memory.values.count == 2)
            }
            // The bridge dies and comes back: what it has taken over is not lost.
            inbox.state.change { state in
                state.holdsFiles = false
                state.memory["waiting:7"] = "no JSON"
            }
            _ = try await listening(bridge(fake), inbox) {
                _ = try await inbox.waitFor(3)
                _ = try await inbox.state.waitFor("an empty memory") { $0.memory.isEmpty ? true : nil }
            }
            #expect(inbox.texts == ["/stop", " [film.mp4]", "seen it?"])
            #expect(fake.state.now.deleted.count == 3)
        }
    }

    @Test func whatTheMemoryHasNoRoomForStaysInTheQueue() async throws {
        try await FakeWhatsApp.run { fake in
            let inbox = KeptInbox()
            inbox.state.change { $0.holdsFiles = true }
            _ = try await listening(bridge(fake), inbox) {
                for number in 0..<40 {
                    fake.send(
                        .init(name: "\(number)", type: nil, bytes: [1]), as: "documentMessage",
                        from: "790000000\(10 + number)@c.us")
                }
                _ = try await inbox.state.waitFor("the head to wait") { $0.underWay == 33 ? true : nil }
                #expect(fake.state.now.deleted.count == 32 && inbox.state.now.memory.count == 32)
                inbox.state.change { $0.holdsFiles = false }
                _ = try await inbox.waitFor(40)
                try await emptied(fake)
            }
        }
    }

    @Test func whatCannotBeKeptIsNotDeleted() async throws {
        try await FakeWhatsApp.run { fake in
            let inbox = KeptInbox()
            inbox.state.change { $0.failure = .unavailable("the disk is full") }
            fake.say("keep me")
            #expect(await end(of: bridge(fake), inbox) == .unavailable("the disk is full"))
            #expect(fake.state.now.deleted.isEmpty)
        }
    }

    @Test("Weakness: a message of just / is taken once and not redelivered for ever") func slash() async throws {
        try await FakeWhatsApp.run { fake in
            let inbox = KeptInbox()
            fake.say("/")
            fake.say("next")
            _ = try await listening(bridge(fake), inbox) {
                let updates = try await inbox.waitFor(2)
                #expect(updates[0].message?.text == "/" && updates[1].said == "next")
                try await emptied(fake)
                #expect(fake.state.now.given == [1, 2])
            }
        }
    }

    @Test func whatCannotBeUnderstoodIsDeleted() async throws {
        try await FakeWhatsApp.run { fake in
            let inbox = KeptInbox()
            for body: JSONValue in [
                .null, 7, ["typeWebhook": "incomingMessageReceived"], ["typeWebhook": "outgoingAPIMessageReceived"],
                ["typeWebhook": "outgoingMessageStatus"],
            ] {
                fake.notify(body)
            }
            fake.tell(["typeMessage": "somethingNew"])
            fake.tell(["typeMessage": "templateButtonsReplyMessage"])
            fake.notify { #"{"receiptId": \#($0), "body": {"broken"# }
            fake.say("after all that")
            let (_, ends) = try await listening(bridge(fake), inbox) {
                _ = try await inbox.waitFor(1)
                try await emptied(fake)
            }
            #expect(inbox.texts == ["after all that"] && ends.isEmpty)
            #expect(fake.state.now.deleted.count == 9)
        }
    }

    @Test func aMessageThatComesAgainIsKeptOnce() async throws {
        try await FakeWhatsApp.run { fake in
            let inbox = KeptInbox()
            let id = fake.say("once")
            fake.again(id)
            fake.say("then")
            fake.reverse()
            _ = try await listening(bridge(fake), inbox) {
                _ = try await inbox.waitFor(2)
                try await emptied(fake)
            }
            #expect(Set(inbox.texts) == ["once", "then"] && inbox.state.now.calls == 3)
        }
    }

    @Test("P-66: the link is lost again and again, and nothing is lost or doubled") func lostLink() async throws {
        try await FakeWhatsApp.run { fake in
            let inbox = KeptInbox()
            let isOf: @Sendable (String) -> @Sendable (FakeRequest) -> Bool = { method in
                { FakeWhatsApp.method($0) == method }
            }
            _ = try await listening(bridge(fake), inbox) {
                for round in 0..<20 {
                    let method = round % 2 == 0 ? "deleteNotification" : "receiveNotification"
                    let actions: [FakeFault.Action] = [
                        .cut, .cutAnswer(after: nil), .cutAnswer(after: 3), .answer(.text("bad gateway", status: 502)),
                        .answer(.text("<html>", type: "text/html")),
                    ]
                    fake.server.fail(FakeFault(actions[round % actions.count], where: isOf(method)))
                    fake.say("\(round)")
                    if round % 7 == 3 { fake.server.cutAll() }
                    _ = try await inbox.waitFor(round + 1)
                }
                try await emptied(fake)
            }
            #expect(inbox.texts == (0..<20).map { "\($0)" })
        }
    }

    @Test func tooManyCallsAreWaitedForAsLongAsGreenAPIWants() async throws {
        try await FakeWhatsApp.run { fake in
            fake.storm(1, retryAfter: "7", of: "receiveNotification")
            #expect(await end(of: bridge(fake)) == .wait(.seconds(7), .everything))
            fake.storm(1, of: "getStateInstance")
            #expect(await end(of: bridge(fake)) == .wait(.seconds(1), .everything))
        }
    }

    @Test func anAnswerThatNeverComesEndsTheListening() async throws {
        try await FakeWhatsApp.run { fake in
            var seams = WhatsAppBridge.Seams()
            seams.pollLimit = .milliseconds(50)
            let bridge = WhatsAppBridge(
                id: FakeWhatsApp.id, token: FakeWhatsApp.token, apiBase: fake.apiBase, seams: seams)
            fake.server.fail(FakeFault(.never) { FakeWhatsApp.method($0) == "receiveNotification" })
            guard case .unavailable? = await end(of: bridge) else {
                Issue.record("it should be unavailable")
                return
            }
        }
    }

    @Test func nothingAtOnceIsNoStorm() async throws {
        try await FakeWhatsApp.run(second: .zero) { fake in
            let pauses = Watched<[Duration]>([])
            var seams = WhatsAppBridge.Seams()
            seams.pause = { pause in
                pauses.change { $0.append(pause) }
                if pauses.now.count >= 3 { throw PlatformFailure.unavailable("enough") }
            }
            let bridge = WhatsAppBridge(
                id: FakeWhatsApp.id, token: FakeWhatsApp.token, apiBase: fake.apiBase, seams: seams)
            #expect(await end(of: bridge) == .unavailable("enough"))
            #expect(pauses.now == Array(repeating: .seconds(1), count: 3))
        }
    }

    @Test func theAccountsTroubleIsToldWithWhatToDo() async throws {
        try await FakeWhatsApp.run { fake in
            func trouble(_ token: String = FakeWhatsApp.token) async -> String {
                guard case .account(let text)? = await end(of: bridge(fake, token: token)) else { return "" }
                return text
            }
            let wrong = await trouble("0123456789wrong")
            #expect(wrong.contains("green_api_token") && !wrong.contains("0123456789wrong"))
            fake.state.change { $0.stateInstance = "notAuthorized" }
            #expect(await trouble().contains("scan the QR code again"))
            fake.state.change { $0.stateInstance = "blocked" }
            #expect(await trouble().contains("blocked"))
            fake.state.change { state in
                state.stateInstance = "authorized"
                state.webhookURL = "https://somebody.else/"
            }
            #expect(await trouble().contains("webhook"))
            fake.state.change { state in
                state.webhookURL = ""
                state.incomingWebhook = "no"
            }
            #expect(await trouble().contains("incoming messages"))
        }
    }

    @Test func aLinkThatIsLostMeanwhileIsToldAndAnOldStoryIsNot() async throws {
        try await FakeWhatsApp.run { fake in
            let inbox = KeptInbox()
            let lost: JSONValue = ["typeWebhook": "stateInstanceChanged", "stateInstance": "notAuthorized"]
            fake.notify(lost)
            fake.say("still here")
            let (_, ends) = try await listening(bridge(fake), inbox) { _ = try await inbox.waitFor(1) }
            #expect(ends.isEmpty)
            fake.state.change { $0.stateInstance = "authorized" }
            let ended = try await listening(bridge(fake), inbox) {
                _ = try await inbox.state.waitFor("a connection") { $0.names.count >= 2 ? true : nil }
                fake.state.change { $0.stateInstance = "notAuthorized" }
                fake.notify(lost)
                try await emptied(fake)
                // The next attempt says the same, until somebody scans the code.
                _ = try await fake.server.waitFor("two looks") { state in
                    state.requests.filter { FakeWhatsApp.method($0) == "getStateInstance" }.count >= 5 ? true : nil
                }
            }.ends
            guard case .account(let text)? = ended.first else {
                Issue.record("it should be told")
                return
            }
            #expect(text.contains("scan the QR code again"))
        }
    }
}
