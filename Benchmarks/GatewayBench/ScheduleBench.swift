internal import Agent
internal import Certs
internal import Foundation
internal import Gateway
internal import Logging
internal import Store
internal import Transport

// How late are scheduled tasks when many are due? Tasks that run once, spread evenly over a time or due all at once, each a turn of
// the built-in model: taken, accepted, answered, recorded. Late is by how much after its time a run was taken, and had ended.

struct ScheduleBench {
    let directory: String
    let tasks: Int
    /// Over which they are due; 0: all at the same time.
    let seconds: Double

    /// Until the first is due.
    private static let lead = 5.0

    func run() async throws {
        let now: @Sendable () -> Double = { Date().timeIntervalSince1970 }
        let logger = Logger(label: "bench") { label in
            var handler = StreamLogHandler.standardError(label: label)
            handler.logLevel = .error
            return handler
        }
        let key = try SecretKey.loadOrCreate(path: directory + "/identity.key")
        let database = try Store.Database(path: directory + "/openagent.db")
        let network = NetworkRepository(database)
        let made = try Coordinator.createNetworkIfMissing(repository: network, identity: key, name: "bench", now: now())
        let coordinator = try Coordinator(repository: network, identity: key, now: now, logger: logger)
        var configuration = GatewayConfiguration(
            agent: AgentDescription(
                name: "bench", directory: directory, nodeID: key.nodeID, networkID: made.networkID,
                networkName: made.name, version: "0"),
            coordinator: key.nodeID, now: now)
        let repository = TaskRepository(database)
        let turns = UnattendedSessions(agent: key.nodeID)
        configuration.unattended = turns
        let scheduler = Scheduler(tasks: repository, turns: turns, logger: logger)
        configuration.scheduler = scheduler
        let vault = Vault(directory: directory + "/notes", indexPath: directory + "/index.db", now: now)
        let gateway = try GatewayServer(
            configuration: configuration, membership: coordinator.roster,
            agent: Librarian(vault: vault, logger: logger, now: now), sessions: SessionRepository(database),
            logger: logger)

        let first = (now() + Self.lead + Double(tasks) / 2_000).rounded()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<tasks {
                if number >= 256 { try await group.next() }
                group.addTask {
                    let due = first + seconds * Double(number) / Double(tasks)
                    try await repository.insert(
                        TaskRecord(
                            id: "task-\(number)", name: "task \(number)", schedule: "@once:\(due)", prompt: "hello",
                            owner: "operator", nextRun: due, createdAt: 1, updatedAt: 1))
                }
            }
            try await group.waitForAll()
        }
        guard now() < first else { throw BenchError.unexpected("making the tasks took too long") }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await gateway.run() }
            group.addTask {
                // Seldom, so that looking costs nothing that is measured.
                try? await Task.sleep(for: .seconds(first + seconds - now()))
                while (try? await isOver(repository)) == false { try? await Task.sleep(for: .milliseconds(500)) }
            }
            await group.next()
            group.cancelAll()
        }
        try await report(repository)
    }

    private func isOver(_ repository: TaskRepository) async throws -> Bool {
        guard try await repository.nextRun() == nil else { return false }
        return try await repository.openRuns().isEmpty
    }

    private func report(_ repository: TaskRepository) async throws {
        var (taken, ended, failed) = ([Double](), [Double](), 0)
        for number in 0..<tasks {
            let runs = try await repository.runs(of: "task-\(number)", before: nil, limit: 9).rows
            guard runs.count == 1, let due = runs[0].due, let end = runs[0].finishedAt else {
                throw BenchError.unexpected("task \(number) has \(runs.count) runs")
            }
            if runs[0].status != "success" { failed += 1 }
            taken.append(runs[0].startedAt - due)
            ended.append(end - due)
        }
        taken.sort()
        ended.sort()
        Report.write([
            ("runs", .count(ended.count)), ("failed", .count(failed)),
            ("taken_p50_ms", .number(taken[tasks / 2] * 1_000)),
            ("taken_p99_ms", .number(taken[tasks * 99 / 100] * 1_000)),
            ("ended_p50_ms", .number(ended[tasks / 2] * 1_000)),
            ("ended_p99_ms", .number(ended[tasks * 99 / 100] * 1_000)),
            ("ended_worst_ms", .number(ended[tasks - 1] * 1_000)),
            ("per_second", .number(Double(tasks) / max(0.001, (ended.last ?? 0) + seconds))),
        ])
    }
}
