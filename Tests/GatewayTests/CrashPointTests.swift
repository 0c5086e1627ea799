import Foundation
import Testing

@testable import Agent
@testable import Gateway
@testable import Store
@testable import Wire

// A process can die between any two commits of the turn path. The database is brought to each of these points, and a new
// server takes it up.

@Suite struct CrashPointTests {
    enum Point: Int, CaseIterable {
        case opened, accepted, started, journaled, told, finished
    }

    @Test(arguments: Point.allCases)
    func whatWasAcceptedIsAnsweredOnceWhereverTheServerDied(_ point: Point) async throws {
        let gateway = try TestGateway(ScriptedAgent(.immediate { "answer to \($0.text)" }))
        let device = gateway.device()
        let before = gateway.sessions
        func reached(_ other: Point) -> Bool { point.rawValue >= other.rawValue }

        let session = try await before.open(handle: "ana", sessionID: "s", reserving: 100, now: 1)
        let turn = TurnRecord(
            id: "t1", ordinal: 1, lane: device.nodeID.hex, session: session.id, handle: "ana", sessionID: "s",
            messageID: "m1", text: "hello", acceptedAt: gateway.clock.now)
        func event(_ sequence: Int64, _ body: ServerMessage.Body) -> SessionEventRecord {
            let message = ServerMessage(body, sessionID: "s", sequence: Int(sequence), turnID: "t1", messageID: "m1")
            return SessionEventRecord(
                sequence: sequence, turnID: "t1", frame: message.frame, createdAt: gateway.clock.now)
        }
        if reached(.accepted) {
            _ = try await before.accept(turn, announcing: event(1, .queued(position: 0)), recognisingSince: 0)
        }
        if reached(.started) { try await before.start(turn: "t1", now: 2) }
        if reached(.journaled) {
            let journal = DurableJournal(turnID: "t1", repository: before)
            try await journal.append(.modelReply("half"))
        }
        if reached(.told) { try await before.append(event(2, .status("Thinking...")), to: session.id) }
        if reached(.finished) {
            let ending = TurnEnding(
                state: .completed, finishedAt: gateway.clock.now,
                events: [
                    event(3, .response(text: "answer to hello", model: "m")),
                    event(4, .turnComplete(.init(reason: .completed))),
                ],
                messages: [.init(role: "user", text: "hello"), .init(role: "assistant", text: "answer to hello")])
            #expect(try await before.finish(turn: "t1", of: session.id, as: ending))
        }

        let after = try TestGateway(
            ScriptedAgent(.immediate { "answer to \($0.text)" }), databasePath: gateway.databasePath)
        after.membership.set(.active(role: .member), for: device.nodeID)
        try await after.run { running in
            let socket = try await running.webSocket(device)
            try await socket.send(.sessionOpen(.init(sessionID: "s", afterSequence: 0)))
            // The client never heard whether its message arrived, and sends it again.
            try await socket.say("hello", id: "m1")
            try await socket.say("done?", id: "m2")
            let messages = try await socket.messages { $0.isTurnEnd && $0.messageID == "m2" }
            let first = messages.filter { $0.messageID == "m1" }
            let answers = Set(first.filter { $0.responseText != nil }.map(\.sequence))
            #expect(answers.count == 1, "one answer, however often it is told: \(first.map(\.frame))")
            #expect(first.compactMap(\.responseText).allSatisfy { $0 == "answer to hello" })
            let expectedRuns = point == .finished ? ["done?"] : ["hello", "done?"]
            #expect(after.agent.runs.map(\.request.text) == expectedRuns)
            let journal: [JournalEntry] = [.journaled, .told].contains(point) ? [.modelReply("half")] : []
            #expect(after.agent.runs.first?.earlierJournal == journal)
            let history = try await after.sessions.history(of: session.id, limit: 100).map(\.text)
            #expect(history == ["hello", "answer to hello", "done?", "answer to done?"])
        }
    }
}
