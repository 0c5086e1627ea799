import Foundation
import GRDB
import TestPlatforms
import Testing

// Agent and bridge killed at random moments, while people go on writing: what each of them said is answered, once.

@Suite struct BridgeChaosTests {
    private static let environment = ProcessInfo.processInfo.environment
    static let rounds = environment["BRIDGE_ROUNDS"].flatMap { Int($0) } ?? 6
    static let seed = environment["SEED"].flatMap { UInt64($0) } ?? .random(in: 1...999_999)

    @Test(
        "P-66: killed again and again, 0 messages are lost, 0 run twice, and a kill repeats at most one answer",
        arguments: [false, true])
    func telegram(elsewhere: Bool) async throws { try await Self.test(ChaosTelegram.self, elsewhere: elsewhere) }

    @Test(
        "P-66: killed again and again, no answer is repeated where the platform knows repeats",
        arguments: [false, true])
    func discord(elsewhere: Bool) async throws { try await Self.test(ChaosDiscord.self, elsewhere: elsewhere) }

    private static func test<Chat: ChaosChat>(_ chat: Chat.Type, elsewhere: Bool) async throws {
        let place = "\(Chat.platform), \(elsewhere ? "two processes" : "one process")"
        print("bridge chaos: seed \(seed), \(rounds) rounds, \(place)")
        let verdict = try await Chat.run { chat in
            try await Chaos(chat, elsewhere: elsewhere, seed: seed).run(rounds: rounds)
        }
        print("bridge chaos: seed \(seed), \(place): \(verdict)")
        #expect(verdict.lost.isEmpty && verdict.runTwice == 0, "seed \(seed): \(verdict)")
        #expect(verdict.repeated <= (Chat.recognisesRepeats ? 0 : verdict.kills), "seed \(seed): \(verdict)")
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

    private final class Chaos<Chat: ChaosChat> {
        private let chat: Chat
        private let elsewhere: Bool
        private let world: TestHome
        private var random: SystemRandom
        private var words: [(word: String, person: Int)] = []

        init(_ chat: Chat, elsewhere: Bool, seed: UInt64) throws {
            self.chat = chat
            self.elsewhere = elsewhere
            world = try TestHome()
            random = SystemRandom(seed)
        }

        private let slow = "librarian: {words_per_second: 60}\n"

        /// The section of the channel, without its token.
        private var channels: String {
            let ids = chat.people.map { "\"\($0)\"" }.joined(separator: ", ")
            return "channels: {\(Chat.platform): {api_base: '\(chat.apiBase)', allowed_users: [\(ids)], live: false}}\n"
        }

        func run(rounds: Int) async throws -> Verdict {
            var server = try await prepare()
            var bridge = elsewhere ? try startBridge() : nil
            var verdict = Verdict()
            // Where a platform keeps nothing for whoever was never there, nothing was said before either.
            _ = try await world.waitForBridge(elsewhere: elsewhere)
            for _ in 1...rounds {
                for person in chat.people.indices where Bool.random(using: &random) { say(person) }
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
            try? await chat.wait { [chat] in Self.missing(wanted, chat).isEmpty }
            bridge?.signal(SIGTERM)
            _ = try await bridge?.exit()
            server.program.signal(SIGTERM)
            #expect(try await server.program.exit() == 0)
            verdict.said = words.count
            verdict.lost = Self.missing(words, chat)
            verdict.repeated = words.reduce(0) { sum, said in
                sum + max(0, chat.answers(to: said.person).count { $0.contains(said.word) } - 1)
            }
            verdict.runTwice = try runTwice()
            return verdict
        }

        private static func missing(_ words: [(word: String, person: Int)], _ chat: Chat) -> [String] {
            let answers = chat.people.indices.map(chat.answers)
            return words.filter { said in !answers[said.person].contains { $0.contains(said.word) } }.map(\.word)
        }

        private func say(_ person: Int) {
            let word = "zx\(words.count)qv"
            words.append((word, person))
            chat.say("find \(word)", by: person)
        }

        private func prepare() async throws -> Server {
            try world.configure(elsewhere ? slow : channels + slow)
            let server = try await serve()
            if elsewhere {
                try Data(channels.utf8).write(to: world.root.appendingPathComponent("bridge.yaml"))
                _ = try await world.join(try await server.ticket())
            }
            return server
        }

        private var environment: [String: String] { [Chat.account.variable: Chat.account.token] }

        private func serve() async throws -> Server {
            elsewhere ? try await world.serve() : try await world.serve(environment: environment)
        }

        private func startBridge() throws -> Program {
            try world.start(
                ["bridge", Chat.platform, "--config", world.root.appendingPathComponent("bridge.yaml").path],
                environment: environment)
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
