public import Logging
public import Wire

// Which bridge belongs to which platform? The one list of them: a new platform is a folder beside this file, and a line here.

/// The bridge of a platform.
///
/// - Parameter settings: whose account it uses.
public func makeBridge(_ settings: ChannelSettings, logger: Logger) -> any Bridge {
    switch settings.account {
    case .telegram(let token, let apiBase): TelegramBridge(token: token, apiBase: apiBase, logger: logger)
    case .discord(let token, let apiBase):
        DiscordBridge(token: token, apiBase: apiBase, guilds: settings.access.guilds, logger: logger)
    case .whatsapp(let id, let token, let apiBase): WhatsAppBridge(id: id, token: token, apiBase: apiBase)
    case .slack(let botToken, let appToken, let apiBase):
        SlackBridge(botToken: botToken, appToken: appToken, apiBase: apiBase)
    }
}
