internal import Store
internal import Transport

// Which calls are about agents? An agent comes in with an invitation and its own key; everybody in the network may see
// where the agents are; only whoever administers it puts one out.

extension Coordinator {
    /// Addresses that an agent may send; fewer are kept.
    static let addressesPerCall = 64

    /// For those who are in the network. The reference answers anybody.
    func listAgents(peer: NodeID) async throws -> CBORMap {
        guard isInside(peer) else {
            throw RPCError(.unauthorized, "only devices and agents of the network may see its agents")
        }
        return ["agents": .array(try await agents().map { .map($0.wire) })]
    }

    /// Whether the key is that of the agent itself, of another agent, or of a device in good standing.
    private func isInside(_ peer: NodeID) -> Bool {
        if constantTimeEqual(peer.bytes, network.coordinator.bytes) || roster.agent(peer) != nil { return true }
        guard let handle = roster.handle(of: peer) else { return false }
        if case .active = roster.standing(of: peer, handle: handle) { return true }
        return false
    }

    /// By an admin's word, or by an agent's own with an invitation: then its key must be the connection's, which the
    /// reference does not ask for.
    func addAgent(_ parameters: RPCParameters, peer: NodeID) async throws -> CBORMap {
        let handle = try parameters.text("handle")
        let node = try parameters.node("node_id")
        let label = try parameters.optionalText("label")
        let certificate = try parameters.optionalBytes("cert")
        if certificate == nil, let invite = try parameters.optionalText("invite") {
            try Self.require(node, is: peer)
            _ = try await loginAgent(handle: handle, invite: invite, label: label, addresses: [], peer: peer)
        } else {
            guard certificate != nil || peer == network.coordinator else {
                throw RPCError(.unauthorized, "an admin's cert or an agent's invite is needed")
            }
            let caller = try administrator(peer: peer, certificate: certificate)
            try await addAgent(handle: handle, node: node, label: label, by: caller)
        }
        return ["ok": .bool(true)]
    }

    /// By whoever administers the network; an agent may take itself out.
    func removeAgent(_ parameters: RPCParameters, peer: NodeID) async throws -> CBORMap {
        let caller: Principal
        if let own = roster.agent(peer), peer != network.coordinator,
            HandleRule.typed(try parameters.text("handle")) == own
        {
            caller = .member(handle: own, device: peer)
        } else {
            caller = try administrator(peer: peer, certificate: parameters.optionalBytes("cert"))
        }
        let removed: Bool
        do {
            try await removeAgent(parameters.text("handle"), by: caller)
            removed = true
        } catch AdministrationError.unknownAgent {
            removed = false
        }
        return ["ok": .bool(removed), "removed_by": .text(caller.auditName)]
    }

    func agentLogin(_ parameters: RPCParameters, peer: NodeID) async throws -> CBORMap {
        try Self.require(try parameters.node("node_id"), is: peer)
        let grant = try await loginAgent(
            handle: parameters.text("handle"), invite: parameters.text("invite"),
            label: parameters.optionalText("label"),
            addresses: parameters.optionalTexts("addresses", limit: Self.addressesPerCall) ?? [], peer: peer)
        return [
            "cert": .bytes(grant.certificate.wire), "network_id": .text(network.networkID), "name": .text(network.name),
        ]
    }

    private static func require(_ node: NodeID, is peer: NodeID) throws(RPCError) {
        guard constantTimeEqual(node.bytes, peer.bytes) else {
            throw RPCError(.unauthorized, "node_id is not the key of this connection")
        }
    }
}

extension AgentRecord {
    /// The row as `list_agents` sends it.
    var wire: CBORMap {
        [
            "handle": .text(handle), "node_id": .text(nodeID), "label": label.map { .text($0) } ?? .null,
            "owner_handle": .text(ownerHandle), "added_at": .float(addedAt),
            "last_seen": lastSeen.map { .float($0) } ?? .null, "addresses": .array(addresses.map { .text($0) }),
        ]
    }

    /// Reads such a row; nil when it is malformed. The reference's coordinator sends no addresses.
    init?(wire: CBORValue) {
        guard case .map(let map) = wire, case .text(let handle) = map["handle"], case .text(let node) = map["node_id"],
            let node = try? NodeID(node), case .text(let owner) = map["owner_handle"],
            let addedAt = map["added_at"]?.number
        else { return nil }
        var label: String?
        if case .text(let text) = map["label"] { label = text }
        var addresses: [String] = []
        if case .array(let items) = map["addresses"] {
            addresses = items.compactMap { if case .text(let text) = $0 { text } else { nil } }
        }
        self.init(
            handle: handle, nodeID: node.hex, label: label, ownerHandle: owner, addedAt: addedAt,
            lastSeen: map["last_seen"]?.number, addresses: addresses)
    }
}
