import Foundation
import Store
import Testing

@Suite struct JoinCrashTests {
    /// What of a join has been committed when both sides are killed.
    enum Step: String, CaseIterable {
        case nothing, user, device

        func isReached(_ rows: NetworkReader) throws -> Bool {
            switch self {
            case .nothing: true
            case .user: try rows.hasUsers()
            case .device: try !rows.devices().isEmpty
            }
        }
    }

    @Test(
        "P-43: a join whose two sides are killed leaves both or none, and the ticket works after the restart",
        arguments: Step.allCases)
    func killedJoinsCanBeRepeated(step: Step) async throws {
        let world = try TestHome()
        let server = try await world.serve()
        let ticket = try await server.ticket()
        let password = world.root.appendingPathComponent("password-alice")
        try Data("correct horse\n".utf8).write(to: password)

        let database = try Database(path: world.agent.appendingPathComponent("openagent.db").path)
        let network = NetworkRepository(database)
        let join = try world.start(["join", ticket, "--handle", "alice", "--password-file", password.path])
        join.closeInput()
        let end = ContinuousClock.now + .seconds(20)
        while try await !network.read({ try step.isReached($0) }) {
            try #require(ContinuousClock.now < end, "the join did not come so far:\n\(join.errors)")
            await Task.yield()
        }
        server.program.signal(SIGKILL)
        join.signal(SIGKILL)
        #expect(try await server.program.exit() == -SIGKILL)
        _ = try await join.exit()

        let (users, devices, uses) = try await network.read {
            try ($0.users().count, $0.devices().count, $0.invitations().map(\.usesLeft))
        }
        #expect(uses == [1 - users], "the use is spent with the user that it buys, or not at all")
        #expect(devices <= users)

        let again = try await world.serve()
        let joined = try await world.join(ticket)
        #expect(joined.status == 0, "\(joined)")
        let rows = try await network.read { try ($0.users(), $0.devices(), $0.invitations().map(\.usesLeft)) }
        #expect(rows.0.map(\.handle) == ["alice"] && rows.0.first?.role == .admin)
        #expect(rows.1.count == 1)
        #expect(rows.2 == [0])
        #expect(try database.integrityProblems() == [])
        try database.close()
        again.program.signal(SIGTERM)
        #expect(try await again.program.exit() == 0)
    }
}
