import Foundation
import GRDB
import Testing

@testable import Agent
@testable import Gateway
@testable import Store
@testable import Transport
@testable import Wire

// What does a user see while the disk takes nothing, and what is lost? A clear word, and nothing.

extension Store.Database {
    /// The writer refuses to write, as on a file system that went read-only.
    func setReadOnly(_ isReadOnly: Bool) throws {
        try pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA query_only = \(isReadOnly ? 1 : 0)") }
    }

    /// The file may not grow, as on a full disk.
    func setFull(_ isFull: Bool) throws {
        try pool.writeWithoutTransaction {
            _ = try Int.fetchOne($0, sql: "PRAGMA max_page_count = \(isFull ? 1 : 1_000_000_000)")
        }
    }
}

@Suite struct StorageFaultTests {
    private static var impatient: GatewayLimits {
        var limits = GatewayLimits.patient
        limits.savingPause = .milliseconds(10)
        limits.longestSavingPause = .milliseconds(50)
        return limits
    }

    /// More than the free pages of a young database hold.
    private static let long = String(repeating: "words ", count: 40_000)

    @Test func aMessageThatCannotBeKeptIsRefusedWithTheReasonAndTakenOnceThereIsRoom() async throws {
        let gateway = try TestGateway(ScriptedAgent(.immediate { _ in "done" }), limits: Self.impatient)
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            try await socket.say("first", id: "1")
            _ = try await socket.messages { $0.isTurnEnd }

            try gateway.database.setFull(true)
            try await socket.say(Self.long, id: "2")
            let full = try await socket.message()
            #expect(full.errorCode == .unavailable)
            #expect(full.messageID == "2")
            #expect(full.text?.contains("the disk is full") == true)
            try gateway.database.setFull(false)

            try gateway.database.setReadOnly(true)
            try await socket.say("small", id: "3")
            let readOnly = try await socket.message()
            #expect(readOnly.errorCode == .unavailable)
            #expect(readOnly.text?.contains("the database is read-only") == true)
            try await socket.say("small", session: "another", id: "4")
            #expect(try await socket.message().text?.contains("the database is read-only") == true)
            try gateway.database.setReadOnly(false)

            #expect(try gateway.sessions.unfinishedTurns().isEmpty)
            #expect(gateway.agent.runs.count == 1)
            for id in ["2", "3"] {
                try await socket.say(Self.long, id: id)
                let messages = try await socket.messages { $0.isTurnEnd }
                #expect(messages.allSatisfy { $0.messageID == id })
                #expect(messages.compactMap(\.responseText) == ["done"])
            }
            #expect(gateway.agent.runs.count == 3)
        }
    }

    @Test func aCommandAndARequestThatCannotBeSavedSayWhy() async throws {
        let gateway = try TestGateway(ScriptedAgent(.immediate { _ in "done" }), limits: Self.impatient)
        try await gateway.run { running in
            let device = try gateway.device()
            let socket = try await running.webSocket(device)
            try await socket.say("first", id: "1")
            _ = try await socket.messages { $0.isTurnEnd }

            try gateway.database.setReadOnly(true)
            try await socket.send(.command(.init(name: "clear", sessionID: "s")))
            #expect(try await socket.message().text?.contains("the database is read-only") == true)
            let answer = try await running.stream(device).ask("POST", "/api/sessions/s/clear")
            #expect(answer.status == 503 && answer.body.contains("unavailable"), "\(answer)")
            #expect(answer.body.contains("the database is read-only"), "\(answer)")
            try gateway.database.setReadOnly(false)
        }
    }

    @Test func anEndThatCannotBeSavedIsToldOnceItIsAndTheLaneWaitsForIt() async throws {
        let gateway = try TestGateway(limits: Self.impatient)
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            try await socket.say("one", id: "1")
            let first = try await gateway.agent.nextRun()
            try await socket.say("two", id: "2")
            _ = try await socket.messages { $0.position == 1 }
            try gateway.database.setReadOnly(true)
            first.answer("the first answer")
            let waiting = try await socket.message()
            #expect(waiting.errorCode == .unavailable)
            #expect(waiting.messageID == "1" && waiting.turnID != nil && waiting.sequence == nil)
            #expect(waiting.text?.contains("the database is read-only") == true)
            // Several attempts later nothing has changed, and it was said once.
            try await Task.sleep(for: .milliseconds(200))
            #expect(gateway.agent.runs.count == 1)
            #expect(gateway.log.all.count { $0.hasPrefix("sessions::not_saved") } == 1)
            try gateway.database.setReadOnly(false)
            let told = try await socket.messages { $0.isTurnEnd }
            #expect(told.compactMap(\.responseText) == ["the first answer"])
            #expect(told.allSatisfy { $0.messageID == "1" && $0.errorCode == nil })
            let second = try await gateway.agent.nextRun()
            #expect(second.request.history.map(\.text) == ["one", "the first answer"])
            second.answer("the second answer")
            #expect(try await socket.messages { $0.isTurnEnd }.compactMap(\.responseText) == ["the second answer"])
            // Whoever asks later sees each event once.
            try await socket.send(.sessionOpen(.init(sessionID: "s", afterSequence: 0)))
            try await socket.send(.ping)
            var replayed: [String] = []
            while replayed.count < 2 {
                if let text = try await socket.message().responseText { replayed.append(text) }
            }
            #expect(replayed == ["the first answer", "the second answer"])
        }
    }

    @Test func aToolsStepWaitsForRoomAndAnInterruptionEndsTheWait() async throws {
        let gateway = try TestGateway(limits: Self.impatient)
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            try await socket.say("one", id: "1")
            let run = try await gateway.agent.nextRun()
            #expect(try await socket.message().position == 0)
            try gateway.database.setReadOnly(true)
            run.journal(.toolResult(id: "1", output: "done"))
            #expect(try await socket.message().errorCode == .unavailable)
            try gateway.database.setReadOnly(false)
            run.delta("and then")
            #expect(try await socket.message().text == "and then")

            try gateway.database.setReadOnly(true)
            run.journal(.toolCall(id: "2", name: "tool", arguments: "{}"))
            #expect(try await socket.message().errorCode == .unavailable)
            try await socket.send(.interrupt(sessionID: "s"))
            #expect(try await run.wasCancelled())
            try gateway.database.setReadOnly(false)
            let told = try await socket.messages { $0.isTurnEnd }
            #expect(told.last?.endReason == .cancelled)
            #expect(told.compactMap(\.responseText) == ["and then"])
        }
    }

    @Test func whatWasDroppedWhileNothingCouldBeSavedStaysDropped() async throws {
        let gateway = try TestGateway(limits: Self.impatient)
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            try await socket.say("one", id: "1")
            let run = try await gateway.agent.nextRun()
            try await socket.say("two", id: "2")
            _ = try await socket.messages { $0.position == 1 }
            try gateway.database.setReadOnly(true)
            try await socket.send(.command(.init(name: "stop")))
            _ = try await run.wasCancelled()
            // The command is answered although nothing can be written, and says so.
            let answer = try await socket.messages { if case .commandResult = $0.body { true } else { false } }
            #expect(
                answer.last?.text == """
                    Stopped current operation. cleared 1 queued message. 1 of them will run after a restart unless the \
                    disk takes it before: it does not now.
                    """)
            try gateway.database.setReadOnly(false)
            var ended: Set<String> = []
            while ended.count < 2 {
                let message = try await socket.message()
                if message.isTurnEnd {
                    #expect(message.endReason == .cancelled)
                    ended.insert(message.messageID ?? "")
                }
            }
            #expect(ended == ["1", "2"])
            #expect(try gateway.sessions.unfinishedTurns().isEmpty)
            #expect(gateway.agent.runs.count == 1)
        }
    }

    @Test func theConversationsOfARemovedUserGoAsSoonAsTheDiskTakesIt() async throws {
        let gateway = try TestGateway(limits: Self.impatient, place: .member)
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device("ana"))
            try await gateway.turn("a secret", on: socket)
            try gateway.database.setReadOnly(true)
            gateway.membership.announce(.userRemoved("ana"))
            try await eventually("the attempt") {
                gateway.log.all.contains { $0.hasPrefix("sessions::not_retired") }
            }
            #expect(try await gateway.sessions.handles() == ["ana"])
            try gateway.database.setReadOnly(false)
            try await eventually("the conversations to be out of reach") {
                try await gateway.sessions.handles().isEmpty
            }
        }
    }

    @Test func aSessionIsWatchedWithoutADiskThatTakesAnythingAndAMessageSaysWhyNot() async throws {
        let gateway = try TestGateway(limits: Self.impatient)
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            try gateway.database.setReadOnly(true)
            try await socket.send(.sessionOpen(.init(sessionID: "new")))
            try await socket.say("hello", session: "new", id: "hello")
            let refusal = try await socket.message()
            #expect(refusal.errorCode == .unavailable && refusal.sessionID == "new")
            #expect(refusal.text?.contains("the database is read-only") == true)
            try gateway.database.setReadOnly(false)
            try await socket.say("hello", session: "new", id: "hello")
            #expect(try await socket.message().position == 0)
        }
    }

    // MARK: Damage

    @Test func aDamagedConversationFailsWithAClearWordAndOthersGoOn() async throws {
        let agent = ScriptedAgent(.immediate { _ in "done" })
        let gateway = try TestGateway(agent, limits: Self.impatient)
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            try await socket.say(String(repeating: "marker-of-a ", count: 20_000), session: "a")
            _ = try await socket.messages { $0.isTurnEnd }
        }
        try gateway.database.close()
        try Self.damage(gateway.databasePath, behind: "marker-of-a marker-of-a")

        let next = try TestGateway(agent, databasePath: gateway.databasePath, limits: Self.impatient)
        let device = next.device()
        try await next.run { running in
            let socket = try await running.webSocket(device)
            for id in ["1", "2"] {
                try await socket.say("and now?", session: "a", id: id)
                let messages = try await socket.messages { $0.isTurnEnd }
                #expect(messages.last?.endReason == .error)
                #expect(messages.compactMap(\.responseText).first?.contains("database is damaged") == true)
            }
            try await socket.say("hello", session: "b", id: "3")
            #expect(try await socket.messages { $0.isTurnEnd }.compactMap(\.responseText) == ["done"])
            #expect(next.log.all.count { $0.hasPrefix("sessions::database_damaged") } == 1)
        }
    }

    /// Breaks the chain of overflow pages in the middle of a long text.
    private static func damage(_ path: String, behind marker: String) throws {
        var bytes = try Array(Data(contentsOf: URL(fileURLWithPath: path)))
        let pattern = Array(marker.utf8.prefix(11))
        let pages = stride(from: 4096, to: bytes.count - 4096, by: 4096).filter { page in
            // The text starts anywhere behind the four bytes that name the next page.
            let content = Array(bytes[page + 4..<page + 40])
            return content.indices.dropLast(11).contains { Array(content[$0..<$0 + 11]) == pattern }
        }
        #expect(pages.count > 10)
        // The last ones are the transcript's copy.
        for page in pages.suffix(pages.count / 4).dropLast(3) {
            for index in page..<page + 4 { bytes[index] = 0xFF }
        }
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }

    @Test func aFileThatIsNoDatabaseNamesItselfAndTheDoctor() throws {
        let folder = FileManager.default.temporaryDirectory.path + "/news-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = folder + "/openagent.db"
        try Data(repeating: 0x41, count: 8192).write(to: URL(fileURLWithPath: path))
        let error = #expect(throws: Store.DatabaseError.self) { _ = try Store.Database(path: path) }
        let text = "\(try #require(error))"
        #expect(text.contains(path) && text.contains("openagent doctor \(folder)"), "\(text)")
        #expect(!text.contains("\n"))
    }

    // MARK: Other programs

    /// Another program's connection, which may leave a transaction open.
    private static func otherProgram(_ path: String) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.allowsUnsafeTransactions = true
        return try DatabaseQueue(path: path, configuration: configuration)
    }

    @Test("P-87: another program's reading and a short lock are not noticed")
    func readersAndShortLocksAreNotNoticed() async throws {
        let gateway = try TestGateway(ScriptedAgent(.immediate { _ in "done" }), limits: Self.impatient)
        let other = try Self.otherProgram(gateway.databasePath)
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            try await other.inDatabase { connection in
                try connection.execute(sql: "BEGIN; SELECT count(*) FROM turns")
            }
            for number in 1...20 { try await socket.say("\(number)", id: "\(number)") }
            for number in 1...20 {
                let messages = try await socket.messages { $0.isTurnEnd && $0.messageID == "\(number)" }
                #expect(messages.allSatisfy { $0.errorCode == nil })
            }
            try await other.inDatabase { try $0.execute(sql: "COMMIT; BEGIN IMMEDIATE") }
            try await socket.say("locked", id: "locked")
            try await Task.sleep(for: .milliseconds(200))
            try await other.inDatabase { try $0.execute(sql: "COMMIT") }
            let messages = try await socket.messages { $0.isTurnEnd && $0.messageID == "locked" }
            #expect(messages.compactMap(\.responseText) == ["done"])
            #expect(messages.allSatisfy { $0.errorCode == nil })
        }
    }

    @Test("P-87: a lock without end is a clean error within the busy timeout, and nothing is half done")
    func anEndlessLockIsACleanError() async throws {
        let gateway = try TestGateway(ScriptedAgent(.immediate { _ in "done" }), limits: Self.impatient)
        let other = try Self.otherProgram(gateway.databasePath)
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            try await socket.say("before", id: "0")
            _ = try await socket.messages { $0.isTurnEnd }
            try await other.inDatabase { try $0.execute(sql: "BEGIN IMMEDIATE") }
            let begin = ContinuousClock.now
            try await socket.say("locked", id: "1")
            let refusal = try await socket.message()
            #expect(ContinuousClock.now - begin < .seconds(15))
            #expect(refusal.errorCode == .unavailable)
            #expect(refusal.text?.contains("locked by another program") == true)
            try await other.inDatabase { try $0.execute(sql: "ROLLBACK") }
            #expect(try gateway.sessions.unfinishedTurns().isEmpty)
            #expect(gateway.agent.runs.count == 1)
            try await socket.say("locked", id: "1")
            #expect(try await socket.messages { $0.isTurnEnd }.compactMap(\.responseText) == ["done"])
        }
    }

    // MARK: The clock

    @Test func aClockThatGoesBackAnHourChangesNeitherOrderNorMemory() async throws {
        let gateway = try TestGateway(ScriptedAgent(.immediate { "re: \($0.text)" }), limits: Self.impatient)
        let device = gateway.device()
        try await gateway.run { running in
            let socket = try await running.webSocket(device)
            try await socket.say("one", id: "1")
            let first = try await socket.messages { $0.isTurnEnd }
            gateway.clock.advance(by: -3600)
            // Its certificate is of a time that has not come yet; another one is good.
            let later = try await running.webSocket(device)
            try await later.say("one", id: "1")
            #expect(try await later.messages { $0.isTurnEnd }.compactMap(\.responseText) == ["re: one"])
            #expect(gateway.agent.runs.count == 1)
            try await later.say("two", id: "2")
            let second = try await later.messages { $0.isTurnEnd }
            let numbers = (first + second).filter { $0.messageID != nil }.compactMap(\.sequence)
            #expect(numbers == numbers.sorted() && Set(numbers).count == numbers.count)
            #expect(try #require(gateway.agent.runs.last).request.history.map(\.text) == ["one", "re: one"])
        }
        // After a restart, too.
        let next = try TestGateway(
            ScriptedAgent(.immediate { "re: \($0.text)" }), databasePath: gateway.databasePath, limits: Self.impatient)
        next.clock.advance(by: -7200)
        next.membership.set(.active(role: .member), for: device.nodeID)
        try await next.run { running in
            let socket = try await running.webSocket(device)
            try await socket.say("two", id: "2")
            #expect(try await socket.messages { $0.isTurnEnd }.compactMap(\.responseText) == ["re: two"])
            #expect(next.agent.runs.isEmpty)
        }
    }
}
