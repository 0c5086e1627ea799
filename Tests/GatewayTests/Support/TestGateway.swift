import Foundation
import Logging
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import Agent
@testable import Certs
@testable import Gateway
@testable import Store
@testable import Transport
@testable import Wire

// A gateway with a network of its own. Each device has a TCP port on 127.0.0.1 that stands for its connection: every TCP
// connection there is one stream of that device's proven key.

/// Standing of devices, as a test says.
final class FakeMembership: Membership {
    private struct State {
        var standings: [NodeID: DeviceStanding] = [:]
        var subscribers: [AsyncStream<RosterChange>.Continuation] = []
        /// What holds from the look after the next one on.
        var next: [NodeID: DeviceStanding] = [:]
        /// Nil when it cannot be said.
        var users: Set<String>?
        var lookedUp: Set<String> = []
        /// Of users themselves; what is not here cannot be said.
        var userStandings: [String: DeviceStanding] = [:]
    }

    private let state = Mutex(State())

    func set(_ standing: DeviceStanding, for device: NodeID) {
        state.withLock { $0.standings[device] = standing }
    }

    /// Changes a standing once it was looked at one more time: in the midst of a request.
    func set(_ standing: DeviceStanding, afterTheNextLookAt device: NodeID) {
        state.withLock { $0.next[device] = standing }
    }

    func set(_ standing: DeviceStanding, forUser handle: String) {
        state.withLock { $0.userStandings[handle] = standing }
    }

    func standing(ofUser handle: String) -> DeviceStanding {
        state.withLock { $0.userStandings[handle] ?? .unavailable }
    }

    func setUsers(_ users: Set<String>?) { state.withLock { $0.users = users } }

    /// Who was asked about so far.
    var lookedUp: Set<String> { state.withLock { $0.lookedUp } }

    func isUser(_ handle: String) -> Bool? {
        state.withLock { state in
            state.lookedUp.insert(handle)
            return state.users?.contains(handle)
        }
    }

    func revoke(_ device: NodeID) {
        set(.revoked, for: device)
        announce(.device(device, handle: "", status: .revoked))
    }

    func announce(_ change: RosterChange) {
        for subscriber in state.withLock({ $0.subscribers }) { subscriber.yield(change) }
    }

    func standing(of device: NodeID, handle: String) -> DeviceStanding {
        state.withLock { state in
            defer { if let next = state.next.removeValue(forKey: device) { state.standings[device] = next } }
            return state.standings[device] ?? .unknown
        }
    }

    func isKnown(_ node: NodeID) -> Bool {
        if case .active? = state.withLock({ $0.standings[node] }) { true } else { false }
    }

    func changes() -> AsyncStream<RosterChange> {
        let (stream, continuation) = AsyncStream.makeStream(of: RosterChange.self)
        state.withLock { $0.subscribers.append(continuation) }
        return stream
    }
}

struct TestDevice: Sendable {
    let key = SecretKey()
    let handle: String
    var nodeID: NodeID { key.nodeID }
}

/// Keeps log lines for tests to look at.
struct CapturingLog: LogHandler {
    final class Lines: Sendable {
        private let lines = Mutex<[String]>([])
        var all: [String] { lines.withLock { $0 } }
        func add(_ line: String) { lines.withLock { $0.append(line) } }
    }

    let lines: Lines
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        lines.add("\(event.message) " + all.sorted { $0.key < $1.key }.map { "\($0)=\($1)" }.joined(separator: " "))
    }
}

final class TestGateway: Sendable {
    static let networkID = "6f1d2c3b4a5968778695a4b3c2d1e0f0"

    /// What the gateway's agent is in its network.
    enum Place {
        /// Nobody administers; standings are what the test says.
        case alone
        /// It coordinates: users and devices are rows, and the roster is the coordinator's.
        case coordinator
        /// It is a member of a network that another agent coordinates.
        case member
    }

    let coordinator: SecretKey
    /// The key of the gateway's agent.
    let identity: SecretKey
    /// The coordinator of the network, where it is this agent.
    let network: Coordinator?
    /// What the agent's tickets say about where it is.
    let addresses = Addresses()
    let membership = FakeMembership()
    let log = CapturingLog.Lines()
    let databasePath: String
    let database: Store.Database
    var sessions: SessionRepository { SessionRepository(database) }
    let agent: ScriptedAgent
    /// Stay as long as the gateway does.
    let files: TestFiles?
    let configuration: GatewayConfiguration
    let unattended: UnattendedSessions
    let server: GatewayServer

