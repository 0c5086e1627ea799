import Foundation
import JSON
import Logging
import Synchronization
import Testing

@testable import Agent
@testable import Store

// Which servers come with the agent, who switches them, and does a search for tools go through the same door as everything else?

@Suite struct BuiltinToolsTests {
    let place: TestPlace
    static let me = Registry.Actor(name: "ana")

    init() throws { place = try TestPlace() }

    private func services(shell: Bool = false) throws -> BuiltinTools.Services {
        var services = BuiltinTools.Services(registry: place.registry, now: { 1_000 })
        services.vault = Vault(directory: place.path + "/memories", indexPath: place.path + "/notes.db") { 1_000 }
        services.tasks = ScheduledTasks(TaskRepository(place.database), now: { 1_000 })
        services.workflows = Workflows(WorkflowRepository(place.database), now: { 1_000 })
        services.workFolder = place.path + "/workspace"
        services.shell.isEnabled = shell
        return services
    }

    private func all(_ services: BuiltinTools.Services) -> BuiltinTools {
        BuiltinTools.all(services, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    @Test("every server has a row, on but for the shell, and a row that is switched off takes its server out at once")
    func rows() async throws {
        let tools = all(try services())
        // Without its row a server offers nothing.
        for server in tools.servers { #expect(await server.tools().isEmpty) }
        try tools.addRows()
        let registry = place.registry
        let rows = try await registry.mcps()
        #expect(rows.filter { !$0.isEnabled }.map(\.name) == ["shell"])
        #expect(
            rows.filter(\.isEnabled).map(\.name) == [
                "editor", "mcp-manager", "model-manager", "scheduler", "tool-search", "vault", "web",
                "workflow-manager",
            ])
        let vault = try #require(tools.servers.first { $0.name == "vault" })
        #expect(await !vault.tools().isEmpty)
        _ = try await vault.answer("list_notes")
        _ = try await registry.changeMCP("vault", MCPChange(isEnabled: false), by: Self.me)
        #expect(await vault.tools().isEmpty)
        #expect(await vault.refusal("list_notes") == "vault is switched off")
        // A second start leaves the rows as they are.
        try tools.addRows()
        #expect(try await registry.mcp("vault").isEnabled == false)
    }

    @Test("a server of somebody else that has the same name speaks for none of ours")
    func takenName() async throws {
        let tools = all(try services())
        _ = try await place.registry.addMCP("web", MCPChange(url: "http://127.0.0.1:1"), by: Self.me)
        try tools.addRows()
        let web = try #require(tools.servers.first { $0.name == "web" })
        #expect(await web.tools().isEmpty)
    }

    @Test("the shell needs both the operator's setting and its row")
    func shell() async throws {
        let without = all(try services())
        try without.addRows()
        _ = try await place.registry.changeMCP("shell", MCPChange(isEnabled: true), by: Self.me)
        #expect(!without.servers.contains { $0.name == "shell" })
        let with = all(try services(shell: true))
        let shell = try #require(with.servers.first { $0.name == "shell" })
        #expect(await shell.tools().count == 5)
        _ = try await place.registry.changeMCP("shell", MCPChange(isEnabled: false), by: Self.me)
        #expect(await shell.tools().isEmpty)
    }

    @Test("all full names are different, and no tool that changes others' things is everybody's")
    func names() async throws {
        var services = try services(shell: true)
        services.workflowActions.run = { _, _ in .null }
        services.modelActions = ModelActions(test: { $0 }, pin: { _, _, _ in })
        services.web.searchURL = "http://127.0.0.1:1/search"
        let tools = all(services)
        try tools.addRows()
        var seen: Set<String> = []
        var everybodys: [String] = []
        for server in tools.servers {
            for tool in await server.tools() {
                let name = ToolSearch.fullName(server.name, tool.name)
                #expect(seen.insert(name).inserted)
                #expect(name.utf8.count <= 64 && !tool.description.isEmpty)
                if !tool.needsAdmin, tool.effect == .action { everybodys.append(name) }
            }
        }
        #expect(seen.count > 80)
        #expect(
            everybodys.sorted() == [
                "editor_delete_file", "editor_edit", "editor_make_directory", "editor_move_file", "editor_write_file",
                "model_manager_pin_session", "model_manager_unpin_session", "tool_search_call_tool",
                "vault_delete_note", "vault_link_notes", "vault_manage_tags", "vault_move_note", "vault_patch_note",
                "vault_update_frontmatter", "vault_write_note",
            ])
    }

    // MARK: Search

    /// Notes what goes through it, and offers what the servers do.
    private final class Door: Toolbox {
        let servers: [any ToolServer]
        let calls = Mutex<[String]>([])

        init(_ servers: [any ToolServer]) { self.servers = servers }

        func tools(isAdmin: Bool) async -> [OfferedTool] {
            var offered: [OfferedTool] = []
            for server in servers {
                for tool in await server.tools() where isAdmin || !tool.needsAdmin {
                    offered.append(
                        OfferedTool(
                            fullName: ToolSearch.fullName(server.name, tool.name), server: server.name, definition: tool
                        ))
                }
            }
            return offered
        }

        func call(
            _ fullName: String, _ arguments: [String: JSONValue], for context: ToolContext,
            emit: @Sendable (TurnEvent) async -> Void, willRun: @Sendable () async throws -> Void
        ) async throws -> ToolResult {
            calls.withLock { $0.append("\(fullName) \(context.callID)") }
            try await willRun()
            return ToolResult("done")
        }
    }

    @Test("P-27: tools that are found are called through the door, and nobody finds what they may not use")
    func search() async throws {
        let tools = all(try services())
        try tools.addRows()
        let search = try #require(tools.servers.first { $0.name == "tool-search" })
        #expect(await search.refusal("list_servers") == "there are no tools")
        let door = Door(tools.servers)
        tools.use(door)
        let names = try await search.answer("list_servers")["servers"]?.list.compactMap { $0["name"]?.string }
        #expect(names?.contains("mcp-manager") == true)
        let members = try await search.answer("list_servers", isAdmin: false)["servers"]?.list
            .compactMap { $0["name"]?.string }
        #expect(members?.contains("mcp-manager") == false && members?.contains("vault") == true)
        #expect(try await search.answer("list_tools", ["server": "vault"])["tools"]?.list.count == 16)
        let told = try await search.answer("describe_tool", ["server": "vault", "tool": "read_note"])
        #expect(told["full_name"] == "vault_read_note" && told["parameters"]?["required"] == ["path"])
        let call: [String: JSONValue] = ["server": "vault", "tool": "read_note", "args": ["path": "A.md"]]
        #expect(try await search.answer("call_tool", call) == "done")
        #expect(door.calls.withLock { $0 } == ["vault_read_note c1/inner"])
        let forbidden: [String: JSONValue] = ["server": "mcp-manager", "tool": "list_mcps"]
        #expect(await search.refusal("call_tool", forbidden, isAdmin: false).contains("there is no tool"))
        #expect(
            await search.refusal("call_tool", ["server": "tool-search", "tool": "call_tool"]).contains("directly"))
        let inner = try #require(ToolSearch.unwrapped("tool_search_call_tool", call))
        #expect(inner.fullName == "vault_read_note" && inner.arguments == ["path": "A.md"])
        #expect(ToolSearch.unwrapped("vault_read_note", call) == nil)
        #expect(ToolSearch.unwrapped("tool_search_call_tool", ["server": "vault"]) == nil)
    }
}
