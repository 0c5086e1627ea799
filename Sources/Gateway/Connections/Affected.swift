internal import Certs
internal import Transport

// Whose connections may a change of the roster end? Only those are looked at, so that the many changes that let somebody in
// cost the gateway nothing, and those of many devices at once cost each device once.

/// Whose connections have to be looked at.
enum Affected: Equatable {
    case device(NodeID)
    case user(String)
    case everybody

    /// Nil for a change that takes nothing away. A demotion ends no connection: what only admins may do is asked anew for
    /// each request and each message.
    init?(_ change: RosterChange) {
        switch change {
        case .device(let key, _, .revoked), .agentRemoved(let key): self = .device(key)
        case .user(let handle, _, .suspended), .userRemoved(let handle): self = .user(handle)
        case .everything: self = .everybody
        case .device(_, _, .active), .user(_, _, .active), .agent: return nil
        }
    }
}
