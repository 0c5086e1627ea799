import Synchronization

@testable import Agent

// An agent that does what the test says, when the test says it.

/// One run of a turn, driven by the test.
final class ScriptedRun: Sendable {
    enum Step: Sendable {
        case emit(TurnEvent)
        case journal(JournalEntry)
        case answer(TurnOutcome)
        case fail(any Error)
    }

    let request: TurnRequest
    let earlierJournal: [JournalEntry]
    fileprivate let steps: AsyncStream<Step>
    private let continuation: AsyncStream<Step>.Continuation
    private let (ends, end) = AsyncStream.makeStream(of: Bool.self)

    init(_ request: TurnRequest, journal: [JournalEntry]) {
        self.request = request
        self.earlierJournal = journal
        (steps, continuation) = AsyncStream.makeStream(of: Step.self)
    }

    func delta(_ text: String) { continuation.yield(.emit(.delta(text))) }
    func status(_ text: String) { continuation.yield(.emit(.status(text))) }
    func emit(_ event: TurnEvent) { continuation.yield(.emit(event)) }
    func journal(_ entry: JournalEntry) { continuation.yield(.journal(entry)) }
    func answer(_ text: String) { answer(TurnOutcome(text: text, model: "test")) }
    func answer(_ outcome: TurnOutcome) { continuation.yield(.answer(outcome)) }
    func fail(_ error: any Error) { continuation.yield(.fail(error)) }

    fileprivate func ended(cancelled: Bool) {
        end.yield(cancelled)
        end.finish()
    }

    /// Whether the run was cancelled; suspends until it is over.
    func wasCancelled() async throws -> Bool {
        try await within(30, "the end of the run") {
            for await cancelled in self.ends { return cancelled }
            throw Timeout(what: "the end of the run")
        }
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

    /// Every run so far, in the order of their starts.
    var runs: [ScriptedRun] { started.withLock { $0 } }

    func nextRun() async throws -> ScriptedRun {
        try await within(30, "a turn to start") {
            for await run in self.arrivals { return run }
            throw Timeout(what: "a turn to start")
        }
    }

    func run(
        _ turn: TurnRequest, journal: any TurnJournal, emit: @Sendable (TurnEvent) async -> Void
    ) async throws -> TurnOutcome {
        let run = ScriptedRun(turn, journal: try await journal.entries())
        started.withLock { $0.append(run) }
        arrival.yield(run)
        defer { run.ended(cancelled: Task.isCancelled) }
        if case .immediate(let answer) = mode { return TurnOutcome(text: answer(turn), model: "test") }
        var text = ""
        for await step in run.steps {
            switch step {
            case .emit(let event):
                if case .delta(let part) = event { text += part }
                await emit(event)
            case .journal(let entry): try await journal.append(entry)
            case .answer(let outcome): return outcome
            case .fail(let error): throw error
            }
        }
        return TurnOutcome(text: text, model: "test", interrupted: true)
    }

    /// What can be chosen, as the test says.
    let known = Mutex([
        AgentModel(id: "test", name: "Test", contextWindow: 8_000), AgentModel(id: "other", name: "Other"),
    ])

    func models() async -> [AgentModel] { known.withLock { $0 } }

    /// When set, each summary tells that it begins, and waits for one element.
    let summaryGate = Mutex<(begun: AsyncStream<Void>.Continuation, gate: AsyncStream<Void>)?>(nil)

    func summarize(_ history: [ChatMessage], model: String?) async throws -> String {
        if let (begun, gate) = summaryGate.withLock({ $0 }) {
            begun.yield()
            for await _ in gate { break }
        }
        try Task.checkCancellation()
        return "\(model ?? "default"): " + history.map(\.text).joined(separator: ", ")
    }
}
