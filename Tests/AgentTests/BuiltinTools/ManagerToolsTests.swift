import Foundation
import JSON
import Testing

@testable import Agent
@testable import Store

// What may the agent change of its own models, servers, tasks and workflows, and for whom?

@Suite struct ManagerToolsTests {
    let place: TestPlace

    init() throws { place = try TestPlace() }

    // MARK: Models and servers

    @Test("a key goes in and never comes out, whatever is asked")
    func keys() async throws {
        let server = ModelTools.server(place.registry, ModelActions())
        let key = "sk-0123456789abcdef"
        let added = try await server.answer("add_provider", ["name": "openai", "api_key": .string(key)])
        let id = try #require(added["id"])
        let model = try await server.answer("add_model", ["provider_id": id, "model": "gpt-5"])
        let modelID = try #require(model["id"])
        _ = try await server.answer("set_default_model", ["model_id": modelID])
        _ = try await server.answer("disable_model", ["model_id": modelID])
        _ = try await server.answer("enable_model", ["model_id": modelID])
        let changed = try await server.answer(
            "update_provider",
            ["provider_id": id, "name": "other", "base_url": "http://127.0.0.1:1", "api_key": .string(key)])
        #expect(changed["has_key"] == true)
        var all = added.text + changed.text + model.text
        for tool in ["list_providers", "list_models"] { all += try await server.answer(tool).text }
        all += try await server.answer("get_model", ["model_id": modelID]).text
        all += await server.refusal("list_available_models", ["provider_id": id])
        #expect(!all.contains("cdef") && !all.contains("0123"))
        #expect(all.contains(#""is_default":true"#))
        #expect(try await place.registry.provider(named: "other").apiKey == Secret(key))
        // The key does not follow to another address.
        _ = await server.refusal("update_provider", ["provider_id": id, "base_url": "http://127.0.0.1:2"])
        #expect(try await server.answer("remove_provider", ["provider_id": id])["removed_models"] == 1)
    }

    @Test("Weakness: only an administrator's turn sets an MCP command line, and its secrets don't come back")
    func commandLines() async throws {
        let server = MCPTools.server(place.registry)
        let arguments: [String: JSONValue] = [
            "name": "issues", "command": ["npx", "-y", "server"], "env": ["TOKEN": "very-secret-token"],
        ]
        #expect(await server.tools().allSatisfy(\.needsAdmin))
        #expect(await server.refusal("add_custom_mcp", arguments, isAdmin: false).contains("only administrators"))
        #expect(try await place.registry.mcps().isEmpty)
        let added = try await server.answer("add_custom_mcp", arguments)
        #expect(added["env"] == ["TOKEN"] && added["enabled"] == true)
        // Another program would get what was meant for this one.
        _ = await server.refusal("update_mcp", ["name": "issues", "command": ["evil"]])
        #expect(try await server.answer("disable_mcp", ["name": "issues"])["enabled"] == false)
        let all = try await server.answer("list_mcps").text + server.answer("get_mcp", ["name": "issues"]).text
        #expect(!all.contains("very-secret"))
        #expect(try await server.answer("remove_mcp", ["name": "issues"])["removed"] == "issues")
    }

    @Test("what somebody else has to do is offered when somebody does it")
    func seams() async throws {
        let without = await ModelTools.server(place.registry, ModelActions()).tools().map(\.name)
        #expect(!without.contains("test_model") && !without.contains("pin_session"))
        let pins = Collected()
        let server = ModelTools.server(
            place.registry,
            ModelActions(test: { "I am \($0)" }, pin: { await pins.add("\($0) \($1 ?? "none") \($2.handle)") }))
        #expect(try await server.answer("test_model", ["runtime_id": "a:b"])["answer"] == "I am a:b")
        _ = try await server.answer("pin_session", ["runtime_id": "a:b"], isAdmin: false)
        _ = try await server.answer("unpin_session", ["session_id": "s2"], isAdmin: false)
        #expect(await pins.all == ["s1 a:b ana", "s2 none ana"])
    }

    // MARK: Tasks

