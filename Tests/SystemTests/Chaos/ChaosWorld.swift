import Foundation
import Testing

// The place of a chaos: an agent with a few notes that answers at a pace, four users with two devices each, and the server
// that is killed and started again under them.

/// An agent and its clients.
final class ChaosWorld: Sendable {
    let home: TestHome
    let clients: [ChaosClient]
    /// Beats with each message that a client gets.
    let pulse: Pulse

    static let users = ["alice", "bob", "carol", "dave"]
    private static let devicesPerUser = 2

    init(home: TestHome, clients: [ChaosClient], pulse: Pulse) {
        self.home = home
        self.clients = clients
        self.pulse = pulse
    }

    /// Makes the agent, lets everybody in, and stops the server again.
    convenience init(seed: UInt64) async throws {
        let home = try TestHome()
        try await home.prepareAgent(wordsPerSecond: 150)
        let server = try await home.serve()
        let homes = try await home.admitDevices(
            Self.users.map { ($0, Self.devicesPerUser) }, ticket: try await server.ticket())
        let port = try await server.port()
        var random = SeededRandom(seed)
        let pulse = Pulse()
        let clients = try homes.enumerated().map { index, home in
            let device = try JoinedDevice(home: home, port: port)
            // One conversation that both devices of a user write to and watch, and one of its own.
            return ChaosClient(
                name: "d\(index)", device: device, sessions: ["shared", "own-\(index)"], pulse: pulse,
                seed: random.next())
        }
        server.program.signal(SIGTERM)
        try await server.program.exit()
        self.init(home: home, clients: clients, pulse: pulse)
    }

    var database: URL { home.agent.appendingPathComponent("openagent.db") }

    /// Everything that was remembered.
    func remembered() throws -> String {
        let folder = home.agent.appendingPathComponent("memories/remembered")
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return try names.filter { $0.hasSuffix(".md") }
            .map { try String(contentsOf: folder.appendingPathComponent($0), encoding: .utf8) }.joined(separator: "\n")
    }

    func start(failingAt point: String? = nil) throws -> Program {
        let program = try home.start(
            ["serve", home.agent.path], environment: point.map { ["OPENAGENT_FAILURE_POINT": $0] } ?? [:])
        program.closeInput()
        return program
    }

    /// One round: a server is started and hit.
    ///
    /// - Returns: the server, and whether it is over.
    func run(_ blow: ChaosBlow, on server: Program?) async throws -> (program: Program, isOver: Bool) {
        switch blow {
        case .killAfterTime(let milliseconds):
            let server = try server ?? start()
            try await Task.sleep(for: .milliseconds(milliseconds))
            try await kill(server)
            return (server, true)
        case .killAfterEvents(let count):
            let goal = pulse.beats + count
            let server = try server ?? start()
            await pulse.wait(atMost: ChaosPlan.longestRound) { self.pulse.beats >= goal }
            try await kill(server)
            return (server, true)
        case .killAtCommit(let point):
            if let server { try await kill(server) }
            let next = try start(failingAt: point)
            if (try? await next.exit(within: 1)) == nil { try await kill(next) }
            return (next, true)
        case .terminate(let milliseconds):
            let server = try server ?? start()
            try await server.line { $0.hasPrefix("Listens") }
            try await Task.sleep(for: .milliseconds(milliseconds))
            server.signal(SIGTERM)
            let status = try await server.exit()
            #expect(status == 0, "\(server.output.suffix(2_000)) \(Self.crash(server))")
            return (server, true)
        case .clients(let blows):
            let server = try server ?? start()
            for blow in blows {
                try await Task.sleep(for: .milliseconds(blow.pause))
                if blow.dies { clients[blow.index].die() } else { clients[blow.index].dropConnections() }
            }
            return (server, false)
        }
    }

    /// What a process says about its own end.
    private static func crash(_ server: Program) -> Substring { server.errors.prefix(10_000) }

    private func kill(_ server: Program) async throws {
        server.signal(SIGKILL)
        let status = try await server.exit()
        #expect(status == -SIGKILL, "it died by itself: \(server.output.suffix(2_000)) \(Self.crash(server))")
    }
}

extension TestHome {
    /// Makes an agent with a few notes that answers so fast.
    func prepareAgent(wordsPerSecond: Int, storyWords: Int = 60) async throws {
        let made = try await run(["init", agent.path])
        guard made.status == 0 else { throw Program.Failure(description: "\(made)") }
        let words = (1...storyWords).map { "word\($0)" }.joined(separator: " ")
        try Data("# Story\n\nThe story: \(words)\n".utf8).write(to: agent.appendingPathComponent("memories/story.md"))
        try await setPace(wordsPerSecond: wordsPerSecond)
    }

    /// From the next answer on.
    func setPace(wordsPerSecond: Int) async throws {
        let set = try await run([
            "config", "set", "librarian.words_per_second", "\(wordsPerSecond)", "--agent", agent.path,
        ])
        guard set.status == 0 else { throw Program.Failure(description: "\(set)") }
    }
}
