import Foundation
import Testing

@testable import Store

/// Which notes a search puts first when there are more than it weighs.
@Suite struct NoteRankingTests {
    @Test func aFrequentWordFindsTheNotesThatAreAboutItAndTheYoungest() throws {
        let directory = NSTemporaryDirectory() + "ranking-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let index = try NoteIndex(path: directory + "/notes.db")
        let count = NoteIndex.mostWeighed + 100
        func note(_ number: Int, title: String = "", tags: [String] = [], _ body: String) -> IndexedNote {
            IndexedNote(
                path: "n\(number).md", title: title, tags: tags, body: body,
                stamp: NoteStamp(modified: Int64(number), changed: 1, size: 1))
        }
        var notes = (10..<count).map { note($0, "river and \($0) others") }
        notes.append(note(0, title: "River", "about the river"))
        notes.append(note(1, tags: ["river"], "river"))
        notes.append(note(2, "river river river river"))
        notes.append(note(count, "river river bank"))
        try index.update(notes)
        for _ in 0..<2 {
            let found = try index.search(["river"], limit: 5).map(\.path)
            // The old note of four times the word is one of those that are not weighed.
            #expect(Array(found.prefix(3)) == ["n0.md", "n1.md", "n\(count).md"] && !found.contains("n2.md"))
            #expect(try index.search(["river", "about"], limit: 5).map(\.path) == ["n0.md"])
            #expect(try index.search(["river"], limit: 5, filter: .init(prefix: "n2.")).map(\.path) == ["n2.md"])
            #expect(try index.search(["river"], limit: 5, filter: .init(tag: "river")).map(\.path) == ["n1.md"])
            try index.settle()
        }
        #expect(try index.search(["river", "rapids"], match: .anyWord, limit: 3).count == 3)
    }

    @Test func aNoteThatIsNamedTwiceInOneUpdateIsThereOnce() throws {
        let directory = NSTemporaryDirectory() + "ranking-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let index = try NoteIndex(path: directory + "/notes.db")
        let stamp = NoteStamp(modified: 1, changed: 1, size: 1)
        try index.update(["old", "new"].map { IndexedNote(path: "a.md", title: "", tags: [], body: $0, stamp: stamp) })
        #expect(try index.notes().count == 1)
        #expect(try index.search(["new"]).count == 1)
    }
}
