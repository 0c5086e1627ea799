import Foundation
import Testing

@testable import Agent
@testable import Store

/// What names and texts do to a vault when they are not what they look like.
@Suite struct VaultNamesTests {
    /// A slash and an accent on it are one character to Swift, and a slash to the kernel.
    @Test(
        "P-38: a slash divides a path whatever stands behind it",
        arguments: ["\u{301}", "\u{338}", "\u{200D}", "\u{FE0F}", "\u{903}"])
    func anAccentHidesNoSlash(_ accent: String) async throws {
        let test = try TestVault(["inside/a.md": "1"])
        let outside = test.root + "/outside"
        try FileManager.default.createDirectory(atPath: outside, withIntermediateDirectories: true)
        try Data("canary".utf8).write(to: URL(fileURLWithPath: outside + "/" + accent + "x.md"))
        symlink(outside, test.notes + "/way")
        #expect(try VaultPath("way/\(accent)x.md").parts == ["way", "\(accent)x.md"])
        await #expect(throws: VaultError.self) { _ = try await test.vault.read(VaultPath("way/\(accent)x.md")) }
        await #expect(throws: VaultError.self) {
            _ = try await test.vault.write([1], to: VaultPath("way/\(accent)new.txt"))
        }
        #expect(throws: VaultError.self) { _ = try VaultPath("/\(accent)x/a.md") }
        #expect(throws: VaultError.self) { _ = try VaultPath("a/.\(accent)x.md") }
        #expect(throws: VaultError.self) { _ = try VaultPath(".\(accent)x.md") }
        #expect(try FileManager.default.contentsOfDirectory(atPath: outside).count == 1)
    }

    /// macOS and some programs write `é` as two characters; both spellings look the same and are two files.
    @Test(arguments: [true, false]) func aNameThatIsSpeltAnewIsFoundUnderItsNewSpelling(_ isWatching: Bool) async throws
    {
        let (one, two) = ("caf\u{E9}.md", "cafe\u{301}.md")
        let test = try TestVault([two: "espresso", "a.md": "[[CAF\u{C9}]]"], isWatching: isWatching)
        #expect(try await test.vault.search(["espresso"]).hits.count == 1)
        #expect(rename(test.notes + "/" + two, test.notes + "/" + one) == 0)
        var found = try await test.vault.search(["espresso"]).hits.map(\.path)
        #expect(found.count == 1 && ExactText(found.first ?? "") == ExactText(one))
        #expect(try await test.vault.graph().edges.count == 1)
        // Both at once are two notes.
        try test.write("lungo", to: "x.md")
        #expect(rename(test.notes + "/x.md", test.notes + "/" + two) == 0)
        found = try await test.vault.notes().map(\.path)
        #expect(Set(found.map(ExactText.init)).count == 3)
        // And the vault itself gives one another spelling.
        try FileManager.default.removeItem(atPath: test.notes + "/" + one)
        _ = try await test.vault.move(VaultPath(two), to: VaultPath(one))
        #expect(
            ExactText(try FileManager.default.contentsOfDirectory(atPath: test.notes).max() ?? "") == ExactText(one))
    }

    @Test func linksToANameInAnotherSpellingFollowIt() async throws {
        let test = try TestVault(["cafe\u{301}.md": "", "a.md": "[[caf\u{E9}#menu|there]]"])
        let done = try await test.vault.move(VaultPath("cafe\u{301}.md"), to: VaultPath("bar.md"))
        #expect(done.rewritten == ["a.md"])
        #expect(try test.text(of: "a.md") == "[[bar#menu|there]]")
    }

    /// Some letters make one character with the quotation mark behind them.
    @Test(
        "a search is words and never syntax, and no search harms the index",
        arguments: [
            "\u{D4E}\"", "\u{D4E}\" OR x", "\u{D4E}\" AND (", "a\u{D4E}\"b", "\u{111C2}\"*", "\u{11A3A}\") NOT (",
            "\u{301}", "\u{301}\u{301} apple", "\u{600}\"", "NEAR(a b, 2)", "{body}: x", "^x", "x*", "a AND", "\"",
            "(((((", "\u{0}", "a\u{0}\"b", "%_*?", "name:a", "-x", "\u{FFFD}", "👩‍👩‍👧", "٣", "½",
        ])
    func aSearchIsWordsAndNeverSyntax(_ query: String) async throws {
        let test = try TestVault(["a.md": "apple"])
        #expect(try await test.vault.search(["apple"]).hits.count == 1)
        let index = try #require(
            FileManager.default.attributesOfItem(atPath: test.indexPath)[.systemFileNumber] as? Int)
        for words in [[query], query.split(separator: " ").map(String.init), [query, "apple"]] {
            _ = try await test.vault.search(words)
            _ = try await test.vault.notes(filter: .init(prefix: query, tag: query))
        }
        let later = try FileManager.default.attributesOfItem(atPath: test.indexPath)[.systemFileNumber] as? Int
        #expect(later == index)
        #expect(try await test.vault.search(["apple"]).hits.count == 1)
    }

    /// Keys of a mapping are compared; with aliases in them, a few bytes stand for billions of values.
    @Test(.timeLimit(.minutes(1)), arguments: ["? *h\n: 1", "? [*h, 1]\n: 1\n? [*h, 2]\n: 1", "z: *h"])
    func aFewBytesOfFrontMatterTakeNoLongTime(_ end: String) async throws {
        var lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
        for (name, before) in zip("bcdefgh", "abcdefg") {
            lines.append("\(name): &\(name) [" + Array(repeating: "*\(before)", count: 9).joined(separator: ", ") + "]")
        }
        let text = "---\n" + (lines + [end]).joined(separator: "\n") + "\n---\nbody"
        let test = try TestVault(["bomb.md": text, "ok.md": "---\na: &a [x]\nb: *a\ntitle: T\n---\n"])
        #expect(try await test.vault.notes().map(\.label) == ["bomb", "T"])
        #expect(MarkdownNote(text, path: try NotePath("bomb.md")).body == "body")
    }

    @Test func aTagOrPrefixIsTakenLiterally() async throws {
        let test = try TestVault([
            "50%/a_b.md": "#x_y", "50x/aXb.md": "#x/y", "50%.md": "#x", "a*.md": "#x0", "é/n.md": "#xz",
            "z.md": "#X/Z/w",
        ])
        func paths(_ filter: NoteIndex.Filter) async throws -> [String] {
            try await test.vault.notes(filter: filter).map(\.path)
        }
        #expect(try await paths(.init(prefix: "50%/")) == ["50%/a_b.md"])
        #expect(try await paths(.init(prefix: "50%/a%")).isEmpty)
        #expect(try await paths(.init(prefix: "a*")) == ["a*.md"])
        #expect(try await paths(.init(prefix: "é")) == ["é/n.md"])
        #expect(try await paths(.init(tag: "x")) == ["50%.md", "50x/aXb.md", "z.md"])
        #expect(try await paths(.init(tag: "x%")).isEmpty)
        #expect(try await paths(.init(tag: "x_y")) == ["50%/a_b.md"])
        #expect(try await paths(.init(tag: "x/z")) == ["z.md"])
    }
}
