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
