import Foundation
import Hummingbird
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

// A real gateway with a network of its own, which can go and come back: its sockets are TCP on 127.0.0.1, each connection one stream of
// the bridge's proven key. What it has on disk stays while it is away.

/// One device is in good standing, until a test says otherwise.
final class OneMember: Membership {
    private let state = Mutex<(isActive: Bool, subscribers: [AsyncStream<RosterChange>.Continuation])>((true, []))

    func standing(of device: NodeID, handle: String) -> DeviceStanding {
        state.withLock { $0.isActive ? .active(role: .member) : .revoked }
    }

    func isKnown(_ node: NodeID) -> Bool { state.withLock { $0.isActive } }

    func changes() -> AsyncStream<RosterChange> {
        let (stream, continuation) = AsyncStream.makeStream(of: RosterChange.self)
        state.withLock { $0.subscribers.append(continuation) }
        return stream
    }

    func revoke(_ device: NodeID) {
        let subscribers = state.withLock { state in
            state.isActive = false
            return state.subscribers
        }
        for subscriber in subscribers { subscriber.yield(.device(device, handle: "", status: .revoked)) }
    }
}

/// Whom an admin let in by a code, as the agent's routes tell bridges.
final class TestSenders: Sendable {
    private let state = Mutex<(approved: Set<String>, asked: [String], isFull: Bool)>(([], [], false))

    var asked: [String] { state.withLock { $0.asked } }
    func approve(_ sender: String) { state.withLock { _ = $0.approved.insert(sender) } }
    func remove(_ sender: String) { state.withLock { _ = $0.approved.remove(sender) } }
    func refuseCodes() { state.withLock { $0.isFull = true } }

    /// Who was looked for, in order.
    let looks = Mutex<[String]>([])

    func isApproved(_ sender: String) -> Bool {
        looks.withLock { $0.append(sender) }
        return state.withLock { $0.approved.contains(sender) }
    }

    func code(_ sender: String) -> String? {
        state.withLock { state in
            guard !state.isFull else { return nil }
            state.asked.append(sender)
            return "CODE-\(sender)"
        }
    }

    /// How the bridge says it is.
    let statuses = Mutex<[BridgeStatus]>([])

    var routes: [Route] {
        let operation = Gateway.Operation("Nothing", answers: [.empty(200, "Nothing")])
        @Sendable func json(_ value: some Encodable) throws -> Response {
            Response(
                status: .ok, headers: [.contentType: "application/json"],
                body: .init(byteBuffer: ByteBuffer(bytes: try JSONEncoder().encode(value))))
        }
        @Sendable func body<T: Decodable>(_ type: T.Type, _ request: Request) async throws -> T {
            let bytes = try await request.body.collect(upTo: 65_536)
            return try JSONDecoder().decode(type, from: Data(bytes.readableBytesView))
        }
        return [
            .member(.get, "/api/bridges/{platform}/senders/{id}", operation) { _, context, _ in
                let id = context.parameters.get("id")?.removingPercentEncoding ?? ""
                return try json(SenderStanding(approved: self.isApproved(id)))
            },
            .member(.post, "/api/bridges/{platform}/pairings", operation) { request, _, _ in
                let asked = try await body(NewPairing.self, request)
                guard let code = self.code(asked.sender) else { return Response(status: .tooManyRequests) }
                return try json(PairingCode(code: code, expiresAt: 0))
            },
            .member(.put, "/api/bridges/{platform}/status", operation) { request, _, _ in
                let status = try await body(BridgeStatus.self, request)
                self.statuses.withLock { $0.append(status) }
                return try json(BridgeStatusTaken(ok: true))
            },
        ]
    }
}

final class TestAgentHost: Sendable {
    static let networkID = "6f1d2c3b4a5968778695a4b3c2d1e0f0"

    /// What a test may want to be different.
    struct Options: Sendable {
        var limits = GatewayLimits()
        var usage = UsageSettings()
        var voice = Voice()
        var hasFiles = false
    }

    let agent: ScriptedAgent
    let folder: TestFolder
    let senders = TestSenders()
    let membership = OneMember()
    let key = SecretKey()
    let device = SecretKey()
    private let options: Options
    private let port = Mutex<Int?>(nil)
    private let asking = Mutex<Approvals?>(nil)
    /// Lives that may begin, and how many did.
    private let (permits, permit) = AsyncStream.makeStream(of: Void.self)
    private let end = Wire.Bell()
    private let changes = Wire.Bell()

    init(_ agent: ScriptedAgent = .echo, _ options: Options = Options()) throws {
        self.agent = agent
        self.options = options
        folder = try TestFolder()
    }

    var directory: AgentDirectory { AgentDirectory(folder.path) }

    /// Serves while `body` runs.
    func run<T: Sendable>(_ body: @escaping @Sendable () async throws -> T) async throws -> T {
        permit.yield()
        return try await withThrowingTaskGroup(of: T?.self) { group in
            group.addTask {
                for await _ in self.permits { try await self.live() }
                return nil
            }
            group.addTask { try await body() }
            defer { group.cancelAll() }
            while let result = try await group.next() {
                if let result { return result }
            }
            throw Timeout(what: "the test's body")
        }
    }

