public import Transport

// What may this device claim, and did the coordinator say so? The codec and the checks of network.md §4, in the
// reference's order, and the checks that it lacks. A certificate is not a bearer token: it counts only on a connection
// whose peer key is its device key. Whether the device is still in good standing is the roster's question, not this one.

/// A coordinator's signed statement that a device belongs to a user of its network.
///
/// Wire form: `u32 payload length | payload (one CBOR map) | Ed25519 signature of the payload`.
public struct DeviceCertificate: Sendable, Equatable {
    /// Longest wire form in bytes; also the bound of the stream preamble that carries it.
    public static let maximumWireLength = 16 * 1_024
    /// Seconds from issue to expiry: 30 days.
    public static let lifetime: Double = 2_592_000
    /// Seconds by which the issuer's clock may be ahead of ours.
    public static let clockSkew: Double = 300
    /// The capability that lets a device administer its network.
    public static let administratorCapability = "coordinator_admin"
    /// The capability of a bridge: behind the device are many people, none of whom is its user. Never together with another.
    public static let bridgeCapability = "bridge"

    /// The user's name in the network, lower case.
    public let handle: String
    /// The device's key, which is also its node id.
    public let deviceKey: NodeID
    /// The network in which the certificate counts.
    public let networkID: String
    /// Unix seconds.
    public let issuedAt: Double
    /// Unix seconds; at this instant the certificate is already expired.
    public let expiresAt: Double
    /// What the device may do beyond what every member may.
    public let capabilities: [String]
    /// The bytes that were signed and are sent.
    public let wire: [UInt8]

    /// Reads a certificate and verifies its signature with the key of the network's coordinator.
    ///
    /// A certificate made this way may still be expired or another device's: ``check(now:networkID:peer:)`` tells.
    ///
    /// - Throws: ``CertificateError`` for wrong framing, a wrong signature or a wrong payload, in this order.
    public init(wire: some Collection<UInt8>, coordinator: NodeID) throws(CertificateError) {
        guard wire.count <= Self.maximumWireLength else { throw .tooLong(wire.count) }
        let wire = Array(wire)
        let payload = try Self.signedPayload(wire, coordinator: coordinator)
        guard let value = try? CBORReader.read(payload, limits: CBORLimits(bytes: Self.maximumWireLength)),
            case .map(let claims) = value
        else { throw .malformedPayload("it is not one CBOR map") }
        guard claims["v"] == .unsigned(1) else { throw .malformedPayload("unsupported version") }
        handle = try Self.text("handle", of: claims)
        networkID = try Self.text("network_id", of: claims)
        deviceKey = try Self.deviceKey(of: claims)
        issuedAt = try Self.time("issued_at", of: claims)
        expiresAt = try Self.time("expires_at", of: claims)
        capabilities = try Self.capabilities(of: claims)
        self.wire = wire
    }

    /// Makes and signs a certificate.
    ///
    /// - Parameters:
    ///   - issuedAt: Unix seconds.
    ///   - lifetime: seconds until it expires.
    ///   - signer: the coordinator's identity key.
    public static func issue(
        handle: String, deviceKey: NodeID, networkID: String, capabilities: [String] = [], issuedAt: Double,
        lifetime: Double = Self.lifetime, signedBy signer: SecretKey
    ) -> DeviceCertificate {
        let payload = CBORValue.map([
            "v": .unsigned(1),
            "handle": .text(handle),
            "device_pubkey": .bytes(deviceKey.bytes),
            "network_id": .text(networkID),
            "issued_at": .float(issuedAt),
            "expires_at": .float(issuedAt + lifetime),
            "capabilities": .array(capabilities.map { .text($0) }),
        ]).encoded
        return DeviceCertificate(
            handle: handle, deviceKey: deviceKey, networkID: networkID, issuedAt: issuedAt,
            expiresAt: issuedAt + lifetime, capabilities: capabilities,
            wire: UInt32(payload.count).bigEndianBytes + payload + signer.signature(for: payload))
    }

