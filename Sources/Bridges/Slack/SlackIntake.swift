internal import Synchronization

// In which order is heard what was said, and when is it acknowledged? Chats side by side, each in its order; an envelope when its update is
// kept, and so is every repeat of it that came meanwhile.

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

/// What has come and is not kept yet.
final class SlackIntake: Sendable {
    typealias Acknowledgement = @Sendable () async -> Void

    private struct State {
        /// By the update's id: who waits for it.
        var waiting: [String: [Acknowledgement]] = [:]
        /// By session: what comes after the one that is being taken. An entry means that somebody works on this session.
        var lanes: [String: [InboundUpdate]] = [:]
    }

    enum Reception: Equatable {
        /// The session's lane is free: ``run(_:_:)`` must be called.
        case begins
        case queued
        /// There is too much. It is not acknowledged, so that Slack brings it again.
        case dropped
    }

    private static let mostRepeats = 16

    private let most: Int
    private let state = Mutex(State())

    init(most: Int = 1000) { self.most = most }

    func add(_ update: InboundUpdate, _ acknowledgement: @escaping Acknowledgement) -> Reception {
        state.withLock { state in
            if let known = state.waiting[update.id] {
                guard known.count < Self.mostRepeats else { return .dropped }
                state.waiting[update.id] = known + [acknowledgement]
                return .queued
            }
            guard state.waiting.count < most else { return .dropped }
            state.waiting[update.id] = [acknowledgement]
            if state.lanes[update.session] != nil {
                state.lanes[update.session]?.append(update)
                return .queued
            }
            state.lanes[update.session] = [update]
            return .begins
        }
    }

    /// Hands over what a session's lane holds until it is empty.
    func run(_ session: String, _ inbox: any Inbox) async throws {
        while let update = next(session) {
            try await inbox.receive(update)
            for acknowledge in finish(update.id) { await acknowledge() }
        }
    }

    private func next(_ session: String) -> InboundUpdate? {
        state.withLock { state in
            guard let lane = state.lanes[session], let first = lane.first else {
                state.lanes[session] = nil
                return nil
            }
            state.lanes[session] = Array(lane.dropFirst())
            return first
        }
    }

    private func finish(_ id: String) -> [Acknowledgement] {
        state.withLock { $0.waiting.removeValue(forKey: id) ?? [] }
    }
}
