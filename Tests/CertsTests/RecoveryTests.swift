import Foundation
import Synchronization
import Testing

@testable import Certs
@testable import Store
@testable import Transport

// Whatever a device loses, it gets back in by what its user can do, and nothing is left half done on the way.

/// Loses the connection once, at a certain call, before or after the coordinator has carried it out.
final class InterruptedExchange: RPCExchange {
    private let inner: DirectExchange
    private let failing: Int
    private let isDelivered: Bool
    private let calls = Mutex(0)

    init(_ inner: DirectExchange, failing: Int, isDelivered: Bool) {
        self.inner = inner
        self.failing = failing
        self.isDelivered = isDelivered
    }

    var coordinator: NodeID { inner.coordinator }
    /// How many calls were made.
    var count: Int { calls.withLock { $0 } }

    func exchange(_ message: [UInt8]) async throws -> [UInt8] {
        let number = calls.withLock { calls in
            calls += 1
            return calls - 1
        }
        guard number == failing else { return try await inner.exchange(message) }
        if isDelivered { _ = try await inner.exchange(message) }
        throw CoordinatorClientError.connectionLost("the test pulled the plug")
    }
}

@Suite struct RecoveryTests {
    /// What can happen to a certificate's file.
    enum Loss: CaseIterable { case gone, garbage, empty, ofAnotherKey, ofAnotherCoordinator }

    /// Where a join is interrupted.
    enum Step: CustomTestStringConvertible {
        case call(Int, delivered: Bool)
        case storingTheCertificate
        case storingTheRow

        static let all: [Step] =
            (0..<4).flatMap { [.call($0, delivered: false), .call($0, delivered: true)] } + [
                .storingTheCertificate, .storingTheRow,
            ]

        var testDescription: String {
            switch self {
            case .call(let number, let delivered): "call \(number) \(delivered ? "lost on the way back" : "not sent")"
            case .storingTheCertificate: "the certificate cannot be stored"
            case .storingTheRow: "the row cannot be stored"
            }
        }
    }

    let network: TestNetwork
    let home: ClientHome
    init() throws {
        network = try TestNetwork()
        home = try ClientHome(path: network.directory.path + "/user")
    }

    func joining(_ key: SecretKey? = nil) throws -> Joining {
        try Joining(home: home, label: "laptop", key: key, now: { [clock = network.clock] in clock.now })
    }

    func ticket(_ role: InviteRole, bindTo: String? = nil) async throws -> InviteTicket {
        network.coordinator.ticket(for: try await network.invitation(role, bindTo: bindTo), addresses: [])
    }

    func join(_ ticket: InviteTicket, key: SecretKey? = nil, password: String = "x") async throws -> JoinResult {
        let peer = try (key ?? home.identity()).nodeID
        return try await joining(key).join(
            ticket, handle: "alice", password: Password(password), through: network.client(as: peer), reached: nil)
    }

    func login(_ row: JoinedNetwork) async throws -> JoinResult {
        try await joining().login(
            row, password: Password("x"), through: network.client(as: try home.identity().nodeID), reached: nil)
    }

    func credential() throws -> StoredCredential {
        let row = try #require(try home.networks.load().networks.first)
        return try home.credential(for: row, device: try home.identity().nodeID, now: network.clock.now)
    }

