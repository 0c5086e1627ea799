internal import Certs
internal import Synchronization
internal import Transport

// Who is at the other end of a connection? The key that its handshake proved, and the certificates that it has shown.
// This file remembers signature checks; it knows no roster and no clock.

/// One connection as the gateway sees it. The node id is proven by the transport, never by what the peer says.
final class PeerConnection: Sendable {
    /// Certificates remembered for each connection: one device has one, or two while it renews.
    static let rememberedCertificates = 4

    /// Distinguishes connections in logs and in the registry.
    let id: UInt64
    /// The key at the other end.
    let node: NodeID
    /// Where its datagrams come from, for logs.
    let remote: @Sendable () -> String
    /// Ends the connection at once, with an application code and a reason.
    let close: @Sendable (_ code: UInt64, _ reason: String) -> Void

    private let verified = Mutex<[[UInt8]: DeviceCertificate]>([:])

    init(
        id: UInt64, node: NodeID, remote: @escaping @Sendable () -> String,
        close: @escaping @Sendable (_ code: UInt64, _ reason: String) -> Void
    ) {
        self.id = id
        self.node = node
        self.remote = remote
        self.close = close
    }

    /// The certificate behind `wire`, its signature checked once for each connection. Everything that can change with
    /// time (expiry, standing) is not checked here.
    func certificate(_ wire: [UInt8], coordinator: NodeID) throws(CertificateError) -> DeviceCertificate {
        if let known = verified.withLock({ $0[wire] }) { return known }
        let certificate = try DeviceCertificate(wire: wire, coordinator: coordinator)
        verified.withLock { known in
            if known.count >= Self.rememberedCertificates { known.removeAll() }
            known[wire] = certificate
        }
        return certificate
    }

    /// Handles that this connection has shown valid signatures for.
    var handles: Set<String> { verified.withLock { Set($0.values.map(\.handle)) } }
}

/// What a stream presents for each of its requests.
struct StreamCredential: Sendable {
    let peer: PeerConnection
    /// The bytes of the preamble; empty when the peer has no certificate.
    let certificate: [UInt8]
}
