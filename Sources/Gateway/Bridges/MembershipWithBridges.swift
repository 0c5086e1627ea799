internal import Certs
internal import Transport

// Who is in good standing, the agent's own bridges included? They are in nobody's roster: they are a part of the agent, and as good
// as it is. About everybody else the network's own source is asked, as if this were not here.

/// A membership in which the agent's own bridges are members.
struct MembershipWithBridges: Membership {
    let others: any Membership
    let own: OwnBridges

    func standing(of device: NodeID, handle: String) -> DeviceStanding {
        if let platform = own.platform(of: device) {
            return OwnBridges.handle(of: platform) == handle ? .active(role: .member) : .unknown
        }
        return OwnBridges.isReserved(handle) ? .unknown : others.standing(of: device, handle: handle)
    }

    func isKnown(_ node: NodeID) -> Bool { own.platform(of: node) != nil || others.isKnown(node) }

    /// Also of a bridge that is not set up at the moment: what was said through it must not be taken for a removed user's.
    func isUser(_ handle: String) -> Bool? {
        OwnBridges.isReserved(handle) ? OwnBridges.isHandle(handle) : others.isUser(handle)
    }

    func standing(ofUser handle: String) -> DeviceStanding {
        guard OwnBridges.isReserved(handle) else { return others.standing(ofUser: handle) }
        return OwnBridges.isHandle(handle) ? .active(role: .member) : .unknown
    }

    func changes() -> AsyncStream<RosterChange> { others.changes() }

    func confirm(_ device: NodeID) async {
        guard own.platform(of: device) == nil else { return }
        await others.confirm(device)
    }
}
