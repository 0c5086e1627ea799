import Foundation
import Synchronization
import TestProviders
import Testing
import Wire

// A turn of fifty steps with three MCP servers, while the agent is killed at random moments: nothing is done twice, and the turn ends as
// if nothing had been. The agent is the real program, its servers of tools are real ones that write down each call, and its model is a
// provider in this process, which says the next step by what the conversation holds.

@Suite struct TurnStepsTests {
    static let kills = ProcessInfo.processInfo.environment["ROUNDS"].flatMap { Int($0) } ?? 25
    /// Kills for each turn.
    private static let killsPerTurn = 5
    private static let steps = 50
    /// Two tools in each fifth step and one in the others, of 49.
    private static let callsPerTurn = 59
    private static let servers = ["alpha", "beta", "gamma"]

    @Test("a 50-step turn with three MCP servers survives kill -9 at any moment without running a tool twice")
    func nothingRunsTwice() async throws {
        print("turn steps: seed \(ChaosTests.seed), \(Self.kills) kills")
        let world = try TestHome()
        let file = world.root.appendingPathComponent("calls")
        try await FakeProvider.run(["one"]) { fake in
            fake.answer { Self.step($0.body) }
            var server = try await world.serve()
            #expect(try await world.join(try await server.ticket()).status == 0)
            try await world.equip(
                fake, servers: Self.servers.map { ($0, "counting.py", ["CALLS_FILE": file.path]) })
            var random = SeededRandom(ChaosTests.seed)
            let begun = ContinuousClock.now
            var waited = Duration.zero
            var (killed, turns, unknown) = (0, 0, 0)
            while killed < Self.kills {
                turns += 1
                let id = "turn-\(turns)"
                try await Self.talk(id, try await server.port(), world) { message in
                    if case .queued = message.body { true } else { false }
                }
                for _ in 0..<Self.killsPerTurn where killed < Self.kills {
                    // From before the first step to behind several of them.
                    try await Task.sleep(for: .milliseconds(Int.random(in: 0...600, using: &random)))
                    server.program.signal(SIGKILL)
                    try await server.program.exit()
                    killed += 1
                    server = try await world.serve()
                }
                let killedLast = ContinuousClock.now
                unknown += try await Self.check(id, try await server.port(), world)
                waited += .now - killedLast
                let calls = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
                #expect(Set(calls).count == calls.count, "a tool ran twice: \(calls.count - Set(calls).count)")
                // What is unknown may have run or not; everything else has.
                let expected = turns * Self.callsPerTurn
                #expect((expected - unknown...expected).contains(calls.count), "\(calls.count), \(unknown) unknown")
            }
            #expect(unknown <= 2 * killed)
            print(
                "turn steps: \(killed) kills, \(turns) turns, \(unknown) calls with an unknown outcome, "
                    + "\(ContinuousClock.now - begun), of which \(waited) behind a turn's last kill")
            server.program.signal(SIGTERM)
            #expect(try await server.program.exit() == 0)
        }
    }

    // MARK: The model

    /// Asks for tools in 49 steps, mostly one, sometimes two at once, and says in the last how many of them nobody knows the end of.
    private static func step(_ body: String) -> FakeAnswer {
        let asked = AskedModel(body)
        guard asked.steps < steps - 1 else {
            let unknown = asked.results.count { $0.contains("outcome is unknown") }
            let odd = asked.results.count { !$0.contains("outcome is unknown") && $0 != "counted" }
            return FakeAnswer([.text("done, \(unknown) unknown, \(odd) odd")])
        }
        let names =
            asked.steps % 5 == 0
            ? ["alpha_look", "beta_look"] : [["alpha_do", "beta_do", "gamma_do"][asked.steps % 3]]
        return FakeAnswer(
            [.text("step \(asked.steps)")]
                + names.map { name in
                    let id = "\(asked.words) \(asked.steps) \(name)"
                    return .call(id: id, name: name, arguments: #"{"id":"\#(id)"}"#)
                })
    }

    // MARK: The client

    /// Waits for the end of a turn and looks at all of it.
    ///
    /// - Returns: how many of its calls have an unknown outcome.
    private static func check(_ id: String, _ port: Int, _ world: TestHome) async throws -> Int {
        let heard = Mutex<(answer: String, numbers: [Int])>(("", []))
        try await talk(id, port, world) { message in
            heard.withLock { heard in
                if let number = message.sequence { heard.numbers.append(number) }
                if case .response(let answer, _, _) = message.body { heard.answer = answer }
            }
            if case .turnComplete = message.body { return true }
            return false
        }
        let (answer, numbers) = heard.withLock { $0 }
        #expect(zip(numbers, numbers.dropFirst()).allSatisfy { $0 < $1 }, "\(numbers)")
        let said = answer.components(separatedBy: "\n\n")
        #expect(said.dropLast() == (0..<steps - 1).map { "step \($0)" }[...], "\(answer)")
        let words = try #require(said.last).split(separator: " ").map(String.init)
        try #require(words.count == 5, "\(answer.suffix(80))")
        #expect(words[3] == "0", "\(words)")
        return try #require(Int(words[1]))
    }

    /// Says the message, which changes nothing the second time, and listens from the session's beginning until `isDone`.
    private static func talk(
        _ id: String, _ port: Int, _ world: TestHome, until isDone: @Sendable (ServerMessage) -> Bool
    ) async throws {
        let device = try JoinedDevice(home: world.home, port: port)
        try await device.withPool { pool in
            try await GatewayClient(dialer: pool).withWebSocket { socket in
                try await socket.send(ClientMessage.sessionOpen(.init(sessionID: id, afterSequence: 0)).json())
                try await socket.send(
                    ClientMessage.textFinal(.init(sessionID: id, text: id, messageID: id)).json())
                for try await event in socket.events {
                    guard case .text(let text) = event, let message = try? ServerMessage(json: text),
                        message.messageID == id
                    else { continue }
                    if isDone(message) { return }
                }
                throw Program.Failure(description: "the socket ended before the answer to \(id)")
            }
        }
    }
}
