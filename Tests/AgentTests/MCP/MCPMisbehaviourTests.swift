import Foundation
import JSON
import Synchronization
import Testing

@testable import Agent

// A server that crashes, hangs, floods, talks nonsense or takes all memory hurts nobody but itself.

@Suite struct MCPMisbehaviourTests {
    static let words = MCPPeers.fixture("misbehaving")

    /// This process' memory in bytes, without what is shared.
    private var ownMemory: Int {
        let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
        let pages = text.split(separator: " ").compactMap { Int($0) }
        return (pages[1] - pages[2]) * 4096
    }

    @Test(
        "P-33: a server that crashes in a call fails that call, and is started again", arguments: ["crash", "segfault"])
    func crash(tool: String) async throws {
        try await RunningMCP.run(Self.words) { running in
            let before = try await running.pid
            let result = await running.server.ask(tool)
            #expect(result.isError && result.text.contains("ended during the call"), "\(result)")
            try await running.wait { $0.restarts == 1 && $0.state == .ready }
            #expect(await running.server.ask("echo", ["text": "back"]) == ToolResult("back"))
            let after = try await running.pid
            #expect(before != after && MCPPeers.isGone(before))
            let why = tool == "crash" ? "status 3: it was me" : "signal 11"
            #expect(running.log.all.contains { $0.contains("mcp::ended") && $0.contains(why) }, "\(running.log.all)")
        }
    }

    @Test("P-33: while a server is down a call ends at once, and each start waits longer than the one before")
    func backoff() async throws {
        let clock = TurnedClock()
        try await RunningMCP.run(
            MCPPeers.fixture("misbehaving", "crash"), time: clock.source, isReady: false
        ) { running in
            for (index, time) in [Duration.milliseconds(500), .seconds(1), .seconds(2)].enumerated() {
                try await running.wait { $0.state == .backingOff && $0.restarts == index }
                let status = await running.server.status
                #expect(status.error == "it ended with status 7: no good day")
                #expect(status.retryAt == status.since + time / .seconds(1))
                let result = await running.server.ask("echo")
                #expect(result.isError && result.text.contains("started again"))
                #expect(await running.server.tools().isEmpty)
                await clock.pass(time)
            }
        }
    }

    @Test(
        "P-34: a tool that sleeps ends at its limit, is told so, and a server that hangs is started anew without a zombie"
    )
    func hang() async throws {
        let clock = TurnedClock()
        try await RunningMCP.run(Self.words, time: clock.source) { running in
            let pid = try await running.pid
            for (tool, limit) in [("sleep", Duration.seconds(10)), ("sleep_action", .seconds(30))] {
                let call = Task { await running.server.ask(tool, ["aside": true]) }
                await clock.pass(limit)
                let result = await call.value
                #expect(result.isError && result.text.contains("\(limit)"), "\(result)")
                // It answers the ping, so it stays.
                #expect(await running.server.ask("echo", ["text": "here"]) == ToolResult("here"))
            }
            await clock.pass(MCPSettings().pingTime)
            #expect(try await running.pid == pid)
            let call = Task { await running.server.ask("sleep") }
            await clock.pass(.seconds(10))
            #expect(await call.value.isError)
            await clock.pass(MCPSettings().pingTime)
            try await running.wait { $0.state == .backingOff }
            #expect(await running.server.status.error?.contains("hangs") == true)
            #expect(MCPPeers.isGone(pid))
            await clock.pass(.milliseconds(500))
            try await running.wait { $0.state == .ready }
            #expect(try await running.pid != pid)
        }
    }

    @Test("P-35: a server that takes more memory than it may is killed, with its children, and this process takes none")
    func memory() async throws {
        var settings = MCPSettings()
        settings.memory = 96 << 20
        try await RunningMCP.run(Self.words, settings: settings) { running in
            let pid = try await running.pid
            let before = ownMemory
            // Less than the kernel refuses: it is up to whoever looks.
            let result = await running.server.ask("allocate", ["megabytes": 120])
            #expect(result.isError)
            try await running.wait { $0.restarts == 1 && $0.state == .ready }
            #expect(running.log.all.contains { $0.contains("more than 96 MiB of memory") }, "\(running.log.all)")
            #expect(MCPPeers.isGone(pid))
            // Each of the two children takes less than the server may.
            let children = try await running.pid
            #expect(await running.server.ask("children_allocate", ["megabytes": 60]).isError)
            try await running.wait { $0.restarts == 2 && $0.state == .ready }
            #expect(running.log.all.count { $0.contains("more than 96 MiB of memory") } == 2)
            #expect(MCPPeers.isGone(children) && MCPMemory.ofSession(children) == 0)
            #expect(ownMemory - before < 48 << 20)
        }
    }

