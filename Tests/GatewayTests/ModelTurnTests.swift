import Foundation
import JSON
import Logging
import NIOCore
import NIOHTTP1
import Synchronization
import TestProviders
import Testing

@testable import Agent
@testable import Certs
@testable import Gateway
@testable import Store
@testable import Transport
@testable import Wire

// A whole agent in memory that answers with a model and tools: put together as `serve` does it, with a model and servers of tools that do
// what the test says.

@Suite struct ModelTurnTests {
    typealias Script = @Sendable (ModelRequest) async throws -> ModelReply

    private struct Model: LanguageModel {
        let script: Script

        func reply(to request: ModelRequest, emit: @Sendable (String) async -> Void) async throws -> ModelReply {
            let reply = try await script(request)
            await emit(reply.text)
            return reply
        }
    }

    private struct Tools: ToolServer {
        let name: String
        let note: @Sendable (ToolContext) -> Void
        var began: @Sendable () -> Void = {}

        func tools() async -> [ToolDefinition] {
            [
                ToolDefinition(name: "look", description: "", parameters: ["type": "object"], effect: .query),
                ToolDefinition(name: "rule", description: "", parameters: ["type": "object"], needsAdmin: true),
                ToolDefinition(name: "hang", description: "", parameters: ["type": "object"]),
            ]
        }

        func call(
            _ tool: String, _ arguments: [String: JSONValue], for context: ToolContext,
            progress: @Sendable (String) async -> Void
        ) async -> ToolResult {
            note(context)
            guard tool != "hang" else {
                began()
                try? await Task.sleep(for: .seconds(600))
                return ToolResult("it was stopped", isError: true)
            }
            return ToolResult("\(name) says \(tool)")
        }
    }

    /// An agent whose model `fake:one` is the first row.
    private final class World: Sendable {
        static let time: Double = 1_750_000_000

        let directory: AgentDirectory
        let core: GatewayCore
        /// Yields when the tool `hang` runs.
        let hangs: AsyncStream<Void>
        private let key: SecretKey
        private let device = SecretKey()
        private let isLast: Bool

