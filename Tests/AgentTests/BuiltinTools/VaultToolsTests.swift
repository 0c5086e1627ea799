import Foundation
import JSON
import Testing

@testable import Agent

// How does the agent work with notes through its tools, and what may it not?

@Suite struct VaultToolsTests {
    let notes: TestVault
    var server: BuiltinServer { VaultTools.server(notes.vault) }

    init() throws {
        notes = try TestVault([
            "House/Router.md":
                "---\ntype: device\ntags: [network]\n---\n# Router\nThe password is in the safe. #todo\n",
            "House/Safe.md": "Behind the picture. See [[Router]].\n",
        ])
    }

    @Test("all tools of the reference are there, reads are queries and changes actions")
    func tools() async {
        let tools = await server.tools()
        #expect(
            tools.filter { $0.effect == .query }.map(\.name) == [
                "read_note", "read_multiple_notes", "search_notes", "list_notes", "list_directory", "list_all_tags",
                "get_vault_stats", "get_backlinks", "get_frontmatter",
            ])
        #expect(
            tools.filter { $0.effect == .action }.map(\.name) == [
                "write_note", "patch_note", "delete_note", "move_note", "link_notes", "update_frontmatter",
                "manage_tags",
            ])
        for tool in tools {
            #expect(tool.parameters["type"] == "object" && tool.parameters["additionalProperties"] == false)
        }
    }

    @Test("notes are found, listed, counted and read")
    func reading() async throws {
        let found = try await server.answer("search_notes", ["query": "password safe"])
        #expect(found["notes"]?.list.first?["path"] == "House/Router.md" && found["has_all_words"] == true)
        let read = try await server.answer("read_note", ["path": "House/Safe.md"])
        #expect(read["content"] == "Behind the picture. See [[Router]].\n" && read["tag"]?.string?.count == 32)
        let many = try await server.answer("read_multiple_notes", ["paths": ["House/Safe.md", "No.md"]])
        #expect(many["notes"]?.list.count == 2 && many["notes"]?.list.last?["error"] != nil)
        let top = try await server.answer("list_directory")
        #expect(top["folders"] == ["House"] && top["notes"] == [])
        #expect(try await server.answer("list_directory", ["path": "House/"])["notes"]?.list.count == 2)
        let page = try await server.answer("list_notes", ["limit": 1])
        #expect(page["notes"]?.list.count == 1 && page["has_more"] == true)
        #expect(try await server.answer("get_backlinks", ["path": "House/Router.md"])["backlinks"]?.list.count == 1)
        let statistics = try await server.answer("get_vault_stats")
        #expect(statistics["notes"] == 2 && statistics["links"] == 1 && statistics["tags"] == 2)
        #expect(try await server.answer("list_all_tags")["tags"]?.list.count == 2)
    }

    @Test("a note is only overwritten by whoever has read it: what was written by hand stays")
    func overwriting() async throws {
        let path: JSONValue = "House/Safe.md"
        #expect(await server.refusal("write_note", ["path": path, "content": "x"]).contains("tag"))
        #expect(
            await server.refusal("write_note", ["path": path, "content": "x", "mode": "overwrite"]).contains("tag"))
        let tag = try #require(try await server.answer("read_note", ["path": path])["tag"])
        try notes.write("by hand\n", to: "House/Safe.md")
        for (tool, more) in [
            ("write_note", ["content": "x"] as [String: JSONValue]), ("delete_note", [:]),
            ("patch_note", ["old_string": "by", "new_string": "x"]),
            ("manage_tags", ["operation": "add", "tags": ["x"]]),
            ("update_frontmatter", ["frontmatter": ["a": 1]]),
        ] {
            let words = await server.refusal(tool, more.merging(["path": path, "tag": tag]) { $1 })
            #expect(words.contains("read it again"), "\(tool): \(words)")
        }
        #expect(try notes.text(of: "House/Safe.md") == "by hand\n")
        let new = try #require(try await server.answer("read_note", ["path": path])["tag"])
        let written = try await server.answer("write_note", ["path": path, "content": "mine\n", "tag": new])
        #expect(written["is_new"] == false)
        #expect(try notes.text(of: "House/Safe.md") == "mine\n")
        _ = try await server.answer("write_note", ["path": path, "content": "more\n", "mode": "append"])
        #expect(try notes.text(of: "House/Safe.md") == "mine\nmore\n")
        #expect(try await server.answer("write_note", ["path": "New/One.md", "content": "1"])["is_new"] == true)
    }

    @Test("a patch is for a text that stands there exactly once")
    func patching() async throws {
        try notes.write("one two two\n", to: "A.md")
        func patch(_ old: JSONValue, _ new: JSONValue) -> [String: JSONValue] {
            ["path": "A.md", "old_string": old, "new_string": new]
        }
        #expect(await server.refusal("patch_note", patch("two", "2")).contains("2 times"))
        #expect(await server.refusal("patch_note", patch("three", "3")).contains("does not stand there"))
        #expect(await server.refusal("patch_note", patch("", "3")).contains("empty"))
        _ = try await server.answer("patch_note", patch("one", "1"))
        _ = try await server.answer("patch_note", patch("two", "2").merging(["replace_all": true]) { $1 })
        #expect(try notes.text(of: "A.md") == "1 2 2\n")
    }

    @Test("properties and tags change, the rest of a note stays as it is")
    func properties() async throws {
        let path: JSONValue = "House/Router.md"
        #expect(try await server.answer("get_frontmatter", ["path": path])["properties"]?["type"] == "device")
        _ = try await server.answer(
            "update_frontmatter", ["path": path, "frontmatter": ["type": .null, "owner": "ana", "room": "3"]])
        _ = try await server.answer("manage_tags", ["path": path, "operation": "add", "tags": ["#wifi", "network"]])
        let read = try await server.answer("get_frontmatter", ["path": path])["properties"]
        #expect(read == ["tags": ["network", "wifi"], "owner": "ana", "room": "3"])
        #expect(try notes.text(of: "House/Router.md").hasSuffix("---\n# Router\nThe password is in the safe. #todo\n"))
        let tags = try await server.answer("manage_tags", ["path": path, "operation": "list"])["tags"]
        #expect(tags == ["network", "wifi", "todo"])
        _ = try await server.answer(
            "manage_tags", ["path": path, "operation": "remove", "tags": ["wifi", "network"]])
        #expect(try await server.answer("get_frontmatter", ["path": path])["properties"]?["tags"] == nil)
        _ = try await server.answer("update_frontmatter", ["path": "House/Safe.md", "frontmatter": ["a": [1, true]]])
        #expect(try notes.text(of: "House/Safe.md").hasPrefix("---\na:\n- 1\n- true\n---\n\nBehind"))
        try notes.write("---\n- no mapping\n---\nText\n", to: "B.md")
        #expect(
            await server.refusal("update_frontmatter", ["path": "B.md", "frontmatter": ["a": 1]])
                .contains("can't be understood"))
        #expect(try notes.text(of: "B.md") == "---\n- no mapping\n---\nText\n")
    }

    @Test("a link is added once, and moving a note keeps it")
    func links() async throws {
        let link: [String: JSONValue] = ["from": "House/Router.md", "to": "safe"]
        #expect(try await server.answer("link_notes", link)["is_new"] == true)
        #expect(try await server.answer("link_notes", link)["is_new"] == false)
        #expect(try notes.text(of: "House/Router.md").hasSuffix("\n\n[[House/Safe]]\n"))
        let moved = try await server.answer("move_note", ["old_path": "House/Safe.md", "new_path": "Vault.md"])
        #expect(moved["rewritten"] == ["House/Router.md"])
        #expect(try notes.text(of: "House/Router.md").hasSuffix("[[Vault]]\n"))
        #expect(await server.refusal("link_notes", ["from": "Vault.md", "to": "nobody"]).contains("no note called"))
    }

    @Test("no path leads out of the vault", arguments: ["../a.md", "/etc/a.md", ".git/a.md", "a", "x/../../a.md", ""])
    func confined(_ path: String) async throws {
        for (tool, more) in [
            ("read_note", [:]), ("write_note", ["content": "x"]), ("delete_note", ["tag": "x"]),
            ("get_frontmatter", [:]), ("patch_note", ["old_string": "a", "new_string": "b"]),
        ] as [(String, [String: JSONValue])] {
            let words = await server.refusal(tool, more.merging(["path": .string(path)]) { $1 })
            #expect(words.contains("is not a path of the vault"), "\(tool): \(words)")
        }
    }

    @Test("what the schema does not name or allow is refused in words that help")
    func arguments() async throws {
        #expect(await server.refusal("read_note", ["file": "A.md"]).contains("no argument 'file'; there are: path"))
        #expect(await server.refusal("read_note") == "'path' is missing")
        #expect(await server.refusal("read_note", ["path": .null]) == "'path' is missing")
        #expect(await server.refusal("read_note", ["path": 3]) == "'path' is a text")
        #expect(await server.refusal("list_notes", ["limit": 0]).contains("from 1 to 1000"))
        #expect(await server.refusal("nothing").contains("has no tool 'nothing'"))
        let page = try await server.answer("list_notes", ["limit": 1.0])
        #expect(page["notes"]?.list.count == 1)
    }
}
