import Foundation
import Testing

// P-70, and what "sessions that lose nothing" means: eight clients keep sending while the server is killed under them,
// again and again; then everything that was sent is compared with what is there. `make chaos` runs it for long.

@Suite struct ChaosTests {
    static let rounds = ProcessInfo.processInfo.environment["ROUNDS"].flatMap { Int($0) } ?? 25
    static let seed = ProcessInfo.processInfo.environment["SEED"].flatMap { UInt64($0) } ?? .random(in: 1...999_999)

    @Test("P-70: killed at random moments, the server loses, repeats and reorders nothing")
    func nothingIsLostWheneverTheServerDies() async throws {
        let (seed, rounds) = (Self.seed, Self.rounds)
        print("chaos: seed \(seed), \(rounds) rounds (repeat: make chaos SEED=\(seed) ROUNDS=\(rounds))")
        let start = ContinuousClock.now
        let world = try await ChaosWorld(seed: seed)
        var ledger = ChaosLedger(database: world.database, folder: world.home.root)
        var blows: [String: Int] = [:]
        try await withThrowingTaskGroup(of: Void.self) { group in
            for client in world.clients { group.addTask { await client.run() } }
            defer { group.cancelAll() }
            for client in world.clients { client.setSending(true) }
            var plan = ChaosPlan(seed: seed, clients: world.clients.count)
            var server: Program?
            for round in 1...rounds {
                let (blow, told) = plan.next()
                blows[blow.name, default: 0] += 1
                let (program, isOver) = try await world.run(blow, on: server)
                server = isOver ? nil : program
                if isOver {
                    try ledger.read()
                    for index in told { world.clients[index].dropConnections() }
                }
                if round.isMultiple(of: 50) {
                    let sent = world.clients.reduce(0) { $0 + $1.messages.count }
                    print("chaos: round \(round), \(sent) messages, \(start.duration(to: .now))")
                }
            }
            // What is under way comes to its end, undisturbed.
            for client in world.clients { client.setSending(false) }
            let last = try server ?? world.start()
            await world.pulse.wait(atMost: .seconds(60)) { world.clients.allSatisfy { $0.unanswered.isEmpty } }
            last.signal(SIGTERM)
            #expect(try await last.exit() == 0, "\(last.errors)")
        }
        try ledger.read()
        let (turns, said) = try ledger.contents()
        let verdict = ChaosVerdict(
            clients: world.clients, ledger: ledger, turns: turns, said: said, notes: try world.remembered())
        let times = blows.sorted { $0.key < $1.key }.map { "\($0.value) × \($0.key)" }.joined(separator: ", ")
        print("chaos: seed \(seed), \(rounds) rounds in \(start.duration(to: .now)): \(times); \(verdict)")
        #expect(
            verdict.isClean,
            "seed \(seed): \(verdict)\n\(verdict.problems.prefix(40).joined(separator: "\n"))")
        #expect(verdict.messages > rounds, "clients had something to say")
    }
}

extension ChaosBlow {
    fileprivate var name: String {
        switch self {
        case .killAfterTime: "kill -9 after a time"
        case .killAfterEvents: "kill -9 after events"
        case .killAtCommit: "kill -9 around a commit"
        case .terminate: "SIGTERM"
        case .clients: "clients hit"
        }
    }
}

extension ChaosVerdict: CustomStringConvertible {
    var description: String {
        """
        \(messages) messages with \(notes) notes, \(events) events seen: \(lost) lost, \(runTwice) run twice, \
        \(outOfOrder) out of order, \(missing) events missing, \(repeated) repeated; \(interrupted) interrupted, \
        outcome unknown of \(unknownOutcomes.said) notes (\(unknownOutcomes.written) of them written)
        """
    }
}
