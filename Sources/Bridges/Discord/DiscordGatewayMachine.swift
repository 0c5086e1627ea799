// What does a bot do next on Discord's gateway? The rules by which no event is lost while the connection comes and goes. Pure: events in,
// actions out; sockets, time and randomness are the runner's, what became of the events is DiscordProgress's.

/// The client's side of the gateway (API v10, "Gateway").
///
///     start ──► connecting ── open ──► greeting ── HELLO ──► authenticating ── READY, RESUMED ──► running
///                   ▲                     │                       │                                  │
///                   │                     └── cut, no answer ─────┴──► failed (the frame pauses)     │
///                   └──── waiting ◄── invalid session, session timed out, cut, op 7, no ACK ◄────────┘
///
/// A connection that ran is taken up again at once, behind the last sequence whose update was accepted. Connections that end soon again
/// and again wait longer and longer. What an admin must mend ends it.
struct DiscordGatewayMachine {
    enum Event: Sendable, Equatable {
        case start
        case delayIsOver
        case opened
        case received(DiscordFrame)
        /// The connection is over: by a goodbye with a code, or without one.
        case ended(code: UInt16?)
        case heartbeatIsDue
        /// What was waited for did not come.
        case patienceIsOver
    }

    enum Action: Sendable, Equatable {
        /// - url: nil: where Discord says that bots connect.
        case connect(url: String?)
        case wait(Duration)
        case transmit(DiscordGatewayCommand)
        /// In place of an earlier one.
        case heartbeatIn(Duration)
        /// In place of an earlier one; nil: as long as it takes.
        case patience(Duration?)
        /// Says goodbye without waiting for an answer.
        case close(code: UInt16)
        /// A session began: nothing of an earlier one counts.
        case begin(DiscordSession, sequence: Int)
        /// The session goes on.
        case resumed(DiscordSession, sequence: Int)
        /// The event is for whoever translates.
        case deliver(sequence: Int, event: String)
        /// The session can't be taken up any more.
        case forget
        case fail(PlatformFailure)
    }

    /// What the machine can't know by itself.
    struct Moment: Sendable {
        var now: ContinuousClock.Instant
        /// From 0 to 1.
        var random: Double
        /// The last sequence whose update, and all before it, were accepted; nil: none of this session.
        var accepted: Int?
    }

    private enum State: Equatable {
        case idle
        case waiting
        case connecting
        case greeting
        case authenticating
        case running(since: ContinuousClock.Instant)
        /// We said goodbye, and go on after a pause.
        case leaving(pause: Duration)
        case over
    }

    private(set) var session: DiscordSession?
    /// When a session was last begun: one in five seconds is allowed.
    private(set) var identifiedAt: ContinuousClock.Instant?
    private var state = State.idle
    private var isResuming = false
    private var heartbeat = Duration.seconds(41)
    private var isAcknowledged = true
    /// Connections in a row that ended soon after they ran.
    private var shortRuns = 0
    /// Sessions in a row that Discord did not take.
    private var refusedSessions = 0
    /// Whether the session's own address is passed over, because it could not be reached.
    private let usesCommonAddress: Bool

    static let identifyPause = Duration.seconds(5)
    static let helloTime = Duration.seconds(20)
    static let readyTime = Duration.seconds(60)
    /// A run that is shorter than this one does not count as success.
    static let stableTime = Duration.seconds(30)
    static let longestPause = Duration.seconds(60)

    init(session: DiscordSession?, identifiedAt: ContinuousClock.Instant? = nil, usesCommonAddress: Bool = false) {
        self.session = session
        self.identifiedAt = identifiedAt
        self.usesCommonAddress = usesCommonAddress
    }

    var isRunning: Bool { if case .running = state { true } else { false } }

    mutating func handle(_ event: Event, _ moment: Moment) -> [Action] {
        switch event {
        case .start: state == .idle ? connect(moment) : []
        case .delayIsOver: state == .waiting ? connect(moment) : []
        case .opened: opened()
        case .received(let frame): received(frame, moment)
        case .ended(let code): ended(code, moment)
        case .heartbeatIsDue: heartbeatIsDue(moment)
        case .patienceIsOver: patienceIsOver()
        }
    }

    // MARK: Connecting

    private mutating func connect(_ moment: Moment) -> [Action] {
        isResuming = session != nil && moment.accepted != nil
        if !isResuming, let identifiedAt, identifiedAt + Self.identifyPause > moment.now {
            state = .waiting
            return [.wait(identifiedAt + Self.identifyPause - moment.now)]
        }
        state = .connecting
        let address = isResuming && !usesCommonAddress ? session?.resumeURL : nil
        return [.connect(url: address?.isEmpty == false ? address : nil)]
    }

    private mutating func opened() -> [Action] {
        guard state == .connecting else { return [] }
        state = .greeting
        isAcknowledged = true
        return [.patience(Self.helloTime)]
    }

    // MARK: From Discord

