internal import Agent
internal import Logging
internal import Store
internal import Wire

// When does a summary take the place of older messages by itself? Before a turn, once the conversation fills more than a good half of
// what its model reads. The summary is kept, so it is made once; the last messages stay as they were said. When none can be had the turn
// runs all the same, and the agent leaves out what does not fit.

extension SessionManager {
    /// The part of a model's window that a conversation may fill.
    private static let fullness = 0.6
    /// The last messages are given as they were said.
    private static let keptMessages = 4

    /// The request with a shorter history, where that is needed.
    ///
    /// - Throws: `CancellationError`
    func folding(_ request: TurnRequest, of turn: Turn) async throws -> TurnRequest {
        guard try await needsFolding(request) else { return request }
        let context = try await repository.context(
            of: turn.record.session, limit: limits.historyMessages, length: limits.historyLength)
        guard context.messages.count > 2 * Self.keptMessages else { return request }
        await tell(.status("Summarizing the conversation so far..."), of: turn)
        do {
            let summary = try await summarize(context.history(without: Self.keptMessages), model: request.model) {
                await self.note($0, of: turn)
            }
            guard summary.contains(where: { !$0.isWhitespace }) else { return request }
            // What was cleared meanwhile stays cleared.
            _ = try await repository.fold(
                context, into: summary, keeping: Self.keptMessages, handle: turn.key.handle,
                sessionID: turn.key.sessionID, now: now())
        } catch {
            try Task.checkCancellation()
            logger.warning("sessions::not_summarized", metadata: ["error": "\(error)"])
            return request
        }
        var request = request
        request.history = try await repository.context(
            of: turn.record.session, limit: limits.historyMessages, length: limits.historyLength
        ).history
        return request
    }

    private func needsFolding(_ request: TurnRequest) async throws -> Bool {
        let tokens = Self.tokens(in: request.history)
        // No model reads less than this, and most conversations are shorter.
        guard tokens > 512 else { return false }
        let models = await surroundings.models()
        let model = models.first { $0.id == request.model } ?? models.first
        guard let window = model?.contextWindow else { return false }
        return Double(tokens) > Double(window) * Self.fullness
    }

    /// A model was called for a command. The call belongs to no turn, so that it has a name of its own in the bill.
    func note(_ call: ModelCall, for context: SessionContext) async {
        do {
            try await repository.record(
                ModelCallRecord(
                    device: "", model: call.model, inputTokens: max(0, call.inputTokens),
                    outputTokens: max(0, call.outputTokens), cost: await usage.cost(of: call)),
                turn: "compact:" + random.uuid(), of: context, at: now())
        } catch {
            logger.error("usage::unknown", metadata: ["error": "\(error)"])
        }
    }
}
