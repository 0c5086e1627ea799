internal import Store
internal import Wire

// How does a session get into memory, and how do its events get their numbers? Whoever only looks at a session leaves nothing
// behind on disk: a row is made, and numbers are reserved, for the first event.

extension SessionManager {
    /// Loads the session if it is not in memory, and makes sure that `events` numbers can be handed out at once.
    ///
    /// - Throws: ``SessionStorageError/tooMany(limit:)`` when the user may not have one more session.
    func prepare(_ key: SessionKey, events: Int64) async throws {
        while true {
            guard let channel = sessions[key] else {
                if events > 0 { try await reserve(key) } else { try await look(up: key) }
                continue
            }
            guard channel.log.available < events else { return }
            guard channel.isReserved else {
                try await reserve(key)
                continue
            }
            let limit = channel.log.limit + Self.sequenceBlock
            try await repository.reserveSequences(through: limit, of: channel.row)
            sessions[key]?.log.extend(to: limit)
        }
    }

    /// Makes the session if it is not there, and reserves numbers in the same transaction: nobody else gets them.
    private func reserve(_ key: SessionKey) async throws {
        let record = try await repository.open(
            handle: key.handle, sessionID: key.sessionID, reserving: Self.sequenceBlock,
            limit: limits.sessionsPerUser, now: now())
        if record.isNew { announce(.created, key) }
        // Another caller may have been faster; the numbers reserved here are then never used.
        if sessions[key] == nil {
            sessions[key] = SessionChannel(record, isReserved: true, limits: limits)
        } else {
            sessions[key]?.adopt(record)
        }
    }

    /// Reads where the session is; nothing is written.
    private func look(up key: SessionKey) async throws {
        let before = forgottenSessions
        let record = try await repository.find(handle: key.handle, sessionID: key.sessionID)
        // What was read may be older than what a session that has come and gone meanwhile has told.
        guard sessions[key] == nil, before == forgottenSessions else { return }
        sessions[key] = SessionChannel(record ?? .absent, isReserved: false, limits: limits)
    }

    func forgetIfIdle(_ key: SessionKey) {
        guard sessions[key]?.isIdle ?? false else { return }
        sessions[key] = nil
        forgottenSessions += 1
    }

    /// The number up to which the session's events can be told in their order.
    func released(in key: SessionKey) -> Int64 { sessions[key]?.log.released ?? .max }

    func isUsable(_ identifier: String) -> Bool {
        !identifier.isEmpty && identifier.utf8.count <= limits.identifierLength
    }

    // MARK: Frames

    /// A numbered event of a turn; nil when the session has no number left, which ``prepare(_:events:)`` prevents.
    func event(_ body: ServerMessage.Body, of turn: Turn, budget: BudgetDetails? = nil) -> EventLog.Event? {
        guard let sequence = sessions[turn.key]?.log.reserve() else { return nil }
        var message = ServerMessage(
            body, sessionID: turn.key.sessionID, sequence: Int(sequence), turnID: turn.id,
            messageID: turn.record.messageID)
        message.messageIDs = turn.record.messageIDs
        if case .error = body { message.budget = budget }
        return EventLog.Event(sequence: sequence, turnID: turn.id, frame: message.frame)
    }

    /// Straight to one socket, outside of the numbered stream.
    func reply(_ message: ServerMessage, _ watcher: Watcher) {
        watcher.outbox.send(.text(message.frame))
    }
}
