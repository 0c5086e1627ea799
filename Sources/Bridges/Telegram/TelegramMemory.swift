internal import Synchronization

// What does a bridge to Telegram know beyond one call? Where groups moved, how much a group was told in the last minute, since when
// somebody else polls. All of it is learnt again after a start.

final class TelegramMemory: Sendable {
    private struct State {
        var moves: [Int64: Int64] = [:]
        var groups: [Int64: TelegramGroupPace] = [:]
        var conflict = TelegramConflict()
        var hasMenu = false
    }

    private let state = Mutex(State())

    // MARK: Groups that moved

    /// Where a chat is now.
    func chat(_ id: Int64) -> Int64 {
        state.withLock { state in
            var current = id
            // A circle would be Telegram's fault, and must not become ours.
            for _ in 0..<4 {
                guard let next = state.moves[current] else { break }
                current = next
            }
            return current
        }
    }

    /// - Returns: whether it is news.
    func move(_ chat: Int64, to target: Int64) -> Bool {
        state.withLock { $0.moves.updateValue(target, forKey: chat) != target }
    }

    // MARK: Pace

    /// Counts a message to a chat.
    ///
    /// - Returns: how long to wait first; nil: it counts.
    func pause(_ chat: Int64, at now: ContinuousClock.Instant) -> Duration? {
        // Groups have negative ids.
        guard chat < 0 else { return nil }
        return state.withLock { state in
            state.groups = state.groups.filter { !$0.value.isOver(now) }
            return state.groups[chat, default: TelegramGroupPace()].send(at: now)
        }
    }

    // MARK: Others

    func conflict(at now: ContinuousClock.Instant) -> TelegramConflict.Verdict {
        state.withLock { $0.conflict.happened(at: now) }
    }

    var hasMenu: Bool { state.withLock { $0.hasMenu } }
    func noteMenu() { state.withLock { $0.hasMenu = true } }
}

/// Twenty messages a minute to one group, as Telegram's FAQ for bots says. Edits and actions do not count.
struct TelegramGroupPace: Sendable {
    static let limit = 20
    static let window = Duration.seconds(60)

    private var sent: [ContinuousClock.Instant] = []

    mutating func send(at now: ContinuousClock.Instant) -> Duration? {
        sent.removeAll { $0 + Self.window <= now }
        if sent.count >= Self.limit, let first = sent.first { return first + Self.window - now }
        sent.append(now)
        return nil
    }

    func isOver(_ now: ContinuousClock.Instant) -> Bool { sent.allSatisfy { $0 + Self.window <= now } }
}

/// Two who poll with one token. Telegram ends one of two polls with 409: that also happens once after a restart, while it still holds
/// the poll of the process before, so only what lasts is an admin's affair.
struct TelegramConflict: Sendable {
    enum Verdict: Sendable, Equatable { case begins, goesOn, lasts }

    /// After this it is no accident.
    static let patience = Duration.seconds(60)
    /// After so long without one, the next is another matter. Longer than a poll and a pause between attempts together.
    static let memory = Duration.seconds(180)

    private var first: ContinuousClock.Instant?
    private var last: ContinuousClock.Instant?

    mutating func happened(at now: ContinuousClock.Instant) -> Verdict {
        defer { last = now }
        guard let first, let last, now - last < Self.memory else {
            first = now
            return .begins
        }
        return now - first >= Self.patience ? .lasts : .goesOn
    }
}
