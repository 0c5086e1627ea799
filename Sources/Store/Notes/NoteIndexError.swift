// Why can the index of notes not answer? Either it has to be made anew, or no index can be kept at that place.

/// Why the index could not answer.
public enum NoteIndexError: Error, Equatable, CustomStringConvertible {
    /// The file's content is broken: ``NoteIndex/reset()`` and fill it again.
    case damaged(path: String)
    case unusable(path: String, reason: String)

    public var description: String {
        switch self {
        case .damaged(let path): "the search index \(path) is damaged; it is rebuilt from the notes at the next search"
        case .unusable(let path, let reason): "cannot use the search index \(path): \(reason)"
        }
    }
}
