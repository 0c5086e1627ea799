import Foundation
import Testing

/// What `openagent api` sends and prints; that it does the same on every way to an agent is in AdministrationTests.
@Suite struct APITests {
    private func api(_ home: TestHome, _ words: String..., input: String? = nil) async throws -> (
        status: Int32, output: String, errors: String
    ) {
        try await home.run(["api"] + words + ["--agent", home.agent.path], input: input)
    }

    @Test("a body comes from the command line, a file or standard input, with the type that it is said to have")
    func bodies() async throws {
        let home = try TestHome()
        #expect(try await home.run(["init", home.agent.path]).status == 0)
        let note = "/api/vault/notes/One.md"
        #expect(try await api(home, "PUT", note, "--data", #"{"content":"one"}"#).status == 0)
        #expect(try await api(home, "GET", note + "?raw=1").output == "one")
        let file = home.root.appendingPathComponent("note")
        try Data("two".utf8).write(to: file)
        let markdown = ["--header", "Content-Type: text/markdown"]
        #expect(try await api(home, "PUT", note, "-d", "@" + file.path, markdown[0], markdown[1]).status == 0)
        #expect(try await api(home, "GET", note + "?raw=1").output == "two")
        #expect(try await api(home, "PUT", note, "-d", "-", markdown[0], markdown[1], input: "three").status == 0)
        #expect(try await api(home, "GET", note + "?raw=1").output == "three")
    }

    @Test("what an agent can be asked is asked of a stopped and of a running one, and a refusal is an exit code")
    func theDocument() async throws {
        let home = try TestHome()
        #expect(try await home.run(["init", home.agent.path]).status == 0)
        let stopped = try await api(home, "GET", "/api/openapi.json")
        let document = try JSONSerialization.jsonObject(with: Data(stopped.output.utf8)) as? [String: Any]
        #expect(document?["openapi"] as? String == "3.1.0")
        let server = try await home.serve()
        #expect(try await api(home, "GET", "/api/openapi.json").output == stopped.output)
        let refused = try await api(home, "PATCH", "/api/network/users/nobody", "--data", "{")
        #expect(refused.status == 64 && refused.output == "")
        #expect(AdministrationTests.isAdvice(refused.errors), "\(refused.errors)")
        server.program.signal(SIGTERM)
        try await server.program.exit()
    }

    @Test(
        "what can't be a request is refused before anybody is asked",
        arguments: [
            ["FETCH", "/api/health"], ["GET", "api/health"], ["GET", "/api/a b"], ["GET", "/\r\nx"],
            ["GET", "/api/health", "--header", "Host: x"], ["GET", "/api/health", "--header", "nothing"],
            ["GET", "/api/health", "--header", "A: b\r\nC: d"], ["PUT", "/api/health", "--data", "@/nothing/here"],
        ])
    func nonsense(_ words: [String]) async throws {
        let home = try TestHome()
        let result = try await home.run(["api"] + words + ["--agent", home.agent.path])
        #expect(result.status == 64 && result.output == "", "\(result)")
    }
}
