public import Agent
internal import Certs
internal import Logging
internal import Store
internal import Synchronization
public import Transport
internal import Wire

// How does something that nobody typed become a turn? Like a message of `POST /api/chat`, without a request: accepted durably
// under its message id in a user's name, in a lane of its own, and waited for. The same message id is the same turn, so whoever
// asks again after a restart gets the end that it had, or waits for it.

/// Unattended turns in the sessions of a gateway.
public final class UnattendedSessions: UnattendedTurns {
    private struct Place {
        let sessions: SessionManager
        let live: LiveConnections
        let membership: any Membership
        let limits: GatewayLimits
        let logger: Logger
    }

    private let place = Mutex<Place?>(nil)
    private let agent: NodeID
    private let time: TimeSource
    /// How often a message is sent again that the disk did not take, with a pause that doubles from a second on.
    private static let attempts = 8
    private static let longestPause = 30.0

    /// - Parameter agent: in whose sessions they run; it counts as the device.
    public init(agent: NodeID, time: TimeSource = .system) {
        self.agent = agent
        self.time = time
    }

    /// The gateway is there. Before that nothing runs.
    func attach(
        _ sessions: SessionManager, _ live: LiveConnections, _ membership: any Membership, _ limits: GatewayLimits,
        _ logger: Logger
    ) {
        place.withLock {
            $0 = Place(sessions: sessions, live: live, membership: membership, limits: limits, logger: logger)
        }
    }

    /// The gateway is gone, and must not be held: what its sessions need may lead back here.
    func detach() { place.withLock { $0 = nil } }

    public func run(_ turn: UnattendedTurn) async throws -> UnattendedAnswer {
        guard let place = place.withLock({ $0 }) else { throw AgentError.storage("nobody serves the agent") }
        let role: Role
        switch place.membership.standing(ofHandle: turn.handle) {
        case .active(let own): role = own == .admin ? .admin : .member
        case let standing: return .refused(standing.refusal(of: turn.handle))
        }
        let caller = Caller(unattended: turn.handle, role: role, agent: agent)
        do {
            try await place.sessions.pin(turn, for: caller)
            return try await withTaskCancellationHandler {
                try await ask(turn, caller, place)
            } onCancel: {
                // The task that was cancelled cannot write any more.
                place.sessions.stopUnattended(turn, by: caller)
            }
        } catch let error as SessionStorageError {
            return .refused(error.description)
        }
    }

    // MARK: One message

    private enum Heard {
        case answer(UnattendedAnswer)
        /// The disk takes nothing at the moment.
        case later(String)
        /// There was too much to hear at once.
        case lost
    }

    private func ask(_ turn: UnattendedTurn, _ caller: Caller, _ place: Place) async throws -> UnattendedAnswer {
        var (attempt, pause) = (1, 1.0)
        while true {
            switch try await listen(turn, caller, place) {
            case .answer(let answer):
                if turn.forgets, let id = answer.turnID {
                    do { try await place.sessions.repository.forget(turn: id) } catch {
                        place.logger.error("sessions::not_forgotten", metadata: ["error": "\(error)"])
                    }
                }
                return answer
            case .later(let text) where attempt == Self.attempts: return .refused(text)
            case .later:
                attempt += 1
                try await time.sleep(.seconds(pause))
                pause = min(2 * pause, Self.longestPause)
            case .lost: try Task.checkCancellation()
            }
        }
    }

