import Foundation
import Synchronization
import Testing

@testable import Certs
@testable import Store
@testable import Transport

func mode(of path: String) throws -> Int {
    try #require(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? NSNumber).intValue
}

@Suite struct ClientHomeTests {
    let directory: TemporaryDirectory
    init() throws { directory = try TemporaryDirectory() }

    func row(_ name: String = "homelab", id: String = "6f1d", handle: String = "alice") -> JoinedNetwork {
        JoinedNetwork(
            name: name, networkID: id, coordinator: SecretKey().nodeID, handle: handle, addedAt: 1_780_000_000.5,
            certificatePath: "/tmp/x.cert", lastLoginAt: 1_780_000_001, coordinatorRelayURL: "https://relay.example/",
            coordinatorAddresses: ["192.0.2.7:4433", "[::1]:5"])
    }

    @Test(arguments: [
        (["OPENAGENT_HOME": "/x/y", "HOME": "/h", "XDG_CONFIG_HOME": "/c"], "/x/y"),
        (["HOME": "/h", "XDG_CONFIG_HOME": "/c"], "/c/openagent"),
        (["HOME": "/h", "XDG_CONFIG_HOME": "relative"], "/h/.openagent"),
        (["HOME": "/h", "OPENAGENT_HOME": "", "XDG_CONFIG_HOME": ""], "/h/.openagent"),
    ])
    func theEnvironmentChoosesThePlace(_ environment: [String: String], _ place: String) throws {
        #expect(try UserDirectory.path(environment: environment) == place)
    }

    @Test func thisDevicesStateIsBelowTheUsersFolder() throws {
        let base = directory.path + "/own"
        #expect(try ClientHome(environment: ["OPENAGENT_HOME": base]).path == base + "/user")
        #expect(throws: ClientHomeError.noHome) { try ClientHome(environment: [:]) }
    }

    @Test func everythingIsOfItsOwnerOnly() throws {
        let home = try ClientHome(path: directory.path + "/user")
        _ = try home.identity()
        _ = try home.networks.update { $0.networks = [row()] }
        let certificate = try CertificateTests.issue()
        let file = try home.store(certificate)
        #expect(try mode(of: home.path) == 0o700)
        #expect(try mode(of: home.path + "/certs") == 0o700)
        for path in [home.identityPath, home.networks.path, file] { #expect(try mode(of: path) == 0o600, "\(path)") }
        let left = try FileManager.default.subpathsOfDirectory(atPath: home.path).filter { $0.hasSuffix(".new") }
        #expect(left.isEmpty)
    }

    @Test func aDirectoryThatOthersMayEnterIsClosed() throws {
        let path = directory.path + "/user"
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
        _ = try ClientHome(path: path)
        #expect(try mode(of: path) == 0o700)
    }

    @Test func certificateNamesCannotLeaveTheirDirectory() throws {
        let home = try ClientHome(path: directory.path + "/user")
        let file = home.certificatePath(networkID: "../../etc/x", handle: "zoë/..\u{0}")
        #expect(file == home.path + "/certs/______etc_x__zo_____.cert")
    }

    @Test func networksComeBackAsTheyWereStored() throws {
        let file = try ClientHome(path: directory.path + "/user").networks
        #expect(try file.load() == JoinedNetworks())
        let rows = [row(), row("work \"quoted\"", id: "77", handle: "zoë")]
        let written = try file.update { networks in
            networks.networks = rows
            networks.activeNetwork = "homelab"
            networks.activeAgent = "my-agent"
        }
        #expect(try file.load() == written)
        #expect(try file.load().networks == rows)
        let text = try String(contentsOfFile: file.path, encoding: .utf8)
        #expect(text.contains("schema_version = 1"))
        #expect(text.contains("[[networks]]"))
        #expect(
            text.contains("coordinator_node_id = '\(rows[0].coordinator.hex)'")
                || text.contains("\"\(rows[0].coordinator.hex)\""))
    }

