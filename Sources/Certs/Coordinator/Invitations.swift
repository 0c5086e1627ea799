public import NIOCore
public import Store
internal import Transport

// How do invitations come into being, and who may use one up? Codes are spent only inside the transaction that makes the
// change they pay for, so a join that fails or is interrupted burns nothing, and two that race have one winner. A code in
// the wrong hands is worth little: it is counted how often one is shown for something that it isn't for.

/// A code that admits somebody.
public typealias Invitation = InvitationRecord

/// An invitation as lists show it: whoever reads the list cannot use it.
public struct InvitationSummary: Sendable, Equatable {
    public enum State: String, Sendable { case open, spent, expired }

    /// Ten hexadecimal digits that name the invitation and tell nothing about its code.
    public let id: String
    public let role: InviteRole
    public let state: State
    public let bindTo: String?
    public let usesLeft: Int
    /// Unix seconds.
    public let createdAt: Double
    /// Unix seconds; at this instant it can still be redeemed.
    public let expiresAt: Double
    public let createdBy: String?
    public let usedAt: Double?
    public let label: String?

    /// - Parameter now: Unix seconds.
    public init(_ invitation: Invitation, now: Double) {
        id = Coordinator.invitationID(invitation.code)
        role = invitation.role
        state = invitation.usesLeft == 0 ? .spent : invitation.expiresAt < now ? .expired : .open
        bindTo = invitation.bindTo
        usesLeft = invitation.usesLeft
        createdAt = invitation.createdAt
        expiresAt = invitation.expiresAt
        createdBy = invitation.createdBy
        usedAt = invitation.usedAt
        label = invitation.label
    }
}

/// What an invitation is to be like.
public struct InvitationRequest: Sendable, Equatable {
    /// Nil decides by the handle: a device invitation for a user who exists, else a user invitation.
    public var role: InviteRole?
    /// Whom it is for. It binds a device invitation to this user and names the owner of an agent; on a user invitation it
    /// only proposes a name.
    public var handle: String?
    /// 1 to ``Coordinator/mostUses``.
    public var uses: Int
    /// Seconds, 1 to ``Coordinator/longestInvitation``.
    public var lifetime: Double
    public var label: String?

    public init(
        role: InviteRole? = nil, handle: String? = nil, uses: Int = 1,
        lifetime: Double = Coordinator.invitationLifetime,
        label: String? = nil
    ) {
        self.role = role
        self.handle = handle
        self.uses = uses
        self.lifetime = lifetime
        self.label = label
    }
}

