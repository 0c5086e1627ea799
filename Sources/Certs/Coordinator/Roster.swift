internal import Store
internal import Synchronization
public import Transport

// Who is in good standing at this moment? The coordinator's rows in memory, changed in the same step in which the database
// commits, so that a gateway can ask on every request without I/O. It decides nothing: the rules do.

/// The standing of every user, device and agent of the network, in memory.
public final class Roster: Sendable {
    private struct State {
        var members = RosterState()
        var subscribers = RosterSubscribers()
    }

    private let state = Mutex(State())

    init(users: [UserRecord], devices: [DeviceRecord], agents: [AgentRecord]) {
        for user in users { apply(.user(user.handle, role: user.role, status: user.status)) }
        for device in devices { set(device) }
        for agent in agents { set(agent) }
    }

    /// What is known about `device` as a device of `handle`. Takes no I/O and never waits.
    public func standing(of device: NodeID, handle: String) -> DeviceStanding {
        state.withLock { $0.members.standing(of: device, handle: handle) }
    }

    /// Whether this is a device or an agent in good standing, whoever's. Takes no I/O and never waits.
    public func isKnown(_ node: NodeID) -> Bool { state.withLock { $0.members.isKnown(node) } }

    /// Whether there is a user of this handle; never nil.
    public func isUser(_ handle: String) -> Bool? { state.withLock { $0.members.isUser(handle) } }

    /// What is known about a user, whatever the device; never ``DeviceStanding/revoked``.
    public func standing(ofUser handle: String) -> DeviceStanding {
        state.withLock { $0.members.standing(ofUser: handle) }
    }

    /// The user whose device this is, whatever its standing.
    public func handle(of device: NodeID) -> String? { state.withLock { $0.members.handle(of: device) } }

    /// The handle of the agent with this node id.
    public func agent(_ node: NodeID) -> String? { state.withLock { $0.members.agent(node) } }

    /// Every change from now on, see ``subscribe()``.
    public func changes() -> AsyncStream<RosterChange> { subscribe().changes }

    /// The state at this moment, and every change after it. Each subscriber gets all of them; a change is in every stream
    /// before the call that made it returns. Unbounded, because none may be lost and each is a person's act.
    public func subscribe() -> (state: RosterState, changes: AsyncStream<RosterChange>) {
        let (stream, continuation) = AsyncStream.makeStream(of: RosterChange.self)
        let (id, members) = state.withLock { ($0.subscribers.add(continuation), $0.members) }
        continuation.onTermination = { [weak self] _ in self?.state.withLock { $0.subscribers.remove(id) } }
        return (members, stream)
    }

    /// Applies a change and tells every subscriber.
    func apply(_ change: RosterChange) {
        let subscribers = state.withLock { state in
            state.members.apply(change)
            return state.subscribers.all
        }
        for subscriber in subscribers { subscriber.yield(change) }
    }

    func set(_ device: DeviceRecord) {
        guard let key = try? NodeID(bytes: device.key) else { return }
        apply(.device(key, handle: device.handle, status: device.status))
    }

    func set(_ agent: AgentRecord) {
        guard let node = try? NodeID(agent.nodeID) else { return }
        apply(.agent(node, handle: agent.handle))
    }

    deinit {
        for subscriber in state.withLock({ $0.subscribers.all }) { subscriber.finish() }
    }
}

/// Who is told of changes.
struct RosterSubscribers {
    private var continuations: [UInt64: AsyncStream<RosterChange>.Continuation] = [:]
    private var last: UInt64 = 0

    var all: [AsyncStream<RosterChange>.Continuation] { Array(continuations.values) }

    mutating func add(_ continuation: AsyncStream<RosterChange>.Continuation) -> UInt64 {
        last += 1
        continuations[last] = continuation
        return last
    }

    mutating func remove(_ id: UInt64) { continuations[id] = nil }
}
