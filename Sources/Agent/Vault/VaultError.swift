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
    /// Something is there already.
    case exists(String)
    /// The file is not as the asker believed.
    case precondition(String)
    /// Something is there, and the asker wanted to write only if nothing was.
    case notNew(String)
    /// A name that no link can hold, though others link to the note.
    case unlinkable(String)
    /// More text links to the note than is rewritten at once.
    case tooManyLinks(String)
    /// The index is being made.
    case indexing(done: Int, total: Int)
    case file(path: String, operation: String, code: Int32)
    case index(String)

    /// This process has no descriptor or memory left: nothing is known of the file that it could not open.
    var isShortage: Bool {
        if case .file(_, _, let code) = self { [EMFILE, ENFILE, ENOMEM].contains(code) } else { false }
    }

    /// The disk, or the user's share of it, is full.
    public var isDiskFull: Bool {
        if case .file(_, _, let code) = self { [ENOSPC, EDQUOT].contains(code) } else { false }
    }

    /// Begins with no name: whoever makes a sentence of it changes the case of the first letter.
    public var description: String {
        switch self {
        case .invalidPath(let path):
            "'\(path.prefix(200))' is not a path of the vault: use names below it, without '..' and without names that "
                + "begin with a dot; a note ends in .md"
        case .notFound(let path): "there is no note at \(path)"
        case .notARegularFile(let path): "what is at \(path) is no regular file below the vault; links are not followed"
        case .tooLarge(let path, let limit):
            "the file at \(path) would be larger than \(limit) bytes: split it into several"
        case .notText(let path): "the file at \(path) is not UTF-8 text"
        case .changedMeanwhile(let path): "the file at \(path) is being changed by another program: try again"
        case .exists(let path): "there is something at \(path) already"
        case .precondition(let path): "the file at \(path) is not what it was when you read it: read it again"
        case .notNew(let path): "there is a file at \(path) already, and only a new one was to be written"
        case .unlinkable(let path):
            "other notes link there, and no link can name \(path): leave out # ^ | [ ] and quotation marks"
        case .tooManyLinks(let path): "too many notes link to \(path) to change them all at once"
        case .indexing(let done, let total):
            "the notes are still being read, \(done) of \(total) so far: try again in a moment"
        case .file(let path, let operation, let code):
            "cannot \(operation) \(path): \(String(cString: strerror(code)))"
        case .index(let reason): reason
        }
    }
}