extension Coordinator {
    /// Seconds for which an invitation can be redeemed, unless told otherwise: 7 days.
    public static let invitationLifetime: Double = 604_800
    /// Seconds: 90 days.
    public static let longestInvitation: Double = 7_776_000
    public static let mostUses = 1_000
    /// Attempts to use an invitation for something that it isn't for, after which it is void.
    static let refusalsBeforeVoid = 10

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
            let invitation = Invitation(
                code: InviteCode.random(random), role: .user, createdBy: Self.bootstrapCreator, bindTo: nil,
                usesLeft: 1,
                expiresAt: now + Self.invitationLifetime, createdAt: now)
            try transaction.insertInvitation(invitation)
            try transaction.audit(
                AuditRecord(
                    at: now, actor: Principal.system.auditName, action: "invitation.create",
                    subject: Self.invitationID(invitation.code)))
            return invitation
        }
    }

    /// Makes an invitation. A plain member may only invite another device of their own.
    ///
    /// - Throws: ``AdministrationError/invalid(_:)``, ``AdministrationError/unknownUser(_:)`` for a device invitation for
    ///   somebody who isn't there, ``AdministrationError/forbidden``.
    public func createInvitation(_ request: InvitationRequest, by caller: Principal) async throws -> Invitation {
        let now = now()
        let code = InviteCode.random(random)
        let handle = request.handle.map(HandleRule.typed).flatMap { $0.isEmpty ? nil : $0 }
        _ = try await administer("invitation.create", on: Self.invitationID(code), by: caller, now: now) {
            transaction in
            if case .member(let own, _) = caller {
                guard request.role == .device, handle == own else { throw AdministrationError.forbidden }
            }
            let known = try handle.map { try transaction.rows.user($0) != nil } ?? false
            let role = request.role ?? (known ? .device : .user)
            try Self.check(request, role: role, handle: handle, known: known)
            try transaction.insertInvitation(
                Invitation(
                    code: code, role: role, createdBy: caller.auditName, bindTo: handle, usesLeft: request.uses,
                    expiresAt: now + request.lifetime, createdAt: now, label: Self.cleanLabel(request.label)))
            return true
        }
        guard let invitation = try await repository.read({ try $0.invitation(code) }) else {
            throw AdministrationError.unknownInvitation
        }
        return invitation
    }

    private static func check(
        _ request: InvitationRequest, role: InviteRole, handle: String?, known: Bool
    ) throws(AdministrationError) {
        guard (1...Self.mostUses).contains(request.uses) else {
            throw .invalid("an invitation has 1 to \(Self.mostUses) uses")
        }
        guard (1...Self.longestInvitation).contains(request.lifetime) else {
            throw .invalid("an invitation lasts from 1 s to 90 days")
        }
        if let handle, let problem = HandleRule.problem(with: handle) { throw .invalid(problem) }
        switch role {
        case .device where handle == nil: throw .invalid("a device invitation needs the handle of the device's user")
        case .device where !known: throw .unknownUser(handle ?? "")
        case .user where known: throw .invalid("the user '\(handle ?? "")' exists: invite a device of theirs instead")
        case .user, .device, .agent: return
        }
    }

    /// Every invitation, newest first.
    public func invitations() async throws -> [InvitationSummary] {
        let now = now()
        return try await repository.read { try $0.invitations().map { InvitationSummary($0, now: now) } }
    }

    /// Makes an invitation unusable.
    ///
    /// - Parameter id: the id from a list, or the code itself.
    /// - Throws: ``AdministrationError/unknownInvitation`` when there is none that could be used.
    public func revokeInvitation(_ id: String, by caller: Principal) async throws {
        let wanted = InviteCode.normalised(id)
        let asCode = Self.invitationID(wanted)
        let subject = wanted.count == Self.invitationIDLength ? wanted : asCode
        _ = try await administer("invitation.revoke", on: subject, by: caller, now: now()) { transaction in
            let matching = try transaction.rows.invitations().first { invitation in
                let own = Self.invitationID(invitation.code)
                return own == wanted || own == asCode
            }
            guard let matching, try transaction.voidInvitation(matching.code) else {
                throw AdministrationError.unknownInvitation
            }
            return true
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

    // MARK: Redeeming

    /// Why a code was not taken; ``redeeming(_:now:_:)`` counts it and tells the caller no more than it must.
    private enum Unredeemable: Error { case unusable, notForThis }

    /// Spends one use of `code` for `handle` within a transaction that also makes the change.
    ///
    /// - Returns: whom the invitation is bound to.
    static func redeem(
        _ code: String, roles: Set<InviteRole>, handle: String, device: NodeID, now: Double,
        in transaction: NetworkTransaction
    ) throws -> String? {
        let code = InviteCode.normalised(code)
        guard let invitation = try transaction.rows.invitation(code) else { throw Unredeemable.unusable }
        guard roles.contains(invitation.role),
            invitation.role != .device || invitation.bindTo == nil || invitation.bindTo == handle
        else { throw Unredeemable.notForThis }
        guard try transaction.spendInvitation(code, now: now) else { throw Unredeemable.unusable }
        try transaction.audit(
            AuditRecord(
                at: now, actor: handle, actorDevice: device.bytes, action: "invitation.redeem",
                subject: invitationID(code)))
        return invitation.bindTo
    }

    /// Runs a transaction that may redeem `code`, and counts the attempt when the code isn't for this.
    ///
    /// - Throws: ``RPCErrorCode/invalidInvite`` for an unknown, spent or expired code, one of another role, and one that
    ///   is bound to somebody else. The message does not tell which.
    func redeeming<T: Sendable>(
        _ code: String, now: Double, _ body: @escaping @Sendable (NetworkTransaction) throws -> T
    ) async throws -> T {
        do {
            return try await repository.write(body)
        } catch let reason as Unredeemable {
            if case .notForThis = reason { try await countRefusal(of: InviteCode.normalised(code), now: now) }
            throw RPCError(
                .invalidInvite, "the invitation is unknown, used up, expired or not for this: ask for a new one")
        }
    }

    private func countRefusal(of code: String, now: Double) async throws {
        let isVoid = try await repository.write { transaction in
            guard try transaction.countRefusal(of: code, limit: Self.refusalsBeforeVoid) else { return false }
            try transaction.audit(
                AuditRecord(
                    at: now, actor: Principal.system.auditName, action: "invitation.void",
                    subject: Self.invitationID(code)))
            return true
        }
        if isVoid {
            logger.warning("coordinator::invitation_void", metadata: ["invitation": "\(Self.invitationID(code))"])
        }
    }

    private static let invitationIDLength = 10

    /// Names an invitation in lists, logs and the audit table.
    static func invitationID(_ code: String) -> String {
        String(Base16.encode(SHA256.digest(Array("openagent invitation id:\(code)".utf8))).prefix(invitationIDLength))
    }
}
