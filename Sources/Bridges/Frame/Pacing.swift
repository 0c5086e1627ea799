// When may the next act go out? One place for the pauses of a platform: those that it is known to want, in a chat and over all, and those
// that it asked for. Acts get their moments in the order in which they ask, so that many who wait do not all look again. Pure: time is
// handed in.

struct Pacing {
    typealias Instant = ContinuousClock.Instant

    private struct Chat {
        /// When the next act may go.
        var next: Instant
        /// Nothing before that, whatever was promised.
        var blocked: Instant
    }

    private let chatPause: Duration
    private let globalPause: Duration
    private var chats: [String: Chat] = [:]
    private var next: Instant
    private var blocked: Instant
    private var untilPruned = Self.pruneInterval
    private static let pruneInterval = 1_024

    init(_ limits: PlatformLimits, now: Instant) {
        chatPause = limits.chatPause
        globalPause = limits.globalPause
        (next, blocked) = (now, now)
    }

    /// The moment for one act in a chat, which is taken by that.
    mutating func reserve(_ chat: String, now: Instant) -> Instant {
        prune(now)
        let own = chats[chat]
        let slot = max(now, next)
        next = slot + globalPause
        let moment = max(slot, own?.next ?? now, own?.blocked ?? now)
        chats[chat] = Chat(next: moment + chatPause, blocked: own?.blocked ?? now)
        return moment
    }

    /// The same if that is now; nil, and nothing is taken, when it isn't.
    mutating func reserveNow(_ chat: String, now: Instant) -> Instant? {
        earliest(chat, now: now) <= now ? reserve(chat, now: now) : nil
    }

    /// When an act could go at the earliest.
    func earliest(_ chat: String, now: Instant) -> Instant {
        let own = chats[chat]
        return max(now, next, own?.next ?? now, own?.blocked ?? now)
    }

    /// Whether something came in between since a moment was promised.
    func isBlocked(_ chat: String, now: Instant) -> Bool { max(blocked, chats[chat]?.blocked ?? now) > now }

    /// The platform wants to be left alone.
    ///
    /// - Parameter chat: nil: by everybody.
    mutating func block(_ chat: String?, for duration: Duration, now: Instant) {
        guard let chat else {
            blocked = max(blocked, now + duration)
            // Those who ask meanwhile come one after the other when it is over.
            next = max(next, blocked)
            return
        }
        let own = chats[chat]
        chats[chat] = Chat(next: own?.next ?? now, blocked: max(own?.blocked ?? now, now + duration))
    }

    var knownChats: Int { chats.count }

    /// What is past is of no use any more.
    private mutating func prune(_ now: Instant) {
        untilPruned -= 1
        guard untilPruned <= 0 else { return }
        untilPruned = max(Self.pruneInterval, chats.count)
        chats = chats.filter { $0.value.next > now || $0.value.blocked > now }
    }
}
