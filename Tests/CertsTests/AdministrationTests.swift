import Testing

@testable import Certs
@testable import Store
@testable import Transport

@Suite struct AdministrationTests {
    let network: TestNetwork
    let device = SecretKey().nodeID
    init() throws { network = try TestNetwork() }

    var operatorClient: CoordinatorClient { network.client(as: network.identity.nodeID) }

    @Test func operatorListsAndRevokesWithoutACertificate() async throws {
        _ = try await network.addUser("alice", device: device)
        let other = SecretKey().nodeID
        _ = try await network.addUser("bob", device: other)
        let listed = try await operatorClient.listDevices()
        #expect(Set(listed.map(\.handle)) == ["alice", "bob"])
        #expect(try await operatorClient.revokeDevice(device))
        #expect(try await !operatorClient.revokeDevice(device), "only an active device is revoked")
        #expect(try await !operatorClient.revokeDevice(SecretKey().nodeID))
        #expect(network.coordinator.roster.standing(of: device, handle: "alice") == .revoked)
        #expect(network.coordinator.roster.standing(of: other, handle: "bob") == .active(role: .member))
        #expect(try network.restarted().roster.standing(of: device, handle: "alice") == .revoked)
    }

    @Test func subscribersKnowOfARevocationBeforeTheCallReturns() async throws {
        _ = try await network.addUser("alice", device: device)
        let streams = (0..<3).map { _ in network.coordinator.roster.changes() }
        #expect(try await network.coordinator.revokeDevice(device, by: .operator) == .revoked)
        #expect(try await network.coordinator.revokeDevice(device, by: .operator) == .alreadyRevoked)
        let marker = SecretKey().nodeID
        network.coordinator.roster.apply(.agentRemoved(marker))
        for stream in streams {
            var iterator = stream.makeAsyncIterator()
            #expect(await iterator.next() == .device(device, handle: "alice", status: .revoked))
            #expect(
                await iterator.next() == .agentRemoved(marker), "a second revocation of the same device is no change")
        }
    }

    @Test func revokedDevicesCannotComeBackWithTheirKey() async throws {
        _ = try await network.addUser("alice", device: device)
        _ = try await network.coordinator.revokeDevice(device, by: .operator)
        let code = try await network.invitation(.device, bindTo: "alice").code
        await expectRefusal(.revoked) {
            try await network.client(as: device).login(
                handle: "alice", password: Password("hunter2"), deviceKey: device, invite: code)
        }
        #expect(try await network.repository.read { try $0.invitation(code) }?.usesLeft == 1)
        let fresh = SecretKey().nodeID
        await expectRefusal(.invalidInvite) {
            try await network.client(as: fresh).login(
                handle: "alice", password: Password("hunter2"), deviceKey: fresh)
        }
        #expect(
            try await network.client(as: fresh).login(
                handle: "alice", password: Password("hunter2"), deviceKey: fresh, invite: code
            ).deviceKey == fresh)
    }

    @Test func adminsActWithTheirOwnCertificateOnly() async throws {
        let admin = try await network.addUser("alice", device: device)
        let bobDevice = SecretKey().nodeID
        let member = try await network.addUser("bob", device: bobDevice)
        let client = network.client(as: device)
        #expect(try await client.listDevices(certificate: admin).count == 2)
        await expectRefusal(.badRequest) { try await client.listDevices() }
        await expectRefusal(.unauthorized) { try await client.listDevices(certificate: member) }
        await expectRefusal(.forbidden) { try await network.client(as: bobDevice).listDevices(certificate: member) }
        await expectRefusal(.unauthorized) { try await network.client(as: bobDevice).listDevices(certificate: admin) }
        #expect(try await client.revokeDevice(bobDevice, certificate: admin))
        await expectRefusal(.revoked) { try await network.client(as: bobDevice).listDevices(certificate: member) }
        network.clock.advance(DeviceCertificate.lifetime)
        await expectRefusal(.unauthorized) { try await client.listDevices(certificate: admin) }
    }

    @Test func capabilityAndRoleAreBothNeeded() async throws {
        let admin = try await network.addUser("alice", device: device)
        let bare = DeviceCertificate.issue(
            handle: "alice", deviceKey: device, networkID: admin.networkID, issuedAt: network.clock.now,
            signedBy: network.identity)
        await expectRefusal(.forbidden) { try await network.client(as: device).listDevices(certificate: bare) }
        let bobDevice = SecretKey().nodeID
        _ = try await network.addUser("bob", device: bobDevice)
        let claimed = DeviceCertificate.issue(
            handle: "bob", deviceKey: bobDevice, networkID: admin.networkID,
            capabilities: [DeviceCertificate.administratorCapability], issuedAt: network.clock.now,
            signedBy: network.identity)
        await expectRefusal(.forbidden) { try await network.client(as: bobDevice).listDevices(certificate: claimed) }
    }

    @Test func suspendedUsersNeitherLogInNorCount() async throws {
        _ = try await network.addUser("alice", device: device)
        #expect(try await network.repository.write { try $0.setUserStatus(.suspended, of: "alice") })
        let restarted = try network.restarted()
        #expect(restarted.roster.standing(of: device, handle: "alice") == .suspended)
        await expectRefusal(.unauthorized) {
            try await network.client(as: device).login(
                handle: "alice", password: Password("hunter2"), deviceKey: device)
        }
    }

    @Test func longListsComeInPages() async throws {
        _ = try await network.addUser("alice", device: device)
        let count = Coordinator.devicesPerPage * 2 + 1
        try await network.repository.write { transaction in
            for _ in 1..<count {
                try transaction.insertDevice(
                    DeviceRecord(key: SecretKey().nodeID.bytes, handle: "alice", label: "x", addedAt: 1))
            }
        }
        let listed = try await operatorClient.listDevices()
        #expect(listed.count == count)
        #expect(Set(listed.map(\.key)).count == count)
    }
}
