import JSON
import Logging
import Synchronization
import TestPlatforms
import Wire

@testable import Bridges

// A bridge to Telegram and what stands around it: an inbox that notes, a clock that a test moves, a log that can be read.

/// Notes what a bridge brings, and keeps it waiting where a test wants.
final class NotingInbox: Inbox {
    struct State: Sendable {
        var given: [InboundUpdate] = []
        var accepted: [String] = []
        var memory: [String: String] = [:]
        var connections: [String] = []
    }

    let state: Watched<State>
    private let hold: @Sendable (InboundUpdate) async throws -> Void

    init(memory: [String: String] = [:], hold: @escaping @Sendable (InboundUpdate) async throws -> Void = { _ in }) {
        state = Watched(State(memory: memory))
        self.hold = hold
    }

    func receive(_ update: InboundUpdate) async throws {
        state.change { $0.given.append(update) }
        try await hold(update)
        state.change { $0.accepted.append(update.id) }
    }

    func remembered(_ key: String) async throws -> String? { state.now.memory[key] }
    func remember(_ key: String, _ value: String?) async throws { state.change { $0.memory[key] = value } }
    func connected(as name: String) async { state.change { $0.connections.append(name) } }

    var given: [InboundUpdate] { state.now.given }
    var texts: [String] { given.map(\.words) }
    var offset: String? { state.now.memory[TelegramListener.offsetKey] }

    @discardableResult
    func waitForGiven(_ count: Int, within limit: Duration = .seconds(10)) async throws -> [InboundUpdate] {
        try await state.waitFor("\(count) updates", within: limit) { $0.given.count >= count ? $0.given : nil }
    }

    func waitForAccepted(_ count: Int) async throws {
        _ = try await state.waitFor("\(count) accepted updates") { $0.accepted.count >= count ? true : nil }
    }
}

extension InboundUpdate {
    /// What was said, whatever it is.
    var words: String {
        switch content {
        case .message(let message): message.text
        case .command(let name, let argument): argument.isEmpty ? "/\(name)" : "/\(name) \(argument)"
        case .press(let data): "press \(data)"
        }
    }

    var message: InboundMessage? { if case .message(let message) = content { message } else { nil } }
}

/// Time that passes when a test says so.
final class StillClock: Sendable {
    private struct State: Sendable {
        var now = ContinuousClock.now
        var sleeps: [Duration] = []
    }

    private let state = Watched(State())

    var now: ContinuousClock.Instant { state.now.now }
    /// How long somebody wanted to sleep, each time.
    var sleeps: [Duration] { state.now.sleeps }

    func sleep(_ duration: Duration) async throws {
        let due = state.change { state in
            state.sleeps.append(duration)
            return state.now + duration
        }
        _ = try await state.until { $0.now >= due ? true : nil }
    }

    func advance(_ duration: Duration) { state.change { $0.now += duration } }

    /// Waits until somebody has gone to sleep so many times.
    func waitForSleeps(_ count: Int) async throws {
        _ = try await state.waitFor("\(count) sleeps") { $0.sleeps.count >= count ? true : nil }
    }

    var seams: TelegramSeams {
        TelegramSeams(now: { self.now }, sleep: { try await self.sleep($0) }, random: { 0.5 })
    }
}

/// What was logged.
final class NotedLog: Sendable {
    let lines = Watched<[String]>([])

    var logger: Logger {
        Logger(label: "test") { _ in Handler(lines: self.lines) }
    }

    private struct Handler: LogHandler {
        let lines: Watched<[String]>
        var logLevel = Logger.Level.trace
        var metadata: Logger.Metadata = [:]
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        init(lines: Watched<[String]>) { self.lines = lines }

        func log(event: LogEvent) {
            let line = "\(event.level) \(event.message) \(event.metadata ?? [:])"
            lines.change { $0.append(line) }
        }
    }
}

/// A bridge and the Telegram that it speaks to.
struct TelegramRoom: Sendable {
    let telegram: FakeTelegram
    let bridge: TelegramBridge
    let inbox: NotingInbox
    let log: NotedLog

    /// Runs a fake and a bridge that does not listen.
    static func run<T: Sendable>(
        token: String = FakeTelegram.token, inbox: NotingInbox = NotingInbox(), seams: TelegramSeams = TelegramSeams(),
        _ body: @escaping @Sendable (TelegramRoom) async throws -> T
    ) async throws -> T {
        try await FakeTelegram.run { telegram in
            let log = NotedLog()
            let bridge = TelegramBridge(token: token, apiBase: telegram.url, logger: log.logger, seams: seams)
            return try await body(TelegramRoom(telegram: telegram, bridge: bridge, inbox: inbox, log: log))
        }
    }

    /// Listens while `body` runs.
    func listening<T: Sendable>(
        to inbox: NotingInbox? = nil, _ body: @escaping @Sendable () async throws -> T
    ) async throws -> T {
        let inbox = inbox ?? self.inbox
        return try await withThrowingTaskGroup(of: T?.self) { group in
            group.addTask {
                try await bridge.listen(inbox)
                return nil
            }
            group.addTask { try await body() }
            defer { group.cancelAll() }
            while let result = try await group.next() {
                if let result { return result }
            }
            throw CancellationError()
        }
    }

    /// Why listening ended.
    func listen() async -> PlatformFailure? {
        do {
            try await bridge.listen(inbox)
            return nil
        } catch { return error as? PlatformFailure }
    }

    /// Carries out an act and tells why it failed.
    func failure(_ act: OutboundAct, at place: ChatPlace) async -> PlatformFailure? {
        do {
            _ = try await bridge.perform(act, at: place, key: "k")
            return nil
        } catch { return error as? PlatformFailure }
    }

    /// The private chat with Ann, in which she has spoken.
    func ann() -> ChatPlace {
        telegram.say("Hello")
        return ChatPlace(chat: "1001")
    }
}
