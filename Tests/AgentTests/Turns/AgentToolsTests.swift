import JSON
import Logging
import Testing

@testable import Agent

@Suite struct AgentToolsTests {
    private static func context(isAdmin: Bool = false) -> ToolContext {
        ToolContext(turnID: "t", callID: "1.1", sessionID: "s", handle: "ada", isAdmin: isAdmin)
    }

    private static func call(
        _ tools: AgentTools, _ name: String, _ arguments: [String: JSONValue] = [:], isAdmin: Bool = false
    ) async throws -> ToolResult {
        try await tools.call(name, arguments, for: context(isAdmin: isAdmin), emit: { _ in }, willRun: {})
    }

    // MARK: Who may

    @Test("P-27: outside callers need a server that is meant for them and a grant that names it; one cell passes")
    func matrix() async throws {
        for isMeant in [false, true] {
            for isGranted in [false, true] {
                for exists in [false, true] {
                    let server = FakeTools("x", exists ? [.fake("do")] : [], openTo: isMeant ? [.outside] : [.turn])
                    var settings = ToolSettings()
                    settings.grants.granted[.outside] = .some(isGranted ? ["x"] : ["y"])
                    let tools = AgentTools([server], settings: settings).serving(.outside)
                    let mayRun = isMeant && isGranted && exists
                    #expect(try await Self.call(tools, "x_do").isError == !mayRun)
                    #expect(server.ran.isEmpty == !mayRun)
                    #expect(await tools.tools(isAdmin: true).isEmpty == !mayRun)
                }
            }
        }
    }

    @Test("P-27: what nobody granted is denied", arguments: ToolCaller.allCases)
    func failsClosed(_ caller: ToolCaller) async throws {
        var settings = ToolSettings()
        settings.grants.granted = [:]
        let server = FakeTools("x", openTo: Set(ToolCaller.allCases))
        #expect(try await Self.call(AgentTools([server], settings: settings).serving(caller), "x_do").isError)
        #expect(server.ran.isEmpty)
    }

    @Test func toolsOfAdministratorsAreHiddenFromAndDeniedToMembers() async throws {
        let server = FakeTools("x", [.fake("do"), .fake("rule", needsAdmin: true)])
        let ledger = TestLedger()
        let tools = AgentTools([server], ledger: ledger)
        #expect(await tools.tools(isAdmin: false).map(\.fullName) == ["x_do"])
        #expect(await tools.tools(isAdmin: true).map(\.fullName) == ["x_do", "x_rule"])
        let result = try await Self.call(tools, "x_rule")
        #expect(result.isError && result.text.hasPrefix("There is no tool x_rule") && server.ran.isEmpty)
        #expect(ledger.lines.value == ["denied x_rule: not granted to this caller"])
        #expect(try await !Self.call(tools, "x_rule", isAdmin: true).isError)
    }

    // MARK: Names

    @Test(
        "P-33: the tools of a server that is down are said to be away, and not to be no tools; to whom it isn't granted they are none"
    )
    func aServerThatIsDown() async throws {
        let server = FakeTools("my-x", [])
        let result = try await Self.call(AgentTools([server]), "my_x_do")
        #expect(result.isError && result.text.hasPrefix("The server 'my-x' does not run at the moment"), "\(result)")
        let closed = FakeTools("my-x", [], openTo: [])
        #expect(try await Self.call(AgentTools([closed]), "my_x_do").text.hasPrefix("There is no tool my_x_do"))
        server.definitions.withLock { $0 = [.fake("do")] }
        #expect(try await Self.call(AgentTools([server]), "my_x_look").text.hasPrefix("There is no tool my_x_look"))
        #expect(server.ran.isEmpty)
    }

    @Test("P-28: of two servers or tools with the same name the first keeps working and the second is not offered")
    func names() async throws {
        let lines = TestMutex<[String]>([])
        let logger = Logger(label: "test") { _ in LineLog(lines: lines) }
        let first = FakeTools("web-search", [.fake("get"), .fake("get")]) { _, _, _ in ToolResult("first") }
        let second = FakeTools("web_search") { _, _, _ in ToolResult("second") }
        let third = FakeTools("web", [.fake("search_get")]) { _, _, _ in ToolResult("third") }
        let tools = AgentTools([first, second, third], logger: logger)
        for _ in 0..<2 {
            #expect(await tools.tools(isAdmin: true).map(\.fullName) == ["web_search_get"])
            #expect(try await Self.call(tools, "web_search_get").text == "first")
        }
        #expect(lines.value.count == 3, "each is said once: \(lines.value)")
        // While the first is down nobody takes its name.
        first.definitions.withLock { $0 = [] }
        #expect(try await Self.call(tools, "web_search_get").isError)
        #expect(second.ran.isEmpty && third.ran.isEmpty)
    }

