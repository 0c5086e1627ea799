import Foundation
import JSON
import Store
import Testing

@testable import Agent

// What becomes of a run when its process dies? Its journal is cut behind each of its lines, and another runner goes on from there.

@Suite struct WorkflowResumeTests {
    /// Blocks of every kind, in parallel and in a loop; at its end it waits, and its journal can be read.
    private static let nodes = [
        Flow.node("start", "trigger-manual"), Flow.node("split", "parallel", ["branches": 2]),
        Flow.tool("look", "look", ["what": "{{ inputs.n }}"]),
        Flow.tool("act", "act", ["what": "{{ nodes.look.output.result.did.what + 1 }}"], onError: "branch"),
        Flow.set("unknown", "nodes.act.output.error"),
        Flow.node("each", "loop", ["items_expr": "inputs.items"]),
        Flow.node("odd", "if", ["expression": "vars.item % 2 == 1"]),
        Flow.tool("one", "act", ["what": "{{ vars.item }}"], onError: "continue"),
        Flow.node("ask", "ai-prompt", ["prompt": "about {{ vars.item }}"]),
        Flow.node("get", "http-request", ["url": "https://example.org/"]),
        Flow.node("join", "merge", ["strategy": "all"]), Flow.set("sum", "nodes.join.output.collected | length"),
        Flow.node("end", "wait", ["mode": "duration", "seconds": 3_600]),
    ]
    private static let edges = Flow.edges(
        "start>split split:branch_0>look look>act act:error>unknown split:branch_1>each each:body>odd odd:true>one "
            + "odd:false>ask each:done>get act>join get>join unknown>join join>sum sum>end")
    private static let inputs: JSONValue = ["n": 1, "items": [1, 2, 3]]

