import Foundation
import Testing

@testable import Agent
@testable import Gateway
@testable import Store
@testable import Wire

// Workflows and their runs as clients see them.

@Suite struct WorkflowRoutesTests {
    private static let path = "/api/workflows"
    private static var digest: [String: Any] {
        [
            "name": "digest", "description": "What is new",
            "nodes": [
                [
                    "id": "at", "type": "trigger-schedule", "position": ["x": 1.5, "y": 2],
                    "config": ["cron_expression": "0 7 * * *", "timezone": "Europe/Berlin"],
                ],
                ["id": "ask", "type": "ai-prompt", "label": "Ask", "config": ["prompt": "News for {{ inputs.who }}"]],
            ],
            "edges": [["source": "at", "target": "ask"]], "variables": ["n": 3],
        ]
    }

    private static func with(
        _ body: @escaping @Sendable (TaskRoutesTests.Client, TestGateway) async throws -> Void
    ) async throws { try await TaskRoutesTests.with(body) }

    @Test("OAG-71: a workflow is made, read, changed and removed in the shapes of the reference")
    func shapes() async throws {
        try await Self.with { client, gateway in
            let made = try await client.send("POST", Self.path, Self.digest)
            #expect(made.status == 201, "\(made)")
            let workflow = try made.decode(WorkflowBody.self)
            #expect(workflow.triggerTypes == ["trigger-schedule"] && workflow.enabled && workflow.owner == "root")
            #expect(workflow.graph.version == 1 && workflow.graph.variables == ["n": 3])
            #expect(workflow.graph.nodes[0].position == .init(x: 1.5, y: 2) && workflow.graph.nodes[1].label == "Ask")
            #expect(workflow.graph.edges[0].id != nil && workflow.graph.edges[0].sourceHandle == "out")
            let schedule = try #require(workflow.schedules.first)
            #expect(
                schedule.nodeID == "at" && schedule.workflowID == workflow.id && schedule.timezone == "Europe/Berlin")
            #expect(schedule.nextRunAtISO?.contains("T07:00:00+0") == true)

            for word in [workflow.id, "digest", String(workflow.id.prefix(8))] {
                #expect(try await client.ask("GET", "\(Self.path)/\(word)").decode(WorkflowBody.self) == workflow)
            }
            #expect(try await client.ask("GET", "\(Self.path)/\(workflow.id.prefix(3))").status == 404)
            // What is absent stays; what is there replaces.
            let about = try await client.send("PUT", "\(Self.path)/digest", ["description": "Old news"])
                .decode(WorkflowBody.self)
            #expect(about.description == "Old news" && about.graph == workflow.graph)
            #expect(about.schedules == workflow.schedules, "a block whose time stays keeps its row")
            let fewer = try await client.ask(
                "PATCH", "\(Self.path)/digest",
                #"{"nodes":[{"id":"b","type":"trigger-ai","config":{"description":"d"}}],"edges":[],"description":null}"#
            ).decode(WorkflowBody.self)
            #expect(fewer.triggerTypes == ["trigger-ai"] && fewer.schedules.isEmpty && fewer.description == nil)
            #expect(fewer.graph.variables == ["n": 3])
            let dangling = try await client.send(
                "PATCH", "\(Self.path)/digest", ["edges": [["source": "at", "target": "b"]]])
            #expect(
                dangling.status == 400 && dangling.message?.hasPrefix(#"graph validation failed: node "at": "#) == true)

            let removed = try await client.ask("DELETE", "\(Self.path)/digest")
            #expect(removed.json["ok"] as? Bool == true && removed.json["id"] as? String == workflow.id)
            #expect(try await client.ask("GET", "\(Self.path)/\(workflow.id)").status == 404)
        }
    }

