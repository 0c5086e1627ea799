internal import Synchronization

// What has the reader of a turn seen so far? The pieces that were streamed, in order; it is what is kept when the turn is stopped. What
// is said in two steps stands apart.

/// Streams the answer of one turn, and remembers it.
final class AnswerText: Sendable {
    private struct State {
        var text = ""
        /// Text of the step that is being streamed.
        var hasSpoken = false
    }

    private let state = Mutex(State())
    private let emit: @Sendable (TurnEvent) async -> Void

    init(emit: @escaping @Sendable (TurnEvent) async -> Void) { self.emit = emit }

    /// Everything that was streamed.
    var text: String { state.withLock { $0.text } }

    /// Whether the reader has seen a part of the step that runs.
    var hasSpoken: Bool { state.withLock { $0.hasSpoken } }

    func beginStep() { state.withLock { $0.hasSpoken = false } }

    func add(_ piece: String) async {
        guard !piece.isEmpty else { return }
        let shown = state.withLock { state in
            let shown = (state.hasSpoken || state.text.isEmpty ? "" : TurnLoop.gap) + piece
            state.hasSpoken = true
            state.text += shown
            return shown
        }
        await emit(.delta(shown))
    }
}
