import Testing

@testable import Certs
@testable import Store
@testable import Transport

@Suite struct AgentTests {
    let network: TestNetwork
    let agent = SecretKey().nodeID
    init() throws { network = try TestNetwork() }

    func login(_ handle: String, as peer: NodeID, invite: String, addresses: [String] = []) async throws -> AgentLogin {
        try await network.client(as: peer).agentLogin(
            invite: invite, handle: handle, node: peer, label: "gpu box", addresses: addresses)
    }

    func usesLeft(_ code: String) async throws -> Int? {
        try await network.repository.read { try $0.invitation(code)?.usesLeft }
    }

    @Test func anAgentJoinsWithItsInvitationAndComesBackWithout() async throws {
        let code = try await network.invitation(.agent).code
        let first = try await login("Worker", as: agent, invite: code, addresses: ["192.0.2.7:4433", "nonsense", ":0"])
        #expect(first.certificate.handle == "worker" && first.certificate.capabilities == ["agent"])
        #expect(first.networkID == network.coordinator.network.networkID && first.networkName == "homelab")
        #expect(network.coordinator.roster.agent(agent) == "worker")
        network.clock.advance(100)
        let again = try await login("worker", as: agent, invite: code)
        #expect(again.certificate.issuedAt == network.clock.now, "the invitation is spent, and not needed any more")
        let rows = try await network.client(as: agent).listAgents()
        #expect(rows.map(\.handle) == ["homelab", "worker"])
        #expect(rows[1].label == "gpu box" && rows[1].lastSeen == network.clock.now)
        #expect(rows[1].addresses.isEmpty, "the last word counts")
    }

    @Test func addressesAreRealAndFew() async throws {
        let code = try await network.invitation(.agent).code
        let many = (1...20).map { "192.0.2.\($0):4433" }
        _ = try await login("worker", as: agent, invite: code, addresses: ["nonsense"] + many)
        #expect(try await network.coordinator.agents().last?.addresses == Array(many.prefix(8)))
        await expectRefusal(.badRequest) {
            try await login(
                "worker", as: agent, invite: code,
                addresses: Array(repeating: "192.0.2.1:1", count: Coordinator.addressesPerCall + 1))
        }
    }

    @Test func aHandleNeverChangesHands() async throws {
        _ = try await login("worker", as: agent, invite: try await network.invitation(.agent).code)
        let thief = SecretKey().nodeID
        let code = try await network.invitation(.agent).code
        await expectRefusal(.conflict) { try await login("worker", as: thief, invite: code) }
        await expectRefusal(.conflict) { try await login("homelab", as: thief, invite: code) }
        await expectRefusal(.conflict) { try await login("other", as: agent, invite: code) }
        #expect(try await usesLeft(code) == 1, "a refusal burns nothing")
        let operatorClient = network.client(as: network.identity.nodeID)
        await expectRefusal(.conflict) { try await operatorClient.addAgent(handle: "worker", node: thief) }
        #expect(try await operatorClient.removeAgent("worker"))
        _ = try await login("worker", as: thief, invite: code)
        #expect(network.coordinator.roster.agent(thief) == "worker")
        #expect(network.coordinator.roster.agent(agent) == nil)
    }

    @Test func invitationsOfOtherRolesLetNoAgentIn() async throws {
        _ = try await network.addUser("alice", device: SecretKey().nodeID)
        for invitation in [
            try await network.invitation(.user), try await network.invitation(.device, bindTo: "alice"),
        ] {
            await expectRefusal(.invalidInvite) { try await login("worker", as: agent, invite: invitation.code) }
            #expect(try await usesLeft(invitation.code) == 1)
        }
        for handle in ["", "a b", "__bridge", String(repeating: "a", count: 65)] {
            let code = try await network.invitation(.agent).code
            await expectRefusal(.badRequest) { try await login(handle, as: SecretKey().nodeID, invite: code) }
        }
    }

