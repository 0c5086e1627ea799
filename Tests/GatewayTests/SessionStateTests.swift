import Testing

@testable import Agent
@testable import Gateway
@testable import Store

@Suite struct LaneQueueTests {
    private func turn(_ id: String, session: String = "s") -> Turn {
        Turn(
            TurnRecord(
                id: id, ordinal: 0, lane: "lane", session: 1, handle: "ana", sessionID: session, messageID: nil,
                text: "",
                acceptedAt: 0))
    }

    @Test func turnsStartInTheOrderOfTheirReservationsEvenIfCommittedInAnother() {
        var lane = LaneQueue(limit: 20)
        #expect(["a", "b", "c"].map { lane.reserve($0) } == [0, 1, 2])
        lane.commit(turn("c"))
        lane.commit(turn("b"))
        #expect(lane.startNext() == nil, "the first is not on disk yet")
        lane.commit(turn("a"))
        var order: [String] = []
        while let next = lane.startNext() {
            #expect(lane.startNext() == nil, "one at a time")
            order.append(next.id)
            lane.finish(next.id)
        }
        #expect(order == ["a", "b", "c"])
        #expect(lane.isEmpty)
    }

    @Test func anAbandonedReservationHoldsNobodyUp() {
        var lane = LaneQueue(limit: 20)
        _ = lane.reserve("a")
        _ = lane.reserve("b")
        lane.commit(turn("b"))
        lane.abandon("a")
        #expect(lane.startNext()?.id == "b")
    }

    @Test func exactlyTheLimitMayWaitBehindTheRunningTurn() {
        var lane = LaneQueue(limit: 20)
        for index in 0...20 { #expect(lane.reserve("\(index)") == index) }
        #expect(lane.reserve("21") == nil)
        lane.commit(turn("0"))
        _ = lane.startNext()
        #expect(lane.waitingCount == 20)
        #expect(lane.reserve("21") == nil)
        lane.finish("0")
        #expect(lane.reserve("21") == 20)
    }

    @Test func positionsCountTheRunningTurn() {
        var lane = LaneQueue(limit: 20)
        for id in ["a", "b", "c"] {
            _ = lane.reserve(id)
            lane.commit(turn(id))
        }
        _ = lane.startNext()
        #expect(["a", "b", "c", "x"].map { lane.position(of: $0) } == [0, 1, 2, nil])
    }

    @Test func droppingTakesOnlyWhatMatches() {
        var lane = LaneQueue(limit: 20)
        for (id, session) in [("a", "s"), ("b", "t"), ("c", "s")] {
            _ = lane.reserve(id)
            lane.commit(turn(id, session: session))
        }
        #expect(lane.drop { $0.record.sessionID == "s" }.map(\.id) == ["a", "c"])
        #expect(lane.startNext()?.id == "b")
    }
}

@Suite struct SessionStatePropertyTests {
    /// Four lanes and their session's log, driven at random; after each step the promises are checked.
    @Test func randomInterleavingsKeepOrderAndLoseNothing() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SeededRandom(seed)
        var lanes = Array(repeating: LaneQueue(limit: 5), count: 4)
        var log = EventLog(used: 0, limit: .max)
        // The model: what each lane must start, in order, and what was committed of it.
        var expected: [[String]] = [[], [], [], []]
        var uncommitted: [[String]] = [[], [], [], []]
        var open: [Int64] = []
        var lastReleased: Int64 = 0
        for step in 0..<20_000 {
            let lane = Int.random(in: 0..<4, using: &random)
            func turn(_ id: String) -> Turn {
                Turn(
                    TurnRecord(
                        id: id, ordinal: 0, lane: "\(lane)", session: 1, handle: "",
                        sessionID: id.hasSuffix("3") ? "x" : "s",
                        messageID: nil, text: "", acceptedAt: 0))
            }
            switch Int.random(in: 0..<8, using: &random) {
            case 0, 1:
                let ahead = expected[lane].count + (lanes[lane].running == nil ? 0 : 1)
                let position = lanes[lane].reserve("\(step)")
                #expect(position == (ahead <= 5 ? ahead : nil), "seed \(seed)")
                if position != nil {
                    expected[lane].append("\(step)")
                    uncommitted[lane].append("\(step)")
                }
            case 2:
                guard let id = uncommitted[lane].randomElement(using: &random) else { continue }
                uncommitted[lane].removeAll { $0 == id }
                lanes[lane].commit(turn(id))
            case 3:
                guard let id = uncommitted[lane].randomElement(using: &random) else { continue }
                uncommitted[lane].removeAll { $0 == id }
                expected[lane].removeAll { $0 == id }
                lanes[lane].abandon(id)
            case 4:
                let mayStart =
                    lanes[lane].running == nil && expected[lane].first.map { !uncommitted[lane].contains($0) } ?? false
                let started = lanes[lane].startNext()
                #expect(started?.id == (mayStart ? expected[lane].first : nil), "seed \(seed)")
                if started != nil { expected[lane].removeFirst() }
            case 5:
                if let id = lanes[lane].running?.id { lanes[lane].finish(id) }
            case 6:
                let dropped = lanes[lane].drop { $0.record.sessionID == "x" }.map(\.id)
                let due = expected[lane].filter { $0.hasSuffix("3") && !uncommitted[lane].contains($0) }
                #expect(dropped == due, "seed \(seed)")
                expected[lane].removeAll { due.contains($0) }
            default:
                if Bool.random(using: &random) {
                    if let number = log.reserve() { open.append(number) }
                } else if let number = open.randomElement(using: &random) {
                    open.removeAll { $0 == number }
                    let ready =
                        Bool.random(using: &random)
                        ? log.fill(.init(sequence: number, turnID: "", frame: "")) : log.void(number)
                    #expect(ready.allSatisfy { $0.sequence > lastReleased }, "seed \(seed)")
                    #expect(ready.map(\.sequence) == ready.map(\.sequence).sorted(), "seed \(seed)")
                    lastReleased = log.released
                    #expect(open.allSatisfy { $0 > lastReleased }, "seed \(seed)")
                }
            }
            #expect(lanes[lane].waitingCount == expected[lane].count, "seed \(seed)")
        }
    }
}

