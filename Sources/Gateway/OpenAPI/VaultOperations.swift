internal import Wire

// What do the routes of the vault say about themselves?

extension Operation {
    private static let anyFile = Content.bytes(["*/*"])

    static let notes = Operation(
        "The notes in the order of their paths",
        [
            .limit(), .query("cursor", "'next_cursor' of the page before"),
            .query("prefix", "Only paths that begin so"), .query("tag", "Only notes with this tag"),
        ], answer: NotesBody.self)
    static let readNote = Operation(
        "A note, or with 'raw' the file as it is",
        [.query("raw", .boolean, "The file as it is, whatever its type"), .ifChanged],
        answers: [
            .json(NoteContentBody.self), .bytes("text/markdown", "application/octet-stream"),
            .empty(304, "It is still that version"),
        ], errors: [413, 415])
    static let writeNote = Operation(
        "Write a note: its text as JSON, or the file itself", [.ifMatch, .ifNoneMatch], body: .json(NoteWrite.self),
        anyFile, answer: NoteWritten.self, errors: [409, 412, 415])
    static let deleteNote = Operation(
        "Delete a note", [.ifMatch, .ifNoneMatch], answer: NoteDeleted.self, errors: [409, 412])
    static let moveNote = Operation(
        "Move a note, and rewrite the links to it", [.ifMatch, .ifNoneMatch], body: .json(NoteMove.self),
        answer: NoteMoved.self, errors: [404, 409, 412, 415])
    static let reindexNotes = Operation("Make the index of the notes anew", answer: NotesReindexed.self)
    static let searchNotes = Operation(
        "Notes with these words, best first",
        [
            .query("q", "Words"), .query("tag", "Only notes with this tag"),
            .query("path", "Only paths that begin so"), .limit(20, most: 100),
        ], answer: NoteSearchBody.self)
    static let noteGraph = Operation("All notes, and the links between them", answer: NoteGraphBody.self)
    static let backlinks = Operation(
        "Which notes link to a note",
        [.init(name: "path", schema: .string(), summary: "The note's path", isRequired: true), .limit(), .cursor],
        answer: BacklinksBody.self, errors: [404])
    static let noteTags = Operation(
        "All tags, the most used first", [.limit(1_000, most: 10_000), .cursor], answer: NoteTagsBody.self)
}
