internal import DequeModule
internal import Logging
internal import Store
internal import Wire

// How do messages that are typed in quick succession become one turn, and how does a new one take the place of the answer that
// is being given (websocket.md §7)? Only in sessions that asked for it. The first message of a window is a committed turn that
// does not start before the window ends; the others are added to it on disk. After a crash it just runs.

/// How long a turn gathers text.
struct GatheringWindow: Sendable, Equatable {
    /// A window is extended by each message, but not beyond this many windows, nor beyond a minute.
    static let maximumWindows = 10
    static let longest = Duration.seconds(60)
    /// Messages that may become one turn by gathering.
    static let maximumMessages = 64

    private(set) var end: ContinuousClock.Instant
    private let latest: ContinuousClock.Instant

    init(_ window: Duration, at now: ContinuousClock.Instant) {
        latest = now + min(window * Self.maximumWindows, Self.longest)
        end = min(now + window, latest)
    }

    mutating func extend(_ window: Duration, at now: ContinuousClock.Instant) {
        end = max(end, min(now + window, latest))
    }
}

/// One at a time, in the order of arrival.
struct Gate: Sendable {
    private var isTaken = false
    private var waiting: Deque<CheckedContinuation<Void, Never>> = []

    var isFree: Bool { !isTaken }

    mutating func take() -> Bool {
        defer { isTaken = true }
        return !isTaken
    }

    mutating func wait(_ continuation: CheckedContinuation<Void, Never>) { waiting.append(continuation) }

    /// Whoever comes next has it at once.
    mutating func leave() {
        if let next = waiting.popFirst() { next.resume() } else { isTaken = false }
    }
}

/// What the session manager keeps of gathering turns.
struct Gatherings: Sendable {
    /// Open windows by turn.
    var windows: [String: GatheringWindow] = [:]
    /// Whoever adds to a session's turns or ends their windows.
    var gates: [SessionKey: Gate] = [:]
    /// Turns whose window has been opened. One consumer.
    let opened: AsyncStream<Turn>
    let opening: AsyncStream<Turn>.Continuation

    init() {
        (opened, opening) = AsyncStream.makeStream(of: Turn.self)
    }
}

extension SessionManager {
    private enum Merge { case merged(Turn), repeated, refused, separate }

    // MARK: Messages

    /// Takes a message of a session that gathers.
    func gather(
        _ message: ClientMessage.TextFinal, in key: SessionKey, within sessionWindow: Duration, from caller: Caller,
        on watcher: Watcher
    ) async -> Reception {
        await enter(key)
        defer { leave(key) }
        // What is spoken is complete, and takes along what was typed before it.
        let window = message.source == .typed ? sessionWindow : nil
        let lane = caller.lane(for: key.sessionID, by: laneRule)
        if let open = self.lane(lane)?.lastUnstarted(of: key) {
            switch await merge(message, into: open, window, watcher) {
            case .merged(let merged):
                replaceRunning(of: key, in: lane, by: open.id)
                return .turn(merged)
            case .repeated: return .repeated
            case .refused: return .refused
            case .separate: release(open)
            }
        }
        // The number that was there may have gone to another event meanwhile. What fails here fails below, and is told.
        try? await prepare(key, events: 1)
        let reception = await enqueue(message, in: key, gathering: window, from: caller, on: watcher)
        if case .turn(let turn) = reception { replaceRunning(of: key, in: lane, by: turn.id) }
        return reception
    }

    private func merge(
        _ message: ClientMessage.TextFinal, into open: Turn, _ window: Duration?, _ watcher: Watcher
    ) async -> Merge {
        guard let merged = open.adding(message, limits) else { return .separate }
        withLane(open.lane) { $0.hold(open.id) }
        var announcement: EventLog.Event?
        var told = Merge.refused
        do {
            try await prepare(open.key, events: 1)
            let ahead = lane(open.lane)?.position(of: open.id) ?? 0
            announcement = ahead > 0 || message.messageID != nil ? event(.queued(position: ahead), of: merged) : nil
            let result = try await repository.merge(
                message.messageID, into: merged.record, at: now(), announcing: announcement?.record(at: now()),
                recognisingSince: now() - limits.messageMemory.seconds)
            if result == .merged {
                if let announcement { sessions[open.key]?.fill(announcement) }
                finishMerge(merged, window, watcher)
                return .merged(merged)
            }
            if let announcement { sessions[open.key]?.void(announcement.sequence) }
            guard case .repeated(let earlier) = result else { return .separate }
            await tellState(of: earlier, watcher)
            told = .repeated
        } catch {
            logger.error("sessions::not_accepted", metadata: ["error": "\(error)"])
            if let announcement { sessions[open.key]?.void(announcement.sequence) }
            refuse(.unavailable, "The message could not be saved. Send it again.", message, watcher)
        }
        if gatherings.windows[open.id] == nil { release(open) }
        return told
    }

    private func finishMerge(_ merged: Turn, _ window: Duration?, _ watcher: Watcher) {
        guard withLane(merged.lane, { $0.replace(merged) }) else {
            // The user dropped it in the same moment, and its end was told to the others.
            return reply(unnumbered(.turnComplete(.init(reason: .cancelled)), of: merged.record), watcher)
        }
        if let window, gatherings.windows[merged.id] != nil {
            gatherings.windows[merged.id]?.extend(window, at: .now)
        } else {
            release(merged)
        }
    }

    /// Text that waits to be merged is dropped, and its senders are told.
    func discardGathered(in key: SessionKey, by caller: Caller) async {
        guard let window = sessions[key]?.settings.coalesceWindow, window > .zero else { return }
        await dropWaiting { $0.key == key && $0.record.sender == caller.sender }
    }

    // MARK: Windows

