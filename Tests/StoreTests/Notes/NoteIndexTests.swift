import Foundation
import Testing

@testable import Store

@Suite struct NoteIndexTests {
    let directory: String
    var path: String { directory + "/notes.db" }

    init() throws {
        directory = NSTemporaryDirectory() + "notes-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    }

    func note(_ path: String, _ title: String = "", _ body: String, tags: [String] = []) -> IndexedNote {
        IndexedNote(
            path: path, title: title, tags: tags, body: body,
            stamp: NoteStamp(modified: 1, changed: 2, size: Int64(body.utf8.count)))
    }

    @Test func findsWordsInOtherFormsAndWithoutAccents() throws {
        let index = try NoteIndex(path: path)
        try index.update([note("a.md", "A", "The meetings are in the Café Zürich.")])
        #expect(try index.search(["meeting"]).map(\.path) == ["a.md"])
        #expect(try index.search(["ZURICH", "cafe"]).map(\.path) == ["a.md"])
        #expect(try index.search(["caf"], match: .anyBeginning).map(\.path) == ["a.md"])
        #expect(try index.search(["caf"], match: .anyWord).isEmpty)
    }

    @Test func aWordInTheTitleOutranksOneInTheText() throws {
        let index = try NoteIndex(path: path)
        try index.update([
            note("a.md", "Shopping", "bread and a router"),
            note("b.md", "Router", "it hums in the hall"),
        ])
        #expect(try index.search(["router"]).map(\.path) == ["b.md", "a.md"])
    }

    @Test func foundWordsAreMarkedAndTheMarksCannotBeForged() throws {
        let index = try NoteIndex(path: path)
        try index.update([note("a.md", "A", "one \u{2}two\u{3} three")])
        let hit = try #require(try index.search(["three"]).first)
        #expect(hit.body.marked == "one two \u{2}three\u{3}")
        #expect(hit.body.plain == "one two three")
        #expect(hit.snippet.plain == "one two three")
    }

    @Test(arguments: [
        "\"", "\"\"", "'", "*", "NEAR(a b)", "title:x", "a AND", "OR", "NOT", "(", "a\" OR \"b", "^x", "-x", "{a b}:c",
        "\0", "x\0y", "; DROP TABLE note", "+ +", "a*", "", "   ", "é\u{301}", "🦉",
    ])
    func noTextIsQuerySyntax(_ text: String) throws {
        let index = try NoteIndex(path: path)
        try index.update([note("a.md", "A", "the only note: or near not and title drop table")])
        for match in NoteMatch.allCases { _ = try index.search([text], match: match) }
        #expect(try index.notes().count == 1)
    }

    @Test func operatorsAreOrdinaryWords() throws {
        let index = try NoteIndex(path: path)
        try index.update([note("a.md", "A", "this and that"), note("b.md", "B", "this, that")])
        #expect(try index.search(["this AND that"]).map(\.path) == ["a.md"])
    }

    @Test func hitsAndWordsAreBounded() throws {
        let index = try NoteIndex(path: path)
        try index.update((0..<150).map { note("\($0).md", "N", "same") })
        #expect(try index.search(["same"], limit: 1000).count == NoteIndex.maximumHits)
        #expect(try index.search(["same"], limit: 0).count == 1)
        let atLimit = (1..<NoteIndex.maximumWords).map { "missing\($0)" } + ["same"]
        #expect(try index.search(atLimit, match: .anyWord, limit: 1).count == 1)
        let past = (1...NoteIndex.maximumWords).map { "missing\($0)" } + ["same"]
        #expect(try index.search(past, match: .anyWord, limit: 1).isEmpty)
    }

    @Test func anUpdateReplacesAndARemovalForgets() throws {
        let index = try NoteIndex(path: path)
        try index.update([note("a.md", "A", "old words"), note("b.md", "B", "old words")])
        try index.update([note("a.md", "A", "new words")], removing: ["b.md"])
        #expect(try index.search(["old"]).isEmpty)
        #expect(try index.search(["new"]).map(\.path) == ["a.md"])
        #expect(try index.stamps() == [ExactText("a.md"): NoteStamp(modified: 1, changed: 2, size: 9)])
    }

    @Test func theFileIsPrivateAndSurvivesReopening() throws {
        try NoteIndex(path: path).update([note("a.md", "A", "kept")])
        #expect(try NoteIndex(path: path).search(["kept"]).count == 1)
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        #expect(mode == 0o600)
    }

    /// P-86: whatever happened to the file, what opens is a working index, either whole or empty.
    @Test(arguments: ["text", "empty", "truncated", "header", "middle", "oldVersion"])
    func aDamagedFileBecomesAnEmptyIndex(_ damage: String) throws {
        do {
            let index = try NoteIndex(path: path)
            try index.update((0..<200).map { note("\($0).md", "N\($0)", String(repeating: "word\($0) ", count: 50)) })
        }
        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        switch damage {
        case "text": bytes = Data("not a database at all, but long enough to be read as one".utf8)
        case "empty": bytes = Data()
        case "truncated": bytes = bytes.prefix(bytes.count / 2)
        case "header": bytes.replaceSubrange(0..<100, with: repeatElement(0xAA, count: 100))
        case "middle": bytes.replaceSubrange(8192..<32768, with: repeatElement(0x55, count: 24576))
        default: bytes[60...63] = Data([0, 0, 0, 99])
        }
        try bytes.write(to: URL(fileURLWithPath: path))
        let index = try NoteIndex(path: path)
        #expect(try index.stamps().isEmpty)
        try index.update([note("new.md", "New", "fresh")])
        #expect(try index.search(["fresh"]).map(\.path) == ["new.md"])
    }

    @Test func damageWhileOpenIsTold() throws {
        let index = try NoteIndex(path: path)
        try index.update((0..<200).map { note("\($0).md", "N\($0)", String(repeating: "word\($0) ", count: 50)) })
        let other = try NoteIndex(path: path)
        let size = try Data(contentsOf: URL(fileURLWithPath: path)).count
        let file = try #require(FileHandle(forWritingAtPath: path))
        try file.write(contentsOf: Data(repeating: 0x55, count: size))
        try file.close()
        #expect(throws: NoteIndexError.self) { try other.search(["word7"]) }
        try other.reset()
        #expect(try other.stamps().isEmpty)
    }
}
