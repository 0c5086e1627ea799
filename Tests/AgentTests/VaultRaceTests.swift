import Foundation
import Testing

@testable import Agent
@testable import Store

/// What happens when somebody else is at the same file in the same moment, or something fails on the way.
@Suite struct VaultRaceTests {
    private func files(_ test: TestVault, _ meanwhile: @escaping @Sendable () -> Void) -> VaultFiles {
        var files = VaultFiles(root: test.notes, maximumNoteSize: 1000, maximumNotes: 10)
        files.beforeRename = meanwhile
        return files
    }

    /// Between the last look at the note and its end, an editor saves: in place, or by a rename as most do.
    @Test("no note text is lost to a write or delete in the same moment", arguments: ["in place", "renamed"])
    func anEditInTheLastMomentStays(_ manner: String) throws {
        let test = try TestVault(["a.md": "old"])
        let path = test.notes + "/a.md"
        let edited = files(test) {
            try? Data("edited".utf8).write(to: URL(fileURLWithPath: path), options: manner == "renamed" ? .atomic : [])
        }
        let stamp = try #require(try edited.stamp(of: VaultPath("a.md")))
        #expect(throws: VaultError.changedMeanwhile("a.md")) {
            try edited.write("ours", to: NotePath("a.md"), replacing: stamp)
        }
        #expect(try test.text(of: "a.md") == "edited")
        try test.write("older", to: "a.md")
        let later = try #require(try edited.stamp(of: VaultPath("a.md")))
        #expect(throws: VaultError.changedMeanwhile("a.md")) { try edited.remove(VaultPath("a.md"), expecting: later) }
        #expect(try test.text(of: "a.md") == "edited")
        #expect(try FileManager.default.contentsOfDirectory(atPath: test.notes) == ["a.md"])
    }

    @Test func whatComesOrGoesInTheLastMomentIsNoticed() throws {
        let test = try TestVault(["a.md": "old"])
        let path = test.notes + "/a.md"
        let gone = files(test) { unlink(path) }
        let stamp = try #require(try gone.stamp(of: VaultPath("a.md")))
        #expect(throws: VaultError.changedMeanwhile("a.md")) {
            try gone.write("ours", to: NotePath("a.md"), replacing: stamp)
        }
        let come = files(test) { try? Data("theirs".utf8).write(to: URL(fileURLWithPath: path)) }
        #expect(throws: VaultError.changedMeanwhile("a.md")) {
            try come.write("ours", to: NotePath("a.md"), replacing: nil)
        }
        #expect(try test.text(of: "a.md") == "theirs")
        let folder = files(test) {
            unlink(path)
            mkdir(path, 0o700)
        }
        let theirs = try #require(try folder.stamp(of: VaultPath("a.md")))
        #expect(throws: VaultError.changedMeanwhile("a.md")) {
            try folder.write("ours", to: NotePath("a.md"), replacing: theirs)
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: test.notes) == ["a.md"])
    }

    @Test(.enabled(if: geteuid() == 0)) func aNoteStaysItsOwners() async throws {
        let test = try TestVault(["a.md": "old"])
        #expect(chown(test.notes + "/a.md", 1234, 1235) == 0 && chmod(test.notes + "/a.md", 0o664) == 0)
        _ = try await test.vault.write(Array("new".utf8), to: VaultPath("a.md"))
        var status = stat()
        #expect(stat(test.notes + "/a.md", &status) == 0)
        #expect(status.st_uid == 1234 && status.st_gid == 1235 && status.st_mode & 0o777 == 0o664)
    }

    /// A process that has no descriptors left sees no folders: that is no reason to forget what is in them.
    @Test func whoCannotLookForgetsNothing() async throws {
        let test = try TestVault(["a.md": "1", "sub/b.md": "2"])
        let files = VaultFiles(root: test.notes, maximumNoteSize: 1000, maximumNotes: 10)
        var outcomes: Set<String> = []
        // One more each time: the list fails at another step, until nothing fails.
        for count in 0..<64 where !outcomes.contains("2") {
            outcomes.insert(
                await withDescriptors(count) {
                    do throws(VaultError) { return "\(try files.list().count)" } catch {
                        return error.isShortage ? "no room" : "\(error)"
                    }
                })
        }
        #expect(outcomes == ["2", "no room"])
    }

    @Test func aMoveLeavesLinksToOthersMeaningThem() async throws {
        let test = try TestVault([
            "far/Hall.md": "", "x/Note.md": "", "a.md": "[[Hall]] [[hall#Shelf|it]] [[x/Hall]] [[Note]] ![[far/Hall]]",
        ])
        let done = try await test.vault.move(VaultPath("x/Note.md"), to: VaultPath("Hall.md"))
        #expect(done.rewritten == ["a.md"])
        #expect(
            try test.text(of: "a.md")
                == "[[far/Hall]] [[far/Hall#Shelf|it]] [[x/Hall]] [[Hall]] ![[far/Hall]]")
    }

    /// What an editor saves while a move fails is nobody's to put back.
    @Test("no note text is lost to a move that is undone") func anEditDuringAMoveStays() async throws {
        var limits = Vault.Limits()
        limits.noteSize = 40
        let full = "[[b]]" + String(repeating: "x", count: 35)
        let test = try TestVault(["a1.md": "[[b]]", "a2.md": "[[b]]", "a3.md": full, "b.md": ""], limits: limits)
        let (first, second) = (test.notes + "/a1.md", test.notes + "/a2.md")
        await test.vault.meanwhile {
            // When the second one is about to be rewritten, the first one is saved.
            guard (try? String(contentsOfFile: first, encoding: .utf8)) == "[[longer]]" else { return }
            guard (try? String(contentsOfFile: second, encoding: .utf8)) == "[[b]]" else { return }
            try? Data("by hand".utf8).write(to: URL(fileURLWithPath: first))
        }
        await #expect(throws: VaultError.tooLarge(path: "a3.md", limit: 40)) {
            _ = try await test.vault.move(VaultPath("b.md"), to: VaultPath("longer.md"))
        }
        #expect(try ["a1.md", "a2.md", "a3.md", "b.md"].map(test.text(of:)) == ["by hand", "[[b]]", full, ""])
        #expect(!FileManager.default.fileExists(atPath: test.indexPath + ".move"))
    }

    @Test func linksInTablesFollow() async throws {
        let test = try TestVault(["b.md": "", "a.md": "| [[b\\|the b]] | [[b#x\\|y]] |"])
        #expect(try await test.vault.graph().backlinks(to: "b.md")?.map(\.path) == ["a.md"])
        _ = try await test.vault.move(VaultPath("b.md"), to: VaultPath("c.md"))
        #expect(try test.text(of: "a.md") == "| [[c\\|the b]] | [[c#x\\|y]] |")
    }

    /// A quotation mark in the new name would end the value that the link stands in.
    @Test func aMoveThatWouldBreakFrontMatterIsRefused() async throws {
        let front = "---\nup: '[[b]]'\ntags: [t]\n---\n"
        let test = try TestVault(["a.md": front, "b.md": "", "c.md": "---\nup: \"[[b]]\"\n---\n[[b]]"])
        await #expect(throws: VaultError.unlinkable("it's.md")) {
            _ = try await test.vault.move(VaultPath("b.md"), to: VaultPath("it's.md"))
        }
        #expect(try test.text(of: "a.md") == front)
        #expect(try test.text(of: "c.md") == "---\nup: \"[[b]]\"\n---\n[[b]]")
        try test.write("", to: "a.md")
        _ = try await test.vault.move(VaultPath("b.md"), to: VaultPath("it's.md"))
        #expect(try test.text(of: "c.md") == "---\nup: \"[[it's]]\"\n---\n[[it's]]")
    }

    /// A start at which a note cannot be written keeps the record, and the next one has another try.
    @Test func aMoveThatCannotBeFinishedNowIsFinishedLater() async throws {
        let test = try TestVault(["sub/a.md": "[[b]]", "d.md": ""])
        let files = VaultFiles(root: test.notes, maximumNoteSize: 1000, maximumNotes: 10)
        let record = MoveRecord(
            from: "b.md", to: "d.md", file: try #require(files.identity(of: VaultPath("d.md"))), targets: ["b": "d"],
            notes: ["sub/a.md", "gone.md"])
        let recordPath = test.indexPath + ".move"
        try JSONEncoder().encode(record).write(to: URL(fileURLWithPath: recordPath))
        let vault = test.vault
        await withDescriptors(1) { await vault.recover() }
        #expect(try test.text(of: "sub/a.md") == "[[b]]")
        #expect(FileManager.default.fileExists(atPath: recordPath))
        #expect(try await test.reopened().notes().count == 2)
        #expect(try test.text(of: "sub/a.md") == "[[d]]")
        #expect(!FileManager.default.fileExists(atPath: recordPath))
    }

    /// Runs `body` where this process can open no more than so many further files.
    private func withDescriptors<Value>(_ count: Int, _ body: () async -> Value) async -> Value {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var usual = rlimit()
        getrlimit(resource, &usual)
        let free = dup(0)
        close(free)
        var limit = rlimit(rlim_cur: rlim_t(Int(free) + count), rlim_max: usual.rlim_max)
        setrlimit(resource, &limit)
        let value = await body()
        setrlimit(resource, &usual)
        return value
    }

    /// While the notes are read anew nobody is told that they are new, and nobody takes the half for all.
    @Test(.timeLimit(.minutes(1))) func anIndexMadeAnewIsNoNews() async throws {
        let test = try TestVault((0..<50).reduce(into: [:]) { $0["n\($1).md"] = "apple" })
        let following = Task { await test.vault.run() }
        while await !test.vault.isTelling { await Task.yield() }
        #expect(try await test.vault.reindex() == 50)
        #expect(try await test.vault.search(["apple"], limit: 100).hits.count == 50)
        // Lost under the hands of the process: SQLite says so at the next change.
        try FileManager.default.removeItem(atPath: test.indexPath)
        try test.write("banana", to: "new.md")
        #expect(try await test.vault.search(["banana"]).hits.count == 1)
        #expect(try await test.vault.notes().count == 51)
        try test.write("cherry", to: "last.md")
        var edits = test.vault.edits.makeAsyncIterator()
        var told: [String] = []
        while told.last != "last.md" { told += try #require(await edits.next()).map(\.path) }
        #expect(told.allSatisfy { ["new.md", "last.md"].contains($0) })
        following.cancel()
        await following.value
    }
}

extension Vault {
    fileprivate func meanwhile(_ body: @escaping @Sendable () -> Void) { files.beforeRename = body }
}
