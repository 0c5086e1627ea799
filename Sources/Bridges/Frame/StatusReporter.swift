internal import Store
internal import Synchronization
internal import Wire

// How do admins learn how the bridge is? It tells the agent when something changed, and not more often than they could read. What can't be
// told now is told with what comes next.

final class StatusReporter: Sendable {
    private struct State {
        var state = BridgeStatus.State.connecting
        var since: Double
        var account: String?
        var problem: String?
    }

    private let store: BridgeRepository
    private let agent: AgentCalls
    private let seams: BridgeSeams
    private let state: Mutex<State>
    private let news = Bell()

    init(_ store: BridgeRepository, _ agent: AgentCalls, _ seams: BridgeSeams) {
        self.store = store
        self.agent = agent
        self.seams = seams
        state = Mutex(State(since: seams.now()))
    }

    /// - Parameter problem: a sentence without secrets.
    func set(_ new: BridgeStatus.State, account: String? = nil, problem: String? = nil) {
        state.withLock { state in
            if state.state != new { state.since = seams.now() }
            state.state = new
            state.account = account ?? state.account
            state.problem = problem
        }
        news.ring()
    }

    /// Something else may have changed: what waits, or which chats are parked.
    func note() { news.ring() }

    /// Tells, until the task is cancelled.
    func run() async throws {
        var told: BridgeStatus?
        while true {
            let rings = news.rings
            var isTold = true
            if let current = try? await current(), current != told {
                isTold = (try? await agent.report(current)) ?? false
                if isTold { told = current }
            }
            try await seams.sleep(seams.reportPause)
            if isTold {
                await news.wait(after: rings)
            } else {
                await news.wait(after: rings) { [seams] in try await seams.sleep(seams.reportPause) }
            }
            try Task.checkCancellation()
        }
    }

    /// How the bridge is at the moment.
    func current() async throws -> BridgeStatus {
        let state = state.withLock { $0 }
        let parked = try await store.parked().prefix(BridgeStatus.mostParked).map {
            BridgeStatus.Parked(chat: $0.chat, reason: String($0.reason.prefix(200)))
        }
        return BridgeStatus(
            state: state.state, account: state.account, since: state.since, waiting: try await store.waitingCount(),
            parked: parked, problem: state.problem)
    }
}
