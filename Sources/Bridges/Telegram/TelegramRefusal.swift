// What does it mean when Telegram says no? The Bot API tells it by a number, a sentence and some parameters; the sentences are not
// documented, so those that servers really say are matched here, in one place. Pure.

/// An answer with `ok: false`.
struct TelegramRefusal: Error, Sendable, Equatable {
    /// As an HTTP status.
    var code: Int
    /// Without the token, and short.
    var description: String
    /// Seconds (`parameters.retry_after`).
    var retryAfter: Double?
    /// The group became this supergroup.
    var migrateTo: Int64?

    init(code: Int, description: String, retryAfter: Double? = nil, migrateTo: Int64? = nil) {
        self.code = code
        self.description = description
        self.retryAfter = retryAfter
        self.migrateTo = migrateTo
    }

    /// Telegram could not read the HTML. Nothing was sent.
    var isAboutMarkup: Bool { code == 400 && says("can't parse entities") }

    /// The message is already what it was to become.
    var isNoChange: Bool { code == 400 && says("message is not modified") }

    /// Seconds. No pause at all would be a storm, and longer than an hour is not believed.
    private static let wait = 0.05...3600

    /// - Parameter scope: what a request to slow down is about.
    func failure(_ scope: PlatformFailure.Scope) -> PlatformFailure {
        switch code {
        case 401, 404:
            .account(
                "Telegram does not know this bot token. Ask @BotFather for the bot's token and put it into channels.telegram.token."
            )
        case 403: .chatGone(description)
        case 409: .unavailable(description)
        case 413: .refused("Telegram takes no message and no file of that size")
        case 429: .wait(.seconds(min(max(retryAfter ?? 1, Self.wait.lowerBound), Self.wait.upperBound)), scope)
        case 500...: .unavailable("Telegram has a fault of its own (\(code))")
        case _ where Self.gone.contains(where: says): .chatGone(description)
        case _ where Self.messageGone.contains(where: says): .messageGone
        default: .refused(description)
        }
    }

    private func says(_ words: String) -> Bool { description.lowercased().contains(words) }

    /// The chat or topic is not there, or shut to us.
    private static let gone = [
        "chat not found", "user not found", "peer_id_invalid", "chat_restricted", "chat_write_forbidden",
        "have no rights to send", "not enough rights to send", "need administrator rights",
        "group chat was deactivated",
        "group chat was deleted", "user_is_blocked", "input_user_deactivated", "message thread not found",
        "topic_closed",
        "topic_deleted",
    ]

    private static let messageGone = [
        "message to edit not found", "message can't be edited", "message_id_invalid", "message not found",
    ]
}
