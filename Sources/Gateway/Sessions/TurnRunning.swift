internal import Agent
internal import Logging
internal import Store
internal import Wire

// How does a turn run and end? The agent is asked in a task of its own, which an interruption cancels; what it tells on
// the way becomes numbered events; its end is one transaction that listeners see only after it is committed.

extension SessionManager {
    // MARK: Running

    /// Runs one turn to its end. Called by the task that consumes ``starts``.
    nonisolated func run(_ start: Start, by agent: any AgentRuntime) async {
        guard !isRevoked(start.turn), !removed.contains(start.turn.id) else { return await endUnheard(start.turn) }
        let journal = TurnTools(
            PatientJournal(
                turn: start.turn, journal: DurableJournal(turnID: start.turn.id, repository: repository), sessions: self
            ))
        let result = await answer(start, by: agent, journal)
        await finish(start.turn, result)
        announce(changesBy: journal)
    }

    private nonisolated func answer(
        _ start: Start, by agent: any AgentRuntime, _ journal: any TurnJournal
    ) async -> TurnStateMachine.RunResult {
        let turn = start.turn
        do {
            let request = try await begin(turn)
            return await withTaskGroup(of: TurnStateMachine.RunResult?.self) { group in
                group.addTask {
                    await self.hooks.listener?.began(turn, in: self)
                    let result = await self.ask(agent, request, journal, turn)
                    if let listener = self.hooks.listener {
                        await listener.willEnd(turn, text: await self.lastWords(of: turn, result), in: self)
                    }
                    return result
                }
                group.addTask {
                    for await _ in start.interrupted { break }
                    return nil
                }
                defer { group.cancelAll() }
                // Either the answer is there, or the interruption: then the run is cancelled and its last word awaited.
                while let result = await group.next() {
                    if let result { return result }
                    group.cancelAll()
                }
                return .stopped
            }
        } catch {
            return await failure(error, of: turn)
        }
    }

    private nonisolated func ask(
        _ agent: any AgentRuntime, _ request: TurnRequest, _ journal: any TurnJournal, _ turn: Turn
    ) async -> TurnStateMachine.RunResult {
        do {
            let request = try await self.folding(request, of: turn)
            return .answered(
                try await agent.run(request, journal: journal) { event in await self.tell(event, of: turn) })
        } catch {
            return await failure(error, of: turn)
        }
    }

    private nonisolated func failure(
        _ error: any Error, of turn: Turn
    ) async -> TurnStateMachine.RunResult {
        switch error {
        case is CancellationError: return .stopped
        case let error as BudgetExceeded:
            logger.notice(
                "usage::refused",
                metadata: [
                    "turn": "\(turn.id)", "cap": "\(error.details.cap)", "scope": "\(error.details.scope)",
                ])
            return .refused(error)
        case let error as AgentError:
            logger.warning("sessions::turn_failed", metadata: ["turn": "\(turn.id)", "error": "\(error)"])
            return .failed(error.description)
        default: return .failed(await reason(error, of: turn))
        }
    }

    /// What `response` would say if the turn ended now.
    private func lastWords(of turn: Turn, _ result: TurnStateMachine.RunResult) -> String? {
        guard let ending = running[turn.id]?.machine.preview(result), !ending.isSuperseded else { return nil }
        return ending.text
    }

    /// Marks the turn as running and collects what the agent needs.
    private func begin(_ turn: Turn) async throws -> TurnRequest {
        let (history, model) = try await conversation(of: turn)
        let admission = await admission(
            handle: turn.key.handle, device: turn.device, model: model, text: turn.record.text)
        let refusal = try await persist(turn) {
            try await self.prepare(turn.key, events: 0)
            return try await self.repository.start(turn: turn.id, now: self.now(), admission: admission)
        }
        if let refusal { throw usage.refusal(refusal, at: now()) }
        // A recovered turn is not known there yet.
        sessions[turn.key]?.turns.insert(turn.id)
        if turn.isContinued { await tell(.status("Continuing after a restart..."), of: turn) }
        let attachments = try TurnAttachments.list(turn.record.attachments)
        return TurnRequest(
            turnID: turn.id, sessionID: turn.key.sessionID, handle: turn.key.handle, text: turn.record.text,
            history: history,
            attachments: attachments.map {
                TurnAttachment(kind: $0.kind.rawValue, path: $0.path, filename: $0.filename)
            }, model: model, isAdmin: isAdmin(turn), isUnattended: turn.isUnattended)
    }

