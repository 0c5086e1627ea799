internal import Store
internal import Transport

// How is an invitation made by a call? Zero and null stand for the default, as in the reference; the rules are those of
// ../Coordinator/Invitations.

extension Coordinator {
    func createInvitation(_ parameters: RPCParameters, peer: NodeID) async throws -> CBORMap {
        let caller = try administrator(peer: peer, certificate: parameters.optionalBytes("cert"))
        guard let role = InviteRole(rawValue: try parameters.text("role")) else {
            throw RPCError(.badRequest, "role must be user, device or agent")
        }
        var request = InvitationRequest(
            role: role, handle: try parameters.optionalText("bind_to_handle"),
            label: try parameters.optionalText("label"))
        if let uses = try parameters.optionalNumber("uses"), uses != 0 {
            guard let count = Int(exactly: uses) else { throw RPCError(.badRequest, "uses must be a whole number") }
            request.uses = count
        }
        if let lifetime = try parameters.optionalNumber("ttl_seconds"), lifetime != 0 { request.lifetime = lifetime }
        let invitation = try await createInvitation(request, by: caller)
        return [
            "code": .text(invitation.code), "display_code": .text(InviteCode.display(invitation.code)),
            "role": .text(invitation.role.rawValue), "expires_at": .float(invitation.expiresAt),
            "uses_left": .unsigned(UInt64(max(invitation.usesLeft, 0))),
        ]
    }
}
