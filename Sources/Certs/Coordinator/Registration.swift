internal import Store
internal import Transport

// How does a person become a user? With an invitation of the role `user`, a free handle and a password record. One
// transaction: either the user exists and the invitation has one use less, or nothing has happened. A user whose
// registration was committed but whose first login was interrupted logs in later with the same password: the first
// device of a user needs no invitation.

extension Coordinator {
    /// Registers a user. The first one of a network is its admin.
    ///
    /// - Returns: the handle in its normalised form.
    func register(invite: String, handle: String, record wire: [UInt8], peer: NodeID) async throws -> String {
        let now = now()
        try admit([.node(peer)], now: now)
        let handle = HandleRule.normalised(handle)
        if let problem = HandleRule.problem(with: handle) { throw RPCError(.badRequest, problem) }
        guard let record = try? SRPRecord(wire: wire) else { throw RPCError(.badRequest, "pake_record is malformed") }
        try await redeeming(invite, now: now) { [roster] transaction in
            _ = try Self.redeem(invite, roles: [.user], handle: handle, device: peer, now: now, in: transaction)
            guard try transaction.rows.user(handle) == nil else {
                throw RPCError(.conflict, "the handle '\(handle)' is taken")
            }
            let user = UserRecord(
                handle: handle, pakeRecord: record.wire, role: try transaction.rows.hasUsers() ? .member : .admin,
                createdAt: now)
            try transaction.insertUser(user)
            try transaction.audit(
                AuditRecord(
                    at: now, actor: handle, actorDevice: peer.bytes, action: "user.register", subject: handle))
            transaction.afterCommit { roster.apply(.user(handle, role: user.role, status: user.status)) }
        }
        logins.withLock { $0.throttle.succeeded([.node(peer)]) }
        logger.info("coordinator::user_registered", metadata: ["handle": "\(handle)", "peer": "\(peer.short)"])
        return handle
    }

    /// Counts an attempt.
    ///
    /// - Throws: ``RPCErrorCode/rateLimited`` when somebody has to wait.
    func admit(_ subjects: [LoginThrottle.Subject], now: Double) throws {
        switch logins.withLock({ $0.throttle.admit(subjects, now: now) }) {
        case .admitted: return
        case .wait(let seconds):
            throw RPCError(.rateLimited, "too many attempts: try again in \(Int(seconds.rounded(.up))) s")
        }
    }
}
