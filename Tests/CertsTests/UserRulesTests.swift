import Testing

@testable import Certs
@testable import Store
@testable import Transport

@Suite struct UserRulesTests {
    let network: TestNetwork
    let alice = SecretKey().nodeID
    let bob = SecretKey().nodeID
    var coordinator: Coordinator { network.coordinator }

    /// Alice is an admin, bob a member, each with a device.
    init() async throws {
        network = try TestNetwork()
        _ = try await network.addUser("alice", device: alice)
        _ = try await network.addUser("bob", device: bob)
    }

    func admins() async throws -> [String] {
        try await coordinator.users().filter { $0.role == .admin && $0.status == .active }.map(\.handle)
    }

    @Test func theLastAdminStays() async throws {
        for act in [
            { _ = try await coordinator.setRole(.member, of: "alice", by: .operator) },
            { _ = try await coordinator.setStatus(.suspended, of: "Alice", by: .operator) },
            { try await coordinator.removeUser(" alice", by: .operator) },
        ] as [() async throws -> Void] {
            await #expect(throws: AdministrationError.lastAdmin("alice")) { try await act() }
        }
        #expect(try await admins() == ["alice"])
        #expect(coordinator.roster.standing(of: alice, handle: "alice") == .active(role: .admin))
        #expect(
            try await network.repository.read { try $0.audit(limit: 3) }.map(\.action) == [
                "user.remove", "user.suspend", "user.demote",
            ])
        #expect(
            try await network.repository.read { try $0.audit(limit: 3) }.allSatisfy {
                $0.result == "refused: last admin"
            })
        // A suspended admin is none that could let the others in again.
        _ = try await coordinator.setRole(.admin, of: "bob", by: .operator)
        _ = try await coordinator.setStatus(.suspended, of: "bob", by: .operator)
        await #expect(throws: AdministrationError.lastAdmin("alice")) {
            try await coordinator.removeUser("alice", by: .operator)
        }
        _ = try await coordinator.setStatus(.active, of: "bob", by: .operator)
        try await coordinator.removeUser("alice", by: .operator)
        #expect(try await admins() == ["bob"])
    }

    @Test func racingActsAgainstTheLastTwoAdminsLeaveOne() async throws {
        let acts: [@Sendable (Coordinator, String) async throws -> Void] = [
            { _ = try await $0.setRole(.member, of: $1, by: .operator) },
            { _ = try await $0.setStatus(.suspended, of: $1, by: .operator) },
            { try await $0.removeUser($1, by: .operator) },
        ]
        for first in acts.indices {
            for second in acts.indices {
                let network = try TestNetwork()
                _ = try await network.addUser("alice", device: SecretKey().nodeID)
                _ = try await network.addUser("bob", device: SecretKey().nodeID)
                _ = try await network.coordinator.setRole(.admin, of: "bob", by: .operator)
                let refusals = await withTaskGroup(of: Bool.self) { group in
                    for (act, handle) in [(acts[first], "alice"), (acts[second], "bob")] {
                        group.addTask {
                            do {
                                try await act(network.coordinator, handle)
                                return false
                            } catch AdministrationError.lastAdmin(handle) { return true } catch { return false }
                        }
                    }
                    return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
                }
                #expect(refusals == 1)
                #expect(try await network.repository.read { try $0.activeAdmins() } == 1)
            }
        }
    }

    @Test func aRevokedKeyStaysOutWhenItsUserIsGone() async throws {
        _ = try await coordinator.revokeDevice(bob, by: .operator)
        try await coordinator.removeUser("bob", by: .operator)
        #expect(coordinator.roster.standing(of: bob, handle: "bob") == .unknown)
        let client = network.client(as: bob)
        _ = try await client.register(
            invite: try await network.invitation(.user).code, handle: "robert", password: Password("x"))
        for coordinator in [coordinator, try network.restarted()] {
            let client = CoordinatorClient(exchange: DirectExchange(server: coordinator, peer: bob))
            do {
                _ = try await client.login(handle: "robert", password: Password("x"), deviceKey: bob)
                Issue.record("a revoked key came back")
            } catch let error as RPCError {
                #expect(error.code == .revoked)
                #expect(error.message.contains("fresh key") && error.message.contains("device ticket"))
            }
        }
        let fresh = SecretKey().nodeID
        #expect(
            try await network.client(as: fresh).login(handle: "robert", password: Password("x"), deviceKey: fresh)
                .handle == "robert")
    }

    @Test func removedUsersLeaveNothingThatLetsThemIn() async throws {
        let own = try await network.invitation(.device, bindTo: "bob").code
        let open = try await network.invitation(.user).code
        let certificate = try await network.client(as: bob).login(
            handle: "bob", password: Password("hunter2"), deviceKey: bob)
        try await coordinator.removeUser("bob", by: .operator)
        #expect(try await network.repository.read { try $0.invitation(own) }?.usesLeft == 0)
        #expect(try await network.repository.read { try $0.invitation(open) }?.usesLeft == 1)
        await expectRefusal(.unauthorized) {
            try await network.client(as: bob).login(handle: "bob", password: Password("hunter2"), deviceKey: bob)
        }
        network.clock.advance(DeviceCertificate.lifetime / 2)
        await expectRefusal(.unauthorized) { try await network.client(as: bob).renew(certificate) }
        await #expect(throws: AdministrationError.unknownUser("bob")) {
            try await coordinator.removeUser("bob", by: .operator)
        }
    }

    @Test func suspendedUsersAreShutOutAndLetInAgain() async throws {
        _ = try await coordinator.setRole(.admin, of: "bob", by: .operator)
        let login = {
            try await network.client(as: bob).login(handle: "bob", password: Password("hunter2"), deviceKey: bob)
        }
        let certificate = try await login()
        let client = network.client(as: bob)
        #expect(try await client.listDevices(certificate: certificate).count == 2)
        #expect(try await coordinator.setStatus(.suspended, of: "bob", by: .operator))
        #expect(try await !coordinator.setStatus(.suspended, of: "bob", by: .operator), "no change, no row")
        network.clock.advance(DeviceCertificate.lifetime / 2)
        await expectRefusal(.unauthorized) { try await login() }
        await expectRefusal(.suspended) { try await client.renew(certificate) }
        await expectRefusal(.unauthorized) { try await client.listDevices(certificate: certificate) }
        await expectRefusal(.unauthorized) { try await client.revokeDevice(alice, certificate: certificate) }
        await expectRefusal(.unauthorized) {
            try await client.createInvitation(role: .user, certificate: certificate)
        }
        await expectRefusal(.unauthorized) { try await client.listAgents() }
        let another = SecretKey().nodeID
        let ticket = try await network.invitation(.device, bindTo: "bob").code
        await expectRefusal(.unauthorized) {
            try await network.client(as: another).login(
                handle: "bob", password: Password("hunter2"), deviceKey: another, invite: ticket)
        }
        #expect(try await network.repository.read { try $0.invitation(ticket) }?.usesLeft == 1)
        #expect(coordinator.roster.standing(of: bob, handle: "bob") == .suspended, "the device is not revoked")

        #expect(try await coordinator.setStatus(.active, of: "bob", by: .operator))
        network.clock.advance(3_600)
        #expect(try await client.listDevices(certificate: certificate).count == 2)
        #expect(try await client.renew(certificate).handle == "bob")
        #expect(try await login().handle == "bob")
    }

    @Test func membersManageWhatIsTheirOwnAndNothingElse() async throws {
        let member = Principal.member(handle: "bob", device: bob)
        #expect(try await coordinator.revokeDevice(alice, by: member) == .unknown)
        await #expect(throws: AdministrationError.unknownDevice) {
            try await coordinator.renameDevice(alice, to: "mine", by: member)
        }
        for request in [
            InvitationRequest(role: .user), InvitationRequest(role: .agent), InvitationRequest(handle: "bob"),
            InvitationRequest(role: .device, handle: "alice"), InvitationRequest(role: .device),
        ] {
            await #expect(throws: AdministrationError.forbidden) {
                try await coordinator.createInvitation(request, by: member)
            }
        }
        let own = try await coordinator.createInvitation(
            InvitationRequest(role: .device, handle: "Bob"), by: member)
        #expect(own.bindTo == "bob" && own.createdBy == "bob")
        try await coordinator.renameDevice(bob, to: "phone", by: member)
        #expect(try await coordinator.devices(of: "bob").map(\.label) == ["phone"])
        #expect(try await coordinator.revokeDevice(bob, by: member) == .revoked)
    }
}

