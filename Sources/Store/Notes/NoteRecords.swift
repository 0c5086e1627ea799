// What goes into the note index and what comes out of it: plain values, no SQL and no files.

/// When a note's file last changed, as its file system tells. Equal stamps mean an unchanged note.
public struct NoteStamp: Sendable, Equatable {
    /// When the content was last written, in nanoseconds of Unix time.
    public var modified: Int64
    /// When content, name or mode last changed, in nanoseconds of Unix time: catches files moved in with an old date.
    public var changed: Int64
    /// In bytes.
    public var size: Int64

    public init(modified: Int64, changed: Int64, size: Int64) {
        self.modified = modified
        self.changed = changed
        self.size = size
    }

    /// Whether the content is the same, under whatever name: a new name is a change, but none of the content.
    public func hasContent(of other: NoteStamp) -> Bool { modified == other.modified && size == other.size }

    /// The same, but unlike the stamp of any file: the note is read again at the next look.
    public var unsettled: NoteStamp { NoteStamp(modified: modified, changed: -1, size: size) }
}

/// A note as the index takes it in.
public struct IndexedNote: Sendable, Equatable {
    /// The note's file, relative to the vault, parts separated by `/`.
    public var path: String
    /// What it is about, for a search by people.
    public var title: String
    /// What lists and graphs call it.
    public var label: String
    /// What its front matter says that it is, or empty.
    public var type: String
    /// Without `#` and line breaks.
    public var tags: [String]
    /// What it links to, as the asker will compare it.
    public var links: [String]
    /// The text without its front matter.
    public var body: String
    public var stamp: NoteStamp

    public init(
        path: String, title: String, label: String = "", type: String = "", tags: [String], links: [String] = [],
        body: String, stamp: NoteStamp
    ) {
        self.path = path
        self.title = title
        self.label = label
        self.type = type
        self.tags = tags
        self.links = links
        self.body = body
        self.stamp = stamp
    }
}

/// What a list says of a note.
public struct NoteSummary: Sendable, Equatable {
    public var path: String
    public var title: String
    public var label: String
    public var type: String
    public var tags: [String]
    /// Nanoseconds of Unix time.
    public var modified: Int64
    /// In bytes.
    public var size: Int64

    public init(
        path: String, title: String, label: String = "", type: String = "", tags: [String] = [], modified: Int64 = 0,
        size: Int64 = 0
    ) {
        self.path = path
        self.title = title
        self.label = label
        self.type = type
        self.tags = tags
        self.modified = modified
        self.size = size
    }
}

/// How much of a query a note must have.
public enum NoteMatch: Sendable, CaseIterable {
    case allWords
    case anyWord
    /// At least one word that begins like one of the query.
    case anyBeginning
}

/// A note that was found.
public struct NoteHit: Sendable, Equatable {
    public var note: NoteSummary
    /// BM25, higher is better. Comparable within one search only.
    public var score: Double
    /// The whole text, with the found words marked.
    public var body: MarkedText
    /// At most 24 words around the best place in the text.
    public var snippet: MarkedText

    public var path: String { note.path }
    public var title: String { note.title }

    public init(note: NoteSummary, score: Double, body: MarkedText, snippet: MarkedText) {
        self.note = note
        self.score = score
        self.body = body
        self.snippet = snippet
    }
}

/// Text in which the words that were searched for are marked.
public struct MarkedText: Sendable, Equatable {
    /// Stands before a found word. A control character that the index takes out of every note.
    public static let open: Character = "\u{2}"
    /// Stands behind a found word.
    public static let close: Character = "\u{3}"

    /// The text with its marks.
    public let marked: String

    public init(marked: String) {
        self.marked = marked
    }

    /// The text without marks.
    public var plain: String { Self.withoutMarks(marked) }

    static func withoutMarks(_ text: String) -> String {
        guard text.utf8.contains(where: { $0 == 2 || $0 == 3 }) else { return text }
        return String(decoding: text.utf8.filter { $0 != 2 && $0 != 3 }, as: UTF8.self)
    }
}
