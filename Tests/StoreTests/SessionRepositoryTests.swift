import Foundation
import GRDB
import Testing

@testable import Store

@Suite struct SessionRepositoryTests {
    private func makeDatabase() throws -> (Store.Database, String) {
        let path = FileManager.default.temporaryDirectory.path + "/sessions-\(UUID().uuidString).db"
        return (try Store.Database(path: path), path)
    }

    private func turn(
        _ id: String, _ ordinal: Int64, session: Int64, lane: String = "lane", messageID: String? = nil,
        at time: Double = 100
    ) -> TurnRecord {
        TurnRecord(
            id: id, ordinal: ordinal, lane: lane, session: session, handle: "ana", sessionID: "s", messageID: messageID,
            text: "text \(id)", acceptedAt: time)
    }

    @Test func numbersOfAReservedBlockAreNeverGivenOutAgain() async throws {
        let (database, path) = try makeDatabase()
        let first = try await SessionRepository(database).open(handle: "ana", sessionID: "s", reserving: 10, now: 1)
        #expect((first.usedSequence, first.reservedSequence) == (0, 10))
        try await SessionRepository(database).reserveSequences(through: 30, of: first.id)
        try await SessionRepository(database).reserveSequences(through: 20, of: first.id)
        // Another process, after a crash.
        let next = try await SessionRepository(try Store.Database(path: path)).open(
            handle: "ana", sessionID: "s", reserving: 10, now: 2)
        #expect(next.id == first.id)
        #expect((next.usedSequence, next.reservedSequence) == (30, 40))
        // The same name of another user is another session.
        let other = try await SessionRepository(database).open(handle: "bob", sessionID: "s", reserving: 10, now: 3)
        #expect(other.id != first.id)
        #expect(try await SessionRepository(database).sessionCount(of: "ana") == 1)
    }

    @Test func aMessageIsRecognisedInItsLaneAndItsTime() async throws {
        let (database, _) = try makeDatabase()
        let sessions = SessionRepository(database)
        let session = try await sessions.open(handle: "ana", sessionID: "s", reserving: 10, now: 1).id
        let first = turn("a", 1, session: session, messageID: "m")
        #expect(try await sessions.accept(first, announcing: nil, recognisingSince: 0) == .accepted)
        let again = turn("b", 2, session: session, messageID: "m", at: 150)
        #expect(try await sessions.accept(again, announcing: nil, recognisingSince: 100) == .repeated(first))
        #expect(try await sessions.accept(again, announcing: nil, recognisingSince: 100.5) == .accepted)
        let elsewhere = turn("c", 3, session: session, lane: "other", messageID: "m")
        #expect(try await sessions.accept(elsewhere, announcing: nil, recognisingSince: 0) == .accepted)
        #expect(try await sessions.turn(messageID: "m", sender: "lane/ana", since: 0)?.id == "b")
        #expect(try sessions.unfinishedTurns().map(\.id) == ["a", "b", "c"])
        #expect(try sessions.lastOrdinal() == 3)
    }

