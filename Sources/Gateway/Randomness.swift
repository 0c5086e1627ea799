internal import Certs
internal import Transport

// Where does chance come from? From the system; a test brings bytes of its own, so that what it builds twice is the same twice.
// Keys and passwords are not made here.

/// Makes the names that the gateway gives to things.
struct Randomness: Sendable {
    /// So many bytes that nobody can guess.
    let bytes: @Sendable (_ count: Int) -> [UInt8]

    static let system = Randomness { randomBytes($0) }

    /// `count` bytes as hexadecimal digits.
    func hex(_ count: Int) -> String { Base16.encode(bytes(count)) }

    /// A random UUID (RFC 9562, version 4) in lower case.
    func uuid() -> String {
        var bytes = bytes(16)
        bytes[6] = bytes[6] & 0x0F | 0x40
        bytes[8] = bytes[8] & 0x3F | 0x80
        let digits = Base16.encode(bytes)
        var parts: [Substring] = []
        var rest = digits[...]
        for length in [8, 4, 4, 4, 12] {
            parts.append(rest.prefix(length))
            rest = rest.dropFirst(length)
        }
        return parts.joined(separator: "-")
    }
}
