internal import Store
internal import Transport

// What is in a frame of a watch? Changes of the roster, the same whether they rebuild it or have just happened, and a sign
// of life. Read strictly: a reader who does not understand a change must not go on as if there had been none.

/// One frame of a watch.
enum WatchFrame: Equatable {
    /// Rebuilds the state; the last one is `complete`.
    case snapshot([RosterChange], complete: Bool)
    /// What happened since, in order.
    case changes([RosterChange])
    case alive

    /// Changes in one frame.
    static let changesPerFrame = 500
    /// Longest name that is read, in bytes.
    static let longestName = 256

    var wire: CBORMap {
        switch self {
        case .snapshot(let changes, let complete):
            ["changes": .array(changes.compactMap(\.wire).map { .map($0) }), "complete": .bool(complete)]
        case .changes(let changes): ["changes": .array(changes.compactMap(\.wire).map { .map($0) })]
        case .alive: ["alive": .bool(true)]
        }
    }

    /// Reads a frame; nil when it is malformed.
    init?(wire map: CBORMap) {
        if case .bool(true) = map["alive"] {
            self = .alive
            return
        }
        guard case .array(let items) = map["changes"], items.count <= Self.changesPerFrame else { return nil }
        var changes: [RosterChange] = []
        changes.reserveCapacity(items.count)
        for item in items {
            guard let change = RosterChange(wire: item) else { return nil }
            changes.append(change)
        }
        switch map["complete"] {
        case .bool(let complete): self = .snapshot(changes, complete: complete)
        case nil: self = .changes(changes)
        default: return nil
        }
    }
}

extension RosterChange {
    /// Nil for ``everything``, which says nothing to somebody elsewhere.
    var wire: CBORMap? {
        switch self {
        case .device(let key, let handle, let status):
            [
                "change": .text("device"), "device_pubkey": .bytes(key.bytes), "handle": .text(handle),
                "status": .text(status.rawValue),
            ]
        case .user(let handle, let role, let status):
            [
                "change": .text("user"), "handle": .text(handle), "role": .text(role.rawValue),
                "status": .text(status.rawValue),
            ]
        case .userRemoved(let handle): ["change": .text("user_removed"), "handle": .text(handle)]
        case .agent(let node, let handle):
            ["change": .text("agent"), "node_id": .text(node.hex), "handle": .text(handle)]
        case .agentRemoved(let node): ["change": .text("agent_removed"), "node_id": .text(node.hex)]
        case .everything: nil
        }
    }

    /// Reads a change; nil when it is malformed or of a kind that this version does not know.
    init?(wire: CBORValue) {
        guard case .map(let map) = wire, case .text(let kind) = map["change"] else { return nil }
        func name() -> String? {
            guard case .text(let text) = map["handle"], text.utf8.count <= WatchFrame.longestName else { return nil }
            return text
        }
        func node() -> NodeID? {
            guard case .text(let text) = map["node_id"] else { return nil }
            return try? NodeID(text)
        }
        func word<Word: RawRepresentable>(_ key: String) -> Word? where Word.RawValue == String {
            guard case .text(let text) = map[key] else { return nil }
            return Word(rawValue: text)
        }
        switch kind {
        case "device":
            guard case .bytes(let bytes) = map["device_pubkey"], let key = try? NodeID(bytes: bytes),
                let handle = name(), let status: DeviceStatus = word("status")
            else { return nil }
            self = .device(key, handle: handle, status: status)
        case "user":
            guard let handle = name(), let role: UserRole = word("role"), let status: UserStatus = word("status") else {
                return nil
            }
            self = .user(handle, role: role, status: status)
        case "user_removed":
            guard let handle = name() else { return nil }
            self = .userRemoved(handle)
        case "agent":
            guard let node = node(), let handle = name() else { return nil }
            self = .agent(node, handle: handle)
        case "agent_removed":
            guard let node = node() else { return nil }
            self = .agentRemoved(node)
        default: return nil
        }
    }
}
