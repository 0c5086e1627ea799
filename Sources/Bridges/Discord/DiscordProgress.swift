internal import Foundation
internal import Synchronization

// How far have we come in what Discord tells? The sequence behind which a session is taken up again, and for each channel in use the
// message behind which is read when it can't be. Knows numbers only; a number counts when the update was accepted, not when it was heard.

/// The sequence numbers of one session.
struct DiscordLedger: Sendable, Equatable {
    /// Numbers that are waited for when later ones came before them.
    static let patience = 100

    /// This one and all before it were accepted; nil: none.
    private(set) var accepted: Int?
    private var latest: Int
    private var open: Set<Int> = []
    private var missing: Set<Int> = []

    /// A session that goes on.
    init(accepted: Int) {
        self.accepted = accepted
        latest = accepted
    }

    /// A new session, whose first event is not accepted yet.
    init(first: Int) {
        latest = first
        open = [first]
    }

    /// How many were heard and not accepted.
    var openCount: Int { open.count }

    /// - Returns: false for a number that was heard before.
    mutating func receive(_ sequence: Int) -> Bool {
        if sequence > latest {
            let gap = max(latest + 1, sequence - Self.patience)..<sequence
            missing.formUnion(gap)
            missing = missing.filter { $0 > sequence - Self.patience }
            latest = sequence
        } else if missing.remove(sequence) == nil {
            return false
        }
        open.insert(sequence)
        return true
    }

    mutating func accept(_ sequence: Int) {
        guard open.remove(sequence) != nil else { return }
        let first = min(open.min() ?? .max, missing.min() ?? .max)
        let reached = first == .max ? latest : first - 1
        if let accepted { self.accepted = max(accepted, reached) } else if reached >= 1 { accepted = reached }
    }
}

/// The channels in which the bot talks.
struct DiscordChannels: Sendable, Equatable, Codable {
    /// More are not kept: the one unused for longest goes.
    static let bound = 256

    struct Channel: Sendable, Equatable, Codable {
        var id: String
        /// The server; nil: a private chat.
        var guild: String?
        /// The last message that was accepted.
        var after: String
    }

    /// The one used last stands last.
    private(set) var list: [Channel] = []

    mutating func use(_ channel: Channel) {
        if let index = list.firstIndex(where: { $0.id == channel.id }) {
            let known = list.remove(at: index)
            list.append(known)
        } else {
            list.append(channel)
            if list.count > Self.bound { list.removeFirst(list.count - Self.bound) }
        }
    }

    /// - Returns: whether that is news.
    mutating func accept(_ message: String, in channel: String) -> Bool {
        guard let index = list.firstIndex(where: { $0.id == channel }),
            Snowflake.number(message) > Snowflake.number(list[index].after)
        else { return false }
        list[index].after = message
        return true
    }

    mutating func remove(_ channel: String) { list.removeAll { $0.id == channel } }
}

/// Discord's ids: numbers with a time in them.
enum Snowflake {
    static func number(_ id: String) -> UInt64 { UInt64(id) ?? 0 }

    /// Whether it is one, and so can stand in an address.
    static func isOne(_ id: String) -> Bool {
        (1...20).contains(id.utf8.count) && id.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }

    /// Seconds since 1970.
    static func time(_ id: String) -> Double { (Double(number(id) >> 22) + 1_420_070_400_000) / 1000 }
}

/// What is kept of the platform, for whoever listens and whoever sends.
final class DiscordProgress: Sendable {
    private static let sessionKey = "session"
    private static let channelsKey = "channels"
    /// Channels of which the last message is held in memory.
    private static let recentBound = 1000

    private struct Kept: Codable, Equatable {
        var session: DiscordSession
        var sequence: Int
    }

    private struct State {
        var session: DiscordSession?
        var ledger: DiscordLedger?
        /// Goes up with each new session: what belongs to an earlier one counts no more.
        var generation = 0
        var channels = DiscordChannels()
        var recent: [String: DiscordChannels.Channel] = [:]
        var channelsChanged = false
        var isLoaded = false
        var written: Kept?
        var isForgotten = false
        var signal: AsyncStream<Void>.Continuation?
    }

    private let state = Mutex(State())

