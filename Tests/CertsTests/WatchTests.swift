import NIOCore
import Synchronization
import Testing

@testable import Certs
@testable import Store
@testable import Transport

// Watches over real connections on 127.0.0.1: what the coordinator sends, and when it ends one.

/// One watch of the test's own, and what came of it.
final class Watcher: Sendable {
    private struct State {
        var frames: [WatchFrame] = []
        var end: (any Error)?
    }

    private let state = Mutex(State())

    var frames: [WatchFrame] { state.withLock(\.frames) }
    var end: (any Error)? { state.withLock(\.end) }
    var refusal: RPCErrorCode? { (end as? RPCError)?.code }

    /// The newest change.
    var lastChange: RosterChange? {
        for frame in frames.reversed() { if case .changes(let changes) = frame { return changes.last } }
        return nil
    }

    /// The state that the frames have told so far.
    var roster: RosterState {
        frames.reduce(into: RosterState()) { roster, frame in
            switch frame {
            case .snapshot(let changes, _), .changes(let changes): for change in changes { roster.apply(change) }
            case .alive: break
            }
        }
    }

    var isComplete: Bool {
        frames.contains { if case .snapshot(_, complete: true) = $0 { true } else { false } }
    }

    /// Watches until the watch ends or the task is cancelled.
    func run(on connection: Connection, addresses: [String]? = nil, silence: Duration = .seconds(20)) async {
        do {
            try await ConnectionExchange(connection: connection, timeout: .seconds(20)).watch(
                addresses: addresses, silence: silence
            ) { frame in
                self.state.withLock { $0.frames.append(frame) }
            }
        } catch { state.withLock { $0.end = error } }
    }
}

