// Which updates are in hand, which were accepted, and from where must Telegram give more? `getUpdates` with an offset forgets all
// before it, so the offset never goes past what is not accepted: Telegram then gives the same again with every poll, and what is known is
// passed over here. Updates of one chat stand in one line, albums in it until they are complete. Pure: times are handed in.
//
//     take ──► line of the chat ──► head is complete ──► given to the inbox ──► accepted ──► offset moves on
//                  ▲        │
//                  └ album: waits until a poll that began 1 s after its last part brought no other

struct TelegramIntake: Sendable {
    /// How long after one part of an album another may come.
    static let albumPause = Duration.seconds(1)

    /// What is given to the inbox as one.
    struct Item: Sendable {
        var ids: [Int64]
        var update: InboundUpdate
    }

    private struct Entry: Sendable {
        var parts: [(id: Int64, update: InboundUpdate)]
        /// Of an album that may grow: its name, and when its last part came.
        var open: (album: String, since: ContinuousClock.Instant)?
    }

    /// From where to ask when nothing is in hand; nil: from what Telegram has.
    private(set) var next: Int64?
    private var unaccepted: Set<Int64> = []
    /// Accepted, and perhaps given again: Telegram forgets when the next poll begins.
    private var accepted: Set<Int64> = []
    private var lines: [String: [Entry]] = [:]
    /// Lines of which something is with the inbox.
    private var busy: Set<String> = []

    init(from offset: Int64?) { next = offset }

    /// The lowest update that Telegram has to keep.
    var offset: Int64? { unaccepted.min() ?? next }

    /// Whether all was accepted.
    var isEmpty: Bool { unaccepted.isEmpty }

    // MARK: In

    /// Takes what a poll brought.
    ///
    /// - Parameter asked: the poll's offset.
    /// - Returns: what was not known, in order.
    mutating func take(
        _ batch: [(id: Int64, news: TelegramNews)], asked: Int64?, at now: ContinuousClock.Instant
    ) -> [TelegramNews] {
        // What came before that poll's offset is forgotten there, and can be here.
        defer { if let asked { accepted = accepted.filter { $0 >= asked } } }
        guard let highest = batch.map(\.id).max() else { return [] }
        // After a quiet week Telegram counts from another number, which may be lower.
        if let asked, highest < asked { next = highest + 1 } else { next = max(next ?? 0, highest + 1) }
        var fresh: [TelegramNews] = []
        for (id, news) in batch.sorted(by: { $0.id < $1.id }) {
            guard !unaccepted.contains(id), !accepted.contains(id) else { continue }
            fresh.append(news)
            switch news.content {
            case .nothing: accepted.insert(id)
            case .update(let update):
                unaccepted.insert(id)
                lines[update.place.chat, default: []].append(Entry(parts: [(id, update)]))
            case .albumPart(let album, let update):
                unaccepted.insert(id)
                add(id, update, to: album, at: now)
            }
        }
        return fresh
    }

    private mutating func add(_ id: Int64, _ update: InboundUpdate, to album: String, at now: ContinuousClock.Instant) {
        var line = lines[update.place.chat] ?? []
        if let index = line.firstIndex(where: { $0.open?.album == album }) {
            line[index].parts.append((id, update))
            line[index].open?.since = now
        } else {
            line.append(Entry(parts: [(id, update)], open: (album, now)))
        }
        lines[update.place.chat] = line
    }

    /// A poll that began at `began` has brought all it had: albums that did not grow for long enough before it are complete.
    mutating func polled(from began: ContinuousClock.Instant) {
        for chat in lines.keys {
            for index in lines[chat, default: []].indices {
                guard let open = lines[chat]?[index].open, open.since + Self.albumPause <= began else { continue }
                lines[chat]?[index].open = nil
            }
        }
    }

    /// When the next poll is due that began after `last`, while something is in hand.
    func nextPoll(after last: ContinuousClock.Instant) -> ContinuousClock.Instant {
        let albums = lines.values.joined().compactMap { $0.open.map { $0.since + Self.albumPause } }
        return max(last + .seconds(1), albums.min() ?? last)
    }

    // MARK: Out

    /// Chats of which something can be given to the inbox and nothing is. Whoever asks works them off with ``next(of:)``.
    mutating func start() -> [String] {
        let ready = lines.filter { chat, line in !busy.contains(chat) && line.first.map { $0.open == nil } == true }
            .keys
        busy.formUnion(ready)
        return ready.sorted()
    }

    /// What is next in a chat's line; nil: the line rests.
    mutating func next(of chat: String) -> Item? {
        guard let entry = lines[chat]?.first, entry.open == nil,
            let update = entry.parts.count == 1
                ? entry.parts.first?.update : TelegramAlbum.joined(entry.parts.map(\.update))
        else {
            busy.remove(chat)
            return nil
        }
        return Item(ids: entry.parts.map(\.id), update: update)
    }

    /// The inbox has what ``next(of:)`` gave.
    mutating func accept(of chat: String) {
        guard let entry = lines[chat]?.first else { return }
        lines[chat]?.removeFirst()
        if lines[chat]?.isEmpty == true { lines[chat] = nil }
        for part in entry.parts {
            unaccepted.remove(part.id)
            accepted.insert(part.id)
        }
    }
}
