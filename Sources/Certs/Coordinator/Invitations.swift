public import NIOCore
public import Store
internal import Transport

// How do invitations come into being, and who may use one up? Codes are spent only inside the transaction that makes the
// change they pay for, so a join that fails or is interrupted burns nothing, and two that race have one winner.

extension Coordinator {
    /// Seconds for which an invitation can be redeemed, unless told otherwise: 7 days.
    public static let invitationLifetime: Double = 604_800

    private static let bootstrapCreator = "auto-bootstrap"

    /// The invitation for the network's first user, its admin. The newest one that can still be redeemed, or a new one.
    ///
    /// - Returns: nil once there is a user.
    public func bootstrapInvitation() throws -> Invitation? {
        let now = now()
        return try repository.write { transaction -> Invitation? in
            guard try !transaction.rows.hasUsers() else { return nil }
            if let invitation = try transaction.rows.newestRedeemableInvitation(
                createdBy: Self.bootstrapCreator, now: now)
            {
                return invitation
            }
            return try Self.mint(
                role: .user, bindTo: nil, uses: 1, lifetime: Self.invitationLifetime, creator: Self.bootstrapCreator,
                by: .system, now: now, in: transaction)
        }
    }

    /// Makes an invitation.
    ///
    /// - Parameters:
    ///   - bindTo: the handle that alone may redeem it; counts for the role `device` only.
    ///   - uses: how often it can be redeemed, at least 1.
    ///   - lifetime: seconds.
    public func createInvitation(
        role: InviteRole, bindTo: String? = nil, uses: Int = 1, lifetime: Double = invitationLifetime, by caller: Caller
    ) async throws -> Invitation {
        let now = now()
        let handle = bindTo.map(HandleRule.normalised).flatMap { $0.isEmpty ? nil : $0 }
        return try await repository.write { transaction in
            try Self.mint(
                role: role, bindTo: handle, uses: max(1, uses), lifetime: lifetime,
                creator: caller.auditName, by: caller, now: now, in: transaction)
        }
    }

    /// The ticket that carries an invitation to a person.
    ///
    /// - Parameter addresses: where this coordinator can be reached.
    public func ticket(for invitation: Invitation, addresses: [SocketAddress]) -> InviteTicket {
        InviteTicket(
            code: invitation.code, node: network.coordinator, networkName: network.name, networkID: network.networkID,
            role: invitation.role, bindTo: invitation.bindTo ?? "", addresses: addresses.map(\.hostAndPort))
    }

    /// Spends one use of `code` for `handle` within a transaction that also makes the change.
    ///
    /// - Throws: ``RPCErrorCode/invalidInvite`` for an unknown, spent or expired code, one of another role, and one that
    ///   is bound to somebody else. The message does not tell which.
    static func redeem(
        _ code: String, roles: Set<InviteRole>, handle: String, device: NodeID, now: Double,
        in transaction: NetworkTransaction
    ) throws {
        let code = InviteCode.normalised(code)
        guard let invitation = try transaction.rows.invitation(code), roles.contains(invitation.role),
            invitation.role != .device || invitation.bindTo == nil || invitation.bindTo == handle,
            try transaction.spendInvitation(code, now: now)
        else {
            throw RPCError(
                .invalidInvite, "the invitation is unknown, used up, expired or not for this: ask for a new one")
        }
        try transaction.audit(
            AuditRecord(
                at: now, actor: handle, actorDevice: device.bytes, action: "invitation.redeem",
                subject: auditName(of: code)))
    }

    private static func mint(
        role: InviteRole, bindTo: String?, uses: Int, lifetime: Double, creator: String, by caller: Caller, now: Double,
        in transaction: NetworkTransaction
    ) throws -> Invitation {
        let invitation = Invitation(
            code: InviteCode.random(), role: role, createdBy: creator, bindTo: bindTo, usesLeft: uses,
            expiresAt: now + lifetime, createdAt: now)
        try transaction.insertInvitation(invitation)
        try transaction.audit(
            AuditRecord(
                at: now, actor: caller.auditName, actorDevice: caller.device?.bytes, action: "invitation.create",
                subject: auditName(of: invitation.code)))
        return invitation
    }

    /// Enough of a code to recognise it, far too little to guess the rest.
    private static func auditName(of code: String) -> String { "\(code.prefix(4))…" }
}
