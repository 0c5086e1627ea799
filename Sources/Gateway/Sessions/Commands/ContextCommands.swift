internal import Agent
internal import Foundation
internal import Logging
internal import Store
internal import Wire

// How much of a conversation is the agent given, and how is that made less? `context` counts, `compact` lets a summary
// stand for what was said. The transcript stays as it is.

extension SessionManager {
    /// A conversation with fewer messages behind its last summary is not worth a summary.
    private static let worthFolding = 4
    /// How long a model may think about a summary.
    private static let summaryTime = Duration.seconds(60)

    /// What the agent is given of a turn's conversation, and the model that is to answer.
    func conversation(of turn: Turn) async throws -> (history: [ChatMessage], model: String?) {
        let context = try await repository.context(
            of: turn.record.session, limit: limits.historyMessages, length: limits.historyLength)
        return (context.history, await model(context.model, for: turn))
    }

    // MARK: Commands

    func contextReport(of key: SessionKey) async throws -> String {
        let models = await surroundings.models()
        let context = try await repository.context(
            handle: key.handle, sessionID: key.sessionID, limit: limits.historyMessages, length: limits.historyLength)
        let chosen = models.first { $0.id == context?.model }
        let model = chosen ?? models.first
        let messages = context?.messages.count ?? 0
        let window = model?.contextWindow.map { "of \($0)" } ?? "and no fixed limit"
        var lines = [
            "Messages: \(messages)",
            "Tokens: about \(Self.tokens(in: context?.history ?? [])) \(window) (an estimate: 4 bytes a token)",
            "Model: \(model.map { $0.id } ?? "none to choose from")\(chosen == nil ? " (the default)" : "")",
        ]
        if let context, let summary = context.summary {
            let tokens = Self.tokens(in: summary)
            lines.append("Folded: yes, a summary of about \(tokens) tokens stands for \(Self.count(context.folded))")
        } else {
            lines.append("Folded: no")
        }
        return lines.joined(separator: "\n")
    }

    /// What the agent would be given with the next message of a session; nil when the user has no such session.
    func window(of key: SessionKey) async throws -> SessionContextBody? {
        let context = try await repository.context(
            handle: key.handle, sessionID: key.sessionID, limit: limits.historyMessages, length: limits.historyLength)
        guard let context else { return nil }
        let models = await surroundings.models()
        let chosen = models.first { $0.id == context.model }
        let model = chosen ?? models.first
        return SessionContextBody(
            sessionID: key.sessionID, model: model?.id, pinned: chosen != nil, contextWindow: model?.contextWindow,
            tokens: Self.tokens(in: context.history), messages: context.messages.count, folded: context.folded,
            summary: context.summary)
    }

    func compact(_ key: SessionKey) async throws -> CommandAnswer {
        let session = try await repository.overview(of: key.handle, sessionID: key.sessionID)
        guard session.map({ $0.running + $0.waiting == 0 }) ?? true else {
            return CommandAnswer("A message of this session runs or waits. Stop it first, or wait.", failure: .conflict)
        }
        let context = try await repository.context(
            handle: key.handle, sessionID: key.sessionID, limit: limits.historyMessages, length: limits.historyLength)
        guard let context, context.messages.count >= Self.worthFolding else {
            let count = context?.messages.count ?? 0
            let since = context?.summary == nil ? "" : " since the last time"
            return CommandAnswer("There is too little to compact: \(Self.count(count))\(since).")
        }
        let models = await surroundings.models()
        let summary: String
        do {
            summary = try await summarize(
                context.history, model: models.contains { $0.id == context.model } ? context.model : nil
            ) { call in await self.note(call, for: context) }
        } catch {
            logger.warning("sessions::not_summarized", metadata: ["error": "\(error)"])
            let reason = (error as? AgentError)?.description ?? "the model took too long"
            return CommandAnswer("The conversation was not compacted: \(reason).", failure: .upstreamFailed)
        }
        guard summary.contains(where: { !$0.isWhitespace }) else {
            return CommandAnswer(
                "The conversation was not compacted: the model gave no summary.", failure: .upstreamFailed)
        }
        guard
            try await repository.fold(
                context, into: summary, handle: key.handle, sessionID: key.sessionID, now: now())
        else {
            return CommandAnswer(
                "The conversation was cleared meanwhile: there is nothing to compact.", failure: .conflict)
        }
        let (count, tokens) = (Self.count(context.messages.count), Self.tokens(in: summary))
        return CommandAnswer(
            "Compacted \(count) into a summary of about \(tokens) tokens. The transcript stays as it is.")
    }

    func summarize(
        _ history: [ChatMessage], model: String?, used: @escaping @Sendable (ModelCall) async -> Void
    ) async throws -> String {
        let summarize = surroundings.summarize
        return try await withThrowingTaskGroup(of: String.self) { group in
            defer { group.cancelAll() }
            group.addTask { try await summarize(history, model, used) }
            group.addTask {
                try await Task.sleep(for: Self.summaryTime)
                throw CancellationError()
            }
            guard let first = try await group.next() else { throw CancellationError() }
            return first
        }
    }

    // MARK: Counting

    private static func count(_ messages: Int) -> String { "\(messages) message\(messages == 1 ? "" : "s")" }

    /// Four bytes a token is near enough for English, and says too much rather than too little for code.
    private static func tokens(in text: String) -> Int { (text.utf8.count + 3) / 4 }

    static func tokens(in history: [ChatMessage]) -> Int { history.reduce(0) { $0 + tokens(in: $1.text) } }
}

extension SessionContext {
    /// As the agent is given it: the summary first, then what came after.
    var history: [ChatMessage] { history(without: 0) }

    /// - Parameter kept: how many of the last messages are left out.
    func history(without kept: Int) -> [ChatMessage] {
        let folded =
            summary.map { [ChatMessage(role: .system, text: "Summary of the conversation so far:\n\($0)")] } ?? []
        return folded
            + messages.dropLast(kept).compactMap { message in
                ChatMessage.Role(rawValue: message.role).map {
                    ChatMessage(role: $0, text: message.text, interrupted: message.interrupted)
                }
            }
    }
}
