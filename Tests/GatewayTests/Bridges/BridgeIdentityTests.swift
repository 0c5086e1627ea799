import Foundation
import Logging
import Testing

@testable import Certs
@testable import Gateway
@testable import Store
@testable import Transport
@testable import Wire

// Who is a bridge of this agent, and who only says so?

@Suite struct BridgeIdentityTests {
    private static let telegram = OwnBridges.handle(of: .telegram)

    @Test("an own bridge is let in as a member with a certificate of the agent's, also where another agent coordinates")
    func anOwnBridgeIsAMember() async throws {
        for place in [TestGateway.Place.coordinator, .member] {
            let gateway = try TestGateway(place: place)
            try await gateway.run { running in
                let stream = try await running.stream(gateway.ownBridge())
                let me: WhoAmI = try await stream.ask("GET", "/api/whoami").decode()
                #expect(me.handle == Self.telegram && me.role == "member")
                #expect(try await stream.ask("GET", "/api/audit").status == 403)
            }
        }
    }

    /// What must not be enough to be the agent's own bridge.
    enum Pretence: CaseIterable {
        case otherKey, signedByTheCoordinator, otherPlatform, plainMember, dismissed, signedByItself
    }

    @Test(
        "P-06: a bridge's handle counts with the key of that bridge and the agent's signature, and with nothing less",
        arguments: Pretence.allCases)
    func nobodyElseIsABridge(_ pretence: Pretence) async throws {
        let gateway = try TestGateway(place: .member)
        let networkID = gateway.configuration.agent.networkID
        var bridge = gateway.ownBridge()
        func issue(_ handle: String, _ key: NodeID, _ capabilities: [String], _ signer: SecretKey) -> TestBridge {
            TestBridge(
                node: key,
                certificate: DeviceCertificate.issue(
                    handle: handle, deviceKey: key, networkID: networkID, capabilities: capabilities,
                    issuedAt: gateway.clock.now, signedBy: signer
                ).wire)
        }
        switch pretence {
        case .otherKey:
            // Its coordinator let somebody have the name.
            let device = gateway.device(Self.telegram)
            bridge = issue(Self.telegram, device.nodeID, ["bridge"], gateway.coordinator)
        case .signedByTheCoordinator: bridge = issue(Self.telegram, bridge.node, ["bridge"], gateway.coordinator)
        case .otherPlatform:
            bridge = issue(OwnBridges.handle(of: .discord), bridge.node, ["bridge"], gateway.identity)
        case .plainMember: bridge = issue(Self.telegram, bridge.node, [], gateway.identity)
        case .dismissed: gateway.configuration.bridges.own.dismiss(bridge.node)
        case .signedByItself: bridge = issue(Self.telegram, bridge.node, ["bridge"], SecretKey())
        }
        let shown = bridge
        try await gateway.run { running in
            let answer = try await running.stream(shown).ask("GET", "/api/whoami")
            #expect(answer.status == 401)
        }
    }

    @Test("no user may be called like a bridge")
    func handlesOfBridgesAreReserved() {
        for platform in Platform.allCases {
            let problem = HandleRule.problem(with: OwnBridges.handle(of: platform)) ?? ""
            #expect(problem.contains("reserved"))
        }
    }

    @Test("what was said through a bridge is nobody's who left, whether the bridge is set up or not")
    func sessionsOfBridgesStay() {
        let others = FakeMembership()
        others.setUsers(["ana"])
        let membership = MembershipWithBridges(others: others, own: OwnBridges())
        #expect(membership.isUser(Self.telegram) == true && membership.isUser("ana") == true)
        #expect(membership.isUser("__bridge_fax") == false && membership.isUser("bob") == false)
        #expect(membership.standing(ofUser: Self.telegram) == .active(role: .member))
        others.setUsers(nil)
        #expect(membership.isUser("ana") == nil && membership.isUser(Self.telegram) == true)
    }

