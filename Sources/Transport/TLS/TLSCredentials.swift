internal import CGnuTLS
internal import CSodium

// What does a node show to its peers in TLS? Its Ed25519 public key, bare (RFC 7250), and it demands the same of them.
// No X.509, no names, no authorities.

/// The parts of TLS that all of an endpoint's sessions share.
final class TLSCredentials {
    /// DER of a SubjectPublicKeyInfo for Ed25519, up to the 32 bytes of the key (RFC 8410 §4).
    static let publicKeyPrefix: [UInt8] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00]
    /// DER of a PKCS #8 key for Ed25519, up to the 32 bytes of the seed (RFC 8410 §7).
    private static let privateKeyPrefix: [UInt8] = [
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
    ]

    /// TLS 1.3 only; raw keys only, both ways (GnuTLS needs the words as well as the flag in `gnutls_init`); Ed25519
    /// only. The server's order counts, so that AES-128-GCM wins: it is the cheapest with AES instructions.
    private static let priorities =
        "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CTYPE-ALL:+CTYPE-CLI-RAWPK:+CTYPE-SRV-RAWPK"
        + ":-SIGN-ALL:+SIGN-EDDSA-ED25519:-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1"
        + ":-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:%SERVER_PRECEDENCE:%DISABLE_TLS13_COMPAT_MODE"

    let credentials: gnutls_certificate_credentials_t
    let priority: gnutls_priority_t
    /// Encrypts session tickets. New in each process, so that a stolen key file opens no old session.
    private(set) var ticketKey = gnutls_datum_t()
    let alpns: [String]

    /// - Parameter alpns: what incoming connections may speak; the first common one in this order is chosen.
    init(secretKey: SecretKey, alpns: [String]) throws(TLSError) {
        self.alpns = alpns
        var allocated: gnutls_certificate_credentials_t?
        try TLSError.check(gnutls_certificate_allocate_credentials(&allocated), "allocate credentials")
        var priority: gnutls_priority_t?
        try TLSError.check(gnutls_priority_init(&priority, Self.priorities, nil), "set priorities")
        guard let allocated, let priority else { throw .library("allocate credentials", 0) }
        credentials = allocated
        self.priority = priority

        var publicKey = Self.publicKeyPrefix + secretKey.nodeID.bytes
        var privateKey = Self.privateKeyPrefix + secretKey.seed
        let result = publicKey.withUnsafeMutableBufferPointer { publicKey in
            privateKey.withUnsafeMutableBufferPointer { privateKey in
                var publicDatum = gnutls_datum_t(data: publicKey.baseAddress, size: UInt32(publicKey.count))
                var privateDatum = gnutls_datum_t(data: privateKey.baseAddress, size: UInt32(privateKey.count))
                return gnutls_certificate_set_rawpk_key_mem(
                    allocated, &publicDatum, &privateDatum, GNUTLS_X509_FMT_DER, nil,
                    UInt32(GNUTLS_KEY_DIGITAL_SIGNATURE), nil, 0, 0)
            }
        }
        sodium_memzero(&privateKey, privateKey.count)
        try TLSError.check(result, "use the node's key")
        try TLSError.check(gnutls_session_ticket_key_generate(&ticketKey), "make a ticket key")
        gnutls_certificate_set_verify_function(allocated, verifyPeer)
    }

    deinit {
        gnutls_certificate_free_credentials(credentials)
        gnutls_priority_deinit(priority)
        if let data = ticketKey.data {
            sodium_memzero(data, Int(ticketKey.size))
            cgnutls_free(data)
        }
    }
}

/// What GnuTLS said.
enum TLSError: Error, CustomStringConvertible {
    case library(String, Int32)

    static func check(_ result: Int32, _ operation: String) throws(TLSError) {
        guard result >= 0 else { throw .library(operation, result) }
    }

    var description: String {
        switch self {
        case .library(let operation, let code):
            "TLS cannot \(operation): \(gnutls_strerror(code).map { String(cString: $0) } ?? "error \(code)")"
        }
    }
}
