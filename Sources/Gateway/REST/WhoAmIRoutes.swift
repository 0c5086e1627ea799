internal import Certs
internal import Hummingbird
internal import Store
internal import Transport
internal import Wire

// Who am I to this agent, and which devices are mine? What every user may see and do about themselves. Whatever belongs to
// somebody else does not exist here, also for admins: they have the routes of the network.

enum WhoAmIRoutes {
    static func routes(
        _ agent: AgentDescription, _ administration: NetworkAdministration, _ live: LiveConnections
    ) -> [Route] {
        [
            .member(.get, "/api/whoami", .whoAmI) { _, _, caller in
                var label: String?
                if !caller.isOperator, case .coordinator(let coordinator, _) = administration {
                    label = try await coordinator.devices(of: caller.handle)
                        .first { $0.key == caller.device.bytes }?.label
                }
                return try JSON.response(WhoAmI(caller, of: agent, deviceLabel: label))
            },
            .member(.get, "/api/whoami/devices", .ownDevices) { request, _, caller in
                let coordinator = try administration.coordinator
                // The operator is no user.
                guard try await coordinator.user(caller.handle) != nil else {
                    return try JSON.response(DevicesBody(devices: []))
                }
                return try await DeviceRoutes.list(request, of: caller.handle, in: coordinator, live)
            },
            .member(
                .patch, "/api/whoami/devices/{key}", .renameDevice(isOwn: true),
                announces: .updated(.device, "key", to: .admins, .caller)
            ) {
                request, context, caller in
                try await DeviceRoutes.rename(
                    request, context, by: try owner(caller, administration), in: try administration.coordinator, live)
            }.bridges(.refused),
            .member(
                .delete, "/api/whoami/devices/{key}", .revokeDevice(isOwn: true),
                announces: .deleted(.device, "key", to: .admins, .caller)
            ) {
                _, context, caller in
                try await DeviceRoutes.revoke(
                    context, by: try owner(caller, administration), in: try administration.coordinator, live)
            }.bridges(.refused),
            .member(
                .post, "/api/whoami/invitations", .inviteOwnDevice,
                announces: .created(.invitation, to: .admins, .caller)
            ) {
                request, context, caller in
                let (coordinator, addresses) = try administration.here()
                guard !caller.isOperator else {
                    throw ErrorResponse.invalid(
                        "The operator is no user of the network and has no devices.",
                        hint: "Name the user: POST /api/network/invitations")
                }
                let wanted = try await request.decode(as: NewInvitation.self, context: context)
                let invitation = try InvitationRequest(wanted, role: .device, handle: caller.handle)
                let created = CreatedInvitation(
                    try await coordinator.createInvitation(invitation, by: caller.ownPrincipal), of: coordinator,
                    addresses: addresses())
                context.announced.set(id: created.id)
                return try JSON.response(created, status: .created)
            }.bridges(.refused),
        ]
    }

    /// Who manages their own devices. The operator has none.
    private static func owner(_ caller: Caller, _ administration: NetworkAdministration) throws -> Principal {
        _ = try administration.here()
        guard !caller.isOperator else { throw AdministrationError.unknownDevice }
        return caller.ownPrincipal
    }
}

extension WhoAmI {
    fileprivate init(_ caller: Caller, of agent: AgentDescription, deviceLabel: String?) {
        self.init(
            handle: caller.handle, isOperator: caller.isOperator, role: caller.role == .admin ? "admin" : "member",
            device: caller.device.hex, deviceLabel: deviceLabel, network: agent.networkName,
            networkID: agent.networkID, agent: agent.name, nodeID: agent.nodeID.hex,
            certificate: caller.certificate.map {
                Certificate(issuedAt: $0.issuedAt, expiresAt: $0.expiresAt, renewalDueAt: $0.renewalDueAt)
            })
    }
}
