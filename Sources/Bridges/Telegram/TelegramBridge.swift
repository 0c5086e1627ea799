internal import Logging
internal import Wire

// How does Telegram become a platform of this room? By the Bot API: long polling for what comes in, one call for each act that goes out.
// No address of ours has to be reachable. What the two sides share is here; how they work is in the files beside it.

/// The bridge to Telegram.
struct TelegramBridge: Bridge {
    /// How its sessions begin.
    static let prefix = "tg"

    let platform = Platform.telegram
    /// Of the Bot API (core.telegram.org/bots/faq, "How can I message all of my bot's subscribers at once?"). In groups twenty messages a
    /// minute go out besides.
    var limits = PlatformLimits(
        prefix: TelegramBridge.prefix, textLength: 4096, unit: .utf16, canEdit: true, hasButtons: true,
        largestOutboundFile: TelegramFiles.largestOutbound, largestInboundFile: TelegramFiles.largestInbound,
        chatPause: .seconds(1), globalPause: .milliseconds(34), editPause: .milliseconds(1500), typingTime: .seconds(5))

    private let api: TelegramAPI
    private let memory = TelegramMemory()
    private let seams: TelegramSeams
    private let logger: Logger

    /// - Parameters:
    ///   - token: as @BotFather gives it. Never logged, and in no error.
    ///   - apiBase: without a slash at its end.
    init(token: String, apiBase: String, logger: Logger, seams: TelegramSeams = TelegramSeams()) {
        api = TelegramAPI(token: token, base: apiBase, timeLimit: seams.callTime)
        self.seams = seams
        self.logger = logger
    }

    func listen(_ inbox: any Inbox) async throws {
        try await TelegramListener(api: api, inbox: inbox, memory: memory, seams: seams, logger: logger).run()
    }

    /// The key is of no use: Telegram recognises no repeats.
    func perform(_ act: OutboundAct, at place: ChatPlace, key: String) async throws -> String? {
        try await TelegramSender(api: api, memory: memory, seams: seams, logger: logger).perform(act, at: place)
    }

    /// The commands that the app offers beside its text field.
    static let menu: [(name: String, text: String)] = [
        ("new", "Begin a new conversation"), ("stop", "Stop what is going on"), ("status", "What is going on"),
        ("queue", "What waits"), ("model", "The model that answers"), ("usage", "What was used"),
        ("help", "What can be said here"),
    ]

    /// What went wrong, for a log.
    static func failure(_ error: any Error) -> any Error {
        (error as? TelegramRefusal)?.failure(.everything) ?? error
    }
}

/// What a test wants to decide.
struct TelegramSeams: Sendable {
    var now: @Sendable () -> ContinuousClock.Instant = { .now }
    var sleep: @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
    /// From 0 up to 1.
    var random: @Sendable () -> Double = { .random(in: 0..<1) }
    /// How long Telegram may hold a poll, in whole seconds.
    var pollTime = Duration.seconds(50)
    /// How much later than that its answer may come.
    var patience = Duration.seconds(10)
    /// For one call.
    var callTime = Duration.seconds(30)
    /// For an upload, besides the time that its bytes take.
    var uploadTime = Duration.seconds(60)
}