    @Test func schedulesFollowTheGraphAndWhetherItIsEnabled() async throws {
        try await Self.with { client, _ in
            let before = try await client.send("POST", Self.path, Self.digest).decode(WorkflowBody.self)
            let off = try await client.ask("POST", "\(Self.path)/digest/disable").decode(WorkflowBody.self)
            #expect(!off.enabled && off.schedules.map(\.nextRunAt) == [nil] && off.schedules.allSatisfy { !$0.enabled })
            #expect(off.schedules.map(\.id) == before.schedules.map(\.id))
            let on = try await client.ask("POST", "\(Self.path)/digest/enable").decode(WorkflowBody.self)
            #expect(on.schedules.map(\.nextRunAt) == before.schedules.map(\.nextRunAt))
            let moved = try await client.ask(
                "PATCH", "\(Self.path)/digest",
                #"{"nodes":[{"id":"at","type":"trigger-schedule","config":{"cron_expression":"@every 5m"}},{"id":"ask","type":"ai-prompt","config":{"prompt":"p"}}]}"#
            ).decode(WorkflowBody.self)
            #expect(moved.schedules.count == 1 && moved.schedules[0].cronExpression == "@every 5m")
            #expect(
                moved.schedules[0].nextRunAt != before.schedules[0].nextRunAt && moved.schedules[0].timezone == "UTC")
        }
    }

    @Test func whatIsNoWorkflowIsRefusedWithEveryReason() async throws {
        try await Self.with { client, _ in
            let broken = try await client.send(
                "POST", Self.path,
                [
                    "name": "broken",
                    "nodes": [
                        ["id": "x", "type": "teleport"], ["id": "y", "type": "ai-prompt"], ["id": "z", "type": "if"],
                    ],
                    "edges": [["source": "y", "target": "gone"]],
                ])
            #expect(broken.status == 400 && broken.code == "invalid")
            #expect(
                broken.message
                    == #"graph validation failed: node "x": the type "teleport" is unknown; "#
                    + #"node "y": config.prompt is missing; node "z": config.expression is missing; "#
                    + #"node "gone": the edge "edge-1" leads to it, and there is no such node"#, "\(broken)")
            let wrong: [[String: Any]] = [
                ["name": ""], ["name": String(repeating: "n", count: 129)], ["name": "a\u{1}"], ["name": "dream-mode"],
                ["description": String(repeating: "d", count: 4_097)], ["max_concurrent_runs": 0],
                ["max_concurrent_runs": 101], ["nodes": "x"], ["nodes": [["id": 5, "type": "merge"]]],
                ["nodes": [["type": "merge"]]], ["edges": [["source": "a"]]], ["variables": []], ["enabled": 1],
                ["nodes": [["id": "a", "type": "merge", "position": ["x": "left", "y": 0]]]],
                ["nodes": Array(repeating: ["id": "a", "type": "merge"], count: 1_001)],
            ]
            for fields in wrong {
                let refused = try await client.send("POST", Self.path, Self.digest.merging(fields) { $1 })
                #expect(refused.status == 400, "\(fields.keys): \(refused.status)")
            }
            for body in ["", "[]", "{", "null", String(repeating: #"{"a":"#, count: 3_000)] {
                #expect(try await client.ask("POST", Self.path, body).status == 400, "\(body.prefix(20))")
            }
            let nested = String(repeating: "[", count: 400) + String(repeating: "]", count: 400)
            let deep = try await client.ask(
                "POST", Self.path, #"{"name":"deep","nodes":[{"id":"a","type":"merge","config":{"x":"# + nested + "}}]}"
            )
            #expect(deep.status == 201 || deep.status == 400, "\(deep)")
            #expect(try await client.ask("POST", Self.path, String(repeating: " ", count: (1 << 20) + 1)).status == 413)
        }
    }

    @Test func namesAreUniqueAndListsAreFiltered() async throws {
        try await Self.with { client, _ in
            #expect(try await client.send("POST", Self.path, Self.digest).status == 201)
            let again = try await client.send("POST", Self.path, Self.digest)
            #expect(again.status == 409 && again.code == "conflict" && again.hint != nil)
            for name in ["alpha", "beta"] {
                #expect(
                    try await client.send("POST", Self.path, ["name": name, "enabled": name == "beta"]).status == 201)
            }
            func names(_ query: String) async throws -> [String] {
                try await client.ask("GET", Self.path + query).decode(WorkflowsBody.self).workflows.map(\.name)
            }
            #expect(try await names("") == ["alpha", "beta", "digest"])
            #expect(try await names("?enabled_only=1") == ["beta", "digest"])
            #expect(try await names("?has_trigger_type=trigger-schedule") == ["digest"])
            #expect(try await names("?has_trigger_type=trigger-ai") == [])
            #expect(try await client.ask("GET", "\(Self.path)?has_trigger_type=merge").status == 400)
            let first = try await client.ask("GET", "\(Self.path)?limit=2").decode(WorkflowsBody.self)
            #expect(first.workflows.count == 2)
            #expect(try await names("?limit=2&cursor=\(first.nextCursor ?? "")") == ["digest"])
        }
    }

    @Test func aGraphIsCheckedWithoutBeingKept() async throws {
        try await Self.with { client, gateway in
            let good = try await client.send("POST", "\(Self.path)/validate", Self.digest).decode(GraphVerdict.self)
            #expect(good.valid && good.problems.isEmpty)
            let bad = try await client.ask(
                "POST", "\(Self.path)/validate", #"{"nodes":[{"id":"x","type":"wait"},{"id":"y","type":"none"}]}"#
            ).decode(GraphVerdict.self)
            #expect(!bad.valid && bad.problems.map(\.node) == ["x", "y"])
            #expect(try await client.ask("GET", Self.path).decode(WorkflowsBody.self).workflows.isEmpty)
        }
    }

    @Test("OAG-73: runs are read whole, listed newest first and counted")
    func runs() async throws {
        try await Self.with { client, gateway in
            try await TestPlans.insert("abcdef", into: gateway.database)
            let repository = WorkflowRepository(gateway.database)
            for (number, status) in [WorkflowRunRecord.Status.success, .success, .running, .cancelled].enumerated() {
                try await repository.insert(
                    WorkflowRunRecord(
                        id: "run\(number)", workflowID: "abcdef", trigger: "api", status: status,
                        startedAt: 100 + Double(number), finishedAt: status == .running ? nil : 104 + Double(number),
                        outputs: #"{"value":5}"#))
            }
            let list = try await client.ask("GET", "\(Self.path)/digest/runs?limit=3").decode(WorkflowRunsBody.self)
            #expect(list.runs.map(\.id) == ["run3", "run2", "run1"] && list.nextCursor != nil)
            let next = try await client.ask("GET", "\(Self.path)/digest/runs?cursor=\(list.nextCursor ?? "")")
                .decode(WorkflowRunsBody.self)
            #expect(next.runs.map(\.id) == ["run0", "abcdef"] && next.nextCursor == nil)
            let good = try await client.ask("GET", "\(Self.path)/digest/runs?status=success").decode(
                WorkflowRunsBody.self)
            #expect(good.runs.map(\.id) == ["run1", "run0"])
            #expect(try await client.ask("GET", "\(Self.path)/digest/runs?status=odd").status == 400)

            let run = try await client.ask("GET", "/api/workflow-runs/abcdef").decode(WorkflowRunBody.self)
            #expect(run.inputs == ["a": 1] && run.trace == [["node_id": "a"]] && run.error == "it failed")
            #expect(run.startedAtISO == "1970-01-01T00:00:01+00:00")
            #expect(try await client.ask("GET", "/api/workflow-runs/nothing").status == 404)

            let stats = try await client.ask("GET", "\(Self.path)/digest/stats?last=2").decode(WorkflowStatsBody.self)
            #expect(stats.totalRuns == 5 && stats.successCount == 2 && stats.failedCount == 1)
            #expect(stats.runningCount == 1 && stats.cancelledCount == 1 && stats.last.map(\.id) == ["run3", "run2"])
            #expect(abs(stats.successRate - 2 / 3) < 1e-9 && stats.averageDuration == 3.5)
            #expect(stats.last[0].duration == 4 && stats.last[1].duration == nil)
            #expect(try await client.ask("GET", "\(Self.path)/digest/stats?last=51").status == 400)
        }
    }

    @Test func blocksAreDescribedAsTheirGraphsAreChecked() async throws {
        try await Self.with { client, _ in
            let body = try await client.ask("GET", "/api/workflow-block-types").decode(BlockTypesBody.self)
            #expect(body.blockTypes.count == BlockType.all.count)
            let request = try #require(body.blockTypes.first { $0.type == "http-request" })
            #expect(request.configSchema["required"] == ["url"] && request.sourceHandles == ["out", "error"])
            #expect(request.configSchema["properties"]?["method"]?["default"] == "GET")
            #expect(body.blockTypes.filter { $0.targetHandles.isEmpty }.count == 4)
        }
    }

    @Test func ofTwoWhoChangeAGraphAtOnceNoneIsLost() async throws {
        try await Self.with { client, _ in
            _ = try await client.send("POST", Self.path, ["name": "flow", "variables": [:] as [String: Any]])
            let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                group.addTask { try await client.send("PATCH", "\(Self.path)/flow", ["description": "d"]).status }
                group.addTask { try await client.send("PATCH", "\(Self.path)/flow", ["variables": ["a": 1]]).status }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(statuses == [200, 200])
            let flow = try await client.ask("GET", "\(Self.path)/flow").decode(WorkflowBody.self)
            #expect(flow.description == "d" && flow.graph.variables == ["a": 1])
        }
    }
}