    private func listen(_ turn: UnattendedTurn, _ caller: Caller, _ place: Place) async throws -> Heard {
        let outbox = Outbox(limits: place.limits)
        let watcher = Watcher(id: place.live.nextID(), outbox: outbox, hearsSpeech: false)
        defer { place.sessions.leave(watcher.id) }
        var message = ClientMessage.TextFinal(
            sessionID: turn.sessionID, text: turn.text, messageID: turn.messageID, source: .system)
        // A message that came again is asked for where it is.
        if let earlier = try await place.sessions.session(ofMessage: turn.messageID, from: caller) {
            message.sessionID = earlier
        }
        await place.sessions.accept(message, from: caller, on: watcher)
        var awaited = AwaitedTurn(messageID: turn.messageID, sessionID: message.sessionID)
        while let items = await outbox.next() {
            for case .text(let frame) in items {
                guard let heard = try? ServerMessage(json: frame) else { continue }
                switch awaited.take(heard) {
                case .refused(.shuttingDown, _): throw CancellationError()
                case .refused(.unavailable, let text): return .later(text)
                case .refused(_, let text): return .answer(.refused(text))
                case .end: return .answer(UnattendedAnswer(awaited))
                case .elsewhere, .event, .ignored: continue
                }
            }
        }
        guard Task.isCancelled else { return .lost }
        // It may have become a turn behind the first word to stop it.
        place.sessions.stopUnattended(turn, by: caller)
        throw CancellationError()
    }
}

extension SessionManager {
    /// Has the turn's model answer in its session.
    fileprivate func pin(_ turn: UnattendedTurn, for caller: Caller) async throws {
        guard try await repository.model(handle: caller.handle, sessionID: turn.sessionID) != turn.model else { return }
        try await repository.pin(
            model: turn.model, handle: caller.handle, sessionID: turn.sessionID, limit: limits.sessionsPerUser,
            now: now())
    }

    /// Whoever waits for the turn wants it no more. While the gateway shuts down that means nothing: turns end in good order, and
    /// what waits runs after the next start.
    fileprivate nonisolated func stopUnattended(_ turn: UnattendedTurn, by caller: Caller) {
        errandsContinuation.yield { await self.stop(message: turn.messageID, forgetting: turn.forgets, from: caller) }
    }

    private func stop(message: String, forgetting: Bool, from caller: Caller) async {
        guard phase == .accepting else { return }
        let matches: (Turn) -> Bool = {
            $0.record.messageIDs.contains(message) && $0.record.sender == caller.sender
        }
        _ = interrupt(forgetting ? .userForgets : .user, where: matches)
        await dropWaiting(where: matches)
    }
}

extension Membership {
    /// What the agent may do in a user's name at this moment; the operator is nobody's user.
    func standing(ofHandle handle: String) -> DeviceStanding {
        handle == Principal.operator.auditName ? .active(role: .admin) : standing(ofUser: handle)
    }

    /// Whether a turn in a user's name that waits, maybe since before this process began, may not run. While nobody can be asked it
    /// may: it was let in when somebody could.
    func forbidsActing(as handle: String) -> Bool {
        switch standing(ofHandle: handle) {
        case .suspended, .unknown, .revoked: true
        case .active, .unavailable: false
        }
    }
}

extension DeviceStanding {
    /// Why nothing runs in this user's name.
    fileprivate func refusal(of handle: String) -> String {
        switch self {
        case .active: ""
        case .suspended: "The user \(handle) is suspended."
        case .unknown, .revoked: "There is no user \(handle) any more."
        case .unavailable: "Nobody who knows the users of this network can be asked at the moment."
        }
    }
}

extension UnattendedAnswer {
    /// It did not become a turn.
    fileprivate static func refused(_ reason: String) -> UnattendedAnswer {
        UnattendedAnswer(ending: .failed(reason), text: "")
    }

    /// The turn has ended.
    fileprivate init(_ turn: AwaitedTurn) {
        let ending: Ending =
            switch turn.completion?.reason {
            case .completed, .empty: .completed
            case .error: .failed(turn.failure?.text ?? turn.text)
            case .cancelled: .cancelled
            default: .failed("The turn ended without a word.")
            }
        // Where the text says only why it failed, it is no answer.
        let isAnswer = turn.completion?.reason != .error || turn.failure != nil
        self.init(
            ending: ending, text: isAnswer ? turn.text : "", turnID: turn.turnID, model: turn.model,
            usage: TurnUsage(
                inputTokens: turn.completion?.inputTokens ?? 0, outputTokens: turn.completion?.outputTokens ?? 0,
                cost: turn.completion?.cost ?? 0))
    }
}
