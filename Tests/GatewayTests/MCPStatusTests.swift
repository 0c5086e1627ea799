import Foundation
import JSON
import Logging
import Synchronization
import Testing

@testable import Agent
@testable import Gateway
@testable import Store
@testable import Wire

// What do clients see of MCP servers that run?

@Suite struct MCPStatusTests {
    /// A server in the shell with one tool.
    private static let server = #"""
        while read -r line; do
          id=$(printf %s "$line" | sed 's/.*"id":\([0-9]*\).*/\1/')
          case $line in
            *'"initialize"'*) r='{"protocolVersion":"2025-06-18","capabilities":{"tools":{}}}' ;;
            *tools/list*) r='{"tools":[{"name":"hello","description":"Hi.","inputSchema":{"type":"object"}}]}' ;;
            *notifications*) continue ;;
            *) r='{"content":[]}' ;;
          esac
          printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$r"
        done
        """#

    @Test("the list of MCP servers and that of their tools show what runs, with its state, and no secret")
    func status() async throws {
        let world = try GatewayCoreTests.World(seed: 3)
        try await world.run { world in
            let add = MCPWrite(
                name: "hut", command: ["/bin/sh", "-c", .string(Self.server)], env: ["T": "s3cret-value"])
            let body = String(decoding: try JSONEncoder().encode(add), as: UTF8.self)
            #expect(try await world.ask("POST", "/api/mcps", body).status == 201)
            let broken = #"{"name":"broken","command":["no-such-program"]}"#
            #expect(try await world.ask("POST", "/api/mcps", broken).status == 201)
            let off = #"{"name":"off","command":["true"],"enabled":false}"#
            #expect(try await world.ask("POST", "/api/mcps", off).status == 201)
            @Sendable func one(_ name: String) async throws -> MCPBody {
                try await world.ask("GET", "/api/mcps/\(name)").decode(OneMCP.self).mcp
            }
            try await within(20, "the servers") {
                while true {
                    let body: MCPsBody = try await world.ask("GET", "/api/mcps").decode()
                    let states = Dictionary(uniqueKeysWithValues: body.mcps.map { ($0.name, $0.state) })
                    if states["hut"] == "ready", states["broken"] == "backing_off" { return }
                    try await Task.sleep(for: .milliseconds(10))
                }
            }
            let (good, bad, none) = (try await one("hut"), try await one("broken"), try await one("off"))
            #expect(good.toolCount == 1 && good.restarts == 0 && good.lastError == nil && good.retryAt == nil)
            #expect(bad.toolCount == 0 && bad.lastError == "there is no program 'no-such-program'")
            #expect(none.state == nil && none.toolCount == nil)
            let answer = try await world.ask("GET", "/api/mcp-tools", as: world.member)
            #expect(!answer.body.contains("s3cret"))
            let tools: MCPToolsBody = try answer.decode()
            let hello = MCPToolBody(name: "hello", description: "Hi.", parametersSchema: ["type": "object"])
            #expect(tools == MCPToolsBody(mcps: [MCPToolsOfServer(mcpName: "hut", tools: [hello])], running: true))
            #expect(try await world.ask("POST", "/api/mcps/hut/disable").status == 200)
            try await within(20, "the end") {
                while try await one("hut").state != nil { try await Task.sleep(for: .milliseconds(10)) }
            }
        }
    }

    @Test("that a server came up is told to whoever listens")
    func news() async throws {
        let gateway = try TestGateway(place: .coordinator)
        let registry = try #require(gateway.configuration.registry)
        let servers = MCPServers(registry, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let (frames, frame) = AsyncStream.makeStream(of: String.self)
        let broadcasts = Broadcasts { text, resource, audience in
            if resource == .mcp, audience == [.everybody] { frame.yield(text) }
        }
        _ = try await registry.addMCP(
            "shell", MCPChange(command: .words(["/bin/sh", "-c", Self.server])), by: TestGateway.somebody)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await servers.run() }
            group.addTask { await servers.tellChanges(through: broadcasts) }
            let text = try await within(20, "an event") {
                for await text in frames { return text }
                return ""
            }
            #expect(text.contains("\"updated\"") && text.contains("\"shell\"") && text.contains("\"mcp\""))
            group.cancelAll()
        }
    }

    @Test(
        "tool_servers of openagent.yaml: memory is read, the times of tools count for servers, and what is wrong names its line"
    )
    func settings() throws {
        let directory = AgentDirectory("/agents/ada")
        func read(_ yaml: String) -> ConfigurationExamination {
            AgentConfiguration.examine(yaml, file: "f", directory, environment: [:])
        }
        let good = read(
            "tool_servers:\n  memory: 67108864\ntools:\n  query_seconds: 5\n  time_limits:\n    git_git_log: 60\n")
        #expect(good.errors.isEmpty && good.warnings.isEmpty)
        let settings = good.configuration.toolServers.settings(folder: "/w", version: "1") {
            good.configuration.turns.tools.times
        }
        #expect(settings.times() == ToolTimes(query: .seconds(5), certain: ["git_git_log": .seconds(60)]))
        #expect(settings.memory == 64 << 20 && settings.folder == "/w")
        let bad = read("tools:\n  time_limits:\n    slow: fast\ntool_servers:\n  memory: 5\n  speed: 1\n")
        #expect(bad.errors.map(\.line) == [3, 5] && bad.warnings.count == 1)
    }
}