@Suite(.timeLimit(.minutes(1))) struct WatchTests {
    /// An agent of the network and its connection, for the length of a closure.
    static func withAgent(
        _ server: CoordinatorServer, _ handle: String = "worker",
        _ body: (Connection, NodeID) async throws -> Void
    ) async throws {
        let key = SecretKey()
        try await server.network.coordinator.addAgent(handle: handle, node: key.nodeID, label: nil, by: .operator)
        try await server.withConnection(as: key) { try await body($0, key.nodeID) }
    }

    /// Runs a watch while `body` does.
    static func watching(
        _ connection: Connection, addresses: [String]? = nil, _ body: (Watcher) async throws -> Void
    ) async throws {
        let watcher = Watcher()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await watcher.run(on: connection, addresses: addresses) }
            defer { group.cancelAll() }
            try await eventually("a snapshot or an end") { watcher.isComplete || watcher.end != nil }
            try await body(watcher)
        }
    }

    @Test func theWholeRosterComesFirstInFramesAndThenEachChange() async throws {
        try await CoordinatorServer.run { server in
            let coordinator = server.network.coordinator
            _ = try await server.network.addUser("alice", device: SecretKey().nodeID)
            _ = try await server.network.addUser("bob", device: SecretKey().nodeID)
            for _ in 0..<1_200 {
                coordinator.roster.apply(.device(SecretKey().nodeID, handle: "alice", status: .active))
            }
            try await Self.withAgent(server) { connection, node in
                try await Self.watching(connection) { watcher in
                    let snapshots = watcher.frames.compactMap { frame -> (Int, Bool)? in
                        if case .snapshot(let changes, let complete) = frame { (changes.count, complete) } else { nil }
                    }
                    #expect(snapshots.map(\.0) == [500, 500, 206])
                    #expect(snapshots.map(\.1) == [false, false, true])
                    #expect(watcher.roster == coordinator.roster.subscribe().state)
                    for number in 0..<50 {
                        _ = try await coordinator.setRole(
                            number.isMultiple(of: 2) ? .admin : .member, of: "bob", by: .operator)
                        coordinator.roster.apply(.user("u\(number)", role: .member, status: .active))
                    }
                    try await eventually("every change") {
                        watcher.roster == coordinator.roster.subscribe().state
                    }
                    #expect(watcher.roster.agent(node) == "worker")
                }
            }
        }
    }

    @Test func anEmptyRosterIsCompleteToo() throws {
        let frame = WatchFrame.snapshot([], complete: true)
        #expect(WatchFrame(wire: frame.wire) == frame)
    }

    @Test func signsOfLifeComeWhileNothingHappensAndTheAgentIsNoted() async throws {
        let policy = WatchPolicy(heartbeat: .milliseconds(20))
        try await CoordinatorServer.run(watches: policy) { server in
            let clock = server.network.clock
            try await Self.withAgent(server) { connection, node in
                func row() async throws -> AgentRecord? {
                    try await server.network.coordinator.agents().first { $0.nodeID == node.hex }
                }
                try await Self.watching(connection, addresses: ["192.0.2.1:4433", "nonsense"]) { watcher in
                    #expect(try await row()?.addresses == ["192.0.2.1:4433"])
                    let began = clock.now
                    #expect(try await row()?.lastSeen == began)
                    clock.advance(59)
                    let seen = watcher.frames.count
                    try await eventually("signs of life") { watcher.frames.count > seen + 2 }
                    #expect(watcher.frames.suffix(2) == [.alive, .alive])
                    #expect(try await row()?.lastSeen == began)
                    clock.advance(1)
                    try await eventually("a note") { try await row()?.lastSeen == began + 60 }
                    #expect(try await row()?.addresses == ["192.0.2.1:4433"])
                }
            }
        }
    }

    @Test func signsOfLifeComeAtLeastEveryFiveSeconds() {
        #expect(WatchPolicy().heartbeat <= .seconds(5))
        #expect(WatchPolicy().watches == 4_096)
        #expect(MemberRoster.Policy().silence >= WatchPolicy().heartbeat * 3)
    }

    @Test func onlyAgentsOfTheNetworkMayWatch() async throws {
        try await CoordinatorServer.run { server in
            let device = SecretKey()
            _ = try await server.network.addUser("alice", device: device.nodeID)
            for key in [SecretKey(), device] {
                try await server.withConnection(as: key) { connection in
                    try await Self.watching(connection) { watcher in
                        #expect(watcher.refusal == .forbidden)
                        #expect(watcher.frames.isEmpty, "nothing is told before")
                    }
                }
            }
            #expect(server.network.coordinator.watches.count == 0)
        }
    }

    @Test func theWatchOfARemovedAgentEndsAfterWhatCameBefore() async throws {
        try await CoordinatorServer.run { server in
            try await Self.withAgent(server) { connection, _ in
                try await Self.watching(connection) { watcher in
                    try await server.network.coordinator.removeAgent("worker", by: .operator)
                    try await eventually("the end") { watcher.refusal == .forbidden }
                }
                #expect(server.network.coordinator.watches.count == 0)
                await expectRefusal(.forbidden) {
                    try await CoordinatorClient(connection: connection).deviceStatus(SecretKey().nodeID)
                }
            }
        }
    }

    @Test func aNewerWatchOfAnAgentEndsTheOlder() async throws {
        try await CoordinatorServer.run { server in
            try await Self.withAgent(server) { connection, _ in
                try await Self.watching(connection) { older in
                    try await Self.watching(connection) { newer in
                        try await eventually("the older's end") { older.refusal == .conflict }
                        #expect(newer.end == nil)
                        #expect(server.network.coordinator.watches.count == 1)
                    }
                }
                // A watch leaves no place taken: other calls go on, far more than may run at a time.
                for _ in 0..<Coordinator.concurrentCalls * 3 {
                    _ = try await CoordinatorClient(connection: connection).listAgents()
                }
            }
        }
    }

    @Test func watchesAreBounded() async throws {
        try await CoordinatorServer.run(watches: WatchPolicy(watches: 1, heartbeat: .milliseconds(20))) { server in
            try await Self.withAgent(server, "first") { connection, _ in
                try await Self.watching(connection) { first in
                    try await Self.withAgent(server, "second") { other, _ in
                        try await Self.watching(other) { #expect($0.refusal == .rateLimited) }
                        #expect(first.end == nil)
                    }
                    try await Self.watching(connection) { #expect($0.isComplete, "the place is its own") }
                }
                try await eventually("a free place") { server.network.coordinator.watches.count == 0 }
                try await Self.withAgent(server, "third") { other, _ in
                    try await Self.watching(other) { #expect($0.isComplete) }
                }
            }
        }
    }

    @Test func aWatchEndsWithItsConnection() async throws {
        try await CoordinatorServer.run { server in
            try await Self.withAgent(server) { connection, _ in
                try await Self.watching(connection) { _ in
                    #expect(server.network.coordinator.watches.count == 1)
                    connection.close()
                    try await eventually("the end") { server.network.coordinator.watches.count == 0 }
                }
            }
        }
    }

    @Test func aReaderThatIsTooSlowIsCutOffAndHoldsUpNobodyElse() async throws {
        try await CoordinatorServer.run(deadline: .seconds(1)) { server in
            let coordinator = server.network.coordinator
            try await Self.withAgent(server, "slow") { slow, _ in
                let request = RPCRequest(id: .text("1"), method: "watch", parameters: [:]).encoded
                let channel = try await slow.openStream { RPCStream.prepare($0) }
                try await channel.executeThenClose { inbound, outbound in
                    try await outbound.write(ByteBuffer(bytes: RPCFrame.encode(request)))
                    outbound.finish()
                    var reading = inbound.makeAsyncIterator()
                    _ = try await reading.next()
                    try await Self.withAgent(server, "fast") { fast, _ in
                        try await Self.watching(fast) { watcher in
                            #expect(coordinator.watches.count == 2)
                            // The slow one has read its first bytes and reads no more.
                            var rounds = 0
                            while coordinator.watches.count == 2, rounds < 2_000 {
                                let last = SecretKey().nodeID
                                for _ in 0..<100 {
                                    coordinator.roster.apply(
                                        .device(SecretKey().nodeID, handle: "alice", status: .active))
                                }
                                coordinator.roster.apply(.device(last, handle: "alice", status: .active))
                                try await eventually("the changes") {
                                    watcher.lastChange == .device(last, handle: "alice", status: .active)
                                }
                                rounds += 1
                            }
                            #expect(coordinator.watches.count == 1, "cut off after \(rounds) rounds")
                            #expect(watcher.end == nil)
                        }
                    }
                    do { while try await reading.next() != nil {} } catch is StreamError {}
                }
            }
        }
    }

    @Test func aCoordinatorThatFallsSilentOrTalksNonsenseIsNotListenedTo() async throws {
        let id = RPCResponse.result(id: .text("another"), ["alive": .bool(true)]).encoded
        for (frames, wanted) in [
            ([], .timeout(seconds: 0)), ([[0xff]], .malformedAnswer("watch")), ([id], .malformedAnswer("watch")),
        ] as [([[UInt8]], CoordinatorClientError)] {
            try await StrangeCoordinator.run({ _ in
                .frames { writer in
                    for frame in frames { try await writer.write(frame) }
                    try await Task.sleep(for: .seconds(30))
                }
            }) { coordinator in
                let dialler = try await CoordinatorServer.endpoint(SecretKey())
                let connection = try await dialler.connect(to: coordinator.address, alpn: ALPN.coordinator)
                let watcher = Watcher()
                await watcher.run(on: connection, silence: frames.isEmpty ? .milliseconds(200) : .seconds(20))
                #expect(watcher.end as? CoordinatorClientError == wanted)
                await dialler.close()
            }
        }
    }
}