    @Test func namesHaveOnlyWhatProvidersTake() {
        #expect(ToolCatalog.fullName("web-search", "get page!") == "web_search_get_page_")
        #expect(ToolCatalog.fullName("a", String(repeating: "b", count: 100)).count == 64)
    }

    // MARK: Limits

    @Test("P-34: a call ends after 10 s for a query and 30 s for an action, or after what was set for the tool")
    func timeLimits() async throws {
        for (tool, seconds) in [("look", 10.0), ("do", 30), ("slow", 90)] {
            let clock = TurnedClock()
            let stopped = TestMutex(false)
            let server = FakeTools("x", [.fake("look", .query), .fake("do"), .fake("slow")]) { _, _, _ in
                do { try await Task.sleep(for: .seconds(600)) } catch { stopped.change { $0 = true } }
                return ToolResult("late")
            }
            var settings = ToolSettings()
            settings.times.certain = ["x_slow": .seconds(90)]
            let tools = AgentTools([server], settings: settings, time: clock.source)
            let task = Task { try await Self.call(tools, "x_\(tool)") }
            await clock.sleepers()
            clock.advance(by: seconds - 0.5)
            #expect(!stopped.value)
            clock.advance(by: 0.5)
            let result = try await task.value
            #expect(result.isError && result.text.contains("within \(Int(seconds)) seconds"), "\(result)")
            #expect(stopped.value)
        }
    }

    @Test(
        "P-34: what is set for a server counts for its tools, and whoever calls waits a little longer than the server")
    func timeOfServers() async throws {
        struct Patient: ToolServer {
            let name = "my-crawler"
            let grace = Duration.seconds(1)

            func tools() async -> [ToolDefinition] { [.fake("do")] }

            func call(
                _ tool: String, _ arguments: [String: JSONValue], for context: ToolContext,
                progress: @Sendable (String) async -> Void
            ) async -> ToolResult {
                try? await Task.sleep(for: .seconds(600))
                return ToolResult("late")
            }
        }
        let clock = TurnedClock()
        var settings = ToolSettings()
        settings.times.certain = ["my_crawler": .seconds(120)]
        let tools = AgentTools([Patient()], settings: settings, time: clock.source)
        let task = Task { try await Self.call(tools, "my_crawler_do") }
        await clock.sleepers()
        clock.advance(by: 121)
        #expect(try await task.value.text.contains("within 121 seconds"))
    }

    @Test func stoppingTheTurnEndsTheCall() async throws {
        let clock = TurnedClock()
        let server = FakeTools("x") { _, _, _ in
            do { try await Task.sleep(for: .seconds(600)) } catch { return ToolResult("was stopped", isError: true) }
            return ToolResult("late")
        }
        let tools = AgentTools([server], time: clock.source)
        let task = Task { try await Self.call(tools, "x_do") }
        await clock.sleepers()
        task.cancel()
        #expect(try await task.value == ToolResult("was stopped", isError: true))
    }

    @Test func aLongResultIsCutBetweenCharactersAndThatIsSaid() async throws {
        let server = FakeTools("x") { _, _, _ in ToolResult(String(repeating: "é", count: 1_000)) }
        var settings = ToolSettings()
        settings.longestResult = 101
        let result = try await Self.call(AgentTools([server], settings: settings), "x_do")
        #expect(result.text.hasPrefix(String(repeating: "é", count: 50) + "\n… (cut: the result has 2000 bytes"))
    }

    @Test func progressIsToldOnceASecond() {
        let time = TestMutex(0.0)
        let progress = ToolProgress(tool: "x_do", now: { time.value })
        #expect(progress.status("one\n") == "x_do: one")
        #expect(progress.status("two") == nil)
        time.change { $0 = 1 }
        #expect(progress.status(String(repeating: "a", count: 900))?.count == 206)
    }

    // MARK: Arguments

    private static let schema: JSONValue = [
        "type": "object", "required": ["path"], "additionalProperties": false,
        "properties": [
            "path": ["type": "string"], "count": ["type": "integer"], "mode": ["enum": ["fast", "slow"]],
            "tags": ["type": "array", "items": ["type": "string"]], "limit": ["type": ["number", "null"]],
        ],
    ]