    @Test("P-35: what is taken faster than anybody looks is refused by the kernel")
    func kernelLimit() async throws {
        var settings = MCPSettings()
        settings.memory = 64 << 20
        settings.times = { ToolTimes(action: .seconds(20)) }
        // Nobody looks: time stands still.
        try await RunningMCP.run(Self.words, settings: settings, time: TurnedClock().source) { running in
            #expect(await running.server.ask("allocate").isError)
            try await running.wait { $0.state == .backingOff }
            #expect(await running.server.status.error?.contains("MemoryError") == true)
        }
    }

    @Test("P-33: a flood of messages, some garbage, and a line without end hurt nobody")
    func noise() async throws {
        try await RunningMCP.run(Self.words) { running in
            let before = ownMemory
            #expect(await running.server.ask("flood", ["lines": 5000]) == ToolResult("flooded"))
            let said = running.log.all.count { $0.contains("mcp::said") }
            #expect(said <= MCPLog.mostLines)
            #expect(await running.server.ask("garbage", ["lines": 100]) == ToolResult("after the garbage"))
            #expect(await running.server.ask("garbage", ["lines": 101]).isError)
            try await running.wait { $0.restarts == 1 && $0.state == .ready }
            #expect(await running.server.ask("huge").isError)
            try await running.wait { $0.restarts == 2 && $0.state == .ready }
            #expect(running.log.all.contains { $0.contains("a message of more than 4194304 bytes") })
            #expect(ownMemory - before < 64 << 20)
        }
    }

    @Test(
        "a server that is no server is given up with a reason",
        arguments: [
            ("garbage", "what is no message"), ("other-version", "speaks MCP 1999-01-01"),
        ])
    func noServer(start: String, why: String) async throws {
        try await RunningMCP.run(MCPPeers.fixture("misbehaving", start), isReady: false) { running in
            try await running.wait { $0.state == .backingOff }
            #expect(await running.server.status.error?.contains(why) == true)
        }
        let clock = TurnedClock()
        try await RunningMCP.run(
            MCPPeers.fixture("misbehaving", "silent"), time: clock.source, isReady: false
        ) { running in
            await clock.pass(MCPSettings().startTime)
            try await running.wait { $0.state == .backingOff }
            #expect(await running.server.status.error?.contains("did not list its tools") == true)
        }
        try await RunningMCP.run(["no-such-program-here"], isReady: false) { running in
            try await running.wait { $0.state == .backingOff }
            #expect(await running.server.status.error == "there is no program 'no-such-program-here'")
        }
    }

    @Test("a server that ignores SIGTERM ends nevertheless, with the children that it has")
    func ignoresTerm() async throws {
        let pid = try await RunningMCP.run(MCPPeers.fixture("misbehaving", "ignore-term")) { running in
            #expect(await running.server.ask("children") == ToolResult("born"))
            return try await running.pid
        }
        #expect(MCPPeers.isGone(pid))
        try await MCPPeers.within(5, "the children's end") {
            while MCPMemory.ofSession(pid) > 0 { try await Task.sleep(for: .milliseconds(5)) }
        }
    }

    @Test("a server runs in its folder, which is made when it is missing")
    func folder() async throws {
        var settings = MCPSettings()
        let folder = NSTemporaryDirectory() + "mcp-folder-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        settings.folder = folder
        try await RunningMCP.run(Self.words, settings: settings) { running in
            let place = try await FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(running.pid)/cwd")
            #expect(place == folder)
        }
    }

    @Test("answers that are late, doubled or nobody's reach nobody, and calls do not wait for each other")
    func strayAnswers() async throws {
        let clock = TurnedClock()
        try await RunningMCP.run(Self.words, time: clock.source) { running in
            #expect(await running.server.ask("twice") == ToolResult("first"))
            #expect(await running.server.ask("foreign") == ToolResult("mine"))
            #expect(await running.server.ask("fail") == ToolResult("it did not work", isError: true))
            let slow = Task { await running.server.ask("sleep", ["aside": true, "seconds": 0.3]) }
            #expect(await running.server.ask("echo", ["text": "quick"]) == ToolResult("quick"))
            #expect(await slow.value == ToolResult("awake"))
            #expect(await running.server.ask("none").isError)
        }
    }

