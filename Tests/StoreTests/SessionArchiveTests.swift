import Foundation
import Testing

@testable import Store

@Suite struct SessionArchiveTests {
    private func makeSessions() throws -> SessionRepository {
        let path = FileManager.default.temporaryDirectory.path + "/archive-\(UUID().uuidString).db"
        return SessionRepository(try Store.Database(path: path))
    }

    /// A turn that ends as `ending` says.
    private func finish(
        _ sessions: SessionRepository, _ ordinal: Int64, of session: Int64, _ ending: TurnEnding
    ) async throws -> Bool {
        let turn = TurnRecord(
            id: "t\(ordinal)", ordinal: ordinal, lane: "key", session: session, handle: "ana", sessionID: "s",
            messageID: nil, text: "x", acceptedAt: 5)
        _ = try await sessions.accept(turn, announcing: nil, recognisingSince: 0)
        return try await sessions.finish(turn: turn.id, of: session, as: ending)
    }

    @Test func aSummaryOfARemovedUsersConversationIsNotGivenToTheNextOfTheHandle() async throws {
        let sessions = try makeSessions()
        func say(_ text: String, _ ordinal: Int64, in session: Int64) async throws {
            let message = SessionMessageRecord(role: "user", text: text)
            let ending = TurnEnding(state: .completed, finishedAt: 6, events: [], messages: [message])
            #expect(try await finish(sessions, ordinal, of: session, ending))
        }
        let old = try await sessions.open(handle: "ana", sessionID: "s", reserving: 1, now: 1).id
        try await say("a secret", 1, in: old)
        let context = try #require(try await sessions.context(handle: "ana", sessionID: "s", limit: 9))
        try await sessions.retire(handle: "ana", now: 7)
        let new = try await sessions.open(handle: "ana", sessionID: "s", reserving: 1, now: 8).id
        try await say("hello", 2, in: new)
        #expect(
            try await sessions.fold(context, into: "a secret", handle: "ana", sessionID: "s", now: 9) == false)
        #expect(try await sessions.context(of: new, limit: 9).summary == nil)
    }

    @Test func aPageEndsWhereItWouldBecomeTooLong() async throws {
        let sessions = try makeSessions()
        let session = try await sessions.open(handle: "ana", sessionID: "s", reserving: 10, now: 1).id
        let long = SessionMessageRecord(role: "user", text: String(repeating: "x", count: 3 << 20))
        let ending = TurnEnding(state: .completed, finishedAt: 6, events: [], messages: [long, long, long])
        #expect(try await finish(sessions, 1, of: session, ending))
        var before: Int64?
        var sizes: [Int] = []
        while true {
            let page = try #require(
                try await sessions.transcript(handle: "ana", sessionID: "s", before: before, limit: 100))
            sizes.append(page.messages.count)
            guard page.hasOlder else { break }
            before = page.messages.first?.id
        }
        #expect(sizes == [2, 1])
    }

    @Test func usageIsCountedOnceATurn() async throws {
        let sessions = try makeSessions()
        let session = try await sessions.open(handle: "ana", sessionID: "s", reserving: 10, now: 1).id
        func ending(_ cost: Int64, at time: Double) -> TurnEnding {
            TurnEnding(
                state: .completed, finishedAt: time, events: [],
                usage: [
                    ModelCallRecord(
                        device: "key", model: "m", inputTokens: 2, outputTokens: 1, cost: cost * 1_000_000_000)
                ])
        }
        #expect(try await finish(sessions, 1, of: session, ending(1, at: 10)))
        #expect(try await sessions.finish(turn: "t1", of: session, as: ending(1, at: 10)) == false)
        #expect(try await finish(sessions, 2, of: session, ending(0, at: 19)))
        #expect(try await finish(sessions, 3, of: session, ending(4, at: 20)))
        let sum = try await sessions.usage(of: "ana", from: 10, before: 20)
        #expect(sum == UsageSum(cost: 1, models: 1, turns: 2, inputTokens: 4, outputTokens: 2))
        #expect(try await sessions.usage(of: "bob", from: 0, before: 100).turns == 0)
    }

    @Test func whatATurnSaidThatEndsAfterTheClearingJoinsItsArchive() async throws {
        let sessions = try makeSessions()
        let session = try await sessions.open(handle: "ana", sessionID: "s", reserving: 10, now: 1).id
        let message = SessionMessageRecord(role: "user", text: "said")
        func ending(_ isArchived: Bool) -> TurnEnding {
            TurnEnding(state: .cancelled, finishedAt: 6, events: [], messages: [message], isArchived: isArchived)
        }
        #expect(try await finish(sessions, 1, of: session, ending(false)))
        #expect(try await sessions.forgetHistory(handle: "ana", sessionID: "s", now: 5) == 1)
        #expect(try await finish(sessions, 2, of: session, ending(true)))
        #expect(try await sessions.archives(of: "ana", limit: 9).map(\.messages) == [2])
        #expect(try await sessions.history(of: session, limit: 9).isEmpty)
    }
}
