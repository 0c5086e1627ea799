@testable import Agent
@testable import Gateway
@testable import Store

// Four lanes and two sessions, put together from the very state machines that the session manager is made of, over a
// storage of this file's own: each write is under way for a while, and a crash leaves it done or not done. It plays the
// part of the manager, one step at a time, and says what must never be so.

/// The session manager without sockets, agents, disks and time.
struct SessionModel {
    static let laneCount = 4
    static let sessionCount = 2
    private static let waitingLimit = 5
    private static let block: Int64 = 50

    // MARK: What survives

    private struct Stored {
        var turn: Turn
        var isRunning = false
    }

    private struct Storage {
        /// Turns that have no ending, by their order of acceptance.
        var unfinished: [Int64: Stored] = [:]
        /// Endings of each accepted turn.
        var endings: [Int64: Int] = [:]
        var answered: Set<Int64> = []
        var reserved = [Int64](repeating: 0, count: SessionModel.sessionCount)
        /// Numbers of stored events that the listener has not been given yet.
        var events = [[Int64]](repeating: [], count: SessionModel.sessionCount)
    }

    // MARK: What dies

    /// A write that is under way.
    private struct Write {
        enum Kind {
            case accept(Turn, EventLog.Event?)
            case start(Turn)
            case append(Turn, EventLog.Event)
            case end(Turn, [EventLog.Event], isAnswer: Bool)
        }

        let kind: Kind
        var isDone = false
        /// For an ending: no other one was first.
        var isFirst = false
    }

    private struct Run {
        var turn: Turn
        var machine: TurnStateMachine
        /// Its start is on disk, and no write of its own is under way.
        var isFree = false
    }

    private var storage = Storage()
    private var lanes: [LaneQueue] = []
    private var logs: [EventLog] = []
    private var runs: [Int: Run] = [:]
    private var writes: [Write] = []
    private var lastOrdinal: Int64 = 0

    // MARK: What is remembered to judge by

    private let judge = Judge()
    var violation: String? { judge.violation }
    private(set) var counts: [String: Int] = [:]
    /// What each lane holds behind its running turn, in order.
    private var line = [[Int64]](repeating: [], count: laneCount)
    private var lastStarted = [Int64](repeating: 0, count: laneCount)
    /// Turns whose drop a crash undid: nobody was told of it.
    private var revived: Set<Int64> = []
    /// Turns that may not start yet.
    private var gathering: Set<Int64> = []
    private var highest = [Int64](repeating: 0, count: sessionCount)
    private var delivered = [Int64](repeating: 0, count: sessionCount)

    init() { begin() }

    /// A process begins: lanes as the storage says, numbers behind those that were reserved.
    private mutating func begin() {
        lanes = Array(repeating: LaneQueue(limit: Self.waitingLimit), count: Self.laneCount)
        (runs, writes, logs, gathering) = ([:], [], [], [])
        line = Array(repeating: [], count: Self.laneCount)
        for session in 0..<Self.sessionCount {
            let used = storage.reserved[session]
            storage.reserved[session] += Self.block
            logs.append(EventLog(used: used, limit: storage.reserved[session]))
            // The listener comes back and is given what it missed.
            for sequence in storage.events[session].sorted() { deliver(sequence, session) }
            storage.events[session] = []
        }
        for (_, stored) in storage.unfinished.sorted(by: { $0.key < $1.key }) {
            let record = stored.turn.record
            let turn = Turn(
                Self.record(
                    record.ordinal, lane: record.lane, session: record.session,
                    state: stored.isRunning ? .running : .accepted))
            guard let lane = Int(record.lane) else { continue }
            lanes[lane].restore(turn)
            line[lane].append(record.ordinal)
        }
        for lane in 0..<Self.laneCount { startNext(lane) }
    }

    private static func record(
        _ ordinal: Int64, lane: String, session: Int64, state: TurnState = .accepted
    ) -> TurnRecord {
        TurnRecord(
            id: "\(ordinal)", ordinal: ordinal, lane: lane, session: session, handle: "", sessionID: "\(session)",
            messageID: nil, text: "", acceptedAt: 0, state: state)
    }

    // MARK: Steps

