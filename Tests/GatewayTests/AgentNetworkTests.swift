import Foundation
import Logging
import NIOCore
import Testing

@testable import Certs
@testable import Gateway
@testable import Store
@testable import Transport

// An agent's way into another agent's network and out again, with a real coordinator on 127.0.0.1.

/// A coordinator that listens, and directories for other agents.
final class AgentNetworkWorld: Sendable {
    let root = FileManager.default.temporaryDirectory.path + "/agents-\(UUID().uuidString)"
    let coordinator: Coordinator
    let endpoint: Endpoint
    let clock = TestGateway.Clock()
    private let database: Store.Database

    static func run(_ body: @escaping @Sendable (AgentNetworkWorld) async throws -> Void) async throws {
        let world = try await AgentNetworkWorld()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                await withDiscardingTaskGroup { group in
                    for await connection in world.endpoint.connections {
                        group.addTask { await world.coordinator.serve(connection) }
                    }
                }
            }
            let result: Result<Void, any Error>
            do { result = .success(try await body(world)) } catch { result = .failure(error) }
            await world.endpoint.close()
            try await group.waitForAll()
            try world.database.close()
            try result.get()
        }
    }

    private init() async throws {
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        let key = SecretKey()
        database = try Store.Database(path: root + "/coordinator.db")
        let repository = NetworkRepository(database)
        let now: @Sendable () -> Double = { [clock] in clock.now }
        _ = try Coordinator.createNetworkIfMissing(repository: repository, identity: key, name: "home", now: now())
        coordinator = try Coordinator(repository: repository, identity: key, now: now)
        endpoint = try await Endpoint.bind(
            EndpointConfiguration(
                secretKey: key, alpns: [ALPN.coordinator],
                bindAddresses: [SocketAddress(ipAddress: "127.0.0.1", port: 0)], logger: .quiet))
    }

    deinit { try? FileManager.default.removeItem(atPath: root) }

    func ticket(_ role: InviteRole = .agent) async throws -> InviteTicket {
        let invitation = try await coordinator.createInvitation(InvitationRequest(role: role), by: .operator)
        return coordinator.ticket(for: invitation, addresses: endpoint.localAddresses)
    }

    func directory(_ name: String = "work") throws -> AgentDirectory {
        let directory = AgentDirectory(root + "/" + name)
        _ = try directory.create()
        return directory
    }

    func network(_ directory: AgentDirectory) -> AgentNetwork {
        AgentNetwork(
            directory: directory, name: directory.defaultName, timeout: .seconds(2),
            now: { [clock] in clock.now }, logger: .quiet)
    }

    /// Looks at an agent's database, or changes it.
    func stored<R>(_ directory: AgentDirectory, _ body: (NetworkRepository) throws -> R) throws -> R {
        let database = try Store.Database(path: directory.database)
        defer { try? database.close() }
        return try body(NetworkRepository(database))
    }

    func record(_ directory: AgentDirectory) throws -> NetworkRecord? {
        try stored(directory) { try $0.read { try $0.network() } }
    }

    /// Makes a conversation in an agent's database.
    func talk(as handle: String, _ directory: AgentDirectory) async throws {
        let database = try Store.Database(path: directory.database)
        defer { try? database.close() }
        _ = try await SessionRepository(database).open(handle: handle, sessionID: "s", reserving: 1, now: 0)
    }

    /// Who has conversations there.
    func speakers(_ directory: AgentDirectory) async throws -> [String] {
        let database = try Store.Database(path: directory.database)
        defer { try? database.close() }
        return try await SessionRepository(database).handles()
    }

    func handles() async throws -> [String] { try await coordinator.agents().map(\.handle) }
}

extension Logger {
    static var quiet: Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }
}

