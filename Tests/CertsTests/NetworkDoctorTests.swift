import Foundation
import Logging
import NIOCore
import Testing

@testable import Certs
@testable import Store
@testable import Transport

// Each thing that the doctor can find is made to be so, with a real coordinator on 127.0.0.1.

/// A joined device, its coordinator and its gateway.
struct DoctorWorld: Sendable {
    let network: TestNetwork
    let endpoint: Endpoint
    let home: ClientHome
    let row: JoinedNetwork
    let certificate: DeviceCertificate

    static func run(_ body: (DoctorWorld) async throws -> Void) async throws {
        let network = try TestNetwork()
        let endpoint = try await CoordinatorServer.endpoint(
            network.identity, alpns: [ALPN.gateway, ALPN.coordinator])
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                await withDiscardingTaskGroup { group in
                    for await connection in endpoint.connections where connection.alpn == ALPN.coordinator {
                        group.addTask { await network.coordinator.serve(connection) }
                    }
                }
            }
            let result: Result<Void, any Error>
            do { result = .success(try await body(DoctorWorld(network, endpoint))) } catch { result = .failure(error) }
            await endpoint.close()
            try await group.waitForAll()
            try result.get()
        }
    }

    private init(_ network: TestNetwork, _ endpoint: Endpoint) async throws {
        self.network = network
        self.endpoint = endpoint
        home = try ClientHome(path: network.directory.path + "/user")
        let ticket = network.coordinator.ticket(
            for: try await network.invitation(.user), addresses: endpoint.localAddresses)
        let clock = network.clock
        let result = try await Joining(home: home, label: nil, now: { clock.now }).join(
            ticket, handle: "alice", password: Password("x"),
            through: network.client(as: try home.identity().nodeID), reached: nil)
        (row, certificate) = (result.network, result.certificate)
    }

    /// - Parameter offset: seconds by which this device's clock is ahead of the coordinator's.
    func doctor(clock offset: Double = 0) -> NetworkDoctor {
        NetworkDoctor(
            home: home, now: { [clock = network.clock] in clock.now + offset },
            bind: { try await CoordinatorServer.endpoint($0) }, timeout: .seconds(2))
    }

    func examine(
        agent: String? = nil, clock offset: Double = 0, address: SocketAddress? = nil
    ) async throws -> Diagnosis {
        let row = try #require(home.networks.load().networks.first)
        return try await doctor(clock: offset).examine(NetworkPlace(network: row, agent: agent), address: address)
    }

    func change(_ body: (inout JoinedNetwork) -> Void) throws {
        _ = try home.networks.update { body(&$0.networks[0]) }
    }
}

/// The codes of what has to be done.
func problems(_ diagnosis: Diagnosis) -> [Finding.Code] { diagnosis.findings.filter(\.isProblem).map(\.code) }

