internal import DequeModule

// Whose turn is it? One lane runs one turn at a time, strictly in the order in which the turns were sent. A place in the
// queue is taken before the turn is committed, so that slow writes cannot change the order. No storage, no clock here.

/// The turns of one device, in order.
///
/// ```
///   reserve ──▶ reserved ──commit──▶ waiting ──startNext (first, lane idle)──▶ running ──finish──▶ (gone)
///                  │ │                │  ▲ └──drop──▶ (gone)
///                  │ │              hold release
///                  │ │                ▼  │
///                  │ └──commit──▶ gathering ──drop──▶ (gone)
///                  └──abandon──▶ (gone)
/// ```
///
/// A gathering turn keeps its place: those behind it wait with it. `replace` changes what a waiting or gathering turn
/// says.
struct LaneQueue: Sendable {
    private enum Slot: Sendable {
        case reserved(String)
        case waiting(Turn)
        /// On disk, but more may be added to it.
        case gathering(Turn)

        var turnID: String {
            switch self {
            case .reserved(let id): id
            case .waiting(let turn), .gathering(let turn): turn.id
            }
        }

        /// Once it is on disk.
        var turn: Turn? {
            switch self {
            case .reserved: nil
            case .waiting(let turn), .gathering(let turn): turn
            }
        }
    }

    /// The one turn that runs.
    private(set) var running: Turn?
    private var slots: Deque<Slot> = []
    private let limit: Int

    /// - Parameter limit: how many turns may wait behind the running one.
    init(limit: Int) {
        self.limit = limit
    }

    /// Turns that are in line, reserved ones included.
    var waitingCount: Int { slots.count }
    /// UTF-8 bytes of their texts, of reserved ones not.
    var waitingBytes: Int { slots.reduce(0) { $0 + ($1.turn?.record.text.utf8.count ?? 0) } }
    var isEmpty: Bool { running == nil && slots.isEmpty }
    private var runningCount: Int { running == nil ? 0 : 1 }

    /// Takes the last place in line for a turn that is being committed.
    ///
    /// - Returns: how many turns are ahead of it, the running one included; nil when the lane is full.
    mutating func reserve(_ turnID: String) -> Int? {
        let ahead = slots.count + runningCount
        // The first turn of an idle lane does not wait, so it takes no waiting place.
        guard ahead <= limit else { return nil }
        slots.append(.reserved(turnID))
        return ahead
    }

    /// The turn is on disk.
    mutating func commit(_ turn: Turn, gathering: Bool = false) {
        guard let index = slots.firstIndex(where: { $0.turnID == turn.id }) else { return }
        slots[index] = gathering ? .gathering(turn) : .waiting(turn)
    }

    /// The turn must not start for now.
    mutating func hold(_ turnID: String) {
        guard let index = slots.firstIndex(where: { $0.turnID == turnID }), let turn = slots[index].turn else { return }
        slots[index] = .gathering(turn)
    }

    /// The turn may start.
    mutating func release(_ turnID: String) {
        guard let index = slots.firstIndex(where: { $0.turnID == turnID }), let turn = slots[index].turn else { return }
        slots[index] = .waiting(turn)
    }

    /// A turn that has not started says something else.
    ///
    /// - Returns: false when it is not in line any more.
    mutating func replace(_ turn: Turn) -> Bool {
        guard let index = slots.firstIndex(where: { $0.turnID == turn.id }) else { return false }
        switch slots[index] {
        case .reserved: return false
        case .waiting: slots[index] = .waiting(turn)
        case .gathering: slots[index] = .gathering(turn)
        }
        return true
    }

    /// The last committed turn of a session that has not started.
    func lastUnstarted(of key: SessionKey) -> Turn? {
        slots.last { $0.turn?.key == key }?.turn
    }

    /// A committed turn that has not started.
    func unstarted(_ turnID: String) -> Turn? {
        slots.first { $0.turnID == turnID }?.turn
    }

    /// The turn was not accepted after all.
    mutating func abandon(_ turnID: String) {
        slots.removeAll { $0.turnID == turnID }
    }

    /// A turn that an earlier process accepted. Recovery fills lanes in the order of acceptance, whatever their limit.
    mutating func restore(_ turn: Turn) {
        slots.append(.waiting(turn))
    }

    /// The next turn to run, if the lane is idle and its first turn is committed.
    mutating func startNext() -> Turn? {
        guard running == nil, case .waiting(let turn) = slots.first else { return nil }
        slots.removeFirst()
        running = turn
        return turn
    }

    /// The running turn has ended.
    mutating func finish(_ turnID: String) {
        if running?.id == turnID { running = nil }
    }

    /// Takes committed turns out of the line.
    mutating func drop(where matches: (Turn) -> Bool) -> [Turn] {
        var dropped: [Turn] = []
        slots.removeAll { slot in
            guard let turn = slot.turn, matches(turn) else { return false }
            dropped.append(turn)
            return true
        }
        return dropped
    }

    /// How many turns are ahead of this one: 0 when it runs; nil when it is not in the lane.
    func position(of turnID: String) -> Int? {
        if running?.id == turnID { return 0 }
        return slots.firstIndex { $0.turnID == turnID }.map {
            slots.distance(from: slots.startIndex, to: $0) + runningCount
        }
    }
}
