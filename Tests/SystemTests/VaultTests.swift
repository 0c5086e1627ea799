import Foundation
import Testing

/// What the command line does with notes; that it does the same on every way to an agent is in AdministrationTests.
@Suite struct VaultTests {
    private func vault(_ home: TestHome, _ words: String..., input: String? = nil) async throws -> (
        status: Int32, output: String, errors: String
    ) {
        try await home.run(["vault"] + words + ["--agent", home.agent.path], input: input)
    }

    private func path(_ home: TestHome, _ note: String) -> String {
        home.agent.appendingPathComponent("memories/" + note).path
    }

    @Test func aStoppedAgentsNotesAreReadAndChanged() async throws {
        let home = try TestHome()
        #expect(try await home.run(["init", home.agent.path]).status == 0)
        let text = "---\ntags: [net]\n---\n# Router\n\nIn the [[Hall]].\n"
        #expect(try await vault(home, "write", "House/Router.md", input: text).output == "Made House/Router.md.")
        #expect(try await vault(home, "read", "House/Router.md").output + "\n" == text)
        #expect(try await vault(home, "write", "Hall.md", input: "see [[Router#Setup|it]]").status == 0)
        #expect(
            try await vault(home, "move", "House/Router.md", "Attic/Box.md").output
                == "Moved to Attic/Box.md.\nRewrote its links in Hall.md.")
        #expect(try String(contentsOfFile: path(home, "Hall.md"), encoding: .utf8) == "see [[Box#Setup|it]]")
        let graph = try await vault(home, "graph").output.split(separator: "\n").map(String.init)
        #expect(Set(graph) == ["Attic/Box.md\tHall.md", "Hall.md\tAttic/Box.md"])
        #expect(try await vault(home, "tags").output == "net\t1")
        #expect(try await vault(home, "search", "--tag", "net", "in").output.hasPrefix("Attic/Box.md\n    "))
        let list = try await vault(home, "list", "--json")
        let document = try JSONSerialization.jsonObject(with: Data(list.output.utf8)) as? [String: Any]
        let notes = try #require(document?["notes"] as? [[String: Any]])
        #expect(notes.map { $0["path"] as? String } == ["Attic/Box.md", "Hall.md", "Welcome.md"])
        let folder = try await vault(home, "write", "New.md", home.root.path)
        #expect(folder.status == 64 && folder.errors.contains("cannot be read"))
        let other = try await vault(home, "cat", "Attic")
        #expect(other.status == 64 && other.errors.contains("at Attic "))
        let unasked = try await vault(home, "delete", "Hall.md")
        #expect(unasked.status == 64 && unasked.errors.contains("--yes"))
        #expect(try await vault(home, "delete", "Hall.md", "--yes").output == "Deleted Hall.md.")
        #expect(!FileManager.default.fileExists(atPath: path(home, "Hall.md")))
    }

    @Test func aNoteIsEditedAndNobodysChangeIsLost() async throws {
        let home = try TestHome()
        #expect(try await home.run(["init", home.agent.path]).status == 0)
        func edit(_ editor: String, _ note: String) async throws -> (status: Int32, output: String, errors: String) {
            let program = try home.start(
                ["vault", "edit", note, "--agent", home.agent.path], environment: ["VISUAL": editor])
            program.closeInput()
            let status = try await program.exit()
            return (status, program.output, program.errors)
        }
        let script = home.root.appendingPathComponent("append")
        try Data("#!/bin/sh\necho more >> \"$2\"\n".utf8).write(to: script)
        chmod(script.path, 0o700)
        #expect(try await edit("\(script.path) -x", "new.md").output == "Made new.md.")
        #expect(try await edit("\(script.path) -x", "new.md").output == "Changed new.md.")
        #expect(try String(contentsOfFile: path(home, "new.md"), encoding: .utf8) == "more\nmore\n")
        #expect(try await edit("true", "new.md").output == "Nothing was changed.")
        #expect(try await edit("false", "new.md").status == 1)
        // While the editor is open, somebody else writes the note.
        let rude = home.root.appendingPathComponent("rude")
        try Data("#!/bin/sh\necho mine > \"$1\"; echo theirs > '\(path(home, "new.md"))'\n".utf8).write(to: rude)
        chmod(rude.path, 0o700)
        let refused = try await edit(rude.path, "new.md")
        #expect(refused.status == 73)
        #expect(try String(contentsOfFile: path(home, "new.md"), encoding: .utf8) == "theirs\n")
        let kept = try #require(refused.errors.firstMatch(of: /kept in (\S+);/)?.1)
        #expect(try String(contentsOfFile: String(kept), encoding: .utf8) == "mine\n")
    }

    /// P-86: with the server running, an edit by hand is in the next answer; a kill in the middle of it all loses nothing.
    @Test func aRunningAgentSeesEditsByHand() async throws {
        let home = try TestHome()
        let server = try await home.serve()
        #expect(try await vault(home, "search", "zebra").output == "")
        try Data("a zebra".utf8).write(to: URL(fileURLWithPath: path(home, "Zoo.md")))
        #expect(try await vault(home, "search", "zebra").output.hasPrefix("Zoo.md"))
        server.program.signal(SIGKILL)
        _ = try await server.program.exit()
        try Data(repeating: 0x5A, count: 5000)
            .write(to: home.agent.appendingPathComponent(".openagent/notes.db"))
        let again = try await home.serve()
        #expect(try await vault(home, "search", "zebra").output.hasPrefix("Zoo.md"))
        again.program.signal(SIGTERM)
        #expect(try await again.program.exit() == 0)
    }
}
