internal import Agent
internal import Certs
internal import Logging
internal import Store
internal import Transport

// What is an agent without its endpoint? Database, coordinator, agent and gateway, put together here and bound to nothing:
// `serve` gives it an endpoint, and a command asks it in its own process while nobody serves.

/// The rooms of one agent, put together.
struct AgentCore: Sendable {
    let coordinator: Coordinator
    let gateway: GatewayServer
    /// What tickets say about where this agent is; serving sets it.
    let addresses: AdvertisedAddresses
    private let database: Database

    /// Opens the agent's database and takes up what an earlier process left.
    ///
    /// - Parameters:
    ///   - key: the agent's identity key.
    ///   - directory: made and locked by the caller.
    ///   - now: Unix seconds.
    /// - Throws: when a room cannot be started; the error says which and why.
    init(
        key: SecretKey, directory: AgentDirectory, configuration: AgentConfiguration, version: String,
        now: @escaping @Sendable () -> Double, logger: Logger
    ) throws {
        database = try Database(path: directory.database)
        let repository = NetworkRepository(database)
        _ = try Coordinator.createNetworkIfMissing(
            repository: repository, identity: key, name: configuration.networkName ?? configuration.name, now: now())
        coordinator = try Coordinator(repository: repository, identity: key, now: now, logger: logger)

        var vaultLimits = Vault.Limits()
        vaultLimits.noteSize = configuration.limits.noteSize
        let vault = Vault(
            directory: configuration.vault, indexPath: directory.noteIndex, limits: vaultLimits, now: now)
        let librarian = Librarian(
            vault: vault, wordsPerSecond: configuration.librarianWordsPerSecond, logger: logger, now: now)
        let network = coordinator.network
        var settings = GatewayConfiguration(
            agent: AgentDescription(
                name: configuration.name, directory: directory.path, nodeID: key.nodeID, networkID: network.networkID,
                networkName: network.name, version: version),
            coordinator: network.coordinator, now: now)
        let addresses = AdvertisedAddresses(directory, node: key.nodeID)
        self.addresses = addresses
        settings.administration = .coordinator(coordinator, addresses: { addresses.current })
        settings.limits.waitingPerLane = configuration.limits.waitingTurnsPerLane
        settings.limits.waitingPerGateway = configuration.limits.waitingTurns
        gateway = try GatewayServer(
            configuration: settings, membership: coordinator.roster, agent: librarian,
            sessions: SessionRepository(database), logger: logger)
    }

    /// To be called once, when nothing uses the rooms any more.
    func close() throws { try database.close() }
}
