internal import JSON
internal import Logging
internal import Synchronization

// How do updates get from Telegram to the inbox? By one long poll after the other; what it brings is given to the inbox side by side for
// each chat. While something is with the inbox, polls do not wait, since Telegram answers with what it still has to keep, and are a
// second apart: so commands are heard while another chat's message waits.

struct TelegramListener: Sendable {
    let api: TelegramAPI
    let inbox: any Inbox
    let memory: TelegramMemory
    let seams: TelegramSeams
    let logger: Logger

    /// The key under which the inbox keeps the offset.
    static let offsetKey = "telegram.offset"

    /// - Throws: ``PlatformFailure``, `CancellationError`.
    func run() async throws {
        let bot = try await identity()
        await offerMenu()
        let translator = TelegramTranslator(bot: bot) { [api] file, write in
            try await Self.fetch(file, api, write)
        }
        let kept = try await inbox.remembered(Self.offsetKey)
        let loop = PollLoop(
            listener: self, translator: translator, intake: Lines(from: kept.flatMap { Int64($0) }),
            name: "@\(bot.username)")
        try await loop.run(kept: kept)
    }

    private func identity() async throws -> TelegramIdentity {
        do {
            let me = try await api.call("getMe")
            guard let id = me.number("id"), let username = me.text("username") else {
                throw PlatformFailure.unavailable("Telegram did not say who the bot is")
            }
            return TelegramIdentity(id: id, username: username)
        } catch let refusal as TelegramRefusal { throw refusal.failure(.everything) }
    }

    /// Puts the commands into the menu beside the text field. Without it they work as well.
    private func offerMenu() async {
        guard !memory.hasMenu else { return }
        let commands = TelegramBridge.menu.map {
            JSONValue.object(["command": .string($0.name), "description": .string($0.text)])
        }
        do {
            _ = try await api.call("setMyCommands", ["commands": .array(commands)])
            memory.noteMenu()
        } catch is CancellationError {
        } catch {
            logger.notice("bridge::telegram_menu_not_set", metadata: ["reason": "\(TelegramBridge.failure(error))"])
        }
    }

    private static func fetch(
        _ file: String, _ api: TelegramAPI, _ write: @Sendable ([UInt8]) async throws -> Void
    ) async throws {
        let path: String
        do {
            let found = try await api.call("getFile", ["file_id": .string(file)])
            guard let told = found.text("file_path") else {
                throw PlatformFailure.refused("Telegram does not say where the file is")
            }
            path = told
        } catch let refusal as TelegramRefusal { throw refusal.failure(.everything) }
        try await api.download(path, limit: TelegramFiles.largestInbound, write)
    }
}

/// The lines of ``TelegramIntake``, shared by those who work them off.
private final class Lines: Sendable {
    private let intake: Mutex<TelegramIntake>

    init(from offset: Int64?) { intake = Mutex(TelegramIntake(from: offset)) }

    func with<Result: Sendable>(_ body: (inout TelegramIntake) -> Result) -> Result { intake.withLock { body(&$0) } }
}

/// Waits between polls.
private struct Rest {
    enum Wake: Sendable, Equatable { case allAccepted, time(Int) }

    let wake: AsyncStream<Wake>.Continuation
    private var wakes: AsyncStream<Wake>.AsyncIterator
    private var timers = 0

    init() {
        let (stream, continuation) = AsyncStream.makeStream(of: Wake.self)
        wake = continuation
        wakes = stream.makeAsyncIterator()
    }

    /// Waits for so long, or until all that is in hand was accepted.
    mutating func callAsFunction(
        _ pause: Duration, _ seams: TelegramSeams, in group: inout PollLoop.Group, isOver: () -> Bool
    ) async throws {
        timers += 1
        let (timer, wake) = (timers, wake)
        group.addTask {
            try await seams.sleep(pause)
            wake.yield(.time(timer))
        }
        while let woken = await wakes.next() {
            switch woken {
            case .time(let number): if number == timer { return }
            case .allAccepted: if isOver() { return }
            }
        }
        throw CancellationError()
    }
}

/// Polls until something ends it.
private struct PollLoop {
    typealias Group = ThrowingDiscardingTaskGroup<any Error>

    let listener: TelegramListener
    let translator: TelegramTranslator
    let intake: Lines
    let name: String

    private var seams: TelegramSeams { listener.seams }

