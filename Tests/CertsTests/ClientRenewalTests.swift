import Foundation
import Synchronization
import Testing

@testable import Certs
@testable import Store
@testable import Transport

// A device's certificate stays fresh without its password, and agents are found by name.

/// Reaches a coordinator without sockets, as often as it is there.
final class DirectReach: CoordinatorReach {
    private let network: TestNetwork
    private let peer: NodeID
    private let state = Mutex((isAway: false, count: 0))

    init(_ network: TestNetwork, peer: NodeID) {
        self.network = network
        self.peer = peer
    }

    /// How often it was asked for.
    var count: Int { state.withLock { $0.count } }
    func setAway(_ isAway: Bool) { state.withLock { $0.isAway = isAway } }

    func withCoordinator<R: Sendable>(_ body: @Sendable (CoordinatorClient) async throws -> R) async throws -> R {
        let isAway = state.withLock { state in
            state.count += 1
            return state.isAway
        }
        guard !isAway else { throw CoordinatorClientError.connectionLost("the coordinator is away") }
        return try await body(network.client(as: peer))
    }
}

@Suite struct ClientRenewalTests {
    let network: TestNetwork
    let home: ClientHome
    let row: JoinedNetwork
    let first: DeviceCertificate
    let reach: DirectReach

    init() async throws {
        network = try TestNetwork()
        home = try ClientHome(path: network.directory.path + "/user")
        let (clock, coordinator, device) = (network.clock, network.coordinator, try home.identity().nodeID)
        let ticket = coordinator.ticket(for: try await network.invitation(.user), addresses: [])
        let result = try await Joining(home: home, label: nil, now: { clock.now }).join(
            ticket, handle: "alice", password: Password("x"), through: network.client(as: device), reached: nil)
        (row, first) = (result.network, result.certificate)
        reach = DirectReach(network, peer: device)
    }

    func keeper(_ certificate: DeviceCertificate? = nil) -> CertificateKeeper {
        CertificateKeeper(certificate ?? first, of: row, home: home, now: { [clock = network.clock] in clock.now })
    }

    @Test func aCertificateIsRenewedFromHalfOfItsLifeOn() async throws {
        let keeper = keeper()
        network.clock.advance(DeviceCertificate.lifetime / 2 - 1)
        guard case .notDue = await keeper.renewIfDue(through: reach) else {
            Issue.record("it was renewed a second too early")
            return
        }
        #expect(reach.count == 0, "nobody is asked before it is due")
        network.clock.advance(1)
        guard case .renewed = await keeper.renewIfDue(through: reach) else {
            Issue.record("it was not renewed")
            return
        }
        #expect(keeper.current.issuedAt == network.clock.now)
        #expect(try home.certificate(for: row) == keeper.current)
        guard case .notDue = await keeper.renewIfDue(through: reach) else {
            Issue.record("it was renewed twice")
            return
        }
    }

    @Test func whatAnotherProgramRenewedIsTakenFromItsFile() async throws {
        let (one, two) = (keeper(), keeper())
        network.clock.advance(DeviceCertificate.lifetime / 2)
        _ = await one.renewIfDue(through: reach)
        guard case .renewed = await two.renewIfDue(through: reach) else {
            Issue.record("the other one's was not taken")
            return
        }
        #expect(reach.count == 1)
        #expect(two.current == one.current)
    }

    @Test func aFailedRenewalIsPutUpWithWhileTheOldOneCounts() async throws {
        let keeper = keeper()
        network.clock.advance(DeviceCertificate.lifetime - 1)
        reach.setAway(true)
        guard case .failed = await keeper.renewIfDue(through: reach) else {
            Issue.record("nobody was there to renew it")
            return
        }
        #expect(keeper.current == first)
        #expect(try home.certificate(for: row) == first)
        reach.setAway(false)
        guard case .renewed = await keeper.renewIfDue(through: reach) else {
            Issue.record("the coordinator is back")
            return
        }
    }

    @Test(arguments: ["revoked", "suspended", "expired"])
    func whoMayNotComeInGetsNoFreshCertificate(_ why: String) async throws {
        _ = try await network.addUser("root", device: SecretKey().nodeID)
        let keeper = keeper()
        network.clock.advance(DeviceCertificate.lifetime / 2)
        switch why {
        case "revoked": _ = try await network.coordinator.revokeDevice(first.deviceKey, by: .operator)
        case "suspended":
            _ = try await network.coordinator.setRole(.admin, of: "root", by: .operator)
            _ = try await network.coordinator.setStatus(.suspended, of: "alice", by: .operator)
        default: network.clock.advance(DeviceCertificate.lifetime)
        }
        guard case .failed(let error as RPCError) = await keeper.renewIfDue(through: reach) else {
            Issue.record("it was renewed")
            return
        }
        #expect(error.code.rawValue == why)
        #expect(try home.certificate(for: row) == first)
    }

