internal import JSON
internal import Store

// How is a turn carried from its journal to its end? Asks the pure loop what comes next, does it, records it, and tells the loop what was
// recorded. Every step is on disk before it is acted on, so a process that is killed leaves nothing that would be done twice.

/// One turn that models answer.
struct ModelTurn: Sendable {
    /// UTF-8 bytes of an answer behind which no model is asked to go on with it.
    static let longestAnswer = 4 << 20

    let turn: TurnRequest
    let settings: TurnSettings
    let asking: ModelAsking
    let toolbox: any Toolbox
    let journal: any TurnJournal
    let emit: @Sendable (TurnEvent) async -> Void

    /// - Parameter entries: what an earlier process recorded.
    /// - Throws: ``ModelAsking/Failure/librarian`` when no model has said anything and the librarian is next; ``AgentError``; what the
    ///   journal throws.
    func run(_ entries: [JournalEntry]) async throws -> TurnOutcome {
        var loop = TurnLoop(limit: settings.steps, entries: entries)
        let shown = AnswerText(emit: emit)
        // Listeners of this process have seen nothing of it yet; what they saw before, `response` replaces.
        await shown.add(loop.text)
        var place = asking.models.firstIndex { $0.id == loop.steps.last?.model } ?? 0
        do {
            while true {
                try Task.checkCancellation()
                switch loop.next {
                case .finish(let note):
                    shown.beginStep()
                    if let note { await shown.add(note) }
                    return TurnOutcome(text: shown.text, model: loop.steps.last?.model ?? asking.models[0].id)
                case .settle(let calls):
                    for call in calls {
                        loop.take(
                            try await tools.settleUnknown(
                                id: call.id, name: call.call.name, arguments: call.call.arguments))
                    }
                case .run(let calls):
                    for entry in try await run(calls) { loop.take(entry) }
                case .ask where shown.text.utf8.count > Self.longestAnswer:
                    shown.beginStep()
                    await shown.add("(I stopped here: the answer is too long.)")
                    return TurnOutcome(text: shown.text, model: loop.steps.last?.model ?? asking.models[0].id)
                case .ask:
                    await emit(.status("Thinking..."))
                    shown.beginStep()
                    let answer = try await asking.ask(
                        await question(loop), first: place, shown: shown, emit: emit)
                    // Text that was not streamed is shown, too.
                    if !shown.hasSpoken { await shown.add(answer.reply.text) }
                    place = asking.models.firstIndex(of: answer.model) ?? place
                    let entry = JournalEntry.modelStep(
                        text: answer.reply.text, calls: answer.reply.calls, model: answer.model.id,
                        stop: answer.reply.stop)
                    try await journal.append(entry)
                    loop.take(entry)
                }
            }
        } catch is CancellationError {
            return interrupted(shown, loop, place)
        } catch ModelAsking.Failure.failed(let reason) {
            throw AgentError.modelFailed(reason)
        } catch ModelAsking.Failure.librarian where !loop.steps.isEmpty {
            throw AgentError.modelFailed("no other model is left that could go on with this answer")
        }
    }

    private func interrupted(_ shown: AnswerText, _ loop: TurnLoop, _ place: Int) -> TurnOutcome {
        TurnOutcome(text: shown.text, model: asking.models[place].id, interrupted: true)
    }

    // MARK: Asking

    private func question(_ loop: TurnLoop) async -> ModelAsking.Question {
        let tools = await toolbox.tools(isAdmin: turn.isAdmin)
        let summaries = turn.history.filter { $0.role == .system }.map(\.text)
        let (turn, settings) = (turn, settings)
        return ModelAsking.Question(
            sessionID: turn.sessionID, tools: tools, history: Self.messages(of: turn.history),
            turn: [.user(turn.promptText)] + loop.messages,
            system: { isCut in
                SystemPrompt.text(
                    for: turn, agent: settings.agent, own: settings.systemPrompt, tools: tools, summaries: summaries,
                    isCut: isCut)
            })
    }

    /// What was said before, as models read it.
    static func messages(of history: [ChatMessage]) -> [ModelMessage] {
        history.compactMap { message in
            guard !message.text.isEmpty else { return nil }
            return switch message.role {
            case .user: .user(message.text)
            case .assistant:
                .assistant(
                    message.interrupted ? message.text + "\n\n[The user stopped this answer here.]" : message.text,
                    calls: [])
            case .system, .tool: nil
            }
        }
    }

    // MARK: Tools

    private var tools: ToolRun { ToolRun(turn: turn, toolbox: toolbox, journal: journal, emit: emit) }

    /// Runs the calls of one step: at once when none of them changes anything, else one after the other.
    ///
    /// - Returns: what was recorded as their results.
    private func run(_ calls: [TurnLoop.Call]) async throws -> [JournalEntry] {
        let queries = Set(
            await toolbox.tools(isAdmin: turn.isAdmin).filter { $0.definition.effect == .query }.map(\.fullName))
        guard calls.count > 1, calls.allSatisfy({ queries.contains($0.call.name) }) else {
            var entries: [JournalEntry] = []
            for call in calls {
                try Task.checkCancellation()
                entries.append(try await run(call))
            }
            return entries
        }
        return try await withThrowingTaskGroup(of: JournalEntry.self) { group in
            for call in calls { group.addTask { try await run(call) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
    }

    private func run(_ call: TurnLoop.Call) async throws -> JournalEntry {
        try await tools.run(id: call.id, name: call.call.name, arguments: call.call.arguments)
    }
}
