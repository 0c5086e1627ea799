internal import JSON

// What is said on one connection with an MCP server, and when? The client greets, asks for the list of tools, and then calls; the server
// may say at any time that it works, that its tools have changed, or nothing that makes sense. This file decides what follows from each
// message. It does no I/O and has no clock: messages in, actions out.

/// The client's side of one connection, from the greeting on.
///
///     idle ── start ──▶ greeting ── answer ──▶ listing ── last page ──▶ ready ⟲ the list again, when it has changed
///                          └─────────────────────┴── refusal, another version, too much garbage ──▶ broken
struct MCPSession: Sendable {
    enum Action: Sendable, Equatable {
        case send(JSONRPCMessage)
        /// The tools are known, for the first time or anew.
        case listed
        case progressed(Int64, String)
        case answered(Int64, ToolResult)
        /// The server has answered a ping.
        case alive
        case remark(level: String, text: String)
        /// Nothing good will come from this server any more; in words for the operator.
        case broken(String)
    }

    private enum State: Sendable {
        case idle, greeting, listing, ready, broken
    }

    /// What the server owes an answer to.
    private enum Question: Sendable {
        case greeting
        case page(before: [ToolDefinition], count: Int)
        case call
        case ping
    }

    /// Lines in a row that are no messages.
    static let mostGarbage = 100
    /// Calls that may wait for their answers.
    static let mostCalls = 64

    /// What the server can do now; empty until it is ready.
    private(set) var tools: [ToolDefinition] = []
    /// Once the server has agreed to it.
    private(set) var version: String?
    private var state = State.idle
    private var questions: [Int64: Question] = [:]
    private var lastID: Int64 = 0
    private var garbage = 0
    private var isListing = false
    private var isListOld = false
    private let clientVersion: String
    private let outputLimit: Int

    /// - Parameters:
    ///   - clientVersion: of this program, which the server is told.
    ///   - outputLimit: bytes of what a call answers.
    init(clientVersion: String, outputLimit: Int) {
        self.clientVersion = clientVersion
        self.outputLimit = outputLimit
    }

    var isReady: Bool { if case .ready = state { true } else { false } }
    private var isBroken: Bool { if case .broken = state { true } else { false } }

    // MARK: What the client wants

    mutating func start() -> [Action] {
        guard case .idle = state else { return [] }
        state = .greeting
        return [ask("initialize", MCPMessages.initialize(version: clientVersion), .greeting).action]
    }

    /// Calls a tool.
    ///
    /// - Returns: nil when the server is not ready or has too much to do.
    mutating func call(_ tool: String, _ arguments: [String: JSONValue]) -> (id: Int64, action: Action)? {
        let waiting = questions.values.count { if case .call = $0 { true } else { false } }
        guard isReady, waiting < Self.mostCalls else { return nil }
        return ask("tools/call", MCPMessages.call(tool, arguments, progress: lastID + 1), .call)
    }

    /// Wants no answer to a call any more; one that still comes is ignored.
    mutating func cancel(_ id: Int64, because reason: String) -> [Action] {
        guard case .call? = questions.removeValue(forKey: id) else { return [] }
        return [.send(MCPMessages.cancelled(id, reason))]
    }

    /// Whether some call waits for its answer.
    var isWaiting: Bool { questions.values.contains { if case .call = $0 { true } else { false } } }

    mutating func ping() -> Action { ask("ping", nil, .ping).action }

    private mutating func ask(
        _ method: String, _ parameters: JSONValue?, _ question: Question
    ) -> (id: Int64, action: Action) {
        lastID += 1
        questions[lastID] = question
        return (lastID, .send(.request(id: .integer(lastID), method: method, parameters: parameters)))
    }

    // MARK: What the server says

    /// - Parameter line: one message, or garbage.
    mutating func received(_ line: [UInt8]) -> [Action] {
        guard !isBroken else { return [] }
        guard let messages = JSONRPCMessage.read(line), !messages.isEmpty else {
            garbage += 1
            guard garbage > Self.mostGarbage else { return [] }
            return [broken("it writes what is no message of MCP")]
        }
        garbage = 0
        return messages.flatMap { received($0) }
    }

