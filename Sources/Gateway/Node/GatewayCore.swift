internal import Agent
internal import Certs
internal import Foundation
internal import Logging
internal import Store
internal import Transport
internal import Wire

// What is an agent without its endpoint? Database, place in a network, agent and gateway, put together here and bound to nothing:
// `serve` gives it an endpoint, a command asks it in its own process while nobody serves, and so do tests.

/// The rooms of one agent, put together.
struct GatewayCore: Sendable {
    /// What the rooms get from the world besides files; a test puts its own in their place.
    struct Seams: Sendable {
        /// Unix seconds.
        var now: @Sendable () -> Double
        /// What `${NAME}` and `{env:NAME}` refer to.
        var environment: [String: String] = [:]
        /// What the names of new things are made of; never keys.
        var random = Randomness.system
        /// What wins over the file.
        var overrides = ConfigurationOverrides()
        /// How providers of models are asked.
        var http: any OutboundHTTP = NetworkHTTP()
        /// How waits and time limits of turns pass.
        var time = TimeSource.system
        /// What speaks with a model of the registry; nil: whoever its provider is.
        var model: (@Sendable (ModelOfProvider) throws -> any LanguageModel)?
        /// Who offers tools; asked for each call.
        var toolServers: @Sendable () async -> [any ToolServer] = { [] }
        /// The log that this process writes; nil when it serves nobody.
        var journal: LogJournal?
    }

    let place: AgentPlace
    let gateway: GatewayServer
    /// What is known of bridges; whoever serves the agent runs its own.
    let bridges: BridgeRoom
    /// What tickets say about where this agent is; serving sets it.
    let addresses: AdvertisedAddresses
    /// Works by itself; running keeps its index at hand.
    let vault: Vault
    /// The configuration that holds; running notices changes by hand.
    let store: ConfigurationStore
    let registry: Registry
    /// The tools that come with the agent.
    let tools: BuiltinTools
    private let database: Database
    /// Takes apart what holds each other.
    private let release: @Sendable () -> Void

    /// Opens the agent's database, takes up what an earlier process left and puts everything together. Binds nothing.
    ///
    /// - Parameters:
    ///   - key: the agent's identity key.
    ///   - directory: made and locked by the caller.
    ///   - requestRestart: ends the process so that it is started again; nil when nobody serves the agent.
    /// - Throws: when a room cannot be started; the error says which and why.
    static func build(
        key: SecretKey, directory: AgentDirectory, configuration: AgentConfiguration, version: String,
        seams: Seams, logger: Logger, requestRestart: (@Sendable () -> Void)? = nil
    ) throws -> GatewayCore {
        do {
            return try GatewayCore(
                opening: key, directory: directory, configuration: configuration, version: version, seams: seams,
                logger: logger, requestRestart: requestRestart)
        } catch  where StorageFault(error) == .damaged {
            throw DatabaseError.damaged(path: directory.database)
        }
    }