    @Test("tasks are made, changed and deleted by administrators only")
    func tasks() async throws {
        let tasks = ScheduledTasks(TaskRepository(place.database), now: { 1_000 })
        let server = ScheduleTools.server(tasks, now: { 1_000 })
        for tool in await server.tools() where tool.name != "describe_cron" { #expect(tool.needsAdmin, "\(tool.name)") }
        let draft: [String: JSONValue] = ["name": "news", "cron_expression": "0 7 * * *", "prompt": "What is new?"]
        _ = await server.refusal("create_scheduled_task", draft, isAdmin: false)
        let made = try await server.answer("create_scheduled_task", draft)
        #expect(made["owner"] == "ana" && made["next_run"] == "1970-01-01T07:00:00Z")
        let once = try await server.answer(
            "create_one_shot_task", ["name": "egg", "prompt": "Eggs!", "delay_seconds": 300])
        #expect(once["next_run"] == "1970-01-01T00:21:40Z" && once["cron_expression"] == "@once:1300")
        let later = try await server.answer(
            "create_one_shot_task", ["name": "gifts", "prompt": "!", "run_at_iso": "2026-12-24T18:00:00+01:00"])
        #expect(later["next_run"] == "2026-12-24T17:00:00Z")
        for wrong in [["delay_seconds": 1, "run_at_iso": "2026-12-24T18:00:00Z"], [:]] as [[String: JSONValue]] {
            let words = await server.refusal(
                "create_one_shot_task", wrong.merging(["name": "x", "prompt": "x"]) { $1 })
            #expect(words.contains("either"))
        }
        let changed = try await server.answer("update_scheduled_task", ["task_id": "news", "enabled": false])
        #expect(changed["enabled"] == false && changed["next_run"] == .null)
        #expect(try await server.answer("list_scheduled_tasks", ["enabled_only": true])["tasks"]?.list.count == 2)
        #expect(await server.refusal("create_scheduled_task", draft).contains("taken"))
        _ = try await server.answer("delete_scheduled_task", ["task_id": "news"])
        #expect(await server.refusal("get_scheduled_task", ["task_id": "news"]).contains("nothing here is called"))
        let next = try await server.answer(
            "describe_cron", ["cron_expression": "*/10 * * * *", "count": 2], isAdmin: false)
        #expect(next["next_runs"] == ["1970-01-01T00:20:00Z", "1970-01-01T00:30:00Z"])
        #expect(await server.refusal("describe_cron", ["cron_expression": "0 0 30 2 *"]).contains("no such date"))
    }

    // MARK: Workflows

    private func workflowServer(_ actions: WorkflowActions = .init()) -> BuiltinServer {
        WorkflowTools.server(Workflows(WorkflowRepository(place.database), now: { 1_000 }), actions)
    }

    @Test("every example is a graph that can be kept", arguments: WorkflowExample.all.map(\.name))
    func examples(_ name: String) async throws {
        let server = workflowServer()
        let example = try await server.answer("get_workflow_example", ["name": .string(name)], isAdmin: false)
        let graph = try JSONDecoder().decode(WorkflowGraph.self, from: Data(try #require(example["graph"]).text.utf8))
        #expect(GraphCheck.problems(of: graph) == [])
        _ = try await server.answer(
            "create_workflow", ["name": .string(name), "graph": try #require(example["graph"])])
    }

    @Test("a workflow grows block by block, and what makes no sense is not kept")
    func blocks() async throws {
        let server = workflowServer()
        let id: JSONValue = "digest"
        #expect(await server.refusal("create_workflow", ["name": id], isAdmin: false).contains("only administrators"))
        _ = try await server.answer("create_workflow", ["name": id])
        let added = try await server.answer(
            "add_block",
            [
                "workflow_id": id, "type": "ai-prompt", "config": ["prompt": "Hi", "system": "x"], "node_id": "ask",
                "after_node_id": "start",
            ])
        #expect(added["graph"]?["nodes"]?.list.count == 2 && added["graph"]?["edges"]?.list.count == 1)
        let changed = try await server.answer(
            "update_block", ["workflow_id": id, "node_id": "ask", "config": ["prompt": "Ho", "system": .null]])
        #expect(changed["graph"]?["nodes"]?.list.last?["config"] == ["prompt": "Ho"])
        #expect(
            await server.refusal("add_block", ["workflow_id": id, "type": "ai-prompt"]).contains(
                "config.prompt is missing"))
        #expect(
            await server.refusal("connect_blocks", ["workflow_id": id, "from": "ask", "to": "ask"])
                .contains("leads back to itself"))
        #expect(
            await server.refusal("connect_blocks", ["workflow_id": id, "from": "ask", "to": "no"]).contains("no block"))
        _ = try await server.answer("disconnect_blocks", ["workflow_id": id, "from": "start", "to": "ask"])
        _ = try await server.answer("connect_blocks", ["workflow_id": id, "from": "start", "to": "ask"])
        let removed = try await server.answer("remove_block", ["workflow_id": id, "node_id": "ask"])
        #expect(removed["graph"]?["nodes"]?.list.count == 1 && removed["graph"]?["edges"] == [])
        #expect(try await server.answer("list_workflows")["workflows"]?.list.count == 1)
        _ = try await server.answer("update_workflow", ["workflow_id": id, "name": "other", "enabled": false])
        _ = try await server.answer("delete_workflow", ["workflow_id": "other"])
    }

    @Test("block types are told, and runs are offered where something runs them")
    func runs() async throws {
        let server = workflowServer()
        #expect(
            try await server.answer("list_block_types", isAdmin: false)["block_types"]?.list.count
                == BlockType.all.count)
        for type in BlockType.all {
            let told = try await server.answer("describe_block_type", ["type": .string(type.name)], isAdmin: false)
            #expect(told["config"]?.list.count == type.fields.count)
        }
        #expect(!(await server.tools()).contains { $0.name == "run_workflow" || $0.name == "list_available_tools" })
        let running = workflowServer(
            WorkflowActions(
                run: { request, _ in ["id": .string(request.workflowID), "waits": .bool(request.waits)] },
                availableTools: { _ in [] }))
        let made = try await running.answer("create_workflow", ["name": "one"])
        let run = try await running.answer("run_workflow", ["workflow_id": "one", "wait": false])
        #expect(run["id"] == made["id"] && run["waits"] == false)
        #expect(try await running.answer("list_workflow_runs", ["workflow_id": "one"])["runs"] == [])
        #expect(await running.refusal("run_workflow", ["workflow_id": "one"], isAdmin: false).contains("only"))
    }
}

/// Texts in the order in which they came.
actor Collected {
    private(set) var all: [String] = []
    func add(_ text: String) { all.append(text) }
}
