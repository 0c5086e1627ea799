import Foundation
import NIOCore
import Synchronization
import Testing

@testable import Certs
@testable import Store
@testable import Transport

// P-44 and P-20: what somebody in the middle of a join sees, and what they can do.

/// Finds any of many byte strings in a recording at once.
struct Traces {
    private static let window = 10
    private let recorded: [[UInt8]]
    private var windows: Set<ArraySlice<UInt8>> = []

    init(_ recorded: [[UInt8]]) {
        self.recorded = recorded
        for bytes in recorded where bytes.count >= Self.window {
            for start in 0...bytes.count - Self.window { windows.insert(bytes[start..<start + Self.window]) }
        }
    }

    var byteCount: Int { recorded.reduce(0) { $0 + $1.count } }

    /// Whether any piece of `secret` that is long enough to mean something is there.
    func contain(_ secret: [UInt8]) -> Bool {
        guard secret.count > Self.window else {
            return recorded.contains { Data($0).range(of: Data(secret)) != nil }
        }
        return (0...secret.count - Self.window).contains { windows.contains(secret[$0..<$0 + Self.window]) }
    }

    /// Everything that somebody could compute from a code and look for.
    static func forms(ofCode code: String) -> [[UInt8]] {
        let texts = [code, code.uppercased(), InviteCode.display(code), Coordinator.invitationID(code)]
        let digest = SHA256.digest(Array(code.utf8))
        return texts.map { Array($0.utf8) } + [digest, Array(Base16.encode(digest).utf8)]
            + [Array(Base16.encode(Array(code.utf8)).utf8)]
    }
}

