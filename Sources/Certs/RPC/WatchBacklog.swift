internal import Synchronization
internal import Transport

// What has a watcher still to be told? Changes wait here while a frame is on its way; several that wait go out together.
// The backlog is bounded: a watcher that falls behind by more is cut off and comes back for a fresh snapshot, so that a
// slow one costs the coordinator no more than a fast one.
//
//   open ──change, beat──▶ open ──take──▶ frames, in order
//    │ ├── more than the limit waits ──▶ overflowed ──take──▶ cut off
//    │ └── the agent is removed, or watches anew ──▶ refused ──take──▶ what waited before, then the error

/// What waits to be sent to one watcher.
struct WatchBacklog {
    enum Outcome: Equatable {
        case nothing
        case frames([WatchFrame])
        /// The frames, the refusal, and the end of the watch.
        case refuse([WatchFrame], RPCError)
        case cutOff
    }

    private enum State {
        case open
        case overflowed
        case refused(RPCError)
    }

    private let watcher: NodeID
    private let limit: Int
    private var state = State.open
    private var waiting: [RosterChange] = []
    private var beat = false

    /// - Parameters:
    ///   - watcher: its own removal ends the watch.
    ///   - limit: changes that may wait.
    init(watcher: NodeID, limit: Int) {
        self.watcher = watcher
        self.limit = limit
    }

    mutating func add(_ change: RosterChange) {
        guard case .open = state else { return }
        switch change {
        case .agentRemoved(watcher):
            state = .refused(RPCError(.forbidden, "this agent was removed from the network"))
        case .everything: overflow()
        case _ where waiting.count == limit: overflow()
        default: waiting.append(change)
        }
    }

    /// A sign of life is due. One that still waits is enough.
    mutating func beatIsDue() { beat = true }

    mutating func refuse(_ error: RPCError) {
        guard case .open = state else { return }
        state = .refused(error)
    }

    /// What is to be done now.
    mutating func take() -> Outcome {
        let frames = takeFrames()
        return switch state {
        case .overflowed: .cutOff
        case .refused(let error): .refuse(frames, error)
        case .open: frames.isEmpty ? .nothing : .frames(frames)
        }
    }

    private mutating func takeFrames() -> [WatchFrame] {
        defer {
            waiting = []
            beat = false
        }
        if waiting.isEmpty { return beat ? [.alive] : [] }
        return waiting.chunks(of: WatchFrame.changesPerFrame).map { .changes($0) }
    }

    private mutating func overflow() {
        state = .overflowed
        waiting = []
    }
}

/// One watch that is open.
final class Watch: Sendable {
    let node: NodeID
    /// An element for everything that may have made ``take()`` worth asking; one that waits stands for all.
    let wakeups: AsyncStream<Void>
    private let wake: AsyncStream<Void>.Continuation
    private let backlog: Mutex<WatchBacklog>

    init(node: NodeID, limit: Int) {
        self.node = node
        backlog = Mutex(WatchBacklog(watcher: node, limit: limit))
        (wakeups, wake) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    func add(_ change: RosterChange) { update { $0.add(change) } }
    func beat() { update { $0.beatIsDue() } }
    func refuse(_ error: RPCError) { update { $0.refuse(error) } }
    func take() -> WatchBacklog.Outcome { backlog.withLock { $0.take() } }

    private func update(_ body: @Sendable (inout WatchBacklog) -> Void) {
        backlog.withLock { body(&$0) }
        wake.yield()
    }
}

/// How a coordinator serves watches. Other values than the defaults are for tests.
struct WatchPolicy: Sendable {
    /// At most so many at a time.
    var watches = 4_096
    /// Between signs of life.
    var heartbeat = Duration.seconds(5)
    /// Changes that may wait for one watcher.
    var backlog = 4_096
    /// Unix seconds between two notes that the agent is there.
    var touchInterval: Double = 60
}

/// Every watch that is open: one for each agent.
final class Watches: Sendable {
    let policy: WatchPolicy
    private let open = Mutex<[NodeID: Watch]>([:])

    init(policy: WatchPolicy = WatchPolicy()) { self.policy = policy }

    /// Begins a watch and ends an older one of the same agent.
    ///
    /// - Returns: nil when there are too many.
    func begin(_ node: NodeID) -> Watch? {
        let watch = Watch(node: node, limit: policy.backlog)
        let (accepted, older) = open.withLock { open -> (Bool, Watch?) in
            let older = open[node]
            guard older != nil || open.count < policy.watches else { return (false, nil) }
            open[node] = watch
            return (true, older)
        }
        older?.refuse(RPCError(.conflict, "a newer watch of this agent began"))
        return accepted ? watch : nil
    }

    func end(_ watch: Watch) {
        open.withLock { if $0[watch.node] === watch { $0[watch.node] = nil } }
    }

    var count: Int { open.withLock(\.count) }
}

extension Array {
    /// Pieces of at most `size` elements, in order.
    func chunks(of size: Int) -> [[Element]] {
        stride(from: 0, to: count, by: size).map { Array(self[$0..<Swift.min($0 + size, count)]) }
    }
}
