internal import Store
internal import Transport

// What may a member agent believe about the network's roster at this moment? It is told by a watch, by answers about single
// devices, or by nobody; and it fails closed: nothing that was confirmed longer than 30 s ago admits anybody. A pure state
// machine: events and the time come in, changes to publish come out. It knows neither connections nor tasks.
//
//               snapshot                      stream ends
//   closed ───────────────────▶ live ───────────────────────▶ lost
//     ▲  ▲                        ▲  every frame confirms all   │ │  memory counts for 30 s after the last frame;
//     │  │                        └────────── snapshot ─────────┘ │  each device that is asked about counts for 30 s
//     │  └───────────────── 30 s after the last frame ────────────┘  after its own answer, here and in closed
//     │
//   refused ◀── the coordinator says that this agent is not in the network (from any state); left by a snapshot

/// The roster as a member agent knows it.
struct RosterMirror {
    typealias Instant = ContinuousClock.Instant

    /// For so long a confirmation counts.
    static let trust = Duration.seconds(30)
    /// A device that nobody has asked about for so long is not asked about any more.
    static let interest = Duration.seconds(120)
    /// Between two times at which everybody is looked at again, to learn who is still there.
    static let census = Duration.seconds(60)

    enum Phase: Equatable {
        /// Told of every change as it happens.
        case live(heard: Instant)
        /// Not told any more, since shortly after this instant.
        case lost(heard: Instant)
        /// Nothing to go by but answers about single devices.
        case closed
        /// This agent is not in the network.
        case refused
    }

    private struct Entry {
        var wanted: Instant
        var answer: DeviceAnswer?
        var answered: Instant

        func answer(at now: Instant) -> DeviceAnswer? { now - answered < RosterMirror.trust ? answer : nil }
    }

    private(set) var phase = Phase.closed
    /// Devices that are remembered one by one.
    private let capacity: Int
    private var members = RosterState()
    private var entries: [NodeID: Entry] = [:]
    private var lastCensus: Instant?

    init(capacity: Int = 4_096) { self.capacity = capacity }

    // MARK: Questions

    /// What is known about `device` as a device of `handle`; while nobody tells of changes, it is also noted that somebody
    /// wants to know.
    mutating func standing(of device: NodeID, handle: String, now: Instant) -> DeviceStanding {
        switch phase {
        case .refused: return .unavailable
        case .live(let heard) where now - heard < Self.trust: return members.standing(of: device, handle: handle)
        case .live, .lost, .closed: break
        }
        want(device, now: now)
        if let answer = entries[device]?.answer(at: now) { return answer.standing(for: handle) }
        guard isRemembered(at: now) else { return .unavailable }
        let remembered = members.standing(of: device, handle: handle)
        // A device that is not in the memory may have been paired since.
        return remembered == .unknown ? .unavailable : remembered
    }

    /// Whether asking the coordinator about `device` would tell more than memory.
    func isDoubtful(_ device: NodeID, now: Instant) -> Bool {
        switch phase {
        case .refused: return false
        case .live(let heard) where now - heard < Self.trust: return false
        case .live, .lost, .closed: break
        }
        if entries[device]?.answer(at: now) != nil { return false }
        return !isRemembered(at: now) || members.handle(of: device) == nil
    }

    func isKnown(_ node: NodeID) -> Bool { members.isKnown(node) }

    func agent(_ node: NodeID) -> String? { members.agent(node) }

    /// Nil unless every change is told.
    func isUser(_ handle: String) -> Bool? {
        if case .live = phase { members.isUser(handle) } else { nil }
    }

    /// What is known about a user, whatever the device.
    func standing(ofUser handle: String, now: Instant) -> DeviceStanding {
        switch phase {
        case .refused: return .unavailable
        case .live(let heard) where now - heard < Self.trust: return members.standing(ofUser: handle)
        case .live, .lost, .closed: break
        }
        guard isRemembered(at: now) else { return .unavailable }
        let remembered = members.standing(ofUser: handle)
        // Somebody who is not in the memory may have been added since.
        return remembered == .unknown ? .unavailable : remembered
    }