    @Test func theCoordinatorsOwnAgentStays() async throws {
        let operatorClient = network.client(as: network.identity.nodeID)
        await expectRefusal(.conflict) { try await operatorClient.removeAgent("homelab") }
        #expect(try await !operatorClient.removeAgent("nobody"))
        #expect(
            try await network.repository.read { try $0.audit(limit: 2) }.map(\.result) == [
                "refused: unknown", "refused: own agent",
            ])
    }

    @Test func onlyThoseInsideSeeTheAgents() async throws {
        let device = SecretKey().nodeID
        let other = SecretKey().nodeID
        _ = try await network.addUser("alice", device: device)
        _ = try await network.addUser("bob", device: other)
        _ = try await login("worker", as: agent, invite: try await network.invitation(.agent).code)
        for peer in [device, other, agent, network.identity.nodeID] {
            #expect(try await network.client(as: peer).listAgents().count == 2)
        }
        _ = try await network.coordinator.setStatus(.suspended, of: "bob", by: .operator)
        _ = try await network.coordinator.setRole(.admin, of: "bob", by: .operator)
        _ = try await network.coordinator.revokeDevice(device, by: .operator)
        try await network.coordinator.removeAgent("worker", by: .operator)
        for peer in [device, other, agent, SecretKey().nodeID] {
            await expectRefusal(.unauthorized) { try await network.client(as: peer).listAgents() }
        }
    }

    @Test func addingAnAgentNeedsAnAdminOrTheAgentItself() async throws {
        let adminDevice = SecretKey().nodeID
        let memberDevice = SecretKey().nodeID
        let admin = try await network.addUser("alice", device: adminDevice)
        let member = try await network.addUser("bob", device: memberDevice)
        await expectRefusal(.unauthorized) {
            try await network.client(as: memberDevice).addAgent(handle: "x", node: agent)
        }
        await expectRefusal(.forbidden) {
            try await network.client(as: memberDevice).addAgent(handle: "x", node: agent, certificate: member)
        }
        await expectRefusal(.unauthorized) {
            try await network.client(as: memberDevice).addAgent(handle: "x", node: agent, certificate: admin)
        }
        try await network.client(as: adminDevice).addAgent(handle: "X", node: agent, certificate: admin)
        #expect(network.coordinator.roster.agent(agent) == "x")
        await expectRefusal(.badRequest) {
            try await network.client(as: adminDevice).addAgent(handle: "y", node: agent, certificate: admin)
        }
        #expect(try await network.coordinator.agents().last?.ownerHandle == "alice")
        await expectRefusal(.forbidden) {
            try await network.client(as: memberDevice).removeAgent("x", certificate: member)
        }
        #expect(try await network.client(as: adminDevice).removeAgent(" X", certificate: admin))
    }

    @Test func agentsLearnTheStandingOfDevicesAndOthersDoNot() async throws {
        let device = SecretKey().nodeID
        _ = try await network.addUser("alice", device: SecretKey().nodeID)
        _ = try await network.addUser("bob", device: device)
        _ = try await login("worker", as: agent, invite: try await network.invitation(.agent).code)
        let client = network.client(as: agent)
        #expect(try await client.deviceStatus(device) == DeviceAnswer(standing: .active(role: .member), handle: "bob"))
        _ = try await network.coordinator.setRole(.admin, of: "bob", by: .operator)
        #expect(try await client.deviceStatus(device) == DeviceAnswer(standing: .active(role: .admin), handle: "bob"))
        _ = try await network.coordinator.setStatus(.suspended, of: "bob", by: .operator)
        #expect(try await client.deviceStatus(device) == DeviceAnswer(standing: .suspended, handle: "bob"))
        _ = try await network.coordinator.setStatus(.active, of: "bob", by: .operator)
        _ = try await network.coordinator.revokeDevice(device, by: .operator)
        #expect(try await client.deviceStatus(device) == DeviceAnswer(standing: .revoked, handle: "bob"))
        #expect(
            try await client.deviceStatus(SecretKey().nodeID) == DeviceAnswer(standing: .unknown, handle: nil))
        for peer in [device, SecretKey().nodeID] {
            await expectRefusal(.forbidden) { try await network.client(as: peer).deviceStatus(device) }
        }
        try await network.coordinator.removeAgent("worker", by: .operator)
        await expectRefusal(.forbidden) { try await client.deviceStatus(device) }
    }

    @Test func invitationsByCallHaveTheRulesOfInvitations() async throws {
        let adminDevice = SecretKey().nodeID
        let memberDevice = SecretKey().nodeID
        let admin = try await network.addUser("alice", device: adminDevice)
        let member = try await network.addUser("bob", device: memberDevice)
        let client = network.client(as: adminDevice)
        let plain = try await client.createInvitation(role: .agent, uses: 0, lifetime: 0, certificate: admin)
        #expect(plain.usesLeft == 1 && plain.expiresAt == network.clock.now + Coordinator.invitationLifetime)
        for (uses, lifetime) in [
            (-1, nil), (Coordinator.mostUses + 1, nil), (nil, 0.5), (nil, Coordinator.longestInvitation + 1), (nil, -5),
        ] as [(Int?, Double?)] {
            await expectRefusal(.badRequest) {
                try await client.createInvitation(role: .user, uses: uses, lifetime: lifetime, certificate: admin)
            }
        }
        await expectRefusal(.badRequest) { try await client.createInvitation(role: .device, certificate: admin) }
        await expectRefusal(.badRequest) {
            try await client.createInvitation(role: .device, handle: "nobody", certificate: admin)
        }
        await expectRefusal(.forbidden) {
            try await network.client(as: memberDevice).createInvitation(role: .user, certificate: member)
        }
        await expectRefusal(.badRequest) { try await network.client(as: memberDevice).createInvitation(role: .user) }
        let most = try await client.createInvitation(
            role: .user, uses: Coordinator.mostUses, lifetime: Coordinator.longestInvitation, label: "party",
            certificate: admin)
        let summary = try await network.coordinator.invitations().first
        #expect(summary?.label == "party" && summary?.createdBy == "alice")
        #expect(most.expiresAt == network.clock.now + Coordinator.longestInvitation)
    }

    @Test func theCoordinatorTellsItsTime() async throws {
        network.clock.advance(12.5)
        #expect(try await network.client(as: agent).networkInfo().time == network.clock.now)
    }
}
