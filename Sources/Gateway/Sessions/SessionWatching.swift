internal import Logging
internal import Store
internal import Wire

// What does a socket see of a session? Everything from the moment it watches, and on request what it missed before, with
// no gap and no repeat in between: replay ends exactly where live events begin.

extension SessionManager {
    /// Stored events fetched at a time during replay.
    private static let replayPage = 200

    /// Watches a session, live or after what the client missed.
    func open(_ open: ClientMessage.SessionOpen, for caller: Caller, on watcher: Watcher) async {
        let key = SessionKey(handle: caller.handle, sessionID: open.sessionID)
        guard isUsable(open.sessionID) else {
            return reply(ServerMessage(.error(code: .badMessage, text: "This id is too long.")), watcher)
        }
        guard mayWatch(key, watcher) else {
            let text = "This connection watches too many sessions."
            return reply(ServerMessage(.error(code: .tooLarge, text: text), sessionID: open.sessionID), watcher)
        }
        do {
            try await prepare(key, events: 0)
            watch(key, watcher)
            if let after = open.afterSequence { try await replay(key, after: Int64(after), to: watcher) }
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
        for key in watched.removeValue(forKey: watcher) ?? [] {
            sessions[key]?.unwatch(watcher)
            forgetIfIdle(key)
        }
    }

    /// Whether the socket watches the session already, or has room for one more.
    func mayWatch(_ key: SessionKey, _ watcher: Watcher) -> Bool {
        let known = watched[watcher.id, default: []]
        return known.contains(key) || known.count < limits.sessionsPerSocket
    }

    /// From now on the socket gets what happens in the session.
    func watch(_ key: SessionKey, _ watcher: Watcher) {
        watched[watcher.id, default: []].insert(key)
        sessions[key]?.watch(watcher)
    }

    /// Sends the events behind `after` that were released so far; later ones are held until these are through.
    private func replay(_ key: SessionKey, after: Int64, to watcher: Watcher) async throws {
        sessions[key]?.beginReplay(to: watcher)
        guard let channel = sessions[key] else { return }
        let end = channel.log.released
        var cursor = after
        while cursor < end {
            let stored = try await repository.events(
                of: channel.row, after: cursor, through: end, limit: Self.replayPage)
            let pageEnd = stored.count == Self.replayPage ? stored.last?.sequence ?? end : end
            let live = channel.live.events(after: cursor, through: pageEnd)
            let page = stored.map { ($0.sequence, $0.frame) } + live.map { ($0.sequence, $0.frame) }
            for (_, frame) in page.sorted(by: { $0.0 < $1.0 }) { await watcher.outbox.sendWhenRoom(.text(frame)) }
            cursor = pageEnd
        }
        while let held = sessions[key]?.takeHeld(for: watcher) {
            for event in held { await watcher.outbox.sendWhenRoom(.text(event.frame)) }
        }
    }
}