        /// - Parameters:
        ///   - address: of the provider; models there are asked over HTTP.
        ///   - models: by their names, the first is the default.
        ///   - earlier: an earlier process of the same agent, which is over.
        ///   - isLast: no later one comes.
        init(
            configuration yaml: String = "", address: String = "http://127.0.0.1:1", models: [String] = ["one"],
            after earlier: World? = nil, isLast: Bool = true, _ script: Script? = nil
        ) async throws {
            self.isLast = isLast
            directory =
                earlier?.directory
                ?? AgentDirectory(FileManager.default.temporaryDirectory.path + "/turns-\(UUID().uuidString)")
            if earlier == nil {
                _ = try directory.create(name: "Ada")
                try Data(("name: Ada\n" + yaml).utf8).write(to: URL(filePath: directory.configuration))
            }
            let (hangs, hang) = AsyncStream.makeStream(of: Void.self)
            self.hangs = hangs
            key = try SecretKey(seed: Array(repeating: 7, count: 32))
            let notes = Notes()
            self.notes = notes
            var seams = GatewayCore.Seams(now: { Self.time })
            if let script { seams.model = { _ in Model(script: script) } }
            // Pauses are over at once.
            let slept = slept
            seams.time = TimeSource(
                now: { Self.time },
                sleep: { pause in
                    // A tool's time is not up.
                    guard pause < .seconds(10) else { return try await Task.sleep(for: .seconds(60)) }
                    slept.add(pause)
                })
            seams.toolServers = {
                ["alpha", "beta", "gamma"].map { Tools(name: $0, note: { notes.add($0) }, began: { hang.yield() }) }
            }
            core = try GatewayCore.build(
                key: key, directory: directory,
                configuration: try AgentConfiguration.load(directory, environment: [:]).configuration, version: "1",
                seams: seams, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, requestRestart: {})
            guard earlier == nil else { return }
            let actor = Registry.Actor(name: "test")
            let provider = try await core.registry.addProvider(
                ProviderChange(name: "local", baseURL: address), by: actor
            ).provider
            for model in models {
                _ = try await core.registry.addModel(
                    ModelChange(model: model, metadata: #"{"context_window":4000}"#), to: provider.id, by: actor)
            }
        }

        final class Pauses: Sendable {
            private let pauses = Mutex<[Duration]>([])
            var all: [Duration] { pauses.withLock { $0 } }
            func add(_ pause: Duration) { pauses.withLock { $0.append(pause) } }
        }

        final class Notes: Sendable {
            private let contexts = Mutex<[ToolContext]>([])
            var all: [ToolContext] { contexts.withLock { $0 } }
            func add(_ context: ToolContext) { contexts.withLock { $0.append(context) } }
        }

        let notes: Notes
        let slept = Pauses()

        deinit {
            try? core.close()
            if isLast { try? FileManager.default.removeItem(atPath: directory.path) }
        }

        /// Somebody of the network who is no admin, as far as anybody knows.
        var member: Caller {
            Caller(
                DeviceCertificate.issue(
                    handle: "ana", deviceKey: device.nodeID, networkID: core.place.networkID, issuedAt: Self.time,
                    signedBy: key), role: .member)
        }

        func get<T: Decodable>(_ path: String, _ type: T.Type = T.self) async throws -> T {
            try JSONDecoder().decode(T.self, from: Data(try await ask("GET", path, nil, nil).utf8))
        }

        /// - Parameter caller: nil is the operator.
        func chat(_ text: String, session: String = "s", as caller: Caller? = nil) async throws -> ChatAnswer {
            let message = try String(
                decoding: JSONEncoder().encode(["message": text, "session_id": session]), as: UTF8.self)
            return try JSONDecoder().decode(
                ChatAnswer.self, from: Data(try await ask("POST", "/api/chat", message, caller).utf8))
        }

        func ask(_ method: String, _ path: String, _ body: String?, _ caller: Caller?) async throws -> String {
            let answer = try await core.gateway.respond(
                method: HTTPMethod(rawValue: method), path: path, headers: [:], body: ByteBuffer(string: body ?? ""),
                maximumBody: 4 << 20, as: caller)
            return String(buffer: answer.body)
        }

        func run(_ body: @escaping @Sendable (World) async throws -> Void) async throws {
            try await withThrowingTaskGroup(of: Bool.self) { group in
                group.addTask {
                    await self.core.gateway.run()
                    return false
                }
                group.addTask {
                    try await body(self)
                    return true
                }
                defer { group.cancelAll() }
                while let isDone = try await group.next() { if isDone { return } }
            }
        }
    }

    @Test("P-81: over HTTP, 429 and 503 are tried again, then the next model is asked; a tool runs through it all")
    func providersOverHTTP() async throws {
        try await FakeProvider.run { fake in
            fake.script([
                .failing(429, "slow down", headers: ["Retry-After": "2"]),
                .call("alpha_look", "{}", id: "call_1"), .failing(503), .failing(503), .failing(503),
                .text("It is in the hall."),
            ])
            let world = try await World(
                configuration: "models: {fallback: ['local:two']}\n", address: fake.address, models: ["one", "two"])
            try await world.run { world in
                let answer = try await world.chat("where is the router?")
                #expect(answer.response == "It is in the hall." && answer.model == "local:two", "\(answer)")
                #expect(world.notes.all.map(\.callID) == ["1.1"])
                #expect(world.slept.all.first == .seconds(2) && world.slept.all.count == 3, "\(world.slept.all)")
                #expect(fake.conversations.count == 6)
            }
        }
    }

    @Test func aModelOfTheRegistryAnswersWithToolsOfThreeServers() async throws {
        let world = try await World { request in
            let results = request.messages.compactMap {
                if case .tool(_, _, let result) = $0 { result.text } else { nil }
            }
            guard results.isEmpty else { return ModelReply(text: results.joined(separator: ", ")) }
            return ModelReply(
                calls: ["alpha", "beta", "gamma"].map { ToolCall(id: $0, name: "\($0)_look", arguments: "{}") },
                stop: .toolCalls, inputTokens: 100, outputTokens: 10)
        }
        try await world.run { world in
            let answer = try await world.chat("go")
            #expect(
                answer.response == "alpha says look, beta says look, gamma says look" && answer.model == "local:one")
            let models = try await world.get("/api/models", ModelsBody.self).models
            #expect(models.map(\.runs) == [true, true] && models.map(\.isDefault) == [false, true])
            #expect(world.notes.all.allSatisfy { $0.isAdmin && !$0.isUnattended && $0.sessionID == "s" })
        }
    }