    private init(
        opening key: SecretKey, directory: AgentDirectory, configuration: AgentConfiguration, version: String,
        seams: Seams, logger: Logger, requestRestart: (@Sendable () -> Void)?
    ) throws {
        let now = seams.now
        let store = ConfigurationStore(
            directory: directory, configuration: configuration, environment: seams.environment,
            overrides: seams.overrides, tagKey: key.derivedKey(for: "openagent configuration tag"), logger: logger)
        self.store = store
        let configuration = store.active
        database = try Database(path: directory.database, upgradingTo: version)
        let repository = NetworkRepository(database)
        let place = try AgentPlace(
            repository: repository, identity: key, name: configuration.networkName ?? configuration.name, now: now,
            random: seams.random, logger: logger)
        self.place = place

        var vaultLimits = Vault.Limits()
        vaultLimits.noteSize = configuration.limits.noteSize
        let vault = Vault(
            directory: configuration.vault, indexPath: directory.noteIndex, agent: directory.path, limits: vaultLimits,
            logger: logger, now: now)
        self.vault = vault
        var settings = GatewayConfiguration(
            agent: AgentDescription(
                name: store.active.name, directory: directory.path, nodeID: key.nodeID, networkID: place.networkID,
                networkName: place.networkName, networkRole: place.role, version: version),
            coordinator: place.coordinatorNode, now: now)
        let addresses = AdvertisedAddresses(directory, node: key.nodeID)
        self.addresses = addresses
        if case .coordinator(let coordinator) = place {
            settings.administration = .coordinator(coordinator, addresses: { addresses.current })
        }
        settings.vault = vault
        let references = SecretReferences(environment: seams.environment, directory: directory)
        let registry = Registry(RegistryRepository(database), http: seams.http, now: now) {
            try references.replace(in: $0)
        }
        self.registry = registry
        let warmer = ModelWarmer(
            registry, http: seams.http, time: .system, path: seams.environment["PATH"] ?? "")
        settings.services.append { await warmer.run() }
        settings.registry = registry
        let workflowTools = ToolboxSlot()
        let automation = AgentAutomation(
            database: database, place: place, node: key.nodeID, configuration: configuration, tools: workflowTools,
            isServed: requestRestart != nil, time: TimeSource(now: now, sleep: TimeSource.system.sleep),
            random: seams.random, logger: logger)
        automation.enter(&settings, store: store, logger: logger)
        let (gate, ledger) = settings.keepAccount(database, registry, seams.random, store: store)
        let builtin = try Self.tools(
            registry, settings, vault, automation, configuration, directory, logger)
        tools = builtin
        settings.services.append { await builtin.run() }
        let mcps = MCPServers(
            registry,
            settings: configuration.toolServers.settings(folder: directory.workspace, version: version) {
                store.active.turns.tools.times
            },
            reserved: Set(builtin.names), logger: logger)
        settings.mcps = mcps
        settings.services.append { await mcps.run() }
        let toolbox = AgentTools(
            servers: { [besides = seams.toolServers] in await builtin.servers + besides() + mcps.servers() },
            gate: gate,
            ledger: ledger, settings: { store.active.turns.tools }, time: seams.time, logger: logger)
        builtin.use(toolbox)
        workflowTools.set(toolbox.serving(.workflow))
        settings.tools = { await toolbox.tools(isAdmin: $0) }
        settings.outsideTools = toolbox.serving(.outside)
        let librarian = Librarian(
            vault: vault, toolbox: toolbox, wordsPerSecond: store.active.librarianWordsPerSecond, logger: logger,
            now: now)
        let factory = ModelFactory(
            http: seams.http, folder: directory.workspace, now: now,
            makeID: { [random = seams.random] in random.uuid() },
            reveal: { try registry.reveal($0) })
        let agent = ModelAgent(
            rows: { try await registry.models(enabled: true) },
            factory: seams.model ?? { try factory.model(for: $0) }, librarian: librarian, toolbox: toolbox,
            settings: { store.active.turnSettings(at: now()) }, time: seams.time, logger: logger)
        settings.backup = BackupSource(
            directory: directory, vault: configuration.vault, name: configuration.name, nodeID: key.nodeID.hex,
            version: version)
        settings.bridges = BridgeRoom(
            PairingRepository(database), problems: BridgeProblems(directory), random: seams.random, now: now)
        bridges = settings.bridges
        // Until somebody serves the agent and runs them.
        let channels = configuration.channels
        for platform in channels.settings.map(\.platform) + channels.incomplete.map(\.platform) {
            bridges.board.set(BridgeStatus(state: .stopped), of: platform, device: nil, handle: nil)
        }
        settings.lane = configuration.lane
        settings.logs =
            seams.journal.map(LogSource.init)
            ?? LogSource(path: directory.eventLog, keep: configuration.logFiles.keep)
        settings.usage = configuration.usage.settings
        settings.usage.prices = RegistryPrices(registry)
        settings.requestRestart = requestRestart
        settings.isServed = requestRestart != nil
        settings.random = seams.random
        let voiceFiles = VoiceFiles(folder: directory.voice)
        settings.voice = Voice(
            ear: { store.active.speechToText.map { CommandSpeechToText($0, files: voiceFiles) } },
            mouth: { store.active.textToSpeech.map { CommandTextToSpeech($0, files: voiceFiles) } })
        settings.store = store
        settings.limits.waitingPerLane = configuration.limits.waitingTurnsPerLane
        settings.limits.waitingPerGateway = configuration.limits.waitingTurns
        settings.limits.sessionsPerUser = configuration.limits.sessionsPerUser
        settings.limits.chatTime = .seconds(configuration.limits.chatSeconds)
        settings.files = AgentFiles(
            directory: directory, vault: configuration.vault, largest: Int64(configuration.limits.fileSize),
            repository: ArtifactRepository(database))
        settings.files?.filesPerUser = configuration.limits.filesPerUser
        settings.files?.bytesPerUser = Int64(configuration.limits.fileBytesPerUser)
        gateway = try GatewayServer(
            configuration: settings, membership: place.membership, agent: agent,
            sessions: SessionRepository(database), logger: logger)
        store.reconcile { [weak sessions = gateway.sessions] in await sessions?.adopt($0) }
        release = {
            builtin.release()
            workflowTools.clear()
            automation.unattended.detach()
        }
    }

    /// The tools that come with the agent; an agent that is served gets their rows.
    private static func tools(
        _ registry: Registry, _ settings: GatewayConfiguration, _ vault: Vault, _ automation: AgentAutomation,
        _ configuration: AgentConfiguration, _ directory: AgentDirectory, _ logger: Logger
    ) throws -> BuiltinTools {
        var services = BuiltinTools.Services(registry: registry, now: settings.now)
        (services.vault, services.tasks, services.workflows) = (vault, automation.tasks, automation.workflows)
        services.workflowActions.run = automation.runner.map(WorkflowActions.running)
        services.workFolder = directory.workspace
        (services.web, services.shell) = (configuration.tools.web, configuration.tools.shell)
        let tools = BuiltinTools.all(services, logger: logger)
        if automation.runner != nil { try tools.addRows() }
        return tools
    }

    /// To be called once, when nothing uses the rooms any more.
    func close() throws {
        release()
        try database.close()
    }
}

extension AgentConfiguration {
    /// - Parameter time: Unix seconds, which the model is told.
    fileprivate func turnSettings(at time: Double) -> TurnSettings {
        var settings = turns.turns
        settings.agent = TurnSettings.Description(
            name: name, vault: vault, time: Date(timeIntervalSince1970: time).formatted(.iso8601))
        return settings
    }
}
