import Testing

@testable import Certs
@testable import Store
@testable import Transport

@Suite struct InvitationAbuseTests {
    let network: TestNetwork
    init() throws { network = try TestNetwork() }

    func register(_ code: String, handle: String = "carol", as peer: NodeID = SecretKey().nodeID) async throws {
        _ = try await network.client(as: peer).register(invite: code, handle: handle, password: Password("x"))
    }

    func usesLeft(_ code: String) async throws -> Int? {
        try await network.repository.read { try $0.invitation(code)?.usesLeft }
    }

    @Test("P-45: ten uses for the wrong purpose void an invitation")
    func wrongUsesVoidAnInvitation() async throws {
        _ = try await network.addUser("alice", device: SecretKey().nodeID)
        _ = try await network.addUser("bob", device: SecretKey().nodeID)
        let code = try await network.invitation(.device, bindTo: "alice", uses: 3).code
        for attempt in 1...Coordinator.refusalsBeforeVoid {
            #expect(try await usesLeft(code) == 3, "before attempt \(attempt)")
            let peer = SecretKey().nodeID
            if attempt.isMultiple(of: 3) {
                await expectRefusal(.invalidInvite) {
                    try await network.client(as: peer).agentLogin(invite: code, handle: "worker", node: peer)
                }
            } else if attempt.isMultiple(of: 2) {
                await expectRefusal(.invalidInvite) {
                    try await network.client(as: peer).login(
                        handle: "bob", password: Password("hunter2"), deviceKey: peer, invite: code)
                }
            } else {
                await expectRefusal(.invalidInvite) { try await register(code) }
            }
        }
        #expect(try await usesLeft(code) == 0)
        let right = SecretKey().nodeID
        await expectRefusal(.invalidInvite) {
            try await network.client(as: right).login(
                handle: "alice", password: Password("hunter2"), deviceKey: right, invite: code)
        }
        let actions = try await network.actions()
        #expect(actions.count { $0 == "invitation.void" } == 1)
    }

    @Test func refusalsThatAreNotTheInvitationsFaultVoidNothing() async throws {
        _ = try await network.addUser("alice", device: SecretKey().nodeID)
        let code = try await network.invitation(.user).code
        for _ in 0..<Coordinator.refusalsBeforeVoid * 2 {
            await expectRefusal(.conflict) { try await register(code, handle: "alice") }
        }
        try await register(code)
    }

    @Test("P-45: codes are guessed five times in a row, then ever more slowly, for each node")
    func guessesAtCodesAreHeldUp() async throws {
        let peer = SecretKey().nodeID
        let guess = { try await register(InviteCode.random(), as: peer) }
        for _ in 0..<LoginThrottle.freeAttempts { await expectRefusal(.invalidInvite) { try await guess() } }
        var waits: [Double] = []
        for _ in 0..<12 {
            var wait = 0.0
            while wait < 1_000 {
                do { try await guess() } catch let error as RPCError where error.code == .rateLimited {
                    network.clock.advance(1)
                    wait += 1
                    continue
                } catch {}
                break
            }
            waits.append(wait)
        }
        #expect(waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300])
        await expectRefusal(.rateLimited) { try await guess() }
        await expectRefusal(.rateLimited) {
            try await network.client(as: peer).agentLogin(invite: InviteCode.random(), handle: "w", node: peer)
        }
        let other = try await network.invitation(.user).code
        try await register(other)
    }

    @Test("P-45: an invitation ends with the second after its last")
    func invitationsEndAtTheirLimit() async throws {
        _ = try await network.addUser("alice", device: SecretKey().nodeID)
        for role in InviteRole.allCases {
            for (late, counts) in [(-1.0, true), (0, true), (0.001, false), (1, false)] {
                let handle = "u\(Int.random(in: 0..<1_000_000_000))"
                let code = try await network.coordinator.createInvitation(
                    InvitationRequest(role: role, handle: role == .device ? "alice" : nil, lifetime: 60), by: .operator
                ).code
                network.clock.advance(60 + late)
                let peer = SecretKey().nodeID
                let use = { () async throws in
                    switch role {
                    case .user: try await register(code, handle: handle)
                    case .device:
                        _ = try await network.client(as: peer).login(
                            handle: "alice", password: Password("hunter2"), deviceKey: peer, invite: code)
                    case .agent:
                        _ = try await network.client(as: peer).agentLogin(invite: code, handle: handle, node: peer)
                    }
                }
                if counts { try await use() } else { await expectRefusal(.invalidInvite, use) }
            }
        }
    }
}
