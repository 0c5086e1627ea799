internal import Certs
internal import Glibc
public import Logging
public import NIOCore
public import Transport

// What does it take to serve an agent? This file gives its core an endpoint, started in an order in which nothing is asked
// before it is ready, and ended in the opposite one. It decides nothing that a room could decide, and it prints nothing.

/// An agent that is being served.
public struct AgentNode: Sendable {
    /// What the person who started the agent wants to know.
    public struct Greeting: Sendable {
        public var name: String
        public var nodeID: NodeID
        public var networkName: String
        /// Whether another agent coordinates the network.
        public var isMember: Bool
        /// Where the agent can be reached by UDP.
        public var addresses: [SocketAddress]
        /// Admits the network's first user; nil once there is one. Whoever reads it can join: show it, never log it.
        public var ticket: String?
    }

    /// How ``run(requests:onServing:onForce:)`` ended.
    public enum Ending: Sendable {
        case stopped
        /// An admin wants the process to be started again.
        case restart
    }

    /// Why the agent has to end.
    private enum StopReason: Sendable {
        case signal(Int32)
        case restart
    }

    /// The answer to whoever asked for a restart is still on its way.
    private static let farewellTime = Duration.milliseconds(200)

    private let directory: AgentDirectory
    private let configuration: AgentConfiguration
    private let version: String
    private let running: RunningAgents
    private let grace: Duration
    private let seams: GatewayCore.Seams
    private let logLevel: LogLevel?
    private let runBridge: RunBridge?
    private let logger: Logger

    /// - Parameters:
    ///   - directory: made and locked by the caller.
    ///   - running: where other shells look for this server.
    ///   - grace: how long running turns may go on after the first signal.
    ///   - environment: what the configuration may refer to.
    ///   - now: Unix seconds.
    ///   - overrides: what wins over the file.
    ///   - logLevel: follows the file.
    ///   - journal: what `logger` writes to, for those who read it.
    ///   - runBridge: runs a bridge to a chat platform; nil: none are run.
    public init(
        directory: AgentDirectory, configuration: AgentConfiguration, version: String, running: RunningAgents,
        grace: Duration, environment: [String: String], now: @escaping @Sendable () -> Double,
        overrides: ConfigurationOverrides = .init(), logLevel: LogLevel? = nil, journal: LogJournal? = nil,
        runBridge: RunBridge? = nil, logger: Logger
    ) {
        self.directory = directory
        self.configuration = overrides.applied(to: configuration)
        self.version = version
        self.running = running
        self.grace = grace
        seams = GatewayCore.Seams(now: now, environment: environment, overrides: overrides, journal: journal)
        self.logLevel = logLevel
        self.runBridge = runBridge
        self.logger = logger
    }

    /// Serves until a graceful request has been carried out, or an admin's wish for a restart.
    ///
    /// - Parameters:
    ///   - requests: the first graceful one ends the agent in good order; an immediate one calls `onForce`.
    ///   - onServing: called once the agent can be reached.
    /// - Throws: when a part cannot be started; the error says which and why.
    public func run(
        requests: AsyncStream<ShutdownRequest>, onServing: @Sendable (Greeting) -> Void,
        onForce: @escaping @Sendable (_ signal: Int32) -> Void
    ) async throws -> Ending {
        let (stops, stop) = AsyncStream.makeStream(of: StopReason.self)
        let key = try directory.identity()
        let core = try GatewayCore.build(
            key: key, directory: directory, configuration: configuration, version: version, seams: seams,
            logger: logger, requestRestart: { stop.yield(.restart) })
        let (place, gateway) = (core.place, core.gateway)
        if let logLevel { core.store.reconcile { logLevel.set($0.logLevel) } }
        let endpoint = try await bindEndpoint(key: key, place: place, own: core.bridges.own)
        core.addresses.follow { endpoint.advertisedAddresses() }
        do {
            try publish(endpoint)
        } catch {
            await endpoint.close()
            throw error
        }

        // Owned here: it is ended first, and awaited, whatever ends the agent.
        let bridges = Task { await runBridges(core, key: key, endpoint: endpoint) }
        let ending = await withTaskGroup(of: Ending?.self) { group in
            group.addTask {
                await gateway.run()
                return nil
            }
            group.addTask {
                await core.vault.run()
                return nil
            }
            group.addTask {
                await core.store.run()
                return nil
            }
            group.addTask {
                await accept(from: endpoint, gateway: gateway, place: place)
                return nil
            }
            if case .member(let link) = place {
                group.addTask {
                    await link.run(
                        endpoint: endpoint, addresses: { core.addresses.current },
                        nearby: { running.addresses(of: link.coordinator) })
                    return nil
                }
            }
            group.addTask {
                for await request in requests {
                    switch request {
                    case .graceful(let signal): stop.yield(.signal(signal))
                    case .immediate(let signal): onForce(signal)
                    }
                }
                return nil
            }
            group.addTask {
                for await reason in stops { return await end(reason, bridges, gateway, endpoint) }
                return nil
            }
            greet(endpoint, place, onServing)
            var ending = Ending.stopped
            for await end in group {
                guard let end else { continue }
                ending = end
                group.cancelAll()
            }
            return ending
        }
        // Done already, unless the task was cancelled.
        bridges.cancel()
        await bridges.value
        await endpoint.close()
        RunRecord.remove(directory)
        running.remove(key.nodeID)
        try core.close()
        logger.notice("node::stopped")
        return ending
    }

