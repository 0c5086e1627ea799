internal import CGnuTLS
internal import CNGTCP2

// Who is on the other side of this connection, and what do we speak? One TLS session answers that: it checks the
// peer's key while the handshake runs, and once more when it is complete, because a resumed session skips the check.

/// One connection's TLS session. GnuTLS and ngtcp2 talk to each other through it; it moves no bytes itself.
final class TLSSession {
    enum Role {
        /// Dialling `peer`; with what an earlier session to it left behind.
        case client(peer: NodeID, alpn: String, ticket: [UInt8]?)
        case server
    }

    /// Why the handshake was refused by this side.
    enum Refusal {
        case wrongKey(expected: NodeID, met: NodeID)
        case noKey
        case noProtocol
    }

    private(set) var session: gnutls_session_t
    private let role: Role
    private let credentials: TLSCredentials
    private(set) var refusal: Refusal?
    /// A ticket for resuming this session, until it is taken.
    private var newTicket: [UInt8]?

    /// - Parameter reference: what `gnutls_session_get_ptr` returns, as `ngtcp2_crypto` demands; outlives the session.
    init(
        role: Role, credentials: TLSCredentials, reference: UnsafeMutablePointer<ngtcp2_crypto_conn_ref>
    ) throws(TLSError) {
        self.role = role
        self.credentials = credentials
        var flags = GNUTLS_ENABLE_RAWPK.rawValue | GNUTLS_NO_END_OF_EARLY_DATA.rawValue
        switch role {
        case .client: flags |= GNUTLS_CLIENT.rawValue
        case .server: flags |= GNUTLS_SERVER.rawValue | GNUTLS_NO_AUTO_SEND_TICKET.rawValue
        }
        var created: gnutls_session_t?
        try TLSError.check(gnutls_init(&created, flags), "start a session")
        guard let created else { throw .library("start a session", 0) }
        session = created
        try TLSError.check(gnutls_priority_set(session, credentials.priority), "set priorities")
        try TLSError.check(
            gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, UnsafeMutableRawPointer(credentials.credentials)),
            "set credentials")
        gnutls_session_set_ptr(session, reference)
        switch role {
        case .client(_, let alpn, let ticket):
            try TLSError.check(ngtcp2_crypto_gnutls_configure_client_session(session), "configure a client")
            try setProtocols([alpn], flags: GNUTLS_ALPN_MANDATORY.rawValue)
            gnutls_handshake_set_hook_function(
                session, UInt32(GNUTLS_HANDSHAKE_NEW_SESSION_TICKET.rawValue), Int32(GNUTLS_HOOK_POST), keepTicket)
            if let ticket {
                // A ticket that GnuTLS does not like costs only the shortcut.
                _ = gnutls_session_set_data(session, ticket, ticket.count)
            }
        case .server:
            try TLSError.check(ngtcp2_crypto_gnutls_configure_server_session(session), "configure a server")
            let flags = GNUTLS_ALPN_MANDATORY.rawValue | GNUTLS_ALPN_SERVER_PRECEDENCE.rawValue
            try setProtocols(credentials.alpns, flags: flags)
            gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE)
            var key = credentials.ticketKey
            try TLSError.check(gnutls_session_ticket_enable_server(session, &key), "enable tickets")
        }
    }

    deinit { gnutls_deinit(session) }

    /// What ngtcp2 calls the native handle.
    var nativeHandle: UnsafeMutableRawPointer { UnsafeMutableRawPointer(session) }

    /// The peer's key; nil before it was seen, and for anything but exactly one Ed25519 raw key.
    var peerKey: NodeID? {
        guard gnutls_certificate_type_get2(session, GNUTLS_CTYPE_PEERS) == GNUTLS_CRT_RAWPK else { return nil }
        var count: UInt32 = 0
        guard let datum = gnutls_certificate_get_peers(session, &count), count == 1 else { return nil }
        let der = UnsafeBufferPointer(start: datum.pointee.data, count: Int(datum.pointee.size))
        guard der.starts(with: TLSCredentials.publicKeyPrefix) else { return nil }
        return try? NodeID(bytes: der.dropFirst(TLSCredentials.publicKeyPrefix.count))
    }

    /// The protocol that was agreed on.
    var selectedALPN: String? {
        var datum = gnutls_datum_t()
        guard gnutls_alpn_get_selected_protocol(session, &datum) == 0 else { return nil }
        return String(decoding: UnsafeBufferPointer(start: datum.data, count: Int(datum.size)), as: UTF8.self)
    }

    var isResumed: Bool { gnutls_session_is_resumed(session) != 0 }

    /// Whether the peer's key is the one wanted. Notes the refusal when not.
    func checkPeer() -> Bool {
        guard let met = peerKey else {
            refusal = .noKey
            return false
        }
        if case .client(let expected, _, _) = role, expected != met {
            refusal = .wrongKey(expected: expected, met: met)
            return false
        }
        return true
    }

    /// The end of the handshake: the peer's key again, and a protocol that we speak. `GNUTLS_ALPN_MANDATORY` lets a
    /// peer through that offers no protocol at all.
    func checkCompleted() -> Bool {
        guard checkPeer() else { return false }
        let accepted: [String] =
            switch role {
            case .client(_, let alpn, _): [alpn]
            case .server: credentials.alpns
            }
        guard let selectedALPN, accepted.contains(selectedALPN) else {
            refusal = .noProtocol
            return false
        }
        return true
    }

    /// Lets the peer resume this session later.
    func sendTicket() { _ = gnutls_session_ticket_send(session, 1, 0) }

    /// What is needed to resume this session, once a ticket came in.
    func takeTicket() -> [UInt8]? { newTicket.take() }

    fileprivate func exportTicket() {
        var datum = gnutls_datum_t()
        guard gnutls_session_get_data2(session, &datum) == 0, let data = datum.data else { return }
        newTicket = Array(UnsafeBufferPointer(start: data, count: Int(datum.size)))
        cgnutls_free(data)
    }

    private func setProtocols(_ alpns: [String], flags: UInt32) throws(TLSError) {
        var bytes = alpns.map { Array($0.utf8) }
        var result: Int32 = 0
        func lend(_ index: Int, _ datums: [gnutls_datum_t]) {
            guard index < bytes.count else {
                result = gnutls_alpn_set_protocols(session, datums, UInt32(datums.count), flags)
                return
            }
            let count = UInt32(bytes[index].count)
            var one = bytes[index]
            one.withUnsafeMutableBufferPointer { pointer in
                lend(index + 1, datums + [gnutls_datum_t(data: pointer.baseAddress, size: count)])
            }
        }
        lend(0, [])
        bytes.removeAll()
        try TLSError.check(result, "set protocols")
    }
}

/// GnuTLS has checked that the peer holds the key it shows; is it the right one? (gnutls_certificate_verify_function)
func verifyPeer(_ session: gnutls_session_t?) -> Int32 {
    guard let tls = tlsSession(of: session), tls.checkPeer() else { return GNUTLS_E_CERTIFICATE_ERROR }
    return 0
}

/// A message of the handshake was processed (gnutls_handshake_hook_func).
private func keepTicket(
    _ session: gnutls_session_t?, _ type: UInt32, _ when: UInt32, _ incoming: UInt32,
    _ message: UnsafePointer<gnutls_datum_t>?
) -> Int32 {
    if incoming != 0 { tlsSession(of: session)?.exportTicket() }
    return 0
}

private func tlsSession(of session: gnutls_session_t?) -> TLSSession? {
    guard let session, let pointer = gnutls_session_get_ptr(session) else { return nil }
    let reference = pointer.assumingMemoryBound(to: ngtcp2_crypto_conn_ref.self)
    guard let data = reference.pointee.user_data else { return nil }
    return Unmanaged<QUICConnection>.fromOpaque(data).takeUnretainedValue().tls
}
