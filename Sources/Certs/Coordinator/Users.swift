public import Store

// How do users rise, fall, pause and leave? The network always keeps one active admin, so that nobody locks everybody out.

/// A user as administration shows them: without what their password is checked with.
public struct NetworkUser: Sendable, Equatable {
    public let handle: String
    public let role: UserRole
    public let status: UserStatus
    /// Unix seconds.
    public let createdAt: Double
    /// Devices that may come in, and devices in all.
    public let activeDevices: Int
    public let devices: Int
    /// Unix seconds of the last login from any device.
    public let lastSeen: Double?
}

extension Coordinator {
    /// Every user, oldest first.
    public func users() async throws -> [NetworkUser] {
        let (users, devices) = try await repository.read { try ($0.users(), $0.devices()) }
        let byHandle = Dictionary(grouping: devices, by: \.handle)
        return users.map { user in
            let own = byHandle[user.handle] ?? []
            return NetworkUser(
                handle: user.handle, role: user.role, status: user.status, createdAt: user.createdAt,
                activeDevices: own.count { $0.status == .active }, devices: own.count,
                lastSeen: own.compactMap(\.lastSeen).max())
        }
    }

    /// Makes a user an admin, or an admin a plain member. It counts from their next request on.
    ///
    /// - Returns: whether the role changed.
    /// - Throws: ``AdministrationError/unknownUser(_:)``, ``AdministrationError/lastAdmin(_:)``.
    public func setRole(_ role: UserRole, of handle: String, by caller: Principal) async throws -> Bool {
        try await change(role == .admin ? "user.promote" : "user.demote", handle, by: caller) { user, transaction in
            guard user.role != role else { return nil }
            if role == .member { try Self.keepAnAdmin(without: user, in: transaction) }
            _ = try transaction.setUserRole(role, of: user.handle)
            return .user(user.handle, role: role, status: user.status)
        }
    }

    /// Suspends a user, whose devices lose their connections at once, or lets them in again.
    ///
    /// - Returns: whether the status changed.
    /// - Throws: as ``setRole(_:of:by:)``.
    public func setStatus(_ status: UserStatus, of handle: String, by caller: Principal) async throws -> Bool {
        let action = status == .suspended ? "user.suspend" : "user.resume"
        return try await change(action, handle, by: caller) { user, transaction in
            guard user.status != status else { return nil }
            if status == .suspended { try Self.keepAnAdmin(without: user, in: transaction) }
            _ = try transaction.setUserStatus(status, of: user.handle)
            return .user(user.handle, role: user.role, status: status)
        }
    }

    /// Changes role and status of a user together: both, or nothing. Each change has its own row in the audit table.
    ///
    /// - Parameters:
    ///   - role: nil: it stays.
    ///   - status: nil: it stays.
    /// - Returns: whether anything changed.
    /// - Throws: as ``setRole(_:of:by:)``.
    public func change(
        _ handle: String, role: UserRole?, status: UserStatus?, by caller: Principal
    ) async throws -> Bool {
        guard let role else {
            guard let status else { return false }
            return try await setStatus(status, of: handle, by: caller)
        }
        guard let status else { return try await setRole(role, of: handle, by: caller) }
        // The audit table names what is done, and nothing that was so before.
        let known = try await user(HandleRule.typed(handle))
        if known?.status == status { return try await setRole(role, of: handle, by: caller) }
        if known?.role == role { return try await setStatus(status, of: handle, by: caller) }
        let action = role == .admin ? "user.promote" : "user.demote"
        let second = status == .suspended ? "user.suspend" : "user.resume"
        let now = now()
        return try await change(action, handle, by: caller) { user, transaction in
            guard user.role != role || user.status != status else { return nil }
            if role == .member || status == .suspended { try Self.keepAnAdmin(without: user, in: transaction) }
            if user.role != role { _ = try transaction.setUserRole(role, of: user.handle) }
            if user.status != status {
                _ = try transaction.setUserStatus(status, of: user.handle)
                try transaction.audit(
                    AuditRecord(
                        at: now, actor: caller.auditName, actorDevice: caller.device?.bytes, action: second,
                        subject: user.handle, result: "ok"))
            }
            return .user(user.handle, role: role, status: status)
        }
    }

    /// Removes a user, their devices and the invitations that are for them alone or were made by them. A device key that
    /// was revoked stays so, and their conversations are out of the reach of whoever has the handle next.
    ///
    /// - Throws: as ``setRole(_:of:by:)``.
    public func removeUser(_ handle: String, by caller: Principal) async throws {
        let now = now()
        _ = try await change("user.remove", handle, by: caller) { user, transaction in
            try Self.keepAnAdmin(without: user, in: transaction)
            for invitation in try transaction.rows.invitations()
            where invitation.bindTo == user.handle || invitation.createdBy == user.handle {
                _ = try transaction.voidInvitation(invitation.code)
            }
            _ = try transaction.removeUser(user.handle, at: now)
            return .userRemoved(user.handle)
        }
    }

    /// Finds the user, makes the change and publishes it when it is committed.
    private func change(
        _ action: String, _ handle: String, by caller: Principal,
        _ body: @escaping @Sendable (UserRecord, NetworkTransaction) throws -> RosterChange?
    ) async throws -> Bool {
        let handle = HandleRule.typed(handle)
        return try await administer(action, on: handle, by: caller, now: now()) { [roster] transaction in
            guard let user = try transaction.rows.user(handle) else { throw AdministrationError.unknownUser(handle) }
            guard let change = try body(user, transaction) else { return false }
            transaction.afterCommit { roster.apply(change) }
            return true
        }
    }

    private static func keepAnAdmin(without user: UserRecord, in transaction: NetworkTransaction) throws {
        guard user.role == .admin, user.status == .active else { return }
        if try transaction.rows.activeAdmins() <= 1 { throw AdministrationError.lastAdmin(user.handle) }
    }
}
