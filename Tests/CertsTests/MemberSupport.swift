import Logging
import NIOCore
import Synchronization
import Testing

@testable import Certs
@testable import Store
@testable import Transport

// Builders for tests of member agents: a clock of instants, a line to the coordinator that the test can cut, and
// coordinators that are not ours.

/// A clock of instants that only the test moves.
final class TestInstants: Sendable {
    private let time = Mutex(ContinuousClock.now)
    var now: ContinuousClock.Instant { time.withLock { $0 } }
    func advance(_ duration: Duration) { time.withLock { $0 += duration } }
}

/// Waits until `condition` holds.
func eventually(
    _ what: String = "it", within limit: Duration = .seconds(20), sourceLocation: SourceLocation = #_sourceLocation,
    _ condition: () async throws -> Bool
) async throws {
    let end = ContinuousClock.now + limit
    while try await !condition() {
        guard ContinuousClock.now < end else {
            Issue.record("\(what) did not come about within \(limit)", sourceLocation: sourceLocation)
            return
        }
        try await Task.sleep(for: .milliseconds(5))
    }
}

/// A member agent's line to its coordinator.
final class TestLine: Sendable {
    struct Cut: Error {}

    private struct State {
        var isCut = false
        var connection: Connection?
        var dials = 0
    }

    private let state = Mutex(State())

    /// How often it was tried to dial.
    var dials: Int { state.withLock(\.dials) }

    func connect(_ dial: () async throws -> Connection) async throws -> Connection {
        let isCut = state.withLock { state in
            state.dials += 1
            return state.isCut
        }
        if isCut { throw Cut() }
        let connection = try await dial()
        state.withLock { $0.connection = connection }
        return connection
    }

    func cut() {
        state.withLock { state in
            state.isCut = true
            return state.connection
        }?.close()
    }

    func mend() { state.withLock { $0.isCut = false } }
}

/// A member agent while it runs.
struct TestMember {
    let key: SecretKey
    let roster: MemberRoster
    let line: TestLine
    /// The roster's clock.
    let clock: TestInstants

    /// Runs a member of whichever coordinator is at `address`, for the length of a closure.
    static func run(
        at address: NodeAddress, key: SecretKey = SecretKey(), policy: MemberRoster.Policy = .fast,
        addresses: [String] = ["192.0.2.1:4433"], _ body: (TestMember) async throws -> Void
    ) async throws {
        let endpoint = try await CoordinatorServer.endpoint(key)
        let clock = TestInstants()
        let roster = MemberRoster(
            policy: policy, now: { clock.now }, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let member = TestMember(key: key, roster: roster, line: TestLine(), clock: clock)
        let result: Result<Void, any Error>
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    await roster.run(
                        addresses: { addresses },
                        connect: {
                            try await member.line.connect {
                                try await endpoint.connect(to: address, alpn: ALPN.coordinator)
                            }
                        })
                }
                defer { group.cancelAll() }
                try await body(member)
            }
            result = .success(())
        } catch { result = .failure(error) }
        await endpoint.close()
        try result.get()
    }
}

extension CoordinatorServer {
    /// A member agent of the network, for the length of a closure, once it watches.
    func withMember(
        _ handle: String = "worker", policy: MemberRoster.Policy = .fast, _ body: (TestMember) async throws -> Void
    ) async throws {
        let key = SecretKey()
        try await network.coordinator.addAgent(handle: handle, node: key.nodeID, label: nil, by: .operator)
        try await TestMember.run(at: address, key: key, policy: policy) { member in
            try await eventually("a live watch") { member.roster.link == .live }
            try await body(member)
        }
    }
}

extension MemberRoster.Policy {
    /// Short waits.
    static var fast: MemberRoster.Policy {
        MemberRoster.Policy(
            answer: .seconds(5), round: .milliseconds(50), rewatch: .milliseconds(100), tick: .milliseconds(10),
            firstDelay: .milliseconds(20), longestDelay: .milliseconds(200))
    }
}

/// A coordinator of the test's own making: it answers each message with what a closure says.
struct StrangeCoordinator {
    let address: NodeAddress

    static func run(
        _ answer: @escaping @Sendable (RPCRequest) async -> RPCReply, _ body: (StrangeCoordinator) async throws -> Void
    ) async throws {
        let endpoint = try await CoordinatorServer.endpoint(SecretKey(), alpns: [ALPN.coordinator])
        let address = NodeAddress(nodeID: endpoint.nodeID, addresses: endpoint.localAddresses)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                await withDiscardingTaskGroup { group in
                    for await connection in endpoint.connections {
                        group.addTask { await serve(connection, answer) }
                    }
                }
            }
            let result: Result<Void, any Error>
            do { result = .success(try await body(StrangeCoordinator(address: address))) } catch {
                result = .failure(error)
            }
            await endpoint.close()
            group.cancelAll()
            try await group.waitForAll()
            try result.get()
        }
    }

    private static func serve(_ connection: Connection, _ answer: @escaping @Sendable (RPCRequest) async -> RPCReply)
        async
    {
        await withDiscardingTaskGroup { group in
            for await stream in connection.streams {
                group.addTask {
                    guard let channel = try? await stream.start({ RPCStream.prepare($0) }) else { return }
                    try? await RPCStream.serve(channel, deadline: .seconds(30)) { message in
                        guard let value = try? CBORReader.read(message, limits: CBORLimits(bytes: 65_536)),
                            case .map(let map) = value, case .text(let method) = map["method"],
                            case .map(let parameters) = map["params"]
                        else { return .message([]) }
                        return await answer(RPCRequest(id: map["id"] ?? .null, method: method, parameters: parameters))
                    }
                }
            }
            group.cancelAll()
        }
    }
}
