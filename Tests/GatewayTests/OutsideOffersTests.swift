import Foundation
import JSON
import NIOHTTP1
import Synchronization
import Testing

@testable import Agent
@testable import Gateway
@testable import Store
@testable import Wire

// P-27: which of the agent's tools do other programs get through `/mcp`? Those of servers that are meant for them and that whoever runs the
// agent grants; what is missing of the two, or of the caller's rights, is neither shown nor called.

@Suite(.timeLimit(.minutes(2))) struct OutsideOffersTests {
    private typealias World = GatewayCoreTests.World

    private final class Server: ToolServer {
        let name: String
        let openTo: Set<ToolCaller>
        private let calls = Mutex<[String]>([])

        init(_ name: String, isMeant: Bool) {
            self.name = name
            openTo = isMeant ? [.outside] : [.turn, .workflow]
        }

        var ran: [String] { calls.withLock { $0 } }

        func tools() async -> [ToolDefinition] {
            let schema: JSONValue = ["type": "object", "properties": ["path": ["type": "string"]]]
            return [
                ToolDefinition(name: "look", description: "Looks.", parameters: schema, effect: .query),
                ToolDefinition(
                    name: "rule", description: "Rules.", parameters: schema, effect: .query, needsAdmin: true),
                ToolDefinition(name: "act", description: "Acts.", parameters: schema),
            ]
        }

        func call(
            _ tool: String, _ arguments: [String: JSONValue], for context: ToolContext,
            progress: @Sendable (String) async -> Void
        ) async -> ToolResult {
            calls.withLock { $0.append("\(tool) \(context.handle) \(context.isAdmin)") }
            return ToolResult("\(name) did \(tool)")
        }
    }

    private static let all = [
        Server("open-granted", isMeant: true), Server("open-other", isMeant: true),
        Server("closed-granted", isMeant: false), Server("closed-other", isMeant: false),
    ]

    private static func world(_ servers: [Server], outside: [String]) throws -> World {
        try World(
            seed: 5, configuration: "name: Ada\ntools: {outside: [\(outside.joined(separator: ", "))]}\n",
            toolServers: servers)
    }

    private static func ask(
        _ world: World, _ method: String, _ parameters: JSONValue = [:], as caller: Caller? = nil
    ) async throws -> JSONValue {
        let body: JSONValue = ["jsonrpc": "2.0", "id": 1, "method": .string(method), "params": parameters]
        let answer = try await world.ask("POST", "/mcp", try Gateway.JSON.text(body), as: caller)
        return try JSONDecoder().decode(JSONValue.self, from: Data(answer.body.utf8))
    }

    private static func names(_ world: World, as caller: Caller? = nil) async throws -> [String] {
        guard case .array(let tools)? = try await ask(world, "tools/list", as: caller)["result"]?["tools"] else {
            throw Timeout(what: "the list")
        }
        return tools.compactMap { $0["name"]?.string }.filter { name in !OutsideTool.all.contains { $0.name == name } }
    }

    /// - Returns: what the tool said; nil when there is no such tool.
    private static func call(
        _ world: World, _ name: String, as caller: Caller? = nil
    ) async throws -> (text: String, isError: Bool)? {
        let answer = try await ask(world, "tools/call", ["name": .string(name), "arguments": [:]], as: caller)
        guard let result = answer["result"] else {
            #expect(answer["error"]?["code"] == -32602, "\(answer)")
            return nil
        }
        guard case .array(let content)? = result["content"] else { throw Timeout(what: "content") }
        return (try #require(content.first?["text"]?.string), result["isError"] == true)
    }

    @Test(
        "P-27: a program gets a tool when its server is meant for programs, is granted to them, and the caller may use it"
    )
    func matrix() async throws {
        let servers = [
            Server("open-granted", isMeant: true), Server("open-other", isMeant: true),
            Server("closed-granted", isMeant: false), Server("closed-other", isMeant: false),
        ]
        let world = try Self.world(servers, outside: ["open-granted", "closed-granted"])
        try await world.run { world in
            for (caller, isAdmin) in [(world.member, false), (nil, true)] {
                let handle = caller?.handle ?? Principal.operator.auditName
                let mayUse = isAdmin ? ["look", "rule", "act"] : ["look", "act"]
                #expect(try await Self.names(world, as: caller) == mayUse.map { "open_granted_\($0)" })
                for server in servers {
                    for tool in ["look", "rule"] {
                        let before = server.ran
                        let name = server.name.replacing("-", with: "_") + "_" + tool
                        let answer = try await Self.call(world, name, as: caller)
                        guard server.name == "open-granted", mayUse.contains(tool) else {
                            #expect(answer == nil && server.ran == before, "\(name) for \(handle)")
                            continue
                        }
                        #expect(answer?.text == "open-granted did \(tool)" && answer?.isError == false)
                        #expect(server.ran == before + ["\(tool) \(handle) \(isAdmin)"])
                    }
                }
                // The tools of turns are no way around it.
                for name in ["tool_search_call_tool", "mcp_manager_list_mcps", "editor_read_file"] {
                    #expect(try await Self.call(world, name, as: caller) == nil, "\(name)")
                }
            }
            let audit: AuditBody = try await world.ask("GET", "/api/audit?action=tool.call").decode()
            #expect(
                audit.entries.map(\.subject).sorted() == [
                    "open_granted_look", "open_granted_look", "open_granted_rule",
                ])
        }
    }

    @Test("P-27: when nothing is set programs get none of the agent's tools, and the gateway's own keep their names")
    func usual() async throws {
        let session = Server("session", isMeant: true)
        let world = try World(seed: 5, toolServers: Self.all)
        try await world.run { world in #expect(try await Self.names(world) == []) }
        // Of its own servers only those that are meant for others are ever given.
        let granted = try World(seed: 5, configuration: "tools: {outside: all}\n", toolServers: [session])
        try await granted.run { world in
            let names = try await Self.names(world)
            let servers = ["session_", "vault_", "scheduler_", "workflow_manager_"]
            #expect(names.contains("vault_search_notes") && names.contains("session_look"))
            #expect(names.allSatisfy { name in servers.contains { name.hasPrefix($0) } }, "\(names)")
            let all = OutsideOffer.all(
                isAdmin: false,
                granted: ["schedule_list", "x_y"].map {
                    OfferedTool(
                        fullName: $0, server: "x",
                        definition: ToolDefinition(name: $0, description: "", parameters: ["type": "object"]))
                })
            #expect(all.map(\.name).suffix(2) == ["schedule_describe", "x_y"])
        }
    }

    @Test("the policy of a tool counts for programs, too, and lines for outside close the door to all that they get")
    func policy() async throws {
        for pattern in ["open_granted_look", "outside_open_granted_*", "outside_*"] {
            let server = Server("open-granted", isMeant: true)
            let world = try Self.world([server], outside: ["open-granted"])
            try await world.run { world in
                #expect(try await Self.call(world, "open_granted_look")?.isError == false)
                let line = try await world.ask("PUT", "/api/tool-policies/\(pattern)", #"{"rule":"deny"}"#)
                #expect(line.status == 201, "\(line)")
                let refused = try #require(try await Self.call(world, "open_granted_look"))
                #expect(refused.isError && refused.text.contains("policy") && server.ran.count == 1, "\(pattern)")
                let audit: AuditBody = try await world.ask("GET", "/api/audit?action=tool.denied").decode()
                #expect(audit.entries.count == 1)
            }
        }
    }

    @Test(
        "P-29: what is asked about waits for the caller's word, and a word counts for one call, whatever the program calls it"
    )
    func approval() async throws {
        let server = Server("open-granted", isMeant: true)
        let world = try Self.world([server], outside: ["open-granted"])
        try await world.run { world in
            for (decision, ran) in [("approve", 1), ("deny", 1)] {
                async let call = Self.call(world, "open_granted_act", as: world.member)
                let question = try await within(20, "a question") {
                    while true {
                        let all: ApprovalsBody = try await world.ask(
                            "GET", "/api/approvals?state=pending", as: world.member
                        ).decode()
                        if let first = all.approvals.first { return first }
                        try await Task.sleep(for: .milliseconds(5))
                    }
                }
                #expect(question.tool == "open_granted_act")
                let answer = try await world.ask(
                    "POST", "/api/approvals/\(question.id)", #"{"decision":"\#(decision)"}"#, as: world.member)
                #expect(answer.status == 200, "\(answer)")
                let result = try #require(try await call)
                #expect(result.isError == (decision == "deny") && server.ran.count == ran, "\(result)")
            }
        }
    }
}
