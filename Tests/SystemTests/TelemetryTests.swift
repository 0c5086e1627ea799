import Foundation
import Testing
import Wire

// What the log and the books say, asked of the real program: also after it was killed, and while it does not run.

@Suite struct TelemetryTests {
    private static func entries(_ text: String) throws -> [LogEntryBody] {
        try JSONDecoder().decode([LogEntryBody].self, from: Data(text.utf8))
    }

    @Test("P-85: logs -n gives so many lines, of the running and of the stopped agent, and -f goes on")
    func logsAreRead() async throws {
        let world = try TestHome()
        let server = try await world.serve(["--log-level", "debug"])
        #expect(try await world.join(try await server.ticket()).status == 0)
        let follower = try world.start([
            "logs", "-f", "-n", "1000", "--event", "gateway::", "--agent", world.agent.path,
        ])
        try await follower.line(containing: "path=/api/logs")
        for _ in 1...3 { #expect(try await world.run(["sessions", "list"]).status == 0) }
        try await follower.lines(3, containing: "path=/api/sessions")
        follower.signal(SIGKILL)
        let own = try await world.run(["logs", "-n", "5"])
        #expect(own.status == 0 && own.output.split(separator: "\n").count == 5, "\(own)")
        let asJSON = try await world.run(["logs", "-n", "7", "--json", "--agent", world.agent.path])
        let entries = try Self.entries(asJSON.output)
        #expect(asJSON.output.split(separator: "\n").count == 1, "one document in one line")
        #expect(entries.count == 7 && entries.allSatisfy { $0.time > 0 && $0.event.contains("::") })
        // Killed, and then asked while nobody serves: what was said is there, and no half of a line.
        server.program.signal(SIGKILL)
        try await server.program.exit()
        let log = world.agent.appendingPathComponent("logs/events.jsonl")
        let handle = try FileHandle(forWritingTo: log)
        try handle.seekToEnd()
        try handle.write(contentsOf: Data(#"{"event":"torn"#.utf8))
        try handle.close()
        let stopped = try await world.run(["logs", "-n", "200", "--agent", world.agent.path])
        #expect(stopped.status == 0 && stopped.output.contains("node::serving"), "\(stopped)")
        #expect(!stopped.output.contains("torn"))
        let more = try await world.run(["logs", "-f", "--agent", world.agent.path])
        #expect(more.status == 73 && more.errors.contains("hint: "), "\(more)")
        #expect(!(try String(contentsOf: log, encoding: .utf8)).contains("oa1"), "no ticket in the log")
    }

    @Test(
        "what follows an agent ends with its reader, also while nothing happens",
        arguments: ["logs -f -n 1", "logs -f -n 1 --json", "api GET '/api/logs?follow=true&lines=1'"])
    func followingEndsWithItsReader(_ command: String) async throws {
        let world = try TestHome()
        _ = try await world.serve()
        let pipe = "{ '\(TestHome.binary)' \(command) --agent '\(world.agent.path)'; echo ended $? >&2; } | head -n 1"
        let program = try world.launch(
            "/bin/sh", ["-c", pipe], environment: ["OPENAGENT_HOME": world.home.path])
        try await program.exit()
        #expect(program.errors.split(separator: "\n") == ["ended 0"] && !program.output.isEmpty, "\(program.errors)")
    }

    @Test("a server that nobody asks anything writes nothing")
    func anIdleServerIsQuiet() async throws {
        let world = try TestHome()
        let server = try await world.serve()
        let log = world.agent.appendingPathComponent("logs/events.jsonl")
        try await server.program.line(containing: "Join")
        // There is no event to wait for when nothing happens: what belongs to the start gets a second, silence two.
        try await Task.sleep(for: .seconds(1))
        let before = try Data(contentsOf: log).count
        try await Task.sleep(for: .seconds(2))
        #expect(try Data(contentsOf: log).count == before)
    }

    @Test("P-94: kill -9 in mid-turn: the turn that goes on afterwards is counted once, by the limit and by the books")
    func killedTurnsAreCountedOnce() async throws {
        let world = try TestHome()
        let (server, reader) = try await world.serveSlowAnswer()
        server.program.signal(SIGKILL)
        try await server.program.exit()
        let file = world.agent.appendingPathComponent("openagent.yaml")
        let text = try String(contentsOf: file, encoding: .utf8)
        // What ran before counts: it was let through, and is not asked again.
        let used = try await world.run(["usage", "--json", "--agent", world.agent.path])
        #expect(used.status == 0, "\(used)")
        let before = try Self.requests(used.output)
        try Data((text + "\nusage: {caps: {user: {requests: \(before + 2)}}}\n").utf8).write(to: file)
        let second = try await world.serve()
        #expect(try await reader.exit(within: 60) == 0, "\(reader.output) \(reader.errors)")
        let after = try await world.run(["usage", "--json", "--agent", world.agent.path])
        #expect(try Self.requests(after.output) == before + 1, "\(after)")
        let last = try await world.run(["chat", "-m", "hello"])
        #expect(last.status == 0, "\(last)")
        let refused = try await world.run(["chat", "-m", "hello again"])
        #expect(refused.status == 73, "\(refused)")
        #expect(refused.errors.contains("limit") && refused.errors.contains("requests"), "\(refused)")
        let shown = try await world.run(["usage", "--user", "alice"])
        #expect(shown.output.contains("\(before + 2) of \(before + 2) requests of user alice"), "\(shown)")
        let models = try await world.run(["usage", "--by", "model"])
        #expect(models.output.hasPrefix("builtin:librarian\t"), "\(models)")
        second.program.signal(SIGTERM)
        #expect(try await second.program.exit() == 0)
    }

    private static func requests(_ json: String) throws -> Int {
        Int(try JSONDecoder().decode(UsageBody.self, from: Data(json.utf8)).requests)
    }
}