    /// One event of a running turn goes to everybody who watches its session.
    func tell(_ event: TurnEvent, of turn: Turn) async {
        if case .used(let call) = event { return await note(call, of: turn) }
        guard (try? await prepare(turn.key, events: 1)) != nil, running[turn.id] != nil else { return }
        running[turn.id]?.hasSpoken = true
        switch event {
        case .delta(let text):
            running[turn.id]?.machine.stream(text)
            guard let event = self.event(.delta(text), of: turn) else { return }
            sessions[turn.key]?.fillLive(event)
            await hooks.listener?.delta(text, of: turn, in: self)
        case .used: break
        case .approvalRequested(let request):
            running[turn.id]?.questions.insert(request.id)
            tellIfIdle()
            await keep(
                .approvalRequest(
                    .init(
                        id: request.id, tool: request.tool, arguments: request.arguments,
                        expiresAt: request.expiresAt)), of: turn)
            await tell(.status("Waiting until \(request.tool) is allowed..."), of: turn)
        case .approvalSettled(let id, let settlement):
            running[turn.id]?.questions.remove(id)
            await keep(.approvalSettled(id: id, decision: settlement.rawValue), of: turn)
        case .status(let text): await keep(.status(text), of: turn)
        }
    }

    /// Tells an event that is replayed to whoever comes back later.
    private func keep(_ body: ServerMessage.Body, of turn: Turn) async {
        guard let event = self.event(body, of: turn) else { return }
        if (try? await repository.append(event.record(at: now()), to: turn.record.session)) != nil {
            sessions[turn.key]?.fill(event)
        } else {
            sessions[turn.key]?.void(event.sequence)
        }
    }

    // MARK: Ending

    /// The run is over: its end is committed, then told, then the lane goes on.
    private func finish(_ turn: Turn, _ result: TurnStateMachine.RunResult) async {
        if Task.isCancelled, running[turn.id]?.machine.state == .running, !result.isAnswer {
            // The process goes down without order and nobody asked for the turn to stop: it runs again after a restart.
            running[turn.id] = nil
            return
        }
        if let ending = running[turn.id]?.machine.finish(result) { await commit(ending, of: turn) }
        leaveLane(turn)
    }

    /// A turn whose device was put out, or whose session was removed, maybe before this process began: it does not run.
    private func endUnheard(_ turn: Turn) async {
        await endUnstarted(turn, patiently: true)
        leaveLane(turn)
    }

    /// The turn is over: the next one may run.
    private func leaveLane(_ turn: Turn) {
        running[turn.id] = nil
        sessions[turn.key]?.endTurn(turn.id)
        forgetIfIdle(turn.key)
        withLane(turn.lane) { $0.finish(turn.id) }
        startNext(in: turn.lane)
        tellIfIdle()
    }

    /// Nothing runs but what waits for its user.
    private var isIdle: Bool { running.values.allSatisfy { !$0.questions.isEmpty } }

    private func tellIfIdle() {
        if isIdle { for observer in idleObservers { observer.yield() } }
    }

    private func commit(_ ending: TurnStateMachine.Ending, of turn: Turn) async {
        var (text, attachments) = (ending.text, [Attachment]())
        if let content = hooks.content { (text, attachments) = await content.content(of: text, in: turn) }
        text = cut(text)
        if ending.isSuperseded, await handOver(turn, ending, text: text) { return }
        if let refusal = ending.refusal {
            let bodies: [ServerMessage.Body] = [
                .error(code: .budgetExceeded, text: refusal.text), .turnComplete(.init(reason: .error)),
            ]
            await end(turn, as: ending.state, bodies: bodies, messages: [], budget: refusal.details)
            return
        }
        let calls = await calls(of: turn, ending)
        await end(
            turn, as: ending.state,
            bodies: (ending.failure.map { [.error(code: .internalError, text: $0)] } ?? []) + [
                .response(text: text, model: ending.model, attachments: attachments),
                .turnComplete(
                    .init(
                        reason: ending.reason, inputTokens: calls.all.reduce(0) { $0 + $1.inputTokens },
                        outputTokens: calls.all.reduce(0) { $0 + $1.outputTokens },
                        cost: Money.dollars(calls.all.reduce(0) { $0 + $1.cost }))),
            ],
            messages: transcript(turn, text, isInterrupted: ending.state != .completed),
            isArchived: !ending.isRemembered, usage: calls.unrecorded)
    }

    /// What a turn leaves for later ones.
    func transcript(_ turn: Turn, _ answer: String, isInterrupted: Bool) -> [SessionMessageRecord] {
        [
            SessionMessageRecord(role: ChatMessage.Role.user.rawValue, text: turn.record.text),
            SessionMessageRecord(
                role: ChatMessage.Role.assistant.rawValue, text: answer, interrupted: isInterrupted),
        ]
    }

    /// A client that takes messages of 4 MiB must be able to take every answer.
    private func cut(_ text: String) -> String {
        guard text.utf8.count > limits.answerLength else { return text }
        let note = "\n\n… (the rest of this answer is too long to send)"
        var length = limits.answerLength - note.utf8.count
        // Not in the middle of a character.
        while length > 0 {
            if let beginning = String(text.utf8.prefix(length)) { return beginning + note }
            length -= 1
        }
        return note
    }