    /// One random step.
    mutating func step(_ random: inout SeededRandom) {
        let lane = Int.random(in: 0..<Self.laneCount, using: &random)
        switch Int.random(in: 0..<1_000, using: &random) {
        case 0..<180: enqueue(lane, session: Int.random(in: 0..<Self.sessionCount, using: &random))
        case 180..<690: advance(&random)
        case 690..<800: tell(lane, isKept: Bool.random(using: &random))
        case 800..<890: finish(lane, .answered(TurnOutcome(text: "", model: "")))
        case 890..<920: finish(lane, .failed("it broke"))
        case 920..<950: interrupt(lane)
        case 950..<960: finish(lane, .stopped)
        case 960..<965: hold(lane, &random)
        case 965..<985: release(lane, &random)
        case 985..<992: drop(lane, session: Int64(Int.random(in: 0..<Self.sessionCount, using: &random)))
        case 992..<997: crash(&random)
        default: restart(&random)
        }
        check(lane)
    }

    private mutating func enqueue(_ lane: Int, session: Int) {
        let ordinal = lastOrdinal + 1
        let ahead = lanes[lane].reserve("\(ordinal)")
        let expected = line[lane].count + (runs[lane] == nil ? 0 : 1)
        require(ahead == (expected <= Self.waitingLimit ? expected : nil), "position \(ahead ?? -1) is not \(expected)")
        guard ahead != nil else { return count("refused") }
        lastOrdinal = ordinal
        line[lane].append(ordinal)
        let turn = Turn(Self.record(ordinal, lane: "\(lane)", session: Int64(session)))
        writes.append(Write(kind: .accept(turn, event(of: turn))))
        count("enqueued")
    }

    /// A write gets on: it is done, or, when it is done, those who wait for it go on.
    private mutating func advance(_ random: inout SeededRandom) {
        guard let index = writes.indices.randomElement(using: &random) else { return }
        if !writes[index].isDone {
            if case .accept(let turn, let event) = writes[index].kind, Int.random(in: 0..<20, using: &random) == 0 {
                writes.remove(at: index)
                return abandon(turn, event)
            }
            return perform(index)
        }
        let write = writes.remove(at: index)
        switch write.kind {
        case .accept(let turn, let event):
            guard let lane = Int(turn.lane) else { return }
            let gathers = turn.record.ordinal.isMultiple(of: 4)
            lanes[lane].commit(turn, gathering: gathers)
            if gathers { gathering.insert(turn.record.ordinal) }
            fill([event].compactMap { $0 })
            startNext(lane)
        case .start(let turn): if let lane = Int(turn.lane) { runs[lane]?.isFree = true }
        case .append(let turn, let event):
            fill([event])
            if let lane = Int(turn.lane) { runs[lane]?.isFree = true }
        case .end(let turn, let events, let isAnswer):
            if write.isFirst { fill(events) } else { for event in events { void(event) } }
            guard isAnswer, let lane = Int(turn.lane) else { return }
            runs[lane] = nil
            lanes[lane].finish(turn.id)
            startNext(lane)
        }
    }

    private mutating func abandon(_ turn: Turn, _ event: EventLog.Event?) {
        guard let lane = Int(turn.lane) else { return }
        lanes[lane].abandon(turn.id)
        line[lane].removeAll { $0 == turn.record.ordinal }
        if let event { void(event) }
        startNext(lane)
        count("not accepted")
    }

    /// What the transactions of the turn path do.
    private mutating func perform(_ index: Int) {
        writes[index].isDone = true
        switch writes[index].kind {
        case .accept(let turn, let event):
            storage.unfinished[turn.record.ordinal] = Stored(turn: turn)
            storage.endings[turn.record.ordinal] = 0
            if let event { keep(event, turn) }
            count("accepted")
        case .start(let turn): storage.unfinished[turn.record.ordinal]?.isRunning = true
        case .append(let turn, let event): keep(event, turn)
        case .end(let turn, let events, let isAnswer):
            let ordinal = turn.record.ordinal
            guard storage.unfinished.removeValue(forKey: ordinal) != nil else { return }
            writes[index].isFirst = true
            storage.endings[ordinal, default: 0] += 1
            if isAnswer { storage.answered.insert(ordinal) }
            for event in events { keep(event, turn) }
            count(isAnswer ? "ended" : "dropped")
        }
    }

