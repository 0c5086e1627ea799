import JSON
import Logging
import Synchronization
import TestPlatforms
import Wire

@testable import Bridges

// What the tests of Discord share: an inbox that remembers as the frame does, and a bridge whose seconds are short.

struct Missing: Error, CustomStringConvertible { var description: String }

/// Takes updates as the frame does: each once, and durable.
final class DiscordInbox: Inbox {
    struct State: Sendable {
        var updates: [InboundUpdate] = []
        var seen: Set<String> = []
        var repeats = 0
        var memory: [String: String] = [:]
        var connected: [String] = []

        var texts: [String] { updates.map(\.words) }
    }

    let state = Watched(State())
    private let gate = Mutex<(@Sendable (InboundUpdate) async throws -> Void)?>(nil)

    /// What is done before an update is taken.
    func hold(_ body: (@Sendable (InboundUpdate) async throws -> Void)?) { gate.withLock { $0 = body } }

    func receive(_ update: InboundUpdate) async throws {
        try await gate.withLock { $0 }?(update)
        try Task.checkCancellation()
        state.change { state in
            if state.seen.insert(update.id).inserted { state.updates.append(update) } else { state.repeats += 1 }
        }
    }

    func remembered(_ key: String) async throws -> String? { state.now.memory[key] }
    func remember(_ key: String, _ value: String?) async throws { state.change { $0.memory[key] = value } }
    func connected(as name: String) async { state.change { $0.connected.append(name) } }

    func waitFor<Result: Sendable>(
        _ what: String, _ condition: @escaping @Sendable (State) -> Result?
    ) async throws -> Result {
        try await state.waitFor(what, within: .seconds(15), condition)
    }

    /// Waits until a session is kept: what is said before the first one nobody hears.
    func waitForSession() async throws { _ = try await waitFor("a session") { $0.memory["session"] } }

    /// Waits for so many updates, and gives what they say.
    func texts(_ count: Int) async throws -> [String] {
        do {
            return try await waitFor("\(count) updates") { $0.updates.count >= count ? $0.texts : nil }
        } catch let error as FakeTimeout {
            throw Missing(description: "\(error.what); there are \(state.now.texts)")
        }
    }
}

/// Everything that was logged, as one text.
final class LogText: LogHandler, Sendable {
    let lines = Watched<[String]>([])
    var logLevel: Logger.Level {
        get { .trace }
        set {}
    }
    var metadata: Logger.Metadata {
        get { [:] }
        set {}
    }
    subscript(metadataKey _: String) -> Logger.Metadata.Value? {
        get { nil }
        set {}
    }

    func log(
        level: Logger.Level, message: Logger.Message, metadata: Logger.Metadata?, source: String, file: String,
        function: String, line: UInt
    ) {
        lines.change { [metadata = "\(metadata ?? [:])"] in $0.append("\(level) \(message) \(metadata)") }
    }

    var logger: Logger { Logger(label: "discord") { _ in self } }
}

/// A second of a bridge takes so many seconds less.
private let haste = 20.0

extension DiscordSeams {
    /// Time runs twenty times as fast; chance is as given.
    static func hasty(random: Double = 0.5) -> DiscordSeams {
        let start = ContinuousClock.now
        var seams = DiscordSeams()
        seams.now = { start + (.now - start) * haste }
        seams.sleep = { try await Task.sleep(for: $0 / haste) }
        seams.random = { random }
        return seams
    }
}

extension FakeDiscord {
    func bridge(
        _ seams: DiscordSeams = .hasty(), guilds: Set<String> = [], token: String = FakeDiscord.token,
        logger: Logger = Logger(label: "discord") { _ in SwiftLogNoOpLogHandler() }
    ) -> DiscordBridge {
        DiscordBridge(token: token, apiBase: apiBase, guilds: guilds, logger: logger, seams: seams)
    }

    /// Waits until the bridge listens.
    func waitForSession(_ count: Int = 1) async throws {
        try await waitFor("a session") { state in
            state.identifies >= count && state.sessions.values.contains { $0.isOpen } ? true : nil
        }
    }
}

/// Lets a bridge listen, again and again as the frame does, while `body` runs.
func listening<T: Sendable>(
    _ bridge: DiscordBridge, _ inbox: DiscordInbox, _ body: @escaping @Sendable () async throws -> T
) async throws -> T {
    try await withThrowingTaskGroup(of: T?.self) { group in
        group.addTask {
            while true {
                do { try await bridge.listen(inbox) } catch PlatformFailure.unavailable {
                    try await Task.sleep(for: .milliseconds(20))
                }
            }
        }
        group.addTask { try await body() }
        defer { group.cancelAll() }
        while let result = try await group.next() {
            if let result { return result }
        }
        throw CancellationError()
    }
}

/// Does an act as the frame does: again until it is done, at the platform's pace.
func insist(_ bridge: DiscordBridge, _ act: OutboundAct, in channel: String, key: String) async throws -> String? {
    while true {
        do { return try await bridge.perform(act, at: ChatPlace(chat: channel), key: key) } catch PlatformFailure.wait(
            let duration, _)
        { try await Task.sleep(for: duration) } catch PlatformFailure.unavailable {
            try await Task.sleep(for: .milliseconds(20))
        }
    }
}