    @Test func whatOtherClientsWroteIsKept() throws {
        let file = try ClientHome(path: directory.path + "/user").networks
        let key = SecretKey().nodeID.hex
        let text = """
            schema_version = 1
            theme = "dark"
            active_network = "homelab"

            [window]
            size = [800, 600]

            [[networks]]
            name = "homelab"
            network_id = "6f1d"
            coordinator_node_id = "\(key)"
            coordinator_pubkey_hex = "\(key)"
            handle = "alice"
            added_at = 1780000000.0
            cert_path = "/tmp/x.cert"
            coordinator_relay_url = "https://old.example/"
            colour = "green"

            [networks.extra]
            deep = true
            """
        try Data(text.utf8).write(to: URL(fileURLWithPath: file.path))
        let changed = try file.update { networks in
            networks.networks[0].coordinatorAddresses = ["192.0.2.7:1"]
            networks.networks[0].coordinatorRelayURL = nil
            networks.networks.append(row("work", id: "77"))
        }
        #expect(changed.networks.count == 2)
        let after = try String(contentsOfFile: file.path, encoding: .utf8)
        for kept in ["theme = ", "size = ", "colour = ", "deep = true", "192.0.2.7:1"] {
            #expect(after.contains(kept), "\(kept) in:\n\(after)")
        }
        #expect(!after.contains("old.example"))
        #expect(try file.load() == changed)
        _ = try file.update { $0.activeNetwork = nil }
        #expect(try file.load().activeNetwork == nil)
    }

    @Test func filesOfANewerSchemaAreLeftAlone() throws {
        let file = try ClientHome(path: directory.path + "/user").networks
        try Data("schema_version = 2\n".utf8).write(to: URL(fileURLWithPath: file.path))
        #expect(throws: ClientHomeError.newerSchema(path: file.path, version: 2)) { try file.load() }
        #expect(throws: ClientHomeError.newerSchema(path: file.path, version: 2)) {
            try file.update { $0.activeNetwork = "x" }
        }
        #expect(try String(contentsOfFile: file.path, encoding: .utf8) == "schema_version = 2\n")
    }

    @Test(arguments: [
        "= nonsense", "networks = 3", "[[networks]]\nname = \"x\"", "schema_version = \"2\"",
        "[networks.default]\nname = \"x\"",
    ])
    func filesOfAnotherFormAreRefusedAndKept(text: String) throws {
        let file = try ClientHome(path: directory.path + "/user").networks
        try Data(text.utf8).write(to: URL(fileURLWithPath: file.path))
        #expect(throws: ClientHomeError.self) { try file.update { $0.activeNetwork = "x" } }
        #expect(try String(contentsOfFile: file.path, encoding: .utf8) == text)
    }

    @Test func networksAreFoundByNameIDAndHandle() throws {
        var networks = JoinedNetworks()
        networks.networks = [row(), row("work", id: "77", handle: "bob"), row("Homelab", id: "78", handle: "bob")]
        #expect(networks.matching("homelab").map(\.networkID) == ["6f1d", "78"])
        #expect(networks.matching(" Bob @ HomeLab ").map(\.networkID) == ["78"])
        #expect(networks.matching("77").map(\.name) == ["work"])
        #expect(networks.matching("alice@work").isEmpty)
        #expect(networks.matching("").isEmpty)
    }

    @Test func changesMadeAtOnceAreAllKept() async throws {
        let file = try ClientHome(path: directory.path + "/user").networks
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<16 {
                group.addTask { _ = try file.update { $0.networks.append(row("n\(number)", id: "\(number)")) } }
            }
            try await group.waitForAll()
        }
        #expect(try file.load().networks.count == 16)
    }
}

@Suite struct JoiningTests {
    let network: TestNetwork
    let home: ClientHome
    init() throws {
        network = try TestNetwork()
        home = try ClientHome(path: network.directory.path + "/user")
    }

    func joining() throws -> Joining {
        try Joining(home: home, label: "laptop", now: { [clock = network.clock] in clock.now })
    }

    func client() throws -> CoordinatorClient { network.client(as: try home.identity().nodeID) }

    func join(_ ticket: InviteTicket, handle: String? = "alice", password: String = "x") async throws -> JoinResult {
        try await joining().join(
            ticket, handle: handle, password: Password(password), through: client(), reached: "127.0.0.1:9")
    }

    func userTicket() async throws -> InviteTicket {
        network.coordinator.ticket(
            for: try await network.invitation(.user), addresses: [try .init(ipAddress: "192.0.2.7", port: 4433)])
    }

