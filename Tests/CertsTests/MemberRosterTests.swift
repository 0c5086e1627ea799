import Logging
import NIOCore
import Synchronization
import Testing

@testable import Certs
@testable import Store
@testable import Transport

// A member's roster against a coordinator behind real endpoints on 127.0.0.1, with a clock that the test moves.

/// A clock of instants that only the test moves.
final class TestInstants: Sendable {
    private let time = Mutex(ContinuousClock.now)
    var now: ContinuousClock.Instant { time.withLock { $0 } }
    func advance(_ duration: Duration) { time.withLock { $0 += duration } }
}

/// Waits until `condition` holds.
func eventually(
    within limit: Duration = .seconds(20), sourceLocation: SourceLocation = #_sourceLocation,
    _ condition: () async throws -> Bool
) async throws {
    let end = ContinuousClock.now + limit
    while try await !condition() {
        guard ContinuousClock.now < end else {
            Issue.record("it did not come about within \(limit)", sourceLocation: sourceLocation)
            return
        }
        try await Task.sleep(for: .milliseconds(5))
    }
}

extension CoordinatorServer {
    /// A member agent of the network, for the length of a closure.
    func withMember(
        _ handle: String = "worker", key: SecretKey = SecretKey(), clock: TestInstants = TestInstants(),
        policy: MemberRoster.Policy = .fast, addresses: [String] = ["192.0.2.1:4433"],
        _ body: (MemberRoster, TestInstants) async throws -> Void
    ) async throws {
        if try await network.coordinator.agents().allSatisfy({ $0.nodeID != key.nodeID.hex }) {
            try await network.coordinator.addAgent(handle: handle, node: key.nodeID, label: nil, by: .operator)
        }
        let member = try await Self.endpoint(key)
        let roster = MemberRoster(
            policy: policy, now: { clock.now }, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let address = address
        let result: Result<Void, any Error>
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    await roster.run(
                        addresses: { addresses },
                        connect: { try await member.connect(to: address, alpn: ALPN.coordinator) })
                }
                defer { group.cancelAll() }
                try await body(roster, clock)
            }
            result = .success(())
        } catch { result = .failure(error) }
        await member.close()
        try result.get()
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

@Suite(.timeLimit(.minutes(1))) struct MemberRosterTests {
    @Test func revocationsReachAMemberWithin100Milliseconds() async throws {
        try await CoordinatorServer.run { server in
            let device = SecretKey().nodeID
            _ = try await server.network.addUser("alice", device: device)
            try await server.withMember { roster, _ in
                try await eventually { roster.link == .live }
                #expect(roster.standing(of: device, handle: "alice") == .active(role: .admin))
                var changes = roster.changes().makeAsyncIterator()
                let start = ContinuousClock.now
                _ = try await server.network.coordinator.revokeDevice(device, by: .operator)
                #expect(await changes.next() == .device(device, handle: "alice", status: .revoked))
                let took = ContinuousClock.now - start
                #expect(took < .milliseconds(100), "\(took)")
                #expect(roster.standing(of: device, handle: "alice") == .revoked)
            }
        }
    }
}
