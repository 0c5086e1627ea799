// When are two names the same file? When their bytes are. Swift takes texts for equal that only look equal (`é` as one character
// or as a letter with an accent), which to a file system are two names.

/// A text that equals another one only byte for byte.
public struct ExactText: Sendable, Hashable {
    public let text: String

    public init(_ text: String) { self.text = text }

    public static func == (left: ExactText, right: ExactText) -> Bool {
        left.text.utf8.elementsEqual(right.text.utf8)
    }

    public func hash(into hasher: inout Hasher) {
        for byte in text.utf8 { hasher.combine(byte) }
    }
}
