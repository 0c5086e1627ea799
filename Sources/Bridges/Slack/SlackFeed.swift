internal import Synchronization

// Where does what the connections tell come together? In one line, of which envelopes take no more room than there is.

/// What connections tell, in order, until somebody looks at it.
final class SlackFeed: Sendable {
    private let happenings: AsyncStream<SlackHappening>
    private let continuation: AsyncStream<SlackHappening>.Continuation
    private let envelopes = Mutex(0)
    private let most: Int

    init(most: Int = 1000) {
        (happenings, continuation) = AsyncStream.makeStream()
        self.most = most
    }

    /// An envelope for which there is no room is let fall, and Slack brings it again. All else a connection tells once.
    func put(_ happening: SlackHappening) {
        if case .envelope = happening {
            let isRoom = envelopes.withLock { count in
                guard count < most else { return false }
                count += 1
                return true
            }
            guard isRoom else { return }
        }
        continuation.yield(happening)
    }

    /// Hands over what comes, one after the other, until the task is cancelled.
    func forEach(_ body: (SlackHappening) async throws -> Void) async throws {
        for await happening in happenings {
            if case .envelope = happening { envelopes.withLock { $0 -= 1 } }
            try await body(happening)
        }
    }
}