    /// Reads what was kept. Of the session what is in memory counts no more: not all of it was accepted.
    func load(from inbox: any Inbox) async throws {
        let kept: Kept? = Self.decoded(try await inbox.remembered(Self.sessionKey))
        let channels: DiscordChannels? = Self.decoded(try await inbox.remembered(Self.channelsKey))
        state.withLock { state in
            state.generation += 1
            state.session = kept?.session
            state.ledger = kept.map { DiscordLedger(accepted: $0.sequence) }
            state.written = kept
            state.isForgotten = false
            if !state.isLoaded { state.channels = channels ?? DiscordChannels() }
            state.isLoaded = true
        }
    }

    /// Writes what changes, until it is cancelled. Several changes become one write.
    func keep(in inbox: any Inbox) async throws {
        let (signals, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        state.withLock { $0.signal = signal }
        signal.yield()
        for await _ in signals {
            let (kept, forgets, channels) = state.withLock { state -> (Kept?, Bool, DiscordChannels?) in
                var kept: Kept?
                if let session = state.session, let accepted = state.ledger?.accepted {
                    kept = Kept(session: session, sequence: accepted)
                }
                if kept == state.written { kept = nil }
                defer { state.channelsChanged = false }
                return (kept, state.isForgotten, state.channelsChanged ? state.channels : nil)
            }
            // Channels first: what is read behind them may come twice, what is behind the session must not be passed over.
            if let channels { try await inbox.remember(Self.channelsKey, Self.encoded(channels)) }
            if let kept {
                try await inbox.remember(Self.sessionKey, Self.encoded(kept))
            } else if forgets {
                try await inbox.remember(Self.sessionKey, nil)
            }
            state.withLock { state in
                if let kept { state.written = kept }
                if forgets { state.isForgotten = false }
            }
        }
        try Task.checkCancellation()
    }

    var session: DiscordSession? { state.withLock { $0.session } }
    var accepted: Int? { state.withLock { $0.ledger?.accepted } }
    var channels: [DiscordChannels.Channel] { state.withLock { $0.channels.list } }

    // MARK: The session

    /// A new session. Nothing of it is kept until its first event was accepted.
    ///
    /// - Returns: what ``accept(_:_:)`` wants to know.
    func begin(_ session: DiscordSession, sequence: Int) -> Int {
        state.withLock { state in
            state.session = session
            state.ledger = DiscordLedger(first: sequence)
            state.generation += 1
            state.isForgotten = false
            return state.generation
        }
    }

    func forget() {
        change { state in
            state.session = nil
            state.ledger = nil
            state.generation += 1
            state.isForgotten = true
            state.written = nil
        }
    }

    /// - Returns: nil for an event that was heard before; else what ``accept(_:_:)`` wants to know.
    func receive(_ sequence: Int) -> Int? {
        state.withLock { state in
            guard state.ledger?.receive(sequence) == true else { return nil }
            return state.generation
        }
    }

    func accept(_ sequence: Int, _ generation: Int) {
        change { state in
            guard state.generation == generation else { return }
            state.ledger?.accept(sequence)
        }
    }

    // MARK: Channels

    /// A message of a user was accepted.
    func accept(message: String, in channel: String, guild: String?) {
        change { state in
            if state.recent.count >= Self.recentBound, state.recent[channel] == nil, let some = state.recent.keys.first
            {
                state.recent[some] = nil
            }
            state.recent[channel] = .init(id: channel, guild: guild, after: message)
            if state.channels.accept(message, in: channel) { state.channelsChanged = true }
        }
    }

    /// The bot said something there: from now on nothing said there is to be missed.
    func use(_ channel: String) {
        change { state in
            guard let recent = state.recent[channel], state.channels.list.last?.id != channel else { return }
            let before = state.channels
            state.channels.use(recent)
            if before != state.channels { state.channelsChanged = true }
        }
    }

    func remove(_ channel: String) {
        change { state in
            state.channels.remove(channel)
            state.recent[channel] = nil
            state.channelsChanged = true
        }
    }

    private func change(_ body: (inout sending State) -> Void) {
        state.withLock { state in
            body(&state)
            state.signal?.yield()
        }
    }

    private static func encoded(_ value: some Encodable) -> String? {
        (try? JSONEncoder().encode(value)).map { String(decoding: $0, as: UTF8.self) }
    }

    private static func decoded<Value: Decodable>(_ text: String?) -> Value? {
        text.flatMap { try? JSONDecoder().decode(Value.self, from: Data($0.utf8)) }
    }
}
