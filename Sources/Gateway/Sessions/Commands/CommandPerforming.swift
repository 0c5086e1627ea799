internal import Agent
internal import Logging
internal import Store
internal import Wire

// How is a command answered? One after the other, in the order of the requests, each by one text. This file finds the
// effect of a name; the effects are in the files beside it.

/// What commands need of the world outside of the sessions.
struct CommandSurroundings: Sendable {
    /// What can answer, the default first.
    var models: @Sendable () async -> [AgentModel] = { [] }
    /// Models that were added, whether they can run or not; nil when the agent keeps none.
    var registry: Registry?
    /// Says what a conversation was about, and tells which models were called for it.
    var summarize:
        @Sendable (
            _ history: [ChatMessage], _ model: String?, _ used: @Sendable (ModelCall) async -> Void
        ) async throws -> String = { _, _, _ in throw AgentError.modelFailed("there is none") }
    /// Ends the process so that its service manager starts it again; nil when nobody can.
    var requestRestart: (@Sendable () -> Void)?

    init() {}

    init(agent: any AgentRuntime, registry: Registry? = nil, requestRestart: (@Sendable () -> Void)?) {
        self.registry = registry
        models = { await agent.models() }
        summarize = { try await agent.summarize($0, model: $1, used: $2) }
        self.requestRestart = requestRestart
    }
}

/// What a command is answered.
struct CommandAnswer: Sendable {
    var text: String
    /// Why it came to nothing; nil when it did what it says.
    var failure: ErrorCode?

    init(_ text: String, failure: ErrorCode? = nil) {
        self.text = text
        self.failure = failure
    }
}

extension SessionManager {
    /// Carries out commands that take long, until the task is cancelled. One caller, for the lifetime of the manager.
    nonisolated func runErrands() async {
        await withDiscardingTaskGroup { group in
            for await errand in errands { group.addTask { await errand() } }
            group.cancelAll()
        }
    }

    /// Carries out a command and answers it. Whether the caller may give it was decided before.
    func perform(_ command: ClientMessage.Command, by caller: Caller, on watcher: Watcher) async {
        let place = answers[watcher.id, default: AnswerQueue()].reserve()
        // Answers that are held back count like frames that nobody reads.
        guard answers[watcher.id]?.count ?? 0 <= limits.backlogEvents else { return watcher.outbox.close(.slow) }
        guard command.name == SessionCommand.compact.rawValue else {
            return await perform(command, caller, at: place, watcher)
        }
        // One at a time for each user: it may cost money, and keeps a model busy.
        guard compacting.insert(caller.handle).inserted else {
            let text = "A conversation of yours is being compacted at the moment: wait for it."
            return answer(command, CommandAnswer(text, failure: .conflict), at: place, watcher)
        }
        // A model thinks about it: the socket must hear its client meanwhile.
        errandsContinuation.yield {
            await self.perform(command, caller, at: place, watcher)
            await self.endCompacting(caller.handle)
        }
    }

    private func endCompacting(_ handle: String) { compacting.remove(handle) }

    private func perform(
        _ command: ClientMessage.Command, _ caller: Caller, at place: UInt64, _ watcher: Watcher
    ) async {
        let known = SessionCommand(rawValue: command.name)
        let said: CommandAnswer
        do {
            if let known {
                said = try await answer(known, command, caller)
            } else {
                said = CommandAnswer("Unknown command: \(command.name.prefix(100))", failure: .invalid)
            }
        } catch let error as SessionStorageError {
            said = CommandAnswer(error.description, failure: .conflict)
        } catch {
            logger.error("sessions::command_failed", metadata: ["command": "\(command.name)", "error": "\(error)"])
            said = CommandAnswer(
                "This could not be done: \(StorageFault(error)). Try again later.", failure: .unavailable)
        }
        answer(command, said, at: place, watcher)
        // Said first: the end of the process begins with the end of the sockets.
        if known == .restart { surroundings.requestRestart?() }
    }

    private func answer(
        _ request: ClientMessage.Command, _ said: CommandAnswer, at place: UInt64, _ watcher: Watcher
    ) {
        // An id that is too long to be one is not said again.
        let sessionID = request.sessionID.flatMap { isUsable($0) ? $0 : nil }
        var message = ServerMessage(.commandResult(said.text), sessionID: sessionID)
        message.failure = said.failure
        for frame in answers[watcher.id]?.fill(place, message.frame) ?? [] { watcher.outbox.send(.text(frame)) }
    }

    private func answer(
        _ command: SessionCommand, _ request: ClientMessage.Command, _ caller: Caller
    ) async throws -> CommandAnswer {
        guard request.sessionID.map(isUsable) ?? true else {
            return CommandAnswer("The session's id is too long.", failure: .invalid)
        }
        guard !caller.isBridge || request.sessionID != nil else {
            return CommandAnswer("A bridge says for which session a command is.", failure: .invalid)
        }
        // Commands about one conversation mean the one that a client has that names none.
        let key = SessionKey(
            handle: caller.handle, sessionID: request.sessionID ?? ClientMessage.defaultSessionID)
        switch command {
        case .stop: return CommandAnswer(await stopping(request, caller))
        case .new, .clear, .reset: return CommandAnswer(try await startingAfresh(request, caller))
        case .status: return CommandAnswer(try await status(of: caller, in: request.sessionID))
        case .queue: return CommandAnswer("Queue depth: \(load(of: caller, in: request.sessionID).waiting)")
        case .usage: return CommandAnswer(try await usage(of: caller))
        case .model: return try await model(request.argument, of: key)
        case .context: return CommandAnswer(try await contextReport(of: key))
        case .compact: return try await compact(key)
        case .restart:
            return surroundings.requestRestart == nil
                ? CommandAnswer("Nobody serves this agent, so there is nothing to restart.", failure: .conflict)
                : CommandAnswer("Restarting...")
        case .help: return CommandAnswer(SessionCommand.list)
        }
    }
}
