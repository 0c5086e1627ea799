internal import Agent
internal import Glibc

// Who answers the measured turns? An agent that does at once what the user's text says, so that all that takes time is the
// gateway's. It keeps nothing and asks nobody. Texts:
//
//     tokens COUNT PER_SECOND [BYTES]    an answer of COUNT tokens at this pace, each with the time of its emission in front
//     statuses COUNT                     COUNT events that are kept, as fast as they are
//     anything else                      an answer of one word

struct ToldAgent: AgentRuntime {
    func run(
        _ turn: TurnRequest, journal: any TurnJournal, emit: @Sendable (TurnEvent) async -> Void
    ) async throws -> TurnOutcome {
        let words = turn.text.split(separator: " ")
        let numbers = words.dropFirst().compactMap { Int($0) }
        switch words.first {
        case "tokens" where numbers.count >= 2:
            try await stream(
                numbers[0], perSecond: numbers[1], bytes: numbers.count > 2 ? numbers[2] : 0, to: emit)
        case "statuses" where numbers.count == 1:
            for number in 0..<numbers[0] { await emit(.status("Step \(number) of a long piece of work is done.")) }
        default: break
        }
        return TurnOutcome(text: "Done.", model: "bench")
    }

    func models() async -> [AgentModel] { [] }

    func summarize(_ history: [ChatMessage], model: String?) async throws -> String { "" }

    /// Answers that were asked for together begin spread over two seconds, so that their beginnings and ends, which cost
    /// more than tokens, do not fall together.
    private func stream(
        _ count: Int, perSecond: Int, bytes: Int, to emit: @Sendable (TurnEvent) async -> Void
    ) async throws {
        let filling = String(repeating: "x", count: bytes)
        let interval = Duration.seconds(1) / perSecond
        var due = ContinuousClock.now + .milliseconds(Int.random(in: 500..<2_500))
        var dueNanoseconds = Moment.now + (due - .now).nanoseconds
        var previousEnd = Moment.now
        for _ in 0..<count {
            try await Task.sleep(until: due, tolerance: .zero, clock: .continuous)
            // A token that is late because the gateway held the one before back was there when it was due.
            let emitted = previousEnd > dueNanoseconds ? dueNanoseconds : Moment.now
            await emit(.delta("\(emitted) \(filling)"))
            previousEnd = Moment.now
            due += interval
            dueNanoseconds += interval.nanoseconds
        }
    }
}

/// The machine's monotonic clock, the same in every process, in nanoseconds.
enum Moment {
    static var now: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}

extension Duration {
    var nanoseconds: Int64 { Int64(self / .nanoseconds(1)) }
}
