import Testing

@testable import Certs
@testable import Store
@testable import Transport

@Suite struct CoordinatorTests {
    let network: TestNetwork
    let device = SecretKey().nodeID
    init() throws { network = try TestNetwork() }

    @Test func networkIsMadeOnceAndKeptAfterwards() throws {
        let again = try Coordinator.createNetworkIfMissing(
            repository: network.repository, identity: network.identity, name: "other", now: network.clock.now)
        #expect(again == network.coordinator.network)
        #expect(again.name == "homelab")
        #expect(again.networkID.count == 32 && !again.networkID.contains("-"))
        let agents = try network.repository.read { try $0.agents() }
        #expect(agents.map(\.nodeID) == [network.identity.nodeID.hex])
        #expect(agents.first?.label == "homelab (this agent)")
    }

    @Test func anotherIdentityKeyIsRefusedWithWhatToDo() throws {
        #expect(throws: NetworkStateError.identityChanged(network: "homelab")) {
            try Coordinator(repository: network.repository, identity: SecretKey(), now: { 0 })
        }
    }

    @Test func firstUserIsAdminAndTheNextIsNot() async throws {
        let first = try await network.addUser("alice", device: device)
        let other = SecretKey().nodeID
        let second = try await network.addUser("bob", device: other)
        #expect(first.capabilities == [DeviceCertificate.administratorCapability])
        #expect(second.capabilities.isEmpty)
        #expect(network.coordinator.roster.standing(of: device, handle: "alice") == .active(role: .admin))
        #expect(network.coordinator.roster.standing(of: other, handle: "bob") == .active(role: .member))
        #expect(network.coordinator.roster.standing(of: other, handle: "alice") == .unknown)
    }

    @Test func loginIssuesACertificateForThirtyDays() async throws {
        let certificate = try await network.addUser("alice", device: device)
        #expect(certificate.issuedAt == network.clock.now)
        #expect(certificate.expiresAt == network.clock.now + 2_592_000)
        #expect(throws: Never.self) {
            try certificate.check(
                now: network.clock.now, networkID: network.coordinator.network.networkID, peer: device)
        }
    }

    @Test func handlesAreOneWhateverTheirCase() async throws {
        let client = network.client(as: device)
        let code = try await network.invitation(.user).code
        let password = try Password("x")
        #expect(try await client.register(invite: code, handle: "  Alice ", password: password) == "alice")
        #expect(try await client.login(handle: "ALICE", password: password, deviceKey: device).handle == "alice")
        let second = try await network.invitation(.user).code
        await expectRefusal(.conflict) {
            try await client.register(invite: second, handle: "aLiCe", password: password)
        }
    }

    @Test(arguments: [
        "", "   ", "a b", "a@b", "a/b", "a:b", "__bridge_x", "a\u{7}b", String(repeating: "a", count: 65),
    ])
    func unusableHandlesAreRefusedAndBurnNothing(handle: String) async throws {
        let invitation = try await network.invitation(.user)
        await expectRefusal(.badRequest) {
            try await network.client(as: device).register(
                invite: invitation.code, handle: handle, password: Password("x"))
        }
        #expect(try await network.repository.read { try $0.invitation(invitation.code) }?.usesLeft == 1)
    }

    @Test func wrongPasswordIsRefused() async throws {
        _ = try await network.addUser("alice", device: device)
        await expectRefusal(.unauthorized) {
            try await network.client(as: device).login(
                handle: "alice", password: Password("hunter3"), deviceKey: device)
        }
    }

    /// P-06.
    @Test func certificatesAreIssuedOnlyForTheKeyOfTheConnection() async throws {
        _ = try await network.addUser("alice", device: device)
        let invitation = try await network.invitation(.device, bindTo: "alice")
        let stranger = SecretKey().nodeID
        await expectRefusal(.unauthorized) {
            try await network.client(as: stranger).login(
                handle: "alice", password: Password("hunter2"), deviceKey: device, invite: invitation.code)
        }
        #expect(network.coordinator.roster.standing(of: stranger, handle: "alice") == .unknown)
        #expect(try await network.repository.read { try $0.invitation(invitation.code) }?.usesLeft == 1)
    }

    @Test func furtherDevicesNeedAnInvitationForTheirUser() async throws {
        _ = try await network.addUser("alice", device: device)
        _ = try await network.addUser("bob", device: SecretKey().nodeID)
        let second = SecretKey().nodeID
        let client = network.client(as: second)
        let login = { (code: String?) async throws in
            try await client.login(handle: "alice", password: Password("hunter2"), deviceKey: second, invite: code)
        }
        await expectRefusal(.invalidInvite) { try await login(nil) }
        await expectRefusal(.invalidInvite) { try await login("aaaaaaaaaaaaaaaaaaaa") }
        let foreign = try await network.invitation(.device, bindTo: "bob").code
        await expectRefusal(.invalidInvite) { try await login(foreign) }
        let agent = try await network.invitation(.agent).code
        await expectRefusal(.invalidInvite) { try await login(agent) }
        let own = try await network.invitation(.device, bindTo: "alice").code
        #expect(try await login(own).deviceKey == second)
        #expect(try await login(nil).deviceKey == second, "a known device needs none")
        let third = SecretKey().nodeID
        await expectRefusal(.invalidInvite) {
            try await network.client(as: third).login(
                handle: "alice", password: Password("hunter2"), deviceKey: third, invite: own)
        }
    }

    @Test func codesAreReadInTheFormForPeople() async throws {
        let code = try await network.invitation(.user).code
        let typed = " " + InviteCode.display(code).uppercased()
        _ = try await network.client(as: device).register(invite: typed, handle: "alice", password: Password("x"))
    }

    @Test func expiredAndForeignInvitationsAreRefused() async throws {
        let invitation = try await network.invitation(.user)
        let client = network.client(as: device)
        _ = try await network.addUser("bob", device: SecretKey().nodeID)
        let deviceCode = try await network.invitation(.device, bindTo: "bob").code
        await expectRefusal(.invalidInvite) {
            try await client.register(invite: deviceCode, handle: "alice", password: Password("x"))
        }
        network.clock.advance(Coordinator.invitationLifetime + 1)
        await expectRefusal(.invalidInvite) {
            try await client.register(invite: invitation.code, handle: "alice", password: Password("x"))
        }
        network.clock.advance(-1)
        _ = try await client.register(invite: invitation.code, handle: "alice", password: Password("x"))
    }

    @Test func takenHandlesBurnNothing() async throws {
        _ = try await network.addUser("alice", device: device)
        let invitation = try await network.invitation(.user)
        await expectRefusal(.conflict) {
            try await network.client(as: SecretKey().nodeID).register(
                invite: invitation.code, handle: "alice", password: Password("x"))
        }
        #expect(try await network.repository.read { try $0.invitation(invitation.code) } == invitation)
    }

    /// P-43.
    @Test func racingJoinsOfOneTicketHaveExactlyOneWinner() async throws {
        let code = try await network.invitation(.user).code
        let outcomes = await withTaskGroup(of: RPCErrorCode?.self) { group in
            for number in 0..<12 {
                group.addTask { [network] in
                    do {
                        _ = try await network.client(as: SecretKey().nodeID).register(
                            invite: code, handle: "user\(number)", password: Password("x"))
                        return nil
                    } catch let error as RPCError { return error.code } catch { return .internalError }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(outcomes.filter { $0 == nil }.count == 1)
        #expect(outcomes.filter { $0 == .invalidInvite }.count == 11, "\(outcomes)")
        #expect(try await network.repository.read { try $0.users() }.count == 1)
        #expect(try await network.repository.read { try $0.invitation(code) }?.usesLeft == 0)
    }

    /// P-43, with a restart of the coordinator between the steps.
    @Test func interruptedFirstLoginIsMadeUpForWithThePasswordAlone() async throws {
        let client = network.client(as: device)
        _ = try await client.register(
            invite: try await network.invitation(.user).code, handle: "alice", password: Password("x"))
        let restarted = CoordinatorClient(exchange: DirectExchange(server: try network.restarted(), peer: device))
        #expect(
            try await restarted.login(handle: "alice", password: Password("x"), deviceKey: device).handle == "alice")
    }

    @Test func devicesBelongToOneUserOnly() async throws {
        _ = try await network.addUser("alice", device: device)
        let code = try await network.invitation(.user).code
        _ = try await network.client(as: device).register(invite: code, handle: "bob", password: Password("x"))
        await expectRefusal(.conflict) {
            try await network.client(as: device).login(handle: "bob", password: Password("x"), deviceKey: device)
        }
    }

    @Test func bootstrapInvitationIsReusedUntilThereIsAUser() async throws {
        let first = try network.coordinator.bootstrapInvitation()
        #expect(try network.coordinator.bootstrapInvitation() == first)
        network.clock.advance(Coordinator.invitationLifetime + 1)
        let second = try #require(try network.coordinator.bootstrapInvitation())
        #expect(second.code != first?.code)
        _ = try await network.client(as: device).register(
            invite: second.code, handle: "alice", password: Password("x"))
        #expect(try network.coordinator.bootstrapInvitation() == nil)
    }

    @Test func ticketsCarryTheInvitationAndTheAddresses() async throws {
        _ = try await network.addUser("alice", device: device)
        let invitation = try await network.invitation(.device, bindTo: "Alice")
        let ticket = network.coordinator.ticket(
            for: invitation, addresses: [try .init(ipAddress: "192.0.2.7", port: 4433)])
        #expect(ticket.code == invitation.code && ticket.bindTo == "alice" && ticket.role == .device)
        #expect(ticket.node == network.identity.nodeID && ticket.addresses == ["192.0.2.7:4433"])
        #expect(try InviteTicket(ticket.text) == ticket)
    }

    @Test func everyChangeLeavesAnAuditRow() async throws {
        _ = try await network.addUser("alice", device: device)
        _ = try await network.coordinator.revokeDevice(device, by: .operator)
        #expect(
            try await network.actions() == [
                "network.create", "invitation.create", "invitation.redeem", "user.register", "device.add", "user.login",
                "device.revoke",
            ])
        let rows = try await network.repository.read { try $0.audit(limit: 100) }
        let codes = try await network.repository.read {
            try $0.newestRedeemableInvitation(createdBy: "operator", now: 0)
        }
        #expect(codes == nil)
        #expect(rows.allSatisfy { $0.subject.count != 20 }, "no row holds a whole code")
        #expect(rows.first { $0.action == "user.login" }?.actorDevice == device.bytes)
    }

    @Test func labelsLoseWhatATerminalWouldObey() async throws {
        let client = network.client(as: device)
        _ = try await client.register(
            invite: try await network.invitation(.user).code, handle: "alice", password: Password("x"))
        _ = try await client.login(
            handle: "alice", password: Password("x"), deviceKey: device,
            label: "lap\u{1b}top" + String(repeating: "x", count: 100))
        let label = try #require(try await network.coordinator.devices().first?.label)
        #expect(label == "laptop" + String(repeating: "x", count: 58))
    }
}
