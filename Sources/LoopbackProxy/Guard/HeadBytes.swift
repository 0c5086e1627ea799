// Character classes and comparisons of HTTP (RFC 9110 §5.6) over raw bytes. No state, no allocation.

/// A character of a method or a field name.
func isToken(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"):
        true
    case UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "%"), UInt8(ascii: "&"),
        UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."),
        UInt8(ascii: "^"), UInt8(ascii: "_"), UInt8(ascii: "`"), UInt8(ascii: "|"), UInt8(ascii: "~"):
        true
    default: false
    }
}

/// Space or tab.
func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

/// A character inside of a field value: anything but control characters.
func isFieldValue(_ byte: UInt8) -> Bool { byte == 0x09 || (byte >= 0x20 && byte != 0x7F) }

private func lowercased(_ byte: UInt8) -> UInt8 { byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte }

extension Collection where Element == UInt8 {
    /// Whether these are the bytes of `text`.
    func equals(_ text: StaticString) -> Bool {
        text.withUTF8Buffer { other in count == other.count && elementsEqual(other) }
    }

    /// Whether these are the bytes of `text`, which is ASCII in lower case, in either case.
    func equalsIgnoringCase(_ text: StaticString) -> Bool {
        text.withUTF8Buffer { other in
            count == other.count && zip(self, other).allSatisfy { lowercased($0) == $1 }
        }
    }

    /// Whether a comma-separated list has `item`, which is ASCII in lower case.
    func listContains(_ item: StaticString) -> Bool {
        split(separator: UInt8(ascii: ",")).contains { $0.trimmingBlanks().equalsIgnoringCase(item) }
    }

    /// Without blanks at both ends.
    func trimmingBlanks() -> SubSequence where Self: Collection {
        var rest = drop(while: isBlank)
        while let last = rest.indices.reversed().first, isBlank(rest[last]) { rest = rest[..<last] }
        return rest
    }
}
