// What is the next step of a turn in which a model works with tools? The journal's entries go in, one after the other, whether they
// were read after a crash or have just been written; out comes what to do now. So going on after a death and going on after a step are
// the same thing. Pure: no model is asked and no tool is called here.
//
//      ┌────────────── every call has its result ──────────────┐
//      ▼                                                       │
//     ask ──modelStep with calls──▶ run ──toolCall──▶ (begun) ──toolResult, toolFailed──▶ settled
//      │                                                │
//      │                                                └─ the process died ──▶ settle: its outcome is unknown
//      └──modelStep without calls, or the last step that is allowed──▶ finish

/// A turn of a model, as far as its journal tells.
struct TurnLoop: Sendable, Equatable {
    /// A tool that the model asked for.
    struct Call: Sendable, Equatable {
        enum State: Sendable, Equatable {
            case open, begun
            case settled(ToolResult)
        }

        /// The journal's name for it, e.g. `3.1`: the first call of the third step.
        let id: String
        let call: ToolCall
        fileprivate(set) var state = State.open
    }

    /// One answer of a model.
    struct Step: Sendable, Equatable {
        let text: String
        let model: String
        let stop: ModelReply.Stop
        fileprivate(set) var calls: [Call]
    }

    enum Next: Sendable, Equatable {
        /// Ask the model with ``messages``.
        case ask
        /// Run these calls.
        case run([Call])
        /// These calls were begun by a process that died: they are never run again, and the model is told so.
        case settle([Call])
        /// - Parameter note: what the user has to know besides the answer; nil: nothing.
        case finish(note: String?)
    }

    /// What a call that nobody knows the end of comes to.
    static let outcomeUnknown = """
        The agent was stopped while this tool ran, and its outcome is unknown: it may or may not have done its work. It is not run again \
        by itself. Look whether it has, before you call it anew.
        """

    private let limit: Int
    private(set) var steps: [Step] = []

    /// - Parameters:
    ///   - limit: how often the model is asked at most.
    ///   - entries: what an earlier process recorded.
    init(limit: Int, entries: [JournalEntry] = []) {
        self.limit = limit
        for entry in entries { take(entry) }
    }

    /// Takes note of what was recorded. What belongs to no step, or was noted already, changes nothing.
    mutating func take(_ entry: JournalEntry) {
        switch entry {
        case .modelStep(let text, let calls, let model, let stop):
            let number = steps.count + 1
            let named = calls.enumerated().map { Call(id: "\(number).\($0 + 1)", call: $1) }
            steps.append(Step(text: text, model: model, stop: stop, calls: named))
        case .toolCall(let id, _, _): set(id, .begun)
        case .toolResult(let id, let output): set(id, .settled(ToolResult(output)))
        case .toolFailed(let id, let output): set(id, .settled(ToolResult(output, isError: true)))
        case .modelReply: break
        }
    }

    private mutating func set(_ id: String, _ state: Call.State) {
        guard let last = steps.indices.last, let index = steps[last].calls.firstIndex(where: { $0.id == id }) else {
            return
        }
        if case .settled = steps[last].calls[index].state { return }
        steps[last].calls[index].state = state
    }

    /// What has to be done now. A call that was begun and has no result is taken for one of a dead process: ask only when none runs.
    var next: Next {
        guard let last = steps.last else { return .ask }
        guard !last.calls.isEmpty else { return .finish(note: Self.note(last)) }
        guard steps.count < limit else { return .finish(note: Self.limitReached(limit)) }
        let lost = last.calls.filter { $0.state == .begun }
        if !lost.isEmpty { return .settle(lost) }
        let open = last.calls.filter { $0.state == .open }
        return open.isEmpty ? .ask : .run(open)
    }

    /// The answer as far as there is one: what the model said in each step.
    var text: String { steps.map(\.text).filter { !$0.isEmpty }.joined(separator: Self.gap) }

    /// Stands between what is said in two steps.
    static let gap = "\n\n"

    /// What the model reads of this turn, behind the user's words.
    var messages: [ModelMessage] {
        steps.enumerated().flatMap { index, step -> [ModelMessage] in
            let calls = step.calls.enumerated().map { place, call in
                var named = call.call
                named.id = name(of: place, in: index)
                return named
            }
            let results = step.calls.enumerated().compactMap { place, call -> ModelMessage? in
                guard case .settled(let result) = call.state else { return nil }
                return .tool(callID: name(of: place, in: index), name: call.call.name, result)
            }
            return [.assistant(step.text, calls: calls)] + results
        }
    }

    /// The model's own name for a call, unless it has none that is the only one of its kind.
    private func name(of place: Int, in index: Int) -> String {
        let id = steps[index].calls[place].call.id
        let uses = steps.reduce(0) { $0 + $1.calls.count { $0.call.id == id } }
        return id.isEmpty || uses > 1 ? "call_\(index + 1)_\(place + 1)" : id
    }

    // MARK: Words

    private static func note(_ step: Step) -> String? {
        switch step.stop {
        case .complete, .toolCalls: nil
        case .length: "(The answer is as long as this model may make it. Say “go on” for the rest.)"
        case .refused: "(The model declined to answer.)"
        }
    }

    private static func limitReached(_ limit: Int) -> String {
        """
        (I stopped here: a turn may take at most \(limit) step\(limit == 1 ? "" : "s"), and the tools that the last one asked for were not \
        run. Say “go on” to continue.)
        """
    }
}
