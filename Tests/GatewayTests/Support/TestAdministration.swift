import Foundation
import Logging
import NIOCore
import Synchronization
import Testing

@testable import Certs
@testable import Gateway
@testable import Store
@testable import Transport

// A gateway whose network has rows: users and devices join by a word of the test, and everything else is asked over REST.

extension TestGateway {
    /// Where an agent says that it is.
    final class Addresses: Sendable {
        private let addresses = Mutex<[SocketAddress]>([])
        var current: [SocketAddress] { addresses.withLock { $0 } }
        func set(_ addresses: [SocketAddress]) { self.addresses.withLock { $0 = addresses } }
    }

    static func coordinator(
        _ database: Store.Database, _ key: SecretKey, now: @escaping @Sendable () -> Double
    ) throws -> Coordinator {
        let repository = NetworkRepository(database)
        try repository.write { transaction in
            let row = NetworkRecord(
                role: .coordinator, networkID: networkID, name: "home", coordinatorKey: key.nodeID.bytes,
                createdAt: now())
            try transaction.setNetwork(row, coordinatorNodeID: key.nodeID.hex)
            try transaction.upsertAgent(
                AgentRecord(handle: "ada", nodeID: key.nodeID.hex, label: nil, ownerHandle: "system", addedAt: now()))
        }
        let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        return try Coordinator(repository: repository, identity: key, now: now, logger: quiet)
    }

    var rows: NetworkRepository { NetworkRepository(database) }

    /// A new device of a user, who is made when there is none of that handle.
    func join(_ handle: String, role: UserRole = .member, label: String? = nil) async throws -> TestDevice {
        let device = TestDevice(handle: handle)
        let roster = try #require(network).roster
        let now = clock.now
        try await rows.write { transaction in
            let isNew = try transaction.rows.user(handle) == nil
            if isNew {
                try transaction.insertUser(UserRecord(handle: handle, pakeRecord: [], role: role, createdAt: now))
            }
            let row = DeviceRecord(key: device.nodeID.bytes, handle: handle, label: label, addedAt: now)
            try transaction.insertDevice(row)
            transaction.afterCommit {
                if isNew { roster.apply(.user(handle, role: role, status: .active)) }
                roster.set(row)
            }
        }
        return device
    }

    /// Another agent of the network.
    func addAgent(_ handle: String) async throws -> NodeID {
        let node = SecretKey().nodeID
        try await #require(network).addAgent(handle: handle, node: node, label: nil, by: .operator)
        return node
    }

    /// Everything that administration can change, as one text.
    func everything() async throws -> String {
        try await rows.read { rows in
            """
            \(try rows.users()) \(try rows.devices()) \(try rows.agents()) \(try rows.invitations())
            \(try rows.audit(limit: 10_000))
            """
        }
    }
}

extension TestGateway.Running {
    /// A stream on which the agent's own key speaks, without a certificate.
    func operatorStream() async throws -> TestStream {
        let stream = try await connection(of: gateway.identity.nodeID).stream()
        try await stream.sendPreamble([])
        return stream
    }
}

extension TestStream {
    /// Sends a request; nil when the stream ended instead of an answer.
    func tryAsk(_ method: String, _ path: String, _ body: String? = nil) async throws -> TestResponse? {
        let length = body.map { "Content-Length: \($0.utf8.count)\r\n" } ?? ""
        try await send("\(method) \(path) HTTP/1.1\r\nHost: agent\r\n\(length)\r\n\(body ?? "")")
        return try await response(hasBody: method != "HEAD")
    }

    func ask(_ method: String, _ path: String, _ body: String? = nil) async throws -> TestResponse {
        try #require(try await tryAsk(method, path, body), "\(method) \(path)")
    }
}

extension Gateway.Operation {
    /// Of a route that only a test has.
    static let spy = Gateway.Operation("Nothing", answers: [.empty(200, "Nothing")])
}

extension TestResponse {
    func decode<T: Decodable>(_ type: T.Type = T.self) throws -> T {
        do { return try JSONDecoder().decode(T.self, from: Data(body.utf8)) } catch {
            Issue.record("\(status) \(body)")
            throw error
        }
    }

    private var error: [String: Any]? { json["error"] as? [String: Any] }
    var code: String? { error?["code"] as? String }
    var message: String? { error?["message"] as? String }
    var hint: String? { error?["hint"] as? String }
}