    @Test func aTicketBecomesACertificateAndARow() async throws {
        let result = try await join(userTicket(), handle: "Alice ")
        let stored = try home.networks.load()
        #expect(stored.networks == [result.network])
        #expect(stored.activeNetwork == "homelab")
        #expect(result.network.handle == "alice" && result.network.coordinator == network.identity.nodeID)
        #expect(result.network.coordinatorAddresses == ["127.0.0.1:9", "192.0.2.7:4433"])
        #expect(try home.certificate(for: result.network) == result.certificate)
        #expect(try await network.coordinator.devices().map(\.label) == ["laptop"])
    }

    @Test func theSameTicketAgainIsHarmless() async throws {
        let ticket = try await userTicket()
        let first = try await join(ticket)
        network.clock.advance(60)
        let second = try await join(ticket)
        #expect(second.certificate.issuedAt == first.certificate.issuedAt + 60)
        #expect(second.network.addedAt == first.network.addedAt)
        #expect(try home.networks.load().networks == [second.network])
        await expectRefusal(.unauthorized) { try await join(ticket, password: "wrong") }
        #expect(try home.networks.load().networks == [second.network])
        #expect(try home.certificate(for: second.network) == second.certificate)
    }

    @Test func aJoinThatWasInterruptedAfterRegistrationGoesOn() async throws {
        let ticket = try await userTicket()
        _ = try await client().register(invite: ticket.code, handle: "alice", password: Password("x"))
        #expect(try home.networks.load().networks.isEmpty)
        #expect(try await join(ticket).certificate.handle == "alice")
    }

    @Test func aJoinThatWasInterruptedBeforeStoringGoesOn() async throws {
        let ticket = try await userTicket()
        let device = try home.identity().nodeID
        _ = try await client().register(invite: ticket.code, handle: "alice", password: Password("x"))
        _ = try await client().login(handle: "alice", password: Password("x"), deviceKey: device)
        #expect(try await join(ticket).certificate.deviceKey == device)
    }