    /// - Parameter offset: as the inbox keeps it.
    func run(kept offset: String?) async throws {
        // A group ends its tasks when one of them fails, but not the loop that starts them.
        let (failures, failure) = AsyncThrowingStream.makeStream(of: Never.self)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await poll(kept: offset) { failure.finish(throwing: $0) } }
            group.addTask { for try await _ in failures {} }
            defer { group.cancelAll() }
            try await group.next()
        }
        // Neither ends by itself.
        throw CancellationError()
    }

    /// - Parameter fails: what it is told ends the loop.
    private func poll(kept offset: String?, fails: @escaping @Sendable (any Error) -> Void) async throws {
        try await withThrowingDiscardingTaskGroup { group in
            var (kept, failures, isConnected, rest) = (offset, 0, false, Rest())
            while true {
                let (offset, isEmpty) = intake.with { ($0.offset, $0.isEmpty) }
                if let offset, kept != "\(offset)" {
                    kept = "\(offset)"
                    try await listener.inbox.remember(TelegramListener.offsetKey, kept)
                }
                let began = seams.now()
                let batch: [TelegramObject]
                do {
                    // The first poll tells at once that the connection stands.
                    batch = try await poll(offset, waits: isEmpty && isConnected)
                    if !isConnected { await listener.inbox.connected(as: name) }
                    (failures, isConnected) = (0, true)
                    for news in take(batch, asked: offset, from: began) { answer(news, in: &group) }
                } catch let failure as PlatformFailure {
                    // What is in hand would be cut short, e.g. a file that is being fetched.
                    guard let pause = pause(after: failure, failures) else { throw failure }
                    failures += 1
                    try await seams.sleep(pause)
                    continue
                }
                for chat in intake.with({ $0.start() }) {
                    group.addTask { [wake = rest.wake] in
                        do { try await work(off: chat) { wake.yield(.allAccepted) } } catch { fails(error) }
                    }
                }
                if !batch.isEmpty, (intake.with { $0.next } ?? .min) <= (offset ?? .min) {
                    // It brings nothing that lies ahead, and would with every poll.
                    try await seams.sleep(began + .seconds(1) - seams.now())
                } else if let due = intake.with({ $0.isEmpty ? nil : $0.nextPoll(after: began) }) {
                    try await rest(due - seams.now(), seams, in: &group) { intake.with { $0.isEmpty } }
                }
            }
        }
    }

    // MARK: Polls

    private func poll(_ offset: Int64?, waits: Bool) async throws -> [TelegramObject] {
        let time = waits ? seams.pollTime : .zero
        var parameters: [String: JSONValue] = [
            "timeout": .integer(time.components.seconds), "limit": 100,
            "allowed_updates": ["message", "edited_message", "callback_query"],
        ]
        if let offset { parameters["offset"] = .integer(offset) }
        do {
            return try await listener.api.call("getUpdates", parameters, timeLimit: time + seams.patience).elements
        } catch let refusal as TelegramRefusal where refusal.code == 409 {
            throw conflict(refusal)
        } catch let refusal as TelegramRefusal { throw refusal.failure(.everything) }
    }

    private func conflict(_ refusal: TelegramRefusal) -> PlatformFailure {
        let isWebhook = refusal.description.lowercased().contains("webhook")
        let words =
            isWebhook
            ? "A webhook is set for this bot, so Telegram gives its messages to that address and not here. Remove it by opening <api_base>/bot<token>/deleteWebhook once, with the bot's token."
            : "Another program polls Telegram with this bot's token, and only one can. Stop it, or make a new token with @BotFather (/revoke) and put it into channels.telegram.token."
        switch listener.memory.conflict(at: seams.now()) {
        case .begins:
            listener.logger.warning("bridge::telegram_conflict", metadata: ["reason": "\(words)"])
            return .unavailable(words)
        case .goesOn: return .unavailable(words)
        case .lasts: return .account(words)
        }
    }

    /// How long to wait when a poll failed and something is in hand; nil: it is over.
    private func pause(after failure: PlatformFailure, _ failures: Int) -> Duration? {
        guard !intake.with({ $0.isEmpty }) else { return nil }
        switch failure {
        case .wait(let time, _): return time
        case .unavailable:
            let longest = Double(min(30, 1 << min(failures, 5)))
            return .seconds(longest * (0.5 + seams.random() / 2))
        case .account, .chatGone, .messageGone, .refused: return nil
        }
    }

    // MARK: Updates

    private func take(
        _ batch: [TelegramObject], asked: Int64?, from began: ContinuousClock.Instant
    ) -> [TelegramNews] {
        let news = batch.compactMap { update in
            update.number("update_id").map { (id: $0, news: translator.news(of: update)) }
        }
        let now = seams.now()
        return intake.with { intake in
            let fresh = intake.take(news, asked: asked, at: now)
            intake.polled(from: began)
            return fresh
        }
    }

    private func answer(_ news: TelegramNews, in group: inout Group) {
        if let (from, target) = news.moved, listener.memory.move(from, to: target) {
            listener.logger.notice("bridge::telegram_moved", metadata: ["chat": "\(from)", "to": "\(target)"])
        }
        guard let callback = news.callback else { return }
        // Until it is answered the button shows that it waits. Too late is no harm.
        group.addTask { [api = listener.api] in
            do { _ = try await api.call("answerCallbackQuery", ["callback_query_id": .string(callback)]) } catch {
                try Task.checkCancellation()
            }
        }
    }

    /// Gives what stands in a chat's line to the inbox, one after the other.
    private func work(off chat: String, allAccepted: @Sendable () -> Void) async throws {
        while let item = intake.with({ $0.next(of: chat) }) {
            try await listener.inbox.receive(item.update)
            intake.with { $0.accept(of: chat) }
        }
        if intake.with({ $0.isEmpty }) { allAccepted() }
    }
}