    @Test func aLongRunningKeeperRenewsAndComesBackAfterFailures() async throws {
        let keeper = keeper()
        let pauses = Mutex<[Double]>([])
        let clock = network.clock
        reach.setAway(true)
        let failures = Mutex(0)
        // Time passes only in the pauses; the coordinator is back after two failures.
        let onFailure: @Sendable (any Error) -> Void = { _ in
            failures.withLock { failures in
                failures += 1
                if failures == 2 { reach.setAway(false) }
            }
        }
        await keeper.run(through: reach, onFailure: onFailure) { seconds in
            let count = pauses.withLock { pauses in
                pauses.append(seconds)
                return pauses.count
            }
            clock.advance(seconds)
            if keeper.current.issuedAt > first.issuedAt, count > 3 { throw CancellationError() }
            guard count < 1_000 else { throw CancellationError() }
        }
        #expect(failures.withLock { $0 } == 2)
        let waited = pauses.withLock { $0 }
        #expect(waited.allSatisfy { (1...3_600).contains($0) }, "it looks at the clock at least every hour")
        #expect(keeper.current.issuedAt >= first.renewalDueAt)
        #expect(keeper.current.issuedAt < first.renewalDueAt + 3_600 + 2 * 600)
    }

    // MARK: Agents

    @Test func anAgentIsFoundByNameAndRemembered() async throws {
        let node = SecretKey().nodeID
        let invitation = try await network.invitation(.agent)
        _ = try await network.client(as: node).agentLogin(
            invite: invitation.code, handle: "work-agent", node: node, addresses: ["192.0.2.7:4433"])
        let finder = AgentFinder(home: home, network: row)
        #expect(finder.known.isEmpty)
        let agent = try await finder.agent(named: "Work-Agent", through: reach)
        #expect(agent == KnownAgent(handle: "work-agent", nodeID: node, addresses: ["192.0.2.7:4433"]))
        #expect(finder.known.map(\.handle) == ["homelab", "work-agent"])
        reach.setAway(true)
        #expect(try await finder.agent(named: "work-agent", through: reach) == agent)
        #expect(try await finder.agent(named: node.hex, through: reach) == agent)
        await #expect(throws: CoordinatorClientError.self) { try await finder.agent(named: "new", through: reach) }
        reach.setAway(false)
        await #expect(
            throws: AgentNameError.unknown("new", network: "homelab", known: ["homelab", "work-agent"])
        ) { try await finder.agent(named: "new", through: reach) }
    }

    @Test func aRevokedDeviceLearnsNothingAboutAgents() async throws {
        _ = try await network.coordinator.revokeDevice(first.deviceKey, by: .operator)
        await expectRefusal(.unauthorized) {
            try await AgentFinder(home: home, network: row).refresh(through: reach)
        }
    }

    @Test func anAgentMayTakeItselfOutAndNobodyElse() async throws {
        let (one, two) = (SecretKey().nodeID, SecretKey().nodeID)
        for (handle, node) in [("one", one), ("two", two)] {
            _ = try await network.client(as: node).agentLogin(
                invite: try await network.invitation(.agent).code, handle: handle, node: node)
        }
        await expectRefusal(.badRequest) { try await network.client(as: one).removeAgent("two") }
        await expectRefusal(.badRequest) { try await network.client(as: one).removeAgent("homelab") }
        await expectRefusal(.badRequest) { try await network.client(as: first.deviceKey).removeAgent("one") }
        #expect(try await network.client(as: one).removeAgent(" One "))
        #expect(try await network.coordinator.agents().map(\.handle) == ["homelab", "two"])
        await expectRefusal(.badRequest) { try await network.client(as: one).removeAgent("one") }
        let row = try await network.repository.read { try $0.audit(limit: 1) }.first
        #expect(row?.action == "agent.remove" && row?.actor == "one" && row?.actorDevice == one.bytes)
        // The agent that coordinates the network stays, whoever asks.
        await expectRefusal(.conflict) { try await network.client(as: network.identity.nodeID).removeAgent("homelab") }
    }
}
