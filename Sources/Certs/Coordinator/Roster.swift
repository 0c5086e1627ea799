public import Store
internal import Synchronization
public import Transport

// Who is in good standing at this moment? The coordinator's rows in memory, changed in the same step in which the database
// commits, so that a gateway can ask on every request without I/O. It decides nothing: the rules do.

/// What the roster says about a device.
public enum DeviceStanding: Sendable, Equatable {
    /// Device and user may come in.
    case active(role: UserRole)
    case revoked
    /// The user is suspended; the device is not.
    case suspended
    /// No such device, or it belongs to another handle.
    case unknown
}

/// What changed in the roster.
public enum RosterChange: Sendable, Equatable {
    /// This device must lose its connections now.
    case revoked(NodeID)
}

/// The standing of every user and device of the network, in memory.
public final class Roster: Sendable {
    private struct Device {
        var handle: String
        var status: DeviceStatus
    }

    private struct User {
        var role: UserRole
        var status: UserStatus
    }

    private struct State {
        var users: [String: User] = [:]
        var devices: [NodeID: Device] = [:]
        var subscribers: [UInt64: AsyncStream<RosterChange>.Continuation] = [:]
        var nextSubscriber: UInt64 = 0
    }

    private let state = Mutex(State())

    init(users: [UserRecord], devices: [DeviceRecord]) {
        for user in users { set(user) }
        for device in devices { set(device) }
    }

    /// What is known about `device` as a device of `handle`. Takes no I/O and never waits.
    public func standing(of device: NodeID, handle: String) -> DeviceStanding {
        state.withLock { state in
            guard let entry = state.devices[device], entry.handle.utf8.elementsEqual(handle.utf8),
                let user = state.users[entry.handle]
            else { return .unknown }
            return switch (entry.status, user.status) {
            case (.revoked, _): .revoked
            case (.active, .suspended): .suspended
            case (.active, .active): .active(role: user.role)
            }
        }
    }

    /// Whether the device may come in, as a device of whomever. Takes no I/O and never waits.
    public func isActive(_ device: NodeID) -> Bool {
        state.withLock { state in
            guard let entry = state.devices[device], entry.status == .active else { return false }
            return state.users[entry.handle]?.status == .active
        }
    }

    /// Every change from now on. Each subscriber gets all of them; a change is in every stream before the call that made
    /// it returns. Unbounded, because one must not be lost and each is an administrator's act.
    public func changes() -> AsyncStream<RosterChange> {
        let (stream, continuation) = AsyncStream.makeStream(of: RosterChange.self)
        let id = state.withLock { state in
            state.nextSubscriber += 1
            state.subscribers[state.nextSubscriber] = continuation
            return state.nextSubscriber
        }
        continuation.onTermination = { [weak self] _ in
            self?.state.withLock { _ = $0.subscribers.removeValue(forKey: id) }
        }
        return stream
    }

    func set(_ user: UserRecord) {
        state.withLock { $0.users[user.handle] = User(role: user.role, status: user.status) }
    }

    func set(_ device: DeviceRecord) {
        guard let key = try? NodeID(bytes: device.key) else { return }
        state.withLock { $0.devices[key] = Device(handle: device.handle, status: device.status) }
    }

    /// Marks the device and tells every subscriber.
    func revoke(_ device: NodeID) {
        let subscribers = state.withLock { state in
            state.devices[device]?.status = .revoked
            return Array(state.subscribers.values)
        }
        for subscriber in subscribers { subscriber.yield(.revoked(device)) }
    }

    deinit {
        for subscriber in state.withLock({ Array($0.subscribers.values) }) { subscriber.finish() }
    }
}