    @Test("everybody else is asked about where they are known")
    func othersPassThrough() async {
        let (others, own) = (FakeMembership(), OwnBridges())
        let membership = MembershipWithBridges(others: others, own: own)
        let (device, bridge) = (SecretKey().nodeID, SecretKey().nodeID)
        others.set(.active(role: .admin), for: device)
        own.admit(bridge, for: .slack)
        #expect(membership.standing(of: device, handle: "ana") == .active(role: .admin))
        #expect(membership.standing(of: device, handle: Self.telegram) == .unknown)
        #expect(membership.standing(of: bridge, handle: OwnBridges.handle(of: .slack)) == .active(role: .member))
        #expect(membership.standing(of: bridge, handle: "ana") == .unknown)
        #expect(membership.isKnown(bridge) && membership.isKnown(device) && !membership.isKnown(SecretKey().nodeID))
        var changes = membership.changes().makeAsyncIterator()
        others.revoke(device)
        #expect(await changes.next() == .device(device, handle: "", status: .revoked))
    }

    @Test("the key stays and is private; the certificate is renewed from half of its life on, without anybody's word")
    func keyAndCertificate() throws {
        let directory = AgentDirectory(FileManager.default.temporaryDirectory.path + "/bridge-\(UUID().uuidString)")
        _ = try directory.create()
        defer { try? FileManager.default.removeItem(atPath: directory.path) }
        let (clock, agent) = (TestGateway.Clock(), SecretKey())
        func identity() throws -> BridgeIdentity {
            try BridgeIdentity(.telegram, of: directory, networkID: "net", agent: agent) { clock.now }
        }
        let one = try identity()
        #expect(try identity().key.nodeID == one.key.nodeID)
        let path = directory.path + "/.bridge-device-telegram.key"
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        let first = try DeviceCertificate(wire: one.wire, coordinator: agent.nodeID)
        #expect(first.capabilities == ["bridge"] && first.handle == Self.telegram)
        #expect(first.expiresAt - first.issuedAt == DeviceCertificate.lifetime)
        clock.advance(by: DeviceCertificate.lifetime / 2 - 60)
        #expect(one.wire == first.wire)
        clock.advance(by: 120)
        let second = try DeviceCertificate(wire: one.wire, coordinator: agent.nodeID)
        #expect(second.issuedAt > first.issuedAt && second.deviceKey == first.deviceKey)
        // A clock that was put back.
        clock.advance(by: -DeviceCertificate.lifetime)
        #expect(try DeviceCertificate(wire: one.wire, coordinator: agent.nodeID).issuedAt <= clock.now)
    }

    @Test("P-18: keys and memories of bridges are given to nobody: not by a reference, nor in a backup")
    func bridgesFilesAreReserved() async throws {
        let agent = try BackedUpAgent()
        _ = try SecretKey.loadOrCreate(path: agent.directory.bridgeKey(.telegram))
        try agent.write("queue", "bridges/telegram.db")
        try agent.write("key", "memories/.bridge-device-discord.key")
        try agent.write("mine", "memories/bridges/Golden Gate.md")
        try FileManager.default.linkItem(
            atPath: agent.directory.bridgeKey(.telegram), toPath: agent.directory.path + "/workspace/copy")
        for path in [".bridge-device-telegram.key", "bridges/telegram.db", "workspace/copy"] {
            #expect(agent.directory.isReserved("\(agent.directory.path)/\(path)", hiddenToo: false), "\(path)")
        }
        #expect(
            !agent.directory.isReserved(agent.directory.path + "/memories/bridges/Golden Gate.md", hiddenToo: false))
        // Also where the notes are the whole folder.
        for vault in [agent.directory.memories, agent.directory.path] {
            let folder = BackupFolder(name: "vault/", place: vault, without: agent.directory)
            let paths = folder.find().map(\.path)
            #expect(paths.contains { $0.hasSuffix("Golden Gate.md") })
            #expect(!paths.contains { $0.contains(".bridge-device-") || $0.hasSuffix("telegram.db") }, "\(paths)")
        }
    }
}