    init(
        _ agent: ScriptedAgent = ScriptedAgent(), databasePath: String? = nil,
        limits: GatewayLimits = .patient, lane: SessionLane = .client, hooks: TurnHooks = TurnHooks(),
        voice: Voice = Voice(), routes: [Route] = [], place: Place = .alone, files: TestFiles? = nil,
        vault: Vault? = nil, store: ConfigurationStore? = nil, usage: UsageSettings = UsageSettings(),
        logs: LogSource? = nil, http: any OutboundHTTP = NetworkHTTP(), hasScheduler: Bool = false,
        key: SecretKey = SecretKey(), requestRestart: (@Sendable () -> Void)? = nil
    ) throws {
        coordinator = key
        let path = databasePath ?? FileManager.default.temporaryDirectory.path + "/gateway-\(UUID().uuidString).db"
        self.databasePath = path
        self.agent = agent
        self.files = files
        database = try Store.Database(path: path)
        let clock = Clock()

        self.clock = clock
        identity = place == .member ? SecretKey() : coordinator
        var configuration = GatewayConfiguration(
            agent: AgentDescription(
                name: "Ada", directory: "/agents/ada", nodeID: identity.nodeID, networkID: Self.networkID,
                networkName: "home", networkRole: place == .member ? "member" : "coordinator", version: "0.1.0"),
            coordinator: coordinator.nodeID, now: { clock.now })
        configuration.voice = voice
        configuration.limits = limits
        configuration.hooks = hooks
        configuration.lane = lane
        configuration.requestRestart = requestRestart
        configuration.files = files?.files(database)
        configuration.vault = vault
        configuration.store = store
        configuration.registry = Registry(RegistryRepository(database), http: http, now: { clock.now }) { $0 }
        unattended = UnattendedSessions(agent: identity.nodeID)
        configuration.unattended = unattended
        configuration.webhooks = WebhookRepository(database)
        configuration.bridges = BridgeRoom(PairingRepository(database)) { clock.now }
        let scheduler =
            hasScheduler
            ? Scheduler(
                tasks: TaskRepository(database), turns: unattended,
                time: TimeSource(now: { clock.now }, sleep: TimeSource.system.sleep), logger: Logger(label: "test"))
            : nil
        configuration.scheduler = scheduler
        configuration.tasks = ScheduledTasks(
            TaskRepository(database), now: { clock.now }, changed: { scheduler?.wake() })
        let workflows = Workflows(WorkflowRepository(database), now: { clock.now })
        configuration.workflows = workflows
        let runner = WorkflowRunner(
            workflows, means: WorkflowMeans(),
            time: TimeSource(now: { clock.now }, sleep: { try await Task.sleep(for: $0) }),
            logger: Logger(label: "test"))
        configuration.runner = runner
        configuration.services.append { await runner.run() }
        configuration.approvals = Approvals(
            ApprovalRepository(database),
            policies: ToolPolicies(ToolPolicyRepository(database)) { clock.now }, lifetime: { .seconds(600) },
            time: TimeSource(now: { clock.now }, sleep: { try await Task.sleep(for: $0) }),
            makeID: { UUID().uuidString })
        configuration.audit = AuditLog(database)
        configuration.ledger = ToolCallLedger(
            AuditLog(database), secrets: KnownSecrets(all: { [] }), now: { clock.now })
        configuration.usage = usage
        configuration.logs = logs
        let node = identity.nodeID.hex
        configuration.backup = files.map { files in
            var source = BackupSource(
                directory: files.directory, vault: files.directory.memories, name: "Ada", nodeID: node,
                version: "0.1.0")
            source.database = path
            return source
        }
        let lines = log
        network = try place == .coordinator ? Self.coordinator(database, coordinator, now: { clock.now }) : nil
        if let network {
            configuration.administration = .coordinator(network, addresses: { [addresses] in addresses.current })
        }
        self.configuration = configuration
        server = try GatewayServer(
            configuration: configuration, membership: network?.roster ?? membership, agent: agent,
            sessions: SessionRepository(database), logger: Logger(label: "test") { _ in CapturingLog(lines: lines) },
            besides: routes)
    }

    /// Everything that the gateway declares.
    func routes() throws -> [Route] {
        GatewayServer.routes(
            configuration, live: LiveConnections(),
            sessions: try SessionManager(
                repository: sessions, limits: configuration.limits, logger: Logger(label: "test"),
                now: configuration.now))
    }

    /// Wall-clock time that a test can move.
    final class Clock: Sendable {
        private let offset = Mutex<Double>(0)
        var now: Double { Date().timeIntervalSince1970 + offset.withLock { $0 } }
        func advance(by seconds: Double) { offset.withLock { $0 += seconds } }
    }

    let clock: Clock

    func device(_ handle: String = "ana", standing: DeviceStanding = .active(role: .member)) -> TestDevice {
        let device = TestDevice(handle: handle)
        membership.set(standing, for: device.nodeID)
        return device
    }

    func certificate(for device: TestDevice, networkID: String = TestGateway.networkID, lifetime: Double = 3600)
        -> [UInt8]
    {
        DeviceCertificate.issue(
            handle: device.handle, deviceKey: device.nodeID, networkID: networkID, capabilities: [],
            issuedAt: clock.now, lifetime: lifetime, signedBy: coordinator
        ).wire
    }