    @Test func takenHandlesAndSpentTicketsAreToldApart() async throws {
        _ = try await network.addUser("alice", device: SecretKey().nodeID)
        let ticket = try await userTicket()
        await #expect(throws: JoinError.handleTaken("alice")) { try await join(ticket) }
        _ = try await join(ticket, handle: "bob")
        let other = try ClientHome(path: network.directory.path + "/other")
        await #expect(throws: JoinError.ticketSpent("carol")) {
            try await Joining(home: other, label: nil, now: { [clock = network.clock] in clock.now }).join(
                ticket, handle: "carol", password: Password("x"),
                through: network.client(as: try other.identity().nodeID), reached: nil)
        }
        #expect(try other.networks.load().networks.isEmpty)
    }

    @Test func deviceTicketsAddADeviceToTheirUserOnly() async throws {
        _ = try await network.addUser("alice", password: "x", device: SecretKey().nodeID)
        let ticket = network.coordinator.ticket(
            for: try await network.invitation(.device, bindTo: "alice"), addresses: [])
        await #expect(throws: JoinError.boundTo("alice")) { try await join(ticket, handle: "bob") }
        #expect(try await join(ticket, handle: nil).network.handle == "alice")
    }

    @Test func ticketsOfAnotherNetworkOrForAgentsAreRefused() async throws {
        var ticket = try await userTicket()
        ticket.networkID = "00"
        await #expect(throws: JoinError.otherNetwork) { try await join(ticket) }
        var agent = try await userTicket()
        agent.role = .agent
        await #expect(throws: JoinError.agentTicket) { try await join(agent) }
        await #expect(throws: JoinError.handleMissing) { try await join(try await userTicket(), handle: nil) }
    }

    @Test func aKnownNetworkWithAnotherKeyIsRefused() async throws {
        _ = try await join(try await userTicket())
        var forged = try await userTicket()
        forged.node = SecretKey().nodeID
        await #expect(throws: JoinError.otherCoordinator(network: "homelab")) { try await join(forged) }
    }

    @Test func loggingInAgainKeepsTheRowAndPutsTheAddressThatWorkedFirst() async throws {
        let first = try await join(try await userTicket())
        network.clock.advance(DeviceCertificate.lifetime)
        let again = try await joining().login(
            first.network, password: Password("x"), through: client(), reached: "192.0.2.7:4433")
        #expect(again.network.coordinatorAddresses == ["192.0.2.7:4433", "127.0.0.1:9"])
        #expect(again.certificate.issuedAt == network.clock.now)
        #expect(try home.networks.load().networks == [again.network])
    }

    @Test func twoNetworksOfOneNameStayApart() async throws {
        let other = try TestNetwork()
        _ = try await join(try await userTicket())
        let ticket = other.coordinator.ticket(for: try await other.invitation(.user), addresses: [])
        let second = try await joining().join(
            ticket, handle: "alice", password: Password("x"),
            through: other.client(as: try home.identity().nodeID), reached: nil)
        #expect(second.network.name == "homelab-2")
        #expect(try home.networks.load().networks.count == 2)
    }

    /// P-20: neither the device's key nor the password is in what is sent or in what the coordinator keeps.
    @Test func secretsStayOnTheirDevice() async throws {
        final class Recorder: RPCExchange {
            let inner: DirectExchange
            let sent = Mutex<[UInt8]>([])
            var coordinator: NodeID { inner.coordinator }
            init(_ inner: DirectExchange) { self.inner = inner }
            func exchange(_ message: [UInt8]) async throws -> [UInt8] {
                sent.withLock { $0 += message }
                return try await inner.exchange(message)
            }
        }
        let recorder = Recorder(DirectExchange(server: network.coordinator, peer: try home.identity().nodeID))
        let password = "correct horse battery staple"
        _ = try await joining().join(
            try await userTicket(), handle: "alice", password: Password(password),
            through: CoordinatorClient(exchange: recorder), reached: nil)
        let key = try Data(contentsOf: URL(fileURLWithPath: home.identityPath))
        var places = [("traffic", Data(recorder.sent.withLock { $0 }))]
        for suffix in ["", "-wal"] {
            let path = network.directory.path + "/openagent.db" + suffix
            places.append((path, try Data(contentsOf: URL(fileURLWithPath: path))))
        }
        #expect(places[0].1.range(of: Data(try home.identity().nodeID.bytes)) != nil, "the recorder works")
        for (place, content) in places {
            #expect(content.range(of: key) == nil, "\(place)")
            #expect(content.range(of: Data(password.utf8)) == nil, "\(place)")
        }
    }

    @Test func aCoordinatorWithoutTheVerifierIsNotBelieved() async throws {
        struct Liar: RPCExchange {
            let inner: DirectExchange
            var coordinator: NodeID { inner.coordinator }
            func exchange(_ message: [UInt8]) async throws -> [UInt8] {
                let answer = await inner.server.answer(message, from: inner.peer)
                let value = try CBORReader.read(answer, limits: CBORLimits(bytes: RPCFrame.responseLimit))
                guard case .result(let id, let result)? = RPCResponse(value), let certificate = result["cert"] else {
                    return answer
                }
                return RPCResponse.result(
                    id: id, ["cert": certificate, "m2": .bytes([UInt8](repeating: 0x30, count: 64))]
                ).encoded
            }
        }
        let ticket = try await userTicket()
        let liar = CoordinatorClient(
            exchange: Liar(
                inner: DirectExchange(server: network.coordinator, peer: try home.identity().nodeID)))
        await #expect(throws: CoordinatorClientError.wrongServerProof) {
            try await joining().join(ticket, handle: "alice", password: Password("x"), through: liar, reached: nil)
        }
        #expect(try home.networks.load().networks.isEmpty)
    }

    @Test func aClockThatIsOffStopsTheJoinBeforeAnythingIsStored() async throws {
        let ticket = try await userTicket()
        let wrong = try Joining(home: home, label: nil, now: { [clock = network.clock] in clock.now - 3_600 })
        await #expect(throws: CertificateError.self) {
            try await wrong.join(ticket, handle: "alice", password: Password("x"), through: client(), reached: nil)
        }
        #expect(try home.networks.load().networks.isEmpty)
        #expect(try await join(ticket).certificate.handle == "alice")
    }
}
