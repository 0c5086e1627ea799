import Foundation
import Testing

@testable import Agent
@testable import Gateway
@testable import Store

/// What an agent holds of the system, files and watched folders, it gives back when it has ended: a process that serves several of them one
/// after the other, as a test does, would run out of them.
@Suite struct ReleaseTests {
    @Test("a gateway that has ended leaves nothing behind")
    func gateway() async throws {
        weak var sessions: SessionManager?
        weak var database: Store.Database?
        func serve() async throws {
            let gateway = try TestGateway()
            (sessions, database) = (gateway.server.sessions, gateway.database)
            #expect(sessions != nil && database != nil)
            try await gateway.run { _ in }
        }
        try await serve()
        #expect(sessions == nil)
        #expect(database == nil)
    }

    @Test("an agent that has ended leaves nothing behind")
    func agent() async throws {
        weak var sessions: SessionManager?
        weak var vault: Vault?
        func serve() async throws {
            let world = try GatewayCoreTests.World(seed: 1)
            (sessions, vault) = (world.core.gateway.sessions, world.core.vault)
            #expect(try await world.run { try await $0.ask("GET", "/api/health").status } == 200)
        }
        try await serve()
        #expect(sessions == nil)
        #expect(vault == nil)
    }
}
