// Which paths name a note? Those of the vault that end in `.md`.

/// The place of a note relative to its vault, e.g. `House/Router.md`.
public struct NotePath: Hashable, Sendable, CustomStringConvertible {
    /// The same place, of whatever kind the file is.
    public let file: VaultPath

    /// Reads a relative path with `/` between its parts.
    ///
    /// - Throws: ``VaultError/invalidPath(_:)`` for what is no ``VaultPath`` and for another ending than `.md`.
    public init(_ text: String) throws(VaultError) {
        try self.init(VaultPath(text))
    }

    /// - Throws: ``VaultError/invalidPath(_:)`` for another ending than `.md`.
    public init(_ file: VaultPath) throws(VaultError) {
        guard file.isNote else { throw .invalidPath(file.description) }
        self.file = file
    }

    /// Folders, then the file.
    public var parts: [String] { file.parts }

    /// The path with `/` between its parts.
    public var description: String { file.description }

    /// The file's name without `.md`.
    public var stem: String { String(decoding: file.name.utf8.dropLast(3), as: UTF8.self) }
}
