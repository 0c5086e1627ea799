internal import Logging
internal import Store
internal import Wire

// What does a socket see of a session? Everything from the moment it watches, and on request what it missed before, with
// no gap and no repeat in between: replay ends exactly where live events begin.

extension SessionManager {
    /// Stored events fetched at a time during replay.
    private static let replayPage = 200
    private static let largestNumber = 1 << 53 - 1

    /// Watches a session, live or after what the client missed.
    func open(_ open: ClientMessage.SessionOpen, for caller: Caller, on watcher: Watcher) async {
        let key = SessionKey(handle: caller.handle, sessionID: open.sessionID)
        guard isUsable(open.sessionID) else {
            let text = "An id may not be empty or longer than 256 bytes."
            return reply(ServerMessage(.error(code: .badMessage, text: text)), watcher)
        }
        // Larger numbers do not survive the JSON readers of browsers; no session has come that far.
        if let after = open.afterSequence, !(0...Self.largestNumber).contains(after) {
            let text = "after_seq must be the seq of an event, or 0 for everything that is kept."
            return reply(ServerMessage(.error(code: .invalid, text: text), sessionID: open.sessionID), watcher)
        }
        guard mayWatch(key, watcher) else {
            let text = "This connection watches too many sessions."
            return reply(ServerMessage(.error(code: .tooLarge, text: text), sessionID: open.sessionID), watcher)
        }
        do {
            try await prepare(key, events: 0)
            watch(key, watcher)
            sessions[key]?.settings.apply(open)
            if let after = open.afterSequence { try await replay(key, after: Int64(after), to: watcher) }
        } catch is CancellationError {
            // The socket is gone.
        } catch {
            logger.error("sessions::not_replayed", metadata: ["error": "\(error)"])
            let text = "This session cannot be opened: \(StorageFault(error)). Try again later."
            reply(ServerMessage(.error(code: .unavailable, text: text), sessionID: open.sessionID), watcher)
            // A client that believes it is up to date would never ask again.
            if open.afterSequence != nil { watcher.outbox.close(.restarting) }
        }
    }

    /// The socket is gone. Turns go on.
    func detach(_ watcher: UInt64) {
        answers[watcher] = nil
        for key in watched.removeValue(forKey: watcher) ?? [] {
            sessions[key]?.unwatch(watcher)
            forgetIfIdle(key)
        }
    }

    /// Whether the socket watches the session already, or has room for one more.
    func mayWatch(_ key: SessionKey, _ watcher: Watcher) -> Bool {
        let known = watched[watcher.id, default: []]
        let most = watcher.isOfBridge ? limits.sessionsPerUser : limits.sessionsPerSocket
        return known.contains(key) || known.count < most
    }

    /// From now on the socket gets what happens in the session.
    func watch(_ key: SessionKey, _ watcher: Watcher) {
        watched[watcher.id, default: []].insert(key)
        sessions[key]?.watch(watcher)
    }

    /// Sends the events behind `after` that were released so far; later ones are held until these are through. What is
    /// no longer kept is told by the transcript, which stands for all events up to its own number.
    private func replay(_ key: SessionKey, after: Int64, to watcher: Watcher) async throws {
        sessions[key]?.beginReplay(to: watcher)
        guard let channel = sessions[key] else { return }
        let end = channel.log.released
        var cursor = after
        if after > end {
            // Only after an older database was put in the place of the one that had got so far.
            cursor = try await tellState(channel, .numberUnknown, key, to: watcher)
        }
        while cursor < end {
            let stored = try await repository.events(
                of: channel.row, after: cursor, through: end, limit: Self.replayPage)
            guard stored.floor <= cursor else {
                cursor = try await tellState(channel, .eventsForgotten, key, to: watcher)
                continue
            }
            let pageEnd = stored.isCut ? stored.events.last?.sequence ?? end : end
            let live = channel.live.events(after: cursor, through: pageEnd)
            let page = stored.events.map { ($0.sequence, $0.frame) } + live.map { ($0.sequence, $0.frame) }
            for (_, frame) in page.sorted(by: { $0.0 < $1.0 }) { await watcher.outbox.sendWhenRoom(.text(frame)) }
            cursor = pageEnd
        }
        while let held = sessions[key]?.takeHeld(for: watcher) {
            for event in held where event.sequence > cursor { await watcher.outbox.sendWhenRoom(.text(event.frame)) }
        }
    }

