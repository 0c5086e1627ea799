public import Agent
internal import Certs
public import Logging
internal import NIOCore
internal import NIOHTTP1
public import Store
public import Transport
internal import Wire

// Who ties it all together? The server owns the sessions and the live connections, serves each stream by its pipeline,
// and ends what a change of rights ends. It accepts no connections itself: whoever runs the endpoint hands them in.

/// Serves one agent to the devices of its network.
///
/// The caller keeps ``run()`` running for the server's whole life, calls ``serve(_:)`` for each connection and
/// ``shutdown(grace:)`` once, which makes ``run()`` return.
public final class GatewayServer: Sendable {
    private let configuration: GatewayConfiguration
    private let membership: any Membership
    private let agent: any AgentRuntime
    private let authorizer: Authorizer
    let sessions: SessionManager
    private let files: ArtifactStore?
    private let responder: GatewayResponder
    private let pipeline: StreamPipeline
    private let live: LiveConnections
    private let broadcasts: Broadcasts
    private let monitor: SystemMonitor
    private let speechIn: SpeechIn
    private let speechOut: SpeechOut
    private let strangers = StrangerLog()
    private let logger: Logger

    /// Where WebSockets are, and the role that they need.
    static let webSocket: (path: String, role: Role) = ("/ws", .member)

    /// Takes up the sessions of an earlier process.
    ///
    /// - Throws: when the database cannot be read.
    public convenience init(
        configuration: GatewayConfiguration, membership: any Membership, agent: any AgentRuntime,
        sessions: SessionRepository, logger: Logger
    ) throws {
        try self.init(
            configuration: configuration, membership: membership, agent: agent, sessions: sessions, logger: logger,
            besides: [])
    }

    /// - Parameter besides: further routes, or others in the place of some.
    init(
        configuration: GatewayConfiguration, membership: any Membership, agent: any AgentRuntime,
        sessions: SessionRepository, logger: Logger, besides: [Route]
    ) throws {
        let membership: any Membership = MembershipWithBridges(others: membership, own: configuration.bridges.own)
        let live = LiveConnections()
        self.live = live
        monitor = SystemMonitor(folder: configuration.agent.directory, now: configuration.now)
        let broadcasts = Broadcasts { frame, resource, audience in
            live.send(frame, of: resource, to: audience, in: membership)
        }
        self.broadcasts = broadcasts
        self.configuration = configuration
        self.membership = membership
        self.agent = agent
        self.logger = logger
        let authorizer = Authorizer(
            networkID: configuration.agent.networkID, coordinator: configuration.coordinator,
            agent: configuration.agent.nodeID, membership: membership, bridges: configuration.bridges.own,
            now: configuration.now)
        self.authorizer = authorizer
        let files = configuration.files.map {
            ArtifactStore($0, random: configuration.random, logger: logger, now: configuration.now)
        }
        self.files = files
        var hooks = configuration.hooks
        if let files { hooks.content = hooks.content ?? AnswerFiles(files) }
        let voice = configuration.voice
        speechIn = SpeechIn(voice, identifierLength: configuration.limits.identifierLength, logger: logger)
        speechOut = SpeechOut(voice, logger: logger)
        if hooks.listener == nil, voice.isChanging || voice.textToSpeech != nil { hooks.listener = speechOut }
        // Not the whole configuration: what it holds would hold the sessions, and they would hold it.
        let own = configuration.agent.nodeID
        let manager = try SessionManager(
            repository: sessions, limits: configuration.limits, lanes: configuration.lane, hooks: hooks,
            usage: configuration.usage, broadcasts: broadcasts, random: configuration.random, logger: logger,
            now: configuration.now,
            surroundings: CommandSurroundings(
                agent: agent, registry: configuration.registry, requestRestart: configuration.requestRestart),
            isRevoked: { turn in
                if turn.isUnattended { return membership.forbidsActing(as: turn.key.handle) }
                guard let device = try? NodeID(turn.device) else { return false }
                return [.revoked, .suspended].contains(membership.standing(of: device, handle: turn.key.handle))
            },
            isAdmin: { turn in
                if turn.isUnattended { return membership.standing(ofHandle: turn.key.handle) == .active(role: .admin) }
                if turn.isFromBridge { return false }
                guard let device = try? NodeID(turn.device) else { return false }
                if turn.key.handle == Principal.operator.auditName { return device == own }
                return membership.standing(of: device, handle: turn.key.handle) == .active(role: .admin)
            })
        self.sessions = manager
        configuration.unattended?.attach(manager, live, membership, configuration.limits, logger)
        let routes = Self.routes(configuration, live: live, sessions: manager, files: files).filter { route in
            !besides.contains { $0.method == route.method && $0.path == route.path }
        }
        let responder = GatewayResponder(
            authorizer: authorizer, routes: routes + besides,
            webSocket: Self.webSocket, bodyLength: configuration.limits.bodyLength, broadcasts: broadcasts,
            logger: logger, strangers: strangers)
        self.responder = responder
        pipeline = StreamPipeline(limits: configuration.limits, logger: logger) { request, credential in
            responder.mayUpgrade(request, credential)
        }
    }

