internal import Agent
internal import Certs
internal import Logging
internal import Store
internal import Transport

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
        /// How providers of models are asked.
        var http: any OutboundHTTP = NetworkHTTP()
    }

    let place: AgentPlace
    let gateway: GatewayServer
    /// What tickets say about where this agent is; serving sets it.
    let addresses: AdvertisedAddresses
    /// Works by itself; running keeps its index at hand.
    let vault: Vault
    let registry: Registry
    private let database: Database

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
        database = try Database(path: directory.database)
        let repository = NetworkRepository(database)
        let place = try AgentPlace(
            repository: repository, identity: key, name: configuration.networkName ?? configuration.name, now: now,
            logger: logger)
        self.place = place

        var vaultLimits = Vault.Limits()
        vaultLimits.noteSize = configuration.limits.noteSize
        let vault = Vault(
            directory: configuration.vault, indexPath: directory.noteIndex, agent: directory.path, limits: vaultLimits,
            logger: logger, now: now)
        self.vault = vault
        let librarian = Librarian(
            vault: vault, wordsPerSecond: configuration.librarianWordsPerSecond, logger: logger, now: now)
        var settings = GatewayConfiguration(
            agent: AgentDescription(
                name: configuration.name, directory: directory.path, nodeID: key.nodeID, networkID: place.networkID,
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
        settings.registry = registry
        settings.lane = configuration.lane
        settings.requestRestart = requestRestart
        let voiceFiles = VoiceFiles(folder: directory.voice)
        settings.voice = Voice(
            speechToText: configuration.speechToText.map { CommandSpeechToText($0, files: voiceFiles) },
            textToSpeech: configuration.textToSpeech.map { CommandTextToSpeech($0, files: voiceFiles) })
        settings.limits.waitingPerLane = configuration.limits.waitingTurnsPerLane
        settings.limits.waitingPerGateway = configuration.limits.waitingTurns
        settings.files = AgentFiles(
            directory: directory, vault: configuration.vault, largest: Int64(configuration.limits.fileSize),
            repository: ArtifactRepository(database))
        gateway = try GatewayServer(
            configuration: settings, membership: place.membership, agent: librarian,
            sessions: SessionRepository(database), logger: logger)
    }

    /// To be called once, when nothing uses the rooms any more.
    func close() throws { try database.close() }
}
