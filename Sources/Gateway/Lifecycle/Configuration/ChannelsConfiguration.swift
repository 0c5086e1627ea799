public import Wire

// Which chat platforms is the agent on, and who may talk there? The section `channels`: one section for each platform. What a platform
// needs is a row of `Platform.credentials`; nothing here knows one platform from another.

/// The section `channels`.
public struct ChannelsConfiguration: Sendable, Equatable {
    /// A channel that can't be started.
    public struct Incomplete: Sendable, Equatable {
        public var platform: Platform
        /// What is missing, and how to set it.
        public var problem: String
    }

    /// Channels that are to run, in the order of the platforms.
    public private(set) var settings: [ChannelSettings] = []
    /// Channels that were asked for and can't run.
    public private(set) var incomplete: [Incomplete] = []

    private static let addressRule = "an address such as https://api.example.org, without a user and a query"
    private static let longestPersonality = 4_096

    public init() {}

    /// Reads a file that has nothing but this section, or more that is none of ours.
    ///
    /// - Parameters:
    ///   - file: of `openagent bridge`; nil: everything comes from the environment.
    ///   - environment: what references and silent keys stand for.
    /// - Throws: ``ConfigurationError``, the first in the file.
    public static func load(
        file: String?, environment: [String: String]
    ) throws(ConfigurationError) -> ChannelsConfiguration {
        var channels = ChannelsConfiguration()
        guard let file else { return channels }
        let folder = file.lastIndex(of: "/").map { String(file[..<$0]) } ?? "."
        let references = ConfigurationReferences(environment: environment, directory: AgentDirectory(folder))
        guard let text = try AgentConfiguration.text(of: file) else {
            throw .syntax(file: file, line: 1, problem: "there is no such file")
        }
        guard var root = try ConfigurationSection(yaml: text, file: file, references: references) else {
            return channels
        }
        try root.section("channels") { section throws(ConfigurationError) in try channels.read(&section) }
        if let error = root.errors.first { throw error }
        return channels
    }

    mutating func read(_ section: inout ConfigurationSection) throws(ConfigurationError) {
        for platform in Platform.allCases {
            try section.section(platform.rawValue) { section throws(ConfigurationError) in
                try read(platform, &section)
            }
        }
    }

    private mutating func read(
        _ platform: Platform, _ section: inout ConfigurationSection
    ) throws(ConfigurationError) {
        var secrets: [String: String] = [:]
        var missing: [Platform.Credential] = []
        for credential in platform.credentials {
            if let secret = try section.secret(credential.key, or: credential.variable) {
                secrets[credential.key] = secret
            } else {
                missing.append(credential)
            }
        }
        var access = ChannelAccess()
        access.users = try Self.ids("allowed_users", &section)
        access.chats = try Self.ids("allowed_chats", &section)
        access.guilds = try Self.ids("allowed_guilds", &section)
        access.listen = try Self.ids("listen_channels", &section)
        access.directOnly = try section.flag("dm_only") ?? access.directOnly
        access.pairing = try section.flag("pairing") ?? access.pairing
        let live = try section.flag("live")
        let personality = try section.value("personality", "a text of at most \(Self.longestPersonality) bytes") {
            (1...Self.longestPersonality).contains($0.utf8.count) ? $0 : nil
        }
        let apiBase = try section.value("api_base", Self.addressRule, Self.checkedAddress)
        guard try section.flag("enabled") ?? true else { return }
        guard let account = PlatformAccount(platform, secrets: secrets, apiBase: apiBase) else {
            incomplete.append(Self.incomplete(platform, missing))
            return
        }
        var channel = ChannelSettings(account: account)
        channel.access = access
        channel.live = live ?? channel.live
        channel.personality = personality
        settings.append(channel)
    }

    /// What a channel lacks, in words.
    public static func incomplete(_ platform: Platform, _ missing: [Platform.Credential]) -> Incomplete {
        let ways = missing.map { "\($0.variable) or channels.\(platform.rawValue).\($0.key)" }
        return Incomplete(
            platform: platform,
            problem: "the channel \(platform.rawValue) is not started: set " + ways.joined(separator: ", and "))
    }

    /// Ids of users, chats and so on, as text also where YAML has numbers.
    private static func ids(
        _ key: String, _ section: inout ConfigurationSection
    ) throws(ConfigurationError) -> Set<String> { Set(try section.texts(key) ?? []) }

    /// Where a platform is, without a slash at its end.
    public static func checkedAddress(_ text: String) -> String? {
        var text = text
        while text.hasSuffix("/") { text.removeLast() }
        guard text.wholeMatch(of: /https?:\/\/[A-Za-z0-9.\-_\[\]:]+(\/[A-Za-z0-9.\-_~\/]*)?/) != nil else { return nil }
        return text
    }
}
