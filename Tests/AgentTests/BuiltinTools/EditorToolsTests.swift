import Foundation
import Glibc
import JSON
import Testing

@testable import Agent

// What can the agent do with files, and does any path lead out of its work folder?

@Suite struct EditorToolsTests {
    let place: TestPlace
    var folder: String { place.path + "/workspace" }
    var server: BuiltinServer { EditorTools.server(folder) }

    init() throws { place = try TestPlace() }

    private func write(_ path: String, _ content: String) async throws {
        _ = try await server.answer("write_file", ["file_path": .string(path), "content": .string(content)])
    }

    private func text(_ path: String) throws -> String {
        try String(contentsOfFile: folder + "/" + path, encoding: .utf8)
    }

    @Test("files are written, read by lines, edited, moved and deleted, in a private folder")
    func files() async throws {
        try await write("src/a.txt", "one\ntwo\nthree\n")
        var status = stat()
        #expect(stat(folder, &status) == 0 && status.st_mode & 0o777 == 0o700)
        let read = try await server.answer("read_file", ["file_path": "src/a.txt", "offset": 2, "limit": 1])
        #expect(read["content"] == "two" && read["total_lines"] == 4)
        #expect(await server.refusal("read_file", ["file_path": "src/a.txt", "offset": 9]).contains("has 4 lines"))
        let edit: [String: JSONValue] = ["file_path": "src/a.txt", "old_string": "two", "new_string": "2"]
        _ = try await server.answer("edit", edit)
        #expect(try text("src/a.txt") == "one\n2\nthree\n")
        #expect(await server.refusal("edit", edit).contains("does not stand there"))
        _ = try await server.answer("make_directory", ["path": "new/inner"])
        _ = try await server.answer("make_directory", ["path": "new/inner"])
        _ = try await server.answer("move_file", ["old_path": "src/a.txt", "new_path": "new/inner/b.txt"])
        let top = try await server.answer("list_directory")
        #expect(top["entries"]?.list.compactMap { $0["name"]?.string } == ["new", "src"])
        try await write("c.txt", "c")
        #expect(
            await server.refusal("move_file", ["old_path": "c.txt", "new_path": "new/inner/b.txt"]).contains("already"))
        _ = try await server.answer("delete_file", ["file_path": "new/inner/b.txt"])
        #expect(await server.refusal("read_file", ["file_path": "new/inner/b.txt"]).contains("nothing at"))
    }

    @Test("files are found by patterns of their paths and by what they hold")
    func finding() async throws {
        try await write("src/a.py", "import os\nprint('Hello')\n")
        try await write("src/deep/b.py", "print('hello')\n")
        try await write("c.md", "hello\nworld\n")
        func glob(_ pattern: String, _ path: String = ".") async throws -> [String] {
            try await server.answer("glob", ["pattern": .string(pattern), "path": .string(path)])["paths"]?.texts ?? []
        }
        #expect(try await glob("*.py") == ["src/a.py", "src/deep/b.py"])
        #expect(try await glob("src/*.py") == ["src/a.py"])
        #expect(try await glob("**/*.py", "src") == ["src/a.py", "src/deep/b.py"])
        #expect(try await glob("src/**") == ["src/a.py", "src/deep/b.py"])
        #expect(try await glob("?.md") == ["c.md"])
        #expect(try await glob("??.md") == [])
        let found = try await server.answer("grep", ["pattern": "hello", "case_insensitive": true, "context": 1])
        #expect(found["matches"]?.list.compactMap { $0["path"]?.string } == ["c.md", "src/a.py", "src/deep/b.py"])
        #expect(found["matches"]?.list.first?["text"] == "hello\nworld" && found["is_complete"] == true)
        let some = try await server.answer("grep", ["pattern": "hello", "file_pattern": "*.py", "max_results": 1])
        #expect(some["matches"]?.list.count == 1 && some["matches"]?.list.first?["line"] == 1)
        let cut = try await server.answer("grep", ["pattern": "print", "max_results": 1])
        #expect(cut["matches"]?.list.count == 1 && cut["is_complete"] == false)
    }

    @Test("a pattern that is built to be costly costs little")
    func costlyPatterns() throws {
        let time = try ContinuousClock().measure {
            let stars = try #require(GlobPattern(String(repeating: "*a", count: 200)))
            #expect(!stars.matches([String(repeating: "a", count: 199) + "b"]))
            let folders = try #require(GlobPattern(String(repeating: "**/", count: 150) + "x"))
            #expect(!folders.matches(Array(repeating: "y", count: 32)))
            let search = TextSearch(String(repeating: "a", count: 1_000) + "b", ignoresCase: true, context: 20)
            let line = [UInt8](repeating: UInt8(ascii: "a"), count: 20_000)
            #expect(search.matches(in: line, of: try VaultPath("x"), most: 10).isEmpty)
        }
        #expect(time < .seconds(5))
    }

    @Test(
        "Weakness: the filesystem tool's root is /: here no path leads out of the work folder",
        arguments: [
            "../test.db", "/etc/passwd", "a/../../test.db", ".ssh/id", "a/.git/config", "out", "out/test.db", "file",
            "a\u{0}b", "", "..", "fifo",
        ])
    func confined(_ path: String) async throws {
        try await write("a/x.txt", "x")
        try FileManager.default.createSymbolicLink(atPath: folder + "/out", withDestinationPath: place.path)
        try FileManager.default.createSymbolicLink(
            atPath: folder + "/file", withDestinationPath: place.path + "/test.db")
        #expect(mkfifo(folder + "/fifo", 0o600) == 0)
        try Data("key".utf8).write(to: URL(fileURLWithPath: place.path + "/identity.key"))
        let text = JSONValue.string(path)
        for (tool, arguments) in [
            ("read_file", ["file_path": text]), ("write_file", ["file_path": text, "content": "x"]),
            ("edit", ["file_path": text, "old_string": "SQLite", "new_string": "x"]),
            ("delete_file", ["file_path": text]),
            ("move_file", ["old_path": text, "new_path": "mine"]),
            ("move_file", ["old_path": "a/x.txt", "new_path": text]),
        ] as [(String, [String: JSONValue])] {
            _ = await server.refusal(tool, arguments)
        }
        let before = try FileManager.default.contentsOfDirectory(atPath: place.path).sorted()
        #expect(before.contains("identity.key"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).contains("a"))
        #expect(try await server.answer("grep", ["pattern": "SQLite"])["matches"] == [])
        #expect(try await server.answer("glob", ["pattern": "*"])["paths"] == ["a/x.txt"])
        if !path.isEmpty, path != ".." {
            _ = await server.refusal("list_directory", ["path": text])
        }
    }

    @Test("sizes are bounded")
    func sizes() async throws {
        let large = String(repeating: "x", count: WorkFolder.largestFile + 1)
        #expect(
            await server.refusal("write_file", ["file_path": "a", "content": .string(large)]).contains("larger than"))
        try await write("b", "")
        #expect(truncate(folder + "/b", 1 << 30) == 0)
        #expect(await server.refusal("read_file", ["file_path": "b"]).contains("larger than"))
        #expect(try await server.answer("grep", ["pattern": "x"])["matches"] == [])
        try await write("c", String(repeating: "word ", count: 200_000))
        let read = try await server.answer("read_file", ["file_path": "c"])
        #expect(try #require(read["content"]?.string).utf8.count <= 200_000)
        try await write("d", "a\u{0}b")
        #expect(await server.refusal("read_file", ["file_path": "d"]).contains("no text"))
    }
}
