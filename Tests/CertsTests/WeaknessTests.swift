import Testing

@testable import Certs
@testable import Store
@testable import Transport

/// Where the reference's coordinator is weak, and ours must not be: one test for each line about it.
@Suite struct WeaknessTests {
    let network: TestNetwork
    let alice = SecretKey().nodeID
    let bob = SecretKey().nodeID
    let admin: DeviceCertificate
    let member: DeviceCertificate

    init() async throws {
        network = try TestNetwork()
        admin = try await network.addUser("alice", device: alice)
        member = try await network.addUser("bob", device: bob)
    }

    @Test("A certificate is a bearer token there; here it is worth nothing on another connection")
    func aCertificateIsNoBearerToken() async throws {
        network.clock.advance(DeviceCertificate.lifetime / 2)
        for thief in [bob, SecretKey().nodeID] {
            let client = network.client(as: thief)
            await expectRefusal(.unauthorized) { try await client.listDevices(certificate: admin) }
            await expectRefusal(.unauthorized) { try await client.revokeDevice(bob, certificate: admin) }
            await expectRefusal(.unauthorized) { try await client.removeAgent("homelab", certificate: admin) }
            await expectRefusal(.unauthorized) {
                try await client.createInvitation(role: .user, certificate: admin)
            }
            await expectRefusal(.unauthorized) { try await client.renew(admin) }
        }
    }

    @Test("Revocations are loaded at the start there; here they count from the next call on")
    func revocationsCountAtOnce() async throws {
        #expect(try await network.client(as: bob).listAgents().count == 1)
        #expect(try await network.client(as: alice).revokeDevice(bob, certificate: admin))
        await expectRefusal(.unauthorized) { try await network.client(as: bob).listAgents() }
        await expectRefusal(.revoked) { try await network.client(as: bob).listDevices(certificate: member) }
        #expect(network.coordinator.roster.standing(of: bob, handle: "bob") == .revoked)
    }

    @Test(
        "A caller chooses its own handle there with the shared token; here nobody speaks for a handle but its devices")
    func nobodyChoosesAHandle() async throws {
        let forged = DeviceCertificate.issue(
            handle: "alice", deviceKey: bob, networkID: admin.networkID,
            capabilities: [DeviceCertificate.administratorCapability], issuedAt: network.clock.now,
            signedBy: network.identity)
        await expectRefusal(.unauthorized) { try await network.client(as: bob).listDevices(certificate: forged) }
        #expect(network.coordinator.roster.standing(of: bob, handle: "alice") == .unknown)
    }

    @Test("There is no rate limit there; here attempts are held up, and half-done logins are bounded")
    func attemptsAndStatesAreBounded() async throws {
        let guesser = SecretKey().nodeID
        for _ in 0..<LoginThrottle.freeAttempts {
            await expectRefusal(.unauthorized) {
                try await network.client(as: guesser).login(
                    handle: "alice", password: Password("guess"), deviceKey: guesser)
            }
        }
        await expectRefusal(.rateLimited) {
            try await network.client(as: guesser).login(
                handle: "alice", password: Password("hunter2"), deviceKey: guesser)
        }
        for number in 0..<100 {
            _ = try? await network.coordinator.beginLogin(
                handle: "user\(number)", clientPublic: SRPClient().publicValue, peer: SecretKey().nodeID)
        }
        let states = network.coordinator.logins.withLock(\.states)
        #expect(states.count > 50 && states.count <= states.capacity && states.capacity <= 1_024)
    }

    @Test("Unknown users are told at once there; here they get an exchange like any other, and the same refusal")
    func unknownUsersAreNotTold() async throws {
        var refusals: [RPCError] = []
        for handle in ["alice", "nobody"] {
            let peer = SecretKey().nodeID
            do {
                _ = try await network.client(as: peer).login(
                    handle: handle, password: Password("guess"), deviceKey: peer)
            } catch let error as RPCError { refusals.append(error) }
        }
        #expect(refusals.count == 2 && refusals[0] == refusals[1])
    }

    @Test("The agents are listed for anybody there; here for those who are inside")
    func agentsAreNotListedForStrangers() async throws {
        await expectRefusal(.unauthorized) { try await network.client(as: SecretKey().nodeID).listAgents() }
        #expect(try await network.client(as: bob).listAgents().map(\.handle) == ["homelab"])
    }

