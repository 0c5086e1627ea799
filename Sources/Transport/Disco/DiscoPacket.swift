internal import NIOCore

// Is this datagram one of Iroh 0.35's path probes ("disco"), and what is the answer? Iroh before 0.96 drops QUIC
// from an address until a probe has come from there, and probes an address before it dials it. A pure codec: it
// keeps no state, opens no socket, and does not know which pings are still waiting for their pong.
//
//     packet = "TS" F0 9F 92 AC | sender's node id (32) | box | nonce (24)
//     ping   = 01 00 | transaction id (12) | sender's node id (32)
//     pong   = 02 00 | transaction id (12) | 00 | observed IPv6 or mapped IPv4 address (16) | port, LE (2)

/// The disco packets that a node without a relay needs: ping and pong. A pong is shorter than its ping, so answering
/// amplifies nothing.
enum DiscoPacket {
    /// Bytes in a ping's transaction id.
    static let transactionIDLength = 12
    /// Longer datagrams are no ping or pong and are not decrypted.
    static let maximumLength = 512

    private static let magic: [UInt8] = [0x54, 0x53, 0xF0, 0x9F, 0x92, 0xAC]
    private static let headerLength = magic.count + NodeID.length
    private static let pingLength = 2 + transactionIDLength + NodeID.length
    private static let pongLength = 2 + transactionIDLength + 1 + 16 + 2
    private static let minimumLength = headerLength + DiscoBox.overhead + pongLength + DiscoBox.nonceLength

    /// Whether `datagram` begins as disco packets do. Ask this before QUIC sees a datagram: 'T' is also the first byte of
    /// some short-header packets, but only one connection id in 2^40 continues like this.
    static func isDisco(_ datagram: some Collection<UInt8>) -> Bool { datagram.starts(with: magic) }

    /// A ping that makes `peer` accept QUIC from the address that it comes from.
    ///
    /// - Parameter transactionID: ``transactionIDLength`` bytes that nobody can guess; the pong repeats them.
    /// - Throws: ``DiscoError`` for another length, or when no message can be sealed for `peer`.
    static func ping(from key: SecretKey, to peer: NodeID, transactionID: [UInt8]) throws(DiscoError) -> [UInt8] {
        guard transactionID.count == transactionIDLength else { throw .wrongTransactionIDLength(transactionID.count) }
        let message = Message.ping(transactionID: transactionID, sender: key.nodeID)
        guard let packet = seal(message, from: key, to: peer) else { throw .unusableKey(peer) }
        return packet
    }

    /// The pong that answers `datagram`, or nil when that is not a ping which its sender sealed for `key`.
    ///
    /// - Parameter source: the address that the ping came from; the pong tells it to the sender.
    static func answer(to datagram: some Collection<UInt8>, from source: SocketAddress, key: SecretKey) -> [UInt8]? {
        guard let (peer, message) = open(datagram, key: key), case .ping(let transactionID, peer) = message,
            let observed = ObservedAddress(source)
        else { return nil }
        return seal(.pong(transactionID: transactionID, observed: observed), from: key, to: peer)
    }

    /// What a pong says.
    struct Pong: Equatable {
        /// The node that answered. The box proves it but for the key's sign bit, which Curve25519 does not know: compare
        /// all of it with the node that was pinged.
        let sender: NodeID
        /// The ping's transaction id. The caller compares it with what it sent.
        let transactionID: [UInt8]
        /// Our own address as the sender saw it.
        let observed: SocketAddress
    }

    /// The pong in `datagram`, or nil when it is anything else or was not sealed for `key`.
    static func pong(in datagram: some Collection<UInt8>, key: SecretKey) -> Pong? {
        guard let (peer, message) = open(datagram, key: key), case .pong(let transactionID, let observed) = message,
            let address = observed.socketAddress
        else { return nil }
        return Pong(sender: peer, transactionID: transactionID, observed: address)
    }

    private static func seal(_ message: Message, from key: SecretKey, to peer: NodeID) -> [UInt8]? {
        let nonce = DiscoBox.randomBytes(DiscoBox.nonceLength)
        guard let box = DiscoBox.seal(message.bytes, nonce: nonce, from: key, to: peer) else { return nil }
        return magic + key.nodeID.bytes + box + nonce
    }

