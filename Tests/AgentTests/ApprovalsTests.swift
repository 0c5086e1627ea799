import Foundation
import JSON
import Testing

@testable import Agent
@testable import Store

// P-29: sensitive tools wait for approval.

@Suite(.timeLimit(.minutes(1))) struct ApprovalsTests {
    /// What a toolbox does: the tool runs only when the gate lets it.
    private final class Tool: Sendable {
        let desk: ApprovalDesk
        init(_ desk: ApprovalDesk) { self.desk = desk }

        func call(_ arguments: [String: JSONValue] = ["path": "a"], _ context: ToolContext = ApprovalDesk.context())
            async throws -> (didRun: Bool, verdict: ToolVerdict)
        {
            let verdict = try await desk.admit(ApprovalDesk.tool(), arguments, context)
            return (verdict == .allowed, verdict)
        }
    }

    @Test("P-29: a tool that is asked about does not run before its user says yes, and then does")
    func waitsForYes() async throws {
        let desk = try ApprovalDesk()
        async let call = Tool(desk).call(["path": "a", "text": "b"])
        let question = await desk.question()
        #expect(question.tool == "other_write" && question.arguments == #"{"path":"a","text":"b"}"#)
        #expect(question.expiresAt == desk.clock.now + 600)
        #expect(desk.history == [.approvalRequested(question)])
        try await desk.approvals.decide(question.id, .approve, by: ApprovalDesk.ana)
        #expect(try await call.didRun)
        #expect(desk.history.last == .approvalSettled(id: question.id, .approved))
    }

    @Test("P-29: no means that it does not run")
    func no() async throws {
        let desk = try ApprovalDesk()
        async let call = Tool(desk).call()
        let question = await desk.question()
        try await desk.approvals.decide(question.id, .deny, by: ApprovalDesk.ana)
        #expect(try await call.verdict == .denied("The user does not allow this call of other_write."))
        #expect(desk.history.last == .approvalSettled(id: question.id, .denied))
    }

    @Test("P-29: nobody in time means no, and a later answer counts for nothing")
    func tooLate() async throws {
        let desk = try ApprovalDesk()
        async let call = Tool(desk).call()
        let question = await desk.question()
        await desk.clock.somebodySleeps()
        desk.clock.advance(by: 600)
        #expect(try await !call.didRun)
        #expect(desk.history.last == .approvalSettled(id: question.id, .expired))
        await #expect(throws: ApprovalError.settled(.expired)) {
            try await desk.approvals.decide(question.id, .approve, by: ApprovalDesk.ana)
        }
    }

    @Test("P-29: the answer of another user is none; an admin's is one")
    func anotherUser() async throws {
        let desk = try ApprovalDesk()
        async let call = Tool(desk).call()
        let question = await desk.question()
        await #expect(throws: ApprovalError.unknown) {
            try await desk.approvals.decide(question.id, .approve, by: ApprovalDesk.bob)
        }
        #expect(try await desk.approvals.repository.question(question.id)?.state == .pending)
        try await desk.approvals.decide(question.id, .approve, by: ApprovalDesk.root)
        #expect(try await call.didRun)
        #expect(try await desk.approvals.repository.question(question.id)?.decidedBy == "root")
        #expect(
            try await desk.rows("approval").map { [$0.actor, $0.action, $0.subject] } == [
                ["root", "approval.approve", "other_write"]
            ])
    }

    @Test("P-29: of two answers the first counts")
    func twoAnswers() async throws {
        let desk = try ApprovalDesk()
        async let call = Tool(desk).call()
        let question = await desk.question()
        try await desk.approvals.decide(question.id, .deny, by: ApprovalDesk.ana)
        await #expect(throws: ApprovalError.settled(.denied)) {
            try await desk.approvals.decide(question.id, .approve, by: ApprovalDesk.ana)
        }
        #expect(try await !call.didRun)
    }

    @Test("P-29: a yes counts for the exact arguments, for the tool and for the user that were asked about")
    func exactArguments() async throws {
        let desk = try ApprovalDesk()
        async let call = Tool(desk).call(["path": "a"])
        let question = await desk.question()
        try await desk.approvals.decide(question.id, .approve, by: ApprovalDesk.ana)
        #expect(try await call.didRun)
        // Asked again after a restart: the same call has its answer, any other has none.
        let again = try desk.restarted()
        #expect(try await Tool(again).call(["path": "a"]).didRun)
        #expect(try await !Tool(again).call(["path": "b"]).didRun)
        #expect(try await !Tool(again).call(["path": "a", "force": true]).didRun)
        #expect(try await !Tool(again).call(["path": "a"], ApprovalDesk.context(handle: "bob")).didRun)
        #expect(try await again.admit(ApprovalDesk.tool("other"), ["path": "a"]) != .allowed)
    }

    @Test("P-29: a process that dies while a call waits loses nothing: the same question goes on waiting")
    func restart() async throws {
        let desk = try ApprovalDesk()
        let dying = Task { try await Tool(desk).call() }
        let question = await desk.question()
        // What a killed process leaves: the row as it is.
        let next = try desk.restarted()
        async let call = Tool(next).call()
        let repeated = await next.question()
        #expect(repeated == question)
        try await next.approvals.decide(question.id, .approve, by: ApprovalDesk.ana)
        #expect(try await call.didRun)
        dying.cancel()
        _ = await dying.result
        #expect(try await next.approvals.repository.question(question.id)?.state == .approved)
    }

    @Test("P-29: a no that was given while nobody waited holds after the restart")
    func answeredMeanwhile() async throws {
        let desk = try ApprovalDesk()
        let dying = Task { try await Tool(desk).call() }
        let question = await desk.question()
        let next = try desk.restarted()
        try await next.approvals.decide(question.id, .deny, by: ApprovalDesk.ana)
        #expect(try await !Tool(next).call().didRun)
        dying.cancel()
        _ = await dying.result
    }

    @Test("stopping the turn withdraws the question; the same turn that runs again asks anew")
    func stopped() async throws {
        let desk = try ApprovalDesk()
        let call = Task { try await Tool(desk).call() }
        let question = await desk.question()
        call.cancel()
        await #expect(throws: CancellationError.self) { try await call.value }
        #expect(desk.history.last == .approvalSettled(id: question.id, .withdrawn))
        await #expect(throws: ApprovalError.settled(.withdrawn)) {
            try await desk.approvals.decide(question.id, .approve, by: ApprovalDesk.ana)
        }
        async let again = Tool(desk).call()
        let second = await desk.question()
        #expect(second.id != question.id)
        try await desk.approvals.decide(second.id, .approve, by: ApprovalDesk.ana)
        #expect(try await again.didRun)
    }

    @Test("a question whose turn is gone expires by itself, and is forgotten when it is old")
    func housekeeping() async throws {
        let desk = try ApprovalDesk()
        let dying = Task { try await Tool(desk).call() }
        let question = await desk.question()
        let next = try desk.restarted()
        try await next.approvals.keepHouse()
        #expect(try await next.approvals.repository.question(question.id)?.state == .pending)
        next.clock.advance(by: 601)
        try await next.approvals.keepHouse()
        #expect(try await next.approvals.repository.question(question.id)?.state == .expired)
        next.clock.advance(by: 31 * 24 * 3600)
        try await next.approvals.keepHouse()
        #expect(try await next.approvals.repository.question(question.id) == nil)
        dying.cancel()
        _ = await dying.result
    }

    @Test("arguments that nobody can read are not asked about: they do not run")
    func tooLong() async throws {
        let desk = try ApprovalDesk()
        let long: [String: JSONValue] = ["text": .string(String(repeating: "x", count: Approvals.longestArguments))]
        #expect(try await !Tool(desk).call(long).didRun)
        #expect(desk.history.isEmpty)
    }

    @Test("names with a zero byte are other names, and make no second question of one")
    func zeroBytes() async throws {
        let desk = try ApprovalDesk()
        async let call = Tool(desk).call(["path": "a\0b"], ApprovalDesk.context(call: "c\0d"))
        let question = await desk.question()
        #expect(question.arguments == #"{"path":"a\u0000b"}"#)
        try await desk.approvals.decide(question.id, .approve, by: ApprovalDesk.ana)
        #expect(try await call.didRun)
        async let other = Tool(desk).call(["path": "a\0b"], ApprovalDesk.context(call: "c\0e"))
        let second = await desk.question()
        #expect(second.id != question.id)
        try await desk.approvals.decide(second.id, .deny, by: ApprovalDesk.ana)
        #expect(try await !other.didRun)
    }
}