    /// The gateway is gone without a word.
    func stop() async throws {
        end.ring()
        try await waitUntil(isServing: false)
    }

    /// It is back, with what it had on disk.
    func start() async throws {
        permit.yield()
        try await waitUntil(isServing: true)
    }

    func restart() async throws {
        try await stop()
        try await start()
    }

    private func waitUntil(isServing: Bool) async throws {
        try await within(30, "the gateway to come or go") {
            while true {
                let rings = self.changes.rings
                if (self.port.withLock { $0 } != nil) == isServing { return }
                await self.changes.wait(after: rings)
                try Task.checkCancellation()
            }
        }
    }

    private func setPort(_ new: Int?) {
        port.withLock { $0 = new }
        changes.ring()
    }

    private func live() async throws {
        let ends = end.rings
        let database = try Store.Database(path: folder.path + "/openagent.db")
        var configuration = GatewayConfiguration(
            agent: AgentDescription(
                name: "Ada", directory: folder.path, nodeID: key.nodeID, networkID: Self.networkID,
                networkName: "home", networkRole: "coordinator", version: "0.1.0"),
            coordinator: key.nodeID, now: { Date().timeIntervalSince1970 })
        configuration.limits = options.limits
        configuration.limits.preambleTime = .seconds(60)
        configuration.limits.lanesPerDevice = 10_000
        configuration.lane = .session
        configuration.usage = options.usage
        configuration.voice = options.voice
        if options.hasFiles {
            for path in [directory.memories, directory.workspace] {
                try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            }
            configuration.files = AgentFiles(
                directory: directory, vault: directory.memories, largest: 1 << 30,
                repository: ArtifactRepository(database))
        }
        let time = TimeSource(
            now: { Date().timeIntervalSince1970 }, sleep: { try await Task.sleep(for: $0) })
        let approvals = Approvals(
            ApprovalRepository(database), policies: ToolPolicies(ToolPolicyRepository(database)) { time.now() },
            lifetime: { .seconds(600) }, time: time, makeID: { UUID().uuidString })
        configuration.approvals = approvals
        asking.withLock { $0 = approvals }
        let server = try GatewayServer(
            configuration: configuration, membership: membership, agent: agent,
            sessions: SessionRepository(database), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            besides: senders.routes)
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 256)
            .childChannelOption(.autoRead, value: false)
            .bind(host: "127.0.0.1", port: 0) { channel in channel.eventLoop.makeSucceededFuture(channel) }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await server.run() }
            group.addTask { await self.accept(listener, server) }
            setPort(listener.channel.localAddress?.port)
            await end.wait(after: ends)
            setPort(nil)
            group.cancelAll()
        }
        try database.close()
    }

    private func accept(_ listener: NIOAsyncChannel<any Channel, Never>, _ server: GatewayServer) async {
        let peer = PeerConnection(
            id: 1, node: device.nodeID, remote: { "127.0.0.1:1" },
            // Sockets are told why before; whoever comes back is refused by the certificate.
            close: { _, _ in })
        await server.withConnection(peer) {
            try? await listener.executeThenClose { streams in
                try await withThrowingDiscardingTaskGroup { group in
                    for try await channel in streams {
                        group.addTask {
                            await server.serve(peer) { initializer in
                                let pending = try await channel.eventLoop.flatSubmit { initializer(channel) }.get()
                                try await channel.setOption(.autoRead, value: true).get()
                                return pending
                            }
                            try? await channel.close()
                        }
                    }
                    group.cancelAll()
                }
            }
        }
    }

    /// Lets the turn that runs call a tool that its user is asked about.
    func callTool(_ run: ScriptedRun) async throws -> ToolVerdict {
        let approvals = try #require(asking.withLock { $0 })
        let tool = OfferedTool(
            fullName: "other_write", server: "other",
            definition: ToolDefinition(name: "write", description: "", parameters: [:]))
        let context = ToolContext(
            turnID: run.request.turnID, callID: "c", sessionID: run.request.sessionID, handle: run.request.handle,
            isAdmin: false)
        return try await approvals.admit(tool, ["path": "a"], for: context) { run.emit($0) }
    }

    /// The bridge's way to the agent.
    var dialer: any GatewayDialer { Dialer(host: self) }

    private struct Dialer: GatewayDialer {
        let host: TestAgentHost

        func openStream<R: Sendable>(
            _ initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<R>
        ) async throws -> R {
            guard let port = host.port.withLock({ $0 }) else {
                throw AgentUnreachable(agent: "Ada", cause: .dial("it is away"))
            }
            let certificate = DeviceCertificate.issue(
                handle: "ann", deviceKey: host.device.nodeID, networkID: TestAgentHost.networkID,
                capabilities: ["bridge"], issuedAt: Date().timeIntervalSince1970, lifetime: 3_600, signedBy: host.key
            ).wire
            do {
                return try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                    .connect(host: "127.0.0.1", port: port) { channel in
                        channel.eventLoop.makeCompletedFuture {
                            try channel.pipeline.syncOperations.addHandler(
                                StreamPreambleHandler(certificate: certificate))
                        }.flatMap { initializer(channel) }
                    }
            } catch let error as IOError {
                throw AgentUnreachable(agent: "Ada", cause: .dial("\(error)"))
            }
        }
    }
}