    /// The lines of a run up to its last wait, and what it came to.
    private static func whole() async throws -> (lines: [String], run: WorkflowRunRecord, start: WorkflowStartRecord) {
        let world = try WorkflowWorld()
        defer { world.remove() }
        try await world.make("flow", nodes, edges)
        let (repository, time) = (world.repository, world.time)
        return try await world.running { runner in
            let run = try await runner.start(workflow: "flow", trigger: .manual, inputs: inputs, by: "ana")
            let start = try #require(try await repository.start(of: run.id))
            try await until("it waits") {
                try await repository.entries(of: run.id).contains { $0.contains("\"until\"") } && time.sleepers >= 2
            }
            let lines = try await repository.entries(of: run.id)
            time.advance(by: 3_601)
            return (lines, try #require(try await runner.end(of: run.id, within: .seconds(1_000_000))), start)
        }
    }

    private static func entry(_ line: String) throws -> WorkflowEntry {
        try JSONDecoder().decode(WorkflowEntry.self, from: Data(line.utf8))
    }

    @Test("a journal cut behind any line comes to the same outputs, and what acts is never run twice")
    func cuts() async throws {
        let (lines, whole, start) = try await Self.whole()
        #expect(whole.status == .success && lines.count > 20, "\(whole)")
        let actions = Set(Self.nodes.indices.filter { Self.nodes[$0].config["tool_name"] == "act" })
        for count in 0...lines.count {
            let world = try WorkflowWorld()
            defer { world.remove() }
            let entries = try lines.prefix(count).map(Self.entry)
            // The same workflow under the same ids, as the dead process left it.
            try await world.repository.insert(
                WorkflowRecord(
                    id: whole.workflowID, name: "flow", graph: start.graph, owner: "root", createdAt: 1, updatedAt: 1))
            var run = whole
            (run.status, run.finishedAt, run.outputs, run.trace, run.error) = (.running, nil, "{}", "[]", nil)
            _ = try await world.repository.begin(run, start)
            try await world.repository.append(Array(lines.prefix(count)), to: run.id)
            world.time.advance(by: whole.finishedAt.map { $0 - world.time.now } ?? 0)

            let (time, id, repository) = (world.time, run.id, world.repository)
            let done = try await world.running { runner in
                // Whatever was not waited for yet is waited for from now.
                try await until("it ends") {
                    time.advance(by: 600)
                    return try await repository.run(id)?.status != .running
                }
                return try #require(try await runner.end(of: id, within: .seconds(1)))
            }
            let calling = entries.filter { $0.kind == .calling && actions.contains($0.node) }.map(\.step)
            let ended = Set(entries.filter { $0.kind == .finished }.map(\.step))
            let unknown = calling.filter { !ended.contains($0) }
            #expect(done.status == .success, "cut at \(count): \(done.error ?? "")")
            let calls = await world.toolbox.calls
            for step in Set(calls.filter { $0.tool == "my_kit_act" }.map(\.callID)) {
                #expect(calls.count { $0.callID == step } == 1, "cut at \(count): \(step)")
            }
            for step in calling {
                let name = ([step.node] + step.path).map(String.init).joined(separator: ".")
                #expect(!calls.contains { $0.callID == name }, "cut at \(count): \(name) ran twice")
            }
            if unknown.isEmpty {
                #expect(try Self.withoutTime(done.trace) == Self.withoutTime(whole.trace), "cut at \(count)")
            } else {
                #expect(done.trace.contains("its outcome is unknown"), "cut at \(count)")
            }
        }
    }

    /// What each block came to, in any order and without when.
    private static func withoutTime(_ trace: String) throws -> Set<String> {
        guard case .array(let lines) = try WorkflowWorld.value(trace) else { return [] }
        return Set(
            lines.filter { $0["node_id"] != "end" }.map { line in
                let id = TemplateText.json(line["node_id"] ?? .null) + TemplateText.json(line["iteration"] ?? .null)
                return id + TemplateText.json(line["status"] ?? .null) + TemplateText.json(line["output"] ?? .null)
            })
    }

    @Test("a wait ends when it was to end, however often the process starts again")
    func waits() async throws {
        let world = try WorkflowWorld()
        defer { world.remove() }
        try await world.make(
            "flow",
            [
                Flow.node("start", "trigger-manual"), Flow.node("w", "wait", ["mode": "duration", "seconds": 1_000]),
                Flow.node("u", "wait", ["mode": "until", "until_iso": "2027-01-15T09:00:00+00:00"]),
            ], Flow.edges("start>w start>u"))
        let (time, repository) = (world.time, world.repository)
        let id = try await world.running { runner in
            let run = try await runner.start(workflow: "flow", trigger: .manual, by: "ana")
            try await until("it waits") { time.sleepers >= 3 }
            return run.id
        }
        for _ in 0..<3 {
            time.advance(by: 300)
            let status = try await world.running { _ in
                try await until("it waits") { time.sleepers >= 3 }
                return try await repository.run(id)?.status
            }
            #expect(status == .running)
        }
        time.advance(by: 101)
        let done = try await world.running { runner in
            try await until("the first has ended") {
                try await repository.entries(of: id).contains { $0.contains("\"waited_ms\"") }
            }
            // 1,800,000,000 is 2027-01-15T08:00:00.
            #expect(try await repository.run(id)?.status == .running)
            try await until("the second has ended") {
                time.advance(by: 600)
                return try await repository.run(id)?.status != .running
            }
            return try await runner.end(of: id, within: .seconds(1))
        }
        #expect(
            done?.status == .success && done?.outputs.contains("\"waited_ms\":1001000") == true,
            "\(done?.outputs ?? "")")
    }

    @Test("a run that began before its turn came runs with the graph that it began with")
    func graph() async throws {
        let world = try WorkflowWorld()
        defer { world.remove() }
        let id = try await world.make(
            "flow", [Flow.node("start", "trigger-manual"), Flow.set("a", "'old'")], Flow.edges("start>a"))
        let run = try await world.runner().start(workflow: "flow", trigger: .manual, by: "ana")
        var change = Workflows.Change()
        let text = try WorkflowWorld.text(
            [Flow.node("start", "trigger-manual"), Flow.set("a", "'new'")], Flow.edges("start>a"))
        change.graph = { _ in text }
        _ = try await world.workflows.update(id, change)
        let done = try await world.running { try await $0.end(of: run.id, within: .seconds(1_000_000)) }
        #expect(done?.outputs.contains("old") == true)
    }

    @Test("a run of which nobody knows what it began with is failed, and not left running for ever")
    func orphan() async throws {
        let world = try WorkflowWorld()
        defer { world.remove() }
        let id = try await world.make("flow", [Flow.node("start", "trigger-manual")])
        try await world.repository.insert(
            WorkflowRunRecord(id: "old", workflowID: id, trigger: "manual", status: .running, startedAt: 1))
        let repository = world.repository
        try await world.running { _ in
            try await until("it is failed") { try await repository.run("old")?.status == .failed }
        }
    }
}
