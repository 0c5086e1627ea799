internal import Foundation
internal import Wire

// What do `interrupt`, `session_close`, `stop`, `new`, `clear` and `reset` do? The words by which a user ends what runs
// and waits, and by which a conversation is put away (websocket.md §4, §5).

extension SessionManager {
    /// What was ended in one go.
    struct Stopped: Sendable {
        /// Turns that were running.
        var running = 0
        /// Turns that waited.
        var dropped = 0
        /// Those among them whose end is not on disk yet.
        var unsaved = 0
        /// Conversations that went into the archive.
        var archived = 0
    }

    /// Stops the running turn of a session; what waits goes on, except for text that is being gathered. No answer of its
    /// own.
    func interrupt(sessionID: String, by caller: Caller) async {
        let key = SessionKey(handle: caller.handle, sessionID: sessionID)
        await discardGathered(in: key, by: caller)
        _ = interrupt(.user) { $0.key == key }
    }

    /// Stops the running turn of a session and drops those that wait; the transcript stays.
    func close(sessionID: String, by caller: Caller, on watcher: Watcher) async {
        let key = SessionKey(handle: caller.handle, sessionID: sessionID)
        _ = interrupt(.user) { $0.key == key }
        await dropWaiting { $0.key == key }
        _ = pendingAttachments.take(for: attachmentKey(sessionID, caller))
        watched[watcher.id]?.remove(key)
        sessions[key]?.unwatch(watcher.id)
        forgetIfIdle(key)
    }

    /// Stops what runs and waits in a session, and archives its transcript.
    ///
    /// - Parameter removing: the session itself goes, too. What a stopped turn says last is added to its archive.
    /// - Throws: when it cannot be archived; then nothing of it is forgotten.
    func clear(_ key: SessionKey, removing: Bool = false) async throws -> Stopped {
        try await clear(handle: key.handle, sessionID: key.sessionID, removing: removing) { $0.key == key }
    }

    // MARK: Commands

    func stopping(_ request: ClientMessage.Command, _ caller: Caller) async -> String {
        let matches = scope(of: request, caller)
        var stopped = Stopped(running: interrupt(.user, where: matches))
        (stopped.dropped, stopped.unsaved) = await dropWaiting(where: matches)
        let parts = Self.parts(of: stopped)
        return parts.isEmpty ? "Nothing running." : Self.sentence(parts)
    }

    func startingAfresh(_ request: ClientMessage.Command, _ caller: Caller) async throws -> String {
        let stopped = try await clear(
            handle: caller.handle, sessionID: request.sessionID, where: scope(of: request, caller))
        var parts = Self.parts(of: stopped)
        if stopped.archived > 0 {
            broadcasts.publish(.session, .deleted, id: request.sessionID, to: [.handle(caller.handle)])
            parts.append("forgot \(stopped.archived) prior conversation\(stopped.archived == 1 ? "" : "s")")
        }
        parts.append("fresh session: \(random.hex(4))")
        return Self.sentence(parts)
    }

    // MARK: Parts

    /// The turns of the session that is named, else those of this user on this device.
    private func scope(of request: ClientMessage.Command, _ caller: Caller) -> (Turn) -> Bool {
        if let sessionID = request.sessionID {
            let key = SessionKey(handle: caller.handle, sessionID: sessionID)
            return { $0.key == key }
        }
        return { $0.record.sender == caller.sender }
    }

    private func clear(
        handle: String, sessionID: String?, removing: Bool = false, where matches: (Turn) -> Bool
    ) async throws -> Stopped {
        var ended = running.values.filter { matches($0.turn) }.map(\.turn.id)
        var stopped = Stopped(running: interrupt(.userForgets, where: matches))
        (stopped.dropped, stopped.unsaved) = await dropWaiting { turn in
            guard matches(turn) else { return false }
            ended.append(turn.id)
            return true
        }
        stopped.archived = try await repository.forgetHistory(
            handle: handle, sessionID: sessionID, removing: removing, ended: ended, now: now())
        return stopped
    }

    private static func parts(of stopped: Stopped) -> [String] {
        var parts: [String] = []
        if stopped.running > 0 { parts.append("Stopped current operation") }
        if stopped.dropped > 0 {
            parts.append("cleared \(stopped.dropped) queued message\(stopped.dropped == 1 ? "" : "s")")
        }
        if stopped.unsaved > 0 {
            parts.append(
                "\(stopped.unsaved) of them will run after a restart unless the disk takes it before: it does not now")
        }
        return parts
    }

    private static func sentence(_ parts: [String]) -> String { parts.joined(separator: ". ") + "." }
}
