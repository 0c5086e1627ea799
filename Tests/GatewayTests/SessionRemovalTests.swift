import Foundation
import Testing

@testable import Agent
@testable import Gateway
@testable import Store
@testable import Wire

// What becomes of a session that its owner removes: it is archived, what is under way ends, and the same id may be used again.

@Suite struct SessionRemovalTests {
    @Test("P-92: a removed session is archived first, its running turn ended; used again, its numbers go on")
    func removalArchives() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let device = gateway.device()
            let socket = try await running.webSocket(device)
            let http = try await running.stream(device)
            _ = try await gateway.turn("one", on: socket)
            for text in ["two", "three"] { try await socket.say(text, id: text) }
            let run = try await gateway.agent.nextRun()
            let last = try #require(try await socket.messages { $0.messageID == "three" }.last?.sequence)
            let removed = try await http.ask("DELETE", "/api/sessions/s").decode(RemovedSession.self)
            #expect(removed == RemovedSession(sessionID: "s", stopped: 1, dropped: 1, archived: true))
            #expect(try await run.wasCancelled())
            try await Self.ends(of: ["two", "three"], on: socket)
            let sessions = try await http.ask("GET", "/api/sessions").decode(SessionsBody.self).sessions
            #expect(sessions.isEmpty)
            for path in ["", "/messages", "/runs", "/events", "/context", "/model"] {
                let answer = try await http.ask("GET", "/api/sessions/s\(path)")
                #expect(answer.status == 404, "\(path): \(answer)")
            }
            #expect(try await http.ask("DELETE", "/api/sessions/s").status == 404)
            let archives = try await http.ask("GET", "/api/sessions/archives").decode(ArchivesBody.self).archives
            // The stopped turn is in the same archive, or, when its end was faster than the removal, in one of its own.
            #expect(archives.contains { $0.opening == "one" } && archives.allSatisfy { $0.sessionID == "s" })
            #expect(archives.reduce(0) { $0 + $1.messages } == 4)
            // Nothing of it is replayed, nothing of it is given to the agent; numbers go on for those who count.
            let next = try await gateway.turn("four", on: socket)
            #expect(next.request.history.isEmpty)
            let back = try await running.webSocket(device)
            try await back.send(.sessionOpen(.init(sessionID: "s", afterSequence: 0)))
            let state = try await back.message()
            guard case .sessionState(let content) = state.body else { throw Timeout(what: "the state") }
            #expect(content.messages.map(\.text) == ["four", "re: four"] && state.sequence ?? 0 > last)
            let session = try await http.ask("GET", "/api/sessions/s").decode(SessionBody.self)
            #expect(session.messages == 2)
        }
    }

    /// Waits for the ends of these messages, in any order.
    private static func ends(of ids: Set<String>, on socket: TestWebSocket) async throws {
        var left = ids
        while !left.isEmpty {
            let message = try await socket.message()
            if message.isTurnEnd, let id = message.messageID {
                #expect(message.endReason == .cancelled)
                left.remove(id)
            }
        }
    }

    @Test("a session that was removed counts again as soon as it is used again, also for a socket that watches it")
    func usedAgainItCounts() async throws {
        var limits = GatewayLimits.patient
        limits.sessionsPerUser = 2
        let gateway = try TestGateway(ScriptedAgent(.immediate { _ in "answer" }), limits: limits)
        try await gateway.run { running in
            let device = gateway.device()
            let socket = try await running.webSocket(device)
            let http = try await running.stream(device)
            for id in ["a", "b"] {
                try await socket.say("hello", session: id)
                _ = try await socket.messages { $0.isTurnEnd }
            }
            #expect(try await http.ask("DELETE", "/api/sessions/a").status == 200)
            try await socket.say("hello", session: "c")
            _ = try await socket.messages { $0.isTurnEnd }
            try await socket.say("hello", session: "a", id: "m")
            #expect(try await socket.message().errorCode == .conflict)
            #expect(try await gateway.sessions.sessionCount(of: "ana") == 2)
            #expect(gateway.agent.runs.count == 3)
            // Its lane goes on, and the message is taken once there is room.
            #expect(try await http.ask("DELETE", "/api/sessions/b").status == 200)
            try await socket.say("hello", session: "a", id: "m")
            #expect(try await socket.messages { $0.isTurnEnd }.compactMap(\.responseText) == ["answer"])
        }
    }

    @Test("a session with a turn that came while it was being removed stays, with what it says")
    func aTurnThatCameMeanwhileKeepsIt() async throws {
        let (repository, turns, _) = try await Self.unfinished()
        _ = try await repository.forgetHistory(
            handle: "ana", sessionID: "s", removing: true, ended: [turns[0].id], now: 3)
        #expect(try await repository.overview(of: "ana", sessionID: "s") != nil)
        _ = try await repository.forgetHistory(
            handle: "ana", sessionID: "s", removing: true, ended: turns.map(\.id), now: 4)
        #expect(try await repository.overview(of: "ana", sessionID: "s") == nil)
    }

    @Test("a turn that was stopped by the removal of its session does not run again after a crash, and is over")
    func stoppedTurnsStayStopped() async throws {
        let (repository, turns, path) = try await Self.unfinished()
        _ = try await repository.forgetHistory(
            handle: "ana", sessionID: "s", removing: true, ended: turns.map(\.id), now: 3)
        let gateway = try TestGateway(databasePath: path)
        try await gateway.run { running in
            try await within(30, "the turns to be over") {
                while try !gateway.sessions.unfinishedTurns().isEmpty { await Task.yield() }
            }
            #expect(gateway.agent.runs.isEmpty)
            let http = try await running.stream(gateway.device())
            #expect(try await http.ask("GET", "/api/sessions/s").status == 404)
        }
    }

    /// A session with a turn that ran and one that waited when the process died.
    private static func unfinished() async throws -> (SessionRepository, [TurnRecord], path: String) {
        let path = FileManager.default.temporaryDirectory.path + "/removed-\(UUID().uuidString).db"
        let repository = SessionRepository(try Store.Database(path: path))
        let session = try await repository.open(handle: "ana", sessionID: "s", reserving: 100, now: 1)
        let turns = (1...2).map { number in
            TurnRecord(
                id: "t\(number)", ordinal: Int64(number), lane: "lane", session: session.id, handle: "ana",
                sessionID: "s", messageID: "m\(number)", text: "x", acceptedAt: 2)
        }
        for turn in turns { _ = try await repository.accept(turn, announcing: nil, recognisingSince: 0) }
        try await repository.start(turn: "t1", now: 2)
        return (repository, turns, path)
    }
}
