// How is a secret held in memory so that it isn't told by accident? As a value that shows nothing of itself: not in a log line,
// not in an error's text, not in a debugger's dump. Whoever needs it says so.

/// A secret, or a reference to one that is kept elsewhere.
public struct Secret: Sendable, Equatable, Hashable {
    /// The text itself. Never goes into a log, an answer or an error.
    public let revealed: String

    public init(_ text: String) { revealed = text }
}

extension Secret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "[secret]" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
