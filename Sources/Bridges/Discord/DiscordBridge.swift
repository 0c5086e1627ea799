internal import Foundation
public import Logging
internal import Synchronization
public import Wire

// What is Discord to the frame? A bot at its gateway (API v10): it hears over a WebSocket and speaks over HTTP. One connection: bots in
// thousands of servers, which need several, are not for an agent.

/// Discord.
public struct DiscordBridge: Bridge {
    public let platform = Platform.discord
    public let limits = PlatformLimits(
        // Discord counts code points; counted in UTF-16 a text is never shorter.
        prefix: "dc", textLength: DiscordSender.textLength, unit: .utf16, canEdit: true, hasButtons: true,
        largestOutboundFile: DiscordSender.largestFile, largestInboundFile: 100 << 20, chatPause: .milliseconds(200),
        globalPause: .milliseconds(25), editPause: .milliseconds(1300), typingTime: .seconds(8))

    private let token: String
    private let guilds: Set<String>
    private let rest: DiscordREST
    private let sender: DiscordSender
    private let interactions: DiscordInteractions
    private let roles: DiscordRoles
    private let progress = DiscordProgress()
    private let memory = DiscordMemory()
    private let seams: DiscordSeams
    private let logger: Logger

    /// - Parameters:
    ///   - apiBase: REST, with its version, without a slash at its end.
    ///   - guilds: servers in which the menu of commands is offered; empty: everywhere.
    public init(token: String, apiBase: String, guilds: Set<String>, logger: Logger) {
        self.init(token: token, apiBase: apiBase, guilds: guilds, logger: logger, seams: DiscordSeams())
    }

    init(token: String, apiBase: String, guilds: Set<String>, logger: Logger, seams: DiscordSeams) {
        self.token = token
        self.guilds = guilds
        self.seams = seams
        self.logger = logger
        rest = DiscordREST(base: apiBase, token: token, seams: seams)
        roles = DiscordRoles(rest: rest, seams: seams)
        interactions = DiscordInteractions(rest: rest, logger: logger)
        sender = DiscordSender(rest: rest, interactions: interactions, progress: progress, seams: seams)
    }

    public func listen(_ inbox: any Inbox) async throws {
        if let reason = memory.refusal(seams.now()) { throw PlatformFailure.account(reason) }
        do { try await hear(inbox) } catch PlatformFailure.account(let reason) {
            memory.note(refusal: reason, seams.now())
            throw PlatformFailure.account(reason)
        }
    }

    private func hear(_ inbox: any Inbox) async throws {
        rest.forgive()
        try await progress.load(from: inbox)
        let lanes = DiscordLanes()
        let commands = DiscordCommands(rest: rest, guilds: guilds, logger: logger)
        let files = DiscordFiles(base: rest.base, limit: limits.largestInboundFile)
        let intake = DiscordIntake(
            inbox: inbox, lanes: lanes, progress: progress, interactions: interactions, rest: rest, commands: commands,
            roles: roles, memory: memory, seams: seams, logger: logger, fetch: { try await files.fetch($0, $1) })
        let listening = DiscordListening(
            rest: rest, token: token, progress: progress, intake: intake, seams: seams, logger: logger, memory: memory)
        try await withThrowingTaskGroup(of: Void.self) { group in
            defer { group.cancelAll() }
            group.addTask { try await progress.keep(in: inbox) }
            group.addTask { try await lanes.run() }
            group.addTask { try await listening.run() }
            try await group.next()
        }
    }

    public func perform(_ act: OutboundAct, at place: ChatPlace, key: String) async throws -> String? {
        try await sender.perform(act, at: place, key: key)
    }
}

/// What is known from one time of listening to the next, while the process runs.
final class DiscordMemory: Sendable {
    /// Between two attempts that only an admin can make succeed. Discord takes a thousand a day, and then makes the token void.
    static let refusalPause = Duration.seconds(300)

    private struct State {
        var refusal: (reason: String, at: ContinuousClock.Instant)?
        var identifiedAt: ContinuousClock.Instant?
        /// In a row.
        var unreached = 0
        var registersCommands = true
    }

    private let state = Mutex(State())

    /// When a session was last begun, and whether a session's own address failed too often.
    var start: (identifiedAt: ContinuousClock.Instant?, usesCommonAddress: Bool) {
        state.withLock { ($0.identifiedAt, $0.unreached >= 2) }
    }

    func note(identifiedAt: ContinuousClock.Instant?) { state.withLock { $0.identifiedAt = identifiedAt } }
    func note(reached: Bool) { state.withLock { $0.unreached = reached ? 0 : $0.unreached + 1 } }

    func note(refusal reason: String, _ now: ContinuousClock.Instant) {
        state.withLock { $0.refusal = (reason, now) }
    }

    /// Why it need not be tried yet; nil: it may be.
    func refusal(_ now: ContinuousClock.Instant) -> String? {
        state.withLock { state in
            guard let refusal = state.refusal, now - refusal.at < Self.refusalPause else { return nil }
            return refusal.reason
        }
    }

    /// True once.
    func registersCommands() -> Bool {
        state.withLock { state in
            defer { state.registersCommands = false }
            return state.registersCommands
        }
    }
}

/// Fetches files that users sent. From Discord's own hosts, and from where the configuration says that Discord is: an address in a message is
/// a stranger's word.
struct DiscordFiles: Sendable {
    private static let hosts: Set<String> = ["cdn.discordapp.com", "media.discordapp.net"]

    let base: String
    let limit: Int64

    func isAllowed(_ url: String) -> Bool {
        guard let parts = URLComponents(string: url), parts.user == nil, parts.password == nil,
            let host = parts.host?.lowercased(), let scheme = parts.scheme?.lowercased()
        else { return false }
        if scheme == "https", parts.port == nil || parts.port == 443, Self.hosts.contains(host) { return true }
        guard let own = URLComponents(string: base) else { return false }
        return own.scheme?.lowercased() == scheme && own.host?.lowercased() == host && own.port == parts.port
    }

    /// - Throws: ``PlatformFailure``, `CancellationError`, what `write` throws.
    func fetch(_ url: String, _ write: @Sendable ([UInt8]) async throws -> Void) async throws {
        guard isAllowed(url) else { throw PlatformFailure.refused("the file does not lie on Discord's hosts") }
        try await PlatformHTTP().download(url, limit: limit, write)
    }
}