    @Test("a call that is cancelled ends at once, and the server is told")
    func cancellation() async throws {
        let file = NSTemporaryDirectory() + "mcp-calls-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: file) }
        try await RunningMCP.run(Self.words, environment: ["CALLS_FILE": file]) { running in
            let (began, begin) = AsyncStream.makeStream(of: Void.self)
            let call = Task {
                begin.yield()
                return await running.server.ask("sleep", ["aside": true])
            }
            for await _ in began { break }
            // The call that comes second has come after the first.
            _ = await running.server.ask("echo")
            call.cancel()
            let result = try await MCPPeers.within(5) { await call.value }
            #expect(result == ToolResult("The call was cancelled.", isError: true))
            _ = await running.server.ask("echo")
            let seen = try String(contentsOfFile: file, encoding: .utf8)
            #expect(!seen.contains("sleep") || seen.contains("cancelled"), "\(seen)")
        }
    }

    @Test("progress is handed on, answers are cut, and a new tool is there when the server says so")
    func news() async throws {
        var settings = MCPSettings()
        settings.outputLimit = 1000
        try await RunningMCP.run(Self.words, settings: settings) { running in
            let steps = Mutex<[String]>([])
            let result = await running.server.call("progress", [:], for: .test) { text in
                steps.withLock { $0.append(text) }
            }
            #expect(result == ToolResult("done"))
            #expect(steps.withLock { $0 } == ["step 0", "step 1", "step 2"])
            let big = await running.server.ask("big", ["bytes": 200_000])
            #expect(big.text.utf8.count < 1100 && big.text.contains("[cut: the answer has 400000 bytes]"))
            let count = await running.server.status.tools
            #expect(count > 10)
            _ = await running.server.ask("change")
            try await running.wait { $0.tools == count + 1 }
            #expect(await running.server.tools().contains { $0.name == "new" })
            let arguments: [String: JSONValue] = ["text": .string(String(repeating: "x", count: 2 << 20))]
            #expect(await running.server.ask("echo", arguments).isError)
        }
    }

    @Test("SDK-04: what a server writes to standard error is in the log under its name, bounded, without its secrets")
    func standardError() async throws {
        try await RunningMCP.run(Self.words, environment: ["TOKEN": "a-secret-of-mine"]) { running in
            _ = await running.server.ask("stderr", ["text": "my token is a-secret-of-mine"])
            _ = await running.server.ask("stderr", ["text": .string(String(repeating: "y", count: 100_000))])
            _ = await running.server.ask("stderr", ["lines": 500])
            _ = await running.server.ask("echo")
            try await MCPPeers.within { [log = running.log] in
                while !log.all.contains(where: { $0.contains("line 1") }) {
                    try await Task.sleep(for: .milliseconds(5))
                }
            }
            let said = running.log.all.filter { $0.contains("mcp::said") }
            #expect(said.allSatisfy { $0.contains("source=mcp:odd") && $0.utf8.count < 1200 })
            #expect(said.contains { $0.contains("my token is [redacted]") })
            #expect(said.count <= MCPLog.mostLines)
            #expect(!running.log.all.contains { $0.contains("a-secret-of-mine") })
        }
    }

    @Test("P-21: a server gets of the environment what every program needs and what its own row says, and nothing else")
    func environment() async throws {
        setenv("OPENAGENT_TEST_TOKEN", "of the process", 1)
        func seen(_ environment: [String: String]) async throws -> [String: String] {
            try await RunningMCP.run(Self.words, environment: environment) { running in
                let text = await running.server.ask("environment").text
                return try JSONDecoder().decode([String: String].self, from: Data(text.utf8))
            }
        }
        let granted = try await seen(["ISSUES_TOKEN": "granted to one"])
        let other = try await seen(["OTHER": "x"])
        #expect(granted["ISSUES_TOKEN"] == "granted to one")
        // What Python and the shell set themselves besides.
        let harmless: Set = ["PATH", "HOME", "LANG", "TMPDIR", "PWD", "LC_CTYPE", "OLDPWD", "SHLVL", "_"]
        #expect(Set(granted.keys).subtracting(harmless) == ["ISSUES_TOKEN"])
        #expect(Set(other.keys).subtracting(harmless) == ["OTHER"])
        #expect(!other.values.contains { $0.contains("granted") || $0.contains("of the process") })
    }
}
