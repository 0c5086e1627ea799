internal import Store
internal import Wire

// Who listens to a session, and what have they to get? Fan-out of one session's ordered events to the sockets that watch
// it, live or while they catch up. Pure: it tells whom to send what by pushing into outboxes, which never wait.

/// One socket that watches sessions.
struct Watcher: Sendable {
    let id: UInt64
    let outbox: Outbox
    /// Whether spoken answers are of use to it.
    var hearsSpeech = true
    /// It is a bridge's: each chat is a session.
    var isOfBridge = false
}

/// One session while somebody watches it or a turn is under way.
struct SessionChannel: Sendable {
    private enum Mode: Sendable {
        case live
        /// Earlier events are still being replayed; what happens meanwhile is held, up to the backlog's bound.
        case replaying(held: [EventLog.Event])
    }

    /// The session's row in storage; 0 while it has none.
    private(set) var row: Int64
    var log: EventLog
    /// Whether event numbers were reserved on disk for this process.
    private(set) var isReserved: Bool
    private(set) var live: LiveText
    /// How its clients want to be answered.
    var settings = SessionSettings()
    /// Turns that are accepted and have not ended.
    var turns: Set<String> = []
    private var watchers: [UInt64: (outbox: Outbox, mode: Mode, hearsSpeech: Bool)] = [:]
    private let heldLimit: Int

    init(_ record: SessionRecord, isReserved: Bool, limits: GatewayLimits) {
        row = record.id
        log = EventLog(used: record.usedSequence, limit: record.reservedSequence)
        self.isReserved = isReserved
        self.live = LiveText(limit: limits.liveTextLength)
        self.heldLimit = limits.backlogEvents
    }

    /// Nothing would be lost by forgetting it.
    var isIdle: Bool { watchers.isEmpty && turns.isEmpty && log.isSettled }

    /// Numbers were reserved for it. Without effect when that was done before.
    mutating func adopt(_ record: SessionRecord) {
        guard !isReserved else { return }
        row = record.id
        log = EventLog(used: record.usedSequence, limit: record.reservedSequence)
        isReserved = true
    }

    // MARK: Events

    /// An event is ready: it, and those that waited for it, go to everybody who watches.
    mutating func fill(_ event: EventLog.Event) {
        deliver(log.fill(event))
    }

    /// Text of a running answer. Kept for replay until its turn ends.
    mutating func fillLive(_ event: EventLog.Event) {
        live.append(event)
        deliver(log.fill(event))
    }

    mutating func void(_ sequence: Int64) {
        deliver(log.void(sequence))
    }

    mutating func endTurn(_ id: String) {
        turns.remove(id)
        live.remove(turn: id)
    }

    /// A frame outside of the numbered stream, for everybody who watches.
    func tell(_ frame: String) {
        for watcher in watchers.values { watcher.outbox.send(.text(frame)) }
    }

    /// Those who hear speech and are not catching up, by their ids.
    var listeners: [UInt64: Outbox] {
        watchers.compactMapValues { watcher in
            if case .live = watcher.mode, watcher.hearsSpeech { watcher.outbox } else { nil }
        }
    }

    /// Somebody watches, and nobody who does hears speech.
    var isOnlyRead: Bool { !watchers.isEmpty && !watchers.values.contains(where: \.hearsSpeech) }

    private mutating func deliver(_ events: [EventLog.Event]) {
        guard !events.isEmpty else { return }
        for (id, watcher) in watchers {
            switch watcher.mode {
            case .live:
                for event in events { watcher.outbox.send(.text(event.frame)) }
            case .replaying(let held) where held.count + events.count > heldLimit:
                watcher.outbox.close(.slow)
                watchers[id] = nil
            case .replaying(let held):
                watchers[id]?.mode = .replaying(held: held + events)
            }
        }
    }

    // MARK: Watchers

    /// From now on.
    mutating func watch(_ watcher: Watcher) {
        if watchers[watcher.id] == nil { watchers[watcher.id] = (watcher.outbox, .live, watcher.hearsSpeech) }
    }

    /// From now on, but held back until ``takeHeld(for:)`` has given everything out.
    mutating func beginReplay(to watcher: Watcher) {
        watchers[watcher.id] = (watcher.outbox, .replaying(held: []), watcher.hearsSpeech)
    }

    /// What happened during the replay and was held back.
    ///
    /// - Returns: the next events for the watcher; nil when there are none left, and it is live from now on.
    mutating func takeHeld(for watcher: Watcher) -> [EventLog.Event]? {
        guard case .replaying(let held)? = watchers[watcher.id]?.mode else { return nil }
        watchers[watcher.id]?.mode = held.isEmpty ? .live : .replaying(held: [])
        return held.isEmpty ? nil : held
    }

    mutating func unwatch(_ id: UInt64) {
        watchers[id] = nil
    }
}
