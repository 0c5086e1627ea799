internal import Agent
internal import Foundation
internal import JSON
internal import Logging
internal import Synchronization

// Who answers where the process is killed? The agent's own turn loop with a model that works through fifty steps and three servers of
// tools, which write down each call before they do anything. Everything is said and done in the same way each time, so that whoever reads
// the file `calls` sees what was done twice.

/// A model and tools that can be counted.
enum StepsAgent {
    static let steps = 50
    private static let servers = ["alpha", "beta", "gamma"]

    /// - Parameter directory: takes `calls`, one line for each tool call that ran: the turn and the call.
    static func agent(_ directory: String, logger: Logger) throws -> ModelAgent {
        let log = try CallLog(path: directory + "/calls")
        let tools = AgentTools(
            servers: { servers.map { CountedTools(name: $0, log: log) } }, gate: OpenToolGate(),
            ledger: NoToolLedger(), settings: { ToolSettings() }, logger: logger)
        let vault = Vault(
            directory: directory + "/memories", indexPath: directory + "/notes.db", isWatching: false, logger: logger
        ) { 0 }
        let librarian = Librarian(vault: vault, logger: logger) { 0 }
        let row = FakeModelRow.row
        return ModelAgent(
            rows: { [row] }, factory: { _ in StepsModel() }, librarian: librarian, toolbox: tools,
            settings: { TurnSettings() }, logger: logger)
    }
}

/// Asks for tools in 49 steps, mostly one, sometimes two at once, and says in the last how many of them nobody knows the end of.
private struct StepsModel: LanguageModel {
    func reply(to request: ModelRequest, emit: @Sendable (String) async -> Void) async throws -> ModelReply {
        var (step, unknown) = (0, 0)
        for message in request.messages {
            switch message {
            case .user: (step, unknown) = (0, 0)
            case .assistant: step += 1
            case .tool(_, _, let result): if result.text.contains("outcome is unknown") { unknown += 1 }
            }
        }
        guard step < StepsAgent.steps - 1 else {
            let text = "done, \(unknown) unknown"
            await emit(text)
            return ModelReply(text: text)
        }
        let names = step % 5 == 0 ? ["alpha_look", "beta_look"] : [["alpha_do", "beta_do", "gamma_do"][step % 3]]
        await emit("step \(step)")
        return ModelReply(
            text: "step \(step)", calls: names.map { ToolCall(id: "", name: $0, arguments: "{}") }, stop: .toolCalls)
    }
}

/// Writes down each call, and takes a moment for it.
private struct CountedTools: ToolServer {
    let name: String
    let log: CallLog

    func tools() async -> [ToolDefinition] {
        [("look", .query), ("do", .action)].map { name, effect in
            ToolDefinition(name: name, description: "Counts.", parameters: ["type": "object"], effect: effect)
        }
    }

    func call(
        _ tool: String, _ arguments: [String: JSONValue], for context: ToolContext,
        progress: @Sendable (String) async -> Void
    ) async -> ToolResult {
        log.add("\(context.turnID) \(context.callID)")
        try? await Task.sleep(for: .milliseconds(2))
        return ToolResult("counted")
    }
}

/// A file that lines are added to. What was written outlives the process, whoever kills it.
private final class CallLog: Sendable {
    private let file: Mutex<FileHandle>

    init(path: String) throws {
        if !FileManager.default.fileExists(atPath: path) {
            FileManager.default.createFile(atPath: path, contents: nil)
        }
        let handle = try FileHandle(forWritingTo: URL(filePath: path))
        try handle.seekToEnd()
        file = Mutex(handle)
    }

    func add(_ line: String) { file.withLock { $0.write(Data((line + "\n").utf8)) } }
}
