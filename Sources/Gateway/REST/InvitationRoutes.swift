internal import Certs
internal import Hummingbird
internal import NIOCore
internal import Store
internal import Wire

// Who is invited? For admins. A list names invitations by ids that admit nobody; the ticket is in the answer to the call
// that made it, and nowhere else.

enum InvitationRoutes {
    static func routes(_ administration: NetworkAdministration) -> [Route] {
        [
            .admin(.get, "/api/network/invitations", .invitations) { request, _, _ in
                let coordinator = try administration.coordinator
                let asked = try request.page(by: ListPlace.self)
                let rows = try await coordinator.invitations(after: asked.after, limit: asked.limit + 1)
                let (page, next) = try asked.page(of: rows, key: \.place)
                return try JSON.response(
                    InvitationsBody(invitations: page.map { InvitationBody($0.summary) }, nextCursor: next))
            },
            .admin(.post, "/api/network/invitations", .invite, announces: .created(.invitation, to: .admins)) {
                request, context, caller in
                let (coordinator, addresses) = try administration.here()
                let wanted = try await request.decode(as: NewInvitation.self, context: context)
                let role = wanted.role.flatMap(InviteRole.init)
                guard role != nil || wanted.role == nil else {
                    throw ErrorResponse.invalid("An invitation's role is 'user', 'device' or 'agent'.")
                }
                let invitation = try await coordinator.createInvitation(
                    try InvitationRequest(wanted, role: role, handle: wanted.handle), by: caller.principal)
                let created = CreatedInvitation(invitation, of: coordinator, addresses: addresses())
                // The id, never the code: whoever reads that can join.
                context.announced.set(id: created.id)
                return try JSON.response(created, status: .created)
            },
            .admin(
                .delete, "/api/network/invitations/{id}", .revokeInvitation,
                announces: .deleted(.invitation, "id", to: .admins)
            ) {
                _, context, caller in
                let id = try context.pathPart("id")
                try await administration.coordinator.revokeInvitation(id, by: caller.principal)
                return try JSON.response(InvitationRevocation(id: id, revoked: true))
            },
        ]
    }
}

extension InvitationRequest {
    /// What the body says about time, uses and label; the coordinator knows their bounds.
    init(_ wanted: NewInvitation, role: InviteRole?, handle: String?) throws(ErrorResponse) {
        self.init(
            role: role, handle: handle, uses: wanted.uses ?? 1,
            lifetime: wanted.ttl ?? Coordinator.invitationLifetime, label: wanted.label)
    }
}

extension CreatedInvitation {
    init(_ invitation: Invitation, of coordinator: Coordinator, addresses: [SocketAddress]) {
        let intent =
            switch invitation.role {
            case .user: "register"
            case .device: "add_device"
            case .agent: "add_agent"
            }
        self.init(
            id: InvitationSummary(invitation, now: invitation.createdAt).id,
            ticket: coordinator.ticket(for: invitation, addresses: addresses).text, code: invitation.code,
            role: invitation.role.rawValue, bindTo: invitation.bindTo, intent: intent,
            expiresAt: invitation.expiresAt, usesLeft: invitation.usesLeft, label: invitation.label)
    }
}

extension InvitationBody {
    fileprivate init(_ invitation: InvitationSummary) {
        self.init(
            id: invitation.id, role: invitation.role.rawValue, state: invitation.state.rawValue,
            bindTo: invitation.bindTo, usesLeft: invitation.usesLeft, createdAt: invitation.createdAt,
            expiresAt: invitation.expiresAt, createdBy: invitation.createdBy, usedAt: invitation.usedAt,
            label: invitation.label)
    }
}
