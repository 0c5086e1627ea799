import Foundation
import Logging
import NIOCore
import Synchronization
import Testing

@testable import Certs
@testable import Gateway
@testable import Store
@testable import Transport
@testable import Wire

// Which bridges of the agent's own run, with which settings, and what happens when one ends?

/// Runs bridges as the test says, and tells what was started and ended.
private final class StandIn: Sendable {
    enum Event: Sendable, Equatable {
        case started(ChannelSettings)
        case ended(Platform)
    }

    /// What one run does after it was told.
    let act: @Sendable (BridgeRun, _ count: Int) async throws -> Void
    private let counts = Mutex<[Platform: Int]>([:])
    private let (events, event) = AsyncStream.makeStream(of: Event.self)

    init(_ act: @escaping @Sendable (BridgeRun, Int) async throws -> Void = { _, _ in try await forever() }) {
        self.act = act
    }

    var run: RunBridge {
        { [self] run in
            let platform = run.settings.platform
            let count = counts.withLock { counts in
                counts[platform, default: 0] += 1
                return counts[platform, default: 0]
            }
            event.yield(.started(run.settings))
            defer { event.yield(.ended(platform)) }
            try await act(run, count)
        }
    }

    func next() async throws -> Event {
        try await within(30, "a bridge to start or end") { [events] in
            for await event in events { return event }
            throw Timeout(what: "a bridge to start or end")
        }
    }
}

private func forever() async throws {
    while true { try await Task.sleep(for: .seconds(3_600)) }
}

@Suite struct BridgeSupervisorTests {
    private struct World {
        let configuration: TestConfiguration
        let room: BridgeRoom
        let log = CapturingLog.Lines()

        init(_ yaml: String) throws {
            configuration = try TestConfiguration(yaml)
            try FileManager.default.createDirectory(
                atPath: configuration.directory.state, withIntermediateDirectories: true)
            let database = try Store.Database(path: configuration.directory.database)
            room = BridgeRoom(
                PairingRepository(database), problems: BridgeProblems(configuration.directory), now: { 7 })
        }

        func supervisor(_ start: @escaping RunBridge) -> BridgeSupervisor {
            let lines = log
            return BridgeSupervisor(
                directory: configuration.directory, key: SecretKey(), networkID: "net", room: room,
                store: configuration.store, start: start, now: { 7 },
                logger: Logger(label: "test") { _ in CapturingLog(lines: lines) })
        }

