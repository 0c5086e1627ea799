internal import Certs
internal import Store
internal import Transport

// May this caller do this? The one place that decides. It needs no I/O, so it runs on every request and every WebSocket
// message; whatever is not clearly allowed is refused.

/// Decides on requests for one network.
struct Authorizer: Sendable {
    let networkID: String
    /// The key that signs the network's certificates.
    let coordinator: NodeID
    /// The agent's own key: whoever proves it is the operator.
    let agent: NodeID
    let membership: any Membership
    /// The agent's own bridges, whose certificates it signs itself.
    var bridges = OwnBridges()
    /// Unix seconds.
    let now: @Sendable () -> Double

    /// Who stands behind a stream at this moment.
    func authenticate(_ credential: StreamCredential) -> Result<Caller, Refusal> {
        guard !credential.certificate.isEmpty else {
            let isOperator = constantTimeEqual(credential.peer.node.bytes, agent.bytes)
            return isOperator ? .success(.operator(of: agent)) : .failure(.missingCertificate)
        }
        let certificate: DeviceCertificate
        let bridge = bridges.platform(of: credential.peer.node)
        do {
            certificate = try credential.peer.certificate(
                credential.certificate, coordinator: bridge == nil ? coordinator : agent)
            try certificate.check(now: now(), networkID: networkID, peer: credential.peer.node)
        } catch {
            return .failure(.badCertificate(error))
        }
        // Another coordinator's rules may allow the name. Here it is the operator's, with conversations of their own.
        guard certificate.handle != Principal.operator.auditName else { return .failure(.inactive) }
        // An own bridge is nothing else, and nobody else is one.
        guard
            bridge.map({ certificate.isOfBridge && certificate.handle == OwnBridges.handle(of: $0) })
                ?? !OwnBridges.isReserved(certificate.handle)
        else { return .failure(.inactive) }
        switch membership.standing(of: certificate.deviceKey, handle: certificate.handle) {
        case .active(let role):
            return .success(Caller(certificate, role: Role(role)))
        case .revoked: return .failure(.revoked)
        case .suspended, .unknown: return .failure(.inactive)
        case .unavailable: return .failure(.membershipUnavailable)
        }
    }

    /// Who stands behind a stream, if that is enough for `role`.
    func authorize(_ credential: StreamCredential, needs role: Role) -> Result<Caller, Refusal> {
        authenticate(credential).flatMap { $0.role >= role ? .success($0) : .failure(.forbidden) }
    }
}

extension Role {
    fileprivate init(_ role: UserRole) {
        switch role {
        case .member: self = .member
        case .admin: self = .admin
        }
    }
}
