internal import Agent
internal import Foundation
internal import Store

// How is a webhook called, and what is its secret? Names that stand in an address as they are, and secrets that nobody guesses.

enum WebhookRules {
    private static let longest = 64

    /// Lower-case letters, digits and dashes, 1 to 64 of them.
    static func isSlug(_ text: String) -> Bool {
        (1...longest).contains(text.utf8.count) && !text.hasPrefix("-")
            && text.utf8.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D }
    }

    /// Who an address counts as: of IPv6 everybody has a network of 2^64 addresses, which is one; IPv4 in IPv6 is what it is.
    static func source(_ address: String) -> String {
        guard let bytes = IPAddress(address)?.bytes, bytes.count == 16 else { return address }
        let isMapped = bytes.prefix(12) == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]
        if isMapped { return bytes.suffix(4).map { "\($0)" }.joined(separator: ".") }
        return bytes.prefix(8).map { String($0, radix: 16) }.joined(separator: ":")
    }

    /// A slug that says what it is for and is no other's.
    static func slug(for name: String, _ random: Randomness) -> String {
        var slug = ""
        for byte in name.lowercased().utf8.prefix(longest) {
            if (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte) {
                slug.unicodeScalars.append(Unicode.Scalar(byte))
            } else if !slug.isEmpty, !slug.hasSuffix("-") {
                slug += "-"
            }
        }
        let name = slug.prefix(longest - 7)
        return name.isEmpty ? random.hex(8) : name + (name.hasSuffix("-") ? "" : "-") + random.hex(3)
    }

    /// 32 bytes that nobody can guess, in a form that is told from other secrets.
    static func secret() -> Secret {
        let text = Data(Randomness.system.bytes(32)).base64EncodedString()
        return Secret("whsec_" + text.replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: ""))
    }

    /// A secret that the provider chose: visible ASCII.
    static func isSecret(_ text: String) -> Bool {
        (16...256).contains(text.utf8.count) && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
    }
}