@Suite struct AuditTests {
    let network: TestNetwork
    let alice = SecretKey().nodeID
    let bob = SecretKey().nodeID
    let agent = SecretKey().nodeID
    let invitation: Invitation
    var coordinator: Coordinator { network.coordinator }
    var admin: Principal { .admin(handle: "alice", device: alice) }

    init() async throws {
        network = try TestNetwork()
        _ = try await network.addUser("alice", device: alice)
        _ = try await network.addUser("bob", device: bob)
        try await network.coordinator.addAgent(handle: "worker", node: agent, label: nil, by: .operator)
        invitation = try await network.invitation(.user)
    }

    /// Every act with the row that it leaves.
    var acts: [(action: String, subject: String, act: @Sendable (Coordinator, Principal) async throws -> Void)] {
        let (bob, code) = (bob, invitation.code)
        return [
            ("user.promote", "bob", { _ = try await $0.setRole(.admin, of: "bob", by: $1) }),
            ("user.demote", "bob", { _ = try await $0.setRole(.member, of: "bob", by: $1) }),
            ("user.suspend", "bob", { _ = try await $0.setStatus(.suspended, of: "bob", by: $1) }),
            ("user.resume", "bob", { _ = try await $0.setStatus(.active, of: "bob", by: $1) }),
            ("device.rename", bob.hex, { try await $0.renameDevice(bob, to: "phone", by: $1) }),
            ("device.revoke", bob.hex, { _ = try await $0.revokeDevice(bob, by: $1) }),
            ("agent.rename", "worker", { try await $0.relabelAgent("worker", to: "box", by: $1) }),
            ("agent.remove", "worker", { try await $0.removeAgent("worker", by: $1) }),
            (
                "invitation.revoke", Coordinator.invitationID(code),
                { try await $0.revokeInvitation(Coordinator.invitationID(code), by: $1) }
            ),
            ("user.remove", "bob", { try await $0.removeUser("bob", by: $1) }),
        ]
    }

