import Foundation
import Testing

/// What goes on for a while is heard as it happens, with whatever program and on whichever way.
@Suite struct EventStreamTests {
    private func curl(_ home: TestHome, _ arguments: String...) throws -> Program {
        try home.launch("/usr/bin/curl", ["-sN", "--max-time", "60"] + arguments)
    }

    private func isEvent(of note: String) -> @Sendable (String) -> Bool {
        { $0.hasPrefix("data:") && $0.contains("\"resource\":\"vault\"") && $0.contains(note) }
    }

    @Test("P-64: events and the answer of a turn come through the proxy as they happen, as they do on the direct way")
    func throughTheProxy() async throws {
        let home = try TestHome()
        let server = try await home.serve()
        _ = try await home.join(try await server.ticket())
        let (_, url) = try await home.startProxy()

        let proxied = try curl(home, "\(url)/api/events?resource=vault")
        let direct = try home.start(["api", "GET", "/api/events?resource=vault", "--node", "my-agent"])
        for stream in [proxied, direct] { try await stream.line { $0.hasPrefix("retry:") } }
        let put = try curl(
            home, "-X", "PUT", "\(url)/api/vault/notes/One.md", "-d", #"{"content":"The hall is blue."}"#)
        #expect(try await put.exit() == 0 && put.output.contains("\"ok\":true"), "\(put.output)")
        let event = isEvent(of: "One.md")
        let (first, second) = (try await proxied.line(where: event), try await direct.line(where: event))
        #expect(first == second)
        #expect(proxied.output.contains("event: resource_event"))

        let question = #"{"message":"hall","session_id":"s"}"#
        let answer = try curl(home, "-H", "Accept: text/event-stream", "\(url)/api/chat", "-d", question)
        #expect(try await answer.exit(within: 60) == 0)
        let names = answer.output.split(separator: "\n").filter { $0.hasPrefix("event:") }
        #expect(names.first == "event: queued" && names.suffix(2) == ["event: response", "event: turn_complete"])
        #expect(answer.output.contains("The hall is blue."), "\(answer.output)")
        let whole = try curl(home, "\(url)/api/chat", "-d", question)
        #expect(try await whole.exit(within: 60) == 0 && whole.output.contains("\"errored\":false"), "\(whole.output)")

        // A command ends with whoever reads it, and streams end with the server.
        direct.signal(SIGINT)
        try await direct.exit()
        server.program.signal(SIGTERM)
        try await server.program.exit(within: 60)
        _ = try await proxied.exit(within: 60)
        #expect(proxied.output.contains("1012") || proxied.output.hasSuffix("One.md\"}") == false)
    }

    @Test("a stream that hears nothing costs the agent next to nothing")
    func silentStreamsSleep() async throws {
        let home = try TestHome()
        let server = try await home.serve()
        _ = try await home.join(try await server.ticket())
        let (_, url) = try await home.startProxy()
        let stream = try curl(home, "\(url)/api/events?resource=vault")
        try await stream.line { $0.hasPrefix("retry:") }
        let before = try Self.processorTime(of: server.program)
        // Not a wait for something: the span over which nothing may happen.
        try await Task.sleep(for: .seconds(2))
        let used = try Self.processorTime(of: server.program) - before
        #expect(used < 0.4, "\(used) s of 2 s")
    }

    /// Seconds of processor time that the program has used (proc(5), hundredths of a second).
    private static func processorTime(of program: Program) throws -> Double {
        let fields = try String(contentsOfFile: "/proc/\(program.pid)/stat", encoding: .utf8).split(separator: " ")
        return ((Double(fields[13]) ?? 0) + (Double(fields[14]) ?? 0)) / 100
    }

    @Test("an agent that nobody serves says that it takes no messages and tells nothing")
    func aStoppedAgent() async throws {
        let home = try TestHome()
        #expect(try await home.run(["init", home.agent.path]).status == 0)
        for words in [["GET", "/api/events"], ["POST", "/api/chat", "--data", #"{"message":"hello"}"#]] {
            let result = try await home.run(["api"] + words + ["--agent", home.agent.path])
            #expect(result.status == 69 && result.output == "", "\(result)")
            #expect(result.errors.contains("openagent serve"), "\(result.errors)")
        }
    }
}