    private mutating func received(_ frame: DiscordFrame, _ moment: Moment) -> [Action] {
        switch (state, frame) {
        case (.greeting, .hello(let interval)): return greet(interval, moment)
        case (.authenticating, .ready(let sequence, let session)):
            self.session = session
            state = .running(since: moment.now)
            return [.patience(nil), .begin(session, sequence: sequence)]
        case (.authenticating, .resumed(let sequence)):
            guard let session else { return [] }
            state = .running(since: moment.now)
            return [.patience(nil), .resumed(session, sequence: sequence)]
        case (.authenticating, .dispatch(let sequence, let event)):
            // What was missed comes before RESUMED, and may be much.
            return [.patience(Self.readyTime), .deliver(sequence: sequence, event: event)]
        case (.running, .dispatch(let sequence, let event)): return [.deliver(sequence: sequence, event: event)]
        case (.authenticating, .heartbeatWanted), (.running, .heartbeatWanted):
            return [.transmit(.heartbeat(sequence: moment.accepted))]
        case (_, .acknowledged):
            isAcknowledged = true
            return []
        case (.authenticating, .reconnect), (.running, .reconnect), (.greeting, .reconnect):
            return leave(after: pause(moment))
        case (.authenticating, .invalidSession(let isResumable)), (.running, .invalidSession(let isResumable)):
            return invalid(isResumable, moment)
        default: return []
        }
    }

    private mutating func greet(_ interval: Duration, _ moment: Moment) -> [Action] {
        state = .authenticating
        heartbeat = interval
        let first: DiscordGatewayCommand
        if isResuming, let session, let accepted = moment.accepted {
            first = .resume(session: session.id, sequence: accepted)
        } else {
            identifiedAt = moment.now
            first = .identify
        }
        return [.heartbeatIn(interval * moment.random), .patience(Self.readyTime), .transmit(first)]
    }

    private mutating func invalid(_ isResumable: Bool, _ moment: Moment) -> [Action] {
        noteStableRun(moment)
        refusedSessions += 1
        guard refusedSessions <= 3 else { return fail(.unavailable("Discord accepts no session")) }
        let actions: [Action] = isResumable ? [] : [.forget]
        if !isResumable { session = nil }
        return actions + leave(after: Self.sessionPause(moment))
    }

    /// One to five seconds, as Discord asks for.
    private static func sessionPause(_ moment: Moment) -> Duration { .seconds(1 + 4 * moment.random) }

    // MARK: Staying alive

    private mutating func heartbeatIsDue(_ moment: Moment) -> [Action] {
        switch state {
        case .authenticating, .running: break
        default: return []
        }
        // The connection looks open and is dead.
        guard isAcknowledged else { return leave(after: pause(moment)) }
        isAcknowledged = false
        return [.transmit(.heartbeat(sequence: moment.accepted)), .heartbeatIn(heartbeat)]
    }

    private mutating func patienceIsOver() -> [Action] {
        switch state {
        case .greeting, .authenticating: fail(.unavailable("Discord's gateway did not answer in time"))
        default: []
        }
    }

    // MARK: Ending

    /// Any code but 1000 and 1001 keeps the session.
    private mutating func leave(after pause: Duration) -> [Action] {
        state = .leaving(pause: pause)
        return [.close(code: 4000)]
    }

    private mutating func ended(_ code: UInt16?, _ moment: Moment) -> [Action] {
        switch state {
        case .idle, .waiting, .over: return []
        case .leaving(let pause): return go(on: pause, moment)
        case .connecting, .greeting, .authenticating, .running: break
        }
        switch DiscordCloseCode.meaning(code) {
        case .account(let reason): return fail(.account(reason))
        case .sessionOver:
            session = nil
            noteStableRun(moment)
            refusedSessions += 1
            guard refusedSessions <= 3 else { return fail(.unavailable("Discord accepts no session")) }
            return [.forget] + go(on: Self.sessionPause(moment), moment)
        case .goesOn:
            guard isRunning else { return fail(.unavailable("Discord's gateway can't be reached")) }
            return go(on: pause(moment), moment)
        }
    }

    private mutating func go(on pause: Duration, _ moment: Moment) -> [Action] {
        guard pause > .zero else { return connect(moment) }
        state = .waiting
        return [.wait(pause)]
    }

    /// None after a run that lasted or the first that did not; then doubling.
    private mutating func pause(_ moment: Moment) -> Duration {
        noteStableRun(moment)
        shortRuns += 1
        guard shortRuns > 1 else { return .zero }
        let seconds = min(Double(1 << min(shortRuns - 2, 6)), 60)
        return min(.seconds(seconds * (0.5 + moment.random / 2)), Self.longestPause)
    }

    private mutating func noteStableRun(_ moment: Moment) {
        guard case .running(let since) = state, moment.now - since >= Self.stableTime else { return }
        shortRuns = 0
        refusedSessions = 0
    }

    private mutating func fail(_ failure: PlatformFailure) -> [Action] {
        state = .over
        return [.fail(failure)]
    }
}

/// What the codes mean with which Discord closes its gateway.
enum DiscordCloseCode {
    enum Meaning: Equatable {
        /// The session can be taken up again.
        case goesOn
        case sessionOver
        case account(String)
    }

    static func meaning(_ code: UInt16?) -> Meaning {
        switch code {
        case 4003, 4007, 4009: .sessionOver
        case 4004: .account(wrongToken)
        case 4010, 4011:
            .account(
                "Discord wants this bot to connect in several parts (shards), because it is in too many servers; that is not supported"
            )
        case 4012: .account("Discord does not speak this version of its gateway any more: a newer openagent is needed")
        case 4013: .account("Discord does not know what this bot wants to hear (intents): a newer openagent is needed")
        case 4014:
            .account(
                "Discord does not let the bot read messages: switch on 'Message Content Intent' at discord.com/developers/applications, your application, Bot, Privileged Gateway Intents"
            )
        default: .goesOn
        }
    }

    static let wrongToken =
        "Discord refuses the bot's token: make a new one at discord.com/developers/applications, your application, Bot, Reset Token"
}
