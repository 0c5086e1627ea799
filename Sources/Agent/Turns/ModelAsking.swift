internal import Logging
internal import Store

// How is one question put to models until one has answered? The route's models in their order, each as often as the policy allows, with
// the pauses that it says. The user is told of every wait and every change of model. Once a word was streamed there is no other attempt:
// the answer breaks off, and that is said.

/// Puts questions to the models of a route.
struct ModelAsking: Sendable {
    /// Makes what speaks with a model of the registry. Throws ``ModelError``, or why it can't be made.
    typealias Factory = @Sendable (ModelOfProvider) throws -> any LanguageModel

    /// What is asked, fitted to the model that is asked.
    struct Question: Sendable {
        var sessionID: String
        var tools: [OfferedTool]
        var history: [ModelMessage]
        var turn: [ModelMessage]
        /// - Parameter isCut: older messages are missing.
        var system: @Sendable (_ isCut: Bool) -> String
    }

    struct Answer: Sendable {
        let reply: ModelReply
        let model: RoutedModel
    }

    /// Why nobody answered.
    enum Failure: Error {
        /// The librarian is next, who is no model.
        case librarian
        case failed(String)
    }

    let models: [RoutedModel]
    let factory: Factory
    let policy: RetryPolicy
    let time: TimeSource
    /// From 0 to 1.
    let chance: @Sendable () -> Double
    let logger: Logger

    /// - Parameters:
    ///   - first: the place in the route of the model to begin with.
    ///   - shown: where the answer is streamed.
    ///   - emit: what else happens.
    /// - Throws: ``Failure``; `CancellationError`.
    func ask(
        _ question: Question, first: Int, shown: AnswerText, emit: @Sendable (TurnEvent) async -> Void
    ) async throws -> Answer {
        var attempts = ModelAttempts(policy, models: models.count, first: first)
        var isTight = false
        while true {
            let routed = models[attempts.model]
            guard case .row(let row) = routed else { throw Failure.librarian }
            let request = request(question, row, isTight: isTight)
            do {
                let reply = try await reply(row, request, shown: shown, emit: emit)
                return Answer(reply: reply, model: routed)
            } catch let error as ModelError {
                try Task.checkCancellation()
                if error == .contextTooLong, !isTight, !shown.hasSpoken {
                    isTight = true
                    await emit(.status("The conversation is too long for \(routed.id): older parts are left out."))
                    continue
                }
                logger.warning(
                    "turn::model_failed", metadata: ["model": "\(routed.id)", "error": "\(error.words(routed.id))"])
                switch attempts.failed(error, hasSpoken: shown.hasSpoken, chance: chance()) {
                case .again(let seconds):
                    let pause = seconds < 1 ? "a moment" : "\(Int(seconds.rounded(.up))) s"
                    await emit(.status("\(error.words(routed.id)). Trying again in \(pause)..."))
                    try await time.sleep(.seconds(seconds))
                case .next:
                    isTight = false
                    await emit(.status("\(error.words(routed.id)). Asking \(models[attempts.model].id) instead..."))
                case .giveUp:
                    let words = error.words(routed.id)
                    throw Failure.failed(
                        shown.hasSpoken ? "\(words). The answer breaks off; say “go on” for the rest" : words)
                }
            }
        }
    }

    private func request(_ question: Question, _ row: ModelOfProvider, isTight: Bool) -> ModelRequest {
        let fixed =
            ContextBudget.tokens(question.system(true))
            + question.tools.reduce(0) { sum, tool in
                sum + ContextBudget.tokens(tool.fullName + tool.definition.description)
                    + tool.definition.parameters.roughLength / 4
            }
        let budget = ContextBudget(
            window: row.contextWindow ?? ContextBudget.defaultWindow, fixed: fixed, isTight: isTight)
        let (messages, isCut) = budget.fit(history: question.history, turn: question.turn)
        return ModelRequest(
            model: row.model.model, system: question.system(isCut), messages: messages, tools: question.tools,
            outputLimit: row.outputLimit, sessionID: question.sessionID)
    }

    /// One attempt. What it used is told also when it was broken off behind a part of the answer.
    private func reply(
        _ row: ModelOfProvider, _ request: ModelRequest, shown: AnswerText, emit: @Sendable (TurnEvent) async -> Void
    ) async throws -> ModelReply {
        let before = shown.text.utf8.count
        let model: any LanguageModel
        do {
            model = try factory(row)
        } catch let error as ModelError {
            throw error
        } catch {
            throw ModelError.rejected(String(describing: error))
        }
        let asked = ContextBudget.tokens(request.system) + ContextBudget.tokens(request.messages)
        do {
            let reply = try await model.reply(to: request) { await shown.add($0) }
            let said =
                ContextBudget.tokens(reply.text) + reply.calls.reduce(0) { $0 + ContextBudget.tokens($1.arguments) }
            await emit(
                .used(
                    ModelCall(
                        model: row.runtimeID, inputTokens: reply.inputTokens ?? asked,
                        outputTokens: reply.outputTokens ?? said, cost: reply.cost)))
            return reply
        } catch {
            let said = shown.text.utf8.count - before
            if said > 0 {
                await emit(
                    .used(ModelCall(model: row.runtimeID, inputTokens: asked, outputTokens: (said + 3) / 4)))
            }
            switch error {
            case is ModelError, is CancellationError: throw error
            default:
                logger.error("turn::model_failed", metadata: ["model": "\(row.runtimeID)", "error": "\(error)"])
                throw ModelError.unavailable("it could not be asked")
            }
        }
    }
}

extension ModelError {
    /// What the user is told, and what helps.
    func words(_ model: String) -> String {
        let provider = model.split(separator: ":").dropLast().last.map(String.init) ?? model
        return switch self {
        case .busy(let seconds?): "\(model) is busy, for \(Int(min(max(seconds, 0), 1e9).rounded(.up))) s at least"
        case .busy(nil): "\(model) is busy"
        case .unavailable(let reason): "\(model) does not answer: \(reason)"
        case .unauthorized:
            "\(provider) refuses the key; an admin can set another one: openagent providers update \(provider)"
        case .contextTooLong: "the conversation is too long for \(model); /compact or /new helps"
        case .rejected(let reason): "\(model) refuses the request: \(reason)"
        case .malformed(let reason): "\(model) answers in a way that its protocol does not know: \(reason)"
        }
    }
}