    /// - Returns: the number up to which nothing needs to be told any more.
    private func tellState(
        _ channel: SessionChannel, _ reason: ServerMessage.SessionState.Reason, _ key: SessionKey, to watcher: Watcher
    ) async throws -> Int64 {
        let state = try await repository.state(
            of: channel.row, through: channel.log.released, before: channel.live.first, count: limits.historyMessages,
            bytes: limits.stateLength)
        let title = try await repository.title(handle: key.handle, sessionID: key.sessionID)
        let messages = state.messages.map {
            ServerMessage.SessionState.Message(role: $0.role, text: $0.text, interrupted: $0.interrupted)
        }
        let body = ServerMessage.Body.sessionState(
            .init(messages: messages, truncated: state.isTruncated, reason: reason, title: title))
        await watcher.outbox.sendWhenRoom(
            .text(ServerMessage(body, sessionID: key.sessionID, sequence: Int(state.sequence)).frame))
        return state.sequence
    }

    // MARK: Repeats

    /// The same message again: its sender learns what became of it, and nothing runs twice.
    func tellState(of record: TurnRecord, _ watcher: Watcher) async {
        let position = lane(record.lane)?.position(of: record.id)
        reply(unnumbered(.queued(position: position ?? 0), of: record), watcher)
        guard position == nil else { return }
        // It has ended: `response` and `turn_complete` once more, with the numbers that they had.
        let ending = (try? await repository.lastEvents(of: record.id, limit: 2)) ?? []
        if ending.count < 2, let answer = try? await repository.answer(of: record.id) {
            // The events are gone, the transcript is not.
            reply(unnumbered(.response(text: answer.text, model: nil), of: record), watcher)
        }
        if let last = ending.last {
            // What waits for earlier events comes in its place among them: its sender watches the session. Told now, it
            // would make those earlier ones look old.
            let key = SessionKey(handle: record.handle, sessionID: record.sessionID)
            guard last.sequence <= sessions[key]?.log.released ?? .max else { return }
            if ending.count == 2 { watcher.outbox.send(.text(ending[0].frame)) }
            watcher.outbox.send(.text(last.frame))
            // A message that was added while its turn was being dropped is not named there.
            if !record.state.isOpen, !Self.names(record.messageIDs, in: last.frame) {
                reply(unnumbered(.turnComplete(.init(reason: record.state.reason)), of: record), watcher)
            }
        } else {
            reply(unnumbered(.turnComplete(.init(reason: record.state.reason)), of: record), watcher)
        }
    }

    private static func names(_ ids: [String], in frame: String) -> Bool {
        guard let message = try? ServerMessage(json: frame) else { return false }
        return Set(ids).isSubset(of: message.messageIDs + [message.messageID].compactMap { $0 })
    }

    /// A frame of a turn outside of the numbered stream.
    func unnumbered(_ body: ServerMessage.Body, of record: TurnRecord) -> ServerMessage {
        var message = ServerMessage(
            body, sessionID: record.sessionID, turnID: record.id, messageID: record.messageID)
        message.messageIDs = record.messageIDs
        return message
    }
}

extension TurnState {
    /// It has no end yet.
    fileprivate var isOpen: Bool {
        switch self {
        case .accepted, .running: true
        case .completed, .failed, .cancelled, .interrupted: false
        }
    }

    fileprivate var reason: ServerMessage.TurnComplete.Reason {
        switch self {
        case .completed: .completed
        case .failed: .error
        case .accepted, .running, .cancelled, .interrupted: .cancelled
        }
    }
}
