import Foundation
import JSON
import Testing

// P-82, and the agent as an MCP server as others see it: the Python client of the protocol, over stdio and over HTTP.

@Suite struct MCPTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// Runs the peer and gives what it saw.
    private static func peer(_ world: TestHome, _ arguments: [String]) async throws -> JSONValue {
        let python = root.appending(path: ".build/peers/bin/python").path
        try #require(FileManager.default.isExecutableFile(atPath: python), "run scripts/install-peers")
        let program = try world.launch(
            python, [root.appending(path: "Tests/Peers/mcp_client.py").path] + arguments,
            environment: ["OPENAGENT_HOME": world.home.path])
        program.closeInput()
        #expect(try await program.exit(within: 90) == 0, "\(program.errors.suffix(3_000))")
        return try JSONDecoder().decode(JSONValue.self, from: Data(program.output.utf8))
    }

    private static func check(_ seen: JSONValue, isAdmin: Bool) {
        #expect(seen["server"]?["name"] == "openagent", "\(seen)")
        #expect(seen["note"] == "Written by a peer. #peer" && seen["missing"] == true)
        #expect(seen["answer"]?.string?.isEmpty == false)
        #expect(seen["sessions"]?.string?.contains(#""session_id":"peer""#) == true)
        guard case .array(let tools)? = seen["tools"] else {
            Issue.record("\(seen)")
            return
        }
        #expect(tools.contains("schedule_create") == isAdmin && tools.contains("ask_agent"))
    }

    private static func curlStatus(_ world: TestHome, _ arguments: [String]) async throws -> Int? {
        let curl = try world.launch(
            "/usr/bin/env", ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}"] + arguments)
        _ = try await curl.exit()
        return Int(curl.output)
    }

    @Test("the Python client of MCP uses the agent over stdio, as its operator and as a user from elsewhere")
    func stdio() async throws {
        let world = try TestHome()
        let server = try await world.serve()
        let local = try await Self.peer(world, ["stdio", TestHome.binary, "mcp", "--agent", world.agent.path])
        Self.check(local, isAdmin: true)
        #expect(try await world.join(try await server.ticket()).status == 0)
        let remote = try await Self.peer(world, ["stdio", TestHome.binary, "mcp", "--node", "alice@my-agent"])
        Self.check(remote, isAdmin: true)
    }

    @Test("the Python client of MCP uses the agent over HTTP through the proxy, which keeps other sites out")
    func http() async throws {
        let world = try TestHome()
        let server = try await world.serve()
        #expect(try await world.join(try await server.ticket()).status == 0)
        let (_, url) = try await world.startProxy()
        Self.check(try await Self.peer(world, ["http", "\(url)/mcp"]), isAdmin: true)
        let body = #"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#
        #expect(try await Self.curlStatus(world, ["\(url)/mcp", "-d", body]) == 200)
        #expect(
            try await Self.curlStatus(world, ["\(url)/mcp", "-d", body, "-H", "Origin: https://evil.example"]) == 403)
        #expect(try await Self.curlStatus(world, ["\(url)/mcp"]) == 405)
    }

    @Test("P-82: with debug logging every line on standard output is JSON-RPC, whatever comes in")
    func pureOutput() async throws {
        let world = try TestHome()
        _ = try await world.serve(["--log-level", "debug"])
        let input = """
            {"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18"}}
            {"jsonrpc":"2.0","method":"notifications/initialized"}

            this is no message
            {"jsonrpc":"2.0","id":2,"method":"tools/list"}
            {"jsonrpc":"2.0","id":3,"method":"nothing"}
            {"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"ask_agent","arguments":{"message":"hello"},"_meta":{"progressToken":1}}}

            """
        let result = try await world.run(
            ["mcp", "--agent", world.agent.path, "--log-level", "debug"], input: input)
        #expect(result.status == 0, "\(result)")
        var ids: Set<Int64> = []
        for line in result.output.split(separator: "\n") {
            let value = try JSONDecoder().decode(JSONValue.self, from: Data(line.utf8))
            #expect(value["jsonrpc"] == "2.0", "\(line)")
            if case .integer(let id)? = value["id"] { ids.insert(id) }
        }
        #expect(ids == [1, 2, 3, 4], "\(result)")
    }

    @Test("where nobody serves the agent it is said, and nothing is printed")
    func stopped() async throws {
        let world = try TestHome()
        let server = try await world.serve()
        server.program.signal(SIGTERM)
        try await server.program.exit()
        let result = try await world.run(["mcp", "--agent", world.agent.path])
        #expect(result.status == 73 && result.output.isEmpty && result.errors.contains("hint: "), "\(result)")
    }
}
