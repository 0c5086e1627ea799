// How does a password travel through this program? As bytes that no description shows and that are overwritten at the
// end. It is never stored: the client keeps its certificate, the coordinator a verifier.

/// A password typed by a person.
public struct Password: Sendable {
    /// Longest password in UTF-8 bytes.
    public static let maximumLength = 1_024

    let bytes: SecretBytes

    /// - Throws: ``PasswordError`` for an empty text or one of more than 1,024 UTF-8 bytes.
    public init(_ text: String) throws(PasswordError) {
        guard !text.isEmpty else { throw .empty }
        guard text.utf8.count <= Self.maximumLength else { throw .tooLong }
        bytes = SecretBytes(text.utf8)
    }

    /// Any bytes at all, for vectors.
    init(unchecked bytes: [UInt8]) { self.bytes = SecretBytes(bytes) }
}

extension Password: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "Password(hidden)" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Why a password was refused before it was used.
public enum PasswordError: Error, Equatable, CustomStringConvertible {
    case empty
    case tooLong

    public var description: String {
        switch self {
        case .empty: "the password is empty: type one, or give a file that holds it"
        case .tooLong: "the password is longer than \(Password.maximumLength) bytes"
        }
    }
}
