import Foundation
import Testing

@testable import Certs
@testable import Store
@testable import Transport

// How does a device become a bridge, and what does it give up for that?

@Suite struct BridgeCertificateTests {
    let network: TestNetwork
    let home: ClientHome
    let row: JoinedNetwork
    /// An admin's.
    let own: DeviceCertificate
    let device: NodeID

    init() async throws {
        network = try TestNetwork()
        home = try ClientHome(path: network.directory.path + "/user")
        let (clock, coordinator) = (network.clock, network.coordinator)
        device = try home.identity().nodeID
        let ticket = coordinator.ticket(for: try await network.invitation(.user), addresses: [])
        let result = try await Joining(home: home, label: nil, now: { clock.now }).join(
            ticket, handle: "alice", password: Password("x"), through: network.client(as: device), reached: nil)
        (row, own) = (result.network, result.certificate)
    }

    private func refusal(_ body: () async throws -> Void) async -> RPCErrorCode? {
        do { try await body() } catch let error as RPCError { return error.code } catch {}
        return nil
    }

    @Test("any device gets a bridge's certificate for itself, which has no other capability and stays so by renewals")
    func aDeviceBecomesABridge() async throws {
        #expect(own.capabilities == [DeviceCertificate.administratorCapability])
        let client = network.client(as: device)
        let bridge = try await client.renew(own, asBridge: true)
        #expect(bridge.capabilities == ["bridge"] && bridge.isOfBridge && bridge.handle == "alice")
        #expect(bridge.expiresAt == network.clock.now + DeviceCertificate.lifetime)
        // Neither asking again nor a promotion makes an ordinary one of it.
        #expect(await refusal { _ = try await client.renew(bridge) } == .notDue)
        network.clock.advance(DeviceCertificate.lifetime / 2)
        let later = try await client.renew(bridge)
        #expect(later.capabilities == ["bridge"])
        // The other one goes on as it was.
        #expect(try await client.renew(own).capabilities == [DeviceCertificate.administratorCapability])
        // A member's device may as well.
        let phone = SecretKey().nodeID
        let member = try await network.addUser("bob", device: phone)
        #expect(member.capabilities.isEmpty)
        #expect(try await network.client(as: phone).renew(member, asBridge: true).capabilities == ["bridge"])
    }

    @Test("a bridge administers nothing, whoever its user is")
    func aBridgeIsNoAdmin() async throws {
        let client = network.client(as: device)
        let bridge = try await client.renew(own, asBridge: true)
        _ = try await client.listDevices(certificate: own)
        #expect(await refusal { _ = try await client.listDevices(certificate: bridge) } == .forbidden)
    }

    @Test("nobody gets another capability for the asking, and agents get none")
    func otherCapabilities() async throws {
        for capability in ["coordinator_admin", "agent", "", "Bridge"] {
            let code = await refusal {
                _ = try await network.coordinator.renew(own.wire, capability: capability, peer: device)
            }
            #expect(code == .badRequest, "\(capability)")
        }
        let node = SecretKey().nodeID
        let agent = try await network.client(as: node).agentLogin(
            invite: try await network.invitation(.agent).code, handle: "worker", node: node)
        #expect(
            await refusal { _ = try await network.client(as: node).renew(agent.certificate, asBridge: true) }
                == .forbidden)
        // Another device's certificate is of no use.
        let stranger = SecretKey().nodeID
        #expect(
            await refusal { _ = try await network.client(as: stranger).renew(own, asBridge: true) } == .unauthorized)
    }

    @Test("P-05: revoking the device ends both of its certificates")
    func revocationEndsBoth() async throws {
        let client = network.client(as: device)
        let bridge = try await client.renew(own, asBridge: true)
        _ = try await network.addUser("root", device: SecretKey().nodeID)
        #expect(try await network.coordinator.revokeDevice(device, by: .operator) == .revoked)
        for certificate in [own, bridge] {
            #expect(await refusal { _ = try await client.renew(certificate, asBridge: true) } == .revoked)
        }
        network.clock.advance(DeviceCertificate.lifetime / 2)
        #expect(await refusal { _ = try await client.renew(bridge) } == .revoked)
    }

    @Test("both certificates are kept beside each other, each is kept fresh, and forgetting the network takes both")
    func bothAreKept() async throws {
        let client = network.client(as: device)
        let bridge = try await client.renew(own, asBridge: true)
        let path = try home.store(bridge)
        let (clock, now) = (network.clock, network.clock.now)
        #expect(try home.certificate(for: row) == own)
        #expect(try home.certificate(for: row, asBridge: true) == bridge)
        #expect(try home.credential(for: row, device: device, now: now, asBridge: true) == .usable(bridge))
        #expect(try home.credential(for: row, device: device, now: now) == .usable(own))
        let keeper = CertificateKeeper(bridge, of: row, home: home, now: { clock.now })
        network.clock.advance(DeviceCertificate.lifetime / 2)
        guard case .renewed = await keeper.renewIfDue(through: DirectReach(network, peer: device)) else {
            Issue.record("it was not renewed")
            return
        }
        #expect(keeper.current.isOfBridge && keeper.current.issuedAt == clock.now)
        #expect(try home.certificate(for: row, asBridge: true) == keeper.current)
        #expect(try home.certificate(for: row) == own)
        // One in the other's place is none.
        try PrivateFile.replace(path, with: own.wire)
        #expect(try home.credential(for: row, device: device, now: now, asBridge: true) == .foreign)
        #expect(try home.forget(row))
        #expect(!FileManager.default.fileExists(atPath: path))
    }
}
