internal import DequeModule

// What can be replayed of an answer that is still being streamed? Its deltas are kept in memory, not on disk: the final
// `response` replaces them. Bounded: of a very long answer the oldest deltas go first.

/// The deltas of the turns that run in one session.
struct LiveText: Sendable {
    private var deltas: Deque<EventLog.Event> = []
    private var bytes = 0
    private let limit: Int

    /// - Parameter limit: bytes of frames that are kept.
    init(limit: Int) {
        self.limit = limit
    }

    /// The number of the oldest delta.
    var first: Int64? { deltas.first?.sequence }

    mutating func append(_ event: EventLog.Event) {
        deltas.append(event)
        bytes += event.frame.utf8.count
        while bytes > limit, let oldest = deltas.popFirst() { bytes -= oldest.frame.utf8.count }
    }

    /// The turn has ended: its `response` says it all.
    mutating func remove(turn id: String) {
        deltas.removeAll { $0.turnID == id }
        bytes = deltas.reduce(0) { $0 + $1.frame.utf8.count }
    }

    /// Deltas with numbers in (`after`, `through`], in order.
    func events(after: Int64, through: Int64) -> [EventLog.Event] {
        deltas.filter { $0.sequence > after && $0.sequence <= through }
    }
}
