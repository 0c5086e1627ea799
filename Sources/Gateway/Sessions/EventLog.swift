internal import DequeModule

// In which order do a session's listeners see its events? In that of their numbers, without a gap that is not meant. A
// number is taken before its event is written to disk, so an event may be held back until those before it are settled.
// This file counts and orders; it neither stores nor sends.

/// Hands out event numbers and releases events in their order.
///
/// ```
///   reserve ──▶ open ──fill──▶ filled ──(all before it settled)──▶ released
///                └──void──▶ void ──(all before it settled)──▶ (skipped)
/// ```
struct EventLog: Sendable {
    /// An event with its number, ready to be sent.
    struct Event: Sendable, Equatable {
        let sequence: Int64
        let turnID: String
        let frame: String
    }

    private enum Slot: Sendable {
        case open
        case filled(Event)
        case void
    }

    /// Slots behind `released`, without a hole.
    private var slots: Deque<Slot> = []
    /// The number up to which every event was released or skipped.
    private(set) var released: Int64
    /// The last number that may be used: everything up to it is reserved on disk.
    private(set) var limit: Int64

    init(used: Int64, limit: Int64) {
        self.released = used
        self.limit = limit
    }

    /// How many numbers can be handed out before more must be reserved on disk.
    var available: Int64 { limit - last }
    /// Nothing is held back.
    var isSettled: Bool { slots.isEmpty }
    private var last: Int64 { released + Int64(slots.count) }

    /// Numbers up to `limit` are reserved on disk now.
    mutating func extend(to limit: Int64) {
        self.limit = max(self.limit, limit)
    }

    /// The next number, or nil when none is reserved on disk.
    mutating func reserve() -> Int64? {
        guard available > 0 else { return nil }
        slots.append(.open)
        return last
    }

    /// The event of a number is known, and on disk if it has to be.
    ///
    /// - Returns: the events that can be sent now, in order.
    mutating func fill(_ event: Event) -> [Event] {
        settle(event.sequence, as: .filled(event))
    }

    /// There will be no event of this number.
    ///
    /// - Returns: the events that can be sent now, in order.
    mutating func void(_ sequence: Int64) -> [Event] {
        settle(sequence, as: .void)
    }

    private mutating func settle(_ sequence: Int64, as slot: Slot) -> [Event] {
        let index = Int(sequence - released) - 1
        guard slots.indices.contains(index), case .open = slots[index] else { return [] }
        slots[index] = slot
        var ready: [Event] = []
        release: while let first = slots.first {
            switch first {
            case .open: break release
            case .filled(let event): ready.append(event)
            case .void: break
            }
            slots.removeFirst()
            released += 1
        }
        return ready
    }
}
