internal import Wire

// What do a user's devices hear of a conversation that they do not watch? That there is a new one, that one has gone on, that
// one was cleared: enough to show a list that is true. Only its owner's devices hear it. A conversation that goes on and on is
// told of once a second: each turn of each device would otherwise be told to all of them.
//
//     quiet ──goes on──▶ told, and resting ──goes on──▶ resting with news ──a second──▶ told, and resting
//       ◀────────────────a second─────────────┘

/// The sessions of which was told lately.
struct SessionNews: Sendable {
    /// How long nothing more is told of a session that goes on.
    static let rest = Duration.seconds(1)

    /// Sessions that rest, and whether there is something to be told afterwards.
    private var resting: [SessionKey: Bool] = [:]
    /// Sessions that have begun to rest. One consumer.
    let rests: AsyncStream<SessionKey>
    private let begin: AsyncStream<SessionKey>.Continuation

    init() { (rests, begin) = AsyncStream.makeStream() }

    /// The session has gone on.
    ///
    /// - Returns: whether that is to be told now.
    mutating func goOn(_ key: SessionKey) -> Bool {
        guard resting[key] == nil else {
            resting[key] = true
            return false
        }
        resting[key] = false
        begin.yield(key)
        return true
    }

    /// The session has rested.
    ///
    /// - Returns: whether it has gone on meanwhile; it rests again then.
    mutating func wake(_ key: SessionKey) -> Bool {
        guard resting[key] == true else {
            resting[key] = nil
            return false
        }
        resting[key] = false
        return true
    }
}

extension SessionManager {
    /// Something has become of a session.
    func announce(_ action: Broadcasts.Action, _ key: SessionKey) {
        guard action != .updated || news.goOn(key) else { return }
        publish(action, key)
    }

    /// Tells what has waited to be told, until the task is cancelled.
    nonisolated func tellNews() async {
        await withDiscardingTaskGroup { group in
            for await key in await news.rests {
                group.addTask {
                    repeat {
                        do { try await Task.sleep(for: SessionNews.rest) } catch { return }
                    } while await self.tellRested(key)
                }
            }
            group.cancelAll()
        }
    }

    private func tellRested(_ key: SessionKey) -> Bool {
        let hasNews = news.wake(key)
        if hasNews { publish(.updated, key) }
        return hasNews
    }

    private func publish(_ action: Broadcasts.Action, _ key: SessionKey) {
        broadcasts.publish(.session, action, id: key.sessionID, to: [.handle(key.handle)])
    }

    /// A turn is over whose tools may have written what others show.
    nonisolated func announce(changesBy tools: TurnTools) {
        for resource in tools.changed { broadcasts.publish(resource, .changed, to: [.everybody]) }
    }
}