    private init(
        handle: String, deviceKey: NodeID, networkID: String, issuedAt: Double, expiresAt: Double,
        capabilities: [String], wire: [UInt8]
    ) {
        self.handle = handle
        self.deviceKey = deviceKey
        self.networkID = networkID
        self.issuedAt = issuedAt
        self.expiresAt = expiresAt
        self.capabilities = capabilities
        self.wire = wire
    }

    /// Whether the certificate counts now, in this network and on this connection. Cheap: no signature is verified.
    ///
    /// - Parameters:
    ///   - now: Unix seconds.
    ///   - networkID: the network of the one who asks.
    ///   - peer: the key that the connection's peer proved in the handshake.
    public func check(now: Double, networkID: String, peer: NodeID) throws(CertificateError) {
        guard now < expiresAt else { throw .expired(at: expiresAt) }
        guard issuedAt <= now + Self.clockSkew else { throw .notYetValid(from: issuedAt, now: now) }
        guard Array(networkID.utf8) == Array(self.networkID.utf8) else { throw .otherNetwork(self.networkID) }
        guard constantTimeEqual(deviceKey.bytes, peer.bytes) else { throw .otherDevice }
    }

    /// Whether it is a bridge's.
    public var isOfBridge: Bool { capabilities.contains(Self.bridgeCapability) }

    /// From this instant (Unix seconds), half of the lifetime, a new certificate should be asked for.
    public var renewalDueAt: Double { issuedAt + (expiresAt - issuedAt) / 2 }

    private static let signatureLength = 64
    private static let prefixLength = 4

    private static func signedPayload(
        _ wire: [UInt8], coordinator: NodeID
    ) throws(CertificateError) -> ArraySlice<UInt8> {
        guard wire.count >= prefixLength + signatureLength else { throw .tooShort }
        let declared = wire[..<prefixLength].reduce(0) { $0 << 8 | Int($1) }
        guard wire.count == prefixLength + declared + signatureLength else { throw .lengthMismatch }
        let payload = wire[prefixLength..<prefixLength + declared]
        guard coordinator.isValidSignature(wire[(prefixLength + declared)...], for: payload) else {
            throw .invalidSignature
        }
        return payload
    }

    private static func text(_ key: String, of claims: CBORMap) throws(CertificateError) -> String {
        guard case .text(let text) = claims[key] else { throw .malformedPayload("\(key) is missing or not text") }
        return text
    }

    private static func deviceKey(of claims: CBORMap) throws(CertificateError) -> NodeID {
        guard case .bytes(let bytes) = claims["device_pubkey"], let key = try? NodeID(bytes: bytes) else {
            throw .malformedPayload("device_pubkey is missing or not 32 bytes")
        }
        return key
    }

    /// The last second of the year 9999, in Unix seconds: further from 1970 no time is read.
    static let latestTime: Double = 253_402_300_799

    /// Not-a-number is refused because a comparison with it would never say "expired", and what lies beyond every calendar
    /// because the time until then is no `Duration` any more.
    private static func time(_ key: String, of claims: CBORMap) throws(CertificateError) -> Double {
        guard let time = claims[key]?.number, abs(time) <= latestTime else {
            throw .malformedPayload("\(key) is missing or not a number")
        }
        return time
    }

    private static func capabilities(of claims: CBORMap) throws(CertificateError) -> [String] {
        switch claims["capabilities"] {
        case nil, .null: return []
        case .array(let items):
            var texts: [String] = []
            for item in items {
                guard case .text(let text) = item else { throw .malformedPayload("a capability is not text") }
                texts.append(text)
            }
            return texts
        default: throw .malformedPayload("capabilities is not an array")
        }
    }
}

extension UInt32 {
    /// Four bytes, most significant first.
    var bigEndianBytes: [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: self >> (24 - 8 * UInt32($0))) } }
}
