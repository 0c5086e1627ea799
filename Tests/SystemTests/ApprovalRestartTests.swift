import Foundation
import JSON
import TestProviders
import Testing

// P-29 with the real program: what a user was asked before the agent was started anew is asked again, and their answer counts.

@Suite struct ApprovalRestartTests {
    @Test(
        "P-29: a turn that waits for leave to use a tool waits on after a restart, and runs the tool once",
        arguments: [SIGTERM, SIGKILL])
    func theQuestionStays(_ signal: Int32) async throws {
        let world = try TestHome()
        let file = world.root.appendingPathComponent("calls")
        #expect(try await world.run(["init", world.agent.path]).status == 0)
        try await FakeProvider.run(["one"]) { fake in
            fake.answer { question in
                let asked = AskedModel(question.body)
                if let result = asked.results.last { return FakeAnswer([.text("heard: \(result)")]) }
                return .call("alpha_do", #"{"id":"\#(asked.words)"}"#)
            }
            let first = try await world.serve()
            try await world.equip(
                fake, servers: [("alpha", "counting.py", ["CALLS_FILE": file.path])], rule: "ask")
            let message: JSONValue = ["message": "go", "session_id": "s", "message_id": "m"]
            let asker = try world.start([
                "api", "POST", "/api/chat", "--data",
                String(decoding: try JSONEncoder().encode(message), as: UTF8.self),
                "--agent", world.agent.path,
            ])
            let before = try await Self.question(world)
            first.program.signal(signal)
            try await first.program.exit(within: 15)
            asker.signal(SIGKILL)
            let second = try await world.serve()
            let after = try await Self.question(world)
            // After an orderly end the old question is taken back, and a new one is put.
            #expect((after == before) == (signal == SIGKILL))
            #expect(try String(contentsOf: file, encoding: .utf8) == "", "nothing has run")
            try await world.api("POST", "/api/approvals/\(after)", ["decision": "approve"])
            let answer = try await world.api("POST", "/api/chat", message)
            #expect(answer["response"] == "heard: counted", "\(answer)")
            #expect(try String(contentsOf: file, encoding: .utf8) == "go\n")
            second.program.signal(SIGTERM)
            #expect(try await second.program.exit() == 0)
        }
    }

    /// The id of the question that waits, once there is one.
    static func question(_ world: TestHome) async throws -> String {
        let deadline = ContinuousClock.now + .seconds(20)
        while ContinuousClock.now < deadline {
            if case .array(let all)? = try await world.api("GET", "/api/approvals?all=1&state=pending")["approvals"],
                let id = all.first?["id"]?.string
            {
                return id
            }
        }
        throw Program.Failure(description: "nobody was asked")
    }
}
