internal import CSodium

// How are two nodes' disco messages sealed? By libsodium's crypto_box (X25519, XChaCha20-Poly1305) between the
// Curve25519 forms of their Ed25519 keys. The only code that calls libsodium for disco; it knows no packet layout.

/// Seals and opens messages between the holder of a secret key and one other node.
enum DiscoBox {
    /// Bytes that sealing adds to a message.
    static let overhead = 16
    static let nonceLength = 24

    /// `message`, readable and forgeable only by the two nodes. Nil when `peer` is not a point that can be converted.
    static func seal(_ message: [UInt8], nonce: [UInt8], from key: SecretKey, to peer: NodeID) -> [UInt8]? {
        precondition(nonce.count == nonceLength)
        return withConvertedKeys(key, peer) { secret, point in
            var box = [UInt8](repeating: 0, count: message.count + overhead)
            let result = crypto_box_curve25519xchacha20poly1305_easy(
                &box, message, UInt64(message.count), nonce, point, secret)
            return result == 0 ? box : nil
        }
    }

    /// The message in `box`, or nil when `peer` did not seal it for this key.
    static func open(_ box: [UInt8], nonce: [UInt8], from peer: NodeID, with key: SecretKey) -> [UInt8]? {
        guard box.count > overhead, nonce.count == nonceLength else { return nil }
        return withConvertedKeys(key, peer) { secret, point in
            var message = [UInt8](repeating: 0, count: box.count - overhead)
            let result = crypto_box_curve25519xchacha20poly1305_open_easy(
                &message, box, UInt64(box.count), nonce, point, secret)
            return result == 0 ? message : nil
        }
    }

    /// Bytes that nobody can guess: a nonce, or a ping's transaction id.
    static func randomBytes(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        randombytes_buf(&bytes, count)
        return bytes
    }

    private static func withConvertedKeys(
        _ key: SecretKey, _ peer: NodeID, _ body: (_ secret: [UInt8], _ point: [UInt8]) -> [UInt8]?
    ) -> [UInt8]? {
        var point = [UInt8](repeating: 0, count: 32)
        guard crypto_sign_ed25519_pk_to_curve25519(&point, peer.bytes) == 0 else { return nil }
        var expanded = key.seed + key.nodeID.bytes
        var secret = [UInt8](repeating: 0, count: 32)
        defer {
            sodium_memzero(&expanded, expanded.count)
            sodium_memzero(&secret, secret.count)
        }
        guard crypto_sign_ed25519_sk_to_curve25519(&secret, expanded) == 0 else { return nil }
        return body(secret, point)
    }
}
