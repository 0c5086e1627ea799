import Foundation
import JSON
import Logging
import Testing

@testable import Agent
@testable import Store

// Whoever changes a row of the registry changes what runs, at once, and disturbs nobody else.

@Suite struct MCPServersTests {
    static let me = Registry.Actor(name: "ana")

    struct World: Sendable {
        let registry: Registry
        let servers: MCPServers
        let log: KeptLog.Lines

        func add(_ name: String, _ words: [String]? = nil, environment: [String: String]? = nil) async throws {
            let words = words ?? MCPPeers.fixture("misbehaving")
            _ = try await registry.addMCP(
                name, MCPChange(command: .words(words), environment: environment), by: MCPServersTests.me)
        }

        func change(_ name: String, _ change: MCPChange) async throws {
            _ = try await registry.changeMCP(name, change, by: MCPServersTests.me)
        }

        /// Waits until that is so. One waiter.
        func wait(
            _ what: String, _ isSo: @escaping @Sendable ([String: MCPServer.Status]) async -> Bool
        ) async throws {
            try await MCPPeers.within(20, what) {
                if await isSo(await servers.status()) { return }
                while true {
                    // News come with a bound between them; names are not missed.
                    try await Task.sleep(for: .milliseconds(10))
                    if await isSo(await servers.status()) { return }
                }
            }
        }

        func ready(_ names: String...) async throws {
            try await wait("\(names) to be ready") { status in names.allSatisfy { status[$0]?.state == .ready } }
        }

        func ask(_ name: String, _ tool: String, _ arguments: [String: JSONValue] = [:]) async -> ToolResult {
            await servers.servers().first { $0.name == name }?.ask(tool, arguments)
                ?? ToolResult("there is no \(name)", isError: true)
        }

        func server(_ name: String) async throws -> any ToolServer {
            try #require(await servers.servers().first { $0.name == name })
        }
    }

