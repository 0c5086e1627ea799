import Foundation
import Testing

@testable import Agent
@testable import Gateway
@testable import Store
@testable import Wire

@Suite struct DurabilityTests {
    /// The same network after a restart: another server over the same file, which knows the same device.
    private func successor(of gateway: TestGateway, _ device: TestDevice, _ agent: ScriptedAgent = ScriptedAgent())
        throws
        -> TestGateway
    {
        let next = try TestGateway(agent, databasePath: gateway.databasePath)
        next.membership.set(.active(role: .member), for: device.nodeID)
        return next
    }

    @Test func acceptedTurnsOfADeadServerAreAnsweredOnceAndInOrder() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let device = gateway.device()
            let socket = try await running.webSocket(device)
            for text in ["one", "two", "three"] { try await socket.say(text, id: text) }
            _ = try await socket.messages { $0.position == 2 }
            let dying = try await gateway.agent.nextRun()
            dying.journal(.toolCall(id: "c1", name: "search", arguments: "{}"))
            dying.status("Using search...")
            let seen = try await socket.messages { $0.text == "Using search..." }
            let lastSeen = try #require(seen.last?.sequence)

            // The first server is left as it is, in the middle of its turn, never told to stop.
            let next = try self.successor(of: gateway, device)
            try await next.run { running in
                let socket = try await running.webSocket(device)
                try await socket.send(.sessionOpen(.init(sessionID: "s", afterSequence: lastSeen)))
                for text in ["one", "two", "three"] {
                    let run = try await next.agent.nextRun()
                    #expect(run.request.text == text)
                    #expect(
                        run.earlierJournal
                            == (text == "one" ? [.toolCall(id: "c1", name: "search", arguments: "{}")] : []))
                    run.answer("re: \(text)")
                    let messages = try await socket.messages { $0.isTurnEnd }
                    #expect(messages.compactMap(\.responseText) == ["re: \(text)"])
                    // Numbers go on; none that the dead server may have used comes again.
                    #expect(messages.allSatisfy { ($0.sequence ?? 0) > SessionManager.sequenceBlock })
                }
                #expect(next.agent.runs.count == 3)
                #expect(try next.sessions.unfinishedTurns().isEmpty)
                // A client that never heard of the acceptance sends again, and gets the answer that there is.
                try await socket.say("two", id: "two")
                #expect(try await socket.messages { $0.isTurnEnd }.compactMap(\.responseText) == ["re: two"])
                #expect(next.agent.runs.count == 3)
            }
            // The dead server's late answer changes nothing.
            dying.answer("late")
            _ = try await dying.wasCancelled()
            let history = try await gateway.sessions.history(of: 1, limit: 100).map(\.text)
            #expect(history == ["one", "re: one", "two", "re: two", "three", "re: three"])
        }
    }

    @Test func aClientThatComesBackGetsEachEventOnceWhileTheTurnStreamsOn() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let device = gateway.device()
            let connection = try await running.connection(of: device.nodeID)
            let watching = try await running.webSocket(device, on: connection)
            try await watching.say("count", id: "m")
            let run = try await gateway.agent.nextRun()
            // Another socket of the device comes and goes while the turn streams, and asks for what it missed.
            var emitted = 0
            var received: [ServerMessage] = []
            for round in 0..<20 {
                for _ in 0..<20 { run.say(&emitted) }
                let socket = try await running.webSocket(device, on: connection)
                try await socket.send(.sessionOpen(.init(sessionID: "s", afterSequence: received.last?.sequence ?? 0)))
                for _ in 0..<20 { run.say(&emitted) }
                // It leaves at any point of replay or live stream; in the last round it stays to the end.
                let count = round < 19 ? Int.random(in: 10...35) : emitted + 1 - received.count
                for _ in 0..<count { received.append(try await socket.message()) }
                if round == 19 {
                    run.answer("done")
                    received += try await socket.messages { $0.isTurnEnd }
                }
                await socket.close()
            }
            #expect(received.compactMap(\.sequence) == Array(1...emitted + 3))
            let live = try await watching.messages { $0.isTurnEnd }
            #expect(live.map(\.frame) == received.map(\.frame))
        }
    }

    @Test func afterTheTurnReplayGivesWhatIsKeptAndGoesOnLive() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let device = gateway.device()
            let socket = try await running.webSocket(device)
            try await socket.say("a", id: "a")
            let run = try await gateway.agent.nextRun()
            for index in 0..<1_500 { run.delta("\(index)") }
            run.answer("long")
            let all = try await socket.messages { $0.isTurnEnd }
            #expect(all.map(\.sequence) == (1...1_503).map { $0 }, "numbers go on past a reserved block")
            let late = try await running.webSocket(device)
            try await late.send(.sessionOpen(.init(sessionID: "s", afterSequence: 0)))
            #expect(try await late.messages { $0.isTurnEnd }.map(\.sequence) == [1, 1_502, 1_503])
            try await socket.say("b", id: "b")
            #expect(try await late.message().sequence == 1_504)
            // Without `after_seq`: from now on.
            let live = try await running.webSocket(device)
            try await live.send(.sessionOpen(.init(sessionID: "s")))
            try await live.send(.ping)
            #expect(try await live.message().body == .pong)
            try await gateway.agent.nextRun().answer("b")
            #expect(try await live.messages { $0.isTurnEnd }.map(\.sequence) == [1_505, 1_506])
        }
    }

    @Test func turnsGoOnWhenEverybodyHasLeft() async throws {  // P-59
        let gateway = try TestGateway()
        try await gateway.run { running in
            let device = gateway.device()
            let socket = try await running.webSocket(device)
            try await socket.say("hello", id: "m")
            let run = try await gateway.agent.nextRun()
            run.delta("part")
            _ = try await socket.messages { $0.text == "part" }
            await socket.close()
            run.answer("whole")
            #expect(try await run.wasCancelled() == false)
            let back = try await running.webSocket(device)
            try await back.send(.sessionOpen(.init(sessionID: "s", afterSequence: 2)))
            #expect(try await back.messages { $0.isTurnEnd }.compactMap(\.responseText) == ["whole"])
        }
    }

    @Test func aServerThatIsTornDownWithoutOrderLeavesItsTurnToTheNext() async throws {
        let gateway = try TestGateway()
        let device = gateway.device()
        try await gateway.run { running in
            let socket = try await running.webSocket(device)
            try await socket.say("one", id: "one")
            try await gateway.agent.nextRun().delta("part")
            _ = try await socket.messages { $0.text == "part" }
        }
        #expect(try await gateway.agent.runs[0].wasCancelled())
        let next = try successor(of: gateway, device, ScriptedAgent(.immediate { "re: \($0.text)" }))
        try await next.run { running in
            let socket = try await running.webSocket(device)
            try await socket.send(.sessionOpen(.init(sessionID: "s", afterSequence: 2)))
            #expect(try await socket.messages { $0.isTurnEnd }.compactMap(\.responseText) == ["re: one"])
        }
    }

    @Test func aClientThatLeavesRightAfterStopDropsItsQueueAllTheSame() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let device = gateway.device()
            let socket = try await running.webSocket(device)
            for index in 0...10 { try await socket.say("\(index)", id: "\(index)") }
            _ = try await socket.messages { $0.position == 10 }
            let run = try await gateway.agent.nextRun()
            try await socket.send(.command(.init(name: "stop")))
            await socket.close()
            #expect(try await run.wasCancelled())
            // Whoever comes next finds the lane empty, and the database agrees.
            let back = try await running.webSocket(device)
            try await back.send(.sessionOpen(.init(sessionID: "s", afterSequence: 0)))
            try await back.say("next", id: "next")
            let next = try await gateway.agent.nextRun()
            #expect(next.request.text == "next")
            next.answer("")
            var ends: [String?] = []
            while ends.count < 12 { ends.append(try await back.messages { $0.isTurnEnd }.last?.messageID) }
            #expect(Set(ends) == Set((0...10).map { "\($0)" } + ["next"]))
            #expect(try gateway.sessions.unfinishedTurns().isEmpty)
        }
    }

    @Test func shutdownMarksWhatRunsKeepsWhatWaitsAndTellsTheSockets() async throws {
        let gateway = try TestGateway()
        let device = gateway.device()
        try await gateway.run { running in
            let socket = try await running.webSocket(device)
            try await socket.say("one", id: "one")
            try await socket.say("two", id: "two")
            let run = try await gateway.agent.nextRun()
            run.delta("part")
            _ = try await socket.messages { $0.text == "part" }
            async let down: Void = gateway.server.shutdown(grace: .milliseconds(300))
            var refused = false
            while !refused {
                try await socket.say("three", id: UUID().uuidString)
                let answer = try await socket.message()
                refused = answer.errorCode == .shuttingDown
                if answer.responseText != nil { break }
            }
            #expect(refused)
            let messages = try await socket.messages { $0.isTurnEnd }
            #expect(messages.compactMap(\.responseText) == ["part"])
            #expect(messages.last?.endReason == .cancelled)
            #expect(try await socket.next() == .close(code: 1012, reason: "the server is restarting; come back in 2 s"))
            await down
        }
        let next = try successor(of: gateway, device)
        try await next.run { running in
            let run = try await next.agent.nextRun()
            #expect(run.request.text == "two")
            #expect(run.request.history.last == ChatMessage(role: .assistant, text: "part", interrupted: true))
            run.answer("")
            #expect(try await run.wasCancelled() == false)
            #expect(next.agent.runs.count { $0.request.text == "one" } == 0)
        }
    }

    @Test func shutdownLetsARunningTurnEndWithinItsGrace() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            try await socket.say("one")
            let run = try await gateway.agent.nextRun()
            async let down: Void = gateway.server.shutdown(grace: .seconds(10))
            run.answer("in time")
            let messages = try await socket.messages { $0.isTurnEnd }
            #expect(messages.compactMap(\.responseText) == ["in time"])
            #expect(messages.last?.endReason == .completed)
            await down
        }
    }
}

extension ScriptedRun {
    /// Some event, now and then one that is kept on disk.
    fileprivate func say(_ count: inout Int) {
        count += 1
        if count.isMultiple(of: 7) { status("\(count)") } else { delta("\(count) ") }
    }
}
