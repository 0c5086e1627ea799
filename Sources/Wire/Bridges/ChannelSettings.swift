// How is a chat platform reached, and who may talk there? What the section `channels` of a configuration says, after references to
// secrets were replaced. The agent reads it from its own file, `openagent bridge` from another: both hand it to the same code.

/// The bridge of one platform.
public struct ChannelSettings: Sendable, Equatable {
    public var account: PlatformAccount
    public var access = ChannelAccess()
    /// Whether an answer can be watched while it is written: typing, tool steps, edits.
    public var live = true
    /// Put in front of what a user says: how the agent is to speak there. Nil: nothing.
    public var personality: String?

    public init(account: PlatformAccount) { self.account = account }

    public var platform: Platform { account.platform }
}

/// A chat platform.
public enum Platform: String, Sendable, Codable, CaseIterable { case telegram, discord, whatsapp, slack }

/// Who the bridge is on its platform, and where the platform is. Everything here but addresses is secret.
public enum PlatformAccount: Sendable, Equatable {
    /// - `apiBase`: without a slash at its end.
    case telegram(token: String, apiBase: String = "https://api.telegram.org")
    /// - `apiBase`: REST, with its version; it also names the gateway.
    case discord(token: String, apiBase: String = "https://discord.com/api/v10")
    case whatsapp(id: String, token: String, apiBase: String = "https://api.green-api.com")
    case slack(botToken: String, appToken: String, apiBase: String = "https://slack.com/api")

    public var platform: Platform {
        switch self {
        case .telegram: .telegram
        case .discord: .discord
        case .whatsapp: .whatsapp
        case .slack: .slack
        }
    }
}

extension Platform {
    /// A secret that the platform's account needs.
    public struct Credential: Sendable, Equatable {
        /// Its key in a configuration.
        public var key: String
        /// The environment variable that is used where the configuration is silent.
        public var variable: String

        init(_ key: String, _ variable: String) {
            self.key = key
            self.variable = variable
        }
    }

    /// What the account needs, all of it.
    public var credentials: [Credential] {
        switch self {
        case .telegram: [Credential("token", "TELEGRAM_BOT_TOKEN")]
        case .discord: [Credential("token", "DISCORD_BOT_TOKEN")]
        case .whatsapp: [Credential("green_api_id", "GREEN_API_ID"), Credential("green_api_token", "GREEN_API_TOKEN")]
        case .slack: [Credential("bot_token", "SLACK_BOT_TOKEN"), Credential("app_token", "SLACK_APP_TOKEN")]
        }
    }
}

extension PlatformAccount {
    /// - Parameters:
    ///   - secrets: by the keys of ``Platform/credentials``.
    ///   - apiBase: nil: the platform's own.
    /// - Returns: nil when a secret is missing.
    public init?(_ platform: Platform, secrets: [String: String], apiBase: String? = nil) {
        let values = platform.credentials.compactMap { secrets[$0.key] }
        guard values.count == platform.credentials.count else { return nil }
        switch platform {
        case .telegram: self = .telegram(token: values[0])
        case .discord: self = .discord(token: values[0])
        case .whatsapp: self = .whatsapp(id: values[0], token: values[1])
        case .slack: self = .slack(botToken: values[0], appToken: values[1])
        }
        if let apiBase { self = with(apiBase: apiBase) }
    }

    /// The same account, elsewhere.
    public func with(apiBase: String) -> PlatformAccount {
        switch self {
        case .telegram(let token, _): .telegram(token: token, apiBase: apiBase)
        case .discord(let token, _): .discord(token: token, apiBase: apiBase)
        case .whatsapp(let id, let token, _): .whatsapp(id: id, token: token, apiBase: apiBase)
        case .slack(let bot, let app, _): .slack(botToken: bot, appToken: app, apiBase: apiBase)
        }
    }
}

/// Who may talk with the agent. Ids are the platform's, compared as text; names count for nothing.
public struct ChannelAccess: Sendable, Equatable {
    /// Users. Empty means nobody, unless an admin approved somebody by ``pairing``.
    public var users: Set<String> = []
    /// Chats (groups, channels) in which everybody may talk; for WhatsApp a group.
    public var chats: Set<String> = []
    /// Of Discord: outside of these servers nothing is heard; empty means all servers.
    public var guilds: Set<String> = []
    /// Groups and channels in which the bridge answers without being mentioned or replied to.
    public var listen: Set<String> = []
    /// Groups are not heard at all.
    public var directOnly = false
    /// Whether somebody unknown is told a code that an admin can approve; otherwise they get silence.
    public var pairing = false

    public init() {}
}