    /// - Parameter before: what is done before the servers run.
    func with(
        before: (World) async throws -> Void = { _ in }, _ body: @escaping @Sendable (World) async throws -> Void
    ) async throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "mcps-\(UUID().uuidString).db").path
        let database = try Store.Database(path: path)
        defer {
            try? database.close()
            for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + suffix) }
        }
        let registry = Registry(
            RegistryRepository(database), http: RegistryTests.NoNetwork(), now: { Date().timeIntervalSince1970 }
        ) { text in
            text == "{env:HOUSE}" ? "of the house" : text
        }
        let lines = KeptLog.Lines()
        let servers = MCPServers(
            registry, reserved: ["vault"], logger: Logger(label: "test") { _ in KeptLog(lines: lines) })
        let world = World(registry: registry, servers: servers, log: lines)
        try await before(world)
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                await servers.run()
                return false
            }
            group.addTask {
                try await body(world)
                return true
            }
            while let isDone = try await group.next() { if isDone { break } }
            group.cancelAll()
        }
        #expect(await servers.status().values.allSatisfy { $0.state == .stopped || $0.state == .failed })
    }

    @Test(
        "who asks for tools while the agent starts gets those of servers that are still being started, and of broken ones none"
    )
    func arrival() async throws {
        try await with { world in
            try await world.add(
                "slow", ["/bin/sh", "-c", #"sleep 0.3; exec "$@""#, "sh"] + MCPPeers.fixture("misbehaving"))
            try await world.add("broken", ["/nothing/here"])
            await world.servers.willRun()
        } _: { world in
            #expect(Int(await world.ask("slow", "pid").text) != nil)
            #expect(await world.servers.status()["broken"]?.state != .starting)
        }
    }

    @Test("servers are added, switched off and on, changed and removed while they run, and others stay as they are")
    func hotChanges() async throws {
        try await with { world in
            try await world.add("stays")
            try await world.add("moves", environment: ["HOUSE_TOKEN": "{env:HOUSE}"])
            try await world.ready("stays", "moves")
            let pid = await world.ask("stays", "pid").text
            let moves = try await world.server("moves")
            #expect(await moves.ask("environment").text.contains(#""HOUSE_TOKEN": "of the house""#))
            // A switch that changes nothing starts nothing.
            let before = await moves.ask("pid").text
            try await world.change("moves", MCPChange(isEnabled: true))
            try await world.add("comes")
            try await world.ready("comes")
            #expect(await world.ask("moves", "pid").text == before)
            #expect(await world.servers.servers().map(\.name) == ["stays", "moves", "comes"])
            try await world.change("moves", MCPChange(isEnabled: false))
            try await world.wait("the end") { $0["moves"] == nil }
            #expect(await world.servers.servers().map(\.name) == ["stays", "comes"])
            try await world.change("moves", MCPChange(isEnabled: true))
            try await world.ready("moves")
            try await world.registry.removeMCP("moves", by: Self.me)
            try await world.wait("the end") { $0["moves"] == nil }
            #expect(await world.ask("stays", "pid").text == pid)
            #expect(world.servers.takeChanges().isSuperset(of: ["stays", "moves", "comes"]))
        }
    }

    @Test("P-76: a change during a call starts the new server beside the old one, which ends when the call has")
    func changeDuringACall() async throws {
        try await with { world in
            try await world.add("odd", environment: ["GENERATION": "one"])
            try await world.ready("odd")
            let old = try await world.server("odd")
            let pid = try #require(Int32(await old.ask("pid").text))
            let alarm = NSTemporaryDirectory() + "mcp-alarm-\(UUID().uuidString)"
            defer { try? FileManager.default.removeItem(atPath: alarm) }
            let call = Task { await old.ask("sleep", ["aside": true, "until": .string(alarm)]) }
            _ = await old.ask("echo")
            try await world.change("odd", MCPChange(environment: ["GENERATION": "two"]))
            try await world.wait("the swap") { _ in
                await world.servers.servers().first?.ask("environment").text.contains(#""GENERATION": "two""#) == true
            }
            #expect(!MCPPeers.isGone(pid))
            #expect(FileManager.default.createFile(atPath: alarm, contents: nil))
            #expect(await call.value == ToolResult("awake"))
            try await MCPPeers.within(10, "the old one's end") {
                while !MCPPeers.isGone(pid) { try await Task.sleep(for: .milliseconds(10)) }
            }
            #expect(await world.servers.status()["odd"]?.restarts == 0)
        }
    }

    @Test("P-28: of two servers whose tools would have the same names the first works, and the second is refused")
    func sameNames() async throws {
        try await with { world in
            try await world.add("my_tools")
            try await world.ready("my_tools")
            try await world.add("my-tools")
            try await world.add("vault")
            try await world.wait("the refusals") { $0["my-tools"]?.state == .failed && $0["vault"]?.state == .failed }
            #expect(await world.servers.servers().map(\.name) == ["my_tools"])
            #expect(await world.ask("my_tools", "echo", ["text": "a"]) == ToolResult("a"))
            #expect(world.log.all.contains { $0.contains("mcp::refused") && $0.contains("source=mcp:my-tools") })
        }
    }

    @Test("P-33: servers that can't be started are told of, and the others go on")
    func deadOnArrival() async throws {
        try await with { world in
            try await world.add("missing", ["no-such-program"])
            try await world.add("crashing", MCPPeers.fixture("misbehaving", "crash"))
            try await world.add("silent", MCPPeers.fixture("misbehaving", "silent"))
            try await world.add("good")
            try await world.ready("good")
            try await world.wait("the failures") {
                $0["missing"]?.error != nil && $0["crashing"]?.error?.contains("status 7") == true
            }
            #expect(await world.servers.status()["silent"]?.state == .starting)
            for name in ["missing", "crashing", "silent"] {
                let server = try await world.server(name)
                #expect(await server.tools().isEmpty)
                let result = await server.ask("echo")
                #expect(result.isError && result.text.contains("'\(name)'"))
            }
            let oauth = MCPChange(url: "http://127.0.0.1:1", usesOAuth: true)
            _ = try await world.registry.addMCP("oauth", oauth, by: Self.me)
            try await world.wait("the refusal") { $0["oauth"]?.state == .failed }
        }
    }
}
