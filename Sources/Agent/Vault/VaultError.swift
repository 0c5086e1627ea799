internal import Glibc

// Why can a note not be read or written? In words for the user who asked.

/// Why the vault could not do what was asked.
public enum VaultError: Error, Equatable, CustomStringConvertible {
    case invalidPath(String)
    case notFound(String)
    /// A symbolic link, a device or a folder where a note or a folder should be.
    case notARegularFile(String)
    case tooLarge(path: String, limit: Int)
    case notText(String)
    /// Another program wrote the note at the same time.
    case changedMeanwhile(String)
    case file(path: String, operation: String, code: Int32)
    case index(String)

    public var description: String {
        switch self {
        case .invalidPath(let path):
            "'\(path.prefix(200))' is not a note's path: use names below the vault that end in .md, without '..'"
        case .notFound(let path): "there is no note at \(path)"
        case .notARegularFile(let path): "\(path) is not a regular file below the vault; links are not followed"
        case .tooLarge(let path, let limit): "\(path) would be larger than \(limit) bytes: split it into several notes"
        case .notText(let path): "\(path) is not UTF-8 text"
        case .changedMeanwhile(let path): "\(path) is being changed by another program: try again"
        case .file(let path, let operation, let code):
            "cannot \(operation) \(path): \(String(cString: strerror(code)))"
        case .index(let reason): reason
        }
    }
}