    /// Joins with `ticket` while `step` goes wrong.
    func joinInterrupted(at step: Step, ticket: InviteTicket, key: SecretKey? = nil) async throws {
        let peer = try (key ?? home.identity()).nodeID
        let direct = DirectExchange(server: network.coordinator, peer: peer)
        var obstacle: String?
        var exchange: any RPCExchange = direct
        switch step {
        case .call(let number, let delivered):
            exchange = InterruptedExchange(direct, failing: number, isDelivered: delivered)
        case .storingTheCertificate:
            obstacle = home.certificatePath(networkID: ticket.networkID, handle: "alice")
        case .storingTheRow: obstacle = home.networks.path + ".lock"
        }
        let before = obstacle.flatMap { FileManager.default.contents(atPath: $0) }
        if let obstacle {
            try? FileManager.default.removeItem(atPath: obstacle)
            try FileManager.default.createDirectory(atPath: obstacle + "/x", withIntermediateDirectories: true)
        }
        await #expect(throws: (any Error).self) {
            try await joining(key).join(
                ticket, handle: "alice", password: Password("x"), through: CoordinatorClient(exchange: exchange),
                reached: nil)
        }
        if let obstacle {
            try FileManager.default.removeItem(atPath: obstacle)
            if let before { try PrivateFile.replace(obstacle, with: Array(before)) }
        }
    }

    // MARK: Lost certificate

    @Test(arguments: Loss.allCases) func aLostCertificateComesBackWithThePassword(_ loss: Loss) async throws {
        let row = try await join(try await ticket(.user)).network
        let file = row.certificatePath
        switch loss {
        case .gone: try FileManager.default.removeItem(atPath: file)
        case .garbage: try PrivateFile.replace(file, with: Array("garbage".utf8))
        case .empty: try PrivateFile.replace(file, with: [])
        case .ofAnotherKey, .ofAnotherCoordinator:
            let signer = loss == .ofAnotherKey ? network.identity : SecretKey()
            let foreign = DeviceCertificate.issue(
                handle: "alice", deviceKey: SecretKey().nodeID, networkID: row.networkID, issuedAt: network.clock.now,
                signedBy: signer)
            try PrivateFile.replace(file, with: foreign.wire)
        }
        #expect(try credential().certificate == nil)
        let again = try await login(row)
        #expect(try credential() == .usable(again.certificate))
        #expect(try home.networks.load().networks == [again.network])
        #expect(try await network.coordinator.devices().count == 1)
    }

    @Test func theCredentialSaysWhatIsWrong() async throws {
        let result = try await join(try await ticket(.user))
        let (row, device) = (result.network, try home.identity().nodeID)
        func credential(_ now: Double) throws -> StoredCredential {
            try home.credential(for: row, device: device, now: now)
        }
        let certificate = result.certificate
        #expect(try credential(certificate.expiresAt - 1) == .usable(certificate))
        #expect(try credential(certificate.expiresAt) == .expired(certificate))
        let skew = DeviceCertificate.clockSkew
        #expect(try credential(certificate.issuedAt - skew) == .usable(certificate))
        #expect(try credential(certificate.issuedAt - skew - 1) == .notYetValid(certificate))
        #expect(
            try home.credential(for: row, device: SecretKey().nodeID, now: certificate.expiresAt) == .otherKey)
        var other = row
        other.handle = "bob"
        #expect(try home.credential(for: other, device: device, now: network.clock.now) == .foreign)
        other = row
        other.networkID = "00"
        #expect(try home.credential(for: other, device: device, now: network.clock.now) == .foreign)
        other.certificatePath = ""
        #expect(try home.credential(for: other, device: device, now: network.clock.now) == .missing)
    }

    // MARK: Interrupted joins

    @Test(arguments: Step.all) func anInterruptedJoinGoesOnWithTheSameTicket(_ step: Step) async throws {
        let ticket = try await ticket(.user)
        try await joinInterrupted(at: step, ticket: ticket)
        let result = try await join(ticket)
        #expect(try home.networks.load().networks == [result.network])
        #expect(try credential() == .usable(result.certificate))
        #expect(try await network.coordinator.users().map(\.handle) == ["alice"])
        #expect(try await network.coordinator.devices().map(\.key) == [try home.identity().nodeID.bytes])
    }

    @Test(arguments: Step.all) func aDeviceThatLostItsKeyJoinsAgainByADeviceTicket(_ step: Step) async throws {
        let first = try await join(try await ticket(.user))
        try FileManager.default.removeItem(atPath: home.identityPath)
        #expect(try credential() == .otherKey)
        await expectRefusal(.invalidInvite) { try await login(first.network) }

        let ticket = try await ticket(.device, bindTo: "alice")
        // One call fewer than with a user's ticket: nobody registers.
        if case .call(3, _) = step { return }
        try await joinInterrupted(at: step, ticket: ticket)
        let result = try await join(ticket)
        #expect(result.certificate.deviceKey != first.certificate.deviceKey)
        #expect(try home.networks.load().networks == [result.network])
        #expect(result.network.addedAt == first.network.addedAt)
        #expect(try credential() == .usable(result.certificate))
        #expect(try await network.coordinator.devices().count == 2)
    }

    @Test func whoWasRemovedAndInvitedAgainJoinsOverTheOldRow() async throws {
        _ = try await network.addUser("root", device: SecretKey().nodeID)
        _ = try await join(try await ticket(.user))
        try await network.coordinator.removeUser("alice", by: .operator)
        let result = try await join(try await ticket(.user), password: "another one")
        #expect(try home.networks.load().networks == [result.network])
        await expectRefusal(.unauthorized) { try await join(try await ticket(.user), password: "wrong") }
    }

    // MARK: Revoked key

    @Test func aRevokedDeviceComesBackWithANewKey() async throws {
        let first = try await join(try await ticket(.user))
        let old = try home.identity().nodeID
        _ = try await network.coordinator.revokeDevice(old, by: .operator)
        await expectRefusal(.revoked) { try await login(first.network) }
        let ticket = try await ticket(.device, bindTo: "alice")
        await expectRefusal(.revoked) { try await join(ticket) }

        let fresh = try home.pendingIdentity()
        let result = try await join(ticket, key: fresh)
        #expect(try home.identity().nodeID == old, "the old key stays until the new one is in")
        let kept = try #require(try home.adoptPendingIdentity(now: 1_780_000_000))
        #expect(kept == home.identityPath + ".revoked-2026-05-28")
        #expect(try home.identity().nodeID == fresh.nodeID)
        #expect(try SecretKey.load(path: kept).nodeID == old)
        #expect(try mode(of: kept) == 0o600)
        #expect(!FileManager.default.fileExists(atPath: home.pendingIdentityPath))
        #expect(try credential() == .usable(result.certificate))
        #expect(try home.networks.load().networks == [result.network])
    }

    @Test(arguments: Step.all) func aJoinWithANewKeyGoesOnWithThatKey(_ step: Step) async throws {
        if case .call(3, _) = step { return }
        _ = try await join(try await ticket(.user))
        let old = try home.identity().nodeID
        _ = try await network.coordinator.revokeDevice(old, by: .operator)
        let ticket = try await ticket(.device, bindTo: "alice")
        try await joinInterrupted(at: step, ticket: ticket, key: try home.pendingIdentity())
        #expect(try home.identity().nodeID == old)
        let result = try await join(ticket, key: try home.pendingIdentity())
        _ = try home.adoptPendingIdentity(now: network.clock.now)
        #expect(try credential() == .usable(result.certificate))
        let keys = try await network.coordinator.devices().map(\.key)
        #expect(Set(keys) == [old.bytes, try home.identity().nodeID.bytes])
    }

    @Test func aPendingKeyThatWasRevokedTooIsReplacedByAnother() async throws {
        _ = try await join(try await ticket(.user))
        let ticket = try await ticket(.device, bindTo: "alice")
        let first = try home.pendingIdentity()
        _ = try await join(ticket, key: first)
        _ = try await network.coordinator.revokeDevice(first.nodeID, by: .operator)
        await expectRefusal(.revoked) { try await join(ticket, key: try home.pendingIdentity()) }
        home.discardPendingIdentity()
        let second = try home.pendingIdentity()
        #expect(second.nodeID != first.nodeID)
        let fresh = try await self.ticket(.device, bindTo: "alice")
        #expect(try await join(fresh, key: second).certificate.deviceKey == second.nodeID)
    }

    @Test func keysThatWereSetAsideAreNeverOverwritten() throws {
        let first = try home.identity().nodeID
        _ = try home.pendingIdentity()
        let one = try #require(try home.adoptPendingIdentity(now: 0))
        let second = try home.identity().nodeID
        _ = try home.pendingIdentity()
        let two = try #require(try home.adoptPendingIdentity(now: 0))
        #expect(one != two)
        #expect(try SecretKey.load(path: one).nodeID == first)
        #expect(try SecretKey.load(path: two).nodeID == second)
        // A device that lost its key has nothing to set aside.
        try FileManager.default.removeItem(atPath: home.identityPath)
        let third = try home.pendingIdentity().nodeID
        #expect(try home.adoptPendingIdentity(now: 0) == nil)
        #expect(try home.identity().nodeID == third)
    }
}
