// Is this stream's channel open, in which direction, and what follows from an event? The rules only: no bytes, no
// pipeline, no QUIC.

/// The life of a stream's channel.
///
/// ```
///   idle ── activate ──► open ── FIN delivered ──► input closed ──┐
///     │                   │ └─── FIN sent ──────► output closed ──┤ other direction
///     │                   │                                       ▼ ends too
///     └── close, reset ───┴── close(.all), reset, connection ──► closed
/// ```
struct StreamLifecycle {
    private enum State {
        case idle
        case active(inputOpen: Bool, outputOpen: Bool)
        case closed
    }

    private var state = State.idle

    var isIdle: Bool { if case .idle = state { true } else { false } }
    var isActive: Bool { if case .active = state { true } else { false } }
    var isClosed: Bool { if case .closed = state { true } else { false } }

    /// Whether bytes may still be delivered.
    var isInputOpen: Bool {
        switch state {
        case .idle: true
        case .active(let inputOpen, _): inputOpen
        case .closed: false
        }
    }

    /// Whether bytes may still be written.
    var isOutputOpen: Bool {
        switch state {
        case .idle: true
        case .active(_, let outputOpen): outputOpen
        case .closed: false
        }
    }

    /// - Returns: whether the channel becomes active now.
    mutating func activate() -> Bool {
        guard case .idle = state else { return false }
        state = .active(inputOpen: true, outputOpen: true)
        return true
    }

    /// What follows when a direction ended.
    enum Ended {
        /// It had ended before.
        case already
        case halfOpen
        case bothEnded
    }

    mutating func endInput() -> Ended {
        guard case .active(true, let outputOpen) = state else { return .already }
        state = .active(inputOpen: false, outputOpen: outputOpen)
        return outputOpen ? .halfOpen : .bothEnded
    }

    mutating func endOutput() -> Ended {
        guard case .active(let inputOpen, true) = state else { return .already }
        state = .active(inputOpen: inputOpen, outputOpen: false)
        return inputOpen ? .halfOpen : .bothEnded
    }

    /// - Returns: whether the channel was active until now; nil when it was closed before.
    mutating func close() -> Bool? {
        if case .closed = state { return nil }
        defer { state = .closed }
        return isActive
    }
}
