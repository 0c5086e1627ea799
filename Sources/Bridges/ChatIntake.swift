internal import Synchronization

// In which order is handed over what was heard, and when is it confirmed? Chats side by side, each in its order; an update when it is kept,
// and so is every repeat of it that came meanwhile. For platforms that bring several at a time.

/// What has come and is not kept yet.
final class ChatIntake: Sendable {
    typealias Confirmation = @Sendable () async -> Void

    private struct State {
        /// By the update's id: who waits for it.
        var waiting: [String: [Confirmation]] = [:]
        /// By session: what comes after the one that is being taken. An entry means that somebody works on this session.
        var lanes: [String: [InboundUpdate]] = [:]
    }

    enum Reception: Equatable {
        /// The session's lane begins.
        case begins
        case queued
        /// There is too much. It is not confirmed, so that the platform brings it again.
        case dropped
    }

    private enum Event {
        case begin(String)
        case failed(any Error)
    }

    private static let mostRepeats = 16

    private let most: Int
    private let state = Mutex(State())
    private let events: AsyncStream<Event>
    private let feed: AsyncStream<Event>.Continuation

    init(most: Int = 1000) {
        self.most = most
        (events, feed) = AsyncStream.makeStream()
    }

    @discardableResult
    func add(_ update: InboundUpdate, _ confirmation: @escaping Confirmation) -> Reception {
        let reception = state.withLock { state -> Reception in
            if let known = state.waiting[update.id] {
                guard known.count < Self.mostRepeats else { return .dropped }
                state.waiting[update.id] = known + [confirmation]
                return .queued
            }
            guard state.waiting.count < most else { return .dropped }
            state.waiting[update.id] = [confirmation]
            if state.lanes[update.session] != nil {
                state.lanes[update.session]?.append(update)
                return .queued
            }
            state.lanes[update.session] = [update]
            return .begins
        }
        if reception == .begins { feed.yield(.begin(update.session)) }
        return reception
    }

    /// Whether something of a session is not kept yet.
    func holds(_ session: String) -> Bool { state.withLock { $0.lanes[session] != nil } }

    /// Hands over what `source` adds, while that runs. Once.
    ///
    /// - Throws: what `source` or the inbox throws; `CancellationError`.
    func run(_ inbox: any Inbox, _ source: @escaping @Sendable () async throws -> Void) async throws {
        try await withThrowingDiscardingTaskGroup { group in
            group.addTask {
                do {
                    try await source()
                    self.feed.yield(.failed(CancellationError()))
                } catch { self.feed.yield(.failed(error)) }
            }
            // What a task of the group throws does not wake whoever waits here: so it is told.
            for await event in events {
                switch event {
                case .begin(let session):
                    group.addTask {
                        do { try await self.empty(session, inbox) } catch { self.feed.yield(.failed(error)) }
                    }
                case .failed(let error): throw error
                }
            }
        }
        throw CancellationError()
    }

    private func empty(_ session: String, _ inbox: any Inbox) async throws {
        while let update = next(session) {
            try await inbox.receive(update)
            for confirm in finish(update.id) { await confirm() }
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

    private func finish(_ id: String) -> [Confirmation] {
        state.withLock { $0.waiting.removeValue(forKey: id) ?? [] }
    }
}
