internal import Store
internal import Transport

// How does a device keep its certificate fresh without the password? It shows the one that it has, over a connection whose
// peer key is the certificate's, from half of its life on. The rights of the new one are those of this moment.

extension Coordinator {
    /// A fresh certificate for a device or agent in good standing.
    ///
    /// - Parameter capability: makes it one of that kind, beside the one that the device has; nil: of the same kind.
    /// - Throws: ``RPCError`` with `expired` (log in again), `revoked`, `suspended`, `unauthorized` (not a certificate of
    ///   this network and this connection, or its device is gone) or `not_due` (it is not half over, and says the truth).
    func renew(_ wire: [UInt8], capability: String? = nil, peer: NodeID) async throws -> DeviceCertificate {
        let now = now()
        let old = try current(wire, peer: peer, now: now)
        let capabilities = try capabilities(of: old, asking: capability, peer: peer)
        guard now >= old.renewalDueAt || Set(old.capabilities) != Set(capabilities) else {
            throw RPCError(.notDue, "the certificate is not half over")
        }
        let isAgent = roster.agent(peer) != nil && capabilities.contains("agent")
        try await repository.write { transaction in
            if isAgent {
                try transaction.touchAgent(nodeID: peer.hex, addresses: nil, at: now)
            } else {
                try transaction.touchDevice(peer.bytes, at: now)
            }
            try transaction.audit(
                AuditRecord(
                    at: now, actor: old.handle, actorDevice: peer.bytes, action: "certificate.renew", subject: peer.hex)
            )
        }
        return DeviceCertificate.issue(
            handle: old.handle, deviceKey: peer, networkID: network.networkID, capabilities: capabilities,
            issuedAt: now, signedBy: identity)
    }

    private func current(_ wire: [UInt8], peer: NodeID, now: Double) throws -> DeviceCertificate {
        do {
            let certificate = try DeviceCertificate(wire: wire, coordinator: network.coordinator)
            try certificate.check(now: now, networkID: network.networkID, peer: peer)
            return certificate
        } catch .expired {
            throw RPCError(.expired, "the certificate has expired: log in again")
        } catch {
            throw RPCError(.unauthorized, "cert rejected: \(error)")
        }
    }

    private func capabilities(
        of certificate: DeviceCertificate, asking capability: String?, peer: NodeID
    ) throws -> [String] {
        guard capability == nil || capability == DeviceCertificate.bridgeCapability else {
            throw RPCError(.badRequest, "no certificate has this capability for the asking")
        }
        if certificate.capabilities.contains("agent") {
            guard capability == nil else { throw RPCError(.forbidden, "an agent is no bridge") }
            guard roster.agent(peer) == certificate.handle else {
                throw RPCError(.unauthorized, "this agent is not in the network any more")
            }
            return ["agent"]
        }
        switch roster.standing(of: peer, handle: certificate.handle) {
        case .active(let role):
            // Many speak through a bridge, so it never has what its user may do besides, and never gets it back.
            return capability != nil || certificate.isOfBridge
                ? [DeviceCertificate.bridgeCapability] : Self.capabilities(of: role)
        case .revoked: throw RPCError(.revoked, Self.revokedMessage)
        case .suspended: throw RPCError(.suspended, "the user '\(certificate.handle)' is suspended: ask an admin")
        case .unknown, .unavailable:
            throw RPCError(.unauthorized, "this device is not in the network any more: join again with a device ticket")
        }
    }

    static func capabilities(of role: UserRole) -> [String] {
        role == .admin ? [DeviceCertificate.administratorCapability] : []
    }

    static let revokedMessage =
        "this device was revoked, for good: join as a new device with a fresh key and a device ticket"
}
