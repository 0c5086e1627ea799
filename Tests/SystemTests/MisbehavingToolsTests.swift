import Foundation
import JSON
import TestProviders
import Testing

// P-33 from a user's place: a server of tools crashes, hangs or floods in the middle of a turn. The turn hears of it and ends with an
// answer, turns of others are not disturbed, and the server comes back.

@Suite struct MisbehavingToolsTests {
    @Test(
        "P-33: a turn whose MCP server crashes, hangs or floods ends with an answer, others go on, and the server comes back"
    )
    func turnsGoOn() async throws {
        let world = try TestHome()
        #expect(try await world.run(["init", world.agent.path]).status == 0)
        let yaml = world.agent.appendingPathComponent("openagent.yaml")
        let before = try String(contentsOf: yaml, encoding: .utf8)
        try Data((before + "\ntool_servers: {seconds: {wild_sleep: 1}}\n").utf8).write(to: yaml)
        try await FakeProvider.run(["one"]) { fake in
            // The user's words name the tool; what it says is the answer.
            fake.answer { question in
                let asked = AskedModel(question.body)
                if let result = asked.results.last { return FakeAnswer([.text("heard: \(result.prefix(300))")]) }
                return .call(asked.words, #"{"text":"well","aside":false}"#)
            }
            let server = try await world.serve()
            try await world.equip(
                fake, servers: [("wild", "misbehaving.py", [:]), ("calm", "misbehaving.py", [:])])
            try await Self.ready("wild", restarts: 0, world)
            try await Self.ready("calm", restarts: 0, world)
            var restarts = 0
            for (tool, word) in [("crash", "ended"), ("sleep", "did not answer"), ("huge", "ended")] {
                async let wild = Self.chat("wild_\(tool)", world)
                let calm = try await Self.chat("calm_echo", world)
                #expect(calm == "heard: well")
                let answer = try await wild
                #expect(answer.hasPrefix("heard: ") && answer.contains(word), "\(tool): \(answer)")
                restarts += 1
                try await Self.ready("wild", restarts: restarts, world)
                #expect(try await Self.chat("wild_echo", world) == "heard: well")
            }
            #expect(try await Self.chat("wild_flood", world) == "heard: flooded")
            #expect(try await Self.status("calm", world)?["restarts"] == 0)
            server.program.signal(SIGTERM)
            #expect(try await server.program.exit() == 0)
        }
    }

    private static func chat(_ words: String, _ world: TestHome) async throws -> String {
        let answer = try await world.api(
            "POST", "/api/chat", ["message": .string(words), "session_id": .string(words + UUID().uuidString)])
        return answer["response"]?.string ?? "\(answer)"
    }

    private static func status(_ name: String, _ world: TestHome) async throws -> JSONValue? {
        guard case .array(let rows)? = try await world.api("GET", "/api/mcps?limit=100")["mcps"] else { return nil }
        return rows.first { $0["name"] == .string(name) }
    }

    /// Waits until a server is ready, having been started again so many times.
    private static func ready(_ name: String, restarts: Int, _ world: TestHome) async throws {
        let deadline = ContinuousClock.now + .seconds(30)
        var seen: JSONValue?
        while ContinuousClock.now < deadline {
            seen = try await status(name, world)
            if seen?["state"] == "ready", seen?["restarts"] == .integer(Int64(restarts)) { return }
        }
        Issue.record("\(name) is not back: \(String(describing: seen))")
    }
}
