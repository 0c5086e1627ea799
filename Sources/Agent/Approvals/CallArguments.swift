internal import CSodium
internal import Foundation
public import JSON

// What exactly is asked about when a call waits for its user? Its arguments as one text that is the same whenever the values are, and
// the SHA-256 of that text. An answer counts for these bytes and no others.

/// The arguments of a call as a text.
public struct CallArguments: Sendable, Equatable {
    /// JSON with its keys in order.
    public let text: String
    /// SHA-256 of ``text``.
    public let hash: [UInt8]

    /// - Throws: when the arguments have no JSON form: a number that is none.
    public init(_ arguments: [String: JSONValue]) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        text = String(decoding: try encoder.encode(arguments), as: UTF8.self)
        hash = Self.sha256(Array(text.utf8))
    }

    /// ``hash`` in 64 hexadecimal digits.
    public var digest: String { Self.digits(hash) }

    static func digits(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    /// Whether the answer to a question counts for these arguments. How long it takes says nothing of where they differ.
    func isAnsweredBy(_ other: [UInt8]) -> Bool {
        other.count == hash.count && sodium_memcmp(hash, other, hash.count) == 0
    }

    private static func sha256(_ bytes: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: Int(crypto_hash_sha256_BYTES))
        crypto_hash_sha256(&digest, bytes, UInt64(bytes.count))
        return digest
    }
}
