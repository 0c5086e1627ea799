internal import NIOCore
public import Store
internal import Transport

// Which agents serve in the network? Each is a row with the node id that it has proven; a handle never changes hands
// without an admin removing the old agent first.

/// What `agent_login` answers.
struct AgentGrant: Sendable {
    let certificate: DeviceCertificate
    let agent: AgentRecord
}

extension Coordinator {
    /// Every agent of the network, the coordinator's own included, oldest first.
    public func agents() async throws -> [AgentRecord] {
        try await repository.read { try $0.agents() }
    }

    /// Lets an agent in that holds an invitation of the role `agent`, or renews its row and certificate when it is in
    /// already; then the invitation is not spent.
    ///
    /// - Parameters:
    ///   - peer: the key that the agent proved; it is its node id.
    ///   - addresses: where it can be reached, `ip:port` each.
    /// - Throws: ``RPCError`` with `invalid_invite`, `conflict` (another agent has this handle) or `bad_request`.
    func loginAgent(
        handle: String, invite: String, label: String?, addresses: [String], peer: NodeID
    ) async throws -> AgentGrant {
        let now = now()
        try admit([.node(peer)], now: now)
        let handle = HandleRule.normalised(handle)
        if let problem = HandleRule.problem(with: handle) { throw RPCError(.badRequest, problem) }
        let label = Self.cleanLabel(label)
        let addresses = Self.cleanAddresses(addresses)
        let agent = try await redeeming(invite, now: now) { [roster] transaction in
            if let known = try transaction.rows.agent(nodeID: peer.hex), known.handle == handle {
                try transaction.touchAgent(nodeID: peer.hex, addresses: addresses, at: now)
                return known
            }
            let owner = try Self.redeem(
                invite, roles: [.agent], handle: handle, device: peer, now: now, in: transaction)
            guard try transaction.rows.agent(handle) == nil else {
                throw RPCError(.conflict, "\(AdministrationError.agentHandleTaken(handle))")
            }
            if let old = try transaction.rows.agent(nodeID: peer.hex) {
                throw RPCError(.conflict, "this agent is in the network already, as '\(old.handle)'")
            }
            let agent = AgentRecord(
                handle: handle, nodeID: peer.hex, label: label, ownerHandle: owner ?? "system", addedAt: now,
                lastSeen: now, addresses: addresses)
            try transaction.upsertAgent(agent)
            try transaction.audit(
                AuditRecord(at: now, actor: handle, actorDevice: peer.bytes, action: "agent.add", subject: handle))
            transaction.afterCommit { roster.set(agent) }
            return agent
        }
        logins.withLock { $0.throttle.succeeded([.node(peer)]) }
        let certificate = DeviceCertificate.issue(
            handle: agent.handle, deviceKey: peer, networkID: network.networkID, capabilities: ["agent"], issuedAt: now,
            signedBy: identity)
        return AgentGrant(certificate: certificate, agent: agent)
    }

    /// Lists an agent by an admin's word. The row admits nobody by itself: the agent's key is proven when it comes.
    ///
    /// - Throws: ``AdministrationError/agentHandleTaken(_:)``, ``AdministrationError/invalid(_:)``.
    func addAgent(handle: String, node: NodeID, label: String?, by caller: Principal) async throws {
        let now = now()
        let handle = HandleRule.normalised(handle)
        let label = Self.cleanLabel(label)
        _ = try await administer("agent.add", on: handle, by: caller, now: now) { [roster] transaction in
            if let problem = HandleRule.problem(with: handle) { throw AdministrationError.invalid(problem) }
            if let known = try transaction.rows.agent(handle) {
                guard known.nodeID == node.hex else { throw AdministrationError.agentHandleTaken(handle) }
                return try known.label != label && transaction.setAgentLabel(label, of: handle)
            }
            if let old = try transaction.rows.agent(nodeID: node.hex) {
                throw AdministrationError.invalid("this agent is in the network already, as '\(old.handle)'")
            }
            let agent = AgentRecord(
                handle: handle, nodeID: node.hex, label: label, ownerHandle: caller.auditName, addedAt: now)
            try transaction.upsertAgent(agent)
            transaction.afterCommit { roster.set(agent) }
            return true
        }
    }

    /// Gives an agent another label in lists; none when it is empty.
    ///
    /// - Throws: ``AdministrationError/unknownAgent(_:)``.
    public func relabelAgent(_ handle: String, to label: String?, by caller: Principal) async throws {
        let handle = HandleRule.typed(handle)
        let label = Self.cleanLabel(label)
        _ = try await administer("agent.rename", on: handle, by: caller, now: now()) { transaction in
            guard let agent = try transaction.rows.agent(handle) else { throw AdministrationError.unknownAgent(handle) }
            return try agent.label != label && transaction.setAgentLabel(label, of: handle)
        }
    }

    /// Takes an agent out of the network: its gateway is told, and serves nobody of the network from then on.
    ///
    /// - Throws: ``AdministrationError/unknownAgent(_:)``, ``AdministrationError/ownAgent``.
    public func removeAgent(_ handle: String, by caller: Principal) async throws {
        let handle = HandleRule.typed(handle)
        let own = network.coordinator.hex
        _ = try await administer("agent.remove", on: handle, by: caller, now: now()) { [roster] transaction in
            guard let agent = try transaction.rows.agent(handle) else { throw AdministrationError.unknownAgent(handle) }
            guard agent.nodeID != own else { throw AdministrationError.ownAgent }
            guard try transaction.removeAgent(handle) else { return false }
            if let node = try? NodeID(agent.nodeID) { transaction.afterCommit { roster.apply(.agentRemoved(node)) } }
            return true
        }
    }

    /// Notes that a member agent is there, and from where it serves.
    func touchAgent(_ node: NodeID, addresses: [String]?) async throws {
        let now = now()
        let addresses = addresses.map(Self.cleanAddresses)
        try await repository.write { try $0.touchAgent(nodeID: node.hex, addresses: addresses, at: now) }
    }

    /// What an agent says about its addresses is shown to others: at most 8, each one a real address.
    private static func cleanAddresses(_ addresses: [String]) -> [String] {
        Array(addresses.lazy.filter { (try? SocketAddress(hostAndPort: $0)) != nil }.prefix(8))
    }
}
