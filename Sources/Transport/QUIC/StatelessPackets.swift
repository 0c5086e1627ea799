internal import CNGTCP2
internal import CSodium

// What can be said about a packet, and answered to it, without a connection? Whose it may be, whether it begins a
// connection, and the answers that cost this node no memory: Retry, version negotiation and stateless reset.

/// The parts of a packet that every QUIC version shares (RFC 8999).
enum PacketHeader {
    /// For the connection with this id, if there is one. `isShort` tells a packet of an established connection.
    case packet(destination: ConnectionID, isShort: Bool)
    /// Another version of QUIC: the answer names ours.
    case unknownVersion(destination: ConnectionID, source: ConnectionID)
    case notQUIC

    init(_ packet: UnsafeRawBufferPointer) {
        var parts = ngtcp2_version_cid()
        let bytes = packet.assumingMemoryBound(to: UInt8.self)
        let result = ngtcp2_pkt_decode_version_cid(&parts, bytes.baseAddress, packet.count, ConnectionID.ownLength)
        guard result == 0 || result == NGTCP2_ERR_VERSION_NEGOTIATION, parts.dcidlen <= 20, parts.scidlen <= 20 else {
            self = .notQUIC
            return
        }
        let destination = ConnectionID(UnsafeRawBufferPointer(start: parts.dcid, count: parts.dcidlen))
        if result == 0 {
            self = .packet(destination: destination, isShort: packet[0] & 0x80 == 0)
        } else {
            let source = ConnectionID(UnsafeRawBufferPointer(start: parts.scid, count: parts.scidlen))
            self = .unknownVersion(destination: destination, source: source)
        }
    }
}

/// The first packet of a client.
struct InitialPacket {
    let version: UInt32
    let destination: ConnectionID
    let source: ConnectionID
    let token: [UInt8]
    /// The client's first choice of our id, when it comes back with our Retry token.
    var retriedDestination: ConnectionID?

    /// Nil unless the packet may begin a connection.
    init?(_ packet: UnsafeRawBufferPointer) {
        var header = ngtcp2_pkt_hd()
        guard ngtcp2_accept(&header, packet.assumingMemoryBound(to: UInt8.self).baseAddress, packet.count) == 0 else {
            return nil
        }
        version = header.version
        destination = ConnectionID(header.dcid)
        source = ConnectionID(header.scid)
        token = Array(
            UnsafeBufferPointer(start: header.token.base, count: header.token.base == nil ? 0 : header.token.len))
    }
}

/// Answers without a connection. Each returns the bytes to send, or nil when there is nothing to say.
struct StatelessAnswers {
    /// Keys Retry tokens and reset tokens; the same after a restart.
    let key: [UInt8]
    /// How long a Retry token is good.
    private static let retryLifetime: UInt64 = 10_000_000_000
    /// A reset must look like a packet (RFC 9000 §10.3) and be shorter than what it answers, so that two nodes never
    /// answer each other for ever.
    private static let minimumAnsweredSize = 22

    func versionNegotiation(destination: ConnectionID, source: ConnectionID) -> [UInt8]? {
        let destination = destination.raw
        let source = source.raw
        var versions = [UInt32(NGTCP2_PROTO_VER_V1)]
        return packet(capacity: 128) { space, count in
            withUnsafeBytes(of: source.data) { sourceBytes in
                withUnsafeBytes(of: destination.data) { destinationBytes in
                    ngtcp2_pkt_write_version_negotiation(
                        space, count, UInt8.random(in: 0...255),
                        sourceBytes.assumingMemoryBound(to: UInt8.self).baseAddress,
                        source.datalen, destinationBytes.assumingMemoryBound(to: UInt8.self).baseAddress,
                        destination.datalen, &versions, versions.count)
                }
            }
        }
    }

    /// Asks the client to come again with a token that proves its address (RFC 9000 §8.1.2).
    func retry(_ initial: InitialPacket, from remote: NetworkAddress, now: UInt64) -> [UInt8]? {
        var source = ConnectionID.random().raw
        var clientSource = initial.source.raw
        var clientDestination = initial.destination.raw
        var token = [UInt8](repeating: 0, count: 256)
        let tokenSize = remote.withSockaddr { address, length in
            ngtcp2_crypto_generate_retry_token(
                &token, key, key.count, initial.version, address, length, &source, &clientDestination, now)
        }
        guard tokenSize > 0 else { return nil }
        return packet(capacity: 1_200) { space, count in
            ngtcp2_crypto_write_retry(
                space, count, initial.version, &clientSource, &source, &clientDestination, token, tokenSize)
        }
    }

    /// The client's first choice of our id, if `initial` carries a token that ``retry(_:from:now:)`` made for it.
    func retriedDestination(_ initial: InitialPacket, from remote: NetworkAddress, now: UInt64) -> ConnectionID? {
        guard initial.token.first == UInt8(NGTCP2_CRYPTO_TOKEN_MAGIC_RETRY) else { return nil }
        var original = ngtcp2_cid()
        var destination = initial.destination.raw
        let result = remote.withSockaddr { address, length in
            ngtcp2_crypto_verify_retry_token(
                &original, initial.token, initial.token.count, key, key.count, initial.version, address, length,
                &destination, Self.retryLifetime, now)
        }
        return result == 0 ? ConnectionID(original) : nil
    }

    /// Refuses a client without making a connection for it.
    ///
    /// - Parameter reason: for the client, short.
    func refusal(_ initial: InitialPacket, code: UInt64, reason: String) -> [UInt8]? {
        var clientSource = initial.source.raw
        var clientDestination = initial.destination.raw
        let reason = Array(reason.utf8)
        return packet(capacity: 1_200) { space, count in
            ngtcp2_crypto_write_connection_close(
                space, count, initial.version, &clientSource, &clientDestination, code, reason, reason.count)
        }
    }

    /// Tells the sender of a packet for a forgotten connection that it is forgotten (RFC 9000 §10.3).
    func reset(destination: ConnectionID, answering size: Int) -> [UInt8]? {
        guard size >= Self.minimumAnsweredSize else { return nil }
        var id = destination.raw
        var token = [UInt8](repeating: 0, count: ResetToken.length)
        guard ngtcp2_crypto_generate_stateless_reset_token(&token, key, key.count, &id) == 0 else { return nil }
        var noise = [UInt8](repeating: 0, count: min(size - 1 - ResetToken.length, 22))
        randombytes_buf(&noise, noise.count)
        return packet(capacity: 64) { space, count in
            ngtcp2_pkt_write_stateless_reset(space, count, token, noise, noise.count)
        }
    }

    private func packet(
        capacity: Int, _ write: (UnsafeMutablePointer<UInt8>?, Int) -> ngtcp2_ssize
    ) -> [UInt8]? {
        var size = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: capacity) { space, count in
            size = max(0, write(space.baseAddress, capacity))
            count = size
        }
        return size > 0 ? bytes : nil
    }
}
