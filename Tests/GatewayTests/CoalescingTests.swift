import Foundation
import Testing

@testable import Agent
@testable import Gateway
@testable import Store
@testable import Wire

// Messages that are typed in quick succession become one turn, where a client asked for it, and nobody waits for ever.

@Suite struct CoalescingTests {
    /// A gateway whose one device has a session that gathers.
    private func withSession(
        window: Int, _ gateway: TestGateway, of device: TestDevice? = nil,
        _ body: @escaping @Sendable (TestWebSocket, TestGateway.Running, TestDevice) async throws -> Void
    ) async throws {
        try await gateway.run { running in
            let device = device ?? gateway.device()
            let socket = try await running.webSocket(device)
            try await socket.send(.sessionOpen(.init(sessionID: "s", coalesceWindow: window)))
            try await body(socket, running, device)
        }
    }

    @Test func messagesWithinTheWindowBecomeOneTurnThatAnswersThemAll() async throws {
        let files = try TestFiles()
        let gateway = try TestGateway(files: files)
        let file = try await files.keep("f", of: "ana", in: gateway.database)
        try await withSession(window: 300, gateway) { socket, running, device in
            let start = ContinuousClock.now
            try await socket.say("one", id: "1")
            try await socket.send(.textFinal(.init(sessionID: "s", text: "two", messageID: "2", attachments: [file])))
            try await socket.say("three", id: "3")
            let queued = [try await socket.message(), try await socket.message(), try await socket.message()]
            #expect(queued.map(\.messageID) == ["1", "2", "3"])
            #expect(queued.map(\.position) == [0, 0, 0])
            #expect(Set(queued.map(\.turnID)).count == 1)
            #expect(queued.map(\.messageIDs) == [[], ["1", "2"], ["1", "2", "3"]])
            let run = try await gateway.agent.nextRun()
            #expect(ContinuousClock.now - start >= .milliseconds(300))
            #expect(run.request.text == "one\n\ntwo\n\nthree")
            #expect(run.request.attachments.map(\.path) == [file.path])
            // Each of them is known, and none runs twice.
            try await socket.say("two", id: "2")
            #expect(try await socket.message().turnID == queued[0].turnID)
            run.answer("all")
            let end = try await socket.messages { $0.isTurnEnd }
            #expect(end.map(\.messageIDs) == [["1", "2", "3"], ["1", "2", "3"]])
            #expect(end.map(\.messageID) == ["3", "3"])
            try await socket.say("one", id: "1")
            #expect(try await socket.messages { $0.isTurnEnd }.compactMap(\.responseText) == ["all"])
            #expect(gateway.agent.runs.count == 1)
        }
    }

    @Test func whatWaitsBehindAnotherSessionGathersUntilItStarts() async throws {
        let gateway = try TestGateway()
        try await withSession(window: 1, gateway) { socket, running, device in
            try await socket.say("busy", session: "other", id: "0")
            let busy = try await gateway.agent.nextRun()
            for text in ["one", "two"] {
                try await socket.say(text, id: text)
                #expect(try await socket.messages { $0.messageID == text }.last?.position == 1)
            }
            busy.answer("")
            #expect(try await gateway.agent.nextRun().request.text == "one\n\ntwo")
        }
    }

    @Test func aTurnThatWasOnlyGatheringRunsAfterACrash() async throws {
        let gateway = try TestGateway()
        try await withSession(window: 60_000, gateway) { socket, running, device in
            try await socket.say("one", id: "1")
            try await socket.say("two", id: "2")
            _ = try await socket.messages { $0.messageID == "2" }
            #expect(gateway.agent.runs.isEmpty)
            let next = try TestGateway(databasePath: gateway.databasePath)
            next.membership.set(.active(role: .member), for: device.nodeID)
            try await next.run { running in
                let socket = try await running.webSocket(device)
                let run = try await next.agent.nextRun()
                #expect(run.request.text == "one\n\ntwo")
                run.answer("both")
                #expect(try await run.wasCancelled() == false)
                try await socket.say("one", id: "1")
                let told = try await socket.messages { $0.isTurnEnd }
                #expect(told.compactMap(\.responseText) == ["both"])
                #expect(told.last?.messageIDs == ["1", "2"])
            }
        }
    }

