internal import Foundation
internal import JSON
internal import Store
internal import Synchronization

// How does a block act? Its wish goes through the agent's own doors: tools through the toolbox in the name of the workflow's owner, prompts
// as turns with an id of their own, requests through the guard. What comes back is a stranger's data: it becomes the block's output and
// nothing else.

/// Carries out the wishes of one run.
struct BlockActs: Sendable {
    let means: WorkflowMeans
    let start: WorkflowStartRecord
    let limits: WorkflowLimits
    let time: TimeSource

    private var session: String { "workflow:\(start.workflowID):\(start.runID)" }

    /// - Parameters:
    ///   - node: the id of the block.
    ///   - began: when it began, in Unix seconds.
    ///   - willRun: called right before a tool runs; when it throws the tool does not run.
    /// - Throws: ``BlockFailure``, `CancellationError`.
    func perform(
        _ wish: BlockWish, _ step: WorkflowStep, node: String, began: Double,
        willRun: @escaping @Sendable () async throws -> Void
    ) async throws -> JSONValue {
        switch wish {
        case .wait(let end):
            try await wait(until: end)
            return .object(["waited_ms": .integer(Int64(((time.now() - began) * 1_000).rounded()))])
        case .tool(let server, let tool, let arguments):
            return try await call(server, tool, arguments, step, willRun)
        case .prompt(let text, let model, let isShared):
            return try await ask(text, model, isShared: isShared, step, node)
        case .request(let request): return try await send(request)
        }
    }

    /// A name that is the same for this block at this point of the run, also after a restart.
    private static func name(_ step: WorkflowStep) -> String {
        ([step.node] + step.path).map(String.init).joined(separator: ".")
    }

    /// In pieces: the wall clock may jump, and a sleep does not notice.
    private func wait(until end: Double) async throws {
        while true {
            let left = end - time.now()
            guard left > 0 else { return try Task.checkCancellation() }
            try await time.sleep(.milliseconds(Int64(min(left, 30) * 1_000) + 1))
        }
    }

    // MARK: Tools

    /// What is offered under a server's and a tool's name, as blocks write them.
    static func tool(_ server: String, _ tool: String, in offered: [OfferedTool]) -> OfferedTool? {
        func plain(_ name: String) -> String { name.replacing("-", with: "_") }
        let full = "\(plain(server))_\(plain(tool))"
        return offered.first { offer in
            plain(offer.server) == plain(server)
                && (offer.definition.name == tool || offer.fullName == tool || plain(offer.fullName) == full)
        }
    }

    /// Whether calling a tool a second time changes nothing.
    func isQuery(_ server: String, _ tool: String) async -> Bool {
        guard let toolbox = means.toolbox() else { return false }
        let offered = await toolbox.tools(isAdmin: await means.isAdmin(start.owner))
        return Self.tool(server, tool, in: offered)?.definition.effect == .query
    }

    private func call(
        _ server: String, _ name: String, _ arguments: [String: JSONValue], _ step: WorkflowStep,
        _ willRun: @escaping @Sendable () async throws -> Void
    ) async throws -> JSONValue {
        guard let toolbox = means.toolbox() else { throw BlockFailure("this agent has no tools") }
        let isAdmin = await means.isAdmin(start.owner)
        guard let tool = Self.tool(server, name, in: await toolbox.tools(isAdmin: isAdmin)) else {
            throw BlockFailure("the server \"\(server.prefix(64))\" offers no tool \"\(name.prefix(64))\" now")
        }
        let context = ToolContext(
            turnID: start.runID, callID: Self.name(step), sessionID: session, handle: start.owner, isAdmin: isAdmin,
            isUnattended: true)
        let result = try await toolbox.call(
            tool.fullName, arguments, for: context, emit: { _ in }, willRun: willRun)
        try Task.checkCancellation()
        guard !result.isError else { throw BlockFailure(result.text) }
        return .object(["result": Self.value(of: result.text)])
    }

    /// A list or an object when the text is JSON of one.
    private static func value(of text: String) -> JSONValue {
        guard let first = text.utf8.first(where: { $0 > 0x20 }), first == 0x7B || first == 0x5B,
            let value = try? JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
        else { return .string(text) }
        return value
    }

