import Foundation
import Testing

/// The real program runs a workflow, and dies on the way.
@Suite struct WorkflowTests {
    private static let flow = #"""
        {"name": "flow",
         "nodes": [
            {"id": "in", "type": "trigger-manual"},
            {"id": "split", "type": "parallel"},
            {"id": "before", "type": "set-variable", "config": {"key": "before", "value_expr": "now"}},
            {"id": "long", "type": "wait", "config": {"mode": "duration", "seconds": "{{ inputs.seconds }}"}},
            {"id": "after", "type": "set-variable", "config": {"key": "after", "value_expr": "vars.before ~ ' ' ~ now"}},
            {"id": "short", "type": "wait", "config": {"mode": "duration", "seconds": 0.1}},
            {"id": "each", "type": "loop", "config": {"items_expr": "[1, 2, 3]"}},
            {"id": "pause", "type": "wait", "config": {"mode": "duration", "seconds": 0.4}},
            {"id": "count", "type": "set-variable", "config": {"key": "n", "value_expr": "vars.n + 1"}},
            {"id": "join", "type": "merge"},
            {"id": "end", "type": "set-variable", "config": {"key": "end", "value_expr": "[vars.n, vars.before, vars.after]"}}],
         "edges": [
            {"source": "in", "target": "split"},
            {"source": "split", "sourceHandle": "branch_0", "target": "before"},
            {"source": "before", "target": "long"}, {"source": "long", "target": "after"},
            {"source": "split", "sourceHandle": "branch_1", "target": "short"}, {"source": "short", "target": "each"},
            {"source": "each", "sourceHandle": "body", "target": "count"}, {"source": "count", "target": "pause"},
            {"source": "each", "sourceHandle": "done", "target": "join"}, {"source": "after", "target": "join"},
            {"source": "join", "target": "end"}],
         "variables": {"n": 0}}
        """#

    private static func object(_ text: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    @Test("a run survives kill -9 at any point: it goes on with the next start, and no block runs twice")
    func killed() async throws {
        let world = try TestHome()
        var server = try await world.serve()
        let file = world.root.appendingPathComponent("flow.json")
        try Data(Self.flow.utf8).write(to: file)
        let target = ["--agent", world.agent.path]
        let made = try await world.run(["workflows", "create", file.path] + target)
        #expect(made.status == 0, "\(made)")
        let begun = try await world.run(
            ["workflows", "run", "flow", "--input", "seconds=1.5", "--no-wait", "--json"] + target)
        #expect(begun.status == 0, "\(begun)")
        let id = try #require(try Self.object(begun.output)["run_id"] as? String)
        // Killed again and again: before, within and behind the waits.
        for _ in 0..<3 {
            server.program.signal(SIGKILL)
            _ = try await server.program.exit()
            server = try await world.serve()
        }
        let deadline = ContinuousClock.now + .seconds(20)
        var run: [String: Any] = [:]
        while ContinuousClock.now < deadline {
            let shown = try await world.run(["workflows", "run-show", id, "--json"] + target)
            #expect(shown.status == 0, "\(shown)")
            run = try Self.object(shown.output)
            if run["status"] as? String != "running" { break }
        }
        #expect(run["status"] as? String == "success", "\(run)")
        let trace = try #require(run["trace"] as? [[String: Any]])
        #expect(trace.count == 15, "\(trace)")
        let names = trace.map { "\($0["node_id"] ?? "")\($0["iteration"] ?? "")" }
        #expect(Set(names).count == names.count, "\(names)")
        let end = try #require((run["outputs"] as? [String: Any])?["value"] as? [String: Any])
        let values = try #require(end["value"] as? [Any])
        #expect(values.first as? Int == 3, "the loop counted once for each item")
        let (before, after) = (try #require(values[1] as? String), try #require(values[2] as? String))
        #expect(after.hasPrefix(before + " "), "what was set before the crash was not set anew")
        let listed = try await world.run(["workflows", "stats", "flow", "--json"] + target)
        #expect(try Self.object(listed.output)["success_count"] as? Int == 1)

        // By hand, to its end; and stopped.
        let whole = try await world.run(["workflows", "run", "flow", "--inputs", #"{"seconds":0}"#] + target)
        #expect(whole.status == 0 && whole.output.hasPrefix("success."), "\(whole)")
        let waiting = try world.start(["workflows", "run", "flow", "--input", "seconds=600"] + target)
        waiting.closeInput()
        var stopped = try await world.run(["workflows", "stop", "flow"] + target)
        while stopped.output.contains("Nothing"), ContinuousClock.now < deadline + .seconds(20) {
            stopped = try await world.run(["workflows", "stop", "flow"] + target)
        }
        #expect(stopped.output.contains("Stopped 1."), "\(stopped)")
        #expect(try await waiting.exit() == 1)
        let failed = try await world.run(["workflows", "run", "flow"] + target)
        #expect(failed.status == 1 && failed.output.contains("seconds"), "\(failed)")
        server.program.signal(SIGTERM)
        #expect(try await server.program.exit() == 0)
    }
}
