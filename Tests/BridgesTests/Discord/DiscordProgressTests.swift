import Testing

@testable import Bridges

// P-66, the numbers: what is taken up after a break, and what is read again.

@Suite struct DiscordProgressTests {
    @Test func aNumberCountsWhenItAndAllBeforeItWereAccepted() {
        var ledger = DiscordLedger(accepted: 10)
        func receive(_ sequence: Int) -> Bool { ledger.receive(sequence) }
        for sequence in 11...14 { #expect(receive(sequence)) }
        ledger.accept(12)
        #expect(ledger.accepted == 10)
        ledger.accept(11)
        #expect(ledger.accepted == 12)
        ledger.accept(14)
        #expect(ledger.accepted == 12)
        ledger.accept(13)
        #expect(ledger.accepted == 14)
    }

    @Test func whatWasHeardBeforeIsHeardOnce() {
        var ledger = DiscordLedger(accepted: 10)
        func receive(_ sequence: Int) -> Bool { ledger.receive(sequence) }
        #expect(receive(11))
        #expect(!receive(11))
        #expect(!receive(10))
        ledger.accept(11)
        #expect(!receive(11))
        ledger.accept(99)
        #expect(ledger.accepted == 11)
    }

    @Test func whatComesLateIsWaitedFor() {
        var ledger = DiscordLedger(accepted: 10)
        func receive(_ sequence: Int) -> Bool { ledger.receive(sequence) }
        #expect(receive(12))
        ledger.accept(12)
        #expect(ledger.accepted == 10)
        #expect(receive(11))
        ledger.accept(11)
        #expect(ledger.accepted == 12)
    }

    @Test func aNumberThatNeverComesIsNotWaitedForForEver() {
        var ledger = DiscordLedger(accepted: 10)
        func receive(_ sequence: Int) -> Bool { ledger.receive(sequence) }
        for sequence in 12...(12 + DiscordLedger.patience) {
            #expect(receive(sequence))
            ledger.accept(sequence)
        }
        #expect(ledger.accepted == 12 + DiscordLedger.patience)
        #expect(receive(1_000_000))
        ledger.accept(1_000_000)
        #expect(ledger.accepted.map { $0 < 1_000_000 } == true)
    }

    @Test func ofANewSessionNothingCountsUntilItsFirstEventDoes() {
        var ledger = DiscordLedger(first: 1)
        func receive(_ sequence: Int) -> Bool { ledger.receive(sequence) }
        #expect(receive(2))
        ledger.accept(2)
        #expect(ledger.accepted == nil)
        ledger.accept(1)
        #expect(ledger.accepted == 2)
    }

    @Test func theChannelsThatAreKeptAreBounded() {
        var channels = DiscordChannels()
        for number in 0..<(DiscordChannels.bound + 10) {
            channels.use(.init(id: "\(number)", guild: nil, after: "1"))
        }
        channels.use(.init(id: "10", guild: nil, after: "0"))
        channels.use(.init(id: "new", guild: nil, after: "1"))
        #expect(channels.list.count == DiscordChannels.bound)
        #expect(channels.list.last?.id == "new")
        #expect(channels.list.contains { $0.id == "10" && $0.after == "1" })
        #expect(!channels.list.contains { $0.id == "11" })
    }

    @Test func aChannelsPlaceOnlyMovesForward() {
        var channels = DiscordChannels()
        channels.use(.init(id: "1", guild: "7", after: "99"))
        func accept(_ message: String, in channel: String) -> Bool { channels.accept(message, in: channel) }
        #expect(accept("100", in: "1"))
        #expect(!accept("99", in: "1"))
        #expect(!accept("100", in: "2"))
        #expect(channels.list == [.init(id: "1", guild: "7", after: "100")])
    }

    @Test("what is kept survives the process, and nothing of it is secret")
    func kept() async throws {
        let inbox = DiscordInbox()
        let first = DiscordProgress()
        try await first.load(from: inbox)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await first.keep(in: inbox) }
            let session = DiscordSession(
                id: "s", resumeURL: "wss://here", user: "1", application: "2", name: "bot")
            let generation = first.begin(session, sequence: 1)
            first.accept(1, generation)
            #expect(first.receive(2) == generation)
            first.accept(message: "5", in: "3", guild: "4")
            first.use("3")
            first.accept(2, generation)
            _ = try await inbox.waitFor("the second event") {
                $0.memory["session"]?.contains("\"sequence\":2") == true ? true : nil
            }
            // Of an earlier session.
            #expect(first.receive(3) == generation)
            _ = first.begin(session, sequence: 1)
            first.accept(3, generation)
            #expect(first.accepted == nil)
            group.cancelAll()
            while let result = await group.nextResult() { _ = result }
        }
        let second = DiscordProgress()
        try await second.load(from: inbox)
        #expect(second.session?.id == "s" && second.accepted == 2)
        #expect(second.channels == [.init(id: "3", guild: "4", after: "5")])
    }

    @Test func idsOfDiscordAreNumbersWithATime() {
        #expect(Snowflake.isOne("175928847299117063") && !Snowflake.isOne("") && !Snowflake.isOne("../1"))
        #expect(!Snowflake.isOne("123456789012345678901") && !Snowflake.isOne("12a") && !Snowflake.isOne("١٢"))
        #expect(Snowflake.time("175928847299117063") == 1_462_015_105.796)
    }
}