    @Test func everyActLeavesItsRowAndEveryRepetitionNoneOrARefusal() async throws {
        for (action, subject, act) in acts {
            network.clock.advance(1)
            try await act(coordinator, admin)
            let row = try await network.repository.read { try $0.audit(limit: 1) }.first
            #expect(
                row
                    == AuditRecord(
                        at: network.clock.now, actor: "alice", actorDevice: alice.bytes, action: action,
                        subject: subject, result: "ok"))
            let count = try await network.actions().count
            do {
                try await act(coordinator, admin)
                #expect(try await network.actions().count == count, "\(action) changed nothing")
            } catch is AdministrationError {
                let refusal = try await network.repository.read { try $0.audit(limit: 1) }.first
                #expect(refusal?.action == action && refusal?.result == "refused: unknown")
            }
        }
    }

    @Test func refusedActsLeaveARowToo() async throws {
        let refused: [(String, String, @Sendable (Coordinator, Principal) async throws -> Void)] = [
            ("user.demote", "refused: last admin", { _ = try await $0.setRole(.member, of: "alice", by: $1) }),
            ("user.promote", "refused: unknown", { _ = try await $0.setRole(.admin, of: "nobody", by: $1) }),
            ("agent.remove", "refused: own agent", { try await $0.removeAgent("homelab", by: $1) }),
            (
                "agent.add", "refused: handle taken",
                { try await $0.addAgent(handle: "worker", node: SecretKey().nodeID, label: nil, by: $1) }
            ),
            (
                "agent.add", "refused: invalid",
                { try await $0.addAgent(handle: "a b", node: SecretKey().nodeID, label: nil, by: $1) }
            ),
            (
                "invitation.create", "refused: invalid",
                { _ = try await $0.createInvitation(InvitationRequest(uses: 0), by: $1) }
            ),
            (
                "invitation.create", "refused: forbidden",
                { _ = try await $0.createInvitation(InvitationRequest(role: .agent), by: $1) }
            ),
            ("invitation.revoke", "refused: unknown", { try await $0.revokeInvitation("0000000000", by: $1) }),
            ("device.revoke", "refused: unknown", { _ = try await $0.revokeDevice(SecretKey().nodeID, by: $1) }),
        ]
        for (action, result, act) in refused {
            let caller = result.hasSuffix("forbidden") ? Principal.member(handle: "bob", device: bob) : admin
            do { try await act(coordinator, caller) } catch is AdministrationError {}
            let row = try await network.repository.read { try $0.audit(limit: 1) }.first
            #expect(row?.action == action && row?.result == result)
            #expect(row?.actorDevice == caller.device?.bytes)
        }
    }

    /// A time that is no number cannot be stored in the audit table: its row fails, and so must what it tells of.
    @Test func anActWhoseRowFailsHasNotHappened() async throws {
        let broken = try Coordinator(
            repository: network.repository, identity: network.identity, now: { .nan })
        _ = try await coordinator.setRole(.admin, of: "bob", by: .operator)
        let users = try await network.repository.read { try $0.users() }
        let devices = try await coordinator.devices()
        let agents = try await coordinator.agents()
        let rows = try await network.actions()
        let state = broken.roster.subscribe().state
        for (action, _, act) in acts where !["user.promote", "user.resume"].contains(action) {
            do {
                try await act(broken, admin)
                Issue.record("\(action) was carried out without a row")
            } catch is AdministrationError { Issue.record("\(action) was refused") } catch {}
        }
        #expect(try await network.repository.read { try $0.users() } == users)
        #expect(try await coordinator.devices() == devices)
        #expect(try await coordinator.agents() == agents)
        let kept = try await network.repository.read { [code = invitation.code] in try $0.invitation(code) }
        #expect(kept == invitation)
        #expect(try await network.actions() == rows)
        #expect(broken.roster.subscribe().state == state, "memory follows the database")
    }

    @Test func anActThatFailsHalfwayLeavesNeitherChangeNorRow() async throws {
        struct Broken: Error {}
        let rows = try await network.actions()
        await #expect(throws: Broken.self) {
            try await coordinator.administer("user.promote", on: "bob", by: admin, now: 1) { transaction in
                _ = try transaction.setUserRole(.admin, of: "bob")
                throw Broken()
            }
        }
        #expect(try await network.repository.read { try $0.user("bob") }?.role == .member)
        #expect(try await network.actions() == rows)
    }

    @Test func rowsNeverHoldACodeOrAPassword() async throws {
        for (_, _, act) in acts { try await act(coordinator, admin) }
        try? await coordinator.revokeInvitation(invitation.code, by: admin)
        let rows = try await network.repository.read { try $0.audit(limit: 1_000) }
        for row in rows {
            #expect(!"\(row)".contains(invitation.code) && !"\(row)".contains("hunter2"), "\(row)")
        }
    }
}