    // MARK: Life

    /// Runs turns and enforces changes of rights, until ``shutdown(grace:)`` or until the task is cancelled.
    public func run() async {
        await configuration.mcps?.willRun()
        await withDiscardingTaskGroup { group in
            let changes = membership.changes()
            group.addTask { await self.enforce(changes) }
            group.addTask { await self.sendStrangersAway() }
            group.addTask { await self.sessions.keepHouse() }
            group.addTask { await self.tellEdits() }
            group.addTask { await self.configuration.runner?.tellRuns(through: self.broadcasts) }
            group.addTask { await self.tellConfigurationEdits() }
            group.addTask { await self.configuration.mcps?.tellChanges(through: self.broadcasts) }
            if let scheduler = configuration.scheduler {
                group.addTask { await scheduler.run() }
                group.addTask { await self.tellRuns(of: scheduler) }
            }
            for service in self.configuration.services { group.addTask { await service() } }
            group.addTask { await self.tellSystem() }
            group.addTask { await self.sessions.runErrands() }
            group.addTask { await self.speechIn.run(self.sessions) }
            group.addTask { await self.speechOut.run() }
            group.addTask { await self.sessions.saveDrops() }
            await sessions.resume()
            for await start in sessions.starts {
                group.addTask { await self.sessions.run(start, by: self.agent) }
            }
            group.cancelAll()
        }
    }

