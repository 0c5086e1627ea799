import Testing

@testable import Certs
@testable import Store
@testable import Transport

// What was begun with a right that was taken away before the end: it must not be carried out.

@Suite struct LateActTests {
    let network: TestNetwork
    let alice = SecretKey().nodeID
    let bob = SecretKey().nodeID
    var coordinator: Coordinator { network.coordinator }

    /// Alice and bob are admins.
    init() async throws {
        network = try TestNetwork()
        _ = try await network.addUser("alice", device: alice)
        _ = try await network.addUser("bob", device: bob)
        _ = try await network.coordinator.setRole(.admin, of: "bob", by: .operator)
    }

    @Test(arguments: ["demoted", "suspended", "revoked", "removed"])
    func anActOfWhoIsNoAdminAnyMoreIsRefused(_ loss: String) async throws {
        let caller = Principal.admin(handle: "bob", device: bob)
        switch loss {
        case "demoted": _ = try await coordinator.setRole(.member, of: "bob", by: .operator)
        case "suspended": _ = try await coordinator.setStatus(.suspended, of: "bob", by: .operator)
        case "revoked": _ = try await coordinator.revokeDevice(bob, by: .operator)
        default: try await coordinator.removeUser("bob", by: .operator)
        }
        let acts: [() async throws -> Void] = [
            { _ = try await coordinator.setRole(.admin, of: "bob", by: caller) },
            { _ = try await coordinator.setStatus(.active, of: "bob", by: caller) },
            { _ = try await coordinator.createInvitation(InvitationRequest(role: .user), by: caller) },
            { _ = try await coordinator.revokeDevice(alice, by: caller) },
        ]
        for act in acts {
            await #expect(throws: AdministrationError.forbidden) { try await act() }
            let row = try await network.repository.read { try $0.audit(limit: 1) }.first
            #expect(row?.actor == "bob" && row?.result == "refused: forbidden")
        }
        #expect(try await network.repository.read { try $0.activeAdmins() } == (loss == "revoked" ? 2 : 1))
        #expect(try await network.repository.read { try $0.device(alice.bytes) }?.status == .active)
    }

    @Test func aMembersActIsRefusedWhenTheDeviceIsOut() async throws {
        _ = try await coordinator.setRole(.member, of: "bob", by: .operator)
        let caller = Principal.member(handle: "bob", device: bob)
        _ = try await coordinator.revokeDevice(bob, by: .operator)
        await #expect(throws: AdministrationError.forbidden) {
            try await coordinator.createInvitation(InvitationRequest(role: .device, handle: "bob"), by: caller)
        }
    }

    @Test func aLoginThatWasBegunByAnEarlierUserOfTheHandleFails() async throws {
        let srp = SRPClient()
        let challenge = try await coordinator.beginLogin(handle: "bob", clientPublic: srp.publicValue, peer: bob)
        let proof = try srp.proof(handle: "bob", password: Password("hunter2"), response: challenge.response)
        try await coordinator.removeUser("bob", by: .operator)
        let other = SecretKey().nodeID
        _ = try await network.client(as: other).register(
            invite: try await network.invitation(.user).code, handle: "bob", password: Password("another"))
        await expectRefusal(.unauthorized) {
            try await coordinator.finishLogin(
                stateID: challenge.stateID, proof: proof.wire, deviceKey: bob, label: nil, invite: nil, peer: bob)
        }
        #expect(coordinator.roster.standing(of: bob, handle: "bob") == .unknown)
        #expect(try await coordinator.devices(of: "bob").isEmpty)
    }

    @Test func invitationsOfAUserWhoWasRemovedAdmitNobody() async throws {
        let own = try await coordinator.createInvitation(
            InvitationRequest(role: .user, uses: 100), by: .admin(handle: "bob", device: bob))
        let another = try await coordinator.createInvitation(
            InvitationRequest(role: .user), by: .admin(handle: "alice", device: alice))
        try await coordinator.removeUser("bob", by: .operator)
        await expectRefusal(.invalidInvite) {
            try await network.client(as: bob).register(
                invite: own.code, handle: "robert", password: Password("x"))
        }
        #expect(try await network.repository.read { try $0.invitation(another.code) }?.usesLeft == 1)
    }
}
