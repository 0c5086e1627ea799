import Foundation
import Testing

@testable import Agent
@testable import Gateway
@testable import Store
@testable import Wire

// Events are kept for a while, and no message of a client runs twice: what is told when a client comes back late.

@Suite struct ResumeTests {
    private static let day: Double = 24 * 3600

    /// Says something and has the answer.
    private static func talk(
        _ socket: TestWebSocket, _ agent: ScriptedAgent, _ text: String, answer: String = "re"
    ) async throws -> [ServerMessage] {
        try await socket.say(text, id: text)
        try await agent.nextRun().answer(answer)
        return try await socket.messages { $0.isTurnEnd && $0.messageID == text }
    }

    @Test func longAnswersAreReplayedWithoutAGap() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let device = gateway.device()
            let socket = try await running.webSocket(device)
            let long = String(repeating: "x", count: 400_000)
            var told: [Int?] = []
            for number in 1...6 {
                told += try await Self.talk(socket, gateway.agent, "\(number)", answer: long).map(\.sequence)
            }
            let back = try await running.webSocket(device)
            try await back.send(.sessionOpen(.init(sessionID: "s", afterSequence: 0)))
            let again = try await back.messages { $0.isTurnEnd && $0.messageID == "6" }
            #expect(again.map(\.sequence) == told)
            #expect(again.compactMap(\.responseText).map(\.count) == Array(repeating: long.count, count: 6))
        }
    }

    @Test func insteadOfForgottenEventsTheTranscriptIsToldAndThenWhatFollowsIt() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let device = gateway.device()
            let socket = try await running.webSocket(device)
            let old = try await Self.talk(socket, gateway.agent, "old", answer: "re: old")
            gateway.clock.advance(by: Self.day + 1)
            await gateway.server.sessions.forget()
            let back = try await running.webSocket(device)
            try await back.send(.sessionOpen(.init(sessionID: "s", afterSequence: 1)))
            let state = try await back.message()
            let last = try #require(old.last?.sequence)
            #expect(state.sequence == last)
            let messages = [("user", "old"), ("assistant", "re: old")].map {
                ServerMessage.SessionState.Message(role: $0.0, text: $0.1)
            }
            #expect(
                state.body
                    == .sessionState(.init(messages: messages, truncated: false, reason: .eventsForgotten)))
            // Whoever has seen everything is told nothing, and both go on.
            let current = try await running.webSocket(device)
            try await current.send(.sessionOpen(.init(sessionID: "s", afterSequence: last)))
            try await current.say("new", id: "new")
            let next = [try await back.message(), try await current.message()]
            #expect(next.map(\.position) == [0, 0])
            #expect(next.map(\.sequence) == [last + 1, last + 1])
            // The message is known for longer than its events.
            try await back.say("old", id: "old")
            let told = try await back.messages { $0.isTurnEnd }
            #expect(told.map(\.body.name) == ["queued", "response", "turn_complete"])
            #expect(told.compactMap(\.responseText) == ["re: old"])
        }
    }

    @Test func theStateStandsForWhatEndedAndTheEventsOfOpenTurnsFollow() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let (device, other) = (gateway.device(), gateway.device())
            let early = try await Self.talk(try await running.webSocket(device), gateway.agent, "early")
            gateway.clock.advance(by: Self.day + 1)
            await gateway.server.sessions.forget()
            let socket = try await running.webSocket(device)
            let second = try await running.webSocket(other)
            // A turn that runs on while another device's begins and ends in the same session.
            try await socket.say("long", id: "long")
            let long = try await gateway.agent.nextRun()
            long.delta("part")
            _ = try await socket.messages { $0.text == "part" }
            let short = try await Self.talk(second, gateway.agent, "short")
            _ = try await socket.messages { $0.isTurnEnd && $0.messageID == "short" }
            let back = try await running.webSocket(device)
            try await back.send(.sessionOpen(.init(sessionID: "s", afterSequence: 0)))
            var seen = try await back.messages { $0.isTurnEnd }
            guard case .sessionState(let state) = seen.removeFirst().body else { throw Timeout(what: "the state") }
            #expect(state.messages.map(\.text) == ["early", "re"], "what is told by events is not in the state")
            long.answer("done")
            seen += try await back.messages { $0.isTurnEnd }
            let first = try #require(early.last?.sequence) + 1
            #expect(seen.map(\.sequence) == Array(first..<first + seen.count))
            #expect(seen.filter { $0.messageID == "short" } == short.filter { $0.messageID == "short" })
            #expect(seen.contains { $0.text == "part" })
        }
    }

    @Test func aNumberThatTheSessionHasNotReachedIsAnsweredByTheStateToo() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let device = gateway.device()
            let socket = try await running.webSocket(device)
            let last = try #require(try await Self.talk(socket, gateway.agent, "a").last?.sequence)
            let back = try await running.webSocket(device)
            try await back.send(.sessionOpen(.init(sessionID: "s", afterSequence: 1_000_000)))
            let state = try await back.message()
            guard case .sessionState(let content) = state.body else { throw Timeout(what: "the state") }
            #expect(content.reason == .numberUnknown)
            #expect(state.sequence == last)
            for number in [-1, Int.min, Int.max] {
                try await back.send(.sessionOpen(.init(sessionID: "s", afterSequence: number)))
                #expect(try await back.message().errorCode == .invalid, "\(number)")
            }
            try await socket.say("b", id: "b")
            #expect(try await back.message().sequence == last + 1)
        }
    }

    @Test func aClockThatIsPutBackForgetsNothingEarlyAndBreaksNoOrder() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let device = gateway.device()
            _ = try await Self.talk(try await running.webSocket(device), gateway.agent, "one")
            gateway.clock.advance(by: -3600)
            _ = try await Self.talk(try await running.webSocket(device), gateway.agent, "two")
            gateway.clock.advance(by: Self.day - 60)
            await gateway.server.sessions.forget()
            let back = try await running.webSocket(device)
            try await back.send(.sessionOpen(.init(sessionID: "s", afterSequence: 0)))
            let all = try await back.messages { $0.isTurnEnd && $0.messageID == "two" }
            #expect(all.map(\.sequence) == [1, 2, 3, 4, 5, 6])
            #expect(try await gateway.sessions.history(of: 1, limit: 9).map(\.text) == ["one", "re", "two", "re"])
            try await back.say("one", id: "one")
            #expect(try await back.messages { $0.isTurnEnd }.last?.messageID == "one")
            #expect(gateway.agent.runs.count == 2)
        }
    }

    @Test func theStateIsBounded() async throws {
        var limits = GatewayLimits.patient
        limits.stateLength = 1_000
        let gateway = try TestGateway(limits: limits)
        try await gateway.run { running in
            let device = gateway.device()
            let socket = try await running.webSocket(device)
            for (question, length) in [("a", 600), ("b", 900), ("c", 5_000)] {
                _ = try await Self.talk(
                    socket, gateway.agent, question, answer: String(repeating: "é", count: length / 2))
                let back = try await running.webSocket(device)
                try await back.send(.sessionOpen(.init(sessionID: "s", afterSequence: 1_000_000)))
                guard case .sessionState(let state) = try await back.message().body else {
                    throw Timeout(what: "the state")
                }
                #expect(state.messages.reduce(0) { $0 + $1.text.utf8.count } <= 1_000)
                #expect(state.truncated == (question != "a"))
                #expect(state.messages.last?.text.utf8.count == min(length, 1_000))
            }
        }
    }

    @Test func whereEachSessionIsALaneConversationsOfADeviceGoOnSideBySide() async throws {  // P-57
        var limits = GatewayLimits.patient
        limits.lanesPerDevice = 2
        let gateway = try TestGateway(limits: limits, lane: .session)
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            for (text, session) in [("a1", "a"), ("a2", "a"), ("b1", "b")] {
                try await socket.say(text, session: session, id: text)
            }
            let answers = [try await socket.message(), try await socket.message(), try await socket.message()]
            #expect(answers.map(\.position) == [0, 1, 0])
            let runs = [try await gateway.agent.nextRun(), try await gateway.agent.nextRun()]
            #expect(Set(runs.map(\.request.text)) == ["a1", "b1"])
            // An id is known in every session of the device.
            try await socket.say("a1", session: "b", id: "a1")
            #expect(try await socket.message().turnID == answers[0].turnID)
            try await socket.say("c1", session: "c", id: "c1")
            #expect(try await socket.message().errorCode == .queueFull)
            try await socket.send(.command(.init(name: "stop")))
            let told = try await socket.messages { if case .commandResult = $0.body { true } else { false } }
            #expect(told.last?.text == "Stopped current operation. cleared 1 queued message.")
        }
    }
}

extension ServerMessage.Body {
    var name: String {
        switch self {
        case .queued: "queued"
        case .response: "response"
        case .turnComplete: "turn_complete"
        case .delta: "delta"
        case .error: "error"
        case .sessionState: "session_state"
        case .audioEnd: "audio_end"
        case .status: "status"
        default: "other"
        }
    }
}