        func run(_ standIn: StandIn, _ body: @escaping @Sendable () async throws -> Void) async throws {
            let supervisor = supervisor(standIn.run)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await supervisor.run(agent: NodeAddress(nodeID: SecretKey().nodeID, addresses: [])) }
                try await body()
                group.cancelAll()
                try await group.waitForAll()
            }
        }

        func state(_ platform: Platform) -> BridgeStatus? {
            room.board.all.first { $0.platform == platform }?.status
        }
    }

    private static func telegram(_ token: String) -> ChannelSettings {
        ChannelSettings(account: .telegram(token: token))
    }

    @Test("configured bridges are started; a changed channel is started anew, the others stay as they are")
    func settingsAreFollowed() async throws {
        let world = try World("channels: {telegram: {token: one}}")
        let standIn = StandIn()
        try await world.run(standIn) {
            #expect(try await standIn.next() == .started(Self.telegram("one")))
            func put(_ yaml: String) async throws {
                try world.configuration.put(yaml)
                await world.configuration.store.look()
            }
            try await put("name: other\nchannels: {telegram: {token: one}, discord: {token: d}}")
            #expect(try await standIn.next() == .started(ChannelSettings(account: .discord(token: "d"))))
            try await put("channels: {telegram: {token: two}, discord: {token: d}}")
            #expect(try await standIn.next() == .ended(.telegram))
            #expect(try await standIn.next() == .started(Self.telegram("two")))
            try await put("channels: {telegram: {token: two}}")
            #expect(try await standIn.next() == .ended(.discord))
            try await within(20, "what is known of it to be forgotten") {
                while world.room.board.all.map(\.platform) != [.telegram] {
                    try await Task.sleep(for: .milliseconds(5))
                }
            }
        }
        #expect(try await standIn.next() == .ended(.telegram))
        #expect(world.state(.telegram)?.state == "stopped")
    }

    @Test("a bridge that fails is tried again, and is nothing to the others")
    func failuresStayWithTheirBridge() async throws {
        struct Broken: Error {}
        let world = try World("channels: {telegram: {token: x}, slack: {bot_token: b, app_token: a}}")
        let standIn = StandIn { run, count in
            if run.settings.platform == .telegram, count < 3 { throw Broken() }
            try await forever()
        }
        try await world.run(standIn) {
            var starts: [Platform: Int] = [:]
            while starts[.telegram] != 3 || starts[.slack] != 1 {
                if case .started(let settings) = try await standIn.next() { starts[settings.platform, default: 0] += 1 }
            }
            #expect(starts[.slack] == 1)
            #expect(world.log.all.contains { $0.hasPrefix("bridge::ended") && $0.contains("Broken") })
        }
    }

    @Test("what only an admin can mend is said, and waits for other settings")
    func accountsFaults() async throws {
        let world = try World("channels: {telegram: {token: bad}, whatsapp: {}}")
        let standIn = StandIn { run, _ in
            if run.settings.account == .telegram(token: "bad") { throw BridgeMustBeMended("the token is wrong") }
            try await forever()
        }
        try await world.run(standIn) {
            #expect(try await standIn.next() == .started(Self.telegram("bad")))
            #expect(try await standIn.next() == .ended(.telegram))
            let directory = world.configuration.directory
            try await within(20, "the problem to be told") {
                while BridgeProblems(directory).all.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
            }
            #expect(BridgeProblems(directory).all.map(\.problem) == ["the token is wrong"])
            #expect(
                world.state(.telegram)?.state == "failed" && world.state(.telegram)?.problem == "the token is wrong")
            #expect(world.state(.whatsapp)?.state == "not_started")
            #expect(world.state(.whatsapp)?.problem?.contains("GREEN_API_TOKEN") == true)
            let findings = await AgentDoctor(
                directory: directory, environment: [:], now: { 0 }, reach: { _ in nil }
            ).examine()
            let channels = findings.filter { $0.name.hasPrefix("channels.") }
            #expect(channels.map(\.name) == ["channels.whatsapp", "channels.telegram"])
            #expect(channels.map(\.state) == [.warning, .problem])
            try world.configuration.put("channels: {telegram: {token: good, pairing: true}}")
            await world.configuration.store.look()
            guard case .started = try await standIn.next() else { throw Timeout(what: "another attempt") }
            #expect(BridgeProblems(directory).all.isEmpty)
        }
    }

    @Test("P-65: a served agent runs its bridges over its own wire, and ends them before itself")
    func aServedAgentRunsItsBridges() async throws {
        let root = FileManager.default.temporaryDirectory.path + "/node-\(UUID().uuidString)"
        let directory = AgentDirectory(root + "/ada")
        _ = try directory.create()
        defer { try? FileManager.default.removeItem(atPath: root) }
        try Data("channels: {telegram: {token: x}}".utf8).write(to: URL(filePath: directory.configuration))
        let seen = Mutex<[String]>([])
        let standIn = StandIn { run, _ in
            let client = GatewayClient(dialer: run.dialer)
            let me = try await client.request(path: "/api/whoami", maximumBody: 1 << 16)
            seen.withLock { $0.append(String(buffer: me.body)) }
            for path in [run.temporary, (run.database as NSString).deletingLastPathComponent] {
                let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
                #expect((mode ?? 0o777) & 0o077 == 0 || path == run.temporary, "\(path)")
            }
            do { try await forever() } catch {
                // The gateway is still there for what has to be said.
                let health = try? await Task { try await client.request(path: "/api/health", maximumBody: 1 << 16) }
                    .value
                seen.withLock { $0.append("\(health?.status.code ?? 0)") }
                throw error
            }
        }
        let node = AgentNode(
            directory: directory, configuration: try AgentConfiguration.load(directory, environment: [:]).configuration,
            version: "1", running: RunningAgents(home: root + "/home"), grace: .seconds(1), environment: [:],
            now: { Date().timeIntervalSince1970 }, runBridge: standIn.run, logger: .quiet)
        let (requests, request) = AsyncStream.makeStream(of: ShutdownRequest.self)
        async let ending = node.run(requests: requests, onServing: { _ in }, onForce: { _ in })
        #expect(try await standIn.next() == .started(Self.telegram("x")))
        try await within(30, "the agent's answer") {
            while seen.withLock({ $0.isEmpty }) { try await Task.sleep(for: .milliseconds(5)) }
        }
        request.yield(.graceful(signal: 15))
        guard case .stopped = try await ending else { return _ = Issue.record("it ended otherwise") }
        #expect(seen.withLock { $0 }.first?.contains("\"handle\":\"__bridge_telegram\"") == true)
        #expect(seen.withLock { $0 }.last == "200")
    }
}
