import Synchronization

@testable import Agent

// Turns that end when and how a test says.

final class FakeTurns: UnattendedTurns {
    private struct State {
        var asked: [UnattendedTurn] = []
        var held: [String: CheckedContinuation<UnattendedAnswer, any Error>] = [:]
    }

    private let state = Mutex(State())
    private let (arrivals, arrival) = AsyncStream.makeStream(of: UnattendedTurn.self)
    /// Nil: the turn waits for ``end(_:_:)``.
    private let answer: @Sendable (UnattendedTurn) throws -> UnattendedAnswer?

    init(_ answer: @escaping @Sendable (UnattendedTurn) throws -> UnattendedAnswer?) { self.answer = answer }

    /// Each turn ends at once.
    convenience init() { self.init { UnattendedAnswer(ending: .completed, text: "said: \($0.text)") } }

    var asked: [UnattendedTurn] { state.withLock { $0.asked } }

    func next() async throws -> UnattendedTurn {
        try await SchedulerClock.within(20, "a turn") {
            for await turn in self.arrivals { return turn }
            throw CancellationError()
        }
    }

    func end(_ messageID: String, _ answer: UnattendedAnswer = .init(ending: .completed, text: "done")) {
        state.withLock { $0.held.removeValue(forKey: messageID) }?.resume(returning: answer)
    }

    func run(_ turn: UnattendedTurn) async throws -> UnattendedAnswer {
        state.withLock { $0.asked.append(turn) }
        if let answer = try answer(turn) {
            arrival.yield(turn)
            return answer
        }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let isCancelled = state.withLock { state in
                    guard !Task.isCancelled else { return true }
                    state.held[turn.messageID] = continuation
                    return false
                }
                if isCancelled { return continuation.resume(throwing: CancellationError()) }
                arrival.yield(turn)
            }
        } onCancel: {
            state.withLock { $0.held.removeValue(forKey: turn.messageID) }?.resume(throwing: CancellationError())
        }
    }
}
