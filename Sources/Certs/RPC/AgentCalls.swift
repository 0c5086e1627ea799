public import Store
public import Transport

// Which calls does one make about agents? An agent joins a network with an invitation; devices and agents of the network
// list the others; those who administer it add agents, remove them, and make invitations for whomever they like.

/// What an agent has when it is in a network.
public struct AgentLogin: Sendable {
    /// For the agent's own key, with the coordinator's signature.
    public let certificate: DeviceCertificate
    public let networkID: String
    public let networkName: String
}

/// An invitation as the coordinator made it.
public struct IssuedInvitation: Sendable, Equatable {
    /// A secret while it can be redeemed.
    public let code: String
    public let role: InviteRole
    /// Unix seconds.
    public let expiresAt: Double
    public let usesLeft: Int
}

extension CoordinatorClient {
    /// Every agent of the network, oldest first. For devices and agents of the network.
    public func listAgents() async throws -> [AgentRecord] {
        guard case .array(let rows) = try await call(.listAgents, [:])["agents"] else {
            throw CoordinatorClientError.malformedAnswer(RPCMethod.listAgents.rawValue)
        }
        return try rows.map { row in
            guard let agent = AgentRecord(wire: row) else {
                throw CoordinatorClientError.malformedAnswer(RPCMethod.listAgents.rawValue)
            }
            return agent
        }
    }

    /// Brings an agent into the network, or back: one that is in it spends no invitation.
    ///
    /// - Parameters:
    ///   - invite: of the role `agent`.
    ///   - node: the agent's key; the coordinator refuses any other than the connection's.
    ///   - addresses: where the agent can be reached, `ip:port` each.
    /// - Throws: ``RPCError`` with ``RPCErrorCode/invalidInvite`` or ``RPCErrorCode/conflict`` (another agent has the
    ///   handle, or this one is in the network under another).
    public func agentLogin(
        invite: String, handle: String, node: NodeID, label: String? = nil, addresses: [String] = []
    ) async throws -> AgentLogin {
        let handle = HandleRule.typed(handle)
        var parameters: CBORMap = [
            "invite": .text(invite), "handle": .text(handle), "node_id": .text(node.hex),
        ]
        if let label { _ = parameters.insert("label", .text(label)) }
        if !addresses.isEmpty { _ = parameters.insert("addresses", .array(addresses.map { .text($0) })) }
        let result = try await call(.agentLogin, parameters)
        let login = AgentLogin(
            certificate: try DeviceCertificate(wire: try result.answerBytes("cert"), coordinator: coordinator),
            networkID: try result.answer("network_id"), networkName: try result.answer("name"))
        guard login.certificate.handle == handle, login.certificate.deviceKey == node,
            login.certificate.networkID == login.networkID, InviteTicket.isPrintable(login.networkName)
        else { throw CoordinatorClientError.malformedAnswer(RPCMethod.agentLogin.rawValue) }
        return login
    }

    /// Lists an agent by an admin's word; it still has to come with its key.
    ///
    /// - Throws: ``RPCError`` with ``RPCErrorCode/conflict`` when the handle is another agent's.
    public func addAgent(
        handle: String, node: NodeID, label: String? = nil, certificate: DeviceCertificate? = nil
    ) async throws {
        var parameters = Self.credentials(certificate)
        _ = parameters.insert("handle", .text(HandleRule.typed(handle)))
        _ = parameters.insert("node_id", .text(node.hex))
        if let label { _ = parameters.insert("label", .text(label)) }
        _ = try await call(.addAgent, parameters)
    }

    /// Takes an agent out of the network. For the operator, and for admins with their certificate.
    ///
    /// - Returns: whether there was one with this handle.
    /// - Throws: ``RPCError`` with ``RPCErrorCode/conflict`` for the agent that coordinates the network.
    public func removeAgent(_ handle: String, certificate: DeviceCertificate? = nil) async throws -> Bool {
        var parameters = Self.credentials(certificate)
        _ = parameters.insert("handle", .text(HandleRule.typed(handle)))
        return try await call(.removeAgent, parameters).answerBool("ok")
    }

    /// Makes an invitation. For the operator, and for admins with their certificate.
    ///
    /// - Parameters:
    ///   - handle: whose device it is for; needed by the role `device`.
    ///   - uses: nil for one.
    ///   - lifetime: seconds; nil for ``Coordinator/invitationLifetime``.
    public func createInvitation(
        role: InviteRole, handle: String? = nil, uses: Int? = nil, lifetime: Double? = nil, label: String? = nil,
        certificate: DeviceCertificate? = nil
    ) async throws -> IssuedInvitation {
        var parameters = Self.credentials(certificate)
        _ = parameters.insert("role", .text(role.rawValue))
        if let lifetime { _ = parameters.insert("ttl_seconds", Self.wholeIfPossible(lifetime)) }
        if let uses { _ = parameters.insert("uses", uses < 0 ? .negative(UInt64(-1 - uses)) : .unsigned(UInt64(uses))) }
        if let handle { _ = parameters.insert("bind_to_handle", .text(HandleRule.typed(handle))) }
        if let label { _ = parameters.insert("label", .text(label)) }
        let result = try await call(.createInvitation, parameters)
        guard let role = InviteRole(rawValue: try result.answer("role")),
            let expiresAt = result["expires_at"]?.number, case .unsigned(let uses) = result["uses_left"],
            let uses = Int(exactly: uses)
        else { throw CoordinatorClientError.malformedAnswer(RPCMethod.createInvitation.rawValue) }
        return IssuedInvitation(code: try result.answer("code"), role: role, expiresAt: expiresAt, usesLeft: uses)
    }

    /// The reference reads whole seconds.
    private static func wholeIfPossible(_ seconds: Double) -> CBORValue {
        UInt64(exactly: seconds).map { .unsigned($0) } ?? .float(seconds)
    }
}
