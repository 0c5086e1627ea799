internal import Transport

// Who waits for the coordinator's word about a device? Several who ask about the same one share one question, and there is
// a bound: past it, nobody waits and nobody is let in. It knows neither the coordinator nor tasks; whoever is to be woken
// is handed out.

/// Questions that are on their way.
struct DeviceQuestions {
    typealias Waiter = CheckedContinuation<Void, Never>

    /// Whether there is somebody to ask.
    enum Line {
        /// Nobody for now.
        case down
        /// A connection is being made; questions wait for it.
        case dialling
        case up(AsyncStream<NodeID>.Continuation)
    }

    private(set) var line = Line.down
    private let capacity: Int
    private var open: [NodeID: [UInt64: Waiter]] = [:]
    private var lastID: UInt64 = 0

    init(capacity: Int = 256) { self.capacity = capacity }

    mutating func nextID() -> UInt64 {
        lastID += 1
        return lastID
    }

    /// Asks about a device unless that is being done.
    ///
    /// - Parameter isUrgent: somebody waits. Other questions leave half of the room free.
    /// - Returns: whether there will be an answer to wait for.
    mutating func ask(_ device: NodeID, isUrgent: Bool = true) -> Bool {
        if open[device] != nil { return true }
        if case .down = line { return false }
        guard open.count < (isUrgent ? capacity : capacity / 2) else { return false }
        open[device] = [:]
        if case .up(let questions) = line { questions.yield(device) }
        return true
    }

    func isOpen(_ device: NodeID) -> Bool { open[device] != nil }

    /// Has `waiter` woken with the answer.
    mutating func wait(_ waiter: Waiter, id: UInt64, for device: NodeID) { open[device]?[id] = waiter }

    /// Takes a waiter out who waits no longer.
    mutating func leave(_ id: UInt64, for device: NodeID) -> Waiter? { open[device]?.removeValue(forKey: id) }

    /// The question is over; whoever waited is to be woken.
    mutating func close(_ device: NodeID) -> [Waiter] {
        open.removeValue(forKey: device).map { Array($0.values) } ?? []
    }

    /// Changes who is asked. What waits goes to the new line, or is over when there is none.
    mutating func set(_ line: Line) -> [Waiter] {
        self.line = line
        switch line {
        case .up(let questions):
            for device in open.keys { questions.yield(device) }
            return []
        case .dialling: return []
        case .down:
            defer { open = [:] }
            return open.values.flatMap(\.values)
        }
    }
}
