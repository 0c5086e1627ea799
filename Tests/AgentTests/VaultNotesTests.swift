import Foundation
import Testing

@testable import Agent

@Suite struct VaultNotesTests {
    func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    @Test func aNoteIsWrittenReadChangedAndDeleted() async throws {
        let test = try TestVault()
        let path = try VaultPath("a/b/c.md")
        let (isNew, tag) = try await test.vault.write(bytes("---\ntitle: T\n---\n\n one [[x#y|z]] \n"), to: path)
        #expect(isNew)
        let file = try await test.vault.read(path)
        #expect(file.tag == tag && tag.count == 32)
        let note = try test.vault.parse(file)
        #expect(note.properties == ["title": .string("T")] && note.body == "one [[x#y|z]]" && note.links == ["x#y"])
        #expect(try await test.vault.write(bytes("two"), to: path).isNew == false)
        #expect(try test.text(of: "a/b/c.md") == "two")
        let mode = try FileManager.default.attributesOfItem(atPath: test.notes + "/a/b/c.md")[.posixPermissions] as? Int
        #expect(mode == 0o600)
        try await test.vault.delete(path)
        await #expect(throws: VaultError.notFound("a/b/c.md")) { try await test.vault.read(path) }
        await #expect(throws: VaultError.notFound("a/b/c.md")) { try await test.vault.delete(path) }
    }

    /// P-42: what is known and was just deleted by hand is deleted; what was never there is not.
    @Test func deletingIsHonestAndRepeatable() async throws {
        let test = try TestVault(["a.md": "apple"])
        #expect(try await test.vault.notes().count == 1)
        try FileManager.default.removeItem(atPath: test.notes + "/a.md")
        try await test.vault.delete(VaultPath("a.md"))
        #expect(try await test.vault.notes().isEmpty)
        await #expect(throws: VaultError.notFound("a.md")) { try await test.vault.delete(VaultPath("a.md")) }
        // What was deleted or moved here is known to be gone.
        for name in ["b.md", "c.md"] { try test.write("x", to: name) }
        #expect(try await test.vault.notes().count == 2)
        try await test.vault.delete(VaultPath("b.md"))
        await #expect(throws: VaultError.notFound("b.md")) { try await test.vault.delete(VaultPath("b.md")) }
        _ = try await test.vault.move(VaultPath("c.md"), to: VaultPath("d.md"))
        await #expect(throws: VaultError.notFound("c.md")) { try await test.vault.delete(VaultPath("c.md")) }
    }

    @Test func aChangeHappensOnlyToWhatWasRead() async throws {
        let test = try TestVault(["a.md": "one"])
        let path = try VaultPath("a.md")
        let tag = try await test.vault.read(path).tag
        try test.write("by hand", to: "a.md")
        let refused = VaultError.precondition("a.md")
        await #expect(throws: refused) { try await test.vault.write([], to: path, if: .matches([tag])) }
        await #expect(throws: refused) { try await test.vault.delete(path, if: .matches([tag])) }
        await #expect(throws: refused) { try await test.vault.move(path, to: VaultPath("b.md"), if: .matches([tag])) }
        await #expect(throws: VaultError.notNew("a.md")) {
            try await test.vault.write([], to: path, if: .missing)
        }
        await #expect(throws: VaultError.precondition("new.md")) {
            try await test.vault.write([], to: VaultPath("new.md"), if: .exists)
        }
        await #expect(throws: VaultError.precondition("new.md")) {
            try await test.vault.write([], to: VaultPath("new.md"), if: .matches([tag]))
        }
        #expect(try test.text(of: "a.md") == "by hand")
        let fresh = try await test.vault.read(path).tag
        _ = try await test.vault.write(bytes("two"), to: path, if: .matches([tag, fresh]))
        #expect(try await test.vault.write(bytes("x"), to: VaultPath("new.md"), if: .missing).isNew)
        #expect(try test.text(of: "a.md") == "two")
    }

    @Test func filesThatAreNoNotesAreReadAndWrittenWithinBounds() async throws {
        var limits = Vault.Limits()
        limits.attachmentSize = 10
        let test = try TestVault(["a.md": "![[p.bin]]"], limits: limits)
        let path = try VaultPath("img/p.bin")
        _ = try await test.vault.write([0xFF, 0, 1], to: path)
        let file = try await test.vault.read(path)
        #expect(file.bytes == [0xFF, 0, 1])
        #expect(throws: VaultError.notText("img/p.bin")) { try test.vault.parse(file) }
        await #expect(throws: VaultError.tooLarge(path: "img/p.bin", limit: 10)) {
            try await test.vault.write(Array(repeating: 0, count: 11), to: path)
        }
        await #expect(throws: VaultError.notText("b.md")) { try await test.vault.write([0xFF], to: VaultPath("b.md")) }
        #expect(try await test.vault.notes().map(\.path) == ["a.md"])
    }
}

/// P-38: no path leads out of the vault, whatever it is spelled like and whatever lies in the vault.
@Suite struct VaultConfinementTests {
    static let canary = "the canary sings"

