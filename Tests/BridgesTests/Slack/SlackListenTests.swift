import Foundation
import JSON
import TestPlatforms
import Testing

@testable import Bridges

@Suite(.timeLimit(.minutes(1))) struct SlackListenTests {
    private func bridge(
        _ fake: FakeSlack, bot: String = FakeSlack.botToken, app: String = FakeSlack.appToken,
        _ change: (inout SlackSeams) -> Void = { _ in }
    ) -> SlackBridge {
        var seams = SlackSeams()
        seams.shortLife = .zero
        change(&seams)
        return SlackBridge(botToken: bot, appToken: app, apiBase: fake.apiBase, seams: seams)
    }

    @Test func whatIsKeptIsAcknowledgedAndNotBefore() async throws {
        try await FakeSlack.run { fake in
            let inbox = KeptInbox()
            inbox.state.change { $0.isAway = true }
            _ = try await listening(bridge(fake), inbox) {
                try await fake.waitForLine()
                let (envelope, ts) = await fake.say("one")
                _ = try await inbox.state.waitFor("the first") { $0.underWay == 1 ? true : nil }
                #expect(!fake.state.now.envelopes[envelope].isAcknowledged)
                inbox.state.change { $0.isAway = false }
                try await fake.waitForAcknowledgement(envelope)
                #expect(inbox.state.now.updates.map(\.id) == ["D100:\(ts)"] && inbox.state.now.names == ["agent"])
            }
        }
    }

    /// Slack's three seconds are over while the agent is away.
    @Test("Weakness: what Slack brings again, by any number of tries, is kept once") func repeats() async throws {
        try await FakeSlack.run { fake in
            let inbox = KeptInbox()
            inbox.state.change { $0.isAway = true }
            _ = try await listening(bridge(fake), inbox) {
                try await fake.waitForLine()
                let (first, ts) = await fake.say("<@U0BOT> hello", in: "C100")
                await fake.again(first)
                await fake.again(first)
                let mention = await fake.mention("<@U0BOT> hello", in: "C100", ts: ts)
                let (other, _) = await fake.say("another", in: "C100")
                _ = try await inbox.state.waitFor("the first") { $0.underWay == 1 ? true : nil }
                inbox.state.change { $0.isAway = false }
                for envelope in [first, mention, other] { try await fake.waitForAcknowledgement(envelope) }
                // It is late, and comes once more all the same.
                await fake.again(first)
                let (last, _) = await fake.say("last", in: "C100")
                try await fake.waitForAcknowledgement(last)
            }
            #expect(inbox.texts == ["hello", "another", "last"])
        }
    }

    @Test func whatCannotBeKeptEndsTheListening() async throws {
        try await FakeSlack.run { fake in
            let inbox = KeptInbox()
            inbox.state.change { $0.failure = .unavailable("the disk is full") }
            let (_, ends) = try await listening(bridge(fake), inbox) {
                try await fake.waitForLine()
                let (envelope, _) = await fake.say("keep me")
                try await fake.waitForLine(2)
                inbox.state.change { $0.failure = nil }
                try await fake.waitForAcknowledgement(envelope)
            }
            #expect(ends.first == .unavailable("the disk is full") && inbox.texts == ["keep me"])
        }
    }

    @Test func aCommandIsHeardWhileAnotherChatWaits() async throws {
        try await FakeSlack.run { fake in
            let inbox = KeptInbox()
            _ = try await listening(bridge(fake), inbox) {
                try await fake.waitForLine()
                _ = await fake.say("work")
                _ = await fake.say("/stop")
                await fake.command("/stop", in: "C100")
                await fake.command("/agent", text: "status", in: "C200")
                _ = try await inbox.waitFor(4)
            }
            #expect(Set(inbox.texts) == ["work", "/stop", "/status"])
        }
    }

    @Test func whatIsNothingForUsIsAcknowledged() async throws {
        try await FakeSlack.run { fake in
            let inbox = KeptInbox()
            _ = try await listening(bridge(fake), inbox) {
                try await fake.waitForLine()
                var envelopes: [Int] = []
                envelopes.append(await fake.event(["type": "reaction_added", "user": "U1"]))
                envelopes.append(await fake.event(.null))
                envelopes.append(await fake.say("I am a bot", more: ["bot_id": "B7"]).envelope)
                envelopes.append(await fake.say("changed", more: ["subtype": "message_changed"]).envelope)
                for envelope in envelopes { try await fake.waitForAcknowledgement(envelope) }
                for socket in fake.server.sockets { try await socket.send("no JSON") }
                let (last, _) = await fake.say("a person")
                try await fake.waitForAcknowledgement(last)
            }
            #expect(inbox.texts == ["a person"])
        }
    }

    @Test func theNextLineIsThereBeforeTheOldOneGoes() async throws {
        try await FakeSlack.run { fake in
            let inbox = KeptInbox()
            let (_, ends) = try await listening(bridge(fake), inbox) {
                for round in 1...5 {
                    try await fake.waitForLine(round)
                    let old = try #require(fake.server.sockets.last)
                    try await fake.retire(round % 2 == 0 ? "warning" : "refresh_requested")
                    // It is still read.
                    try await old.send(
                        self.envelope("last words \(round)", ts: "\(round).1"))
                    _ = try await inbox.waitFor(round)
                    try await fake.waitForLine(round + 1)
                    #expect(old.isOpen)
                    try await old.close()
                }
                let (last, _) = await fake.say("done")
                try await fake.waitForAcknowledgement(last)
            }
            #expect(inbox.texts == (1...5).map { "last words \($0)" } + ["done"] && ends.isEmpty)
            #expect(inbox.state.now.names == ["agent"])
        }
    }

    private func envelope(_ text: String, ts: String) -> JSONValue {
        [
            "type": "events_api", "envelope_id": .string("late-\(ts)"),
            "payload": [
                "event": [
                    "type": "message", "user": "U1", "text": .string(text), "channel": "D100", "ts": .string(ts),
                    "channel_type": "im",
                ]
            ],
        ]
    }

    @Test("P-66: the link is lost again and again, and nothing is lost or doubled") func lostLink() async throws {
        try await FakeSlack.run { fake in
            let inbox = KeptInbox()
            _ = try await listening(bridge(fake), inbox) {
                for round in 0..<20 {
                    switch round % 4 {
                    case 0: fake.server.cutAll()
                    case 1: try await fake.server.sockets.last?.close(code: 1001)
                    case 2:
                        fake.server.fail(FakeFault(.answer(.text("bad gateway", status: 502))))
                        fake.server.cutAll()
                    default:
                        fake.server.fail(FakeFault(.answer(.text("no", status: 403)), where: \.isUpgrade))
                        fake.server.cutAll()
                    }
                    await fake.say("\(round)", in: "C100")
                    if round % 3 == 0 { await fake.again(fake.state.now.envelopes.count - 1) }
                    _ = try await inbox.waitFor(round + 1)
                    try await fake.waitForAcknowledgement(round)
                }
            }
            #expect(inbox.texts == (0..<20).map { "\($0)" })
        }
    }

    @Test func aLineThatSaysNothingIsDead() async throws {
        try await FakeSlack.run { fake in
            let inbox = KeptInbox()
            let bridge = bridge(fake) { seams in
                seams.pingEvery = .milliseconds(20)
                seams.silence = .milliseconds(150)
            }
            let (_, ends) = try await listening(bridge, inbox) {
                try await fake.waitForLine()
                // Pings are answered, so silence is no reason.
                let socket = try #require(fake.server.sockets.first)
                _ = try await socket.waitFor("pings") { events in
                    events.filter { $0 == .ping }.count >= 12 ? true : nil
                }
                #expect(fake.server.now.socketCount == 1)
                socket.stopReading()
                try await fake.waitForLine(2)
                await fake.say("still there?")
                _ = try await inbox.waitFor(1)
            }
            guard case .unavailable? = ends.first else {
                Issue.record("\(ends)")
                return
            }
        }
    }

    @Test func aLineWithoutAGreetingIsDead() async throws {
        try await FakeServer.run { request in
            request.path.hasSuffix("auth.test")
                ? .json(["ok": true, "user_id": "U0BOT"])
                : .json([
                    "ok": true,
                    "url": .string("ws://\(request.headers["host"] ?? "")/link"),
                ])
        } webSocket: { socket in
            for await _ in socket.events {}
        } _: { server in
            var seams = SlackSeams()
            seams.pingEvery = .milliseconds(20)
            seams.silence = .milliseconds(150)
            let bridge = SlackBridge(botToken: "b", appToken: "a", apiBase: server.url + "/api", seams: seams)
            guard case .unavailable? = await end(of: bridge) else {
                Issue.record("it goes on")
                return
            }
        }
    }

    @Test func troubleHasItsKindAndNoToken() async throws {
        try await FakeSlack.run { fake in
            for (bot, app) in [
                ("xoxb-wrong", FakeSlack.appToken), (FakeSlack.botToken, "xapp-wrong"),
                (FakeSlack.appToken, FakeSlack.botToken),
            ] {
                guard case .account(let text)? = await end(of: bridge(fake, bot: bot, app: app)) else {
                    Issue.record("\(bot) \(app)")
                    continue
                }
                #expect(text.contains("app_token") && !text.contains("wrong") && !text.contains("aBcDeF"))
            }
            fake.storm(1, retryAfter: 30, of: "apps.connections.open")
            #expect(await end(of: bridge(fake)) == .wait(.seconds(30), .everything))
            fake.server.fail(FakeFault(.answer(.text("", status: 503))))
            #expect(await end(of: bridge(fake)) == .unavailable("Slack answered with status 503"))
            fake.state.change { $0.errors["auth.test"] = ["account_inactive"] }
            guard case .account? = await end(of: bridge(fake)) else {
                Issue.record("it goes on")
                return
            }
            let inbox = KeptInbox()
            let (_, ends) = try await listening(bridge(fake), inbox) {
                try await fake.waitForLine()
                _ = try await inbox.state.waitFor("a greeting") { $0.names.isEmpty ? nil : true }
                try await fake.retire("link_disabled")
                try await fake.waitForLine(2)
            }
            guard case .account(let text)? = ends.first else {
                Issue.record("\(ends)")
                return
            }
            #expect(text.contains("Socket Mode"))
        }
    }

    /// A ticket of Socket Mode is as good as a token.
    @Test func aSocketElsewhereIsNotOpened() async throws {
        try await FakeServer.run { _ in
            .json(["ok": true, "user_id": "U0BOT", "url": "ws://example.org/link"])
        } _: { server in
            let bridge = SlackBridge(botToken: "b", appToken: "a", apiBase: server.url + "/api")
            #expect(await end(of: bridge) == .unavailable("Slack gave no address for Socket Mode"))
        }
    }
}