    @Test("An agent's handle is overwritten without proof there; here it stays with the key that proved itself")
    func anAgentsHandleIsNotOverwritten() async throws {
        let agent = SecretKey().nodeID
        let thief = SecretKey().nodeID
        let first = try await network.invitation(.agent).code
        _ = try await network.client(as: agent).agentLogin(invite: first, handle: "worker", node: agent)
        let second = try await network.invitation(.agent).code
        await expectRefusal(.conflict) {
            try await network.client(as: thief).agentLogin(invite: second, handle: "worker", node: thief)
        }
        await expectRefusal(.unauthorized) {
            try await network.client(as: thief).agentLogin(invite: second, handle: "other", node: agent)
        }
        await expectRefusal(.conflict) {
            try await network.client(as: alice).addAgent(handle: "worker", node: thief, certificate: admin)
        }
        #expect(try await network.coordinator.agents().last?.nodeID == agent.hex)
    }

    @Test("A use is burnt before the other checks there; here it is spent with what it buys, once")
    func aRefusalBurnsNoUse() async throws {
        let code = try await network.invitation(.user).code
        let client = network.client(as: SecretKey().nodeID)
        await expectRefusal(.conflict) {
            try await client.register(invite: code, handle: "alice", password: Password("x"))
        }
        await expectRefusal(.badRequest) {
            try await client.register(invite: code, handle: "a b", password: Password("x"))
        }
        await expectRefusal(.invalidInvite) {
            try await network.client(as: bob).agentLogin(invite: code, handle: "w", node: bob)
        }
        _ = try await client.register(invite: code, handle: "carol", password: Password("x"))
        await expectRefusal(.invalidInvite) {
            try await client.register(invite: code, handle: "dave", password: Password("x"))
        }
    }

    @Test("The server's proof is computed and ignored there; here a wrong one ends the login")
    func theServersProofIsEnforced() async throws {
        struct Liar: RPCExchange {
            let inner: DirectExchange
            var coordinator: NodeID { inner.coordinator }
            func exchange(_ message: [UInt8]) async throws -> [UInt8] {
                let answer = try await inner.exchange(message)
                let value = try CBORReader.read(answer, limits: CBORLimits(bytes: RPCFrame.responseLimit))
                guard case .result(let id, let result)? = RPCResponse(value), let certificate = result["cert"] else {
                    return answer
                }
                return RPCResponse.result(
                    id: id, ["cert": certificate, "m2": .bytes([UInt8](repeating: 0x30, count: 64))]
                ).encoded
            }
        }
        let liar = Liar(inner: DirectExchange(server: network.coordinator, peer: bob))
        await #expect(throws: CoordinatorClientError.wrongServerProof) {
            try await CoordinatorClient(exchange: liar).login(
                handle: "bob", password: Password("hunter2"), deviceKey: bob)
        }
    }

    @Test("Nobody ever gets the admin capability there; here the first user does, and whoever is promoted")
    func theAdminCapabilityIsIssued() async throws {
        #expect(admin.capabilities == [DeviceCertificate.administratorCapability] && member.capabilities.isEmpty)
        _ = try await network.coordinator.setRole(.admin, of: "bob", by: .operator)
        let promoted = try await network.client(as: bob).renew(member)
        #expect(try await network.client(as: bob).listDevices(certificate: promoted).count == 2)
    }

    @Test("Any member mints agent invitations there; here only an admin makes any by call")
    func membersMintNothing() async throws {
        let client = network.client(as: bob)
        for role in InviteRole.allCases {
            await expectRefusal(.forbidden) {
                try await client.createInvitation(role: role, handle: "bob", certificate: member)
            }
        }
        await expectRefusal(.forbidden) { try await client.revokeDevice(alice, certificate: member) }
        await #expect(throws: AdministrationError.forbidden) {
            try await network.coordinator.createInvitation(
                InvitationRequest(role: .agent), by: .member(handle: "bob", device: bob))
        }
    }

    @Test("Renewal needs the password there; here the certificate and its key")
    func renewalNeedsNoPassword() async throws {
        network.clock.advance(DeviceCertificate.lifetime / 2)
        let fresh = try await network.client(as: bob).renew(member)
        #expect(fresh.expiresAt == network.clock.now + DeviceCertificate.lifetime)
    }
}