    /// A canary beside the vault and links to it from within, of all kinds.
    func trap() throws -> TestVault {
        let test = try TestVault(["a.md": "apple", "../canary.md": Self.canary, "../canary": Self.canary])
        let files = FileManager.default
        for (name, target) in [
            ("link.md", "/canary.md"), ("link", "/canary"), ("folder", ""), ("dangling.md", "/new.md"),
        ] {
            try files.createSymbolicLink(atPath: test.notes + "/" + name, withDestinationPath: test.root + target)
        }
        try files.createDirectory(atPath: test.notes + "/in", withIntermediateDirectories: true)
        try files.createSymbolicLink(atPath: test.notes + "/in/up", withDestinationPath: "../..")
        #expect(mkfifo(test.notes + "/fifo.md", 0o600) == 0)
        try files.createDirectory(atPath: test.notes + "/dir.md", withIntermediateDirectories: true)
        return test
    }

    @Test(arguments: [
        "../canary.md", "in/../../canary.md", "in/up/canary.md", "folder/canary.md", "link.md", "link", "dangling.md",
        "fifo.md", "dir.md", "/etc/passwd", "//etc/passwd", "%2e%2e/canary.md", "..%2fcanary.md", "%2e%2e%2fcanary.md",
        "..\\canary.md", "a.md\0", "a.md\0/../../canary.md", "./a.md", "a.md/", "a.md/x", "", ".", "..", "in/.", "in/",
        ".git/config", ".obsidian/app.json", ".hidden.md", "in/.openagent-1.tmp", "\u{202E}/../../canary.md",
        "a\u{7F}.md",
        String(repeating: "a", count: 4096), String(repeating: "a/", count: 2048) + "b.md",
        String(repeating: "../", count: 50) + "etc/passwd", "a\nb.md",
    ])
    func noPathLeadsOut(_ text: String) async throws {
        let test = try trap()
        let before = try FileManager.default.subpathsOfDirectory(atPath: test.root).sorted()
        if let path = try? VaultPath(text) { await refuses(path, test.vault) }
        #expect(try test.text(of: "../canary.md") == Self.canary)
        #expect(try test.text(of: "../canary") == Self.canary)
        let after = try FileManager.default.subpathsOfDirectory(atPath: test.root).sorted()
        #expect(after.filter { !$0.hasPrefix("notes.db") } == before.filter { !$0.hasPrefix("notes.db") })
    }

    private func refuses(_ path: VaultPath, _ vault: Vault) async {
        await #expect(throws: VaultError.self) { _ = try await vault.read(path) }
        await #expect(throws: VaultError.self) { try await vault.delete(path) }
        await #expect(throws: VaultError.self) { _ = try await vault.move(path, to: VaultPath("stolen.md")) }
        // What has a percent sign or a backslash in it is an ordinary name, and may be written.
        guard !path.name.contains("%"), !path.parts[0].contains("%") else { return }
        await #expect(throws: VaultError.self) { _ = try await vault.write([], to: path) }
        await #expect(throws: VaultError.self) { _ = try await vault.move(VaultPath("a.md"), to: path) }
    }

    /// Somebody swaps a folder for a link, over and over, while notes in it are read and written.
    @Test func aLinkThatIsSwappedInLeadsNowhere() async throws {
        let test = try TestVault(["f/a.md": "inside", "../out/a.md": Self.canary])
        let swapping = Task.detached {
            while !Task.isCancelled {
                rename(test.notes + "/f", test.notes + "/f2")
                symlink(test.root + "/out", test.notes + "/f")
                unlink(test.notes + "/f")
                rename(test.notes + "/f2", test.notes + "/f")
                await Task.yield()
            }
        }
        let path = try VaultPath("f/a.md")
        for _ in 0..<300 {
            if let file = try? await test.vault.read(path) {
                #expect(String(decoding: file.bytes, as: UTF8.self) == "inside")
            }
            _ = try? await test.vault.write(Array("inside".utf8), to: path)
        }
        swapping.cancel()
        await swapping.value
        #expect(try test.text(of: "../out/a.md") == Self.canary)
        #expect(try FileManager.default.contentsOfDirectory(atPath: test.root + "/out") == ["a.md"])
    }

    /// A vault that is the agent's own folder, or holds it, serves notes from there and nothing else.
    @Test(arguments: ["", "agent", "agent/.openagent", "agent/logs"])
    func theAgentsOwnFilesAreNoFilesOfTheVault(_ folder: String) async throws {
        let root = NSTemporaryDirectory() + "vault-\(UUID().uuidString)"
        let files = FileManager.default
        try files.createDirectory(atPath: root + "/agent/.openagent", withIntermediateDirectories: true)
        try files.createDirectory(atPath: root + "/agent/logs", withIntermediateDirectories: true)
        let below = folder.isEmpty ? root : root + "/" + folder
        let inside = folder.isEmpty ? "agent/" : ""
        for name in ["openagent.db", "identity.key", "openagent.yaml", "lock"] {
            try Data("secret".utf8).write(to: URL(fileURLWithPath: below + "/" + inside + name))
        }
        let vault = Vault(directory: below, indexPath: root + "/index.db", agent: root + "/agent") { 0 }
        for name in ["openagent.db", "identity.key", "openagent.yaml", "lock", "new.txt"] {
            let path = try VaultPath(inside + name)
            await #expect(throws: VaultError.invalidPath(path.description)) { _ = try await vault.read(path) }
            await #expect(throws: VaultError.invalidPath(path.description)) { _ = try await vault.write([], to: path) }
            await #expect(throws: VaultError.invalidPath(path.description)) { try await vault.delete(path) }
        }
        _ = try await vault.write([], to: VaultPath(inside + "note.md"))
        if folder.isEmpty { _ = try await vault.write([], to: VaultPath("beside.txt")) }
        try files.removeItem(atPath: root)
    }
}
