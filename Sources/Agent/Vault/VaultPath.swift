internal import Store

// Which texts name a file of the vault? A path below it that cannot lead out of it, whatever the file system holds. This
// file compares text only; that no symbolic link stands on the way is checked when the file is opened.

/// The place of a file relative to its vault, e.g. `House/plan.png`. Hidden names are none: `.obsidian`, `.git` and whatever
/// else begins with a dot belongs to other programs.
public struct VaultPath: Hashable, Sendable, CustomStringConvertible {
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
    ///   characters, and anything longer or deeper than the limits.
    public init(_ text: String) throws(VaultError) {
        guard text.utf8.count <= Self.maximumLength else { throw .invalidPath(text) }
        // By bytes, as the kernel does: a slash with an accent on it is one character, but no part of a name.
        let parts = text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
            .map { String(Substring($0)) }
        let isPlain = !text.unicodeScalars.contains { $0.properties.generalCategory == .control }
        guard isPlain, parts.count <= Self.maximumDepth, parts.allSatisfy(Self.isVisibleName) else {
            throw .invalidPath(text)
        }
        self.parts = parts
    }

    /// The path with `/` between its parts.
    public var description: String { parts.joined(separator: "/") }

    /// Whether the file is a note: Markdown, by its name.
    public var isNote: Bool { Self.isNote(name) }

    /// The last part.
    var name: String { parts.last ?? "" }

    /// Two paths are one when their bytes are: names that only look the same are two files.
    public static func == (left: VaultPath, right: VaultPath) -> Bool {
        left.parts.count == right.parts.count
            && zip(left.parts, right.parts).allSatisfy { $0.utf8.elementsEqual($1.utf8) }
    }

    public func hash(into hasher: inout Hasher) { hasher.combine(ExactText(description)) }

    static func isVisibleName(_ name: String) -> Bool {
        guard let first = name.utf8.first, first != UInt8(ascii: "."), name.utf8.count <= maximumPartLength else {
            return false
        }
        return !name.utf8.contains { $0 == 0 || $0 == UInt8(ascii: "/") }
    }

    static func isNote(_ name: String) -> Bool {
        name.utf8.count > 3 && name.utf8.suffix(3).elementsEqual(".md".utf8) { $0 | 0x20 == $1 | 0x20 }
    }
}
