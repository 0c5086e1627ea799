internal import CNGTCP2
internal import CSodium

// How are a connection's packets recognised? By the connection id that we chose and the peer writes on each of them
// (RFC 9000 §5.1).

/// A connection id as a plain value, 1 to 20 bytes.
struct ConnectionID: Hashable, Sendable {
    /// Bytes in the ids that we choose: short headers do not carry a length, so it is the same for all.
    static let ownLength = 8

    private let first: UInt64
    private let second: UInt64
    private let third: UInt32
    private let count: UInt8

    /// - Precondition: at most 20 bytes.
    init(_ bytes: UnsafeRawBufferPointer) {
        precondition(bytes.count <= 20)
        var words: (UInt64, UInt64, UInt32) = (0, 0, 0)
        withUnsafeMutableBytes(of: &words) { $0.copyMemory(from: bytes) }
        (first, second, third) = words
        count = UInt8(bytes.count)
    }

    init(_ id: ngtcp2_cid) {
        self = withUnsafeBytes(of: id.data) { ConnectionID(UnsafeRawBufferPointer(rebasing: $0[..<id.datalen])) }
    }

    /// A new id of `length` bytes from the system's random source.
    static func random(length: Int = ownLength) -> ConnectionID {
        withUnsafeTemporaryAllocation(byteCount: length, alignment: 8) { bytes in
            if let base = bytes.baseAddress { randombytes_buf(base, length) }
            return ConnectionID(UnsafeRawBufferPointer(bytes))
        }
    }

    /// The form that ngtcp2 takes.
    var raw: ngtcp2_cid {
        var id = ngtcp2_cid()
        id.datalen = Int(count)
        withUnsafeMutableBytes(of: &id.data) { bytes in
            withUnsafeBytes(of: (first, second, third)) { words in
                bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: words[..<Int(count)]))
            }
        }
        return id
    }
}

/// A stateless reset token, 16 bytes (RFC 9000 §10.3).
///
/// Lookups by token go through Swift's randomly keyed hash, so their timing tells an attacker nothing about a token.
struct ResetToken: Hashable, Sendable {
    static let length = 16

    private let first: UInt64
    private let second: UInt64

    /// - Precondition: exactly 16 bytes.
    init(_ bytes: UnsafeRawBufferPointer) {
        precondition(bytes.count == Self.length)
        first = bytes.loadUnaligned(as: UInt64.self)
        second = bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
    }
}
