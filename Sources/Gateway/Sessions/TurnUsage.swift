internal import Agent
internal import Logging
internal import Store
internal import Wire

// What does a turn use, and may it? Asked before a message is taken and once more, for good, when its turn starts; recorded for each
// call of a model, however the turn ends.

extension SessionManager {
    /// What the turn is asked about when it starts.
    ///
    /// - Parameter model: that will answer; nil is the default.
    func admission(
        handle: String, device: String, model: String?, text: String
    ) async -> UsageAdmission {
        var name = model
        if name == nil { name = await defaultModel() }
        return UsageAdmission(
            party: UsageParty(handle: handle, device: device, model: name ?? ""),
            estimatedTokens: Int64((text.utf8.count + 3) / 4), caps: usage.caps, day: usage.day(of: now()))
    }

    /// Whether a limit of today is reached for a message.
    ///
    /// - Throws: when the database does not say; then nothing is let through.
    func exceeded(_ text: String, in key: SessionKey, from caller: Caller) async throws -> BudgetExceeded? {
        guard !usage.caps.isEmpty else { return nil }
        var model: String?
        if !usage.caps.model.isEmpty {
            model = try await repository.model(handle: key.handle, sessionID: key.sessionID)
            if let chosen = model, await !surroundings.models().contains(where: { $0.id == chosen }) { model = nil }
        }
        let admission = await admission(handle: key.handle, device: caller.device.hex, model: model, text: text)
        return try await repository.refusal(of: admission).map { usage.refusal($0, at: now()) }
    }

    /// Whether the message was taken before; then its sender is told what became of it.
    func isKnown(_ message: ClientMessage.TextFinal, _ caller: Caller, _ watcher: Watcher) async -> Bool {
        guard let messageID = message.messageID,
            let earlier = try? await repository.turn(
                messageID: messageID, sender: caller.sender, since: now() - limits.messageMemory.seconds)
        else { return false }
        await tellState(of: earlier, watcher)
        return true
    }

    /// - Returns: nil when no limit of the day speaks against the message; its sender was told otherwise.
    func refusesForUsage(
        _ message: ClientMessage.TextFinal, in key: SessionKey, from caller: Caller, on watcher: Watcher
    ) async -> Reception? {
        do {
            guard let exceeded = try await exceeded(message.text, in: key, from: caller) else { return nil }
            if await isKnown(message, caller, watcher) { return .repeated }
            logger.notice(
                "usage::refused",
                metadata: [
                    "handle": "\(key.handle)", "cap": "\(exceeded.details.cap)", "scope": "\(exceeded.details.scope)",
                ])
            return refuse(.budgetExceeded, exceeded.text, message, watcher, exceeded.details)
        } catch {
            logger.error("usage::unknown", metadata: ["error": "\(error)"])
            let text = "What was used today cannot be read at the moment: \(StorageFault(error)). Send it again later."
            return refuse(.unavailable, text, message, watcher)
        }
    }

    /// What answers when nothing was chosen; nil when there is nothing.
    func defaultModel() async -> String? { await surroundings.models().first?.id }

    /// A model was called for a running turn.
    func note(_ call: ModelCall, of turn: Turn) async {
        let record = await record(call, of: turn)
        running[turn.id]?.calls += [record]
        do {
            try await repository.record(record, turn: turn.id, of: turn.record.session, at: now())
        } catch {
            // With the turn's end, then.
            running[turn.id]?.unrecorded += [record]
        }
    }

    /// The calls of an ending turn, and those of them that are still to be recorded.
    func calls(of turn: Turn, _ ending: TurnStateMachine.Ending) async -> (
        all: [ModelCallRecord], unrecorded: [ModelCallRecord]
    ) {
        let run = running[turn.id]
        if let told = run?.calls, !told.isEmpty { return (told, run?.unrecorded ?? []) }
        guard let model = ending.model else { return ([], []) }
        let isPriced = await usage.prices.price(of: model) != nil
        let call = await record(
            ModelCall(
                model: model, inputTokens: ending.usage.inputTokens, outputTokens: ending.usage.outputTokens,
                cost: isPriced ? nil : ending.usage.cost), of: turn)
        return ([call], [call])
    }

    private func record(_ call: ModelCall, of turn: Turn) async -> ModelCallRecord {
        ModelCallRecord(
            device: turn.device, model: call.model, inputTokens: max(0, call.inputTokens),
            outputTokens: max(0, call.outputTokens), cost: await usage.cost(of: call))
    }
}