@Suite(.timeLimit(.minutes(1))) struct NetworkDoctorTests {
    /// Expects one problem with a fix that says what to type.
    func expect(
        _ diagnosis: Diagnosis, _ code: Finding.Code, fix: String, message: String = "",
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(problems(diagnosis) == [code], "\(diagnosis)", sourceLocation: sourceLocation)
        #expect(!diagnosis.isHealthy, sourceLocation: sourceLocation)
        let finding = diagnosis.findings.first
        #expect(finding?.fix?.contains(fix) == true, "\(diagnosis)", sourceLocation: sourceLocation)
        #expect(
            message.isEmpty || finding?.message.contains(message) == true, "\(diagnosis)",
            sourceLocation: sourceLocation)
    }

    @Test func aHealthyDeviceHasNothingToDo() async throws {
        try await DoctorWorld.run { world throws in
            let diagnosis = try await world.examine()
            #expect(diagnosis.findings.isEmpty && diagnosis.isHealthy)
            #expect(diagnosis.network == "alice@homelab")
            #expect(diagnosis.coordinatorAddress == world.endpoint.localAddresses[0].hostAndPort)
            #expect(try await world.examine(agent: "homelab").isHealthy)
        }
    }

    @Test func withoutANetworkTheTicketIsWhatIsMissing() {
        expect(NetworkDoctor.noNetwork, .noNetwork, fix: "openagent join")
    }

    // MARK: This device

    @Test func aKeyThatIsGoneOrOpenOrDamagedIsNamed() async throws {
        try await DoctorWorld.run { world throws in
            let path = world.home.identityPath
            let key = try #require(try PrivateFile.read(path))
            try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
            expect(try await world.examine(), .keyReadableByOthers, fix: "chmod 600 \(path)")
            try PrivateFile.replace(path, with: Array(key.dropLast()))
            expect(try await world.examine(), .keyDamaged, fix: "openagent join oa1… --new-key")
            try FileManager.default.removeItem(atPath: path)
            expect(try await world.examine(), .keyMissing, fix: "openagent devices invite")
            #expect(!FileManager.default.fileExists(atPath: path), "the doctor makes no key")
            try PrivateFile.replace(path, with: key)
            #expect(try await world.examine().isHealthy)
        }
    }

    @Test func aCertificateThatIsGoneOrDamagedOrForeignIsNamed() async throws {
        try await DoctorWorld.run { world throws in
            let file = world.row.certificatePath
            func store(_ key: NodeID, network: String, signer: SecretKey) throws {
                let certificate = DeviceCertificate.issue(
                    handle: "alice", deviceKey: key, networkID: network, issuedAt: world.network.clock.now,
                    signedBy: signer)
                try PrivateFile.replace(file, with: certificate.wire)
            }
            let (device, signer) = (world.certificate.deviceKey, world.network.identity)
            let login = "openagent connect alice@homelab"
            try FileManager.default.removeItem(atPath: file)
            expect(try await world.examine(), .noCertificate, fix: login)
            try PrivateFile.replace(file, with: Array("garbage".utf8))
            expect(try await world.examine(), .certificateDamaged, fix: login)
            try store(device, network: world.row.networkID, signer: SecretKey())
            expect(try await world.examine(), .certificateDamaged, fix: login)
            try store(device, network: "00", signer: signer)
            expect(try await world.examine(), .certificateOfAnotherNetwork, fix: login)
            try store(SecretKey().nodeID, network: world.row.networkID, signer: signer)
            expect(try await world.examine(), .certificateOfAnotherKey, fix: "openagent devices invite")
        }
    }

    @Test func anExpiredCertificateAsksForThePassword() async throws {
        try await DoctorWorld.run { world throws in
            world.network.clock.advance(DeviceCertificate.lifetime)
            expect(try await world.examine(), .expired, fix: "openagent connect alice@homelab")
        }
    }

    @Test func aCertificateThatIsDueIsRenewed() async throws {
        try await DoctorWorld.run { world throws in
            world.network.clock.advance(DeviceCertificate.lifetime / 2)
            let diagnosis = try await world.examine()
            #expect(diagnosis.isHealthy && diagnosis.findings.map(\.code) == [.renewed])
            #expect(try world.home.certificate(for: world.row)?.issuedAt == world.network.clock.now)
            #expect(try await world.examine().findings.isEmpty)
        }
    }

    // MARK: Clocks

    @Test(arguments: [-40 * 86_400, -61, 61, 40 * 86_400] as [Double])
    func aClockThatIsOffIsFoundAndNothingElseIsBlamed(_ offset: Double) async throws {
        try await DoctorWorld.run { world throws in
            expect(
                try await world.examine(clock: offset), .clockOff, fix: "timedatectl",
                message: offset > 0 ? "ahead of" : "behind")
        }
    }

    @Test func aSmallDifferenceOfClocksIsNotWorthAWord() async throws {
        try await DoctorWorld.run { world throws in
            #expect(try await world.examine(clock: -55).findings.isEmpty)
            #expect(try await world.examine(clock: 55).findings.isEmpty)
        }
    }

    @Test func aSlowClockIsSuspectedAlsoWhenNobodyCanBeAsked() async throws {
        try await DoctorWorld.run { world throws in
            await world.endpoint.close()
            let diagnosis = try await world.examine(clock: -3_600)
            #expect(problems(diagnosis) == [.unreachable, .certificateNotYetValid])
        }
    }

    // MARK: The coordinator

    @Test func anotherNetworkAtTheSameCoordinatorIsTold() async throws {
        try await DoctorWorld.run { world throws in
            try world.change { $0.networkID = "00" }
            expect(try await world.examine(), .otherNetwork, fix: "openagent networks forget alice@homelab")
        }
    }

    @Test func aCoordinatorThatMovedIsFoundByItsNewAddress() async throws {
        try await DoctorWorld.run { world throws in
            let stranger = try await CoordinatorServer.endpoint(SecretKey(), alpns: [ALPN.coordinator])
            let there = world.endpoint.localAddresses[0]
            try world.change { $0.coordinatorAddresses = stranger.localAddresses.map(\.hostAndPort) }
            expect(
                try await world.examine(), .coordinatorMoved, fix: "openagent network doctor alice@homelab --address",
                message: stranger.localAddresses[0].hostAndPort)
            let found = try await world.examine(address: there)
            #expect(found.isHealthy && found.findings.map(\.code) == [.addressRemembered])
            #expect(try world.home.networks.load().networks[0].coordinatorAddresses.first == there.hostAndPort)
            #expect(try await world.examine().findings.isEmpty)
            await stranger.close()
        }
    }

    @Test func anUnreachableCoordinatorIsToldWithTheAddressesThatWereTried() async throws {
        try await DoctorWorld.run { world throws in
            await world.endpoint.close()
            let tried = try #require(world.row.coordinatorAddresses.first)
            expect(try await world.examine(), .unreachable, fix: "openagent status", message: tried)
            let other = try SocketAddress(hostAndPort: "127.0.0.1:9")
            let diagnosis = try await world.examine(address: other)
            expect(diagnosis, .unreachable, fix: "--address", message: "127.0.0.1:9")
            #expect(try world.home.networks.load().networks == [world.row], "what does not answer is not remembered")
            try world.change { $0.coordinatorAddresses = [] }
            expect(try await world.examine(), .unreachable, fix: "--address", message: "no address is known")
        }
    }

    @Test func aNodeThatCoordinatesNothingIsTold() async throws {
        try await DoctorWorld.run { world throws in
            await world.endpoint.close()
            let retired = try await CoordinatorServer.endpoint(world.network.identity, alpns: [ALPN.gateway])
            try world.change { $0.coordinatorAddresses = retired.localAddresses.map(\.hostAndPort) }
            expect(try await world.examine(), .coordinatorMoved, fix: "openagent join oa1…")
            await retired.close()
        }
    }

    // MARK: Standing

    @Test func aRevokedDeviceIsToldToJoinWithANewKey() async throws {
        try await DoctorWorld.run { world throws in
            _ = try await world.network.coordinator.revokeDevice(world.certificate.deviceKey, by: .operator)
            expect(try await world.examine(), .revoked, fix: "openagent join oa1… --new-key")
        }
    }

    @Test func aSuspendedUserIsToldWhoCanEndThat() async throws {
        try await DoctorWorld.run { world throws in
            _ = try await world.network.addUser("root", device: SecretKey().nodeID)
            _ = try await world.network.coordinator.setRole(.admin, of: "root", by: .operator)
            _ = try await world.network.coordinator.setStatus(.suspended, of: "alice", by: .operator)
            expect(try await world.examine(), .suspended, fix: "openagent users resume alice")
        }
    }

    @Test func aDeviceThatTheNetworkDoesNotKnowIsTold() async throws {
        try await DoctorWorld.run { world throws in
            _ = try await world.network.addUser("root", device: SecretKey().nodeID)
            _ = try await world.network.coordinator.setRole(.admin, of: "root", by: .operator)
            try await world.network.coordinator.removeUser("alice", by: .operator)
            expect(try await world.examine(), .notInNetwork, fix: "openagent join oa1…")
        }
    }

    // MARK: Agents

    @Test func anAgentThatIsAwayIsAProblemOnlyForWhoAsksForIt() async throws {
        try await DoctorWorld.run { world throws in
            let key = SecretKey()
            let gateway = try await CoordinatorServer.endpoint(key, alpns: [ALPN.gateway])
            _ = try await world.network.client(as: key.nodeID).agentLogin(
                invite: try await world.network.invitation(.agent).code, handle: "work-agent", node: key.nodeID,
                addresses: gateway.localAddresses.map(\.hostAndPort))
            #expect(try await world.examine(agent: "work-agent").findings.isEmpty)
            await gateway.close()
            expect(
                try await world.examine(agent: "work-agent"), .agentUnreachable, fix: "openagent status",
                message: gateway.localAddresses[0].hostAndPort)
            let diagnosis = try await world.examine()
            #expect(diagnosis.isHealthy && diagnosis.findings.map(\.code) == [.agentUnreachable])
            expect(try await world.examine(agent: "nobody"), .agentUnknown, fix: "homelab, work-agent")
        }
    }
}
