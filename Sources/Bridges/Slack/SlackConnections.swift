// Which connections does Socket Mode need? One, and before it goes the next. Pure: what happened in, what to do out.
//
//     opening ──hello──▶ serving ──disconnect──▶ retiring ──▶ (gone)
//        └──────────────────┴────── ended ──────────┴──▶ (gone)
//
// While one serves or is opened, nothing is opened. When none is left at all, the listening has ended; whoever started it starts again.

/// The connections there are.
struct SlackConnections {
    enum Step: Equatable {
        case nothing
        /// The first that serves.
        case connected
        /// Open the connection of this number, after a pause.
        case open(Int, after: Duration)
        case fail(PlatformFailure)
    }

    private enum Stage { case opening, serving, retiring }

    private let seams: SlackSeams
    private var stages: [Int: (stage: Stage, since: ContinuousClock.Instant)] = [:]
    private var last = 0
    private var hasServed = false

    init(_ seams: SlackSeams) { self.seams = seams }

    mutating func start() -> Step { open(after: .zero) }

    mutating func greeted(_ number: Int) -> Step {
        guard stages[number]?.stage == .opening else { return .nothing }
        stages[number] = (.serving, seams.now())
        defer { hasServed = true }
        return hasServed ? .nothing : .connected
    }

    mutating func retiring(_ number: Int, reason: String) -> Step {
        switch reason {
        case "link_disabled":
            return .fail(
                .account("Socket Mode is switched off for the Slack app: switch it on in the settings of the app"))
        case "too_many_websockets":
            return .fail(
                .unavailable("the Slack app has too many connections: other programs use the same app_token"))
        default: break
        }
        guard let (stage, since) = stages[number], stage != .retiring else { return .nothing }
        stages[number] = (.retiring, since)
        return replace(after: pause(since))
    }

    mutating func ended(_ number: Int, _ failure: PlatformFailure) -> Step {
        guard let (stage, since) = stages.removeValue(forKey: number) else { return .nothing }
        if case .account = failure { return .fail(failure) }
        if stages.isEmpty { return .fail(failure) }
        return stage == .retiring ? .nothing : replace(after: stage == .opening ? seams.shortPause : pause(since))
    }

    /// One that did not live long must not be followed at once: that would be a storm.
    private func pause(_ since: ContinuousClock.Instant) -> Duration {
        seams.now() - since < seams.shortLife ? seams.shortPause : .zero
    }

    private mutating func replace(after pause: Duration) -> Step {
        stages.values.contains { $0.stage != .retiring } ? .nothing : open(after: pause)
    }

    private mutating func open(after pause: Duration) -> Step {
        last += 1
        stages[last] = (.opening, seams.now())
        return .open(last, after: pause)
    }
}