    /// A turn that was dropped before it ran.
    ///
    /// - Parameter patiently: waits until it is saved; otherwise that is left to ``saveDrops()``.
    /// - Returns: false when it is left to that.
    @discardableResult
    func endUnstarted(_ turn: Turn, patiently: Bool = false) async -> Bool {
        var bodies: [ServerMessage.Body] = [.turnComplete(.init(reason: .cancelled))]
        if isRevoked(turn) {
            bodies.insert(
                .error(
                    code: .forbidden,
                    text: turn.isUnattended
                        ? "The user in whose name it was to run may not use the agent any more."
                        : "The device that sent this was revoked, or its user suspended: it gets no answer."), at: 0)
        }
        guard await end(turn, as: .cancelled, bodies: bodies, messages: [], patiently: patiently) else { return false }
        sessions[turn.key]?.endTurn(turn.id)
        forgetIfIdle(turn.key)
        return true
    }

    /// Commits the end of a turn with the events that tell it; they are sent after the commit, and only then.
    ///
    /// - Returns: false when it is left to ``saveDrops()``.
    @discardableResult
    private func end(
        _ turn: Turn, as state: TurnState, bodies: [ServerMessage.Body], messages: [SessionMessageRecord],
        isArchived: Bool = false, usage: [ModelCallRecord] = [], budget: BudgetDetails? = nil, patiently: Bool = true
    ) async -> Bool {
        let telling = Telling(
            state: state, bodies: bodies, messages: messages, isArchived: isArchived, usage: usage, budget: budget)
        do {
            if patiently {
                try await persist(turn) { try await self.write(telling, of: turn) }
            } else {
                try await write(telling, of: turn)
            }
        } catch {
            if !patiently, StorageFault(error).mayPass {
                unsaved.add(turn)
                return false
            }
            giveUp(saving: turn, error)
        }
        return true
    }

    /// How the end of a turn is told and kept.
    private struct Telling: Sendable {
        let state: TurnState
        let bodies: [ServerMessage.Body]
        let messages: [SessionMessageRecord]
        let isArchived: Bool
        let usage: [ModelCallRecord]
        let budget: BudgetDetails?
    }

    /// One attempt to commit the end of a turn. Its numbers are taken anew each time: those of a failed one stay unused.
    private func write(_ telling: Telling, of turn: Turn) async throws {
        try await prepare(turn.key, events: Int64(telling.bodies.count))
        let events = telling.bodies.compactMap { event($0, of: turn, budget: telling.budget) }
        let time = now()
        // Cleared while its answer was complete already and on its way to the disk: it is part of what was cleared.
        let isArchived = telling.isArchived || running[turn.id]?.isForgotten ?? false
        do {
            let isFirstEnd = try await repository.finish(
                turn: turn.id, of: turn.record.session,
                as: TurnEnding(
                    state: telling.state, finishedAt: time, events: events.map { $0.record(at: time) },
                    messages: telling.messages, isArchived: isArchived, usage: telling.usage))
            for event in events {
                if isFirstEnd { sessions[turn.key]?.fill(event) } else { sessions[turn.key]?.void(event.sequence) }
            }
            if isFirstEnd { announce(.updated, turn.key) }
        } catch {
            for event in events { sessions[turn.key]?.void(event.sequence) }
            throw error
        }
    }

    // MARK: Stopping

    /// Stops the running turns that match.
    ///
    /// - Returns: how many were running.
    func interrupt(_ reason: Interruption, where matches: (Turn) -> Bool) -> Int {
        let matching = running.values.filter { matches($0.turn) }.map(\.turn.id)
        if reason == .userForgets { for id in matching { running[id]?.isForgotten = true } }
        for id in matching where running[id]?.machine.interrupt(reason) ?? false {
            running[id]?.interrupt.yield()
        }
        return matching.count
    }

    /// Ends in good order: nothing new is accepted or started, running turns get `grace` to end and are then cut short
    /// and marked. Turns that wait stay in the database and run after the next start; so do those that wait for their user's leave to
    /// use a tool, and ask again.
    func drain(grace: Duration) async {
        guard phase == .accepting else { return }
        phase = .draining
        await waitUntilIdle(atMost: grace)
        let asking = Set(running.values.filter { !$0.questions.isEmpty }.map(\.turn.id))
        _ = interrupt(.shutdown) { !asking.contains($0.id) }
        await waitUntilIdle(atMost: .seconds(2))
        phase = .stopped
        startsContinuation.finish()
    }

    private func waitUntilIdle(atMost time: Duration) async {
        guard !isIdle else { return }
        let (idle, observer) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        idleObservers.append(observer)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { for await _ in idle { break } }
            group.addTask { try? await Task.sleep(for: time) }
            await group.next()
            group.cancelAll()
        }
        idleObservers.removeAll()
    }
}

extension TurnStateMachine.Ending {
    fileprivate var reason: ServerMessage.TurnComplete.Reason {
        switch state {
        case .completed: text.isEmpty ? .empty : .completed
        case .failed: .error
        case .accepted, .running, .cancelled, .interrupted: .cancelled
        }
    }
}