    /// Ends in good order: nothing new is accepted, running turns may end within `grace`, the others are cut short and
    /// marked. Sockets are closed with 1012. What waits goes on after the next start.
    public func shutdown(grace: Duration = .seconds(20)) async {
        await sessions.drain(grace: grace)
        configuration.logs?.endReaders(after: .everything)
        live.closeSockets(.restarting)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.live.waitUntilSocketsAreGone() }
            group.addTask { try? await Task.sleep(for: .seconds(1)) }
            await group.next()
            group.cancelAll()
        }
    }

    /// A closed socket gets this long to send its close frame before its connection goes. What it had sent before is
    /// with the transport already, and a peer that misses the frame reads the same code in the connection's end.
    private static let farewellTime = Duration.milliseconds(20)

    private func enforce(_ changes: AsyncStream<RosterChange>) async {
        await withDiscardingTaskGroup { group in
            for await change in changes {
                logger.notice("gateway::membership_changed", metadata: ["change": "\(change)"])
                switch change {
                case .userRemoved(let handle):
                    group.addTask {
                        await self.sessions.retire(handle)
                        await self.stopRetired()
                        await self.files?.removeUploads(of: handle)
                    }
                case .device(_, _, .revoked), .user(_, _, .suspended):
                    group.addTask { await self.sessions.dropRevoked() }
                case .everything:
                    group.addTask {
                        await self.retireMissing()
                        await self.stopRetired()
                        await self.sessions.dropRevoked()
                    }
                default: break
                }
                configuration.logs?.endReaders(after: change)
                guard let affected = Affected(change) else { continue }
                for (peer, closing) in live.closeSockets(of: affected, notIn: membership) {
                    group.addTask {
                        try? await Task.sleep(for: Self.farewellTime)
                        peer.close(UInt64(closing.code), closing.reason)
                    }
                }
            }
        }
    }

    /// What ran by itself for a user who is gone. Its rows say so already.
    private func stopRetired() async {
        configuration.scheduler?.wake()
        do { try await configuration.runner?.stopEnded() } catch {
            logger.error("workflow::not_stopped", metadata: ["error": "\(StorageFault(error))"])
        }
    }

    /// Measures the machine while somebody listens. While nobody does there is no timer.
    private func tellSystem() async {
        for await _ in live.firstListeners {
            await monitor.run {
                live.isMeasured
            } tell: { snapshot in
                live.offer(snapshot: ServerMessage(.systemSnapshot(snapshot)).frame, in: membership)
            }
        }
    }

    /// Notes that somebody changes with another program.
    private func tellEdits() async {
        guard let vault = configuration.vault else { return }
        for await edits in vault.edits { broadcasts.publish(edits) }
    }

    /// Tasks whose run has ended.
    private func tellRuns(of scheduler: Scheduler) async {
        for await task in scheduler.ended { broadcasts.publish(.scheduledTask, .updated, id: task, to: [.admins]) }
    }

    /// Settings that somebody changes with another program.
    private func tellConfigurationEdits() async {
        await configuration.store?.tellEdits(through: broadcasts) { sections in
            await ConfigurationRoutes.note(
                sections, by: Registry.Actor(name: Principal.system.auditName), "config.edit", configuration.audit,
                now: configuration.now)
        }
    }

    private func retireMissing() async {
        let (membership, own) = (membership, Principal.operator.auditName)
        await sessions.retireMissing { $0 == own ? true : membership.isUser($0) }
    }

    /// Answers a request of this process; needs no ``run()``.
    ///
    /// - Parameter caller: nil is the operator.
    /// - Throws: ``GatewayClientError/bodyTooLarge(limit:)``.
    func respond(
        method: HTTPMethod, path: String, headers: HTTPHeaders, body: ByteBuffer, maximumBody: Int,
        as caller: Caller? = nil
    ) async throws -> GatewayResponse {
        try await responder.respond(
            to: HTTPRequestHead(version: .http1_1, method: method, uri: path, headers: headers), body: body,
            maximumBody: maximumBody, as: caller)
    }

    /// Closes each connection on which no member has shown a certificate for too long: keep-alives would hold it, and
    /// its memory, for ever. All have the same time, so they are due in the order in which they came. The operator shows
    /// none and may stay.
    private func sendStrangersAway() async {
        for await (id, since) in live.newcomers {
            do { try await Task.sleep(until: since + configuration.limits.strangerTime) } catch { return }
            guard let peer = live.stranger(id, to: membership), peer.node != configuration.agent.nodeID else {
                continue
            }
            if strangers.admit() != nil {
                logger.info("gateway::stranger_closed", metadata: ["peer": "\(peer.node.short)"])
            }
            peer.close(UInt64(WebSocketCloseCode.unauthenticated), "no valid certificate was shown")
        }
    }

    // MARK: Connections

    /// Serves a connection with the gateway's protocol until it ends.
    public func serve(_ connection: Connection) async {
        let peer = PeerConnection(
            id: live.nextID(), node: connection.peer, remote: { connection.remoteAddress.hostAndPort },
            close: { code, reason in connection.close(code: code, reason: reason) })
        await withConnection(peer) {
            // About the operator there is nothing to ask.
            if peer.node != configuration.agent.nodeID { await membership.confirm(peer.node) }
            await withDiscardingTaskGroup { group in
                for await stream in connection.streams {
                    group.addTask {
                        await self.serve(peer) { initializer in try await stream.start(initializer) }
                    }
                }
            }
        }
    }

    /// Keeps a peer in the registry while `body` runs.
    func withConnection(_ peer: PeerConnection, _ body: () async -> Void) async {
        live.add(peer)
        await body()
        live.remove(peer)
    }

    /// Serves one stream until it ends.
    ///
    /// - Parameter start: runs the initializer on the stream's channel before it reads anything.
    func serve(
        _ peer: PeerConnection,
        start: ((@escaping @Sendable (any Channel) -> EventLoopFuture<StreamPipeline.Pending>)) async throws ->
            StreamPipeline.Pending
    ) async {
        do {
            let pending = try await start { channel in
                channel.eventLoop.makeCompletedFuture { try self.pipeline.configure(channel, peer: peer) }
            }
            await serve(try await pending.ready())
        } catch {
            logger.debug("gateway::stream_dropped", metadata: ["peer": "\(peer.node.short)", "reason": "\(error)"])
        }
    }

    private func serve(_ stream: StreamPipeline.Ready) async {
        switch stream {
        case .http(let channel, let credential):
            let serving = HTTPServing(responder, for: credential, idleTime: configuration.limits.idleTime)
            await serving.handle(value: channel, logger: logger)
        case .webSocket(let channel, let credential):
            let limits = configuration.limits
            let authenticated = try? authorizer.authenticate(credential).get()
            let isOfBridge = authenticated?.isBridge == true
            // A bridge asks for the speech of an answer when it has all of it.
            var watcher = Watcher(
                id: live.nextID(), outbox: Outbox(limits: isOfBridge ? limits.forBridges : limits),
                hearsSpeech: !isOfBridge)
            watcher.isOfBridge = isOfBridge
            // In the registry before its rights are looked at again: no change can slip between the two.
            if let caller = authenticated {
                let peer = credential.peer
                live.add(watcher, of: caller.isOperator ? nil : caller.handle, at: peer.node, on: peer)
            }
            await GatewaySocket(
                credential: credential, watcher: watcher, agent: configuration.agent, authorizer: authorizer,
                sessions: sessions, files: files, speech: speechIn, approvals: configuration.approvals, logger: logger
            ).run(channel)
            live.remove(watcher, on: credential.peer)
        }
    }
}
