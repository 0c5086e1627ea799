import Testing

@testable import Certs
@testable import Store
@testable import Transport

@Suite struct RenewalTests {
    let network: TestNetwork
    let device = SecretKey().nodeID
    init() throws { network = try TestNetwork() }

    static let half = DeviceCertificate.lifetime / 2

    func renew(_ certificate: DeviceCertificate, as peer: NodeID? = nil) async throws -> DeviceCertificate {
        try await network.client(as: peer ?? device).renew(certificate)
    }

    func holds(_ certificate: DeviceCertificate) -> Bool {
        (try? certificate.check(
            now: network.clock.now, networkID: network.coordinator.network.networkID, peer: device)) != nil
    }

    @Test func certificatesAreRenewedFromExactlyHalfOfTheirLife() async throws {
        let old = try await network.addUser("alice", device: device)
        for step in [0, Self.half - 1, 0.5] {
            network.clock.advance(step)
            await expectRefusal(.notDue) { try await renew(old) }
        }
        network.clock.advance(0.5)
        let fresh = try await renew(old)
        #expect(fresh.issuedAt == network.clock.now && fresh.expiresAt == network.clock.now + 2_592_000)
        #expect(fresh.capabilities == old.capabilities)
        #expect(try await network.coordinator.devices().first?.lastSeen == network.clock.now)
        #expect(try await network.actions().last == "certificate.renew")
        await expectRefusal(.notDue) { try await renew(fresh) }
    }

    @Test func theOldCertificateCountsUntilItExpires() async throws {
        let old = try await network.addUser("alice", device: device)
        network.clock.advance(Self.half)
        let fresh = try await renew(old)
        let client = network.client(as: device)
        network.clock.advance(Self.half - 1)
        #expect(holds(old) && holds(fresh))
        #expect(try await client.listDevices(certificate: old).count == 1)
        #expect(try await renew(old).issuedAt == network.clock.now)
        network.clock.advance(1)
        #expect(!holds(old) && holds(fresh))
        await expectRefusal(.unauthorized) { try await client.listDevices(certificate: old) }
        await expectRefusal(.expired) { try await renew(old) }
        #expect(try await client.listDevices(certificate: fresh).count == 1)
    }

    @Test func anotherRoleMakesItDueAtOnce() async throws {
        _ = try await network.addUser("alice", device: SecretKey().nodeID)
        let old = try await network.addUser("bob", device: device)
        #expect(old.capabilities.isEmpty)
        _ = try await network.coordinator.setRole(.admin, of: "bob", by: .operator)
        let admin = try await renew(old)
        #expect(admin.capabilities == [DeviceCertificate.administratorCapability])
        await expectRefusal(.notDue) { try await renew(admin) }
        _ = try await network.coordinator.setRole(.member, of: "bob", by: .operator)
        #expect(try await renew(admin).capabilities.isEmpty)
    }

    @Test func nobodyRenewsWhoMayNotComeIn() async throws {
        _ = try await network.addUser("alice", device: SecretKey().nodeID)
        let old = try await network.addUser("bob", device: device)
        network.clock.advance(Self.half)
        _ = try await network.coordinator.setStatus(.suspended, of: "bob", by: .operator)
        await expectRefusal(.suspended) { try await renew(old) }
        _ = try await network.coordinator.setStatus(.active, of: "bob", by: .operator)
        #expect(try await renew(old).handle == "bob", "a user who is let in again renews again")
        _ = try await network.coordinator.revokeDevice(device, by: .operator)
        await expectRefusal(.revoked) { try await renew(old) }
        try await network.coordinator.removeUser("bob", by: .operator)
        await expectRefusal(.unauthorized) { try await renew(old) }
    }

    @Test func onlyTheCertificatesOwnConnectionRenewsIt() async throws {
        let old = try await network.addUser("alice", device: device)
        let other = SecretKey().nodeID
        let foreign = try await network.addUser("bob", device: other)
        network.clock.advance(Self.half)
        await expectRefusal(.unauthorized) { try await renew(old, as: other) }
        await expectRefusal(.unauthorized) { try await renew(old, as: SecretKey().nodeID) }
        await expectRefusal(.unauthorized) { try await renew(foreign) }
    }

    @Test func forgedAndForeignCertificatesAreNotRenewed() async throws {
        let old = try await network.addUser("alice", device: device)
        network.clock.advance(Self.half)
        let stranger = try TestNetwork()
        let foreign = try await stranger.addUser("alice", device: device)
        await expectRefusal(.unauthorized) { try await renew(foreign) }
        let elsewhere = DeviceCertificate.issue(
            handle: "alice", deviceKey: device, networkID: "00", issuedAt: old.issuedAt, signedBy: network.identity)
        await expectRefusal(.unauthorized) { try await renew(elsewhere) }
        let future = DeviceCertificate.issue(
            handle: "alice", deviceKey: device, networkID: old.networkID, issuedAt: network.clock.now + 3_600,
            signedBy: network.identity)
        await expectRefusal(.unauthorized) { try await renew(future) }
        let usurped = DeviceCertificate.issue(
            handle: "bob", deviceKey: device, networkID: old.networkID, issuedAt: old.issuedAt,
            signedBy: network.identity)
        await expectRefusal(.unauthorized) { try await renew(usurped) }
        let exchange = DirectExchange(server: network.coordinator, peer: device)
        for wire in [[], [0], Array(old.wire.dropLast()), old.wire + [0]] {
            let request = RPCRequest(id: .null, method: "renew", parameters: ["cert": .bytes(wire)])
            let value = try CBORReader.read(
                try await exchange.exchange(request.encoded), limits: CBORLimits(bytes: 1_000))
            guard case .failure(_, let error)? = RPCResponse(value) else {
                Issue.record("answered \(value)")
                continue
            }
            #expect(error.code == .unauthorized)
        }
    }

    @Test func agentsRenewTheirOwnUntilTheyAreRemoved() async throws {
        let login = try await network.client(as: device).agentLogin(
            invite: try await network.invitation(.agent).code, handle: "worker", node: device)
        await expectRefusal(.notDue) { try await renew(login.certificate) }
        network.clock.advance(Self.half)
        let fresh = try await renew(login.certificate)
        #expect(fresh.capabilities == ["agent"] && fresh.handle == "worker")
        #expect(try await network.coordinator.agents().last?.lastSeen == network.clock.now)
        try await network.coordinator.removeAgent("worker", by: .operator)
        await expectRefusal(.unauthorized) { try await renew(login.certificate) }
        await expectRefusal(.unauthorized) { try await renew(fresh) }
    }
}