    /// Runs the server while `body` does.
    func run<T: Sendable>(_ body: @escaping @Sendable (Running) async throws -> T) async throws -> T {
        try await withThrowingTaskGroup(of: T?.self) { group in
            group.addTask {
                await self.server.run()
                return nil
            }
            let (orders, order) = AsyncStream.makeStream(of: Running.Listen.self)
            group.addTask {
                await withDiscardingTaskGroup { group in
                    for await listen in orders { group.addTask { await listen.serve() } }
                    group.cancelAll()
                }
                return nil
            }
            group.addTask {
                do {
                    return try await body(Running(gateway: self, order: order))
                } catch {
                    let lines = self.log.all.filter { !$0.hasPrefix("gateway::request ") }.suffix(30)
                    Issue.record("\(error); the server's log ends with:\n\(lines.joined(separator: "\n"))")
                    throw error
                }
            }
            defer { group.cancelAll() }
            while let result = try await group.next() {
                if let result { return result }
            }
            throw Timeout(what: "the test's body")
        }
    }

    /// A running gateway.
    struct Running: Sendable {
        struct Listen: Sendable {
            let serve: @Sendable () async -> Void
        }

        let gateway: TestGateway
        fileprivate let order: AsyncStream<Listen>.Continuation

        /// A port that stands for a connection of `node`.
        func connection(of node: NodeID) async throws -> TestConnection {
            let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .serverChannelOption(.backlog, value: 128)
                .childChannelOption(.autoRead, value: false)
                .bind(host: "127.0.0.1", port: 0) { channel in channel.eventLoop.makeSucceededFuture(channel) }
            let closed = TestConnection.Closed()
            let server = gateway.server
            let port = try #require(listener.channel.localAddress?.port)
            order.yield(
                Listen {
                    let peer = PeerConnection(
                        id: UInt64(port), node: node, remote: { "127.0.0.1:\(port)" },
                        close: { code, reason in
                            closed.note(code, reason)
                            listener.channel.close(promise: nil)
                        })
                    await server.withConnection(peer) {
                        try? await listener.executeThenClose { streams in
                            try await withThrowingDiscardingTaskGroup { group in
                                for try await channel in streams {
                                    group.addTask {
                                        await server.serve(peer) { initializer in
                                            let pending = try await channel.eventLoop.flatSubmit {
                                                initializer(channel)
                                            }
                                            .get()
                                            try await channel.setOption(.autoRead, value: true).get()
                                            return pending
                                        }
                                    }
                                }
                                // The connection is closed: its streams go with it.
                                group.cancelAll()
                            }
                        }
                    }
                })
            return TestConnection(port: port, closed: closed)
        }

        /// A stream that shows the device's certificate on the device's own connection.
        func stream(_ device: TestDevice) async throws -> TestStream {
            let stream = try await connection(of: device.nodeID).stream()
            try await stream.sendPreamble(gateway.certificate(for: device))
            return stream
        }

        func webSocket(_ device: TestDevice, on connection: TestConnection? = nil) async throws -> TestWebSocket {
            let connection = if let connection { connection } else { try await self.connection(of: device.nodeID) }
            let stream = try await connection.stream()
            try await stream.sendPreamble(gateway.certificate(for: device))
            try await stream.send(TestWebSocket.upgradeRequest)
            let answer = try #require(try await stream.response())
            #expect(answer.status == 101)
            let socket = TestWebSocket(stream)
            guard case .authOK = try await socket.message().body else { throw Timeout(what: "auth_ok") }
            return socket
        }
    }
}

/// The client's side of a connection.
struct TestConnection: Sendable {
    final class Closed: Sendable {
        private let (closings, closing) = AsyncStream.makeStream(of: UInt64.self)

        func note(_ code: UInt64, _ reason: String) { closing.yield(code) }

        /// The code with which the gateway closed the connection.
        func code() async throws -> UInt64 {
            try await within(30, "the connection to be closed") {
                for await code in self.closings { return code }
                throw Timeout(what: "the connection to be closed")
            }
        }
    }

    let port: Int
    let closed: Closed

    func stream() async throws -> TestStream { try await TestStream.connect(port: port) }
}

extension TestStream {
    func get(_ path: String, headers: String = "") async throws -> TestResponse? {
        try await send("GET \(path) HTTP/1.1\r\nHost: agent\r\n\(headers)\r\n")
        return try await response()
    }
}

extension GatewayLimits {
    /// The defaults, except that a test on a busy machine may be slow to send its certificate.
    static var patient: GatewayLimits {
        var limits = GatewayLimits()
        limits.preambleTime = .seconds(60)
        // Agents that do what a test says answer no message by themselves.
        limits.chatTime = .milliseconds(200)
        return limits
    }
}
