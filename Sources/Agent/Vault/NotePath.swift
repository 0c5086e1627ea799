// Which texts name a note? A path below the vault that cannot lead out of it, whatever the file system holds. This file
// compares text only; that no symbolic link stands on the way is checked when the file is opened.

/// The place of a note relative to its vault, e.g. `House/Router.md`.
public struct NotePath: Hashable, Sendable, CustomStringConvertible {
    /// Bytes in the longest path.
    public static let maximumLength = 1024
    /// Bytes in the longest part of a path.
    public static let maximumPartLength = 255
    /// Folders and file in the deepest path.
    public static let maximumDepth = 32

    /// Folders, then the file.
    public let parts: [String]

    /// Reads a relative path with `/` between its parts.
    ///
    /// - Throws: ``VaultError/invalidPath(_:)`` for an absolute path, an empty, hidden, `.` or `..` part, control
    ///   characters, another ending than `.md`, and anything longer or deeper than the limits.
    public init(_ text: String) throws(VaultError) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        let isPlain = !text.unicodeScalars.contains { $0.properties.generalCategory == .control }
        guard text.utf8.count <= Self.maximumLength, isPlain, parts.count <= Self.maximumDepth,
            parts.allSatisfy(Self.isVisibleName), Self.isNote(text)
        else { throw .invalidPath(text) }
        self.parts = parts
    }

    /// The path with `/` between its parts.
    public var description: String { parts.joined(separator: "/") }

    /// The path without `.md`: what stands in a wikilink.
    public var link: String { String(description.dropLast(3)) }

    /// The file's name without `.md`.
    public var stem: String { String((parts.last ?? "").dropLast(3)) }

    static func isVisibleName(_ name: String) -> Bool {
        !name.isEmpty && !name.hasPrefix(".") && name.utf8.count <= maximumPartLength && !name.utf8.contains(0)
    }

    static func isNote(_ name: String) -> Bool {
        name.count > 3 && name.lowercased().hasSuffix(".md")
    }
}