    private mutating func received(_ message: JSONRPCMessage) -> [Action] {
        guard !isBroken else { return [] }
        switch message {
        case .request(let id, "ping", _): return [.send(.response(id: id, result: .object([:])))]
        case .request(let id, _, _):
            return [
                .send(
                    .failure(
                        id: id, code: JSONRPCMessage.methodNotFound, message: "This client offers nothing to servers."))
            ]
        case .notification(let method, let parameters): return noticed(method, parameters)
        case .response(.integer(let id), let result):
            guard let question = questions.removeValue(forKey: id) else { return [] }
            return answered(id, question, result)
        case .failure(.integer(let id), let code, let message):
            guard let question = questions.removeValue(forKey: id) else { return [] }
            return failed(id, question, "\(MCPMessages.remark(message)) (\(code))")
        // An id that no question of ours has.
        case .response, .failure: return []
        }
    }

    private mutating func noticed(_ method: String, _ parameters: JSONValue?) -> [Action] {
        switch method {
        case "notifications/progress":
            guard let (id, text) = MCPMessages.progress(parameters), case .call? = questions[id] else { return [] }
            return [.progressed(id, text)]
        case "notifications/message":
            let data = parameters?["data"]
            let text = data?.string ?? data.map { String(decoding: $0.encoded, as: UTF8.self) } ?? ""
            return [.remark(level: parameters?["level"]?.string ?? "info", text: MCPMessages.remark(text))]
        case "notifications/tools/list_changed":
            guard isReady || isListing else { return [] }
            guard !isListing else {
                isListOld = true
                return []
            }
            return [list()]
        default: return []
        }
    }

    private mutating func answered(_ id: Int64, _ question: Question, _ result: JSONValue) -> [Action] {
        switch question {
        case .greeting: return greeted(result)
        case .page(let before, let count): return listed(before, count, result)
        case .call: return [.answered(id, MCPMessages.result(result, limit: outputLimit))]
        case .ping: return [.alive]
        }
    }

    private mutating func failed(_ id: Int64, _ question: Question, _ reason: String) -> [Action] {
        switch question {
        case .greeting: return [broken("it refuses the greeting: \(reason)")]
        case .page where !isReady: return [broken("it does not list its tools: \(reason)")]
        case .page:
            isListing = false
            return [.remark(level: "warning", text: "The tools can't be listed anew: \(reason)")]
        case .call: return [.answered(id, ToolResult("The tool failed: \(reason)", isError: true))]
        // Also a server that does not know pings is there.
        case .ping: return [.alive]
        }
    }

    private mutating func greeted(_ result: JSONValue) -> [Action] {
        guard let version = result["protocolVersion"]?.string, MCPMessages.spokenVersions.contains(version) else {
            let named = MCPMessages.cut(result["protocolVersion"]?.string ?? "of no version", to: 32)
            return [broken("it speaks MCP \(named), which this version of the agent does not")]
        }
        self.version = version
        let done = Action.send(.notification(method: "notifications/initialized", parameters: nil))
        guard case .object? = result["capabilities"]?["tools"] else {
            state = .ready
            return [done, .listed]
        }
        state = .listing
        return [done, list()]
    }

    private mutating func list() -> Action {
        isListing = true
        isListOld = false
        return ask("tools/list", nil, .page(before: [], count: 1)).action
    }

    private mutating func listed(_ before: [ToolDefinition], _ count: Int, _ page: JSONValue) -> [Action] {
        let (new, next) = MCPMessages.tools(page)
        let all = before + new
        if let next, count < MCPMessages.mostPages, all.count < MCPMessages.mostTools {
            let question = Question.page(before: all, count: count + 1)
            return [ask("tools/list", ["cursor": .string(next)], question).action]
        }
        isListing = false
        var names: Set<String> = []
        // Of two with the same name the first is the tool.
        tools = all.prefix(MCPMessages.mostTools).filter { names.insert($0.name).inserted }
        state = .ready
        return isListOld ? [.listed, list()] : [.listed]
    }

    private mutating func broken(_ reason: String) -> Action {
        state = .broken
        questions = [:]
        tools = []
        return .broken(reason)
    }
}