@Suite struct EventLogTests {
    private func event(_ sequence: Int64) -> EventLog.Event {
        .init(sequence: sequence, turnID: "t", frame: "\(sequence)")
    }

    @Test func eventsLeaveInTheOrderOfTheirNumbers() throws {
        var log = EventLog(used: 10, limit: 100)
        let numbers = [log.reserve(), log.reserve(), log.reserve(), log.reserve()]
        #expect(numbers == [11, 12, 13, 14])
        #expect(log.fill(event(13)).isEmpty)
        #expect(log.void(12).isEmpty)
        #expect(log.released == 10)
        #expect(log.fill(event(11)).map(\.sequence) == [11, 13])
        #expect(log.released == 13)
        #expect(!log.isSettled)
        #expect(log.fill(event(14)).map(\.sequence) == [14])
        #expect(log.isSettled)
    }

    @Test func noNumberIsHandedOutThatIsNotReservedOnDisk() {
        var log = EventLog(used: 0, limit: 2)
        #expect([log.reserve(), log.reserve(), log.reserve()] == [1, 2, nil])
        #expect(log.available == 0)
        log.extend(to: 3)
        #expect(log.reserve() == 3)
    }

    @Test func aNumberIsSettledOnce() {
        var log = EventLog(used: 0, limit: 9)
        _ = log.reserve()
        #expect(log.fill(event(1)).count == 1)
        #expect(log.fill(event(1)).isEmpty)
        #expect(log.void(1).isEmpty)
        #expect(log.fill(event(7)).isEmpty)
        #expect(log.released == 1)
    }
}

@Suite struct TurnStateMachineTests {
    private func machine(_ streamed: String = "") -> TurnStateMachine {
        var machine = TurnStateMachine(streamedLimit: 100)
        machine.stream(streamed)
        return machine
    }