@Suite(.timeLimit(.minutes(1))) struct JoinSecrecyTests {
    static let password = "correct horse battery staple"

    /// Joins through a relay that keeps what it sees.
    static func recordedJoin(
        _ server: CoordinatorServer, home: ClientHome, code: String
    ) async throws -> [[UInt8]] {
        let relay = try await RecordingRelay(to: try #require(server.endpoint.localAddresses.first))
        let endpoint = try await CoordinatorServer.endpoint(home.identity())
        let invitation = try await server.network.repository.read { try $0.invitation(code) }
        var ticket = server.network.coordinator.ticket(for: try #require(invitation), addresses: [])
        ticket.addresses = [try relay.address.hostAndPort]
        let joining = try Joining(home: home, label: "laptop", now: { [clock = server.network.clock] in clock.now })
        _ = try await joining.join(ticket, handle: "alice", password: Password(Self.password), endpoint: endpoint)
        await endpoint.close()
        try await relay.close()
        return relay.recorded
    }

    @Test("P-44, P-20: a recorded join holds no code, password, verifier, proof or key, and tells no code from another")
    func aRecordedJoinTellsNothing() async throws {
        try await CoordinatorServer.run { server in
            // Somebody knows all of the code but twelve bits.
            let prefix = "abcdefghijklmnopq"
            let digits = Array("abcdefghijklmnopqrstuvwxyz234567")
            let candidates = (0..<4_096).map {
                prefix + String([digits[$0 >> 7], digits[$0 >> 2 & 31], digits[$0 & 3]])
            }
            let code = candidates[2_749]
            let network = server.network
            try await network.repository.write { transaction in
                try transaction.insertInvitation(
                    Invitation(
                        code: code, role: .user, createdBy: nil, bindTo: nil, usesLeft: 1,
                        expiresAt: network.clock.now + 60, createdAt: 1))
            }
            let home = try ClientHome(path: network.directory.path + "/user")
            let recorded = try await Self.recordedJoin(server, home: home, code: code)
            let traces = Traces(recorded)
            #expect(traces.byteCount > 3_000, "the relay saw a join")

            let user = try #require(try await network.repository.read { try $0.user("alice") })
            let verifier = Array(user.pakeRecord.dropFirst(1 + Int(user.pakeRecord[0])))
            let joined = try #require(try home.networks.load().networks.first)
            let certificate = try #require(try home.certificate(for: joined))
            let secrets: [(String, [UInt8])] = [
                ("the password", Array(Self.password.utf8)), ("the verifier", verifier),
                ("the record", user.pakeRecord),
                ("the device's key", [UInt8](try Data(contentsOf: URL(fileURLWithPath: home.identityPath)))),
                ("the coordinator's key", network.identity.seed),
                ("the certificate's signature", Array(certificate.wire.suffix(64))),
                ("the handle in a call", Array("handlealice".utf8)), ("a method", Array("login_finish".utf8)),
            ]
            let seen = secrets.filter { traces.contain($0.1) }.map(\.0)
            #expect(seen.isEmpty)
            let matching = candidates.filter { code in Traces.forms(ofCode: code).contains(where: traces.contain) }
            #expect(matching.isEmpty, "\(matching)")

            // The same search finds the one code in what is inside the encryption.
            let inside = Traces([
                RPCRequest(id: .null, method: "register", parameters: ["invite": .text(code)]).encoded
            ])
            let found = candidates.filter { code in Traces.forms(ofCode: code).contains(where: inside.contain) }
            #expect(found.contains(code))
        }
    }

    @Test("P-20: what is left on disk is of its owner only, and a key that others may read starts nothing")
    func whatIsLeftOnDiskIsPrivate() async throws {
        try await CoordinatorServer.run { server in
            let network = server.network
            let code = try await network.invitation(.user).code
            let home = try ClientHome(path: network.directory.path + "/user")
            _ = try await Self.recordedJoin(server, home: home, code: code)
            let key = try Data(contentsOf: URL(fileURLWithPath: home.identityPath))
            let certificate = home.certificatePath(networkID: network.coordinator.network.networkID, handle: "alice")
            for path in [
                home.identityPath, certificate, home.path + "/networks.toml", network.directory.path + "/openagent.db",
                network.directory.path + "/openagent.db-wal",
            ] {
                let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? NSNumber
                #expect(mode?.intValue == 0o600, "\(path)")
                guard path != home.identityPath else { continue }
                let content = try Data(contentsOf: URL(fileURLWithPath: path))
                #expect(content.range(of: key) == nil, "\(path) holds the device's key")
                #expect(content.range(of: Data(Self.password.utf8)) == nil, "\(path) holds the password")
            }
            try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: home.identityPath)
            #expect(throws: SecretKeyError.self) { try home.identity() }
            #expect(throws: SecretKeyError.self) { try Joining(home: home, label: nil, now: { 0 }) }
            #expect(try Data(contentsOf: URL(fileURLWithPath: home.identityPath)) == key, "refused, not repaired")
        }
    }

    /// Somebody who answers in the coordinator's place with a key of their own, and what they got to see.
    final class Impostor: Sendable {
        private let state = Mutex((streams: 0, connections: 0))
        var streams: Int { state.withLock(\.streams) }

        func run(_ body: (Endpoint) async throws -> Void) async throws {
            let endpoint = try await CoordinatorServer.endpoint(SecretKey(), alpns: [ALPN.coordinator])
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    await withDiscardingTaskGroup { group in
                        for await connection in endpoint.connections {
                            group.addTask {
                                for await _ in connection.streams { self.state.withLock { $0.streams += 1 } }
                            }
                        }
                    }
                }
                let result: Result<Void, any Error>
                do { result = .success(try await body(endpoint)) } catch { result = .failure(error) }
                await endpoint.close()
                try await group.waitForAll()
                try result.get()
            }
        }
    }

    @Test("P-44: keys that are swapped on the way end a join before anything is said")
    func swappedKeysEndAJoinBeforeAnythingIsSaid() async throws {
        try await CoordinatorServer.run { server in
            let network = server.network
            let impostor = Impostor()
            try await impostor.run { endpoint in
                let invitation = try await network.invitation(.user)
                let genuine = network.coordinator.ticket(
                    for: invitation, addresses: server.endpoint.localAddresses)
                let relay = try await RecordingRelay(to: try #require(endpoint.localAddresses.first))
                // Somebody answers at the coordinator's address, or in the middle of the way to it, with their own key;
                // or the key in the ticket was swapped, and the address is the coordinator's.
                var atAddress = genuine
                atAddress.addresses = endpoint.localAddresses.map(\.hostAndPort)
                var inTheMiddle = genuine
                inTheMiddle.addresses = [try relay.address.hostAndPort]
                var swapped = genuine
                swapped.node = endpoint.nodeID
                for ticket in [atAddress, inTheMiddle, swapped] {
                    let home = try ClientHome(
                        path: network.directory.path + "/user\(Int.random(in: 0..<1_000_000_000))")
                    let dialler = try await CoordinatorServer.endpoint(home.identity())
                    let joining = try Joining(home: home, label: nil, now: { network.clock.now })
                    do {
                        _ = try await joining.join(
                            ticket, handle: "alice", password: Password(Self.password), endpoint: dialler)
                        Issue.record("joined through an impostor")
                    } catch ConnectError.wrongKey(let expected, let met) {
                        #expect(expected == ticket.node && met != ticket.node)
                    }
                    await dialler.close()
                    #expect(try home.networks.load().networks.isEmpty)
                }
                #expect(impostor.streams == 0, "no call began")
                let traces = Traces(relay.recorded)
                #expect(traces.byteCount > 1_000)
                let showsCode = Traces.forms(ofCode: invitation.code).contains(where: traces.contain)
                #expect(!showsCode)
                try await relay.close()
                #expect(try await network.repository.read { try $0.invitation(invitation.code) } == invitation)
                #expect(try await network.coordinator.users().isEmpty)

                // The genuine ticket still works.
                let home = try ClientHome(path: network.directory.path + "/user")
                let traffic = try await Self.recordedJoin(server, home: home, code: invitation.code)
                #expect(!traffic.isEmpty)
            }
        }
    }

    @Test("P-44: somebody who takes over the way in mid-join learns and changes nothing")
    func aWayThatIsTakenOverInMidJoinEndsTheJoin() async throws {
        try await CoordinatorServer.run { server in
            let network = server.network
            let impostor = Impostor()
            try await impostor.run { endpoint in
                let relay = try await RecordingRelay(to: try #require(server.endpoint.localAddresses.first))
                let key = SecretKey()
                let dialler = try await CoordinatorServer.endpoint(key)
                let connection = try await dialler.connect(
                    to: NodeAddress(nodeID: network.identity.nodeID, addresses: [try relay.address]),
                    alpn: ALPN.coordinator)
                _ = try await CoordinatorClient(connection: connection).networkInfo()
                relay.redirect(to: try #require(endpoint.localAddresses.first))
                let code = try await network.invitation(.user).code
                let client = CoordinatorClient(connection: connection, timeout: .seconds(1))
                await #expect(throws: CoordinatorClientError.self) {
                    try await client.register(invite: code, handle: "alice", password: Password(Self.password))
                }
                #expect(impostor.streams == 0)
                let showsCode = Traces.forms(ofCode: code).contains(where: Traces(relay.recorded).contain)
                #expect(!showsCode)
                await dialler.close()
                try await relay.close()
            }
        }
    }
}