    private static func open(_ datagram: some Collection<UInt8>, key: SecretKey) -> (NodeID, Message)? {
        guard (minimumLength...maximumLength).contains(datagram.count), isDisco(datagram) else { return nil }
        let packet = Array(datagram)
        let boxEnd = packet.count - DiscoBox.nonceLength
        guard let peer = try? NodeID(bytes: packet[magic.count..<headerLength]),
            let plain = DiscoBox.open(
                Array(packet[headerLength..<boxEnd]), nonce: Array(packet[boxEnd...]), from: peer, with: key),
            let message = Message(plain)
        else { return nil }
        return (peer, message)
    }

    /// What the box holds. Other kinds (Iroh's call-me-maybe) travel through relays only and decode to nothing.
    private enum Message {
        case ping(transactionID: [UInt8], sender: NodeID)
        case pong(transactionID: [UInt8], observed: ObservedAddress)

        /// Bytes after the known fields are passed over, as Iroh does, so that later versions may add some.
        init?(_ bytes: [UInt8]) {
            guard bytes.count >= pongLength, bytes[1] == 0 else { return nil }
            let transactionID = Array(bytes[2..<2 + transactionIDLength])
            let rest = bytes[(2 + transactionIDLength)...]
            switch bytes[0] {
            case 1:
                guard bytes.count >= pingLength, let sender = try? NodeID(bytes: rest.prefix(NodeID.length)) else {
                    return nil
                }
                self = .ping(transactionID: transactionID, sender: sender)
            case 2:
                guard rest.first == 0 else { return nil }
                let port = rest.dropFirst(17).prefix(2)
                self = .pong(
                    transactionID: transactionID,
                    observed: ObservedAddress(
                        ip: Array(rest.dropFirst().prefix(16)),
                        port: UInt16(port[port.startIndex]) | UInt16(port[port.startIndex + 1]) << 8))
            default:
                return nil
            }
        }

        var bytes: [UInt8] {
            switch self {
            case .ping(let transactionID, let sender):
                [1, 0] + transactionID + sender.bytes
            case .pong(let transactionID, let observed):
                [2, 0] + transactionID + [0] + observed.ip + [
                    UInt8(truncatingIfNeeded: observed.port), UInt8(truncatingIfNeeded: observed.port >> 8),
                ]
            }
        }
    }

    /// An address as pongs carry it: IPv6, or IPv4 in the form `::ffff:a.b.c.d` (RFC 4291 §2.5.5.2).
    private struct ObservedAddress {
        static let mappedPrefix: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]
        let ip: [UInt8]
        let port: UInt16

        init(ip: [UInt8], port: UInt16) {
            self.ip = ip
            self.port = port
        }

        init?(_ address: SocketAddress) {
            switch address {
            case .v4(let v4):
                ip = Self.mappedPrefix + withUnsafeBytes(of: v4.address.sin_addr) { Array($0) }
            case .v6(let v6):
                ip = withUnsafeBytes(of: v6.address.sin6_addr) { Array($0) }
            case .unixDomainSocket:
                return nil
            }
            port = UInt16(truncatingIfNeeded: address.port ?? 0)
        }

        var socketAddress: SocketAddress? {
            let packed = ip.starts(with: Self.mappedPrefix) ? ip.dropFirst(Self.mappedPrefix.count) : ip[...]
            return try? SocketAddress(packedIPAddress: ByteBuffer(bytes: packed), port: Int(port))
        }
    }
}

/// Why no ping could be made.
enum DiscoError: Error, Equatable, CustomStringConvertible {
    case wrongTransactionIDLength(Int)
    case unusableKey(NodeID)

    var description: String {
        switch self {
        case .wrongTransactionIDLength(let count):
            "a disco transaction id has \(DiscoPacket.transactionIDLength) bytes, not \(count)"
        case .unusableKey(let peer):
            "\(peer.hex) is not an Ed25519 public key: check the node id"
        }
    }
}