    @Test func aMessageDuringASilentAnswerIsAskedTogetherWithTheFirst() async throws {
        let gateway = try TestGateway()
        try await withSession(window: 1, gateway) { socket, running, device in
            try await socket.say("one", id: "1")
            let first = try await gateway.agent.nextRun()
            try await socket.say("two", id: "2")
            #expect(try await first.wasCancelled())
            let second = try await gateway.agent.nextRun()
            #expect(second.request.text == "one\n\ntwo")
            #expect(second.request.history == [])
            second.answer("both")
            let told = try await socket.messages { $0.isTurnEnd }
            #expect(told.map(\.body.name) == ["queued", "queued", "response", "turn_complete"])
            #expect(told.last?.messageIDs == ["1", "2"])
            try await socket.say("one", id: "1")
            #expect(try await socket.messages { $0.isTurnEnd }.compactMap(\.responseText) == ["both"])
            #expect(try gateway.sessions.unfinishedTurns().isEmpty)
        }
    }

    @Test func aMessageDuringAnAnswerTakesItsPlaceAndThePartialTextIsKept() async throws {
        let gateway = try TestGateway()
        try await withSession(window: 1, gateway) { socket, running, device in
            try await socket.say("one", id: "1")
            let first = try await gateway.agent.nextRun()
            first.delta("half")
            _ = try await socket.messages { $0.text == "half" }
            try await socket.say("two", id: "2")
            let second = try await gateway.agent.nextRun()
            #expect(second.request.text == "two")
            #expect(
                second.request.history == [
                    ChatMessage(role: .user, text: "one"),
                    ChatMessage(role: .assistant, text: "half", interrupted: true),
                ])
            second.answer("done")
            let told = try await socket.messages { $0.isTurnEnd }
            #expect(told.map(\.body.name) == ["queued", "response", "turn_complete"], "one continuous turn")
            #expect(told.map(\.messageIDs) == [[], ["1", "2"], ["1", "2"]])
        }
    }

    @Test func aToolThatRanIsNotRunAgainByAskingAgain() async throws {
        let gateway = try TestGateway()
        try await withSession(window: 1, gateway) { socket, running, device in
            try await socket.say("one", id: "1")
            let first = try await gateway.agent.nextRun()
            first.journal(.toolCall(id: "c", name: "append", arguments: "{}"))
            while try await gateway.sessions.journal(of: first.request.turnID).isEmpty { await Task.yield() }
            try await socket.say("two", id: "2")
            #expect(try await gateway.agent.nextRun().request.text == "two")
        }
    }

    @Test func speechDoesNotWaitAndTakesAlongWhatWasTyped() async throws {
        let gateway = try TestGateway()
        try await withSession(window: 60_000, gateway) { socket, running, device in
            try await socket.say("typed", id: "1")
            try await socket.send(.textFinal(.init(sessionID: "s", text: "spoken", messageID: "2", source: .speech)))
            let run = try await gateway.agent.nextRun()
            #expect(run.request.text == "typed\n\nspoken")
            #expect(try gateway.sessions.unfinishedTurns().map(\.source) == ["stt"])
            try await socket.send(.textFinal(.init(sessionID: "s", text: "more", messageID: "3", source: .system)))
            #expect(try await run.wasCancelled())
            #expect(try await gateway.agent.nextRun().request.text == "typed\n\nspoken\n\nmore")
        }
    }

    @Test func interruptDropsWhatIsGatheredAndTellsWhoWaits() async throws {
        let gateway = try TestGateway()
        try await withSession(window: 60_000, gateway) { socket, running, device in
            for (text, id) in [("one", "1"), ("two", "2")] { try await socket.say(text, id: id) }
            try await socket.send(text: #"{"type":"interrupt","session_id":"s","reason":"user_text"}"#)
            let told = try await socket.messages { $0.isTurnEnd }
            #expect(told.last?.messageIDs == ["1", "2"])
            #expect(told.last?.endReason == .cancelled)
            #expect(gateway.agent.runs.isEmpty)
            // The answer that was to be replaced by dropped text ends as any other.
            try await socket.send(.sessionOpen(.init(sessionID: "s", coalesceWindow: 1)))
            try await socket.say("three", id: "3")
            let run = try await gateway.agent.nextRun()
            try await socket.send(.sessionOpen(.init(sessionID: "s", coalesceWindow: 60_000)))
            run.delta("part")
            _ = try await socket.messages { $0.text == "part" }
            try await socket.say("four", id: "4")
            try await socket.send(.interrupt(sessionID: "s"))
            var ends: Set<String> = []
            while ends.count < 2 {
                let end = try await socket.messages { $0.isTurnEnd }
                ends.formUnion(end.last.map { $0.messageIDs.isEmpty ? [$0.messageID ?? ""] : $0.messageIDs } ?? [])
            }
            #expect(ends == ["3", "4"])
            #expect(try gateway.sessions.unfinishedTurns().isEmpty)
        }
    }

    /// The process died when the new message was on disk and the answer that it replaces was not stopped yet.
    @Test func afterACrashBeforeTheOtherTookItsPlaceBothAreAnswered() async throws {
        let dead = try TestGateway()
        let device = dead.device()
        let before = dead.sessions
        let session = try await before.open(handle: "ana", sessionID: "s", reserving: 100, now: 1)
        for (index, id) in ["one", "two"].enumerated() {
            let turn = TurnRecord(
                id: id, ordinal: Int64(index + 1), lane: device.nodeID.hex, session: session.id, handle: "ana",
                sessionID: "s", messageID: id, text: id, acceptedAt: dead.clock.now)
            #expect(try await before.accept(turn, announcing: nil, recognisingSince: 0) == .accepted)
        }
        try await before.start(turn: "one", now: 2)
        let gateway = try TestGateway(databasePath: dead.databasePath)
        gateway.membership.set(.active(role: .member), for: device.nodeID)
        try await withSession(window: 1, gateway, of: device) { socket, running, device in
            for id in ["one", "two"] {
                let run = try await gateway.agent.nextRun()
                #expect(run.request.text == id)
                run.answer("re: \(id)")
                #expect(try await run.wasCancelled() == false)
            }
            for id in ["one", "two"] {
                try await socket.say(id, id: id)
                let told = try await socket.messages { $0.isTurnEnd && $0.messageID == id }
                #expect(told.contains { $0.responseText == "re: \(id)" })
            }
            #expect(gateway.agent.runs.count == 2)
        }
    }

    @Test func withoutTheOptionEachMessageIsATurnAndNoneIsCutShort() async throws {
        let gateway = try TestGateway()
        try await withSession(window: 0, gateway) { socket, running, device in
            for text in ["one", "two"] { try await socket.say(text, id: text) }
            let first = try await gateway.agent.nextRun()
            #expect(first.request.text == "one")
            first.answer("")
            #expect(try await gateway.agent.nextRun().request.text == "two")
        }
    }

    @Test func whatIsTooMuchForOneTurnBecomesTwo() async throws {
        var limits = GatewayLimits.patient
        limits.messageLength = 1_000
        let gateway = try TestGateway(limits: limits)
        try await withSession(window: 60_000, gateway) { socket, running, device in
            try await socket.say(String(repeating: "a", count: 500), id: "1")
            try await socket.say(String(repeating: "b", count: 499), id: "2")
            let run = try await gateway.agent.nextRun()
            #expect(run.request.text.hasPrefix("a") && !run.request.text.contains("b"))
        }
    }

    @Test func messagesOfManySocketsAtOnceAreEachAnsweredOnce() async throws {
        let gateway = try TestGateway(ScriptedAgent(.immediate { $0.text }))
        try await withSession(window: 5, gateway) { socket, running, device in
            let ids = try await withThrowingTaskGroup(of: Void.self) { group in
                for client in 0..<4 {
                    group.addTask {
                        let socket = try await running.webSocket(device)
                        for index in 0..<25 { try await socket.say("\(client)-\(index)", id: "\(client)-\(index)") }
                        // The last one is on disk: so are those before it.
                        _ = try await socket.messages { $0.messageID == "\(client)-24" }
                    }
                }
                try await group.waitForAll()
                return Set((0..<4).flatMap { client in (0..<25).map { "\(client)-\($0)" } })
            }
            var ended: [String] = []
            while ended.count < 100 {
                guard let end = try await socket.messages(through: { $0.isTurnEnd }).last else { break }
                ended += end.messageIDs.isEmpty ? [end.messageID].compactMap { $0 } : end.messageIDs
            }
            #expect(ended.count == 100)
            #expect(Set(ended) == ids)
            let asked = try await gateway.sessions.history(of: 1, limit: 1_000).filter { $0.role == "user" }
                .flatMap { $0.text.components(separatedBy: "\n\n") }
            #expect(asked.count == 100)
            #expect(Set(asked) == ids)
            for client in 0..<4 {
                let own = asked.filter { $0.hasPrefix("\(client)-") }
                #expect(own == (0..<25).map { "\(client)-\($0)" }, "in the order in which each socket sent them")
            }
        }
    }
}

