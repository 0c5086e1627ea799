import Foundation
import Testing

@testable import Agent
@testable import Gateway
@testable import Store
@testable import Wire

@Suite struct SessionTests {
    @Test func aVeryLongAnswerArrivesCutAndTheSocketLives() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            try await socket.say("tell me everything")
            try await gateway.agent.nextRun().answer(String(repeating: "é", count: 600_000))
            let messages = try await socket.messages { $0.isTurnEnd }
            let answer = try #require(messages.compactMap(\.responseText).first)
            #expect(answer.utf8.count <= GatewayLimits().answerLength && answer.utf8.count > 1_000_000)
            #expect(answer.hasSuffix("too long to send)"))
            try await socket.send(text: #"{"type":"ping"}"#)
            #expect(try await socket.message().body == .pong)
        }
    }

    @Test func waitingMessagesAreAnnouncedWithTheirPositionsAndAnsweredInOrder() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            for text in ["one", "two", "three"] { try await socket.say(text) }
            #expect(try await socket.message().position == 1)
            #expect(try await socket.message().position == 2)
            for text in ["one", "two", "three"] {
                let run = try await gateway.agent.nextRun()
                #expect(run.request.text == text)
                run.answer("re: \(text)")
                let messages = try await socket.messages { $0.isTurnEnd }
                #expect(messages.map(\.responseText) == ["re: \(text)", nil])
            }
            let last = gateway.agent.runs[2].request
            #expect(last.history.map(\.text) == ["one", "re: one", "two", "re: two"])
        }
    }

    @Test func oneRunPerClientStrictlyInOrderWithTruePositions() async throws {  // P-57
        let seed = UInt64.random(in: 0...UInt64.max)
        let gateway = try TestGateway()
        try await gateway.run { running in
            var random = SeededRandom(seed)
            let devices = (0..<4).map { gateway.device("user\($0)") }
            var sockets: [[TestWebSocket]] = []
            for device in devices {
                sockets.append([try await running.webSocket(device), try await running.webSocket(device)])
            }
            // The model: what each client has sent and not been answered, first one running.
            var lanes: [[String]] = [[], [], [], []]
            var runs: [ScriptedRun?] = [nil, nil, nil, nil]
            func expectStart(_ client: Int) async throws {
                let run = try await gateway.agent.nextRun()
                #expect(run.request.text == lanes[client].first, "seed \(seed)")
                #expect(run.request.handle == "user\(client)", "seed \(seed)")
                runs[client] = run
            }
            for step in 0..<300 {
                let client = Int.random(in: 0..<4, using: &random)
                let socket = sockets[client][Int.random(in: 0..<2, using: &random)]
                if lanes[client].count < 8, Bool.random(using: &random) {
                    let text = "\(client)-\(step)"
                    // Each socket has its own session, the lane is the device's.
                    try await socket.say(text, session: "s\(ObjectIdentifier(socket).hashValue)", id: text)
                    let queued = try await socket.messages { $0.messageID == text }
                    #expect(queued.last?.position == lanes[client].count, "seed \(seed)")
                    lanes[client].append(text)
                    // Others are busy, some for ever; an idle client starts all the same.
                    if lanes[client].count == 1 { try await expectStart(client) }
                } else if let run = runs[client] {
                    runs[client] = nil
                    let text = lanes[client].removeFirst()
                    run.answer("")
                    let owner = sockets[client].first { run.request.sessionID == "s\(ObjectIdentifier($0).hashValue)" }
                    _ = try await owner?.messages { $0.isTurnEnd && $0.messageID == text }
                    if !lanes[client].isEmpty { try await expectStart(client) }
                }
            }
            #expect(gateway.agent.runs.count > 50, "seed \(seed)")
        }
    }

    @Test func interruptKeepsThePartialTextAndTheQueueGoesOn() async throws {  // P-58
        let gateway = try TestGateway()
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            try await socket.say("first")
            try await socket.say("second")
            let first = try await gateway.agent.nextRun()
            first.delta("Once upon")
            _ = try await socket.messages { $0.text == "Once upon" }
            let start = ContinuousClock.now
            try await socket.send(.interrupt(sessionID: "s"))
            let messages = try await socket.messages { $0.isTurnEnd }
            // 200 ms is promised; a loaded machine gets some more.
            #expect(ContinuousClock.now - start < .seconds(2))
            #expect(try await first.wasCancelled())
            #expect(messages.compactMap(\.responseText) == ["Once upon"])
            #expect(messages.last?.endReason == .cancelled)
            let second = try await gateway.agent.nextRun()
            #expect(
                second.request.history == [
                    ChatMessage(role: .user, text: "first"),
                    ChatMessage(role: .assistant, text: "Once upon", interrupted: true),
                ])
            second.answer("fine")
            #expect(try await socket.messages { $0.isTurnEnd }.last?.endReason == .completed)
        }
    }

    @Test func twentyMayWaitAndTheNextIsToldSo() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            for index in 0...20 { try await socket.say("\(index)", id: "\(index)") }
            for index in 0...20 { #expect(try await socket.message().position == index) }
            try await socket.say("too many", id: "21")
            let refused = try await socket.message()
            #expect(refused.errorCode == .queueFull)
            #expect(refused.messageID == "21")
            // A repeat of what was accepted is not refused.
            try await socket.say("5", id: "5")
            #expect(try await socket.message().position == 5)
            #expect(try gateway.sessions.unfinishedTurns().count == 21)
        }
    }

    @Test func theGatewayAsAWholeHasALimitToo() async throws {
        var limits = GatewayLimits.patient
        limits.waitingPerGateway = 2
        let gateway = try TestGateway(limits: limits)
        try await gateway.run { running in
            let ana = try await running.webSocket(gateway.device("ana"))
            let bob = try await running.webSocket(gateway.device("bob"))
            for index in 0...2 { try await ana.say("\(index)", id: "\(index)") }
            for index in 0...2 { #expect(try await ana.message().position == index) }
            // Who need not wait is not refused; who would have to, is.
            try await bob.say("hello", id: "x")
            #expect(try await bob.message().position == 0)
            try await bob.say("again", id: "y")
            #expect(try await bob.message().errorCode == .queueFull)
        }
    }

    @Test func aRepeatedMessageNeverRunsTwice() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let device = gateway.device()
            let socket = try await running.webSocket(device)
            try await socket.say("hello", id: "m")
            let run = try await gateway.agent.nextRun()
            let first = try await socket.message()
            try await socket.say("hello", id: "m")
            let again = try await socket.message()
            #expect(again.turnID == first.turnID)
            #expect(again.position == 0)
            #expect(again.sequence == nil)
            run.answer("hi")
            let ending = try await socket.messages { $0.isTurnEnd }
            // After the end, from another socket: the same answer, the same numbers.
            let other = try await running.webSocket(device)
            try await other.say("hello", id: "m")
            let told = try await other.messages { $0.isTurnEnd }
            #expect(told.dropFirst() == ending[...])
            #expect(gateway.agent.runs.count == 1)
            // Another device's id is its own; and after seven days an id is new.
            let bob = try await running.webSocket(gateway.device("bob"))
            try await bob.say("hello", id: "m")
            try await gateway.agent.nextRun().answer("bob")
            gateway.clock.advance(by: 7 * 24 * 3600 + 60)
            gateway.membership.set(.active(role: .member), for: device.nodeID)
            let later = try await running.webSocket(device)
            try await later.say("hello", id: "m")
            #expect(try await gateway.agent.nextRun().request.handle == "ana")
        }
    }

    @Test func aFailedTurnIsToldWithoutInternalsAndTheQueueGoesOn() async throws {
        struct Secret: Error { let password = "hunter2" }
        let gateway = try TestGateway()
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            try await socket.say("one")
            try await socket.say("two")
            try await gateway.agent.nextRun().fail(Secret())
            let messages = try await socket.messages { $0.isTurnEnd }
            #expect(messages.last?.endReason == .error)
            #expect(messages.compactMap(\.responseText).first?.hasPrefix("Error: ") == true)
            #expect(!messages.contains { $0.text?.contains("hunter2") ?? false })
            try await gateway.agent.nextRun().fail(AgentError.modelFailed("no key"))
            let second = try await socket.messages { $0.isTurnEnd }
            #expect(second.compactMap(\.responseText) == ["Error: the model failed: no key"])
        }
    }

    @Test func sessionsOfOneUserNeverReachAnother() async throws {  // P-11
        let gateway = try TestGateway(ScriptedAgent(.immediate { "echo: \($0.text) after \($0.history.map(\.text))" }))
        try await gateway.run { running in
            let ana = try await running.webSocket(gateway.device("ana"))
            let bob = try await running.webSocket(gateway.device("bob"))
            try await bob.send(.sessionOpen(.init(sessionID: "private", afterSequence: 0)))
            try await ana.say("canary", session: "private")
            _ = try await ana.messages { $0.isTurnEnd }
            try await bob.send(.sessionOpen(.init(sessionID: "private", afterSequence: 0)))
            try await bob.send(.interrupt(sessionID: "private"))
            try await bob.say("hello", session: "private")
            let seen = try await bob.messages { $0.isTurnEnd }
            #expect(seen.compactMap(\.responseText) == ["echo: hello after []"])
            #expect(seen.first?.sequence == 1)
            // And one session of a user not another of the same user.
            try await ana.say("other", session: "work")
            #expect(try await ana.messages { $0.isTurnEnd }.compactMap(\.responseText) == ["echo: other after []"])
        }
    }

    @Test func commandsAnswerInOrderAsTheReferenceSays() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            func command(_ name: String, session: String? = "s") async throws -> String? {
                try await socket.send(.command(.init(name: name, sessionID: session)))
                return try await socket.messages { if case .commandResult = $0.body { true } else { false } }.last?.text
            }
            #expect(try await command("stop") == "Nothing running.")
            #expect(try await command("status") == "Idle | Queue: 0 | Sessions: 0")
            #expect(try await command("dance") == "Unknown command: dance")
            #expect(try await command("help")?.contains("• /stop — ") == true)
            for text in ["a", "b", "c"] { try await socket.say(text, id: text) }
            _ = try await gateway.agent.nextRun()
            #expect(try await command("status") == "Busy | Queue: 2 | Sessions: 1")
            #expect(try await command("queue") == "Queue depth: 2")
            #expect(try await command("stop") == "Stopped current operation. cleared 2 queued messages.")
            try await socket.say("d", id: "d")
            try await gateway.agent.nextRun().answer("x")
            let ends = try await socket.messages { $0.isTurnEnd && $0.messageID == "d" }.compactMap(\.endReason)
            // The dropped ones were told within the command; the stopped one may be told before or after it.
            #expect(ends.allSatisfy { $0 == .cancelled || $0 == .completed })
            let fresh = try #require(try await command("new"))
            #expect(
                fresh.wholeMatch(of: /forgot 1 prior conversation\. fresh session: [0-9a-f]{8}\./) != nil, "\(fresh)")
            try await socket.say("e")
            #expect(try await gateway.agent.nextRun().request.history == [])
        }
    }

    @Test func newForgetsEvenTheTurnThatItStops() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            try await socket.say("secret")
            try await gateway.agent.nextRun().delta("partial")
            _ = try await socket.messages { $0.text == "partial" }
            try await socket.send(.command(.init(name: "new", sessionID: "s")))
            try await socket.say("next")
            #expect(try await gateway.agent.nextRun().request.history == [])
        }
    }

    @Test func closingASessionEndsItsTurnsAndKeepsItsTranscript() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let device = gateway.device()
            let socket = try await running.webSocket(device)
            try await socket.say("one", session: "a")
            try await socket.say("two", session: "a")
            try await socket.say("three", session: "b")
            let first = try await gateway.agent.nextRun()
            first.delta("part")
            _ = try await socket.messages { $0.text == "part" }
            try await socket.send(.sessionClose(sessionID: "a"))
            #expect(try await first.wasCancelled())
            let next = try await gateway.agent.nextRun()
            #expect(next.request.text == "three")
            next.answer("")
            _ = try await socket.messages { $0.isTurnEnd && $0.sessionID == "b" }
            try await socket.say("four", session: "a")
            #expect(try await gateway.agent.nextRun().request.history.map(\.text) == ["one", "part"])
        }
    }

    @Test func anEmptyTextIsNoTurnAndALongIdIsRefused() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            try await socket.say("  \n ")
            try await socket.say("hello", id: String(repeating: "x", count: 257))
            #expect(try await socket.message().errorCode == .badMessage)
            try await socket.say("hello", session: String(repeating: "x", count: 257))
            #expect(try await socket.message().errorCode == .badMessage)
            try await socket.say("hello", id: "")
            #expect(try await socket.message().text?.contains("empty") == true)
            try await socket.send(text: #"{"type":"command"}"#)
            #expect(try await socket.message().text?.contains("'name'") == true, "says which field")
            try await socket.send(text: #"{"type":"text_final","text":"x","attachments":[{"size":"big"}]}"#)
            #expect(try await socket.message().text?.contains("'attachments.size'") == true)
            try await socket.say(
                "hello", session: String(repeating: "x", count: 256), id: String(repeating: "y", count: 256))
            #expect(try await gateway.agent.nextRun().request.text == "hello")
            #expect(gateway.agent.runs.count == 1)
        }
    }
}

/// SplitMix64: a failing run can be repeated from its seed.
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