    func openWindow(_ turn: Turn, _ window: Duration) {
        gatherings.windows[turn.id] = GatheringWindow(window, at: .now)
        gatherings.opening.yield(turn)
    }

    /// Ends windows when it is time, until the task is cancelled.
    nonisolated func keepWindows() async {
        await withDiscardingTaskGroup { group in
            for await turn in await gatherings.opened {
                group.addTask {
                    while let end = await self.gatherings.windows[turn.id]?.end {
                        do { try await Task.sleep(until: end, clock: .continuous) } catch { return }
                        await self.endWindow(of: turn)
                    }
                }
            }
            group.cancelAll()
        }
    }

    private func endWindow(of turn: Turn) async {
        await enter(turn.key)
        defer { leave(turn.key) }
        // It may have been extended meanwhile.
        if let window = gatherings.windows[turn.id], window.end <= .now { release(turn) }
    }

    /// Lets a turn start that gathered.
    private func release(_ turn: Turn) {
        gatherings.windows[turn.id] = nil
        withLane(turn.lane) { $0.release(turn.id) }
        startNext(in: turn.lane)
    }

    private func enter(_ key: SessionKey) async {
        if gatherings.gates[key, default: Gate()].take() { return }
        await withCheckedContinuation { gatherings.gates[key]?.wait($0) }
    }

    private func leave(_ key: SessionKey) {
        gatherings.gates[key]?.leave()
        if gatherings.gates[key]?.isFree ?? false { gatherings.gates[key] = nil }
    }

    // MARK: Barge-in

    /// The answer that is being given in the session makes room for the turn.
    private func replaceRunning(of key: SessionKey, in lane: String, by turn: String) {
        guard let next = self.lane(lane)?.unstarted(turn) else { return }
        for (id, run) in running where run.turn.key == key && run.turn.lane == lane {
            // Ids that nobody can read any more would be carried on for ever.
            guard run.turn.record.messageIDs.count <= GatheringWindow.maximumMessages else { continue }
            // What was not begun and cannot be asked together with the other has its own answer first.
            guard run.hasSpoken || run.turn.isContinued || next.adding(before: run.turn, limits) != nil else {
                continue
            }
            guard running[id]?.machine.interrupt(.superseded) ?? false else { continue }
            running[id]?.successor = turn
            run.interrupt.yield()
        }
    }

    /// Ends a turn without a word: its messages are the next one's.
    ///
    /// - Returns: false when there is no such turn any more, and this one has to end as any other.
    func handOver(_ turn: Turn, _ ending: TurnStateMachine.Ending, text: String) async -> Bool {
        guard let run = running[turn.id], let successor = run.successor else { return false }
        await enter(turn.key)
        defer { leave(turn.key) }
        guard let next = lane(turn.lane)?.unstarted(successor) else { return false }
        do {
            // Not a word and not a step: asked again together with what came after it.
            let hasSteps = try await !repository.journal(of: turn.id).isEmpty
            let isUntouched = !run.hasSpoken && !turn.isContinued && !hasSteps
            let salvaged = isUntouched ? next.adding(before: turn, limits) : nil
            let replacement = salvaged ?? next.replacingMessages(turn.record.messageIDs + next.record.messageIDs)
            let calls = await calls(of: turn, ending)
            let isDone = try await repository.supersede(
                turn.record, by: replacement.record,
                ending: .init(
                    state: .cancelled, finishedAt: now(), events: [],
                    messages: salvaged == nil ? transcript(turn, text, isInterrupted: true) : [],
                    usage: calls.unrecorded))
            guard isDone else { return false }
            if !withLane(turn.lane, { $0.replace(replacement) }) {
                // The user dropped it in the same moment.
                sessions[turn.key]?.tell(unnumbered(.turnComplete(.init(reason: .cancelled)), of: turn.record).frame)
            }
            return true
        } catch {
            logger.error("sessions::not_handed_over", metadata: ["turn": "\(turn.id)", "error": "\(error)"])
            return false
        }
    }
}

extension Turn {
    /// With a message behind it; nil when both are too much for one turn.
    fileprivate func adding(_ message: ClientMessage.TextFinal, _ limits: GatewayLimits) -> Turn? {
        guard record.messageIDs.count < GatheringWindow.maximumMessages else { return nil }
        return joining(
            (record.text, message.text), (try? TurnAttachments.list(record.attachments), message.attachments),
            source: message.source.rawValue, ids: record.messageIDs + [message.messageID].compactMap { $0 }, limits)
    }

    /// With an earlier turn in front of it; nil when both are too much for one turn.
    fileprivate func adding(before earlier: Turn, _ limits: GatewayLimits) -> Turn? {
        guard let own = try? TurnAttachments.list(record.attachments) else { return nil }
        return joining(
            (earlier.record.text, record.text), (try? TurnAttachments.list(earlier.record.attachments), own),
            source: record.source, ids: earlier.record.messageIDs + record.messageIDs, limits)
    }

    fileprivate func replacingMessages(_ ids: [String]) -> Turn {
        Turn(
            record.replacing(
                text: record.text, source: record.source, attachments: record.attachments, messageIDs: ids))
    }

    private func joining(
        _ texts: (String, String), _ files: ([Attachment]?, [Attachment]), source: String, ids: [String],
        _ limits: GatewayLimits
    ) -> Turn? {
        let text = [texts.0, texts.1].filter { !$0.isEmpty }.joined(separator: "\n\n")
        guard let earlier = files.0, text.utf8.count <= limits.messageLength else { return nil }
        let attachments = earlier + files.1
        guard attachments.count <= 2 * PendingAttachments.limit,
            let encoded = try? TurnAttachments.text(attachments) as String??
        else { return nil }
        return Turn(record.replacing(text: text, source: source, attachments: encoded, messageIDs: ids))
    }
}