    @Test func onlyAnAdministratorsTurnHasTheToolsOfAdministrators() async throws {
        let world = try await World { request in
            ModelReply(text: request.tools.map(\.fullName).contains("alpha_rule") ? "all" : "some")
        }
        try await world.run { world in
            let operators = try await world.chat("which?").response
            #expect(operators == "all", "the operator is one")
            // The roster knows nothing of this device: whoever can't be told to be an admin is none.
            let members = try await world.chat("which?", as: world.member).response
            #expect(members == "some")
        }
    }

    @Test func whatTheAgentBeginsByItselfIsUnattended() async throws {
        let world = try await World { request in
            ModelReply(text: request.system.contains("Nobody waits for this answer") ? "alone" : "together")
        }
        try await world.run { world in
            let attended = try await world.chat("x").response
            let task = #"{"name":"t","cron_expression":"@daily","prompt":"x"}"#
            _ = try await world.ask("POST", "/api/scheduled-tasks", task, nil)
            let run = try await world.ask("POST", "/api/scheduled-tasks/t/run", #"{"wait":true}"#, nil)
            let output = try JSONDecoder().decode(TaskRunBody.self, from: Data(run.utf8)).output
            #expect(attended == "together" && output == "alone")
        }
    }

    @Test func aLongConversationIsSummarizedOnceAndTheSummaryIsKeptAndCounted() async throws {
        let asked = Mutex<[ModelRequest]>([])
        // The descriptions of all tools would fill the window of a model that is this small.
        let world = try await World(configuration: "tools: {turns: [alpha]}\n") { request in
            asked.withLock { $0.append(request) }
            let isSummary = request.system.contains("You write summaries")
            return ModelReply(
                text: isSummary ? "They counted." : String(repeating: "word ", count: 140), inputTokens: 1,
                outputTokens: isSummary ? 7 : 1)
        }
        try await world.run { world in
            func summaries() -> Int { asked.withLock { $0.count { $0.system.contains("You write summaries") } } }
            var number = 0
            while summaries() == 0, number < 40 {
                number += 1
                _ = try await world.chat("message \(number) " + String(repeating: "and so on ", count: 30))
            }
            #expect(number > 4 && number < 40)
            let last = try #require(asked.withLock { $0.last })
            #expect(last.system.contains("They counted."))
            // The last two exchanges as they were said, and the new message.
            #expect(last.messages.count == 5)
            let context = try await world.get("/api/sessions/s/context", SessionContextBody.self)
            #expect(context.summary == "They counted." && context.folded == 2 * (number - 1) - 4)
            _ = try await world.chat("and now?")
            #expect(summaries() == 1, "it is made once")
            let answer = try await world.chat("once more")
            #expect(answer.usage.outputTokens == 1)
        }
    }

    /// Calls a tool for each word that is said, and then says what came of it.
    private static func calling(_ tools: [String]) -> Script {
        { request in
            let last = request.messages.last
            if case .tool(_, _, let result)? = last {
                return ModelReply(text: result.text, inputTokens: 3, outputTokens: 2)
            }
            guard case .user(let text)? = last, tools.contains(text) else { return ModelReply(text: "fine") }
            return ModelReply(
                calls: [ToolCall(id: "call", name: text, arguments: "{}")], stop: .toolCalls, inputTokens: 3,
                outputTokens: 2)
        }
    }

    @Test(
        "a turn that is stopped or cleared during a call ends at once, and the next one runs", arguments: [false, true])
    func stoppedDuringACall(_ isCleared: Bool) async throws {
        let world = try await World(Self.calling(["alpha_hang"]))
        try await world.run { world in
            _ = try await world.ask("PUT", "/api/tool-policies/alpha_hang", #"{"rule":"allow"}"#, nil)
            async let answer = world.ask("POST", "/api/chat", #"{"message":"alpha_hang","session_id":"s"}"#, nil)
            try await within(30, "the tool") { for await _ in world.hangs { return } }
            if isCleared {
                _ = try await world.ask("POST", "/api/sessions/s/clear", "{}", nil)
            } else {
                #expect(await world.core.gateway.sessions.stopAll() == 1)
            }
            _ = try await answer
            let next = try await world.chat("hello").response
            #expect(next == "fine")
            let said = try await world.ask("GET", "/api/sessions/s/messages", nil, nil)
            #expect(said.contains("alpha_hang") != isCleared)
            let usage = try await world.get("/api/usage", UsageBody.self)
            #expect(usage.requests == 2 && usage.outputTokens == 3, "each call of a model counts once: \(usage)")
        }
    }

    @Test("P-29: a call that waits for its user goes on waiting after a restart in good order, and runs once")
    func approvalOverARestart() async throws {
        @Sendable func pending(_ world: World) async throws -> [ApprovalBody] {
            try await world.get("/api/approvals?state=pending", ApprovalsBody.self).approvals
        }
        let first = try await World(
            configuration: "limits: {chat_seconds: 1}\n", isLast: false, Self.calling(["alpha_look"]))
        try await first.run { world in
            _ = try await world.ask("PUT", "/api/tool-policies/alpha_look", #"{"rule":"ask"}"#, nil)
            async let answer = world.ask("POST", "/api/chat", #"{"message":"alpha_look","session_id":"s"}"#, nil)
            try await within(30, "the question") {
                while try await pending(world).isEmpty { await Task.yield() }
            }
            _ = try await answer
            await world.core.gateway.shutdown(grace: .seconds(60))
        }
        #expect(first.notes.all.isEmpty)
        try first.core.close()
        let second = try await World(after: first, Self.calling(["alpha_look"]))
        try await second.run { world in
            let id = try await within(30, "the question again") {
                while true {
                    if let question = try await pending(world).first { return question.id }
                    await Task.yield()
                }
            }
            _ = try await world.ask("POST", "/api/approvals/\(id)", #"{"decision":"approve"}"#, nil)
            try await within(30, "the answer") {
                while try await !world.ask("GET", "/api/sessions/s/messages", nil, nil).contains("alpha says look") {
                    await Task.yield()
                }
            }
            #expect(world.notes.all.count == 1)
            let usage = try await world.get("/api/usage", UsageBody.self)
            #expect(usage.requests == 2, "\(usage)")
        }
    }

    @Test func whatIsSetOfTurnsAndToolsIsRead() throws {
        let directory = AgentDirectory(FileManager.default.temporaryDirectory.path + "/turns-\(UUID().uuidString)")
        func read(_ yaml: String) -> ConfigurationExamination {
            AgentConfiguration.examine(yaml, file: "openagent.yaml", directory, environment: ["M": "c:d"])
        }
        let good = read(
            """
            system_prompt: Be brief.
            models:
              fallback: ["a:b", "${M}"]
            agent:
              steps: 7
            tools:
              turns: all
              workflows: []
              outside: [vault]
              time_limits:
                vault_search_notes: 60
            """)
        #expect(good.errors.isEmpty && good.warnings.isEmpty, "\(good.errors) \(good.warnings)")
        let turns = good.configuration.turns
        #expect(turns.turns.systemPrompt == "Be brief." && turns.turns.fallback == ["a:b", "c:d"])
        #expect(turns.turns.steps == 7 && turns.tools.times.certain == ["vault_search_notes": .seconds(60)])
        #expect(turns.tools.grants.granted == [.turn: .all, .workflow: .some([]), .outside: .some(["vault"])])
        for wrong in [
            "models: {fallback: {a: b}}", "agent: {steps: 0}", "tools: {time_limits: {x: 0}}",
            "tools: {outside: [[a]]}",
        ] {
            #expect(read(wrong).errors.count == 1, "\(wrong)")
        }
    }
}

extension SessionManager {
    fileprivate func stopAll() -> Int { interrupt(.user) { _ in true } }
}
