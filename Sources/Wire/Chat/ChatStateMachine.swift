// What does a chat client do next? The rules by which nothing that a user sent is lost and nothing is answered twice,
// whatever happens to the connection. Pure: events in, actions out; time, randomness and sockets are the runner's.

/// The client's side of a conversation over a socket that comes and goes (websocket.md §1-§6).
///
///                  ┌───────────────── closed, or no connection ◄──────────────┐
///                  ▼                                                          │
///     start ──► waiting(delay) ──► connecting ──► greeting ── auth_ok ──► open ┤
///                  ▲                   │             │                         │
///                  └───────────────────┴─────────────┴── (attempts left)       │
///                                      └── revoked, refused, replaced, no attempts left ──► over
///
/// A message is kept from the moment it is sent until an event proves that the agent has committed it. Each time the
/// socket opens, the sessions are opened again behind the last event seen, then every kept message is sent again under
/// its own id, by which the agent recognises it.
struct ChatStateMachine {
    enum Event: Equatable {
        case start
        case delayIsOver
        case socketOpened
        case received(ServerMessage)
        case socketClosed(code: UInt16?, reason: String)
        /// No socket, or it broke.
        case failed(reason: String)
        /// The upgrade was answered with an HTTP status.
        case refused(status: Int, text: String)
        case send(ClientMessage.TextFinal)
        case openSession(String, afterSequence: Int?)
        case transmit(ClientMessage)
    }

    enum Action: Equatable {
        case connect
        case wait(Duration)
        case transmit(ClientMessage)
        case deliver(ChatEvent)
        case finish(ChatError)
    }

    private enum State: Equatable {
        case idle
        case waiting
        case connecting
        case greeting
        case open
        case over
    }

    private struct Session {
        /// The last event seen; nil before the first.
        var lastSequence: Int?
        /// Replays are asked for from the beginning, only to find what became of our own messages.
        var seeksOwnEvents = false
        /// Messages whose turn may still be under way, in order.
        var ownMessages: [ClientMessage.TextFinal] = []
        /// The agent told the transcript instead of events. Of those behind this number, up to ``lastSequence`` at that
        /// moment, none was seen; what they say of our own messages is still wanted.
        var unseenAfter: Int?

        /// Nothing more is to be told of these.
        mutating func forget(_ ids: [String]) {
            ownMessages.removeAll { $0.messageID.map(ids.contains) ?? false }
            if ownMessages.isEmpty { seeksOwnEvents = false }
        }

        func isOwn(_ ids: [String]) -> Bool {
            ownMessages.contains { $0.messageID.map(ids.contains) ?? false }
        }
    }

    private let policy: ReconnectPolicy
    private let speak: Bool?
    private var state = State.idle
    /// Failures in a row since the last greeting.
    private var failures = 0
    private var sessions: [String: Session] = [:]
    /// In the order in which they were opened.
    private var openSessions: [String] = []
    /// Sent and not known to be committed, in order.
    private(set) var unconfirmed: [ClientMessage.TextFinal] = []

    /// - Parameter speak: what sessions are opened with.
    init(policy: ReconnectPolicy, speak: Bool? = nil) {
        self.policy = policy
        self.speak = speak
    }

    /// Whether messages can be transmitted now.
    var isOpen: Bool { state == .open }

    /// - Parameter jitter: a random number from 0 to 1, for the next delay.
    mutating func handle(_ event: Event, jitter: Double) -> [Action] {
        guard state != .over else { return [] }
        switch event {
        case .start:
            guard state == .idle else { return [] }
            state = .connecting
            return [.deliver(.connecting), .connect]
        case .delayIsOver:
            guard state == .waiting else { return [] }
            state = .connecting
            return [.connect]
        case .socketOpened:
            guard state == .connecting else { return [] }
            state = .greeting
            return []
        case .received(let message): return received(message)
        case .socketClosed(let code, let reason): return closed(code, reason, jitter)
        case .failed(let reason): return retry(reason, jitter)
        case .refused(let status, let text):
            guard status == 401 || status == 403 else {
                return retry("the agent answered \(status) \(text)", jitter)
            }
            return finish(.notAuthorized(status: status, text: text))
        case .send(let message): return send(message)
        case .openSession(let id, let afterSequence): return openSession(id, afterSequence)
        case .transmit(let message): return state == .open ? [.transmit(message)] : []
        }
    }

    // MARK: From the user

    private mutating func send(_ message: ClientMessage.TextFinal) -> [Action] {
        unconfirmed.append(message)
        if message.messageID != nil { sessions[message.sessionID, default: Session()].ownMessages.append(message) }
        return state == .open ? [.transmit(.textFinal(message))] : []
    }

    private mutating func openSession(_ id: String, _ afterSequence: Int?) -> [Action] {
        if !openSessions.contains(id) { openSessions.append(id) }
        if let afterSequence { sessions[id, default: Session()].lastSequence = afterSequence }
        return state == .open ? [.transmit(opening(id))] : []
    }

    // MARK: From the agent

