import Foundation
import JSON
import Logging
import Store
import Synchronization
import Testing

@testable import Agent

/// A clock that a test turns.
final class ManualTime: Sendable {
    private struct State {
        var now: Double
        var sleepers: [UUID: (end: Double, task: CheckedContinuation<Void, any Error>)] = [:]
        var cancelled: Set<UUID> = []
    }

    private let state: Mutex<State>

    init(_ now: Double = 1_800_000_000) { state = Mutex(State(now: now)) }

    var now: Double { state.withLock { $0.now } }
    var sleepers: Int { state.withLock { $0.sleepers.count } }

    var source: TimeSource { TimeSource(now: { self.now }, sleep: { try await self.sleep($0) }) }

    func advance(by seconds: Double) {
        let woken = state.withLock { state in
            state.now += seconds
            let due = state.sleepers.filter { $0.value.end <= state.now }
            for id in due.keys { state.sleepers[id] = nil }
            return due.values.map(\.task)
        }
        for task in woken { task.resume() }
    }

    private func sleep(_ duration: Duration) async throws {
        let id = UUID()
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (task: CheckedContinuation<Void, any Error>) in
                let isCancelled = state.withLock { state in
                    if state.cancelled.remove(id) != nil { return true }
                    state.sleepers[id] = (state.now + duration / .seconds(1), task)
                    return false
                }
                if isCancelled { task.resume(throwing: CancellationError()) }
            }
        } onCancel: {
            let task = state.withLock { state in
                let sleeper = state.sleepers.removeValue(forKey: id)
                if sleeper == nil { state.cancelled.insert(id) }
                return sleeper?.task
            }
            task?.resume(throwing: CancellationError())
        }
    }
}

/// Tools that say what they were asked.
actor FakeToolbox: Toolbox {
    struct Call: Sendable, Equatable {
        var tool: String
        var callID: String
        var arguments: [String: JSONValue]
        var handle: String
        var isAdmin: Bool
    }

    private(set) var calls: [Call] = []
    private(set) var running = 0
    private(set) var mostRunning = 0
    private(set) var cancelled = 0
    private var isOpen = false

    nonisolated static let offered: [OfferedTool] = [
        ("look", ToolDefinition.Effect.query), ("act", .action), ("slow", .action), ("fail", .action),
    ].map { name, effect in
        OfferedTool(
            fullName: "my_kit_\(name)", server: "my-kit",
            definition: ToolDefinition(
                name: name, description: name,
                parameters: ["type": "object", "required": name == "act" ? ["what"] : [], "properties": [:]],
                effect: effect))
    }

    func tools(isAdmin: Bool) -> [OfferedTool] { Self.offered }

    func call(
        _ fullName: String, _ arguments: [String: JSONValue], for context: ToolContext,
        emit: @Sendable (TurnEvent) async -> Void, willRun: @Sendable () async throws -> Void
    ) async throws -> ToolResult {
        try await willRun()
        #expect(context.isUnattended)
        calls.append(
            Call(
                tool: fullName, callID: context.callID, arguments: arguments, handle: context.handle,
                isAdmin: context.isAdmin))
        running += 1
        mostRunning = max(mostRunning, running)
        defer { running -= 1 }
        switch fullName {
        case "my_kit_slow":
            do {
                while !isOpen { try await Task.sleep(for: .milliseconds(2)) }
            } catch {
                cancelled += 1
                throw error
            }
            return ToolResult("slow done")
        case "my_kit_fail": return ToolResult("it broke", isError: true)
        default: return ToolResult(TemplateText.json(.object(["did": .object(arguments)])))
        }
    }

    func open() { isOpen = true }
}

/// Turns that answer with what they were asked; the same message is the same turn.
actor RememberedTurns: UnattendedTurns {
    private(set) var asked: [UnattendedTurn] = []
    private(set) var ran: [String: Int] = [:]
    private var answers: [String: UnattendedAnswer] = [:]

    func run(_ turn: UnattendedTurn) async throws -> UnattendedAnswer {
        asked.append(turn)
        if let answer = answers[turn.messageID] { return answer }
        ran[turn.messageID, default: 0] += 1
        let answer =
            turn.text.contains("fail")
            ? UnattendedAnswer(ending: .failed("no model"), text: "")
            : UnattendedAnswer(
                ending: .completed, text: "answer to \(turn.text)", turnID: "t", model: "fake",
                usage: TurnUsage(inputTokens: 2, outputTokens: 3))
        answers[turn.messageID] = answer
        return answer
    }
}