    @Test(
        arguments: [
            (["path": "a", "count": 2, "mode": "fast", "tags": ["b"], "limit": nil], nil),
            (["path": "a", "count": 2.0, "limit": 1], nil), ([:], "'path' is missing"),
            (["path": 1], "'path' must be a string, not an integer"),
            (["path": "a", "count": 1.5], "'count' must be an integer, not a number"),
            (["path": "a", "mode": "medium"], #"'mode' must be one of "fast", "slow""#),
            (["path": "a", "tags": ["b", 3]], "'tags[1]' must be a string"),
            (["path": "a", "limit": "x"], "'limit' must be a number or null, not a string"),
            (["path": "a", "paht": "b"], "'paht' is not known; there are: count, limit"),
        ] as [([String: JSONValue], String?)])
    func argumentsAreHeldAgainstTheSchema(_ arguments: [String: JSONValue], _ problem: String?) async throws {
        let found = ArgumentCheck.problem(arguments, schema: Self.schema)
        #expect(found.map { $0.hasPrefix(problem ?? "?") } ?? (problem == nil), "\(found ?? "nothing")")
        let server = FakeTools("x", [ToolDefinition(name: "do", description: "", parameters: Self.schema)])
        let result = try await Self.call(AgentTools([server]), "x_do", arguments)
        #expect(result.isError == (problem != nil) && server.ran.isEmpty == (problem != nil))
    }

    // MARK: Policy and account

    @Test func theLedgerHearsOfEveryCall() async throws {
        let ledger = TestLedger()
        let server = FakeTools("x") { tool, _, _ in ToolResult(tool, isError: tool == "look") }
        let gate = TestGate { $0 == "x_never" ? .denied("not here") : .allowed }
        let tools = AgentTools([FakeTools("x", [.fake("never")]), server], gate: gate, ledger: ledger)
        let denied = try await Self.call(tools, "x_never")
        #expect(denied == ToolResult("The call was denied: not here", isError: true))
        let other = AgentTools([server], gate: gate, ledger: ledger)
        _ = try await Self.call(other, "x_do")
        _ = try await Self.call(other, "x_look")
        #expect(
            ledger.lines.value == [
                "denied x_never: not here", "began x_do", "ended x_do ok", "began x_look", "ended x_look failed",
            ])
    }

    @Test func withoutAnAuditRowNothingRuns() async throws {
        let server = FakeTools("x")
        let result = try await Self.call(AgentTools([server], ledger: TestLedger(isBroken: true)), "x_do")
        #expect(result.isError && result.text.contains("could not be recorded") && server.ran.isEmpty)
    }

    @Test func aCallThatCannotBeJournaledDoesNotRun() async throws {
        struct Full: Error {}
        let server = FakeTools("x")
        let tools = AgentTools([server])
        await #expect(throws: Full.self) {
            try await tools.call("x_do", [:], for: Self.context(), emit: { _ in }, willRun: { throw Full() })
        }
        #expect(server.ran.isEmpty)
    }

    private struct TestGate: ToolGate {
        let verdict: @Sendable (String) -> ToolVerdict

        func admit(
            _ tool: OfferedTool, _ arguments: [String: JSONValue], for context: ToolContext,
            emit: @Sendable (TurnEvent) async -> Void
        ) async throws -> ToolVerdict { verdict(tool.fullName) }
    }

    private struct TestLedger: ToolLedger {
        struct Broken: Error {}

        let lines = TestMutex<[String]>([])
        var isBroken = false

        func began(_ tool: OfferedTool, _ arguments: [String: JSONValue], for context: ToolContext) async throws {
            if isBroken { throw Broken() }
            lines.change { $0.append("began \(tool.fullName)") }
        }

        func ended(_ tool: OfferedTool, for context: ToolContext, _ result: ToolResult, took: Duration) async {
            lines.change { $0.append("ended \(tool.fullName) \(result.isError ? "failed" : "ok")") }
        }

        func denied(_ tool: OfferedTool, for context: ToolContext, because reason: String) async {
            lines.change { $0.append("denied \(tool.fullName): \(reason)") }
        }
    }

    private struct LineLog: LogHandler {
        let lines: TestMutex<[String]>
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            lines.change { $0.append("\(event.message) \(event.metadata ?? [:])") }
        }
    }
}
