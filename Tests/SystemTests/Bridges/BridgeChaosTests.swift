import Foundation
import GRDB
import TestPlatforms
import Testing

// Agent and bridge killed at random moments, while people go on writing: what each of them said is answered, once.

@Suite struct BridgeChaosTests {
    private static let environment = ProcessInfo.processInfo.environment
    static let rounds = environment["BRIDGE_ROUNDS"].flatMap { Int($0) } ?? 6
    static let seed = environment["SEED"].flatMap { UInt64($0) } ?? .random(in: 1...999_999)
    private static let people = (0..<6).map { number in
        FakeTelegram.Person(id: 2_001 + Int64(number), name: "P\(number)", username: "person_\(number)")
    }

    @Test(
        "P-66: killed again and again, 0 messages are lost, 0 run twice, and a kill repeats at most one answer",
        arguments: [false, true])
    func nothingIsLostWhoeverDies(elsewhere: Bool) async throws {
        let (seed, rounds) = (Self.seed, Self.rounds)
        print("bridge chaos: seed \(seed), \(rounds) rounds, \(elsewhere ? "two processes" : "one process")")
        let verdict = try await FakeTelegram.run { telegram in
            try await Chaos(telegram, elsewhere: elsewhere, seed: seed).run(rounds: rounds)
        }
        print("bridge chaos: seed \(seed): \(verdict)")
        #expect(verdict.lost.isEmpty && verdict.runTwice == 0, "seed \(seed): \(verdict)")
        #expect(verdict.repeated <= verdict.kills, "seed \(seed): \(verdict)")
    }

    private struct Verdict: CustomStringConvertible, Sendable {
        var said = 0
        var kills = 0
        var lost: [String] = []
        var runTwice = 0
        var repeated = 0

        var description: String {
            "\(said) messages, \(kills) kills: \(lost.count) lost, \(runTwice) run twice, \(repeated) answers repeated; "
                + lost.prefix(5).joined(separator: ", ")
        }
    }

    private final class Chaos {
        private let telegram: FakeTelegram
        private let elsewhere: Bool
        private let world: TestHome
        private var random: SystemRandom
        private var words: [(word: String, chat: Int64)] = []

        init(_ telegram: FakeTelegram, elsewhere: Bool, seed: UInt64) throws {
            self.telegram = telegram
            self.elsewhere = elsewhere
            world = try TestHome()
            random = SystemRandom(seed)
        }

        private static let slow = "librarian: {words_per_second: 60}\n"
        private var ids: String { people.map { "\($0.id)" }.joined(separator: ", ") }

        func run(rounds: Int) async throws -> Verdict {
            var server = try await prepare()
            var bridge = elsewhere ? try startBridge() : nil
            var verdict = Verdict()
            for _ in 1...rounds {
                for person in people where Bool.random(using: &random) { say(person) }
                try await Task.sleep(for: .milliseconds(Int.random(in: 100...1_500, using: &random)))
                verdict.kills += 1
                if let victim = bridge, Bool.random(using: &random) {
                    victim.signal(SIGKILL)
                    try await victim.exit()
                    bridge = try startBridge()
                } else {
                    server.program.signal(SIGKILL)
                    try await server.program.exit()
                    server = try await serve()
                }
            }
            let wanted = words
            // Told apart below: a word that never comes is a failure of the count, not of the wait.
            _ = try? await telegram.waitFor("every answer", within: .seconds(90)) { state in
                Self.missing(wanted, state).isEmpty ? true : nil
            }
            bridge?.signal(SIGTERM)
            _ = try await bridge?.exit()
            server.program.signal(SIGTERM)
            #expect(try await server.program.exit() == 0)
            let state = telegram.now
            verdict.said = words.count
            verdict.lost = Self.missing(words, state)
            verdict.repeated = words.reduce(0) { sum, said in
                sum + max(0, state.sent(to: said.chat).count { $0.text.contains(said.word) } - 1)
            }
            verdict.runTwice = try runTwice()
            return verdict
        }

        private static func missing(_ words: [(word: String, chat: Int64)], _ state: FakeTelegram.State) -> [String] {
            words.filter { said in !state.sent(to: said.chat).contains { $0.text.contains(said.word) } }.map(\.word)
        }

        private func say(_ person: FakeTelegram.Person) {
            let word = "zx\(words.count)qv"
            words.append((word, person.id))
            telegram.say("find \(word)", by: person)
        }

        private func prepare() async throws -> Server {
            guard elsewhere else {
                try world.setChannel(telegram, "allowed_users: [\(ids)], live: false", more: Self.slow)
                return try await serve()
            }
            try world.configure(Self.slow)
            try Data("channels: {telegram: {api_base: '\(telegram.url)', allowed_users: [\(ids)], live: false}}".utf8)
                .write(to: world.root.appendingPathComponent("bridge.yaml"))
            let server = try await world.serve()
            _ = try await world.join(try await server.ticket())
            return server
        }

        private func serve() async throws -> Server {
            elsewhere ? try await world.serve() : try await world.serveWithToken()
        }

        private func startBridge() throws -> Program {
            try world.start(
                ["bridge", "telegram", "--config", world.root.appendingPathComponent("bridge.yaml").path],
                environment: [TestHome.tokenVariable: FakeTelegram.token])
        }

        /// Messages of which the agent has more than one turn.
        private func runTwice() throws -> Int {
            let queue = try DatabaseQueue(path: world.agent.appendingPathComponent("openagent.db").path)
            defer { try? queue.close() }
            return try queue.read { connection in
                let texts = try String.fetchAll(connection, sql: "SELECT text FROM turns WHERE text LIKE 'find zx%'")
                return texts.count - Set(texts).count
            }
        }
    }
}

/// Chance that can be had again.
private struct SystemRandom: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
