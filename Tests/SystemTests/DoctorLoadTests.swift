import Foundation
import GRDB
import Testing

// P-83, the second half: a doctor beside an agent that has much to do, again and again. It changes nothing, holds nothing, and
// nobody who uses the agent notices it. `make chaos` runs it 100 times; else as many as fit into a few seconds.

@Suite struct DoctorLoadTests {
    static let runs = ProcessInfo.processInfo.environment["DOCTOR_RUNS"].flatMap { Int($0) }
    private static let time = Duration.seconds(10)

    /// Of the agent what its server does not write while it answers: configuration, keys, notes by hand.
    private func files(_ world: ChaosWorld) throws -> [String] {
        try fingerprint(world.home.agent.path) { path in
            !path.hasPrefix("openagent.db-") && path != "openagent.db" && !path.hasPrefix("logs")
                && !path.hasPrefix(".openagent/notes.db") && !path.hasPrefix("memories/remembered")
        }
    }

    /// Every row of the tables that no conversation writes to.
    private func rows(_ world: ChaosWorld) async throws -> [String] {
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(5)
        let queue = try DatabaseQueue(path: world.database.path, configuration: configuration)
        defer { try? queue.close() }
        return try await queue.read { connection in
            try String.fetchAll(
                connection, sql: "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            ).filter { name in !["session", "turn", "usage", "archived"].contains { name.hasPrefix($0) } }
                .flatMap { table in
                    try Row.fetchAll(connection, sql: "SELECT * FROM \"\(table)\" ORDER BY 1").map { row in
                        // When a device was last seen is the server's to say.
                        "\(table) " + row.filter { $0.0 != "last_seen" }.map { "\($0)=\($1)" }.joined(separator: " ")
                    }
                }
        }
    }

    @Test("P-83: beside an agent under load the doctor changes nothing, holds nothing and disturbs nobody")
    func underLoad() async throws {
        let world = try await ChaosWorld(seed: 83)
        var ledger = ChaosLedger(database: world.database, folder: world.home.root)
        let server = try world.start()
        try await server.line { $0.hasPrefix("Listens") }
        var count = 0
        try await withThrowingTaskGroup(of: Void.self) { group in
            for client in world.clients { group.addTask { await client.run() } }
            defer { group.cancelAll() }
            for client in world.clients { client.setSending(true) }
            let beats = world.pulse.beats
            await world.pulse.wait(atMost: .seconds(20)) { world.pulse.beats > beats + 50 }
            let (filesBefore, rowsBefore) = (try files(world), try await rows(world))
            let start = ContinuousClock.now
            while count < Self.runs ?? (start.duration(to: .now) < Self.time ? .max : 0) {
                let doctor = try await world.home.run(["doctor", world.home.agent.path, "--timeout", "20"])
                #expect(doctor.status == 0, "\(doctor)")
                count += 1
            }
            #expect(try files(world) == filesBefore)
            #expect(try await rows(world) == rowsBefore)
            #expect(world.pulse.beats > beats + 50, "there was a load")
            for client in world.clients { client.setSending(false) }
            await world.pulse.wait(atMost: .seconds(60)) { world.clients.allSatisfy { $0.unanswered.isEmpty } }
            server.signal(SIGTERM)
            #expect(try await server.exit() == 0, "\(server.errors)")
        }
        print("doctor: \(count) runs beside \(world.clients.reduce(0) { $0 + $1.messages.count }) messages")
        #expect(count > 1)
        try ledger.read()
        let (turns, said) = try ledger.contents()
        let verdict = ChaosVerdict(
            clients: world.clients, ledger: ledger, turns: turns, said: said, notes: try world.remembered())
        #expect(verdict.isClean, "\(verdict)\n\(verdict.problems.prefix(20).joined(separator: "\n"))")
    }

    @Test("P-83: no doctor is in the way of a server that starts or stops")
    func startsAndStops() async throws {
        let home = try TestHome()
        #expect(try await home.run(["init", home.agent.path]).status == 0)
        let first = try await home.serve()
        first.program.signal(SIGTERM)
        #expect(try await first.program.exit() == 0)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                while !Task.isCancelled {
                    // What it sees of a server that just starts is no matter here.
                    _ = try await home.run(["doctor", home.agent.path, "--timeout", "1"])
                }
            }
            for _ in 1...5 {
                let server = try await home.serve()
                server.program.signal(SIGTERM)
                #expect(try await server.program.exit() == 0)
            }
            group.cancelAll()
            try await group.waitForAll()
        }
        #expect(try await home.run(["doctor", home.agent.path]).status == 0)
    }
}
