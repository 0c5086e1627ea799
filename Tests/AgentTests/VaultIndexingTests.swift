import Foundation
import Testing

@testable import Agent
@testable import Store

@Suite struct VaultIndexingTests {
    static let house = [
        "House/Router.md":
            "---\ntitle: The Router\ntags: [net, Home/Hall]\ntype: device\n---\nSee [[Hall#Shelf|there]].",
        "House/Hall.md": "#home Holds [[router]] twice: ![[House/Router]], itself [[Hall]] and [[nothing]].",
        "Garden.md": "No tags, a [[House/Hall]].",
    ]

    @Test func aListSaysWhatTheFilesSay() async throws {
        let test = try TestVault(Self.house)
        let notes = try await test.vault.notes()
        #expect(notes.map(\.path) == ["Garden.md", "House/Hall.md", "House/Router.md"])
        #expect(notes.map(\.label) == ["Garden", "Hall", "The Router"])
        #expect(notes.map(\.type) == ["", "", "device"])
        #expect(notes.map(\.tags) == [[], ["home"], ["net", "Home/Hall"]])
        #expect(notes[0].size == 26)
        #expect(abs(Double(notes[0].modified) / 1e9 - Date().timeIntervalSince1970) < 60)
    }

    @Test func aListComesInPagesAndByFolderAndTag() async throws {
        let test = try TestVault(Self.house)
        let first = try await test.vault.notes(limit: 2)
        #expect(try await test.vault.notes(after: first.last?.path, limit: 2).map(\.path) == ["House/Router.md"])
        #expect(try await test.vault.notes(filter: .init(prefix: "House/")).count == 2)
        #expect(try await test.vault.notes(filter: .init(prefix: "house/")).isEmpty)
        #expect(
            try await test.vault.notes(filter: .init(tag: "HOME")).map(\.path) == Array(first.map(\.path)[1...]) + [
                "House/Router.md"
            ])
        #expect(try await test.vault.notes(filter: .init(tag: "home/hall")).map(\.path) == ["House/Router.md"])
        #expect(try await test.vault.notes(filter: .init(prefix: "G", tag: "home")).isEmpty)
    }

    @Test func aGraphHasEachLinkOnceAndNoneToNowhere() async throws {
        let graph = try await TestVault(Self.house).vault.graph()
        let edges = graph.edges.map { [graph.notes[$0.source].path, graph.notes[$0.target].path] }
        #expect(
            Set(edges) == [
                ["Garden.md", "House/Hall.md"], ["House/Hall.md", "House/Router.md"],
                ["House/Router.md", "House/Hall.md"],
            ])
        #expect(edges.count == 3)
        #expect(graph.backlinks(to: "House/Hall.md")?.map(\.path) == ["Garden.md", "House/Router.md"])
        #expect(graph.backlinks(to: "Garden.md")?.isEmpty == true)
        #expect(graph.backlinks(to: "nothing.md") == nil)
    }

    @Test func tagsAreCountedInAnyCase() async throws {
        let test = try TestVault(["a.md": "#x #Y", "b.md": "#y #z/w"])
        let tags = try await test.vault.tags()
        #expect(tags.map(\.name) == ["Y", "x", "z/w"])
        #expect(tags.map(\.count) == [2, 1, 1])
    }

    @Test func aSearchKeepsToFolderAndTag() async throws {
        let test = try TestVault(["a/x.md": "apple #red", "b/x.md": "apple #green", "c.md": "apple"])
        #expect(try await test.vault.search(["apple"], filter: .init(prefix: "a/")).hits.map(\.path) == ["a/x.md"])
        #expect(try await test.vault.search(["apple"], filter: .init(tag: "green")).hits.map(\.path) == ["b/x.md"])
        let hits = try await test.vault.search(["apple"], wholeBodies: false).hits
        #expect(hits.count == 3 && hits.allSatisfy { $0.body.plain.isEmpty && $0.snippet.plain.hasPrefix("apple") })
    }

    /// P-86: with the kernel's help and without, whatever is done by hand.
    @Test(arguments: [true, false]) func editsByHandAppearInEveryAnswer(_ isWatching: Bool) async throws {
        let test = try TestVault(Self.house, isWatching: isWatching)
        #expect(try await test.vault.graph().edges.count == 3)
        // A new folder with a note in it, and a note in a folder in that.
        try test.write("[[Garden]] #new", to: "Attic/Box.md")
        try test.write("[[Box]]", to: "Attic/Old/Deep.md")
        #expect(try await test.vault.notes(filter: .init(prefix: "Attic/")).count == 2)
        try test.write("changed later", to: "Attic/Old/Deep.md")
        #expect(try await test.vault.search(["later"]).hits.map(\.path) == ["Attic/Old/Deep.md"])
        #expect(try await test.vault.graph().backlinks(to: "Garden.md")?.map(\.path) == ["Attic/Box.md"])
        // A folder is renamed, another removed.
        let files = FileManager.default
        try files.moveItem(atPath: test.notes + "/Attic", toPath: test.notes + "/Loft")
        try files.removeItem(atPath: test.notes + "/House")
        #expect(
            try await test.vault.notes().map(\.path) == ["Garden.md", "Loft/Box.md", "Loft/Old/Deep.md"])
        try test.write("in the renamed folder", to: "Loft/Old/Deep.md")
        #expect(try await test.vault.search(["renamed"]).hits.count == 1)
        // A note becomes hidden; the vault itself goes and comes back.
        try files.moveItem(atPath: test.notes + "/Garden.md", toPath: test.notes + "/.Garden.md")
        #expect(try await test.vault.notes().count == 2)
        try files.moveItem(atPath: test.notes, toPath: test.root + "/elsewhere")
        #expect(try await test.vault.notes().isEmpty)
        try files.moveItem(atPath: test.root + "/elsewhere", toPath: test.notes)
        #expect(try await test.vault.notes().count == 2)
        try test.write("back", to: "Loft/Box.md")
        #expect(try await test.vault.search(["back"]).hits.count == 1)
    }

    /// More changes than the kernel keeps are noticed as well.
    @Test func aFloodOfChangesIsNoticed() async throws {
        let test = try TestVault(["n0.md": "first", "n1.md": "first"])
        #expect(try await test.vault.notes().count == 2)
        for number in 0..<20_000 {  // more than fs.inotify.max_queued_events
            let file = open(test.notes + "/n\(number % 2).md", O_WRONLY | O_TRUNC)
            #expect(file >= 0)
            close(file)
        }
        try test.write("the last word", to: "n1.md")
        #expect(try await test.vault.search(["last"]).hits.map(\.path) == ["n1.md"])
    }

    @Test(.timeLimit(.minutes(1))) func aFollowedVaultTakesInEditsThatNobodyAsksFor() async throws {
        let test = try TestVault(["a.md": "apple"])
        let following = Task { await test.vault.run() }
        while await !test.vault.isTelling { await Task.yield() }
        try test.write("banana", to: "sub/b.md")
        var edits = test.vault.edits.makeAsyncIterator()
        #expect(await edits.next()?.map(\.path) == ["sub/b.md"])
        following.cancel()
        await following.value
    }

    /// Who asks while much is read hears how far it is, and reads and writes single notes all the same.
    @Test func whoeverIsImpatientHearsHowFarItIs() async throws {
        var limits = Vault.Limits()
        limits.patience = .zero
        let lorem = String(repeating: "lorem ipsum dolor sit amet ", count: 400)
        let test = try TestVault((0..<400).reduce(into: [:]) { $0["n\($1).md"] = lorem }, limits: limits)
        let following = Task { await test.vault.run() }
        let deadline = ContinuousClock.now + .seconds(20)
        var told: (done: Int, total: Int)?
        while told == nil, .now < deadline {
            do {
                _ = try await test.vault.notes()
                if try await test.vault.notes().count == 400 { break }
            } catch VaultError.indexing(let done, let total) {
                told = (done, total)
            }
            await Task.yield()
        }
        let progress = try #require(told)
        #expect(progress.done > 0 && progress.done < 400 && progress.total == 400)
        #expect(try await test.vault.read(VaultPath("n7.md")).bytes.count == lorem.utf8.count)
        following.cancel()
        await following.value
    }

    /// P-86: an index of another version is made anew.
    @Test func anIndexOfAnotherVersionIsMadeAnew() async throws {
        let test = try TestVault(Self.house)
        let before = try await test.vault.notes()
        let file = try #require(FileHandle(forUpdatingAtPath: test.indexPath))
        try file.seek(toOffset: 60)  // where SQLite keeps user_version
        try file.write(contentsOf: Data([0, 0, 0, 1]))
        try file.close()
        #expect(try await test.reopened().notes() == before)
        #expect(try await test.reopened().graph().edges.count == 3)
    }
}