    private mutating func startNext(_ lane: Int) {
        guard let turn = lanes[lane].startNext() else { return }
        let ordinal = turn.record.ordinal
        require(runs[lane] == nil, "lane \(lane) runs two turns")
        require(!gathering.contains(ordinal), "\(ordinal) starts while it gathers")
        require(line[lane].first == ordinal, "lane \(lane) starts \(ordinal) before \(line[lane])")
        // The same again only when a crash came between; an earlier one only when it was about to be dropped then.
        require(
            ordinal >= lastStarted[lane] || revived.contains(ordinal),
            "lane \(lane) starts \(ordinal) after \(lastStarted[lane])")
        require(storage.unfinished[ordinal] != nil, "\(ordinal) starts and is not on disk, or has ended")
        lastStarted[lane] = max(ordinal, lastStarted[lane])
        line[lane].removeFirst()
        runs[lane] = Run(turn: turn, machine: TurnStateMachine(streamedLimit: 10))
        writes.append(Write(kind: .start(turn)))
        count(turn.isContinued ? "continued" : "started")
    }

    private mutating func tell(_ lane: Int, isKept: Bool) {
        guard let run = runs[lane], run.isFree, let event = event(of: run.turn) else { return }
        if isKept {
            runs[lane]?.isFree = false
            writes.append(Write(kind: .append(run.turn, event)))
        } else {
            runs[lane]?.machine.stream("x")
            fill([event])
        }
    }

    private mutating func finish(_ lane: Int, _ result: TurnStateMachine.RunResult) {
        guard let run = runs[lane], run.isFree else { return }
        // Nothing is cancelled for no reason.
        if case .stopped = result, run.machine.state == .running { return }
        guard runs[lane]?.machine.finish(result) != nil else {
            return violate("\(run.turn.id) ends twice in one process")
        }
        runs[lane]?.isFree = false
        let events = [event(of: run.turn), event(of: run.turn)].compactMap { $0 }
        writes.append(Write(kind: .end(run.turn, events, isAnswer: true)))
    }

    private mutating func interrupt(_ lane: Int) {
        guard runs[lane] != nil else { return }
        let isFirst = runs[lane]?.machine.state == .running
        let isGiven = runs[lane]?.machine.interrupt(.user)
        require(isGiven == isFirst, "a stop is given once")
        count("interrupted")
    }

    /// A turn that waits is added to, and waits for more.
    private mutating func hold(_ lane: Int, _ random: inout SeededRandom) {
        guard let ordinal = line[lane].randomElement(using: &random),
            let turn = lanes[lane].unstarted("\(ordinal)")
        else { return }
        lanes[lane].hold(turn.id)
        require(lanes[lane].replace(turn), "\(ordinal) is in line")
        gathering.insert(ordinal)
        count("gathered")
    }

    /// A window is over.
    private mutating func release(_ lane: Int, _ random: inout SeededRandom) {
        guard let ordinal = line[lane].filter(gathering.contains).randomElement(using: &random) else { return }
        gathering.remove(ordinal)
        lanes[lane].release("\(ordinal)")
        startNext(lane)
    }

    private mutating func drop(_ lane: Int, session: Int64) {
        let dropped = lanes[lane].drop { $0.record.session == session }
        let ordinals = dropped.map(\.record.ordinal)
        require(ordinals == line[lane].filter(ordinals.contains), "\(ordinals) dropped from \(line[lane])")
        line[lane].removeAll(where: ordinals.contains)
        gathering.subtract(ordinals)
        for turn in dropped {
            writes.append(Write(kind: .end(turn, [event(of: turn)].compactMap { $0 }, isAnswer: false)))
        }
    }

    /// `kill -9`: each write under way was done, or was not.
    private mutating func crash(_ random: inout SeededRandom) {
        for index in writes.indices where !writes[index].isDone && Bool.random(using: &random) { perform(index) }
        for write in writes where !write.isDone {
            if case .end(let turn, _, isAnswer: false) = write.kind { revived.insert(turn.record.ordinal) }
        }
        count("crashes")
        begin()
    }