    private mutating func received(_ message: ServerMessage) -> [Action] {
        if case .authOK(let greeting) = message.body {
            guard state == .greeting || state == .connecting else { return [] }
            state = .open
            failures = 0
            return [.deliver(.connected(greeting))] + openSessions.map { .transmit(opening($0)) }
                + unconfirmed.map { .transmit(.textFinal($0)) }
        }
        guard state == .open else { return [] }
        if case .sessionState(let state) = message.body { return take(state, message) }
        // News about other things than this conversation.
        if message.body.isBroadcast { return [] }
        guard confirm(message) else { return [] }
        return [.deliver(.message(message))]
    }

    /// The transcript stands for events that are gone, so the events behind it come next. What became of our own
    /// messages may be among those that are gone: the agent recognises them and tells.
    private mutating func take(_ state: ServerMessage.SessionState, _ message: ServerMessage) -> [Action] {
        guard let id = message.sessionID, let sequence = message.sequence else { return [] }
        var session = sessions[id] ?? Session()
        // The transcript may go back behind what was seen.
        session.unseenAfter = min(session.lastSequence ?? 0, sequence)
        session.lastSequence = sequence
        sessions[id] = session
        let waiting = Set(unconfirmed.compactMap(\.messageID))
        let asked = session.ownMessages.filter { $0.messageID.map { !waiting.contains($0) } ?? false }
        return (session.seeksOwnEvents ? [] : [.deliver(.message(message))]) + asked.map { .transmit(.textFinal($0)) }
    }

    /// Notes what the message proves. False for one that was delivered before, or that is none of ours.
    private mutating func confirm(_ message: ServerMessage) -> Bool {
        let ids = message.messageIDs + [message.messageID].compactMap { $0 }
        let isOwn = sessions.values.contains { $0.isOwn(ids) }
        var isRetry = false
        if !ids.isEmpty {
            // The agent did not take it and will be back: kept and sent again.
            if case .error(.shuttingDown, _) = message.body, message.sequence == nil { isRetry = true }
            if !isRetry { unconfirmed.removeAll { $0.messageID.map(ids.contains) ?? false } }
        } else if message.body.isOfTurn, let sessionID = message.sessionID {
            // An agent that knows no message ids: its turns come in order.
            if let index = unconfirmed.firstIndex(where: { $0.sessionID == sessionID }) {
                unconfirmed.remove(at: index)
            }
        }
        guard let sessionID = message.sessionID else { return !isRetry }
        var session = sessions[sessionID] ?? Session()
        defer { sessions[sessionID] = session }
        let isWanted = isOwn || !session.seeksOwnEvents
        guard let sequence = message.sequence else {
            if !isRetry, message.endsItsMessage { session.forget(ids) }
            return !isRetry
        }
        if let last = session.lastSequence, sequence <= last {
            guard session.isOwn(ids), let unseen = session.unseenAfter, sequence > unseen else { return false }
        } else {
            session.lastSequence = sequence
        }
        if message.endsItsMessage { session.forget(ids) }
        return isWanted
    }

    private mutating func opening(_ id: String) -> ClientMessage {
        let session = sessions[id] ?? Session()
        // Nothing seen yet, but something sent: its events may have passed while there was no socket.
        let seeks = session.lastSequence == nil && !session.ownMessages.isEmpty
        sessions[id, default: Session()].seeksOwnEvents = seeks
        return .sessionOpen(.init(sessionID: id, afterSequence: seeks ? 0 : session.lastSequence, speak: speak))
    }

    // MARK: Ends

    private mutating func closed(_ code: UInt16?, _ reason: String, _ jitter: Double) -> [Action] {
        switch code {
        case WebSocketCloseCode.revoked: return finish(.revoked)
        case WebSocketCloseCode.replaced: return finish(.replaced)
        case WebSocketCloseCode.protocolError: return finish(.refused(reason.isEmpty ? "protocol error" : reason))
        case let code?: return retry(reason.isEmpty ? "closed with code \(code)" : reason, jitter)
        case nil: return retry("the connection was closed", jitter)
        }
    }

    private mutating func retry(_ reason: String, _ jitter: Double) -> [Action] {
        guard state != .waiting else { return [] }
        failures += 1
        guard failures <= policy.maximumAttempts else { return finish(.unreachable(reason)) }
        state = .waiting
        let delay = policy.delay(afterFailures: failures, jitter: jitter)
        return [.deliver(.disconnected(reason: reason, retryIn: delay)), .wait(delay)]
    }

    private mutating func finish(_ error: ChatError) -> [Action] {
        state = .over
        return [.finish(error)]
    }
}

extension ServerMessage {
    /// Whether nothing more follows of the message that it names.
    fileprivate var endsItsMessage: Bool {
        switch body {
        case .turnComplete: true
        // A message that did not become a turn.
        case .error: turnID == nil && messageID != nil
        default: false
        }
    }
}

extension ServerMessage.Body {
    fileprivate var isBroadcast: Bool {
        switch self {
        case .resourceEvent, .systemSnapshot: true
        default: false
        }
    }

    /// Whether only a turn produces it.
    fileprivate var isOfTurn: Bool {
        switch self {
        case .queued, .status, .delta, .response, .turnComplete, .audioStart, .audioChunk, .audioEnd, .approvalRequest,
            .approvalSettled:
            true
        case .authOK, .pong, .error, .commandResult, .heard, .resourceEvent, .systemSnapshot, .sessionState, .unknown:
            false
        }
    }
}
