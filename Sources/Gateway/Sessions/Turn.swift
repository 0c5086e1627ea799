internal import Agent
internal import Store

// What is a turn, and how does it go from a user's text to an answer? The values that lanes, runner and storage share.

/// A user's own conversation: two users may choose the same session id and never see each other's.
struct SessionKey: Hashable, Sendable {
    let handle: String
    let sessionID: String
}

/// One user text, committed or about to be.
struct Turn: Sendable, Equatable {
    let record: TurnRecord
    /// A process died while it ran; its journal says how far it came.
    let isContinued: Bool

    var id: String { record.id }
    var lane: String { record.lane }
    var key: SessionKey { SessionKey(handle: record.handle, sessionID: record.sessionID) }
    /// The device that sent it: its key in hexadecimal digits. A lane's name begins with it.
    var device: String { String(record.lane.prefix { $0 != "/" }) }
    /// Somebody said it through a bridge.
    var isFromBridge: Bool { record.sender.hasSuffix(Caller.bridge) }
    /// Nobody typed it.
    var isUnattended: Bool { record.sender.hasSuffix(Caller.unattended) }

    init(_ record: TurnRecord) {
        self.record = record
        self.isContinued = record.state == .running
    }
}

/// Why a running turn has to stop.
enum Interruption: Sendable, Equatable {
    /// The user said so. The answer so far is kept, and marked.
    case user
    /// The user said so and wants the conversation forgotten as well.
    case userForgets
    /// The process ends in good order.
    case shutdown
    /// The user said more, and another turn takes its place.
    case superseded
}

/// One turn from its start to its end.
///
/// ```
///   running ──interrupt──▶ stopping
///      │                      │
///      └──finish──┬──finish───┘
///                 ▼
///   finished(completed | failed | cancelled | interrupted)
/// ```
///
/// A turn before its start is a slot of ``LaneQueue``.
struct TurnStateMachine: Sendable {
    enum State: Sendable, Equatable {
        case running
        case stopping(Interruption)
        case finished(TurnState)
    }

    private(set) var state = State.running
    /// The answer as far as it was streamed.
    private(set) var streamedText = ""
    private let streamedLimit: Int

    /// - Parameter streamedLimit: UTF-8 bytes of streamed text that are kept, for the case that the run breaks off.
    init(streamedLimit: Int) {
        self.streamedLimit = streamedLimit
    }

    /// What came out of a run.
    enum RunResult: Sendable {
        case answered(TurnOutcome)
        /// It failed, with a reason that the user may read.
        case failed(String)
        /// A limit of the day kept it from starting.
        case refused(BudgetExceeded)
        /// It stopped because it was cancelled, and gave no answer.
        case stopped

        /// Whether it came to its own end.
        var isAnswer: Bool {
            switch self {
            case .answered(let outcome): !outcome.interrupted
            case .failed, .refused, .stopped: false
            }
        }
    }

    /// How a turn is told and kept.
    struct Ending: Sendable, Equatable {
        let state: TurnState
        let text: String
        let model: String?
        let usage: TurnUsage
        /// Whether the text goes into the transcript; else into the archive of what was cleared.
        let isRemembered: Bool
        /// Why it failed, when the text does not say it.
        var failure: String?
        /// The limit that kept it from starting.
        var refusal: BudgetExceeded?
        /// Another turn takes its place: it is not told.
        var isSuperseded = false
    }

    /// Part of the answer was streamed.
    mutating func stream(_ text: String) {
        guard streamedText.utf8.count + text.utf8.count <= streamedLimit else { return }
        streamedText += text
    }

    /// Somebody wants it to stop.
    ///
    /// - Returns: whether the run has to be cancelled now; false when it is stopping or has ended.
    mutating func interrupt(_ reason: Interruption) -> Bool {
        switch (state, reason) {
        case (.running, _):
            state = .stopping(reason)
            return true
        case (.stopping(.user), .userForgets):
            state = .stopping(.userForgets)
            return false
        case (.stopping(.superseded), .user), (.stopping(.superseded), .userForgets):
            state = .stopping(reason)
            return false
        case (.stopping, _), (.finished, _):
            return false
        }
    }

    /// The run is over.
    ///
    /// - Returns: how the turn ends, or nil when it had ended before.
    mutating func finish(_ result: RunResult) -> Ending? {
        guard let ending = preview(result) else { return nil }
        state = .finished(ending.state)
        return ending
    }

    /// How the turn would end if its run were over; nil when it has ended.
    func preview(_ result: RunResult) -> Ending? {
        switch state {
        case .running: ending(of: result, interruption: nil)
        case .stopping(let reason): ending(of: result, interruption: reason)
        case .finished: nil
        }
    }

    private func ending(of result: RunResult, interruption: Interruption?) -> Ending {
        var isRemembered = true
        let stopped: TurnState
        switch interruption {
        case .user, .superseded, nil: stopped = .cancelled
        case .userForgets:
            stopped = .cancelled
            isRemembered = false
        case .shutdown: stopped = .interrupted
        }
        switch result {
        case .answered(let outcome):
            // An answer that was complete before the stop took effect is not cut.
            return Ending(
                state: outcome.interrupted ? stopped : .completed, text: outcome.text, model: outcome.model,
                usage: outcome.usage, isRemembered: isRemembered,
                isSuperseded: outcome.interrupted && interruption == .superseded)
        case .failed(let reason) where interruption == nil:
            let isPartial = !streamedText.isEmpty
            return Ending(
                state: .failed, text: isPartial ? streamedText : "Error: \(reason)", model: nil, usage: TurnUsage(),
                isRemembered: isRemembered, failure: isPartial ? reason : nil)
        case .refused(let refusal) where interruption == nil:
            return Ending(
                state: .failed, text: "", model: nil, usage: TurnUsage(), isRemembered: isRemembered, refusal: refusal)
        case .failed, .refused, .stopped:
            return Ending(
                state: stopped, text: streamedText, model: nil, usage: TurnUsage(), isRemembered: isRemembered,
                isSuperseded: interruption == .superseded)
        }
    }
}