    private func end(
        _ reason: StopReason, _ bridges: Task<Void, Never>, _ gateway: GatewayServer, _ endpoint: Endpoint
    ) async -> Ending {
        let ending: Ending
        switch reason {
        case .signal(let signal):
            logger.notice("node::stopping", metadata: ["signal": "\(signal)"])
            ending = .stopped
        case .restart:
            logger.notice("node::restarting")
            try? await Task.sleep(for: Self.farewellTime)
            ending = .restart
        }
        bridges.cancel()
        await bridges.value
        await gateway.shutdown(grace: grace)
        await endpoint.close(reason: "the agent stops")
        return ending
    }

    /// The agent's own bridges, which come in like everybody else.
    private func runBridges(_ core: GatewayCore, key: SecretKey, endpoint: Endpoint) async {
        let port = endpoint.localAddresses.first?.port ?? 0
        guard let runBridge, let address = try? SocketAddress(ipAddress: "127.0.0.1", port: port) else { return }
        await BridgeSupervisor(
            directory: directory, key: key, networkID: core.place.networkID, room: core.bridges, store: core.store,
            start: runBridge, now: seams.now, logger: logger
        ).run(agent: NodeAddress(nodeID: key.nodeID, addresses: [address]))
    }

    // MARK: Parts

    /// The port that the user chose, else the one of the last start, so that what tickets and devices know stays true.
    private func bindEndpoint(key: SecretKey, place: AgentPlace, own: OwnBridges) async throws -> Endpoint {
        func bind(_ port: Int) async throws -> Endpoint {
            var endpoint = EndpointConfiguration(
                secretKey: key, alpns: place.protocols,
                bindAddresses: EndpointConfiguration.anyAddress(port: port), logger: logger)
            endpoint.limits.maxStreamsPerConnection = configuration.limits.streamsPerConnection
            endpoint.limits.maxConnectionsPerNode = configuration.limits.connectionsPerDevice
            endpoint.limits.maxConnections = configuration.limits.connections
            // The operator dials with the agent's own key, and must get in when a flood is on.
            let (agent, membership) = (key.nodeID, place.membership)
            endpoint.isKnown = { $0 == agent || own.platform(of: $0) != nil || membership.isKnown($0) }
            return try await Endpoint.bind(endpoint)
        }
        if let port = configuration.port {
            do { return try await bind(Int(port)) } catch {
                throw AgentNodeError.cannotListen(port: port, reason: String(describing: error))
            }
        }
        let remembered = AddressHints.read(directory, of: key.nodeID)?.port.map { [Int($0)] } ?? []
        // One port for both address families: the system would choose two.
        let candidates = remembered + (0..<16).map { _ in Int.random(in: 20_000..<60_000) }
        for port in candidates.dropLast() {
            if let endpoint = try? await bind(port) { return endpoint }
            logger.info("node::port_taken", metadata: ["port": "\(port)"])
        }
        return try await bind(candidates[candidates.count - 1])
    }

    private func publish(_ endpoint: Endpoint) throws {
        let addresses = endpoint.advertisedAddresses()
        try AddressHints(nodeID: endpoint.nodeID, addresses: addresses, writtenAt: seams.now()).write(directory)
        try RunRecord(
            pid: getpid(), nodeId: endpoint.nodeID,
            udpPort: UInt16(endpoint.localAddresses.first?.port ?? 0), addresses: addresses.map(\.hostAndPort),
            version: version, startedAt: seams.now()
        ).write(directory)
        try running.add(endpoint.nodeID, directory: directory)
    }

    private func greet(_ endpoint: Endpoint, _ place: AgentPlace, _ onServing: (Greeting) -> Void) {
        let addresses = endpoint.advertisedAddresses()
        var ticket: String?
        var isMember = true
        if case .coordinator(let coordinator) = place {
            isMember = false
            do {
                ticket = try coordinator.bootstrapInvitation().map {
                    coordinator.ticket(for: $0, addresses: addresses).text
                }
            } catch {
                logger.error("node::no_invitation", metadata: ["reason": "\(error)"])
            }
        }
        logger.notice(
            "node::serving",
            metadata: [
                "name": "\(configuration.name)", "node_id": "\(endpoint.nodeID)", "version": "\(version)",
                "network": "\(place.networkName)", "role": "\(place.role)",
                "udp": .array(endpoint.localAddresses.map { "\($0.hostAndPort)" }),
            ])
        onServing(
            Greeting(
                name: configuration.name, nodeID: endpoint.nodeID, networkName: place.networkName,
                isMember: isMember, addresses: addresses, ticket: ticket))
    }

    // MARK: Serving

    private func accept(from endpoint: Endpoint, gateway: GatewayServer, place: AgentPlace) async {
        await withDiscardingTaskGroup { group in
            for await connection in endpoint.connections {
                group.addTask {
                    switch (connection.alpn, place) {
                    case (ALPN.gateway, _): await gateway.serve(connection)
                    case (ALPN.coordinator, .coordinator(let coordinator)): await coordinator.serve(connection)
                    default: connection.close(reason: "protocol without a server")
                    }
                }
            }
        }
    }
}

/// Why an agent cannot be served.
public enum AgentNodeError: Error, CustomStringConvertible {
    /// The port was chosen by the user, so no other one is tried.
    case cannotListen(port: UInt16, reason: String)

    public var description: String {
        switch self {
        case .cannotListen(let port, let reason):
            "cannot listen on UDP port \(port) (\(reason)): choose another one with --port, or leave it out"
        }
    }
}
