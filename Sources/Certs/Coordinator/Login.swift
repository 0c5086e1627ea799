internal import Store
internal import Transport

// How does a device get its certificate? Its user proves the password by SRP-6a in two calls, over a connection whose peer
// key is the device's. A stranger learns nothing from trying: an unknown handle gets an exchange with a decoy record, as
// long and as costly as a real one, that no password satisfies.
//
//   login_init  ─▶ a place in a lane ─▶ count the attempt ─▶ record or decoy ─▶ state (30 s, one use, this peer only)
//   login_finish ─▶ take the state ─▶ place ─▶ proof ─▶ peer is the device ─▶ device rule (one transaction) ─▶ certificate

/// What login_init answers.
struct LoginChallenge: Sendable {
    /// 32 hexadecimal digits.
    let stateID: String
    let response: [UInt8]
}

/// What login_finish answers.
struct LoginGrant: Sendable {
    let certificate: DeviceCertificate
    let proof: [UInt8]
}

extension Coordinator {
    func beginLogin(handle: String, clientPublic: [UInt8], peer: NodeID) async throws -> LoginChallenge {
        let handle = HandleRule.normalised(handle)
        guard !handle.isEmpty, handle.utf8.count <= HandleRule.maximumLength else {
            throw RPCError(.badRequest, "handle must have 1 to \(HandleRule.maximumLength) bytes")
        }
        guard clientPublic.count == SRPGroup.elementLength else { throw Self.loginFailed }
        let start = now()
        let isOwn = isOwn(peer, of: handle)
        return try await compute(in: isOwn ? .known : .beginning) { place in
            // A device that is already the user's own is not held up by strangers who guess at the user's password; its
            // key is proven by the connection.
            try admit(isOwn ? [.node(peer)] : [.handle(handle), .node(peer)], now: start)
            let user = try await repository.read { try $0.user(handle) }
            let exchange: SRPServer
            do {
                exchange = try await place.run { [decoyKey] in
                    let decoy = SRPRecord(decoyFor: handle, key: decoyKey)
                    let record = try user.map { try SRPRecord(wire: $0.pakeRecord) } ?? decoy
                    return try SRPServer(handle: handle, record: record, clientPublic: clientPublic)
                }
            } catch is SRPError {
                throw Self.loginFailed
            }
            let id = Base16.encode(randomBytes(16))
            let state = LoginState(
                handle: handle, peer: peer, exchange: exchange, isDecoy: user?.status != .active,
                record: user?.pakeRecord ?? [])
            logins.withLock { $0.states.insert(state, id: id, now: now()) }
            return LoginChallenge(stateID: id, response: exchange.response)
        }
    }

    func finishLogin(
        stateID: String, proof: [UInt8], deviceKey: NodeID, label: String?, invite: String?, peer: NodeID
    ) async throws -> LoginGrant {
        let now = now()
        guard let state = logins.withLock({ $0.states.take(stateID, peer: peer, now: now) }) else {
            throw RPCError(.expired, "the login has expired: start again")
        }
        let isOwn = isOwn(peer, of: state.handle)
        let answer = try await compute(in: isOwn ? .known : .finishing) { place in
            try await place.run { try state.exchange.answer(to: proof) }
        }
        guard let answer, !state.isDecoy else {
            logger.info("coordinator::login_refused", metadata: ["peer": "\(peer.short)"])
            throw Self.loginFailed
        }
        logins.withLock { $0.throttle.succeeded([.handle(state.handle), .node(peer)]) }
        guard constantTimeEqual(deviceKey.bytes, peer.bytes) else {
            throw RPCError(.unauthorized, "device_pubkey is not the key of this connection")
        }
        let user = try await redeeming(invite ?? "", now: now) { [roster] transaction in
            // The password that was proven is this user's, not that of one who had the handle a moment ago.
            guard try transaction.rows.user(state.handle)?.pakeRecord == state.record else { throw Self.loginFailed }
            return try Self.pair(
                deviceKey, with: state.handle, label: label, invite: invite, now: now, roster: roster, in: transaction)
        }
        logger.info(
            "coordinator::device_logged_in", metadata: ["handle": "\(user.handle)", "device": "\(deviceKey.short)"])
        let certificate = DeviceCertificate.issue(
            handle: user.handle, deviceKey: deviceKey, networkID: network.networkID,
            capabilities: Self.capabilities(of: user.role), issuedAt: now, signedBy: identity)
        return LoginGrant(certificate: certificate, proof: answer)
    }

    static var loginFailed: RPCError { RPCError(.unauthorized, "login failed: the handle or the password is wrong") }

    private func isOwn(_ device: NodeID, of handle: String) -> Bool {
        if case .active = roster.standing(of: device, handle: handle) { true } else { false }
    }

    /// Turns away who comes in a flood, before anything is computed or counted.
    private func compute<T>(
        in lane: ComputationQueue.Lane, _ body: (ComputationQueue.Place) async throws -> T
    ) async throws -> T {
        do {
            return try await computations.withPlace(in: lane, body)
        } catch is ComputationQueue.Busy {
            throw RPCError(.rateLimited, "too many others are logging in: try again in a few seconds")
        }
    }

    /// The device rule of network.md §6: a known active device just logs in; the first device of a user is added; any
    /// further one needs an invitation.
    private static func pair(
        _ key: NodeID, with handle: String, label: String?, invite: String?, now: Double, roster: Roster,
        in transaction: NetworkTransaction
    ) throws -> UserRecord {
        guard let user = try transaction.rows.user(handle), user.status == .active else { throw loginFailed }
        switch try transaction.rows.device(key.bytes) {
        case let device? where device.status == .revoked:
            throw RPCError(.revoked, revokedMessage)
        case let device? where device.handle != handle:
            throw RPCError(.conflict, "this device belongs to another user of the network")
        case .some:
            try transaction.touchDevice(key.bytes, at: now)
        case nil:
            if try transaction.rows.isRevokedKey(key.bytes) { throw RPCError(.revoked, revokedMessage) }
            if try transaction.rows.hasDevices(handle) {
                _ = try redeem(
                    invite ?? "", roles: [.user, .device], handle: handle, device: key, now: now, in: transaction)
            }
            let device = DeviceRecord(
                key: key.bytes, handle: handle, label: cleanLabel(label), addedAt: now, lastSeen: now)
            try transaction.insertDevice(device)
            try transaction.audit(
                AuditRecord(at: now, actor: handle, actorDevice: key.bytes, action: "device.add", subject: key.hex))
            transaction.afterCommit { roster.set(device) }
        }
        try transaction.audit(
            AuditRecord(at: now, actor: handle, actorDevice: key.bytes, action: "user.login", subject: handle))
        return user
    }
}
