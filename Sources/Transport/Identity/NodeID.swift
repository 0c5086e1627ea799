internal import CSodium

// Which node is this? A node's address is its public key, so the answer needs no registry and cannot be forged.
// This file knows the two text forms of a node id and how to check a signature; it does not know private keys.

/// A node's address: its 32-byte Ed25519 public key (RFC 8032).
public struct NodeID: Hashable, Sendable, Comparable {
    /// Bytes in a node id.
    public static let length = 32

    /// The public key, exactly ``length`` bytes.
    public let bytes: [UInt8]

    /// - Throws: ``NodeIDError/wrongLength(_:)`` unless there are exactly 32 bytes.
    public init(bytes: some Collection<UInt8>) throws(NodeIDError) {
        guard bytes.count == Self.length else { throw .wrongLength(bytes.count) }
        self.bytes = Array(bytes)
    }

    /// Reads 64 hexadecimal digits, or the 52-character base32 form that Iroh also prints. Case does not matter.
    ///
    /// - Throws: ``NodeIDError/notANodeID(_:)`` for anything else.
    public init(_ text: String) throws(NodeIDError) {
        let characters = Array(text.utf8)
        let decoded: [UInt8]? =
            switch characters.count {
            case 64: Base16.decode(characters)
            case 52:
                Base32.decode(characters).flatMap { bytes in
                    // Four bits are left over. Set, they would spell the same key in another way.
                    Base32.encode(bytes).utf8.elementsEqual(text.lowercased().utf8) ? bytes : nil
                }
            default: nil
            }
        guard let decoded, decoded.count == Self.length else { throw .notANodeID(text) }
        self.bytes = decoded
    }

    /// The canonical text form: 64 lower-case hexadecimal digits.
    public var hex: String { Base16.encode(bytes) }

    /// The first ten digits, for people and logs. Never parsed.
    public var short: String { String(hex.prefix(10)) }

    /// Whether `signature` (64 bytes) is this key's Ed25519 signature of `message`.
    public func isValidSignature(_ signature: some Collection<UInt8>, for message: some Collection<UInt8>) -> Bool {
        guard signature.count == 64 else { return false }
        let signature = Array(signature)
        let message = Array(message)
        return crypto_sign_verify_detached(signature, message, UInt64(message.count), bytes) == 0
    }

    public static func < (left: NodeID, right: NodeID) -> Bool {
        left.bytes.lexicographicallyPrecedes(right.bytes)
    }
}

/// Why a node id was refused.
public enum NodeIDError: Error, Equatable, CustomStringConvertible {
    case wrongLength(Int)
    case notANodeID(String)

    public var description: String {
        switch self {
        case .wrongLength(let count):
            "a node id has 32 bytes, not \(count)"
        case .notANodeID(let text):
            "'\(String(text.unicodeScalars.prefix(80)))' is not a node id: "
                + "expected 64 hexadecimal digits or 52 base32 characters"
        }
    }
}

extension NodeID: CustomStringConvertible {
    public var description: String { hex }
}

extension NodeID: Codable {
    public init(from decoder: any Decoder) throws {
        try self.init(decoder.singleValueContainer().decode(String.self))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(hex)
    }
}