    /// Devices that the coordinator is to be asked about now, the oldest answers first; none while the watch tells.
    mutating func devicesToAsk(now: Instant) -> [NodeID] {
        switch phase {
        case .live, .refused: return []
        case .lost, .closed: break
        }
        entries = entries.filter { now - $0.value.wanted < Self.interest }
        return entries.sorted { $0.value.answered < $1.value.answered }.map(\.key)
    }

    // MARK: Events, each with the changes to publish

    /// The whole roster arrived.
    mutating func replace(_ new: RosterState, now: Instant) -> [RosterChange] {
        let isNews = new != members || !entries.isEmpty || phase == .refused
        members = new
        entries = [:]
        lastCensus = nil
        phase = .live(heard: now)
        return isNews ? [.everything] : []
    }

    /// Changes arrived; none for a sign of life.
    ///
    /// - Returns: nil when they do not follow a snapshot that still counts: a fresh one is needed.
    mutating func apply(_ changes: [RosterChange], now: Instant) -> [RosterChange]? {
        guard case .live = phase else { return nil }
        for change in changes { members.apply(change) }
        phase = .live(heard: now)
        return changes
    }

    /// The watch is over. Everybody is looked at, so that those who are here are known and asked about.
    mutating func lose(now: Instant) -> [RosterChange] {
        guard case .live(let heard) = phase else { return [] }
        phase = .lost(heard: heard)
        lastCensus = now
        return [.everything]
    }

    /// The coordinator answered about a device.
    mutating func answered(_ device: NodeID, _ answer: DeviceAnswer, now: Instant) -> [RosterChange] {
        switch phase {
        case .live, .refused: return []
        case .lost, .closed: break
        }
        let handle = answer.handle ?? members.handle(of: device)
        let before =
            entries[device]?.answer(at: now)?.standing ?? handle.map { members.standing(of: device, handle: $0) }
        want(device, now: entries[device]?.wanted ?? now)
        entries[device]?.answer = answer
        entries[device]?.answered = now
        // Whoever was not let in has no connections that could end.
        guard case .active? = before, answer.standing != before else { return [] }
        return [.everything]
    }

    /// The coordinator says that this agent is not in the network.
    mutating func refuse() -> [RosterChange] {
        guard phase != .refused else { return [] }
        phase = .refused
        members = RosterState()
        entries = [:]
        return [.everything]
    }

    /// Time has passed.
    mutating func tick(now: Instant) -> [RosterChange] {
        var hasExpired = false
        switch phase {
        case .live(let heard), .lost(let heard):
            if now - heard >= Self.trust {
                phase = .closed
                members = RosterState()
                hasExpired = true
            }
        case .closed: break
        case .refused: return []
        }
        for (device, entry) in entries where entry.answer != nil && entry.answer(at: now) == nil {
            entries[device]?.answer = nil
            hasExpired = true
        }
        if !hasExpired, !entries.isEmpty, now - (lastCensus ?? now) >= Self.census { hasExpired = true }
        if hasExpired || lastCensus == nil { lastCensus = now }
        return hasExpired ? [.everything] : []
    }

    // MARK: Parts

    /// Whether the last snapshot and what followed still count.
    private func isRemembered(at now: Instant) -> Bool {
        switch phase {
        case .live(let heard), .lost(let heard): now - heard < Self.trust
        case .closed, .refused: false
        }
    }

    private mutating func want(_ device: NodeID, now: Instant) {
        guard entries[device] == nil else {
            entries[device]?.wanted = now
            return
        }
        if entries.count >= capacity, let oldest = entries.min(by: { $0.value.wanted < $1.value.wanted }) {
            entries[oldest.key] = nil
        }
        entries[device] = Entry(wanted: now, answer: nil, answered: now)
    }
}

extension DeviceAnswer {
    /// What the answer says about the device as a device of `handle`, which the certificate names.
    fileprivate func standing(for handle: String) -> DeviceStanding {
        guard let own = self.handle else { return standing }
        return own.utf8.elementsEqual(handle.utf8) ? standing : .unknown
    }
}
