public import Store
public import Transport

// Who may administer the network, and what is written down about it? The holder of the agent's key, and admins. Every act
// is one transaction with its audit row, refusals of an admin's act included; the roster and every subscriber know of it
// before the call returns. The acts themselves are in the files beside this one: users, devices, agents, invitations.

/// Who asks for an act. Made only by the checks in this file, by a gateway's authorization, and by the agent's own process.
public enum Principal: Sendable, Equatable {
    /// The agent itself.
    case system
    /// Whoever holds the agent's identity key.
    case `operator`
    /// A user with the role admin, from one of their devices.
    case admin(handle: String, device: NodeID)
    /// A user, from one of their devices: may manage what is their own.
    case member(handle: String, device: NodeID)

    /// How the audit table and invitations name the caller.
    public var auditName: String {
        switch self {
        case .system: "system"
        case .operator: "operator"
        case .admin(let handle, _), .member(let handle, _): handle
        }
    }

    var device: NodeID? {
        switch self {
        case .system, .operator: nil
        case .admin(_, let device), .member(_, let device): device
        }
    }

    /// Whether the caller may act on what belongs to this user.
    func mayManage(_ handle: String) -> Bool {
        switch self {
        case .system, .operator, .admin: true
        case .member(let own, _): own.utf8.elementsEqual(handle.utf8)
        }
    }
}

/// Why an act of administration was not carried out. Nothing has changed then.
public enum AdministrationError: Error, Equatable, CustomStringConvertible {
    case unknownUser(String)
    case unknownDevice
    case unknownAgent(String)
    case unknownInvitation
    /// The act would leave the network without an active admin.
    case lastAdmin(String)
    /// The agent that coordinates the network cannot be removed from it.
    case ownAgent
    case agentHandleTaken(String)
    case invalid(String)
    case forbidden

    public var description: String {
        switch self {
        case .unknownUser(let handle): "there is no user '\(handle)' in this network"
        case .unknownDevice: "there is no such device in this network"
        case .unknownAgent(let handle): "there is no agent '\(handle)' in this network"
        case .unknownInvitation: "there is no such invitation that could still be used"
        case .lastAdmin(let handle): "'\(handle)' is the last active admin of the network: promote somebody else first"
        case .ownAgent: "this agent coordinates the network and cannot be removed from it"
        case .agentHandleTaken(let handle):
            "the agent '\(handle)' exists and has another key: remove it first, or choose another name"
        case .invalid(let problem): problem
        case .forbidden: "only an admin of the network may do this"
        }
    }

    /// The word for the audit table.
    var auditResult: String {
        switch self {
        case .unknownUser, .unknownDevice, .unknownAgent, .unknownInvitation: "refused: unknown"
        case .lastAdmin: "refused: last admin"
        case .ownAgent: "refused: own agent"
        case .agentHandleTaken: "refused: handle taken"
        case .invalid: "refused: invalid"
        case .forbidden: "refused: forbidden"
        }
    }
}

extension Coordinator {
    /// Runs one act as one transaction with its audit row.
    ///
    /// - Parameters:
    ///   - action: a stable word, as `user.promote`.
    ///   - subject: whom or what it is done to.
    ///   - body: makes the change and returns whether there was one; an act that changes nothing leaves no row. It throws
    ///     ``AdministrationError`` only before it has changed anything: the refusal is audited too.
    func administer(
        _ action: String, on subject: String, by caller: Principal, now: Double,
        _ body: @escaping @Sendable (NetworkTransaction) throws -> Bool
    ) async throws -> Bool {
        let result = try await repository.write { transaction -> Result<Bool, AdministrationError> in
            func note(_ result: String) throws {
                try transaction.audit(
                    AuditRecord(
                        at: now, actor: caller.auditName, actorDevice: caller.device?.bytes, action: action,
                        subject: String(subject.prefix(128)), result: result))
            }
            do {
                try Self.confirm(caller, in: transaction)
                let changed = try body(transaction)
                if changed { try note("ok") }
                return .success(changed)
            } catch let refusal as AdministrationError {
                try note(refusal.auditResult)
                return .failure(refusal)
            }
        }
        let changed = try result.get()
        if changed {
            logger.notice(
                "coordinator::network_changed", metadata: ["action": "\(action)", "by": "\(caller.auditName)"])
        }
        return changed
    }

    /// Refuses a caller who was let in and has lost the right since: a request may take its time before it acts, and a
    /// demotion ends no connection.
    private static func confirm(_ caller: Principal, in transaction: NetworkTransaction) throws {
        let (handle, key): (String, NodeID)
        switch caller {
        case .system, .operator: return
        case .admin(let own, let device), .member(let own, let device): (handle, key) = (own, device)
        }
        if case .member = caller, let agent = try transaction.rows.agent(nodeID: key.hex), agent.handle == handle {
            return  // An agent that takes itself out.
        }
        guard let user = try transaction.rows.user(handle), user.status == .active,
            let device = try transaction.rows.device(key.bytes), device.status == .active, device.handle == handle
        else { throw AdministrationError.forbidden }
        if case .admin = caller, user.role != .admin { throw AdministrationError.forbidden }
    }

    /// Who calls, if it is somebody who may administer the network.
    ///
    /// - Parameters:
    ///   - peer: the key that the connection's peer proved.
    ///   - certificate: the caller's certificate; not needed by the holder of the coordinator's own key.
    /// - Throws: ``RPCErrorCode/unauthorized`` for a certificate that does not count on this connection, and
    ///   ``RPCErrorCode/forbidden`` for one that is not an admin's.
    func administrator(peer: NodeID, certificate wire: [UInt8]?) throws -> Principal {
        if constantTimeEqual(peer.bytes, network.coordinator.bytes) { return .operator }
        guard let wire else { throw RPCError(.badRequest, "cert missing") }
        let certificate: DeviceCertificate
        do {
            certificate = try DeviceCertificate(wire: wire, coordinator: network.coordinator)
            try certificate.check(now: now(), networkID: network.networkID, peer: peer)
        } catch {
            throw RPCError(.unauthorized, "cert rejected: \(error)")
        }
        switch roster.standing(of: peer, handle: certificate.handle) {
        case .revoked: throw RPCError(.revoked, "this device was revoked")
        case .suspended, .unknown, .unavailable:
            throw RPCError(.unauthorized, "this device is not active in the network")
        case .active(role: .member): throw RPCError(.forbidden, "only an admin may do this")
        case .active(role: .admin): break
        }
        guard certificate.capabilities.contains(DeviceCertificate.administratorCapability) else {
            throw RPCError(.forbidden, "the certificate is not an admin's: log in again")
        }
        return .admin(handle: certificate.handle, device: peer)
    }

    /// At most `limit` rows of the audit table, newest first.
    public func audit(_ filter: AuditFilter, limit: Int) async throws -> [AuditEntry] {
        try await repository.read { try $0.audit(filter, limit: limit) }
    }
}
