import Foundation
import JSON
import Testing

@testable import Agent
@testable import Gateway
@testable import Store
@testable import Wire

// Workflows that run, as clients see them.

@Suite struct WorkflowRunTests {
    private static let path = "/api/workflows"
    private static let sum =
        #"{"name":"sum","nodes":[{"id":"in","type":"trigger-manual","config":{"inputs_schema":{"required":["n"]}}},"#
        + #"{"id":"each","type":"loop","config":{"items_expr":"inputs.n"}},"#
        + #"{"id":"add","type":"set-variable","config":{"key":"total","value_expr":"vars.total + vars.item"}}],"#
        + #""edges":[{"source":"in","target":"each"},{"source":"each","target":"add","sourceHandle":"body"}],"#
        + #""variables":{"total":0}}"#
    private static let pause =
        #"{"name":"pause","nodes":[{"id":"in","type":"trigger-manual"},"#
        + #"{"id":"wait","type":"wait","config":{"mode":"duration","seconds":"{{ inputs.seconds }}"}}],"#
        + #""edges":[{"source":"in","target":"wait"}],"max_concurrent_runs":5}"#

    private static func with(
        _ body: @escaping @Sendable (TaskRoutesTests.Client, TestGateway) async throws -> Void
    ) async throws {
        try await TaskRoutesTests.with { client, gateway in
            for workflow in [sum, pause] { #expect(try await client.ask("POST", path, workflow).status == 201) }
            try await body(client, gateway)
        }
    }

    @Test("OAG-72: a workflow is run, and the answer is how it ended, with what each block did")
    func runs() async throws {
        try await Self.with { client, _ in
            let answer = try await client.ask("POST", "\(Self.path)/sum/run", #"{"inputs":{"n":[1,2,3]}}"#)
            #expect(answer.status == 200, "\(answer)")
            let run = try answer.decode(WorkflowRunBody.self)
            #expect(run.status == "success" && run.trigger == "manual" && run.error == nil && run.finishedAt != nil)
            #expect(run.outputs["terminal_node"] == "each")
            guard case .array(let trace) = run.trace else { throw WorkflowRunTestError() }
            #expect(trace.count == 5 && trace.allSatisfy { $0["status"] == "success" })
            #expect(trace.filter { $0["node_id"] == "add" }.map { $0["iteration"] } == [[0], [1], [2]])
            #expect(trace.last { $0["node_id"] == "add" }?["output"] == ["key": "total", "value": 6])
            #expect(try await client.ask("GET", "/api/workflow-runs/\(run.id)").decode(WorkflowRunBody.self) == run)
            #expect(
                try await client.ask("GET", "\(Self.path)/sum").decode(WorkflowBody.self).lastRunAt == run.startedAt)

            let failed = try await client.ask("POST", "\(Self.path)/sum/run", #"{"inputs":{"n":["x"]}}"#)
                .decode(WorkflowRunBody.self)
            #expect(failed.status == "failed" && failed.error?.hasPrefix(#"node "add": "#) == true)
            let stats = try await client.ask("GET", "\(Self.path)/sum/stats").decode(WorkflowStatsBody.self)
            #expect(stats.successCount == 1 && stats.failedCount == 1)

            for body in ["[]", #"{"inputs":5}"#, #"{"timeout_s":0}"#, #"{"timeout_s":1e300}"#, "{}"] {
                #expect(try await client.ask("POST", "\(Self.path)/sum/run", body).status == 400, "\(body)")
            }
            #expect(try await client.ask("POST", "\(Self.path)/nothing/run", "{}").status == 404)
            #expect(try await client.ask("POST", "/api/workflow-runs/nothing/stop").status == 404)
        }
    }

    @Test("who waits gets the run that was asked for and not the latest; who does not wait gets its id")
    func waiting() async throws {
        try await Self.with { client, _ in
            async let slow = client.ask("POST", "\(Self.path)/pause/run", #"{"inputs":{"seconds":0.7}}"#)
            try await within(5, "the first run") {
                while try await client.ask("GET", "\(Self.path)/pause/runs").decode(WorkflowRunsBody.self).runs.isEmpty
                {}
            }
            let quick = try await client.ask("POST", "\(Self.path)/pause/run", #"{"inputs":{"seconds":0}}"#)
                .decode(WorkflowRunBody.self)
            let first = try await slow.decode(WorkflowRunBody.self)
            #expect(first.id != quick.id && first.inputs == ["seconds": 0.7] && quick.inputs == ["seconds": 0])
            #expect(first.status == "success" && quick.status == "success")

            let late = try await client.ask(
                "POST", "\(Self.path)/pause/run", #"{"inputs":{"seconds":600},"timeout_s":1}"#)
            #expect(late.status == 504 && late.code == "timed_out" && late.hint != nil)
            let begun = try await client.ask(
                "POST", "\(Self.path)/pause/run", #"{"inputs":{"seconds":600},"wait":false}"#)
            #expect(begun.status == 202)
            let started = try begun.decode(WorkflowRunStarted.self)
            #expect(started.status == "running")
            try await within(5, "its trace") {
                while true {
                    let run = try await client.ask("GET", "/api/workflow-runs/\(started.runID)").decode(
                        WorkflowRunBody.self)
                    if case .array(let trace) = run.trace, trace.contains(where: { $0["status"] == "running" }) {
                        break
                    }
                }
            }
            let stopped = try await client.ask("POST", "/api/workflow-runs/\(started.runID)/stop")
                .decode(WorkflowRunBody.self)
            #expect(stopped.status == "cancelled" && stopped.id == started.runID)
            let all = try await client.ask("POST", "\(Self.path)/pause/stop").decode(WorkflowRunsBody.self)
            #expect(all.runs.map(\.status) == ["cancelled"])
            #expect(try await client.ask("POST", "\(Self.path)/pause/stop").decode(WorkflowRunsBody.self).runs.isEmpty)
            #expect(try await client.ask("DELETE", "\(Self.path)/pause").status == 200)
        }
    }

    @Test("a run goes on with the next process")
    func restart() async throws {
        let database = FileManager.default.temporaryDirectory.path + "/gateway-\(UUID().uuidString).db"
        let first = try TestGateway(databasePath: database)
        let admin = first.device("root", standing: .active(role: .admin))
        let id = try await first.run { running in
            let client = TaskRoutesTests.Client(running: running, device: admin)
            #expect(try await client.ask("POST", Self.path, Self.pause).status == 201)
            return try await client.ask("POST", "\(Self.path)/pause/run", #"{"inputs":{"seconds":0.5},"wait":false}"#)
                .decode(WorkflowRunStarted.self).runID
        }
        let second = try TestGateway(databasePath: database)
        let other = second.device("root", standing: .active(role: .admin))
        try await second.run { running in
            let client = TaskRoutesTests.Client(running: running, device: other)
            try await within(5, "its end") {
                while try await client.ask("GET", "/api/workflow-runs/\(id)").decode(WorkflowRunBody.self).status
                    != "success"
                {}
            }
        }
    }
}

private struct WorkflowRunTestError: Error {}
