public import Store
public import Transport

// Who may administer the network, and how does a device lose its place in it? The holder of the agent's key, and admins.
// A revocation is one transaction with its audit row; the roster and every subscriber know of it before the call returns.

/// What became of a revocation.
public enum RevocationResult: Sendable, Equatable {
    case revoked
    case alreadyRevoked
    /// There is no such device.
    case unknown
}

extension Coordinator {
    /// Every device of the network, oldest first.
    public func devices() async throws -> [DeviceRecord] {
        try await repository.read { try $0.devices() }
    }

    /// Puts a device out of the network, for good.
    public func revokeDevice(_ key: NodeID, by caller: Caller) async throws -> RevocationResult {
        let now = now()
        let result = try await repository.write { [roster] transaction -> RevocationResult in
            guard let device = try transaction.rows.device(key.bytes) else { return .unknown }
            guard try transaction.revokeDevice(device.key) else { return .alreadyRevoked }
            try transaction.audit(
                AuditRecord(
                    at: now, actor: caller.auditName, actorDevice: caller.device?.bytes, action: "device.revoke",
                    subject: key.hex))
            transaction.afterCommit { roster.revoke(key) }
            return .revoked
        }
        if result == .revoked {
            logger.notice("device revoked", metadata: ["device": "\(key.short)", "by": "\(caller.auditName)"])
        }
        return result
    }

    /// Who calls, if it is somebody who may administer the network.
    ///
    /// - Parameters:
    ///   - peer: the key that the connection's peer proved.
    ///   - certificate: the caller's certificate; not needed by the holder of the coordinator's own key.
    /// - Throws: ``RPCErrorCode/unauthorized`` for a certificate that does not count on this connection, and
    ///   ``RPCErrorCode/forbidden`` for one that is not an admin's.
    func administrator(peer: NodeID, certificate wire: [UInt8]?) throws -> Caller {
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
        case .suspended, .unknown: throw RPCError(.unauthorized, "this device is not active in the network")
        case .active(role: .member): throw RPCError(.forbidden, "only an admin may do this")
        case .active(role: .admin): break
        }
        guard certificate.capabilities.contains(DeviceCertificate.administratorCapability) else {
            throw RPCError(.forbidden, "the certificate is not an admin's: log in again")
        }
        return .admin(handle: certificate.handle, device: peer)
    }
}
