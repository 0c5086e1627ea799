internal import ArgumentParser
internal import Foundation
internal import Gateway
internal import Logging
internal import Wire

// How does a bridge run on another machine than its agent? As a device of the network with a certificate that says so, by the code and
// over the wire that the agent's own bridges use.

struct BridgeRunning: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Be a bridge: openagent bridge PLATFORM.",
        discussion: """
            Runs until SIGINT or SIGTERM. Settings come from --config, from a section 'channels' as in openagent.yaml; \
            what the file does not say, from the options, and secrets from the environment. Secrets are no options: \
            everybody on a machine can read those.
            """)

    /// How often the agent is asked whether this device may still come in.
    private static let standingPause = Duration.seconds(5)

    @Argument(help: "The platform.", transform: { try BridgeCommands.platform($0) })
    var platform: Platform

    @Option(
        help: ArgumentHelp(
            "The network that this device joined, also handle@network[/agent], when there are several.",
            valueName: "name"))
    var network: String?

    @Option(help: ArgumentHelp("A file with a section 'channels'.", valueName: "path"))
    var config: String?

    @Option(
        name: .customLong("user"), parsing: .singleValue,
        help: ArgumentHelp("Somebody who may talk, by the platform's id; may be given several times.", valueName: "id"))
    var users: [String] = []

    @Flag(help: "Tell somebody unknown a code that an admin can approve.")
    var pairing = false

    @Option(help: ArgumentHelp("Where the platform is, if not where it usually is.", valueName: "url"))
    var apiBase: String?

    @OptionGroup var client: ClientOptions

    func run() async throws {
        let settings = try settings()
        let level = try client.log.level(file: .info)
        let output = LogOutput.standardOutput()
        let logger = Logger(label: "openagent") { AgentLogHandler(label: $0, output: output, level: level) }
        let signals = await ShutdownSignals()
        let client = try await client.open(network: network, asBridge: true)
        let result: Result<Void, any Error>
        do {
            let place = try BridgePlace(
                folder: try client.home.bridges(),
                name: "\(client.network.networkID)-\(client.agent.hex)-\(platform.rawValue)")
            defer { place.release() }
            let run = BridgeRun(
                settings: settings, dialer: client.pool, database: place.database, temporary: place.temporary,
                logger: logger)
            result = .success(try await client.keepingFresh { try await serve(run, through: client.pool, signals) })
        } catch { result = .failure(error) }
        await client.close()
        try result.get()
    }

    /// Runs the bridge until somebody ends it, or the agent does not let this device in any more.
    private func serve(_ run: BridgeRun, through pool: GatewayPool, _ signals: ShutdownSignals) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await Self.keepRunning(run) }
            group.addTask { try await Self.watchStanding(GatewayClient(dialer: pool)) }
            group.addTask {
                for await request in signals.requests {
                    if case .immediate = request { _exit(130) }
                    return
                }
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    /// As in the agent: tried again, unless only a person can help.
    private static func keepRunning(_ run: BridgeRun) async throws {
        var pause = Duration.seconds(1)
        while true {
            do {
                try await BridgeWiring.run(run)
            } catch let error as BridgeMustBeMended {
                throw CommandError(
                    .usage, "the bridge to \(run.settings.platform.rawValue) can't run: \(error.reason)",
                    hint: "correct its settings, then start it again")
            } catch let error as ChatError {
                // The agent does not take this device any more.
                throw error
            } catch {
                try Task.checkCancellation()
                run.logger.warning("bridge::ended", metadata: ["problem": "\(error)"])
            }
            try await Task.sleep(for: pause * Double.random(in: 0.5..<1.5))
            pause = min(pause * 2, .seconds(60))
        }
    }

    /// - Throws: ``CommandError`` once the agent refuses this device.
    private static func watchStanding(_ client: GatewayClient) async throws {
        while true {
            // That the agent is away is no refusal.
            if let answer = try? await client.request(path: "/api/whoami", maximumBody: 1 << 16),
                [401, 403].contains(answer.status.code)
            {
                throw CommandError(
                    refusal: AdministrationReply(
                        status: Int(answer.status.code), body: Array(answer.body.readableBytesView)),
                    hint: nil)
            }
            try await Task.sleep(for: standingPause)
        }
    }

    // MARK: Settings

    private func settings() throws -> ChannelSettings {
        let environment = AgentOptions.environment
        let channels = try ChannelsConfiguration.load(file: config, environment: environment)
        if let incomplete = channels.incomplete.first(where: { $0.platform == platform }) {
            throw CommandError(.usage, incomplete.problem, hint: "a bot's token is what its platform gave for it")
        }
        let found = try channels.settings.first { $0.platform == platform } ?? fromEnvironment(environment)
        var settings = found
        settings.access.users.formUnion(users)
        if pairing { settings.access.pairing = true }
        if let apiBase {
            guard let address = ChannelsConfiguration.checkedAddress(apiBase) else {
                throw CommandError(
                    .usage, "'\(apiBase)' is no address of a platform", hint: "e.g. https://api.example.org")
            }
            settings.account = settings.account.with(apiBase: address)
        }
        let access = settings.access
        guard !access.users.isEmpty || !access.chats.isEmpty || !access.listen.isEmpty || access.pairing else {
            throw CommandError(
                .usage, "nobody may talk through this bridge",
                hint: "name somebody with --user ID, or let them ask for a code with --pairing")
        }
        return settings
    }

    private func fromEnvironment(_ environment: [String: String]) throws -> ChannelSettings {
        let secrets = platform.credentials.reduce(into: [String: String]()) { secrets, credential in
            if let value = environment[credential.variable], !value.isEmpty { secrets[credential.key] = value }
        }
        guard let account = PlatformAccount(platform, secrets: secrets) else {
            let missing = platform.credentials.filter { secrets[$0.key] == nil }.map(\.variable)
            throw CommandError(
                .usage, "the account on \(platform.rawValue) is not known",
                hint: "set \(missing.joined(separator: " and ")), or name a file with --config")
        }
        return ChannelSettings(account: account)
    }
}
