import Synchronization
import Testing

@testable import Certs
@testable import Store
@testable import Transport

// P-43: a join that is cut off at any step leaves both or none, burns nothing, and can be repeated.

/// A connection that breaks at the n-th call: before the coordinator hears it, or before the client hears the answer.
final class BreakingExchange: RPCExchange {
    struct Broken: Error {}

    private let inner: DirectExchange
    private let breaksAt: Int
    private let isHeard: Bool
    private let calls = Mutex(0)

    init(_ inner: DirectExchange, at call: Int, isHeard: Bool) {
        self.inner = inner
        breaksAt = call
        self.isHeard = isHeard
    }

    var coordinator: NodeID { inner.coordinator }
    /// Whether there was such a call.
    var didBreak: Bool { calls.withLock { $0 >= breaksAt } }

    func exchange(_ message: [UInt8]) async throws -> [UInt8] {
        let call = calls.withLock { count in
            count += 1
            return count
        }
        guard call == breaksAt else { return try await inner.exchange(message) }
        if isHeard { _ = try await inner.exchange(message) }
        throw Broken()
    }
}

@Suite struct InterruptedJoinTests {
    static let password = "correct horse"

    func join(
        _ network: TestNetwork, _ home: ClientHome, ticket: InviteTicket, through exchange: any RPCExchange
    ) async throws -> JoinResult {
        try await Joining(home: home, label: "laptop", now: { [clock = network.clock] in clock.now }).join(
            ticket, handle: "alice", password: Password(Self.password),
            through: CoordinatorClient(exchange: exchange), reached: nil)
    }

    @Test(
        "P-43: whichever step a join and its coordinator are killed at, both sides are whole, and the ticket still works",
        arguments: [InviteRole.user, .device], [false, true])
    func aJoinThatIsKilledAtAnyStepCanBeRepeated(role: InviteRole, isHeard: Bool) async throws {
        var step = 0
        var didBreak = true
        while didBreak {
            step += 1
            let network = try TestNetwork()
            if role == .device {
                _ = try await network.addUser("alice", password: Self.password, device: SecretKey().nodeID)
            }
            let others = try await network.coordinator.devices().count
            let invitation = try await network.invitation(role, bindTo: role == .device ? "alice" : nil)
            let ticket = network.coordinator.ticket(for: invitation, addresses: [])
            let home = try ClientHome(path: network.directory.path + "/user")
            let device = try home.identity().nodeID
            let exchange = BreakingExchange(
                DirectExchange(server: network.coordinator, peer: device), at: step, isHeard: isHeard)
            do { _ = try await join(network, home, ticket: ticket, through: exchange) } catch {
                #expect(error is BreakingExchange.Broken, "\(error)")
                #expect(try home.networks.load().networks.isEmpty)
            }
            didBreak = exchange.didBreak

            let after = try network.afterCrash()
            let (users, devices, uses) = try await after.repository.read {
                try ($0.users(), $0.devices(), $0.invitation(invitation.code)?.usesLeft)
            }
            let bought = role == .user ? users.count : devices.count - others
            #expect(uses == 1 - bought, "step \(step): the use is spent with what it buys, or not at all")

            let result = try await join(
                after, home, ticket: ticket, through: DirectExchange(server: after.coordinator, peer: device))
            #expect(result.certificate.deviceKey == device, "step \(step)")
            #expect(try await after.coordinator.users().map(\.handle) == ["alice"])
            #expect(try await after.coordinator.devices().count == others + 1)
            #expect(try await after.repository.read { try $0.invitation(invitation.code)?.usesLeft } == 0)
            #expect(after.coordinator.roster.standing(of: device, handle: "alice") == .active(role: .admin))
            #expect(try home.networks.load().networks == [result.network])
        }
        #expect(step == (role == .user ? 5 : 4), "every call of a join was broken once")
    }

    @Test("P-43: an agent whose answer was lost comes back with the same invitation")
    func anAgentWhoseAnswerWasLostComesBack() async throws {
        for isHeard in [false, true] {
            let network = try TestNetwork()
            let agent = SecretKey().nodeID
            let code = try await network.invitation(.agent).code
            let exchange = BreakingExchange(
                DirectExchange(server: network.coordinator, peer: agent), at: 1, isHeard: isHeard)
            await #expect(throws: BreakingExchange.Broken.self) {
                try await CoordinatorClient(exchange: exchange).agentLogin(invite: code, handle: "w", node: agent)
            }
            let after = try network.afterCrash()
            #expect(try await after.repository.read { try $0.invitation(code)?.usesLeft } == (isHeard ? 0 : 1))
            _ = try await after.client(as: agent).agentLogin(invite: code, handle: "w", node: agent)
            #expect(try await after.repository.read { try $0.invitation(code)?.usesLeft } == 0)
            #expect(try await after.coordinator.agents().map(\.handle) == ["homelab", "w"])
        }
    }

    @Test(
        "P-43: of devices and agents that race for one use, exactly one comes in",
        arguments: [InviteRole.device, .agent])
    func racesForOneUseHaveOneWinner(role: InviteRole) async throws {
        let network = try TestNetwork()
        _ = try await network.addUser("alice", password: Self.password, device: SecretKey().nodeID)
        let code = try await network.invitation(role, bindTo: role == .device ? "alice" : nil).code
        let outcomes = await withTaskGroup(of: RPCErrorCode?.self) { group in
            // Five attempts at a handle are free.
            for number in 0..<5 {
                group.addTask {
                    let peer = SecretKey().nodeID
                    let client = network.client(as: peer)
                    do {
                        if role == .device {
                            _ = try await client.login(
                                handle: "alice", password: Password(Self.password), deviceKey: peer, invite: code)
                        } else {
                            _ = try await client.agentLogin(invite: code, handle: "worker\(number)", node: peer)
                        }
                        return nil
                    } catch let error as RPCError { return error.code } catch { return .internalError }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(outcomes.count { $0 == nil } == 1, "\(outcomes)")
        #expect(outcomes.count { $0 == .invalidInvite } == 4, "\(outcomes)")
        #expect(try await network.repository.read { try $0.invitation(code)?.usesLeft } == 0)
        let came =
            try await role == .device
            ? network.coordinator.devices().count : network.coordinator.agents().count
        #expect(came == 2)
    }
}