    // MARK: Prompts

    private func ask(
        _ text: String, _ model: String?, isShared: Bool, _ step: WorkflowStep, _ node: String
    ) async throws -> JSONValue {
        guard let turns = means.turns() else { throw BlockFailure("this agent runs no turns by itself") }
        let answer: UnattendedAnswer
        do {
            answer = try await turns.run(
                UnattendedTurn(
                    messageID: "\(start.runID).\(Self.name(step))",
                    sessionID: isShared ? session : "\(session):\(node)", handle: start.owner, text: text,
                    model: model, forgets: !isShared))
        } catch let error as CancellationError { throw error } catch { throw BlockFailure("\(error)") }
        switch answer.ending {
        case .completed: break
        case .failed(let reason): throw BlockFailure(reason)
        case .cancelled:
            try Task.checkCancellation()
            throw BlockFailure("the turn was stopped")
        }
        var fields: [String: JSONValue] = [
            "text": .string(answer.text),
            "usage": [
                "input_tokens": .integer(Int64(answer.usage.inputTokens)),
                "output_tokens": .integer(Int64(answer.usage.outputTokens)),
                "cost": .number(answer.usage.cost.isFinite ? answer.usage.cost : 0),
            ],
        ]
        if let model = answer.model { fields["model"] = .string(model) }
        return .object(fields)
    }

    // MARK: Requests

    private func send(_ request: WorkflowHTTPRequest) async throws -> JSONValue {
        guard let http = means.http() else { throw BlockFailure("this agent has no guarded way to the web") }
        var bounded = request
        bounded.answerLimit = limits.outputSize / 2
        let answer: WorkflowHTTPAnswer
        do { answer = try await http.send(bounded) } catch let error as CancellationError { throw error } catch {
            throw BlockFailure("\(error)")
        }
        var fields: [String: JSONValue] = [
            "status": .integer(Int64(answer.status)), "headers": .object(answer.headers.mapValues(JSONValue.string)),
            "body": .string(String(decoding: answer.body, as: UTF8.self)),
        ]
        if answer.headers["content-type"]?.contains("json") == true,
            let json = try? JSONDecoder().decode(JSONValue.self, from: Data(answer.body))
        {
            fields["json"] = json
        }
        return .object(fields)
    }
}

/// Lets a number of tasks go on at a time, in the order in which they came.
final class BlockSlots: Sendable {
    private let state: Mutex<State>

    private struct State {
        var free: Int
        var waiting: [(id: UInt64, task: CheckedContinuation<Bool, Never>)] = []
        var next: UInt64 = 0
        /// Cancelled before they waited.
        var given: Set<UInt64> = []
    }

    init(_ count: Int) { state = Mutex(State(free: count)) }

    /// Runs `body` when it is its turn.
    ///
    /// - Throws: what `body` throws; `CancellationError`.
    func with<Value>(_ body: () async throws -> Value) async throws -> Value {
        let id = state.withLock { state in
            state.next += 1
            return state.next
        }
        let isIn = await withTaskCancellationHandler {
            await withCheckedContinuation { (task: CheckedContinuation<Bool, Never>) in
                let answer: Bool? = state.withLock { state in
                    if state.given.remove(id) != nil { return false }
                    guard state.free == 0 else {
                        state.free -= 1
                        return true
                    }
                    state.waiting.append((id, task))
                    return nil
                }
                if let answer { task.resume(returning: answer) }
            }
        } onCancel: {
            let task = state.withLock { state in
                guard let place = state.waiting.firstIndex(where: { $0.id == id }) else {
                    state.given.insert(id)
                    return CheckedContinuation<Bool, Never>?.none
                }
                return state.waiting.remove(at: place).task
            }
            task?.resume(returning: false)
        }
        guard isIn else { throw CancellationError() }
        defer { leave(id) }
        try Task.checkCancellation()
        return try await body()
    }

    private func leave(_ id: UInt64) {
        let next = state.withLock { state in
            state.given.remove(id)
            guard !state.waiting.isEmpty else {
                state.free += 1
                return CheckedContinuation<Bool, Never>?.none
            }
            return state.waiting.removeFirst().task
        }
        next?.resume(returning: true)
    }
}
