internal import Logging
internal import Store
internal import Wire

// In which order does a chat get what it is to get? Each place has a lane, which is there as long as there is something to do: what the
// outbox holds, one after the other, and in between what can be seen of an answer that is being written. So nothing overtakes an answer,
// and an answer always knows the message whose place it takes. How acts are carried out is in `LaneWork.swift`.

actor Lanes {
    private struct Lane {
        let place: ChatPlace
        let bell = Bell()
        /// How often rows were announced, and whether some may be left.
        var announced: UInt64 = 0
        var hasRows = false
        var live: [LiveTurn] = []
        var lastTyping: ContinuousClock.Instant?
    }

    /// What a lane's task does next.
    enum Next {
        case row(announced: UInt64)
        case show(LiveTurn, text: String)
        case typing
        case wait(Bell, rings: UInt64, until: ContinuousClock.Instant?)
        case end
    }

    /// Notes about tools are told no more often.
    static let notePause = Duration.seconds(8)

    let frame: BridgeFrame
    let status: StatusReporter
    private var lanes: [String: Lane] = [:]
    private var parked: Set<String>
    private var pacing: Pacing
    private nonisolated let starts: AsyncStream<(String, ChatPlace)>
    private let start: AsyncStream<(String, ChatPlace)>.Continuation

    init(_ frame: BridgeFrame, _ status: StatusReporter, parked: Set<String>) {
        self.frame = frame
        self.status = status
        self.parked = parked
        pacing = Pacing(frame.limits, now: frame.seams.clock())
        (starts, start) = AsyncStream.makeStream(of: (String, ChatPlace).self)
    }

    /// Sends what there is to send until the task is cancelled.
    ///
    /// - Throws: when the database can't be used.
    func run() async throws {
        for lane in try await frame.store.lanes() { try announce(lane.lane, ChatPlace(text: lane.place)) }
        try await withThrowingDiscardingTaskGroup { group in
            for await (key, place) in starts {
                group.addTask {
                    do { try await self.work(key, place) } catch {
                        // Whoever waits for the next lane is not woken by the failure of one.
                        self.start.finish()
                        throw error
                    }
                }
            }
            group.cancelAll()
        }
    }

    // MARK: What there is to do

    /// These were put into the outbox.
    func sent(_ messages: [BridgeMessage]) throws {
        for message in messages { announce(message.lane, try ChatPlace(text: message.place)) }
        if !messages.isEmpty { status.note() }
    }

    private func announce(_ key: String, _ place: ChatPlace) {
        guard !parked.contains(place.chat) else { return }
        open(key, place) { lane in
            lane.announced += 1
            lane.hasRows = true
        }
    }

    /// A turn of this place has begun or waits.
    func begin(_ turn: OpenTurn) {
        guard !parked.contains(turn.place.chat) else { return }
        let style: LiveTurn.Style =
            !frame.settings.live || turn.isVoice ? .typing : frame.limits.canEdit ? .message : .notes
        open(turn.lane, turn.place) { lane in
            guard !lane.live.contains(where: { $0.id == turn.id }) else { return }
            lane.live.append(LiveTurn(id: turn.id, session: turn.session, anchor: turn.anchor, style: style))
        }
    }

    func add(delta: String, to turn: OpenTurn) {
        let (limit, now) = (frame.limits.textLength, frame.seams.clock())
        change(turn) { $0.add(delta: delta, limit: limit, at: now) }
    }

    func add(status: String, to turn: OpenTurn) {
        let now = frame.seams.clock()
        change(turn) { $0.add(status: status, at: now) }
    }

    /// It waits for its user: nobody is writing.
    func set(isWaiting: Bool, _ turn: OpenTurn) {
        change(turn) { live in
            live.isWaiting = isWaiting
            return true
        }
    }

    /// Nothing more is shown of it: its answer comes next.
    func end(_ turn: OpenTurn) {
        lanes[turn.lane]?.live.removeAll { $0.id == turn.id }
        lanes[turn.lane]?.bell.ring()
    }

    /// - Parameter change: returns whether the lane has to look at it.
    private func change(_ turn: OpenTurn, _ change: (inout LiveTurn) -> Bool) {
        if index(of: turn.id, in: turn.lane) == nil { begin(turn) }
        guard let index = index(of: turn.id, in: turn.lane), let lane = lanes[turn.lane] else { return }
        // Deltas are many: the lane is woken by the first that it has not shown.
        if change(&lanes[turn.lane, default: lane].live[index]) { lane.bell.ring() }
    }

    private func index(of turn: String, in key: String) -> Int? { lanes[key]?.live.firstIndex { $0.id == turn } }

    private func open(_ key: String, _ place: ChatPlace, _ change: (inout Lane) -> Void) {
        let isNew = lanes[key] == nil
        var lane = lanes[key] ?? Lane(place: place)
        change(&lane)
        lanes[key] = lane
        if isNew { start.yield((key, place)) } else { lane.bell.ring() }
    }

    // MARK: What is done next

    func next(in key: String) -> Next {
        guard let lane = lanes[key], !parked.contains(lane.place.chat) else {
            lanes[key] = nil
            return .end
        }
        let rings = lane.bell.rings
        if lane.hasRows { return .row(announced: lane.announced) }
        if lane.live.isEmpty {
            lanes[key] = nil
            return .end
        }
        let (now, chat) = (frame.seams.clock(), lane.place.chat)
        let free = pacing.earliest(chat, now: now)
        var due: ContinuousClock.Instant?
        for (index, live) in lane.live.enumerated() {
            guard let shown = moment(of: live, now) else { continue }
            if max(shown, free) <= now {
                guard let text = lanes[key]?.live[index].show(limit: frame.limits.textLength, unit: frame.limits.unit),
                    !text.isEmpty
                else { continue }
                _ = pacing.reserveNow(chat, now: now)
                lanes[key]?.live[index].lastShown = now
                return .show(live, text: text)
            }
            due = min(due ?? shown, shown)
        }
        if lane.live.contains(where: { !$0.isWaiting }) {
            let typing = lane.lastTyping.map { $0 + frame.limits.typingTime * 0.8 } ?? now
            if typing <= now, free <= now {
                lanes[key]?.lastTyping = now
                return .typing
            }
            due = min(due ?? typing, typing)
        }
        return .wait(lane.bell, rings: rings, until: due.map { max($0, free) })
    }

    /// When the turn may be shown next; nil: there is nothing to show.
    private func moment(of live: LiveTurn, _ now: ContinuousClock.Instant) -> ContinuousClock.Instant? {
        guard live.isChanged, !live.isGivenUp, let since = live.since else { return nil }
        switch live.style {
        case .typing: return nil
        case .notes: return live.lastShown.map { $0 + Self.notePause } ?? now
        case .message:
            // A short answer is there before anything of it would be shown.
            return live.lastShown.map { $0 + frame.limits.editPause } ?? since
                + min(frame.limits.editPause, .seconds(1))
        }
    }

    /// The outbox has nothing more for the lane, unless some was announced since.
    func isEmpty(_ key: String, announced: UInt64) {
        if lanes[key]?.announced == announced { lanes[key]?.hasRows = false }
    }

    // MARK: What became of it

    /// - Parameter draft: the platform's id of the message that shows it.
    func shown(_ turn: String, in key: String, draft: String?) {
        change(turn, key) { $0.draft = draft ?? $0.draft }
    }

    func notShown(_ turn: String, in key: String, givingUp: Bool) {
        change(turn, key) { live in
            live.showAgain()
            if givingUp { (live.isGivenUp, live.draft) = (true, nil) }
        }
    }

    private func change(_ turn: String, _ key: String, _ change: (inout LiveTurn) -> Void) {
        guard let index = index(of: turn, in: key), let lane = lanes[key] else { return }
        change(&lanes[key, default: lane].live[index])
    }

    // MARK: Pace

    func slot(_ chat: String) -> ContinuousClock.Instant { pacing.reserve(chat, now: frame.seams.clock()) }

    func isBlocked(_ chat: String) -> Bool { pacing.isBlocked(chat, now: frame.seams.clock()) }

    /// - Parameter chat: nil: all of them.
    func block(_ chat: String?, for duration: Duration) {
        pacing.block(chat, for: duration, now: frame.seams.clock())
    }

    // MARK: Chats that take nothing

    func park(_ chat: String, reason: String) async throws {
        guard parked.insert(chat).inserted else { return }
        frame.logger.warning("bridge::parked", metadata: ["chat": "\(chat)", "reason": "\(reason)"])
        try await frame.persist { try await frame.store.park(chat, reason: reason, since: frame.seams.now()) }
        status.note()
    }

    /// Somebody in the chat says something: it is there again.
    func unpark(_ chat: String) async throws {
        guard parked.remove(chat) != nil else { return }
        frame.logger.notice("bridge::unparked", metadata: ["chat": "\(chat)"])
        try await frame.persist { try await frame.store.unpark(chat) }
        for lane in try await frame.store.lanes(of: chat) { announce(lane.lane, try ChatPlace(text: lane.place)) }
        status.note()
    }
}
