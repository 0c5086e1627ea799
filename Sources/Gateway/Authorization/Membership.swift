public import Certs
public import Transport

// Whom does the gateway ask about a device? Whoever knows the network's members: the coordinator's roster on the machine
// that coordinates, another source on a member. The gateway only needs these answers.

/// Who is in good standing. Answers come from memory: the gateway asks on every request.
public protocol Membership: Sendable {
    func standing(of device: NodeID, handle: String) -> DeviceStanding
    /// Whether this is a device or an agent in good standing: there is room for it when strangers are refused.
    func isKnown(_ node: NodeID) -> Bool
    /// Whether there is a user of this handle; nil when that cannot be said at the moment.
    func isUser(_ handle: String) -> Bool?
    /// What is known about a user, whatever the device: ``DeviceStanding/unknown`` is somebody who is not there.
    func standing(ofUser handle: String) -> DeviceStanding
    /// Tells each change after it took effect. Every caller gets all changes from then on.
    func changes() -> AsyncStream<RosterChange>
    /// Called when a device connects, so that ``standing(of:handle:)`` can know it. Returns in a few seconds at the latest.
    func confirm(_ device: NodeID) async
}

extension Membership {
    /// Whoever knows everybody has nobody to ask.
    public func confirm(_ device: NodeID) async {}

    public func isUser(_ handle: String) -> Bool? { nil }

    public func standing(ofUser handle: String) -> DeviceStanding {
        switch isUser(handle) {
        case true?: .active(role: .member)
        case false?: .unknown
        case nil: .unavailable
        }
    }
}

extension Roster: Membership {}
extension MemberRoster: Membership {}