    @Test func aTurnEndsOnceWithItsEventsAndItsTranscript() async throws {
        let (database, _) = try makeDatabase()
        let sessions = SessionRepository(database)
        let session = try await sessions.open(handle: "ana", sessionID: "s", reserving: 10, now: 1).id
        _ = try await sessions.accept(
            turn("a", 1, session: session),
            announcing: SessionEventRecord(sequence: 1, turnID: "a", frame: "queued", createdAt: 1),
            recognisingSince: 0)
        try await sessions.start(turn: "a", now: 2)
        #expect(try sessions.unfinishedTurns().map(\.state) == [.running])
        try await sessions.appendJournal("one", of: "a")
        try await sessions.appendJournal("two", of: "a")
        #expect(try await sessions.journal(of: "a") == ["one", "two"])
        let ending = TurnEnding(
            state: .completed, finishedAt: 3,
            events: [SessionEventRecord(sequence: 2, turnID: "a", frame: "response", createdAt: 1)],
            messages: [
                SessionMessageRecord(role: "user", text: "hi"), SessionMessageRecord(role: "assistant", text: "ho"),
            ])
        #expect(try await sessions.finish(turn: "a", of: session, as: ending))
        let late = TurnEnding(
            state: .cancelled, finishedAt: 4,
            events: [SessionEventRecord(sequence: 3, turnID: "a", frame: "late", createdAt: 1)],
            messages: [SessionMessageRecord(role: "assistant", text: "late")])
        #expect(try await sessions.finish(turn: "a", of: session, as: late) == false)
        try await sessions.start(turn: "a", now: 5)
        #expect(try sessions.unfinishedTurns().isEmpty)
        #expect(try await sessions.journal(of: "a").isEmpty)
        #expect(
            try await sessions.events(of: session, after: 0, through: 9, limit: 9).events.map(\.frame) == [
                "queued", "response",
            ])
        #expect(try await sessions.events(of: session, after: 1, through: 2, limit: 9).events.map(\.sequence) == [2])
        #expect(try await sessions.lastEvents(of: "a", limit: 1).map(\.frame) == ["response"])
        #expect(try await sessions.history(of: session, limit: 9).map(\.text) == ["hi", "ho"])
        #expect(try await sessions.history(of: session, limit: 1).map(\.text) == ["ho"])
    }

    @Test func longTextsAreReadInBoundedPortions() async throws {
        let (database, _) = try makeDatabase()
        let sessions = SessionRepository(database)
        let session = try await sessions.open(handle: "ana", sessionID: "s", reserving: 100, now: 1).id
        let long = String(repeating: "x", count: 700_000)
        for number in 1...4 {
            _ = try await sessions.accept(
                turn("\(number)", Int64(number), session: session), announcing: nil, recognisingSince: 0)
            let event = SessionEventRecord(
                sequence: Int64(number), turnID: "\(number)", frame: long, createdAt: 1)
            let message = SessionMessageRecord(role: "user", text: number == 4 ? long : "\(number)")
            let ending = TurnEnding(state: .completed, finishedAt: 2, events: [event], messages: [message])
            #expect(try await sessions.finish(turn: "\(number)", of: session, as: ending))
        }
        let page = try await sessions.events(of: session, after: 0, through: 9, limit: 9)
        #expect(page.events.map(\.sequence) == [1, 2] && page.isCut)
        let last = try await sessions.events(of: session, after: 3, through: 9, limit: 9)
        #expect(last.events.map(\.sequence) == [4] && !last.isCut)
        #expect(try await sessions.events(of: session, after: 0, through: 9, limit: 1).isCut)

        for (length, texts) in [(0, [long]), (700_001, ["3", long]), (.max, ["1", "2", "3", long])] {
            let context = try await sessions.context(of: session, limit: 9, length: length)
            #expect(context.messages.map(\.text.count) == texts.map(\.count), "\(length)")
            #expect(context.last == 4)
        }
    }

    @Test("of a session's events never more than the last 1,000 and a few are kept, however many turns tell theirs")
    func eventsStayFew() async throws {
        let (database, _) = try makeDatabase()
        let sessions = SessionRepository(database)
        let session = try await sessions.open(handle: "ana", sessionID: "s", reserving: 5_000, now: 1).id
        for number in Int64(1)...420 {
            let id = "turn\(number)"
            _ = try await sessions.accept(turn(id, number, session: session), announcing: nil, recognisingSince: 0)
            let events = (3 * number - 2...3 * number).map {
                SessionEventRecord(sequence: $0, turnID: id, frame: "x", createdAt: 1)
            }
            let ending = TurnEnding(state: .completed, finishedAt: 50, events: events, messages: [])
            #expect(try await sessions.finish(turn: id, of: session, as: ending))
        }
        let kept = try await sessions.events(of: session, after: 0, through: 5_000, limit: 5_000)
        #expect((SessionRepository.keptEvents..<SessionRepository.keptEvents + 70).contains(kept.events.count))
        #expect(kept.events.first?.sequence == kept.floor + 1 && kept.events.last?.sequence == 1_260)
    }

    @Test func oldEventsAndOldTurnsGoAndTheTranscriptStays() async throws {
        let (database, _) = try makeDatabase()
        let sessions = SessionRepository(database)
        let session = try await sessions.open(handle: "ana", sessionID: "s", reserving: 5_000, now: 1).id
        for (index, id) in ["a", "b"].enumerated() {
            _ = try await sessions.accept(
                turn(id, Int64(index + 1), session: session), announcing: nil, recognisingSince: 0)
        }
        for sequence in 1...Int64(SessionRepository.keptEvents) {
            try await sessions.append(
                SessionEventRecord(sequence: sequence, turnID: "a", frame: "x", createdAt: 1), to: session)
        }
        let message = SessionMessageRecord(role: "user", text: "kept")
        // Behind the last of 64 numbers it is looked for old events.
        for (id, sequence) in [("a", Int64(2_047)), ("b", 2_048)] {
            let event = SessionEventRecord(sequence: sequence, turnID: id, frame: "end", createdAt: 1)
            let ending = TurnEnding(state: .completed, finishedAt: 50, events: [event], messages: [message])
            #expect(try await sessions.finish(turn: id, of: session, as: ending))
        }
        let kept = try await sessions.events(of: session, after: 0, through: 5_000, limit: 5_000).events
        #expect(kept.count == SessionRepository.keptEvents)
        #expect((kept.first?.sequence, kept.last?.sequence) == (3, 2_048))
        try await sessions.forget(turnsEndedBefore: 50, eventsBefore: 0)
        #expect(try sessions.lastOrdinal() == 2)
        try await sessions.forget(turnsEndedBefore: 51, eventsBefore: 0)
        #expect(try sessions.lastOrdinal() == 2, "ordinals are never used twice")
        #expect(try await sessions.history(of: session, limit: 9).count == 2)
        #expect(try await sessions.forgetHistory(handle: "bob", sessionID: nil, now: 60) == 0)
        #expect(try await sessions.forgetHistory(handle: "ana", sessionID: "s", now: 60) == 1)
        #expect(try await sessions.history(of: session, limit: 9).isEmpty)
    }

    @Test func messageIDsOfAnEarlierVersionAreStillKnown() async throws {
        let path = FileManager.default.temporaryDirectory.path + "/sessions-\(UUID().uuidString).db"
        let earlier = try DatabasePool(path: path)
        var migrator = DatabaseMigrator()
        migrator.registerNetworkTables()
        migrator.registerSessionsTables()
        migrator.registerTurnContent()
        try migrator.migrate(earlier)
        try await earlier.write { connection in
            try connection.execute(
                sql: """
                    INSERT INTO sessions (id, handle, session_id, sequence_high, created_at) VALUES (1, 'ana', 's', 2000, 1);
                    INSERT INTO turns (id, ordinal, lane, session, message_id, text, state, accepted_at) VALUES
                        ('a', 1, 'device', 1, 'm', 'first', 'completed', 50),
                        ('b', 2, 'device', 1, 'm', 'again', 'completed', 100),
                        ('c', 3, 'device', 1, NULL, 'open', 'accepted', 150);
                    """)
            for sequence in 501...1_500 {
                try connection.execute(
                    sql: "INSERT INTO session_events (session, sequence, turn, frame) VALUES (1, ?, 'b', 'x')",
                    arguments: [sequence])
            }
        }
        try earlier.close()
        let sessions = SessionRepository(try Store.Database(path: path))
        #expect(try await sessions.turn(messageID: "m", sender: "device/ana", since: 100)?.id == "b")
        #expect(try await sessions.turn(messageID: "m", sender: "device/ana", since: 101) == nil)
        #expect(try await sessions.turn(messageID: "m", sender: "device/bob", since: 0) == nil)
        #expect(try sessions.unfinishedTurns().map(\.sender) == ["device/ana"])
        let page = try await sessions.events(of: 1, after: 0, through: 2_000, limit: 1)
        #expect(page.floor == 500)
        #expect(page.events.first?.createdAt == 100)
    }

    @Test func forgettingRaisesTheFloorUnderWhatIsKept() async throws {
        let (database, _) = try makeDatabase()
        let sessions = SessionRepository(database)
        let session = try await sessions.open(handle: "ana", sessionID: "s", reserving: 100, now: 1).id
        // The clock was put back in between: older by the clock, later in the stream.
        for (sequence, time) in [(1, 20.0), (2, 10), (3, 30), (4, 40)] {
            try await sessions.append(
                SessionEventRecord(sequence: Int64(sequence), turnID: "a", frame: "x", createdAt: time), to: session)
        }
        for (time, kept, floor) in [(10.0, 4, 0), (15, 2, 2), (35, 1, 3), (99, 0, 4), (0, 0, 4)] {
            try await sessions.forget(turnsEndedBefore: 0, eventsBefore: time)
            let page = try await sessions.events(of: session, after: 0, through: 9, limit: 9)
            #expect(page.events.count == kept, "\(time)")
            #expect(page.floor == Int64(floor), "\(time)")
        }
        #expect(try await sessions.state(of: session, through: 9, before: nil, count: 9, bytes: 9).sequence == 9)
        #expect(try await sessions.state(of: session, through: 9, before: 7, count: 9, bytes: 9).sequence == 6)
        #expect(try await sessions.state(of: session, through: 2, before: nil, count: 9, bytes: 9).sequence == 4)
    }

    @Test func aStartedTurnTakesNothingMoreAndGivesItsPlaceOnlyToOneThatWaits() async throws {
        let (database, _) = try makeDatabase()
        let sessions = SessionRepository(database)
        let session = try await sessions.open(handle: "ana", sessionID: "s", reserving: 10, now: 1).id
        let (first, next) = (
            turn("a", 1, session: session, messageID: "1"), turn("b", 2, session: session, messageID: "2")
        )
        _ = try await sessions.accept(first, announcing: nil, recognisingSince: 0)
        let more = first.replacing(text: "x\n\ny", source: "stt", attachments: "[]", messageIDs: ["1", "1b"])
        #expect(try await sessions.merge("1b", into: more, at: 100, announcing: nil, recognisingSince: 0) == .merged)
        #expect(try sessions.unfinishedTurns() == [more])
        #expect(
            try await sessions.merge("1", into: more, at: 101, announcing: nil, recognisingSince: 0) == .repeated(more))
        try await sessions.start(turn: "a", now: 2)
        #expect(try await sessions.merge("1c", into: more, at: 101, announcing: nil, recognisingSince: 0) == .missed)
        #expect(try await sessions.turn(messageID: "1c", sender: more.sender, since: 0) == nil)

        _ = try await sessions.accept(next, announcing: nil, recognisingSince: 0)
        let both = next.replacing(text: next.text, source: "stt", attachments: nil, messageIDs: ["1", "1b", "2"])
        let ending = TurnEnding(
            state: .cancelled, finishedAt: 3, events: [], messages: [SessionMessageRecord(role: "user", text: "x")])
        #expect(try await sessions.supersede(more, by: both, ending: ending))
        #expect(try await sessions.supersede(more, by: both, ending: ending) == false)
        #expect(try sessions.unfinishedTurns() == [both])
        #expect(try await sessions.turn(messageID: "1b", sender: more.sender, since: 0)?.id == "b")
        #expect(try await sessions.history(of: session, limit: 9).map(\.text) == ["x"])
        let third = turn("c", 3, session: session)
        _ = try await sessions.accept(third, announcing: nil, recognisingSince: 0)
        try await sessions.start(turn: "b", now: 4)
        try await sessions.start(turn: "c", now: 4)
        #expect(try await sessions.supersede(both, by: third, ending: ending) == false)
        #expect(try sessions.unfinishedTurns().map(\.id) == ["b", "c"])
    }

    @Test func theDatabaseFileIsForItsOwnerOnly() throws {
        let (database, path) = try makeDatabase()
        _ = try SessionRepository(database).lastOrdinal()
        for file in [path, path + "-wal", path + "-shm"] {
            let mode = try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int
            #expect(mode == 0o600, "\(file)")
        }
    }
}
