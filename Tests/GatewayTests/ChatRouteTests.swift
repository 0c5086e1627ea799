import Foundation
import NIOCore
import Testing

@testable import Agent
@testable import Gateway
@testable import Store
@testable import Wire

// One message over REST is a turn like any other: as durable, in the same lane, told to the same sockets.

@Suite struct ChatRouteTests {
    private static var unhurried: GatewayLimits {
        var limits = GatewayLimits.patient
        limits.chatTime = .seconds(60)
        return limits
    }

    private static func gateway(
        _ agent: ScriptedAgent = ScriptedAgent(.immediate { "you said \($0.text)" }),
        limits: GatewayLimits = unhurried, files: TestFiles? = nil, lane: SessionLane = .client
    ) throws -> TestGateway {
        try TestGateway(agent, limits: limits, lane: lane, files: files)
    }

    // MARK: One document

    @Test func aMessageIsAnsweredAndBeginsASessionOfItsOwn() async throws {
        let gateway = try Self.gateway()
        try await gateway.run { running in
            let device = gateway.device()
            let stream = try await running.stream(device)
            let answer: ChatAnswer = try await stream.ask("POST", "/api/chat", #"{"message":"hello"}"#).decode()
            #expect(answer.response == "you said hello" && answer.model == "test" && !answer.errored)
            #expect(answer.created && answer.reason == "completed" && answer.turnID != nil && answer.attachments == nil)
            let other: ChatAnswer = try await stream.ask("POST", "/api/chat", #"{"message":"hello"}"#).decode()
            #expect(other.sessionID != answer.sessionID && other.turnID != answer.turnID)
            let body = #"{"message":"more","session_id":"\#(answer.sessionID)"}"#
            let again: ChatAnswer = try await stream.ask("POST", "/api/chat", body).decode()
            #expect(again.sessionID == answer.sessionID && !again.created)
            #expect(gateway.agent.runs.last?.request.history.map(\.text) == ["hello", "you said hello"])
            let path = "/api/sessions/\(answer.sessionID)/messages"
            let transcript: SessionMessagesBody = try await stream.ask("GET", path).decode()
            #expect(transcript.messages.map(\.text) == ["hello", "you said hello", "more", "you said more"])
        }
    }

    @Test("P-59: a request that is repeated gets the same turn's answer, and nothing runs twice")
    func repeatsRunOnce() async throws {
        let gateway = try Self.gateway(ScriptedAgent())
        try await gateway.run { running in
            let device = gateway.device()
            let body = #"{"message":"hello","message_id":"m1"}"#
            // The first one leaves before the answer is there.
            let first = try await running.stream(device)
            try await first.send(
                "POST /api/chat HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
            let run = try await gateway.agent.nextRun()
            await first.close()
            async let second = running.stream(device).ask("POST", "/api/chat", body)
            async let third = running.stream(device).ask(
                "POST", "/api/chat", #"{"message":"hello","message_id":"m1","session_id":"another"}"#)
            run.delta("the ")
            run.answer("the answer")
            let answers = [try await second, try await third].map { try? $0.decode(ChatAnswer.self) }
            #expect(answers.allSatisfy { $0?.response == "the answer" })
            #expect(Set(answers.map { $0?.sessionID }).count == 1 && Set(answers.map { $0?.turnID }).count == 1)
            // Long after its end, too.
            let last: ChatAnswer = try await running.stream(device).ask("POST", "/api/chat", body).decode()
            #expect(last.response == "the answer" && last.sessionID == answers[0]?.sessionID && !last.created)
            #expect(gateway.agent.runs.count == 1)
        }
    }

    @Test func theSameMessageAtTheSameTimeIsOneTurn() async throws {
        let gateway = try Self.gateway()
        try await gateway.run { running in
            let device = gateway.device()
            let body = #"{"message":"hello","message_id":"m1"}"#
            let answers = try await withThrowingTaskGroup(of: ChatAnswer.self) { group in
                for _ in 0..<8 {
                    group.addTask { try await running.stream(device).ask("POST", "/api/chat", body).decode() }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(Set(answers.map(\.turnID)).count == 1 && Set(answers.map(\.sessionID)).count == 1)
            #expect(answers.allSatisfy { $0.response == "you said hello" } && gateway.agent.runs.count == 1)
        }
    }

    @Test(
        "P-93: what is no message is refused with a code",
        arguments: [
            (#"{"message":""}"#, "invalid"), (#"{"message":" \n"}"#, "invalid"), ("{}", "bad_message"),
            ("", "bad_message"), ("[", "bad_message"), (#"{"message":7}"#, "bad_message"),
            (#"{"message":"a","session_id":"\#(String(repeating: "x", count: 257))"}"#, "invalid"),
            (#"{"message":"a","message_id":"\#(String(repeating: "x", count: 257))"}"#, "invalid"),
            (#"{"message":"a","attachments":[{"kind":"file","id":"none"}]}"#, "invalid"),
        ])
    func whatIsNoMessage(_ body: String, _ code: String) async throws {
        let gateway = try Self.gateway(files: TestFiles())
        try await gateway.run { running in
            let answer = try await running.stream(gateway.device()).ask("POST", "/api/chat", body)
            #expect(answer.status == 400 && answer.code == code && answer.message != nil, "\(answer)")
            #expect(gateway.agent.runs.isEmpty)
        }
    }

    @Test func aFullLaneIsSaidWithItsStatus() async throws {
        var limits = Self.unhurried
        limits.waitingPerLane = 1
        let gateway = try Self.gateway(ScriptedAgent(), limits: limits)
        try await gateway.run { running in
            let device = gateway.device()
            let socket = try await running.webSocket(device)
            try await socket.say("one", id: "1")
            _ = try await gateway.agent.nextRun()
            try await socket.say("two", id: "2")
            _ = try await socket.messages { $0.position == 1 }
            for accept in ["application/json", "text/event-stream"] {
                let body = #"{"message":"three"}"#
                let stream = try await running.stream(device)
                try await stream.send(
                    "POST /api/chat HTTP/1.1\r\nHost: a\r\nAccept: \(accept)\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
                )
                let answer = try #require(try await stream.response())
                #expect(answer.status == 429 && answer.code == "queue_full", "\(answer)")
            }
        }
    }

    @Test("P-93: an answer that takes longer than a request waits is 504, and says how to get it")
    func whatTakesTooLong() async throws {
        var limits = Self.unhurried
        limits.chatTime = .milliseconds(100)
        let gateway = try Self.gateway(ScriptedAgent(), limits: limits)
        try await gateway.run { running in
            let stream = try await running.stream(gateway.device())
            let body = #"{"message":"slowly","session_id":"s","message_id":"m"}"#
            let answer = try await stream.ask("POST", "/api/chat", body)
            #expect(answer.status == 504 && answer.code == "timed_out", "\(answer)")
            #expect(
                answer.hint?.contains("GET /api/sessions/s/messages") == true && answer.hint?.contains("'m'") == true)
            let events = try await TestEvents(stream, "POST", "/api/chat", body).rest()
            #expect(events.last?.name == "error")
            #expect(try events.last?.message.errorCode == .timedOut)
            // The turn goes on.
            let run = try #require(gateway.agent.runs.first)
            run.answer("at last")
            #expect(try await !run.wasCancelled())
            let end = ContinuousClock.now + .seconds(30)
            var texts: [String] = []
            while texts.isEmpty, ContinuousClock.now < end {
                let page: SessionMessagesBody = try await stream.ask("GET", "/api/sessions/s/messages").decode()
                texts = page.messages.map(\.text)
            }
            #expect(texts == ["slowly", "at last"])
            #expect(gateway.agent.runs.count == 1)
        }
    }

    @Test func aTurnThatFailsOrIsStoppedSaysSo() async throws {
        let gateway = try Self.gateway(ScriptedAgent())
        try await gateway.run { running in
            let device = gateway.device()
            let stream = try await running.stream(device)
            async let failed = stream.ask("POST", "/api/chat", #"{"message":"fail"}"#)
            try await gateway.agent.nextRun().fail(AgentError.modelFailed("the model is not there"))
            let failure: ChatAnswer = try await failed.decode()
            #expect(failure.errored && failure.reason == "error" && failure.response.contains("the model is not there"))

            let socket = try await running.webSocket(device)
            try await socket.send(.sessionOpen(.init(sessionID: "s")))
            async let stopped = stream.ask("POST", "/api/chat", #"{"message":"stop","session_id":"s"}"#)
            let run = try await gateway.agent.nextRun()
            run.delta("as far as ")
            _ = try await socket.messages { $0.text == "as far as " }
            try await socket.send(.interrupt(sessionID: "s"))
            let half: ChatAnswer = try await stopped.decode()
            #expect(half.reason == "cancelled" && half.response == "as far as " && !half.errored)
        }
    }

    @Test func filesOfTheCallerGoAlong() async throws {
        let gateway = try Self.gateway(files: TestFiles())
        try await gateway.run { running in
            let device = gateway.device()
            let stream = try await running.stream(device)
            let file = try await stream.upload("hello", as: "a.txt")
            let id = try #require(file.json["id"] as? String)
            let body = #"{"message":"","attachments":[{"kind":"file","id":"\#(id)"}]}"#
            #expect(try await stream.ask("POST", "/api/chat", body).status == 200)
            #expect(gateway.agent.runs.first?.request.attachments.map(\.filename) == ["a.txt"])
            let stranger = try await running.stream(gateway.device("bob"))
            #expect(try await stranger.ask("POST", "/api/chat", body).status == 400)
        }
    }

    // MARK: Events

    @Test func theTurnsEventsComeAsTheyHappenAndWithTheirNumbers() async throws {
        let gateway = try Self.gateway(ScriptedAgent())
        try await gateway.run { running in
            let device = gateway.device()
            let socket = try await running.webSocket(device)
            try await socket.send(.sessionOpen(.init(sessionID: "s")))
            let body = #"{"message":"tell me","session_id":"s","message_id":"m"}"#
            let events = try await TestEvents(running.stream(device), "POST", "/api/chat", body)
            let run = try await gateway.agent.nextRun()
            #expect(try await events.next()?.name == "queued")
            run.status("thinking")
            #expect(try await events.next()?.name == "status")
            run.delta("one ")
            let delta = try #require(try await events.next())
            #expect(delta.name == "delta" && delta.id != nil)
            #expect(try delta.message.text == "one " && delta.message.sequence == delta.id)
            run.answer("one two")
            let rest = try await events.rest()
            #expect(rest.map(\.name) == ["response", "turn_complete"])
            #expect(try rest[0].message.responseText == "one two")
            // A socket that watches the session saw the same.
            let seen = try await socket.messages { $0.isTurnEnd }.compactMap(\.sequence)
            #expect(seen.suffix(3) == [delta.id, rest[0].id, rest[1].id].compactMap { $0 }[...])
        }
    }

    @Test("P-59: a client that leaves in the middle of the stream stops nothing, and no room is kept for it")
    func leavingStopsNothing() async throws {
        var limits = Self.unhurried
        limits.streamSilence = .milliseconds(20)
        let gateway = try Self.gateway(ScriptedAgent(), limits: limits)
        try await gateway.run { running in
            let device = gateway.device()
            let body = #"{"message":"long work","session_id":"s"}"#
            let events = try await TestEvents(running.stream(device), "POST", "/api/chat", body)
            let run = try await gateway.agent.nextRun()
            run.delta("a")
            while try await events.next()?.name != "delta" {}
            await events.close()
            run.delta("b")
            run.answer("ab")
            #expect(try await !run.wasCancelled())
            let answer: ChatAnswer = try await running.stream(device).ask(
                "POST", "/api/chat", #"{"message":"next","session_id":"s"}"#, whileRunning: gateway
            ) { $0.answer("c") }
            #expect(
                answer.response == "c" && gateway.agent.runs.last?.request.history.map(\.text) == ["long work", "ab"])
        }
    }

    @Test("P-03: the stream of a device that is revoked ends at once, with the reason")
    func revocationEndsTheStream() async throws {
        let gateway = try Self.gateway(ScriptedAgent())
        try await gateway.run { running in
            let device = gateway.device()
            let events = try await TestEvents(
                running.stream(device), "POST", "/api/chat", #"{"message":"hello","session_id":"s"}"#)
            _ = try await gateway.agent.nextRun()
            #expect(try await events.next()?.name == "queued")
            gateway.membership.revoke(device.nodeID)
            let rest = try await events.rest()
            #expect(rest.isEmpty || rest.last?.name == "close" && rest.last?.data?.contains("4003") == true, "\(rest)")
        }
    }

    @Test func aReaderThatTakesNothingIsCutOffAndTheTurnGoesOn() async throws {
        var limits = Self.unhurried
        limits.backlogEvents = 64
        limits.backlogBytes = 64 * 1024
        let gateway = try Self.gateway(ScriptedAgent(), limits: limits)
        try await gateway.run { running in
            let device = gateway.device()
            let connection = try await running.connection(of: device.nodeID)
            let stream = try await TestStream.connect(port: connection.port, receiveBuffer: 4096)
            try await stream.sendPreamble(gateway.certificate(for: device))
            let body = #"{"message":"tell me much","session_id":"s"}"#
            try await stream.channel.setOption(.autoRead, value: false).get()
            try await stream.send(
                "POST /api/chat HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
            )
            let run = try await gateway.agent.nextRun()
            let piece = String(repeating: "x", count: 32 * 1024)
            // More than the kernel's buffers on both sides hold.
            for _ in 0..<1_000 { run.delta(piece) }
            run.answer("done")
            #expect(try await !run.wasCancelled())
            try await stream.channel.setOption(.autoRead, value: true).get()
            // The stream ends without the end of the turn.
            let text = try await within(30, "the end of the stream") { [queue = stream.queue] in
                var all = ""
                while let part = try await queue.read({
                    $0.readableBytes > 0 ? $0.readString(length: $0.readableBytes) : nil
                }) { all = String((all + part).suffix(4096)) }
                return all
            }
            #expect(!text.contains("turn_complete"))
        }
    }

    @Test func anAnswerIsNotSpokenToWhoOnlyReads() async throws {
        var channel = SessionChannel(.absent, isReserved: false, limits: GatewayLimits())
        #expect(!channel.isOnlyRead)
        channel.watch(Watcher(id: 1, outbox: Outbox(limits: GatewayLimits()), hearsSpeech: false))
        #expect(channel.isOnlyRead && channel.listeners.isEmpty)
        channel.watch(Watcher(id: 2, outbox: Outbox(limits: GatewayLimits())))
        #expect(!channel.isOnlyRead && channel.listeners.keys.elementsEqual([2]))
    }

    // MARK: The way of a message

    private static func event(
        _ body: ServerMessage.Body, _ id: String? = "m", session: String = "s", ids: [String] = []
    ) -> ServerMessage {
        var message = ServerMessage(body, sessionID: session, turnID: "t", messageID: id)
        message.messageIDs = ids
        return message
    }

    @Test func onlyEventsOfTheMessageCountAndItsEndIsTheLast() {
        var turn = AwaitedTurn(messageID: "m", sessionID: "s")
        #expect(turn.take(Self.event(.queued(position: 1), "other")) == .ignored)
        #expect(turn.take(Self.event(.queued(position: 0))) == .event)
        #expect(turn.take(Self.event(.delta("x"), nil)) == .ignored)
        // Several messages became one turn.
        #expect(turn.take(Self.event(.delta("x"), "n", ids: ["m", "n"])) == .event)
        #expect(turn.take(Self.event(.response(text: "done", model: nil), "n", ids: ["m", "n"])) == .event)
        #expect(turn.take(Self.event(.turnComplete(.init(reason: .completed)), "n", ids: ["m", "n"])) == .end)
        #expect(turn.text == "done" && turn.turnID == "t")
        #expect(turn.take(Self.event(.delta("late"))) == .ignored)

        var refused = AwaitedTurn(messageID: "m", sessionID: "s")
        #expect(refused.take(Self.event(.error(code: .queueFull, text: "full"))) == .refused(.queueFull, "full"))
        #expect(refused.take(Self.event(.queued(position: 0))) == .ignored)

        var moved = AwaitedTurn(messageID: "m", sessionID: "s")
        #expect(moved.take(Self.event(.queued(position: 0), session: "t")) == .elsewhere(sessionID: "t"))
        #expect(moved.take(Self.event(.queued(position: 0), session: "t")) == .event)
        // An error of the turn itself refuses nothing any more.
        #expect(moved.take(Self.event(.error(code: .internalError, text: "why"), session: "t")) == .event)
        #expect(moved.failure?.code == .internalError)
    }
}

extension TestStream {
    /// Asks for a turn that the test has to answer.
    fileprivate func ask(
        _ method: String, _ path: String, _ body: String, whileRunning gateway: TestGateway,
        _ act: @escaping @Sendable (ScriptedRun) -> Void
    ) async throws -> ChatAnswer {
        async let answer = ask(method, path, body)
        act(try await gateway.agent.nextRun())
        return try await answer.decode()
    }
}
