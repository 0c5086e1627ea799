import Foundation
import JSON
import Store
import Testing

@testable import Agent

// Who runs workflows, in which order, and what becomes of a run that is stopped?

@Suite struct WorkflowRunnerTests {
    private static let start = Flow.node("start", "trigger-manual")

    private static func status(_ world: WorkflowWorld, _ id: String) async throws -> WorkflowRunRecord.Status? {
        try await world.repository.run(id)?.status
    }

    @Test("blocks act in the name of the workflow's owner, unattended, each under its own id")
    func rights() async throws {
        let world = try WorkflowWorld()
        defer { world.remove() }
        try await world.make(
            "flow",
            [
                Self.start, Flow.node("l", "loop", ["items_expr": "[1, 2]"]),
                Flow.tool("t", "act", ["what": "{{ vars.item }}"]),
                Flow.node("p", "ai-prompt", ["prompt": "{{ vars.item }}"]),
                Flow.node("s", "ai-prompt", ["prompt": "s", "session_policy": "shared", "model_override": "m:x"]),
            ], Flow.edges("start>l l:body>t t>p l:done>s"))
        let run = try await world.run()
        #expect(run.status == .success, "\(run)")
        let calls = await world.toolbox.calls
        #expect(calls.map(\.handle) == ["root", "root"] && calls.allSatisfy(\.isAdmin))
        #expect(Set(calls.map(\.callID)).count == 2 && calls.map(\.arguments) == [["what": 1], ["what": 2]])
        let asked = await world.turns.asked
        #expect(Set(asked.map(\.messageID)).count == 3 && asked.allSatisfy { $0.handle == "root" })
        #expect(
            asked.map(\.sessionID) == [
                "workflow:\(run.workflowID):\(run.id):p", "workflow:\(run.workflowID):\(run.id):p",
                "workflow:\(run.workflowID):\(run.id)",
            ])
        #expect(asked.map(\.forgets) == [true, true, false] && asked.last?.model == "m:x")
    }

    @Test("what is ready runs at the same time, within the bound")
    func parallel() async throws {
        var world = try WorkflowWorld()
        defer { world.remove() }
        world.limits.blocksPerRun = 3
        let (nodes, edges) = (
            [Self.start] + (0..<6).map { Flow.tool("t\($0)", "slow") },
            (0..<6).map { "start>t\($0)" }.joined(separator: " ")
        )
        try await world.make("flow", nodes, Flow.edges(edges))
        let toolbox = world.toolbox
        let run = try await world.running { runner in
            async let ended = WorkflowWorld.ended(runner)
            try await until("three run") { await toolbox.running == 3 }
            await toolbox.open()
            return try await ended
        }
        #expect(run.status == .success)
        #expect(await toolbox.mostRunning == 3)
        #expect(await toolbox.calls.count == 6)
    }

    @Test("the bound over all runs holds, and a block that waits for a time takes no place")
    func overall() async throws {
        var world = try WorkflowWorld()
        defer { world.remove() }
        world.limits.blocks = 2
        try await world.make(
            "flow",
            [
                Self.start, Flow.node("w", "wait", ["mode": "duration", "seconds": 60]), Flow.tool("t", "slow"),
            ], Flow.edges("start>w start>t"), atOnce: 10)
        let (toolbox, time, repository) = (world.toolbox, world.time, world.repository)
        try await world.running { runner in
            var ids: [String] = []
            for _ in 0..<4 {
                ids.append(try await runner.start(workflow: "flow", trigger: .manual, by: "ana").id)
            }
            try await until("two run") { await toolbox.running == 2 }
            // Four runs' ends and four waits.
            try await until("all wait") { time.sleepers >= 8 }
            #expect(await toolbox.mostRunning == 2)
            await toolbox.open()
            time.advance(by: 61)
            for id in ids { #expect(try await runner.end(of: id, within: .seconds(1_000_000))?.status == .success) }
            for id in ids { #expect(try await repository.run(id)?.status == .success) }
        }
        #expect(await toolbox.mostRunning == 2)
    }

    @Test("a workflow's runs go one after the other in their order, and who waits for a run gets that run")
    func serial() async throws {
        let world = try WorkflowWorld()
        defer { world.remove() }
        try await world.make(
            "flow", [Self.start, Flow.tool("t", "slow"), Flow.set("x", "inputs.n")], Flow.edges("start>t t>x"))
        let toolbox = world.toolbox
        let outputs = try await world.running { runner in
            var ids: [String] = []
            for number in 0..<4 {
                ids.append(
                    try await runner.start(
                        workflow: "flow", trigger: .manual, inputs: ["n": .integer(Int64(number))], by: "ana"
                    ).id)
            }
            try await until("one runs") { await toolbox.running == 1 }
            // One of those that wait is stopped, and never runs.
            #expect(try await runner.stop(run: ids[1])?.status == .cancelled)
            await toolbox.open()
            var outputs: [String] = []
            for id in [ids[3], ids[0], ids[2]] {
                outputs.append(try #require(try await runner.end(of: id, within: .seconds(1_000_000))).outputs)
            }
            return outputs
        }
        #expect(outputs.map { $0.contains(#""value":3"#) } == [true, false, false])
        #expect(outputs[1].contains(#""value":0"#) && outputs[2].contains(#""value":2"#))
        #expect(await toolbox.mostRunning == 1)
        #expect(await toolbox.calls.count == 3)
    }

    @Test("what is stopped ends promptly as cancelled, and its block is cancelled")
    func stop() async throws {
        let world = try WorkflowWorld()
        defer { world.remove() }
        try await world.make(
            "flow",
            [
                Self.start, Flow.tool("t", "slow"), Flow.node("w", "wait", ["mode": "duration", "seconds": 86_400]),
                Flow.set("after", "1"),
            ], Flow.edges("start>t start>w t>after"))
        let (toolbox, repository) = (world.toolbox, world.repository)
        try await world.running { runner in
            let run = try await runner.start(workflow: "flow", trigger: .manual, by: "ana")
            try await until("it runs") { await toolbox.running == 1 }
            let trace = try await runner.trace(of: try #require(try await repository.run(run.id)))
            guard case .array(let lines) = trace else { throw NeverSo(what: "trace") }
            #expect(lines.contains { $0["node_id"] == "t" && $0["status"] == "running" })
            let began = ContinuousClock.now
            let stopped = try await runner.stop(workflow: run.workflowID)
            #expect(ContinuousClock.now - began < .seconds(2))
            #expect(stopped.map(\.id) == [run.id] && stopped[0].status == .cancelled)
            #expect(await toolbox.cancelled == 1)
            // Stopping twice, or what is over, changes nothing.
            #expect(try await runner.stop(run: run.id)?.status == .cancelled)
            #expect(try await runner.stop(run: "nothing") == nil)
        }
    }

    @Test("the same key is the same run, also for another process, and what is full takes no more")
    func keys() async throws {
        var world = try WorkflowWorld()
        defer { world.remove() }
        world.limits.runsPerWorkflow = 2
        try await world.make(
            "flow",
            [Flow.node("e", "trigger-event"), Flow.node("at", "trigger-schedule", ["cron_expression": "@daily"])])
        let first = try await world.runner().start(workflow: "flow", trigger: .event, by: "hook", key: "a")
        let second = try await world.runner().start(
            workflow: "flow", trigger: .schedule(node: "at"), by: "clock", key: "b")
        let again = try await world.runner().start(workflow: "flow", trigger: .event, by: "hook", key: "a")
        #expect(again.id == first.id && second.id != first.id)
        await #expect(throws: PlanError.self) {
            try await world.runner().start(workflow: "flow", trigger: .event, by: "hook", key: "c")
        }
        try await world.running { (runner: WorkflowRunner) async throws in
            for id in [first.id, second.id] {
                #expect(try await runner.end(of: id, within: .seconds(1_000_000))?.status == .success)
            }
        }
        let third = try await world.runner().start(workflow: "flow", trigger: .event, by: "hook", key: "a")
        #expect(third.id == first.id && third.status == .success)
    }

    @Test("a workflow starts only the ways that it has triggers for, and by itself only when it is enabled")
    func triggers() async throws {
        let world = try WorkflowWorld()
        defer { world.remove() }
        let id = try await world.make(
            "flow",
            [
                Flow.node(
                    "m", "trigger-manual",
                    [
                        "inputs_schema": [
                            "required": ["city"], "additionalProperties": false,
                            "properties": [
                                "city": ["type": "string", "maxLength": 10],
                                "n": ["type": "integer", "default": 3, "maximum": 9],
                            ],
                        ]
                    ]), Flow.node("ai", "trigger-ai", ["description": "d"]),
            ])
        let runner = world.runner()
        func refusal(_ trigger: WorkflowTrigger, _ inputs: JSONValue = [:]) async -> String? {
            do {
                _ = try await runner.start(workflow: "flow", trigger: trigger, inputs: inputs, by: "ana")
                return nil
            } catch { return "\(error)" }
        }
        #expect(await refusal(.event)?.contains("no block of type trigger-event") == true)
        #expect(await refusal(.schedule(node: "ai"))?.contains("no block \"ai\" of type trigger-schedule") == true)
        #expect(await refusal(.manual) == "'inputs.city' is missing")
        #expect(await refusal(.manual, ["city": 5]) == "'inputs.city' is not of type string")
        #expect(await refusal(.manual, ["city": "Rome", "x": 1]) == "'inputs' has no 'x'")
        #expect(await refusal(.manual, ["city": "Rome", "n": 10]) == "'inputs.n' is more than 9.0")
        #expect(await refusal(.manual, ["city": .string(String(repeating: "x", count: 300_000))]) != nil)
        #expect(await refusal(.manual, 5)?.contains("no object") == true)
        let run = try await runner.start(workflow: "flow", trigger: .manual, inputs: ["city": "Rome"], by: "ana")
        #expect(run.inputs == #"{"city":"Rome","n":3}"# && run.trigger == "manual")
        var change = Workflows.Change()
        change.isEnabled = false
        _ = try await world.workflows.update(id, change)
        #expect(await refusal(.ai)?.contains("disabled") == true)
        #expect(await refusal(.manual, ["city": "Oslo"]) == nil)
        #expect(try await world.repository.workflow(id)?.lastRunAt == world.time.now)
    }

    @Test("a run that takes too long, or whose outputs grow too large, fails")
    func bounds() async throws {
        var world = try WorkflowWorld()
        defer { world.remove() }
        world.limits.runTime = .seconds(100)
        world.limits.outputSize = 4_096
        world.limits.journalLength = 50
        try await world.make("slow", [Self.start, Flow.tool("t", "slow")], Flow.edges("start>t"))
        try await world.make(
            "large", [Self.start, Flow.set("a", .string("'\(String(repeating: "x", count: 5_000))'"))],
            Flow.edges("start>a"))
        try await world.make(
            "long",
            [
                Self.start, Flow.node("l", "loop", ["items_expr": "inputs.items", "max_iterations": 1_000]),
                Flow.set("a", "1"),
            ],
            Flow.edges("start>l l:body>a"))
        let (toolbox, time) = (world.toolbox, world.time)
        try await world.running { runner in
            async let slow = WorkflowWorld.ended(runner, "slow")
            // The run's own end, and that of whoever waits for it.
            try await until("it runs") { await toolbox.running == 1 && time.sleepers >= 2 }
            time.advance(by: 101)
            #expect(try await slow.error == "it took longer than a run may")
            #expect(
                try await WorkflowWorld.ended(runner, "large").error == #"node "a": its output is larger than 4 KiB"#)
            let long = try await WorkflowWorld.ended(runner, "long", ["items": .array(Array(repeating: 1, count: 100))])
            #expect(long.error?.contains("more than 50 lines") == true, "\(long)")
        }
        #expect(await toolbox.cancelled == 1)
    }

    @Test("of a workflow's runs the latest are kept")
    func retention() async throws {
        var world = try WorkflowWorld()
        defer { world.remove() }
        world.limits.keptRuns = 3
        let id = try await world.make("flow", [Self.start])
        let time = world.time
        let ids = try await world.running { runner in
            var ids: [String] = []
            for _ in 0..<6 {
                ids.append(try await WorkflowWorld.ended(runner).id)
                time.advance(by: 1)
            }
            return ids
        }
        let kept = try await world.repository.runs(of: id, before: nil, limit: 10).rows.map(\.id)
        #expect(kept == Array(ids.suffix(3).reversed()))
    }

    @Test("what becomes of runs is told, and a removed workflow's run ends with it")
    func news() async throws {
        let world = try WorkflowWorld()
        defer { world.remove() }
        let id = try await world.make("flow", [Self.start, Flow.tool("t", "slow")], Flow.edges("start>t"))
        try await world.make("other", [Self.start])
        let (toolbox, workflows) = (world.toolbox, world.workflows)
        try await world.running { runner in
            let other = try await WorkflowWorld.ended(runner, "other")
            var news = runner.news.makeAsyncIterator()
            #expect(await news.next() == WorkflowNews(workflowID: other.workflowID, runID: other.id, status: .running))
            #expect(await news.next()?.status == .success)
            let run = try await runner.start(workflow: "flow", trigger: .manual, by: "ana")
            try await until("it runs") { await toolbox.running == 1 }
            _ = try await workflows.delete(id)
            await toolbox.open()
            #expect(try await runner.end(of: run.id, within: .seconds(1_000_000)) == nil)
        }
    }
}
