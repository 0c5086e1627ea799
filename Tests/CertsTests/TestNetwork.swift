import Foundation
import Logging
import Synchronization
import Testing

@testable import Certs
@testable import Store
@testable import Transport

// Builders for tests: a coordinator on a database of its own with a clock that the test moves, and callers that reach it
// without sockets.

/// A clock that only the test moves.
final class TestClock: Sendable {
    private let time: Mutex<Double>
    init(_ start: Double = 1_780_000_000) { time = Mutex(start) }
    var now: Double { time.withLock { $0 } }
    func advance(_ seconds: Double) { time.withLock { $0 += seconds } }
}

/// A directory that is removed with its owner.
final class TemporaryDirectory: Sendable {
    let path = FileManager.default.temporaryDirectory.appending(path: "openagent-\(UUID().uuidString)").path
    init() throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }
    deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// A network with its coordinator.
final class TestNetwork: Sendable {
    let directory: TemporaryDirectory
    let clock: TestClock
    let identity: SecretKey
    let database: Database
    let repository: NetworkRepository
    let coordinator: Coordinator

    init(watches: WatchPolicy = WatchPolicy()) throws {
        directory = try TemporaryDirectory()
        clock = TestClock()
        identity = SecretKey()
        database = try Database(path: directory.path + "/openagent.db")
        repository = NetworkRepository(database)
        _ = try Coordinator.createNetworkIfMissing(
            repository: repository, identity: identity, name: "homelab", now: clock.now)
        coordinator = try Coordinator(
            repository: repository, identity: identity, watches: Watches(policy: watches),
            now: { [clock] in clock.now },
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    deinit { try? database.close() }

    /// The same database after a restart of the agent.
    func restarted() throws -> Coordinator {
        try Coordinator(repository: repository, identity: identity, now: { [clock] in clock.now })
    }

    /// The network as it stands on disk at this moment, as after `kill -9`: nothing in memory comes along.
    func afterCrash() throws -> TestNetwork { try TestNetwork(survivorOf: self) }

    private init(survivorOf other: TestNetwork) throws {
        directory = try TemporaryDirectory()
        identity = other.identity
        clock = other.clock
        for suffix in ["", "-wal"] {
            let file = "/openagent.db" + suffix
            try FileManager.default.copyItem(atPath: other.directory.path + file, toPath: directory.path + file)
        }
        database = try Database(path: directory.path + "/openagent.db")
        repository = NetworkRepository(database)
        coordinator = try Coordinator(repository: repository, identity: identity, now: { [clock] in clock.now })
    }

    /// Calls as the peer with this key.
    func client(as peer: NodeID) -> CoordinatorClient {
        CoordinatorClient(exchange: DirectExchange(server: coordinator, peer: peer))
    }

    func invitation(_ role: InviteRole, bindTo: String? = nil, uses: Int = 1) async throws -> Invitation {
        try await coordinator.createInvitation(
            InvitationRequest(role: role, handle: bindTo, uses: uses), by: .operator)
    }

    /// A user with a first device.
    func addUser(_ handle: String, password: String = "hunter2", device: NodeID) async throws -> DeviceCertificate {
        let client = client(as: device)
        _ = try await client.register(
            invite: try await invitation(.user).code, handle: handle, password: Password(password))
        return try await client.login(handle: handle, password: Password(password), deviceKey: device)
    }

    func actions() async throws -> [String] {
        try await repository.read { try $0.audit(limit: 1_000) }.reversed().map(\.action)
    }
}

extension Coordinator {
    /// Answers a call that has one answer.
    func answer(_ message: [UInt8], from peer: NodeID) async -> [UInt8] {
        switch await reply(to: message, from: peer) {
        case .message(let answer), .refusal(let answer, _): return answer
        case .frames:
            Issue.record("a watch was answered to a call")
            return []
        }
    }
}

/// Calls a coordinator without a socket; the peer's key is what the test says.
struct DirectExchange: RPCExchange {
    let server: Coordinator
    let peer: NodeID
    var coordinator: NodeID { server.network.coordinator }
    func exchange(_ message: [UInt8]) async throws -> [UInt8] { await server.answer(message, from: peer) }
}

/// Expects a refusal with this code.
func expectRefusal<T>(
    _ code: RPCErrorCode, sourceLocation: SourceLocation = #_sourceLocation, _ body: () async throws -> T
) async {
    do {
        let value = try await body()
        Issue.record("expected \(code.rawValue), got \(value)", sourceLocation: sourceLocation)
    } catch let error as RPCError {
        #expect(error.code == code, "\(error)", sourceLocation: sourceLocation)
    } catch {
        Issue.record("expected \(code.rawValue), got \(error)", sourceLocation: sourceLocation)
    }
}
