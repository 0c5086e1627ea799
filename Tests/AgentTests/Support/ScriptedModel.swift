import Agent
import JSON
import Logging
import Store
import Synchronization

/// A model that says what the test says, and remembers what it was asked.
final class ScriptedModel: LanguageModel {
    typealias Script =
        @Sendable (_ number: Int, ModelRequest, _ emit: @Sendable (String) async -> Void) async throws -> ModelReply

    private let script: Script
    private let asked = Mutex<[ModelRequest]>([])

    init(_ script: @escaping Script) { self.script = script }

    /// Each time the next reply, streamed whole.
    convenience init(replies: [ModelReply]) {
        self.init { number, _, emit in
            let reply = replies[min(number, replies.count) - 1]
            await emit(reply.text)
            return reply
        }
    }

    /// Fails each time.
    convenience init(failing error: ModelError) { self.init { _, _, _ in throw error } }

    var requests: [ModelRequest] { asked.withLock { $0 } }

    func reply(to request: ModelRequest, emit: @Sendable (String) async -> Void) async throws -> ModelReply {
        let number = asked.withLock { asked in
            asked.append(request)
            return asked.count
        }
        return try await script(number, request, emit)
    }
}

/// Offers tools that a closure runs.
final class FakeTools: ToolServer {
    typealias Body = @Sendable (_ tool: String, _ arguments: [String: JSONValue], ToolContext) async -> ToolResult

    let name: String
    let openTo: Set<ToolCaller>
    let definitions: Mutex<[ToolDefinition]>
    private let calls = Mutex<[String]>([])
    private let body: Body

    init(
        _ name: String, _ definitions: [ToolDefinition] = [.fake("look", .query), .fake("do")],
        openTo: Set<ToolCaller> = [.turn, .workflow],
        body: @escaping Body = { tool, _, _ in ToolResult("\(tool) done") }
    ) {
        self.name = name
        self.openTo = openTo
        self.definitions = Mutex(definitions)
        self.body = body
    }

    /// The ids of the calls that ran, in their order.
    var ran: [String] { calls.withLock { $0 } }

    func tools() async -> [ToolDefinition] { definitions.withLock { $0 } }

    func call(
        _ tool: String, _ arguments: [String: JSONValue], for context: ToolContext,
        progress: @Sendable (String) async -> Void
    ) async -> ToolResult {
        calls.withLock { $0.append(context.callID) }
        return await body(tool, arguments, context)
    }
}

extension ToolDefinition {
    static func fake(_ name: String, _ effect: Effect = .action, needsAdmin: Bool = false) -> ToolDefinition {
        ToolDefinition(
            name: name, description: "\(name) things", parameters: ["type": "object"], effect: effect,
            needsAdmin: needsAdmin)
    }
}

/// Allows everything.
struct OpenToolGate: ToolGate {
    func admit(
        _ tool: OfferedTool, _ arguments: [String: JSONValue], for context: ToolContext,
        emit: @Sendable (TurnEvent) async -> Void
    ) async throws -> ToolVerdict { .allowed }
}

/// Keeps no account.
struct NoToolLedger: ToolLedger {
    func began(_ tool: OfferedTool, _ arguments: [String: JSONValue], for context: ToolContext) async throws {}
    func ended(_ tool: OfferedTool, for context: ToolContext, _ result: ToolResult, took: Duration) async {}
    func denied(_ tool: OfferedTool, for context: ToolContext, because reason: String) async {}
}

extension AgentTools {
    init(
        _ servers: [any ToolServer], gate: any ToolGate = OpenToolGate(), ledger: any ToolLedger = NoToolLedger(),
        settings: ToolSettings = ToolSettings(), time: TimeSource = .system, logger: Logger = Logger(label: "test")
    ) {
        self.init(
            servers: { servers }, gate: gate, ledger: ledger, settings: { settings }, time: time, logger: logger)
    }
}

extension ModelOfProvider {
    static func test(
        _ name: String, id: Int64 = 1, isEnabled: Bool = true, isDefault: Bool = false, metadata: String = "{}",
        provider: String = "fake"
    ) -> ModelOfProvider {
        ModelOfProvider(
            model: ModelRecord(
                id: id, providerID: 1, model: name, kind: .llm, isEnabled: isEnabled, isDefault: isDefault,
                metadata: metadata, createdAt: 0, updatedAt: 0),
            provider: ProviderRecord(
                id: 1, name: provider, framework: "api-based", kind: .llm, createdAt: 0, updatedAt: 0))
    }
}

/// A `ModelAgent` over models that a test made.
struct TestModels {
    var rows: [ModelOfProvider]
    var models: [String: ScriptedModel]
    var tools: any Toolbox = AgentTools([])
    var settings = TurnSettings()
    var clock = TurnedClock(fast: true)

    /// One model, `fake:one`.
    init(_ model: ScriptedModel, tools: any Toolbox = AgentTools([])) {
        self.init(["one": model])
        self.tools = tools
    }

    init(_ models: KeyValuePairs<String, ScriptedModel>) {
        rows = models.enumerated().map { .test($1.key, id: Int64($0 + 1)) }
        self.models = Dictionary(uniqueKeysWithValues: models.map { ($0.key, $0.value) })
        settings.fallback = rows.map(\.runtimeID)
    }

    func agent(_ vault: TestVault) -> ModelAgent {
        let (rows, models, settings) = (rows, models, settings)
        return ModelAgent(
            rows: { rows }, factory: { models[$0.model.model]! },
            librarian: Librarian(vault: vault.vault, toolbox: tools, logger: Logger(label: "test")) { 0 },
            toolbox: tools, settings: { settings }, time: clock.source, chance: { 1 }, logger: Logger(label: "test"))
    }

    func ask(
        _ text: String = "hello", history: [ChatMessage] = [], model: String? = nil, isAdmin: Bool = false,
        journal: TestJournal = TestJournal(), listener: TestListener = TestListener()
    ) async throws -> TurnOutcome {
        let turn = TurnRequest(
            turnID: "t1", sessionID: "s1", handle: "ada", text: text, history: history, model: model, isAdmin: isAdmin)
        return try await agent(try TestVault()).run(turn, journal: journal) { await listener.take($0) }
    }
}