actor FakeWorkflowHTTP: WorkflowHTTP {
    private(set) var requests: [WorkflowHTTPRequest] = []

    func send(_ request: WorkflowHTTPRequest) async throws -> WorkflowHTTPAnswer {
        requests.append(request)
        struct Refused: Error, CustomStringConvertible { var description: String { "the address is private" } }
        if request.url.contains("127.0.0.1") { throw Refused() }
        return WorkflowHTTPAnswer(
            status: 200, headers: ["content-type": "application/json"], body: Array(#"{"ok":true}"#.utf8))
    }
}

/// A database with workflows, and what their blocks act with.
struct WorkflowWorld {
    let path: String
    let database: Store.Database
    let workflows: Workflows
    var toolbox = FakeToolbox()
    var turns = RememberedTurns()
    var http = FakeWorkflowHTTP()
    var time = ManualTime()
    var limits = WorkflowLimits()
    var repository: WorkflowRepository { workflows.repository }

    init() throws {
        path = NSTemporaryDirectory() + "workflows-\(UUID().uuidString).db"
        database = try Store.Database(path: path)
        workflows = Workflows(WorkflowRepository(database), now: { 1_800_000_000 })
    }

    func remove() { for end in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + end) } }

    func runner() -> WorkflowRunner {
        let (toolbox, turns, http) = (toolbox, turns, http)
        return WorkflowRunner(
            workflows,
            means: WorkflowMeans(
                toolbox: { toolbox }, turns: { turns }, http: { http }, isAdmin: { $0 == "root" }),
            limits: limits, time: time.source, logger: Logger(label: "test"))
    }

    /// Runs a runner while `body` does.
    func running<T: Sendable>(_ body: @escaping @Sendable (WorkflowRunner) async throws -> T) async throws -> T {
        let runner = runner()
        return try await withThrowingTaskGroup(of: T?.self) { group in
            group.addTask {
                await runner.run()
                return nil
            }
            group.addTask { try await body(runner) }
            defer { group.cancelAll() }
            while let value = try await group.next() { if let value { return value } }
            throw CancellationError()
        }
    }

    @discardableResult func make(
        _ name: String = "flow", _ nodes: [WorkflowGraph.Node], _ edges: [WorkflowGraph.Edge] = [],
        variables: [String: JSONValue] = [:], atOnce: Int? = nil
    ) async throws -> String {
        var draft = Workflows.Draft(name: name, graph: try Self.text(nodes, edges, variables))
        draft.maxConcurrentRuns = atOnce
        return try await workflows.create(draft, by: "root").id
    }

    static func text(
        _ nodes: [WorkflowGraph.Node], _ edges: [WorkflowGraph.Edge], _ variables: [String: JSONValue] = [:]
    ) throws -> String {
        let graph = WorkflowGraph(nodes: nodes, edges: edges, variables: variables)
        return String(decoding: try JSONEncoder().encode(graph), as: UTF8.self)
    }

    /// Runs a workflow to its end.
    func run(_ name: String = "flow", _ inputs: JSONValue = [:]) async throws -> WorkflowRunRecord {
        try await running { try await Self.ended($0, name, inputs) }
    }

    static func ended(
        _ runner: WorkflowRunner, _ name: String = "flow", _ inputs: JSONValue = [:]
    ) async throws -> WorkflowRunRecord {
        let run = try await runner.start(workflow: name, trigger: .manual, inputs: inputs, by: "ana")
        return try #require(try await runner.end(of: run.id, within: .seconds(1_000_000)))
    }

    static func value(_ json: String) throws -> JSONValue {
        try JSONDecoder().decode(JSONValue.self, from: Data(json.utf8))
    }
}

/// Waits until something is so.
func until(_ what: String, _ isSo: @Sendable () async throws -> Bool) async throws {
    let end = ContinuousClock.now + .seconds(10)
    while !(try await isSo()) {
        guard ContinuousClock.now < end else { throw NeverSo(what: what) }
        try await Task.sleep(for: .milliseconds(2))
    }
}

struct NeverSo: Error { var what: String }

/// Nodes and edges in few words.
enum Flow {
    static func node(_ id: String, _ type: String, _ config: [String: JSONValue] = [:]) -> WorkflowGraph.Node {
        WorkflowGraph.Node(id: id, type: type, config: config)
    }

    static func set(_ id: String, _ value: JSONValue, key: String? = nil) -> WorkflowGraph.Node {
        node(id, "set-variable", ["key": .string(key ?? id), "value_expr": value])
    }

    static func tool(
        _ id: String, _ tool: String, _ args: [String: JSONValue] = ["what": "x"], onError: String? = nil
    ) -> WorkflowGraph.Node {
        var config: [String: JSONValue] = ["mcp_name": "my-kit", "tool_name": .string(tool), "args": .object(args)]
        if let onError { config["on_error"] = .string(onError) }
        return node(id, "mcp-tool", config)
    }

    /// `a>b`, `a:true>b`, one behind the other.
    static func edges(_ text: String) -> [WorkflowGraph.Edge] {
        text.split(separator: " ").enumerated().map { number, edge in
            let ends = edge.split(separator: ">").map(String.init)
            let source = ends[0].split(separator: ":").map(String.init)
            return WorkflowGraph.Edge(
                id: "e\(number)", source: source[0], target: ends[1], sourceHandle: source.count > 1 ? source[1] : "out"
            )
        }
    }
}
