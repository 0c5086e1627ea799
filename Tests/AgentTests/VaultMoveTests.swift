import Foundation
import Testing

@testable import Agent

@Suite struct VaultMoveTests {
    func move(_ test: TestVault, _ from: String, _ to: String) async throws -> VaultMove {
        try await test.vault.move(VaultPath(from), to: VaultPath(to))
    }

    @Test func linksAndEmbedsFollowTheirNoteAndKeepAliasAndHeading() async throws {
        let test = try TestVault([
            "House/Router.md": "itself [[router#Setup]]", "Other/Router.md": "another one",
            "a.md": "[[House/Router]] ![[house/router.md#Setup|the router]] [[Router^b1]] [[Other/Router]] [[nothing]]",
            "b.md": "[[x/Router|far]]\r\nno change: [[a]] and Router", "c.md": "nothing here",
        ])
        let done = try await move(test, "House/Router.md", "Attic/Old box.md")
        #expect(done.rewritten == ["Attic/Old box.md", "a.md", "b.md"])
        #expect(try test.text(of: "Attic/Old box.md") == "itself [[Old box#Setup]]")
        #expect(
            try test.text(of: "a.md")
                == "[[Attic/Old box]] ![[Attic/Old box.md#Setup|the router]] [[Old box^b1]] [[Other/Router]] [[nothing]]"
        )
        #expect(try test.text(of: "b.md") == "[[Attic/Old box|far]]\r\nno change: [[a]] and Router")
        #expect(!FileManager.default.fileExists(atPath: test.notes + "/House/Router.md"))
        #expect(try await test.vault.graph().backlinks(to: "Attic/Old box.md")?.map(\.path) == ["a.md", "b.md"])
        #expect(try FileManager.default.contentsOfDirectory(atPath: test.root).sorted() == ["memories", "notes.db"])
    }

    @Test func aLinkThatStaysRightStaysAsItIs() async throws {
        let test = try TestVault(["x/Note.md": "", "a.md": "[[note]] [[x/Note]]"])
        #expect(try await move(test, "x/Note.md", "y/Note.md").rewritten == ["a.md"])
        #expect(try test.text(of: "a.md") == "[[note]] [[y/Note]]")
    }

    @Test func aNameThatWouldMeanAnotherNoteIsWrittenInFull() async throws {
        let test = try TestVault(["x/Note.md": "", "Hall.md": "", "a.md": "[[Note]]"])
        _ = try await move(test, "x/Note.md", "y/Hall.md")
        #expect(try test.text(of: "a.md") == "[[y/Hall]]")
    }

    @Test func embedsOfFilesThatAreNoNotesFollowAsWell() async throws {
        let test = try TestVault([
            "img/plan.png": "1", "b/plan.png": "2", "a.md": "![[img/plan.png|300]] ![[b/plan.png]] [[plan]]",
        ])
        _ = try await move(test, "img/plan.png", "pics/Map.png")
        #expect(try test.text(of: "a.md") == "![[pics/Map.png|300]] ![[b/plan.png]] [[plan]]")
        #expect(try test.text(of: "pics/Map.png") == "1")
    }

    @Test func whatCannotBeMovedStaysWithAllItsLinks() async throws {
        let test = try TestVault(["a.md": "[[b]]", "b.md": "", "c.md": ""])
        await #expect(throws: VaultError.exists("c.md")) { _ = try await move(test, "b.md", "c.md") }
        await #expect(throws: VaultError.notFound("d.md")) { _ = try await move(test, "d.md", "e.md") }
        await #expect(throws: VaultError.unlinkable("x#y.md")) { _ = try await move(test, "b.md", "x#y.md") }
        for name in ["b.md", "b.txt"] {
            await #expect(throws: VaultError.invalidPath(name)) { _ = try await move(test, "b.md", name) }
        }
        #expect(try test.text(of: "a.md") == "[[b]]")
        #expect(try await test.vault.notes().map(\.path) == ["a.md", "b.md", "c.md"])
    }

    /// One note in the middle grows too large by its new link: everything is then as before.
    @Test func aMoveThatFailsInTheMiddleIsUndone() async throws {
        var limits = Vault.Limits()
        limits.noteSize = 40
        let full = "[[b]]" + String(repeating: "x", count: 35)
        let test = try TestVault(["a1.md": "[[b]]", "a2.md": full, "a3.md": "[[b]]", "b.md": "[[B]]"], limits: limits)
        await #expect(throws: VaultError.tooLarge(path: "a2.md", limit: 40)) {
            _ = try await move(test, "b.md", "longer.md")
        }
        #expect(try ["a1.md", "a2.md", "a3.md", "b.md"].map(test.text(of:)) == ["[[b]]", full, "[[b]]", "[[B]]"])
        #expect(try await test.vault.notes().map(\.path) == ["a1.md", "a2.md", "a3.md", "b.md"])
        #expect(!FileManager.default.fileExists(atPath: test.indexPath + ".move"))
    }

    /// A process died: before the file was renamed, with both names, after that, and after half of the links.
    @Test(arguments: ["before", "linked", "renamed", "half"])
    func aMoveThatWasCutOffIsFinishedOrForgotten(_ moment: String) async throws {
        let test = try TestVault(["a.md": "[[b]]", "b.md": "self [[b#x]]", "c.md": "[[b|alias]] by hand"])
        let files = VaultFiles(root: test.notes, maximumNoteSize: 1000, maximumNotes: 10)
        let record = MoveRecord(
            from: "b.md", to: "n/d.md", file: try #require(files.identity(of: VaultPath("b.md"))),
            targets: ["b": "d"], notes: ["a.md", "b.md", "c.md"])
        try JSONEncoder().encode(record).write(to: URL(fileURLWithPath: test.indexPath + ".move"))
        if moment != "before" {
            try FileManager.default.createDirectory(atPath: test.notes + "/n", withIntermediateDirectories: true)
            #expect(link(test.notes + "/b.md", test.notes + "/n/d.md") == 0)
            if moment != "linked" { #expect(unlink(test.notes + "/b.md") == 0) }
        }
        if moment == "half" { try test.write("[[d]]", to: "a.md") }
        let vault = test.reopened()
        let paths = try await vault.notes().map(\.path)
        if moment == "before" {
            #expect(paths == ["a.md", "b.md", "c.md"])
            #expect(try test.text(of: "a.md") == "[[b]]")
        } else {
            #expect(paths == ["a.md", "c.md", "n/d.md"])
            #expect(
                try ["a.md", "n/d.md", "c.md"].map(test.text(of:)) == ["[[d]]", "self [[d#x]]", "[[d|alias]] by hand"])
        }
        #expect(!FileManager.default.fileExists(atPath: test.indexPath + ".move"))
    }

    /// What the record cannot be: nothing happens, and it is gone.
    @Test(arguments: [
        "", "no json", #"{"from":"a.md","to":"../x.md","file":{"device":1,"inode":1},"targets":{},"notes":[]}"#,
    ])
    func aDamagedRecordIsForgotten(_ text: String) async throws {
        let test = try TestVault(["a.md": "[[b]]"])
        try Data(text.utf8).write(to: URL(fileURLWithPath: test.indexPath + ".move"))
        #expect(try await test.vault.notes().map(\.path) == ["a.md"])
        #expect(!FileManager.default.fileExists(atPath: test.indexPath + ".move"))
    }
}
