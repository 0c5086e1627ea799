import Synchronization

@testable import Agent

// An agent that does what the test says, when the test says it.

/// One run of a turn, driven by the test.
final class ScriptedRun: Sendable {
    enum Step: Sendable {
        case emit(TurnEvent)
        case answer(TurnOutcome)
        case fail(any Error)
    }

    let request: TurnRequest
    fileprivate let steps: AsyncStream<Step>
    private let continuation: AsyncStream<Step>.Continuation

    init(_ request: TurnRequest) {
        self.request = request
        (steps, continuation) = AsyncStream.makeStream(of: Step.self)
    }

    func delta(_ text: String) { continuation.yield(.emit(.delta(text))) }
    func status(_ text: String) { continuation.yield(.emit(.status(text))) }
    func emit(_ event: TurnEvent) { continuation.yield(.emit(event)) }
    func answer(_ text: String) { continuation.yield(.answer(TurnOutcome(text: text, model: "test"))) }
    func fail(_ error: any Error) { continuation.yield(.fail(error)) }

    func tool(_ name: String, call: String = "1", result: String? = nil) {
        let end = result.map { #","result":"\#($0)""# } ?? ""
        status(#"{"tool_name":"\#(name)","tool_call_id":"\#(call)","tool_args":{}\#(end)}"#)
    }
}

final class ScriptedAgent: AgentRuntime {
    enum Mode: Sendable {
        /// Each run waits for the test.
        case scripted
        /// Each run answers at once.
        case immediate(@Sendable (TurnRequest) -> String)
    }

    private let mode: Mode
    private let started = Mutex<[ScriptedRun]>([])
    private let (arrivals, arrival) = AsyncStream.makeStream(of: ScriptedRun.self)

    init(_ mode: Mode = .scripted) {
        self.mode = mode
    }

    /// Says again what it hears.
    static var echo: ScriptedAgent { ScriptedAgent(.immediate { "echo: \($0.text)" }) }

    /// Every run so far, in the order of their starts.
    var runs: [ScriptedRun] { started.withLock { $0 } }
    /// What was asked, in that order.
    var texts: [String] { runs.map(\.request.text) }

    func nextRun() async throws -> ScriptedRun {
        try await within(30, "a turn to start") {
            for await run in self.arrivals { return run }
            throw Timeout(what: "a turn to start")
        }
    }

    func run(
        _ turn: TurnRequest, journal: any TurnJournal, emit: @Sendable (TurnEvent) async -> Void
    ) async throws -> TurnOutcome {
        let run = ScriptedRun(turn)
        started.withLock { $0.append(run) }
        arrival.yield(run)
        if case .immediate(let answer) = mode { return TurnOutcome(text: answer(turn), model: "test") }
        var text = ""
        for await step in run.steps {
            switch step {
            case .emit(let event):
                if case .delta(let part) = event { text += part }
                await emit(event)
            case .answer(let outcome): return outcome
            case .fail(let error): throw error
            }
        }
        return TurnOutcome(text: text, model: "test", interrupted: true)
    }

    func models() async -> [AgentModel] { [AgentModel(id: "test", name: "Test", contextWindow: 8_000)] }

    func summarize(_ history: [ChatMessage], model: String?) async throws -> String { "" }
}
