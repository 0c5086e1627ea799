internal import Agent
internal import Foundation
internal import Store
internal import Wire

// Which model answers in a session? The one that its user chose, as long as the agent has it; else the default. The
// choice is kept in the database, so it outlives the process.

extension SessionManager {
    /// What came of choosing a model.
    enum ModelChoice: Sendable, Equatable {
        /// Nil is the default.
        case chosen(String?)
        case unknown(known: [String])
        /// There is such a model, and it was switched off.
        case disabled
        /// There is such a model, and no chat can be answered by it: it is for speech, say.
        case notRunnable
    }

    /// Words that take the choice back.
    private static let defaults: Set<String> = ["default", "none", "reset"]

    /// Binds a session to a model, or with nil to the default.
    func choose(_ model: String?, for key: SessionKey) async throws -> ModelChoice {
        if let model {
            let known = await surroundings.models().map(\.id)
            if !known.contains(model) {
                guard let row = try await surroundings.registry?.model(runtimeID: model) else {
                    return .unknown(known: known)
                }
                return row.isEnabled ? .notRunnable : .disabled
            }
        }
        try await repository.pin(
            model: model, handle: key.handle, sessionID: key.sessionID, limit: limits.sessionsPerUser, now: now())
        return .chosen(model)
    }

    /// The model for a turn: what was chosen for its session, if the agent still has it.
    func model(_ chosen: String?, for turn: Turn) async -> String? {
        guard let chosen else { return nil }
        if await surroundings.models().contains(where: { $0.id == chosen }) { return chosen }
        await tell(.status("The model \(chosen) is not there any more; the default answers."), of: turn)
        return nil
    }

    // MARK: Command

    func model(_ argument: String?, of key: SessionKey) async throws -> CommandAnswer {
        let argument = argument?.trimmingCharacters(in: .whitespacesAndNewlines) ?? ""
        guard !argument.isEmpty else { return CommandAnswer(try await listModels(of: key)) }
        let choice = try await choose(Self.defaults.contains(argument) ? nil : argument, for: key)
        if case .chosen = choice { announce(.updated, key) }
        switch choice {
        case .chosen(let model?): return CommandAnswer("This session is answered by \(model) now.")
        case .chosen(nil): return CommandAnswer("This session is answered by the default model now.")
        case .unknown(let known): return CommandAnswer(Self.unknownModel(argument, known), failure: .notFound)
        case .disabled: return CommandAnswer(Self.disabledModel(argument), failure: .invalid)
        case .notRunnable: return CommandAnswer(Self.notRunnableModel(argument), failure: .notImplemented)
        }
    }

    static func unknownModel(_ model: String, _ known: [String]) -> String {
        let name = model.prefix(100)
        return known.isEmpty
            ? "Unknown model: \(name). This agent has no models to choose from."
            : "Unknown model: \(name). Known are: \(known.joined(separator: ", "))."
    }

    static func disabledModel(_ model: String) -> String { "The model \(model) is disabled." }

    static func notRunnableModel(_ model: String) -> String {
        "This agent can't run \(model) in a chat; the session keeps the model that it has."
    }

    private func listModels(of key: SessionKey) async throws -> String {
        let models = await surroundings.models()
        let chosen = try await repository.context(handle: key.handle, sessionID: key.sessionID, limit: 0)?.model
        guard !models.isEmpty else { return "This agent has no models to choose from." }
        let active = models.contains { $0.id == chosen } ? chosen : models.first?.id
        var lines = models.enumerated().map { index, model in
            let marks = (index == 0 ? ["default"] : []) + (model.id == active ? ["active"] : [])
            return "• \(model.id) — \(model.name)" + (marks.isEmpty ? "" : " (\(marks.joined(separator: ", ")))")
        }
        if let chosen, active != chosen { lines.append("\(chosen) was chosen and is not there any more.") }
        lines.append("Choose one with /model ID, take the choice back with /model default.")
        return lines.joined(separator: "\n")
    }
}
