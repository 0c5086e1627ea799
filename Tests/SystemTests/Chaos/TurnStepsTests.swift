import Foundation
import Synchronization
import Testing
import Wire

// A turn of fifty steps with three servers of tools, in a process that is killed at random moments: nothing is done twice, and the turn
// ends as if nothing had been. The process is `gateway-bench steps`: endpoint, coordinator, gateway, store and the turn loop are the real
// ones, the model and the tools are such that can be counted.

@Suite struct TurnStepsTests {
    static let kills = ProcessInfo.processInfo.environment["ROUNDS"].flatMap { Int($0) } ?? 25
    /// Kills for each turn.
    private static let killsPerTurn = 5
    /// Two tools in each fifth step and one in the others, of 49.
    private static let callsPerTurn = 59

    private static let binary = URL(fileURLWithPath: TestHome.binary).deletingLastPathComponent()
        .appendingPathComponent("gateway-bench").path

    @Test("a 50-step turn with three servers of tools survives kill -9 at any moment without running a tool twice")
    func nothingRunsTwice() async throws {
        var random = SeededRandom(ChaosTests.seed)
        print("turn steps: seed \(ChaosTests.seed), \(Self.kills) kills")
        let world = try TestHome()
        let directory = world.root.appendingPathComponent("bench")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        var server = try await Served(world, Self.binary, directory)
        #expect(try await world.join(server.ticket).status == 0)
        var (killed, turns, unknown) = (0, 0, 0)
        while killed < Self.kills {
            turns += 1
            let id = "turn-\(turns)"
            try await Self.send(id, to: server, world)
            for _ in 0..<Self.killsPerTurn where killed < Self.kills {
                // From before the first step to behind several of them.
                try await Task.sleep(for: .milliseconds(Int.random(in: 0...150, using: &random)))
                server.program.signal(SIGKILL)
                try await server.program.exit()
                killed += 1
                server = try await Served(world, Self.binary, directory)
            }
            let answer = try await Self.answer(to: id, from: server, world)
            #expect(answer.hasPrefix("step 0\n\nstep 1\n\n"), "\(answer.prefix(80))")
            #expect((0..<49).allSatisfy { answer.components(separatedBy: "step \($0)\n").count == 2 }, "\(answer)")
            let words = answer.split(separator: " ").map(String.init)
            let lost = try #require(words.dropLast().last.flatMap { Int($0) }, "\(answer.suffix(40))")
            let calls = try Self.calls(in: directory)
            #expect(Set(calls).count == calls.count, "a tool ran twice: \(calls.count - Set(calls).count)")
            unknown += lost
            // What is unknown may have run or not; everything else has.
            let expected = turns * Self.callsPerTurn
            #expect((expected - unknown...expected).contains(calls.count), "\(calls.count) of \(expected), \(unknown)")
        }
        #expect(unknown <= 2 * killed)
        print("turn steps: \(killed) kills, \(turns) turns, \(unknown) calls with an unknown outcome")
        server.program.closeInput()
        #expect(try await server.program.exit() == 0)
    }

    // MARK: Parts

    private struct Served {
        let program: Program
        let port: Int
        let ticket: String

        init(_ world: TestHome, _ binary: String, _ directory: URL) async throws {
            program = try world.launch(binary, ["steps", directory.path])
            let line = try await program.line { $0.contains("\"ticket\"") }
            let fields = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            ticket = try #require(fields?["ticket"] as? String)
            let address = try #require(fields?["address"] as? String)
            port = try #require(address.split(separator: ":").last.flatMap { Int($0) })
        }
    }

    private static func calls(in directory: URL) throws -> [Substring] {
        try String(contentsOf: directory.appendingPathComponent("calls"), encoding: .utf8).split(separator: "\n")
    }

    /// Returns once the message is on disk.
    private static func send(_ id: String, to server: Served, _ world: TestHome) async throws {
        try await talk(id, server, world) { message in
            if case .queued = message.body { true } else { false }
        }
    }

    /// The whole answer; the message is sent again, which changes nothing.
    private static func answer(to id: String, from server: Served, _ world: TestHome) async throws -> String {
        let text = Mutex("")
        try await talk(id, server, world) { message in
            switch message.body {
            case .response(let answer, _, _): text.withLock { $0 = answer }
            case .turnComplete: return true
            default: break
            }
            return false
        }
        return text.withLock { $0 }
    }

    /// Says the message and listens until `isDone`.
    private static func talk(
        _ id: String, _ server: Served, _ world: TestHome, until isDone: @Sendable (ServerMessage) -> Bool
    ) async throws {
        let device = try JoinedDevice(home: world.home, port: server.port)
        try await device.withPool { pool in
            try await GatewayClient(dialer: pool).withWebSocket { socket in
                try await socket.send(
                    ClientMessage.sessionOpen(.init(sessionID: "steps", afterSequence: 0)).json())
                try await socket.send(
                    ClientMessage.textFinal(.init(sessionID: "steps", text: "go", messageID: id)).json())
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