    /// SIGTERM: what runs is cut short and marked, what waits stays.
    private mutating func restart(_ random: inout SeededRandom) {
        while !writes.isEmpty { settle() }
        for lane in runs.keys.sorted() {
            _ = runs[lane]?.machine.interrupt(.shutdown)
            finish(lane, .stopped)
        }
        for index in writes.indices where !writes[index].isDone {
            if case .end = writes[index].kind { perform(index) }
        }
        count("restarts")
        begin()
    }

    /// Runs everything to its end: whatever was accepted has exactly one ending then.
    mutating func runToTheEnd() {
        while violation == nil, !writes.isEmpty || !runs.isEmpty || !gathering.isEmpty {
            while !writes.isEmpty { settle() }
            for lane in 0..<Self.laneCount {
                for ordinal in line[lane] where gathering.remove(ordinal) != nil { lanes[lane].release("\(ordinal)") }
                startNext(lane)
            }
            while !writes.isEmpty { settle() }
            for lane in runs.keys.sorted() { finish(lane, .answered(TurnOutcome(text: "", model: ""))) }
        }
        for (ordinal, endings) in storage.endings where endings != 1 { violate("\(ordinal) has \(endings) endings") }
        require(lanes.allSatisfy(\.isEmpty) && logs.allSatisfy(\.isSettled), "something is left")
    }

    /// The oldest write goes all its way.
    private mutating func settle() {
        var random = SeededRandom(7)
        if !writes[0].isDone { perform(0) }
        let others = Array(writes.dropFirst())
        writes = [writes[0]]
        advance(&random)
        writes = others + writes
    }

    // MARK: Numbers

    private mutating func event(of turn: Turn) -> EventLog.Event? {
        let session = Int(turn.record.session)
        if logs[session].available < 1 {
            storage.reserved[session] = logs[session].limit + Self.block
            logs[session].extend(to: storage.reserved[session])
        }
        guard let sequence = logs[session].reserve() else {
            violate("no number is left")
            return nil
        }
        require(sequence > highest[session], "#\(sequence) was used before")
        require(sequence <= storage.reserved[session], "#\(sequence) is not reserved on disk")
        highest[session] = sequence
        return EventLog.Event(sequence: sequence, turnID: turn.id, frame: "\(session)")
    }

    /// On disk, and owed to the listener.
    private mutating func keep(_ event: EventLog.Event, _ turn: Turn) {
        storage.events[Int(turn.record.session)].append(event.sequence)
    }

    private mutating func fill(_ events: [EventLog.Event]) {
        for event in events {
            guard let session = Int(event.frame) else { continue }
            for ready in logs[session].fill(event) { deliver(ready.sequence, session) }
        }
    }

    private mutating func void(_ event: EventLog.Event) {
        guard let session = Int(event.frame) else { return }
        for ready in logs[session].void(event.sequence) { deliver(ready.sequence, session) }
    }

    private mutating func deliver(_ sequence: Int64, _ session: Int) {
        require(sequence > delivered[session], "#\(sequence) is delivered after #\(delivered[session])")
        delivered[session] = sequence
        storage.events[session].removeAll { $0 == sequence }
    }

    // MARK: Promises

    private func check(_ looked: Int) {
        for lane in 0..<Self.laneCount {
            require(lanes[lane].waitingCount == line[lane].count, "lane \(lane) holds something else")
            require(lanes[lane].running?.id == runs[lane]?.turn.id, "lane \(lane) runs something else")
        }
        for (place, ordinal) in line[looked].enumerated() {
            let position = place + (runs[looked] == nil ? 0 : 1)
            require(lanes[looked].position(of: "\(ordinal)") == position, "\(ordinal) is not at \(position)")
        }
        for session in 0..<Self.sessionCount {
            // Everything up to the last released event was given out, and nothing of it is still owed.
            let released = logs[session].released
            require(!storage.events[session].contains { $0 <= released }, "an event up to #\(released) was passed over")
        }
    }

    private func require(_ holds: Bool, _ message: @autoclosure () -> String) {
        if !holds { violate(message()) }
    }

    private func violate(_ message: String) {
        if judge.violation == nil { judge.violation = message }
    }

    /// Remembers the first promise that was broken.
    private final class Judge {
        var violation: String?
    }

    private mutating func count(_ what: String) { counts[what, default: 0] += 1 }
}
