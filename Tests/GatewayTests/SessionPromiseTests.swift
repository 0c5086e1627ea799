import Foundation
import Testing

@testable import Agent
@testable import Gateway
@testable import Store
@testable import Wire

// Promises of sessions over real sockets that need more than one look: how fast a stop is, and what a restart and a second
// user must not change.

@Suite struct SessionPromiseTests {
    @Test("P-58: an interruption cancels the run within 200 ms, keeps its text and marks it; the next turn starts")
    func anInterruptionIsPrompt() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            var fastest = Duration.seconds(60)
            for round in 0..<5 {
                try await socket.say("slow \(round)", id: "slow \(round)")
                try await socket.say("next \(round)", id: "next \(round)")
                let slow = try await gateway.agent.nextRun()
                slow.delta("half of \(round)")
                _ = try await socket.messages { $0.text == "half of \(round)" }
                let start = ContinuousClock.now
                try await socket.send(.interrupt(sessionID: "s"))
                #expect(try await slow.wasCancelled())
                fastest = min(fastest, ContinuousClock.now - start)
                let told = try await socket.messages { $0.isTurnEnd }
                #expect(told.compactMap(\.responseText) == ["half of \(round)"])
                #expect(told.last?.endReason == .cancelled)
                let next = try await gateway.agent.nextRun()
                #expect(
                    next.request.history.last == .init(role: .assistant, text: "half of \(round)", interrupted: true))
                next.answer("")
                _ = try await socket.messages { $0.isTurnEnd }
            }
            // Other programs of a busy machine may hold up one of them, not all.
            #expect(fastest < .milliseconds(200))
        }
    }

    @Test(
        "P-11: what was said in one session is in no other, nor in another user's of the same name, also after a restart"
    )
    func sessionsStayApartAfterARestart() async throws {
        let echo = ScriptedAgent.Mode.immediate { "\($0.text) after \($0.history.map(\.text))" }
        let gateway = try TestGateway(ScriptedAgent(echo))
        let (ana, bob) = (gateway.device("ana"), gateway.device("bob"))
        try await gateway.run { running in
            let socket = try await running.webSocket(ana)
            try await socket.say("canary-of-ana", session: "a", id: "1")
            _ = try await socket.messages { $0.isTurnEnd }
            let other = try await running.webSocket(bob)
            try await other.say("canary-of-bob", session: "a", id: "1")
            #expect(try await other.messages { $0.isTurnEnd }.allSatisfy { !$0.frame.contains("canary-of-ana") })
        }
        let after = try TestGateway(ScriptedAgent(echo), databasePath: gateway.databasePath)
        for device in [ana, bob] { after.membership.set(.active(role: .member), for: device.nodeID) }
        try await after.run { running in
            for (device, own, foreign) in [
                (ana, "canary-of-ana", "canary-of-bob"), (bob, "canary-of-bob", "canary-of-ana"),
            ] {
                let socket = try await running.webSocket(device)
                for session in ["a", "b"] {
                    // Everything that there is of the session, and what its next turn is given.
                    try await socket.send(.sessionOpen(.init(sessionID: session, afterSequence: 0)))
                    try await socket.say("what was said?", session: session, id: session)
                    let told = try await socket.messages { $0.isTurnEnd && $0.messageID == session }.map(\.frame)
                    #expect(!told.contains { $0.contains(foreign) }, "\(told)")
                    #expect(told.contains { $0.contains(own) } == (session == "a"), "\(told)")
                }
            }
        }
    }
}

@Suite struct RepeatedMessageTests {
    /// An event of another turn is still being written when the message that has just been answered is sent again.
    @Test func aRepeatedMessageIsNotToldItsEndBeforeWhatCameEarlier() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let key = SessionKey(handle: "ana", sessionID: "s")
            let socket = try await running.webSocket(gateway.device("ana"))
            try await socket.say("hello", id: "m")
            let run = try await gateway.agent.nextRun()
            let number = try #require(await gateway.server.sessions.reserveEvent(of: key))
            run.answer("hi")
            #expect(try await run.wasCancelled() == false)
            let row = try await gateway.sessions.open(handle: "ana", sessionID: "s", reserving: 0, now: 0).id
            while try await gateway.sessions.history(of: row, limit: 2).isEmpty { await Task.yield() }
            try await socket.say("hello", id: "m")
            let told = try await socket.messages { if case .queued = $0.body { $0.sequence == nil } else { false } }
            #expect(told.allSatisfy { $0.sequence ?? 0 < number }, "\(told.map(\.frame))")
            await gateway.server.sessions.fillEvent(number, of: key)
            let rest = try await socket.messages { $0.isTurnEnd }
            #expect(rest.map(\.sequence) == [Int(number), Int(number) + 1, Int(number) + 2])
        }
    }
}

extension SessionManager {
    /// Takes a number for an event that is not there yet.
    fileprivate func reserveEvent(of key: SessionKey) -> Int64? { sessions[key]?.log.reserve() }

    fileprivate func fillEvent(_ number: Int64, of key: SessionKey) {
        let message = ServerMessage(.status("late"), sessionID: key.sessionID, sequence: Int(number))
        sessions[key]?.fill(.init(sequence: number, turnID: "other", frame: message.frame))
    }
}