@Suite struct GatheringTests {
    @Test func aWindowIsExtendedUpToItsBound() {
        let start = ContinuousClock.now
        var window = GatheringWindow(.milliseconds(500), at: start)
        #expect(window.end == start + .milliseconds(500))
        window.extend(.milliseconds(500), at: start + .milliseconds(400))
        #expect(window.end == start + .milliseconds(900))
        for step in 1...100 { window.extend(.milliseconds(500), at: start + .milliseconds(400 * step)) }
        #expect(window.end == start + .seconds(5))
        #expect(GatheringWindow(.seconds(60), at: start).end == start + .seconds(60))
        var long = GatheringWindow(.seconds(20), at: start)
        long.extend(.seconds(20), at: start + .seconds(55))
        #expect(long.end == start + .seconds(60))
    }

    @Test func aGatheringTurnKeepsItsPlaceAndHoldsUpThoseBehindIt() {
        func turn(_ id: String, _ text: String = "") -> Turn {
            Turn(
                TurnRecord(
                    id: id, ordinal: 0, lane: "lane", session: 1, handle: "ana", sessionID: id, messageID: nil,
                    text: text, acceptedAt: 0))
        }
        var lane = LaneQueue(limit: 20)
        for id in ["a", "b"] { _ = lane.reserve(id) }
        #expect(lane.lastUnstarted(of: turn("a").key) == nil)
        lane.commit(turn("a"), gathering: true)
        lane.commit(turn("b"))
        #expect(lane.startNext() == nil)
        #expect(lane.lastUnstarted(of: turn("a").key)?.id == "a")
        let isReplaced = lane.replace(turn("a", "more"))
        #expect(isReplaced)
        #expect(lane.startNext() == nil)
        #expect(lane.position(of: "b") == 1)
        lane.release("a")
        lane.hold("a")
        #expect(lane.startNext() == nil)
        lane.release("a")
        #expect(lane.startNext()?.record.text == "more")
        let isLate = lane.replace(turn("a", "late"))
        #expect(!isLate)
        lane.hold("b")
        lane.finish("a")
        #expect(lane.startNext() == nil)
        let dropped = lane.drop { _ in true }
        #expect(dropped.map(\.id) == ["b"])
        #expect(lane.isEmpty)
    }
}
