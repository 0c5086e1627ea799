import Foundation
import NIOCore
import Testing

@testable import Certs
@testable import Gateway
@testable import Store
@testable import Transport
@testable import Wire

// An agent that nobody serves, administered in the process of a command.

@Suite struct OfflineAgentTests {
    private static func directory() throws -> AgentDirectory {
        let directory = AgentDirectory(FileManager.default.temporaryDirectory.path + "/offline-\(UUID().uuidString)")
        _ = try directory.create(name: "Ada")
        return directory
    }

    private static func open(_ directory: AgentDirectory) async throws -> OfflineAgent {
        try await OfflineAgent.open(
            directory, version: "0.1.0", environment: [:], now: { Date().timeIntervalSince1970 })
    }

    @Test func theOperatorIsAnsweredWithoutASocketAndWhatTheyDoLasts() async throws {
        let directory = try Self.directory()
        try FileManager.default.removeItem(atPath: directory.memories)
        var agent = try await Self.open(directory)
        #expect(!FileManager.default.fileExists(atPath: directory.memories), "notes are not the operator's business")
        let hints = AddressHints(
            nodeID: agent.nodeID, addresses: [try SocketAddress(ipAddress: "192.0.2.7", port: 4433)], writtenAt: 0)
        try hints.write(directory)
        let me = try JSONDecoder().decode(
            WhoAmI.self, from: Data(buffer: try await agent.request(path: "/api/whoami").body))
        #expect(me.isOperator && me.agent == "Ada" && me.nodeID == agent.nodeID.hex)
        let answer = try await agent.request(
            method: .POST, path: "/api/network/invitations", body: ByteBuffer(string: #"{"handle":"ana"}"#))
        #expect(answer.status == .created)
        #expect(answer.headers["content-type"] == ["application/json; charset=utf-8"])
        let created = try JSONDecoder().decode(CreatedInvitation.self, from: Data(buffer: answer.body))
        #expect(try InviteTicket(created.ticket).addresses == ["192.0.2.7:4433"])
        #expect(try await agent.request(path: "/api/nothing").status == .notFound)
        #expect(try await agent.request(path: "/ws").status == .upgradeRequired)
        await #expect(throws: GatewayClientError.bodyTooLarge(limit: 3)) {
            try await agent.request(path: "/api/whoami", maximumBody: 3)
        }
        try agent.close()

        agent = try await Self.open(directory)
        let audit = try JSONDecoder().decode(
            AuditBody.self, from: Data(buffer: try await agent.request(path: "/api/audit?limit=1").body))
        #expect(audit.entries.map(\.actor) == ["operator"] && audit.entries.map(\.action) == ["invitation.create"])
        try agent.close()
    }

    @Test func anAgentThatIsServedOrIsntThereSaysSo() async throws {
        let missing = AgentDirectory("/nonexistent/agent")
        await #expect(throws: OfflineAgentError.notAnAgent(missing)) { try await Self.open(missing) }
        #expect(OfflineAgentError.notAnAgent(missing).description.contains("openagent init"))
        let empty = AgentDirectory(FileManager.default.temporaryDirectory.path + "/empty-\(UUID().uuidString)")
        try FileManager.default.createDirectory(atPath: empty.path, withIntermediateDirectories: true)
        await #expect(throws: OfflineAgentError.notAnAgent(empty)) { try await Self.open(empty) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: empty.path).isEmpty)

        let directory = try Self.directory()
        let first = try await Self.open(directory)
        await #expect(throws: OfflineAgentError.running(directory, nil)) { try await Self.open(directory) }
        try first.close()
        let lock = try await InstanceLock.take(directory)
        lock.release()
    }

    @Test func aFailureToOpenLetsTheNextOneIn() async throws {
        let directory = try Self.directory()
        try Data("name: [".utf8).write(to: URL(filePath: directory.configuration))
        await #expect(throws: (any Error).self) { try await Self.open(directory) }
        let lock = try await InstanceLock.take(directory)
        lock.release()
    }

    @Test func noTurnRuns() async throws {
        let directory = try Self.directory()
        try await Self.open(directory).close()
        let database = try Store.Database(path: directory.database)
        let sessions = SessionRepository(database)
        let session = try await sessions.open(handle: "ana", sessionID: "s", reserving: 10, now: 1)
        let waiting = TurnRecord(
            id: "t", ordinal: 1, lane: "l", session: session.id, handle: "ana", sessionID: "s", messageID: nil,
            text: "hello", acceptedAt: 1)
        _ = try await sessions.accept(waiting, announcing: nil, recognisingSince: 0)
        try database.close()
        let agent = try await Self.open(directory)
        #expect(try await agent.request(path: "/api/health").status == .ok)
        try agent.close()
        let after = try Store.Database(path: directory.database)
        #expect(try SessionRepository(after).unfinishedTurns() == [waiting])
        try after.close()
    }
}
