internal import Synchronization

// Which role is the bot's own? Discord makes one for a bot that is invited with permissions, with the bot's name: whoever types `@` is offered
// both, and means the bot with either.

/// The bot's own roles, asked for when somebody mentions a role.
final class DiscordRoles: Sendable {
    /// A bot that is invited anew gets another one.
    private static let memory = Duration.seconds(600)
    /// Servers that are remembered.
    private static let most = 256

    private struct Role: Decodable {
        struct Tags: Decodable { var botId: String? }
        var id: String
        var tags: Tags?
    }

    private let rest: DiscordREST
    private let seams: DiscordSeams
    private let known = Mutex<[String: (role: String?, at: ContinuousClock.Instant)]>([:])

    init(rest: DiscordREST, seams: DiscordSeams) {
        self.rest = rest
        self.seams = seams
    }

    /// - Returns: nil where the bot has none, or Discord does not say.
    /// - Throws: ``PlatformFailure/account(_:)``, `CancellationError`.
    func own(of bot: String, in guild: String) async throws -> String? {
        if let known = known.withLock({ $0[guild] }), seams.now() - known.at < Self.memory { return known.role }
        guard Snowflake.isOne(guild) else { return nil }
        var role: String?
        do {
            let roles = try await rest.insist(
                DiscordRequest("GET", "/guilds/\(guild)/roles", pattern: "/guilds/*/roles", major: guild),
                as: [Role].self)
            role = roles.first { $0.tags?.botId == bot }?.id
        } catch is DiscordRefusal {}
        known.withLock { [role] known in
            if known.count >= Self.most { known = [:] }
            known[guild] = (role, seams.now())
        }
        return role
    }
}
