import Foundation
import Synchronization
import Testing

@testable import Agent
@testable import Gateway
@testable import Store
@testable import Wire

// What each command does and says, over real sockets and a real database.

@Suite struct CommandTests {
    @Test func theHelpListsEveryCommandOfTheOneListInItsOrderAndHidesReset() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            let help = try await socket.command("help")
            let names = help.split(separator: "\n").compactMap { $0.firstMatch(of: /^• \/([a-z]+) — ./)?.1 }
            #expect(
                names.map(String.init) == [
                    "new", "clear", "stop", "status", "queue", "usage", "model", "context", "compact", "restart",
                    "help",
                ])
            #expect(
                SessionCommand.allCases.filter(\.isInMenu).map(\.rawValue) == [
                    "new", "clear", "stop", "status", "usage", "restart", "help",
                ])
            // No name has another spelling, and every one has an answer of its own.
            for command in SessionCommand.allCases where !command.needsAdmin {
                #expect(try await !socket.command(command.rawValue).hasPrefix("Unknown command"))
                let shouted = command.rawValue.uppercased()
                #expect(try await socket.command(shouted) == "Unknown command: \(shouted)")
            }
        }
    }

    @Test func answersComeInTheOrderOfTheRequests() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            for name in ["status", "model", "queue", "context", "usage", "nothing", "stop"] {
                try await socket.send(.command(.init(name: name, sessionID: "s")))
            }
            var answers: [String] = []
            while answers.count < 7 { answers.append(try await socket.message().text ?? "") }
            let beginnings = ["Idle |", "• test", "Queue depth", "Messages: 0", "Usage: $", "Unknown", "Nothing"]
            for (answer, beginning) in zip(answers, beginnings) { #expect(answer.hasPrefix(beginning), "\(answers)") }
        }
    }

    @Test func aCommandWithAnIdThatIsTooLongIsAnsweredAndDoesNothing() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            for command in SessionCommand.allCases where !command.needsAdmin {
                let id = String(repeating: "x", count: 257)
                try await socket.send(.command(.init(name: command.rawValue, sessionID: id, argument: "other")))
                let answer = try await socket.message()
                #expect(answer.text == "The session's id is too long." && answer.sessionID == nil)
            }
            #expect(try await socket.command("status") == "Idle | Queue: 0 | Sessions: 0")
        }
    }

    @Test func longTextsOfOneDeviceWaitOnlyUpToABound() async throws {
        var limits = GatewayLimits.patient
        limits.waitingBytesPerDevice = 100_000
        let gateway = try TestGateway(limits: limits, lane: .session)
        try await gateway.run { running in
            let device = gateway.device()
            let socket = try await running.webSocket(device)
            let long = String(repeating: "x", count: 40_000)
            for number in 1...2 {
                // The first of each session runs, the second waits.
                for _ in 1...2 { try await socket.say(long, session: "\(number)") }
                _ = try await socket.messages { $0.position == 1 }
            }
            try await socket.say(long, session: "2", id: "m")
            #expect(try await socket.messages { $0.errorCode != nil }.last?.errorCode == .queueFull)
            try await socket.say("short", session: "2", id: "n")
            #expect(try await socket.message().position == 2)
            // Another device has its own.
            let other = try await running.webSocket(gateway.device("ana"))
            for _ in 1...2 { try await other.say(long, session: "3") }
            #expect(try await other.messages { $0.position != nil }.last?.position == 1)
        }
    }

    // MARK: Usage

    @Test func usageSumsTheCallersOwnAnswersOfTheMonthByUTC() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            // A minute before the end of a month.
            let month = SessionManager.month(of: gateway.clock.now)
            gateway.clock.advance(by: month.upperBound - gateway.clock.now - 60)
            let (ana, bob) = (gateway.device("ana"), gateway.device("bob"))
            let socket = try await running.webSocket(ana)
            for (model, cost) in [("test", 0.5), ("other", 0.25), ("test", 0.0001)] {
                let outcome = TurnOutcome(
                    text: "x", model: model, usage: TurnUsage(inputTokens: 10, outputTokens: 3, cost: cost))
                _ = try await gateway.turn("hello", on: socket, outcome)
            }
            let other = try await running.webSocket(bob)
            _ = try await gateway.turn(
                "hello", on: other, TurnOutcome(text: "x", model: "test", usage: TurnUsage(cost: 7)))
            #expect(
                try await socket.command("usage")
                    == "Usage: $0.7501 this month across 2 model(s). No budget is set.")
            #expect(
                try await other.command("usage") == "Usage: $7.0000 this month across 1 model(s). No budget is set.")
            gateway.clock.advance(by: 61)
            #expect(
                try await running.webSocket(ana).command("usage")
                    == "Usage: $0.0000 this month across 0 model(s). No budget is set.")
            let sum = try await gateway.sessions.usage(of: "ana", from: 0, before: .infinity)
            #expect((sum.turns, sum.inputTokens, sum.outputTokens) == (3, 30, 9))
        }
    }

    @Test func monthsBeginAtMidnightUTC() {
        // 2026-02-01 00:00:00 and 2026-03-01 00:00:00.
        let february = 1_769_904_000.0..<1_772_323_200.0
        #expect(SessionManager.month(of: february.lowerBound) == february)
        #expect(SessionManager.month(of: february.upperBound - 0.001) == february)
        #expect(SessionManager.month(of: february.lowerBound - 0.001).upperBound == february.lowerBound)
    }

    // MARK: Model

    @Test("P-60: a model that was chosen for a session answers in it after a restart, and nowhere else")
    func aChosenModelSurvivesARestart() async throws {
        let gateway = try TestGateway()
        let device = gateway.device()
        try await gateway.run { running in
            let socket = try await running.webSocket(device)
            #expect(
                try await socket.command("model").split(separator: "\n").prefix(2) == [
                    "• test — Test (default, active)", "• other — Other",
                ])
            #expect(
                try await socket.command("model", argument: "gpt-9")
                    == "Unknown model: gpt-9. Known are: test, other.")
            #expect(
                try await socket.command("model", argument: " other ")
                    == "This session is answered by other now.")
            #expect(try await socket.command("model").contains("• other — Other (active)"))
            try await socket.say("hello")
            let run = try await gateway.agent.nextRun()
            #expect(run.request.model == "other")
            run.answer("x")
            _ = try await socket.messages { $0.isTurnEnd }
            await gateway.server.shutdown(grace: .zero)
        }
        let next = try TestGateway(databasePath: gateway.databasePath)
        next.membership.set(.active(role: .member), for: device.nodeID)
        try await next.run { running in
            let socket = try await running.webSocket(device)
            try await socket.say("and now?")
            let run = try await next.agent.nextRun()
            #expect(run.request.model == "other" && run.request.history.count == 2)
            run.answer("x")
            _ = try await socket.messages { $0.isTurnEnd }
            try await socket.say("elsewhere", session: "t")
            #expect(try await next.agent.nextRun().request.model == nil)
            _ = try await socket.command("stop", session: "t")
            // Another user's session of the same name is another session.
            let bob = try await running.webSocket(next.device("bob"))
            try await bob.say("hello")
            #expect(try await next.agent.nextRun().request.model == nil)
            // Clearing the conversation does not change who answers in it; `default` does.
            _ = try await socket.command("new")
            #expect(try await socket.command("model").contains("• other — Other (active)"))
            #expect(
                try await socket.command("model", argument: "default")
                    == "This session is answered by the default model now.")
            try await socket.say("default?")
            #expect(try await next.agent.nextRun().request.model == nil)
        }
    }

    @Test("P-60: when the chosen model is gone, the default answers and the user is told")
    func aChosenModelThatIsGoneIsReplacedAndTold() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            _ = try await socket.command("model", argument: "other")
            gateway.agent.known.withLock { $0 = [$0[0]] }
            try await socket.say("hello", id: "m")
            let run = try await gateway.agent.nextRun()
            #expect(run.request.model == nil)
            run.answer("x")
            let messages = try await socket.messages { $0.isTurnEnd }
            #expect(messages.contains { $0.text == "The model other is not there any more; the default answers." })
            #expect(
                try await socket.command("model").contains("other was chosen and is not there any more."))
            #expect(try await socket.command("model", argument: "other").hasPrefix("Unknown model: other."))
        }
    }

    // MARK: Context

    @Test func compactingGivesTheAgentASummaryAndLeavesTheTranscript() async throws {
        let gateway = try TestGateway()
        let device = gateway.device()
        try await gateway.run { running in
            let socket = try await running.webSocket(device)
            #expect(try await socket.command("compact") == "There is too little to compact: 0 messages.")
            for text in ["one", "two"] { _ = try await gateway.turn(text, on: socket) }
            _ = try await socket.command("model", argument: "other")
            #expect(
                try await socket.command("compact")
                    == "Compacted 4 messages into a summary of about 9 tokens. The transcript stays as it is.")
            #expect(
                try await socket.command("compact")
                    == "There is too little to compact: 0 messages since the last time.")
            let run = try await gateway.turn("three", on: socket)
            let summary = ChatMessage(
                role: .system, text: "Summary of the conversation so far:\nother: one, re: one, two, re: two")
            #expect(run.request.history == [summary])
            let report = try await socket.command("context")
            #expect(report.contains("Messages: 2\n"), "\(report)")
            #expect(report.contains("an estimate") && report.contains("no fixed limit"), "\(report)")
            #expect(report.contains("Model: other\n"), "\(report)")
            #expect(
                report.hasSuffix("Folded: yes, a summary of about 9 tokens stands for 4 messages"), "\(report)")
            #expect(try await gateway.sessions.history(of: 1, limit: 100).count == 6)
            await gateway.server.shutdown(grace: .zero)
        }
        // The summary outlives the process, and a second one takes up the first.
        let next = try TestGateway(databasePath: gateway.databasePath)
        next.membership.set(.active(role: .member), for: device.nodeID)
        try await next.run { running in
            let socket = try await running.webSocket(device)
            let history = try await next.turn("four", on: socket).request.history
            #expect(history.map(\.role) == [.system, .user, .assistant])
            #expect(try await socket.command("compact").hasPrefix("Compacted 4 messages"))
            let summary = try #require(try await next.turn("five", on: socket).request.history.first)
            #expect(summary.text.contains("re: one") && summary.text.contains("re: four"), "\(summary)")
            _ = try await socket.command("clear")
            #expect(try await next.turn("six", on: socket).request.history.isEmpty)
        }
    }

    @Test func compactingWaitsForNoTurnAndIsRefusedWhileOneRunsOrWaits() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            for text in ["one", "two"] { _ = try await gateway.turn(text, on: socket) }
            try await socket.say("three", session: "other", id: "three")
            let run = try await gateway.agent.nextRun()
            try await socket.say("four", id: "four")
            _ = try await socket.messages { $0.position == 1 }
            let refusal = "A message of this session runs or waits. Stop it first, or wait."
            #expect(try await socket.command("compact") == refusal)
            run.answer("x")
            let next = try await gateway.agent.nextRun()
            #expect(try await socket.command("compact") == refusal)
            next.answer("x")
            _ = try await socket.messages { $0.isTurnEnd && $0.messageID == "four" }
            #expect(try await socket.command("compact").hasPrefix("Compacted 6 messages"))
        }
    }

    @Test func aCompactionThatTakesLongHoldsUpNothingButTheAnswersBehindIt() async throws {
        let gateway = try TestGateway()
        let (gate, opening) = AsyncStream.makeStream(of: Void.self)
        let (beginnings, begun) = AsyncStream.makeStream(of: Void.self)
        gateway.agent.summaryGate.withLock { $0 = (begun, gate) }
        try await gateway.run { running in
            let device = gateway.device()
            let socket = try await running.webSocket(device)
            for text in ["one", "two"] { try await gateway.turn(text, on: socket) }
            try await socket.send(.command(.init(name: "compact", sessionID: "s")))
            try await within(30, "the summary to begin") { for await _ in beginnings { return } }
            for name in ["compact", "queue"] {
                try await socket.send(.command(.init(name: name, sessionID: "s")))
            }
            try await socket.say("three")
            let run = try await gateway.agent.nextRun()
            #expect(run.request.history.count == 4, "what runs meanwhile is given everything")
            run.answer("re: three")
            let meanwhile = try await socket.messages { $0.isTurnEnd }
            #expect(!meanwhile.contains { if case .commandResult = $0.body { true } else { false } })
            #expect(try await running.webSocket(device).command("queue") == "Queue depth: 0")
            opening.yield()
            #expect(try await socket.message().text?.hasPrefix("Compacted 4 messages") == true)
            #expect(try await socket.message().text?.contains("is being compacted") == true)
            #expect(try await socket.message().text == "Queue depth: 0")
            let history = try await gateway.turn("four", on: socket).request.history
            #expect(history.map(\.role) == [.system, .user, .assistant])
            #expect(history.last?.text == "re: three")
        }
    }

    @Test func aSummaryOfAConversationThatWasClearedMeanwhileIsNotKept() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            for text in ["one", "two"] { _ = try await gateway.turn(text, on: socket) }
            let context = try #require(try await gateway.sessions.context(handle: "ana", sessionID: "s", limit: 100))
            _ = try await socket.command("clear")
            // Other messages take the numbers of those that were cleared.
            for text in ["three", "four"] { _ = try await gateway.turn(text, on: socket) }
            #expect(
                try await gateway.sessions.fold(context, into: "old", handle: "ana", sessionID: "s", now: 0) == false)
            let history = try await gateway.turn("five", on: socket).request.history
            #expect(history.map(\.text) == ["three", "re: three", "four", "re: four"])
        }
    }

    // MARK: Restart

    @Test func onlyAnAdminRestartsAndTheAnswerComesFirst() async throws {
        let (requests, request) = AsyncStream.makeStream(of: Void.self)
        let gateway = try TestGateway(requestRestart: { request.yield() })
        try await gateway.run { running in
            let member = try await running.webSocket(gateway.device("bob"))
            try await member.send(.command(.init(name: "restart")))
            #expect(try await member.message().errorCode == .forbidden)
            let admin = try await running.webSocket(gateway.device("ana", standing: .active(role: .admin)))
            #expect(try await admin.command("restart") == "Restarting...")
            try await within(30, "the request for a restart") { for await _ in requests { return } }
        }
        let nobody = try TestGateway()
        try await nobody.run { running in
            let admin = try await running.webSocket(nobody.device("ana", standing: .active(role: .admin)))
            #expect(try await admin.command("restart").contains("nothing to restart"))
        }
    }
}

extension TestGateway {
    /// One message and its answer.
    @discardableResult
    func turn(_ text: String, on socket: TestWebSocket, _ outcome: TurnOutcome? = nil) async throws -> ScriptedRun {
        try await socket.say(text)
        let run = try await agent.nextRun()
        run.answer(outcome ?? TurnOutcome(text: "re: \(text)", model: "test"))
        _ = try await socket.messages { $0.isTurnEnd }
        return run
    }
}

extension TestWebSocket {
    /// Gives a command and waits for its answer.
    func command(_ name: String, session: String? = "s", argument: String? = nil) async throws -> String {
        try await send(.command(.init(name: name, sessionID: session, argument: argument)))
        let messages = try await messages { if case .commandResult = $0.body { true } else { false } }
        return messages.last?.text ?? ""
    }
}