@Suite(.timeLimit(.minutes(1))) struct AgentNetworkTests {
    static func changed(_ ticket: InviteTicket, _ change: (inout InviteTicket) -> Void) -> InviteTicket {
        var ticket = ticket
        change(&ticket)
        return ticket
    }

    @Test func joiningMakesAMemberAndRepeatingIsHarmless() async throws {
        try await AgentNetworkWorld.run { world in
            let (directory, ticket) = (try world.directory(), try await world.ticket())
            let network = world.network(directory)
            let place = try await network.join(ticket, handle: nil, label: "Büro")
            #expect(place == AgentNetwork.Place(network: "home", handle: "work"))
            let first = try #require(try world.record(directory))
            #expect(first.role == .member && first.networkID == ticket.networkID)
            #expect(first.coordinatorKey == ticket.node.bytes)
            #expect(first.membership?.coordinatorAddresses == ticket.addresses)
            let certificate = try DeviceCertificate(
                wire: try #require(first.membership).certificate, coordinator: ticket.node)
            #expect(certificate.capabilities == ["agent"])
            #expect(try await world.coordinator.agents().last?.label == "Büro")

            #expect(try await network.join(ticket, handle: nil, label: nil) == place)
            #expect(try await network.join(world.ticket(), handle: nil, label: nil) == place)
            #expect(try await world.handles() == ["home", "work"])
            #expect(try world.record(directory)?.createdAt == first.createdAt)
            #expect(try await network.membership() == place)
        }
    }

    @Test func anAgentWithANetworkOfNobodyJoinsAnother() async throws {
        try await AgentNetworkWorld.run { world in
            let directory = try world.directory()
            let key = try SecretKey.loadOrCreate(path: directory.identityKey)
            try world.stored(directory) { repository in
                _ = try Coordinator.createNetworkIfMissing(repository: repository, identity: key, name: "own", now: 1)
                _ = try Coordinator(repository: repository, identity: key, now: { 1 }).bootstrapInvitation()
            }
            _ = try await world.network(directory).join(try await world.ticket(), handle: "helper", label: nil)
            #expect(try world.record(directory)?.membership?.handle == "helper")
            let left = try world.stored(directory) { repository in
                try repository.read { rows in
                    (agents: try rows.agents(), invitations: try rows.invitations(), audit: try rows.audit(limit: 1))
                }
            }
            #expect(left.agents.isEmpty && left.invitations.isEmpty)
            #expect(left.audit.first?.action == "network.join")
        }
    }

    @Test(arguments: ["user", "agent"])
    func anAgentThatOthersDependOnJoinsNobody(_ who: String) async throws {
        try await AgentNetworkWorld.run { world in
            let directory = try world.directory()
            let key = try SecretKey.loadOrCreate(path: directory.identityKey)
            try world.stored(directory) { repository in
                _ = try Coordinator.createNetworkIfMissing(repository: repository, identity: key, name: "own", now: 1)
                try repository.write { transaction in
                    if who == "user" {
                        try transaction.insertUser(
                            UserRecord(handle: "ana", pakeRecord: [1], role: .admin, createdAt: 1))
                    } else {
                        try transaction.upsertAgent(
                            AgentRecord(
                                handle: "other", nodeID: SecretKey().nodeID.hex, label: nil, ownerHandle: "system",
                                addedAt: 1))
                    }
                }
            }
            let before = try world.record(directory)
            let expected = AgentNetworkError.coordinatesForOthers(
                "own", users: who == "user" ? 1 : 0, agents: who == "user" ? 0 : 1)
            let ticket = try await world.ticket()
            await #expect(throws: expected) {
                try await world.network(directory).join(ticket, handle: nil, label: nil)
            }
            #expect(try world.record(directory) == before)
            #expect(try await world.handles() == ["home"])
            await #expect(throws: AgentNetworkError.coordinates("own")) { try await world.network(directory).leave() }
        }
    }

    @Test func ticketsThatAreNotForThisAreRefusedBeforeAnythingChanges() async throws {
        try await AgentNetworkWorld.run { world in
            let directory = try world.directory()
            let network = world.network(directory)
            let user = try await world.ticket(.user)
            await #expect(throws: AgentNetworkError.notForAgents(.user)) {
                try await network.join(user, handle: nil, label: nil)
            }
            let other = Self.changed(try await world.ticket()) { $0.networkID = "00" }
            await #expect(throws: AgentNetworkError.otherNetwork) {
                try await network.join(other, handle: nil, label: nil)
            }
            let key = try SecretKey.loadOrCreate(path: directory.identityKey).nodeID
            let own = Self.changed(try await world.ticket()) { $0.node = key }
            await #expect(throws: AgentNetworkError.ownTicket) {
                try await network.join(own, handle: nil, label: nil)
            }
            let taken = try await world.ticket()
            await #expect(throws: RPCError.self) { try await network.join(taken, handle: "home", label: nil) }
            #expect(try world.record(directory) == nil)
            #expect(try await world.handles() == ["home"])
            // None of it has spent the ticket.
            #expect(try await network.join(taken, handle: nil, label: nil).handle == "work")
        }
    }

    @Test func aMemberJoinsNoSecondNetworkAndNoForgedOne() async throws {
        try await AgentNetworkWorld.run { world in
            let (directory, ticket) = (try world.directory(), try await world.ticket())
            let network = world.network(directory)
            _ = try await network.join(ticket, handle: nil, label: nil)
            let before = try world.record(directory)
            let elsewhere = Self.changed(ticket) { $0.networkID = "00" }
            await #expect(throws: AgentNetworkError.memberElsewhere("home", directory)) {
                try await network.join(elsewhere, handle: nil, label: nil)
            }
            let forged = Self.changed(ticket) { $0.node = SecretKey().nodeID }
            await #expect(throws: AgentNetworkError.otherCoordinator("home", directory)) {
                try await network.join(forged, handle: nil, label: nil)
            }
            #expect(try world.record(directory) == before)
        }
    }

    @Test func anAgentThatIsServedIsLeftAlone() async throws {
        try await AgentNetworkWorld.run { world in
            let (directory, ticket) = (try world.directory(), try await world.ticket())
            let lock = try await InstanceLock.take(directory)
            await #expect(throws: InstanceError.self) {
                try await world.network(directory).join(ticket, handle: nil, label: nil)
            }
            await #expect(throws: InstanceError.self) { try await world.network(directory).leave() }
            lock.release()
            _ = try await world.network(directory).join(ticket, handle: nil, label: nil)
        }
    }

    @Test func aJoinThatWasInterruptedGoesOn() async throws {
        try await AgentNetworkWorld.run { world in
            let (directory, ticket) = (try world.directory(), try await world.ticket())
            // The coordinator is away.
            let lost = Self.changed(ticket) { $0.addresses = ["127.0.0.1:9"] }
            await #expect(throws: (any Error).self) {
                try await world.network(directory).join(lost, handle: nil, label: nil)
            }
            #expect(try world.record(directory) == nil)
            // The power went after the coordinator had taken the agent in.
            let key = try SecretKey.load(path: directory.identityKey)
            _ = try await world.coordinator.loginAgent(
                handle: "work", invite: ticket.code, label: nil, addresses: [], peer: key.nodeID)
            #expect(try await world.network(directory).join(ticket, handle: nil, label: nil).handle == "work")
            #expect(try await world.handles() == ["home", "work"])
        }
    }

    @Test func whoLeavesIsOffTheListAndMayComeBack() async throws {
        try await AgentNetworkWorld.run { world in
            let directory = try world.directory()
            let network = world.network(directory)
            await #expect(throws: AgentNetworkError.inNoNetwork) { try await network.leave() }
            _ = try await network.join(try await world.ticket(), handle: nil, label: nil)
            for handle in ["ana", "operator"] { try await world.talk(as: handle, directory) }
            _ = try await network.join(try await world.ticket(), handle: nil, label: nil)
            #expect(try await Set(world.speakers(directory)) == ["ana", "operator"], "it is the same network")
            #expect(try await network.leave() == .told)
            #expect(try await world.speakers(directory) == ["operator"], "elsewhere 'ana' is somebody else")
            #expect(try world.record(directory) == nil)
            #expect(try await world.handles() == ["home"])

            _ = try await network.join(try await world.ticket(), handle: nil, label: nil)
            try await world.coordinator.removeAgent("work", by: .operator)
            #expect(try await network.leave() == .told, "it was off the list already")

            _ = try await network.join(try await world.ticket(), handle: nil, label: nil)
            await world.endpoint.close()
            guard case .notTold = try await network.leave() else {
                Issue.record("nobody was there to be told")
                return
            }
            #expect(try world.record(directory) == nil)
        }
    }

    @Test func anAgentsPlaceIsReadFromItsDatabase() async throws {
        try await AgentNetworkWorld.run { world in
            let (directory, ticket) = (try world.directory(), try await world.ticket())
            _ = try await world.network(directory).join(ticket, handle: nil, label: nil)
            let key = try SecretKey.load(path: directory.identityKey)
            func place(_ key: SecretKey) throws -> AgentPlace {
                try world.stored(directory) {
                    try AgentPlace(repository: $0, identity: key, name: "work", now: { 1 }, logger: .quiet)
                }
            }
            let member = try place(key)
            #expect(member.role == "member" && member.networkName == "home")
            #expect(member.networkID == ticket.networkID && member.coordinatorNode == ticket.node)
            #expect(member.protocols == [ALPN.gateway], "it answers no coordinator's calls")
            // Until the coordinator has said a word, nobody comes in.
            #expect(member.membership.standing(of: SecretKey().nodeID, handle: "alice") == .unavailable)
            #expect(throws: AgentNetworkError.identityChanged("home")) { try place(SecretKey()) }
        }
    }
}
