internal import DequeModule

// In which order does a socket get the answers to its commands? In that of its requests, since answers name no request. A
// command that takes long holds back the answers behind it, and nothing else.

/// The answers that one socket has still to get.
struct AnswerQueue: Sendable {
    private var slots: Deque<(id: UInt64, frame: String?)> = []
    private var last: UInt64 = 0

    var count: Int { slots.count }

    /// Takes the next place in line.
    mutating func reserve() -> UInt64 {
        last += 1
        slots.append((last, nil))
        return last
    }

    /// The answer for a place is known.
    ///
    /// - Returns: the answers that can be given now, in order.
    mutating func fill(_ id: UInt64, _ frame: String) -> [String] {
        guard let index = slots.firstIndex(where: { $0.id == id }) else { return [] }
        slots[index].frame = frame
        var ready: [String] = []
        while let frame = slots.first?.frame {
            ready.append(frame)
            slots.removeFirst()
        }
        return ready
    }
}
