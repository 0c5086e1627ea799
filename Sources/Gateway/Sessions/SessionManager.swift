internal import Agent
internal import Foundation
internal import Logging
internal import Store
internal import Wire

// How do many sockets share durable conversations? This actor owns the lanes and the sessions of one gateway: it commits
// turns before it acknowledges them, lets one turn per lane run, and orders what listeners see. It decides nothing about
// rights (callers are authorized before) and knows no sockets, only outboxes. Running a turn is in `TurnRunning.swift`,
// watching and replay in `SessionWatching.swift`, commands in `Commands/`.

/// The conversations of one gateway.
actor SessionManager {
    /// ```
    ///   accepting ──drain──▶ draining ──all turns ended──▶ stopped
    /// ```
    enum Phase {
        case accepting
        /// No new turns, no new starts; running ones may end.
        case draining
        case stopped
    }

    /// A turn that was given to the runner.
    struct Running {
        let turn: Turn
        var machine: TurnStateMachine
        /// The agent has told something of it.
        var hasSpoken = false
        /// The turn that takes its place.
        var successor: String?
        /// Calls of models, as far as they were told.
        var calls: [ModelCallRecord] = []
        /// Those of them that could not be written at once.
        var unrecorded: [ModelCallRecord] = []
        /// Questions to its user that have no answer yet, by their ids.
        var questions: Set<String> = []
        /// Its conversation was cleared since it began.
        var isForgotten = false
        let interrupt: AsyncStream<Void>.Continuation
    }

    /// What the runner is asked to do.
    struct Start: Sendable {
        let turn: Turn
        /// Yields or ends when the run has to be cancelled.
        let interrupted: AsyncStream<Void>
    }

    /// Event numbers reserved on disk at a time: a write less often, at most this many numbers skipped by a crash.
    static let sequenceBlock: Int64 = 1_000

    let repository: SessionRepository
    var limits: GatewayLimits
    let laneRule: SessionLane
    let broadcasts: Broadcasts
    let random: Randomness
    let logger: Logger
    let hooks: TurnHooks
    /// Whether the device that sent a turn was put out of the network since.
    let isRevoked: @Sendable (Turn) -> Bool
    /// Whether the user who sent a turn is an administrator at this moment; false when that can't be said.
    let isAdmin: @Sendable (Turn) -> Bool
    var usage: UsageSettings
    /// Unix seconds.
    let now: @Sendable () -> Double
    let surroundings: CommandSurroundings
    /// The answers to commands that each socket has still to get.
    var answers: [UInt64: AnswerQueue] = [:]
    /// Users of whom a conversation is being compacted.
    var compacting: Set<String> = []
    /// Commands that take long. One consumer, for the lifetime of the manager.
    nonisolated let errands: AsyncStream<@Sendable () async -> Void>
    let errandsContinuation: AsyncStream<@Sendable () async -> Void>.Continuation

    var phase = Phase.accepting
    private var lanes: [String: LaneQueue] = [:]
    private var waitingTotal = 0
    private var lastOrdinal: Int64
    /// Turns that an earlier process stopped, and whose session it removed, before they could end.
    let removed: Set<String>
    var sessions: [SessionKey: SessionChannel] = [:]
    /// How often a session was no longer needed in memory.
    var forgottenSessions: UInt64 = 0
    /// The sessions that each socket watches.
    var watched: [UInt64: Set<SessionKey>] = [:]
    var running: [String: Running] = [:]
    var pendingAttachments = PendingAttachments()
    var gatherings = Gatherings()
    var news = SessionNews()
    /// What could not be written yet.
    nonisolated let unsaved = UnsavedEndings()
    /// Told whenever a turn has ended and none is left.
    var idleObservers: [AsyncStream<Void>.Continuation] = []

    /// Turns that have to run now. One consumer, for the lifetime of the manager.
    nonisolated let starts: AsyncStream<Start>
    let startsContinuation: AsyncStream<Start>.Continuation

    /// Takes up what an earlier process left: turns that it accepted and did not answer run first.
    ///
    /// - Throws: when the database cannot be read.
    init(
        repository: SessionRepository, limits: GatewayLimits, lanes laneRule: SessionLane = .client,
        hooks: TurnHooks = TurnHooks(), usage: UsageSettings = UsageSettings(), broadcasts: Broadcasts = .none,
        random: Randomness = .system, logger: Logger, now: @escaping @Sendable () -> Double,
        surroundings: CommandSurroundings = CommandSurroundings(),
        isRevoked: @escaping @Sendable (Turn) -> Bool = { _ in false },
        isAdmin: @escaping @Sendable (Turn) -> Bool = { _ in false }
    ) throws {
        self.surroundings = surroundings
        self.isRevoked = isRevoked
        self.isAdmin = isAdmin
        self.repository = repository
        self.limits = limits
        self.laneRule = laneRule
        self.hooks = hooks
        self.usage = usage
        self.broadcasts = broadcasts
        self.random = random
        self.logger = logger
        self.now = now
        lastOrdinal = try repository.lastOrdinal()
        removed = try repository.unfinishedTurnsOfRemovedSessions()
        (starts, startsContinuation) = AsyncStream.makeStream(of: Start.self)
        (errands, errandsContinuation) = AsyncStream.makeStream()
        var lanes: [String: LaneQueue] = [:]
        let unfinished = try repository.unfinishedTurns()
        for record in unfinished {
            lanes[record.lane, default: LaneQueue(limit: limits.waitingPerLane)].restore(Turn(record))
        }
        self.lanes = lanes
        waitingTotal = unfinished.count
        if !unfinished.isEmpty { logger.notice("sessions::recovered", metadata: ["turns": "\(unfinished.count)"]) }
    }

    /// Lets recovered turns run. Once, before the first socket.
    func resume() {
        for lane in Array(lanes.keys) { startNext(in: lane) }
    }

    // MARK: Acceptance

    /// Accepts one user text: committed first, acknowledged then, run when its lane is free.
    func accept(_ message: ClientMessage.TextFinal, from caller: Caller, on watcher: Watcher) async {
        let attachmentKey = attachmentKey(message.sessionID, caller)
        let pending = pendingAttachments.take(for: attachmentKey)
        var message = message
        message.attachments += pending
        // A message that came again had the same files the first time: they are not the next one's.
        if case .refused = await take(message, from: caller, on: watcher) {
            pendingAttachments.putBack(pending, for: attachmentKey, now: now())
        }
    }

    /// What became of a message.
    enum Reception {
        /// It is a turn, or part of one.
        case turn(Turn)
        /// It had become a turn before.
        case repeated
        /// Its sender was told why not.
        case refused
    }

    private func take(
        _ message: ClientMessage.TextFinal, from caller: Caller, on watcher: Watcher
    ) async -> Reception {
        guard !message.text.allSatisfy(\.isWhitespace) || !message.attachments.isEmpty else { return .refused }
        let key = SessionKey(handle: caller.handle, sessionID: message.sessionID)
        guard isUsable(message.sessionID), message.messageID.map(isUsable) ?? true else {
            return refuse(.badMessage, "An id may not be empty or longer than 256 bytes.", message, watcher)
        }
        guard phase == .accepting else {
            return refuse(
                .shuttingDown, "The server is restarting. Send the message again in a moment.", message, watcher)
        }
        // Those that came ahead of it are counted apart.
        guard message.attachments.count <= 2 * PendingAttachments.limit else {
            return refuse(.tooLarge, "A message may have \(PendingAttachments.limit) files.", message, watcher)
        }
        guard mayWatch(key, watcher) else {
            return refuse(.tooLarge, "This connection watches too many sessions.", message, watcher)
        }
        if let refusal = await refusesForUsage(message, in: key, from: caller, on: watcher) { return refusal }
        do {
            try await prepare(key, events: 1)
        } catch let error as SessionStorageError {
            return refuse(.conflict, error.description, message, watcher)
        } catch {
            logger.error("sessions::not_opened", metadata: ["error": "\(error)"])
            let text = "The server cannot keep messages at the moment: \(StorageFault(error)). Send it again later."
            return refuse(.unavailable, text, message, watcher)
        }
        watch(key, watcher)
        if let window = sessions[key]?.settings.coalesceWindow, window > .zero, !caller.isUnattended {
            return await gather(message, in: key, within: window, from: caller, on: watcher)
        }
        return await enqueue(message, in: key, gathering: nil, from: caller, on: watcher)
    }

    /// Gives the message a turn of its own.
    ///
    /// - Parameter window: how long more may be added to the turn; nil when nothing is.
    /// - Returns: the turn once it is committed, or that the sender was told why there is none.
    func enqueue(
        _ message: ClientMessage.TextFinal, in key: SessionKey, gathering window: Duration?, from caller: Caller,
        on watcher: Watcher
    ) async -> Reception {
        guard let turn = try? makeTurn(message, key: key, caller: caller) else {
            return refuse(.badMessage, "These attachments cannot be kept.", message, watcher)
        }
        // The first turn of an idle lane does not wait, so it needs no place among those that do.
        guard waitingTotal < limits.waitingPerGateway || lanes[turn.lane] == nil, mayUse(turn.lane, caller),
            hasRoom(for: message.text, caller), let ahead = withLane(turn.lane, { $0.reserve(turn.id) })
        else { return await refuseFull(message, caller, watcher) }
        sessions[key]?.turns.insert(turn.id)
        let isAnnounced = ahead > 0 || message.messageID != nil
        let announcement = isAnnounced ? event(.queued(position: ahead), of: turn) : nil
        let reception = await commit(turn, announcement, message, watcher)
        if case .turn = reception {
            withLane(turn.lane) { $0.commit(turn, gathering: window != nil) }
            if let window { openWindow(turn, window) }
            if let announcement { sessions[key]?.fill(announcement) }
        } else {
            withLane(turn.lane) { $0.abandon(turn.id) }
            if let announcement { sessions[key]?.void(announcement.sequence) }
            sessions[key]?.endTurn(turn.id)
            forgetIfIdle(key)
        }
        startNext(in: turn.lane)
        return reception
    }

    /// Brings the turn to disk.
    private func commit(
        _ turn: Turn, _ announcement: EventLog.Event?, _ message: ClientMessage.TextFinal, _ watcher: Watcher
    ) async -> Reception {
        do {
            let since = now() - limits.messageMemory.seconds
            switch try await repository.accept(
                turn.record, announcing: announcement?.record(at: now()), recognisingSince: since,
                limit: limits.sessionsPerUser)
            {
            case .accepted: return .turn(turn)
            case .repeated(let earlier):
                await tellState(of: earlier, watcher)
                return .repeated
            }
        } catch let error as SessionStorageError {
            return refuse(.conflict, error.description, message, watcher)
        } catch {
            logger.error("sessions::not_accepted", metadata: ["error": "\(error)"])
            let text = "The message could not be saved: \(StorageFault(error)). Send it again later."
            return refuse(.unavailable, text, message, watcher)
        }
    }

    private func makeTurn(_ message: ClientMessage.TextFinal, key: SessionKey, caller: Caller) throws -> Turn {
        let attachments = try TurnAttachments.text(message.attachments)
        lastOrdinal += 1
        return Turn(
            TurnRecord(
                id: random.uuid(), ordinal: lastOrdinal,
                lane: caller.lane(for: key.sessionID, by: laneRule), sender: caller.sender,
                session: sessions[key]?.row ?? 0, handle: key.handle, sessionID: key.sessionID,
                messageID: message.messageID, text: message.text, source: message.source.rawValue,
                attachments: attachments, acceptedAt: now()))
    }

    /// A full lane takes nothing new, but still knows what it took before.
    private func refuseFull(
        _ message: ClientMessage.TextFinal, _ caller: Caller, _ watcher: Watcher
    ) async -> Reception {
        if await isKnown(message, caller, watcher) { return .repeated }
        return refuse(.queueFull, "Too many messages queued. Please wait.", message, watcher)
    }

    /// - Returns: that it is refused.
    @discardableResult
    func refuse(
        _ code: ErrorCode, _ text: String, _ message: ClientMessage.TextFinal, _ watcher: Watcher,
        _ budget: BudgetDetails? = nil
    ) -> Reception {
        var answer = ServerMessage(
            .error(code: code, text: text), sessionID: message.sessionID, messageID: message.messageID)
        answer.budget = budget
        reply(answer, watcher)
        return .refused
    }

    // MARK: Lanes

    /// Changes one lane and keeps the books of all.
    @discardableResult
    func withLane<R>(_ id: String, _ change: (inout LaneQueue) -> R) -> R {
        var lane = lanes[id] ?? LaneQueue(limit: limits.waitingPerLane)
        let before = lane.waitingCount
        let result = change(&lane)
        waitingTotal += lane.waitingCount - before
        lanes[id] = lane.isEmpty ? nil : lane
        return result
    }

    /// Lets the lane's next turn run, if it may.
    func startNext(in lane: String) {
        guard phase == .accepting, let turn = withLane(lane, { $0.startNext() }) else { return }
        let (interrupted, interrupt) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingOldest(1))
        running[turn.id] = Running(
            turn: turn, machine: TurnStateMachine(streamedLimit: limits.messageLength), interrupt: interrupt)
        startsContinuation.yield(Start(turn: turn, interrupted: interrupted))
    }

    /// Waiting turns that match are taken out of their lanes, for good.
    ///
    /// - Returns: how many, and of how many the end is not on disk yet because that takes nothing at the moment.
    @discardableResult
    func dropWaiting(where matches: (Turn) -> Bool) async -> (count: Int, unsaved: Int) {
        var dropped: [Turn] = []
        for id in Array(lanes.keys) {
            dropped += withLane(id) { $0.drop(where: matches) }
        }
        var unsaved = 0
        for turn in dropped {
            gatherings.windows[turn.id] = nil
            if await !endUnstarted(turn) { unsaved += 1 }
        }
        return (dropped.count, unsaved)
    }

    /// Whether a device that runs or waits in many sessions may do so in one more.
    private func mayUse(_ lane: String, _ caller: Caller) -> Bool {
        guard laneRule == .session, lanes[lane] == nil, !caller.isUnattended, !caller.isBridge else { return true }
        let device = caller.device.hex
        return lanes.keys.count { $0.hasPrefix(device) } < limits.lanesPerDevice
    }

    /// Whether the text may wait with the others of its device. Short ones are bounded by their number.
    private func hasRoom(for text: String, _ caller: Caller) -> Bool {
        let length = text.utf8.count
        return caller.isUnattended || length <= limits.waitingBytesPerDevice / 1_024
            || load(of: caller).bytes + length <= limits.waitingBytesPerDevice
    }

    /// What a device has under way: the bytes are those of texts that wait.
    ///
    /// - Parameter sessionID: only this session of a bridge; nil: all.
    func load(of caller: Caller, in sessionID: String? = nil) -> (isBusy: Bool, waiting: Int, bytes: Int) {
        let device = caller.device.hex
        let one =
            switch (sessionID, caller.isBridge) {
            case (let sessionID?, true): caller.lane(for: sessionID, by: laneRule)
            case (_, false) where laneRule == .client: device
            default: String?.none
            }
        let own =
            one.map { [lanes[$0]].compactMap { $0 } } ?? lanes.filter { $0.key.hasPrefix(device) }.map(\.value)
        return (
            own.contains { $0.running != nil }, own.reduce(0) { $0 + $1.waitingCount },
            own.reduce(0) { $0 + $1.waitingBytes }
        )
    }

    func lane(_ id: String) -> LaneQueue? { lanes[id] }

    /// Turns that run and turns that wait, over all lanes.
    var turnCounts: (running: Int, waiting: Int) { (running.count, waitingTotal) }
}

extension EventLog.Event {
    /// - Parameter time: Unix seconds.
    func record(at time: Double) -> SessionEventRecord {
        SessionEventRecord(sequence: sequence, turnID: turnID, frame: frame, createdAt: time)
    }
}

extension Duration {
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}