    private func outcome(_ text: String, interrupted: Bool = false) -> TurnStateMachine.RunResult {
        .answered(TurnOutcome(text: text, model: "m", interrupted: interrupted))
    }

    @Test func aTurnEndsOnce() {
        var machine = machine()
        #expect(machine.finish(outcome("done"))?.state == .completed)
        #expect(machine.finish(outcome("again")) == nil)
        #expect(machine.interrupt(.user) == false)
    }

    @Test(arguments: [
        (Interruption.user, TurnState.cancelled, true), (.userForgets, .cancelled, false),
        (.shutdown, .interrupted, true),
    ])
    func anInterruptedTurnKeepsWhatWasStreamed(_ reason: Interruption, _ state: TurnState, _ isRemembered: Bool) {
        for result in [
            TurnStateMachine.RunResult.stopped, .failed("the socket broke"), outcome("part", interrupted: true),
        ] {
            var machine = machine("part")
            let mustCancel = machine.interrupt(reason)
            #expect(mustCancel)
            let ending = machine.finish(result)
            #expect(ending?.state == state)
            #expect(ending?.text == "part")
            #expect(ending?.isRemembered == isRemembered)
        }
    }

    @Test func anAnswerThatWasCompleteBeforeTheStopIsNotCut() {
        var machine = machine("all of it")
        _ = machine.interrupt(.user)
        #expect(machine.finish(outcome("all of it"))?.state == .completed)
    }

    @Test func aFailureIsToldUnlessThereIsTextAlready() {
        var silent = machine()
        #expect(silent.finish(.failed("no model"))?.text == "Error: no model")
        var streaming = machine("half")
        let ending = streaming.finish(.failed("no model"))
        #expect(ending?.text == "half")
        #expect(ending?.state == .failed)
    }

    @Test func streamedTextIsBounded() {
        var machine = machine(String(repeating: "a", count: 100))
        machine.stream("b")
        #expect(machine.streamedText.utf8.count == 100)
    }
}

@Suite struct OutboxTests {
    private func limits(_ events: Int, _ bytes: Int) -> GatewayLimits {
        var limits = GatewayLimits()
        limits.backlogEvents = events
        limits.backlogBytes = bytes
        return limits
    }

    @Test func aBacklogAtItsLimitIsDeliveredAndPastItTheSocketIsCut() async {
        for (events, bytes, frames) in [(3, 1_000, ["a", "b", "c"]), (1_000, 6, ["aaa", "bbb"])] {
            let full = Outbox(limits: limits(events, bytes))
            for frame in frames { full.send(.text(frame)) }
            #expect(!full.isClosing)
            #expect(await full.next() == frames.map { .text($0) })
            let over = Outbox(limits: limits(events, bytes))
            for frame in frames + ["x"] { over.send(.text(frame)) }
            #expect(over.isClosing)
            #expect(await over.closing() == .slow)
            #expect(await over.next() == nil, "what waited is dropped")
        }
    }

    @Test func aFrameLargerThanTheBoundStillGetsThroughWithWhatFollowsIt() async {
        let outbox = Outbox(limits: limits(10, 100))
        let long = String(repeating: "x", count: 1_000)
        outbox.send(.text(long))
        outbox.send(.text("end"))
        #expect(await outbox.next() == [.text(long), .text("end")])
        for _ in 0..<3 { outbox.send(.text(long)) }
        #expect(await outbox.closing() == .slow, "one may be longer, not all of them")
    }

    @Test func anOrderlyCloseSendsWhatWaitsFirst() async {
        let outbox = Outbox(limits: limits(10, 100))
        outbox.send(.text("last words"))
        outbox.close(.restarting)
        outbox.close(.revoked)
        outbox.send(.text("too late"))
        #expect(await outbox.next() == [.text("last words")])
        #expect(await outbox.next() == nil)
        #expect(outbox.takeFarewell() == .restarting)
        #expect(outbox.takeFarewell() == nil)
    }
}
