internal import JSON

// How does the agent work on files? In its work folder, by paths below it, in bounded pieces.

/// The tools of the server `editor`.
struct EditorTools: Sendable {
    let folder: WorkFolder

    private static let path = ToolParameter.text(
        "file_path", "Path below the work folder, e.g. report/data.csv", required: true)
    private static let below = ToolParameter.text("path", "A folder; usually the work folder itself")
    private static let mostLines = 5_000
    private static let longestText = 200_000
    /// A search gives up then, and says so.
    private static let patience = Duration.seconds(5)

    /// - Parameter path: the work folder, absolute.
    static func server(_ path: String) -> BuiltinServer {
        let tools = EditorTools(folder: WorkFolder(path))
        return BuiltinServer("editor", tools.reading + tools.writing)
    }

    // MARK: Reading

    private var reading: [BuiltinTool] {
        [
            BuiltinTool(
                "read_file", .query, "Reads a text file, or some of its lines",
                [
                    Self.path, .integer("offset", 1...10_000_000, "The first line; usually 1"),
                    .integer("limit", 1...Self.mostLines, "How many lines; usually 2000"),
                ]
            ) { arguments, _ in try await read(arguments) },
            BuiltinTool("list_directory", .query, "Lists what is in a folder", [Self.below]) { arguments, _ in
                let entries = try await folder.list(try Self.folder(arguments))
                return [
                    "entries": .array(
                        entries.prefix(2_000).map { entry in
                            [
                                "name": .string(entry.path.name), "is_folder": .bool(entry.isFolder),
                                "size": JSONValue(entry.size),
                            ]
                        }), "has_more": .bool(entries.count > 2_000),
                ]
            },
            BuiltinTool(
                "glob", .query, "Finds files by a pattern of their paths: * and ? within a name, ** for any folders",
                [
                    .text("pattern", "E.g. *.csv or src/**/*.py", required: true), Self.below,
                    .integer("max_results", 1...2_000, "Usually 200"),
                ]
            ) { arguments, _ in
                let pattern = try Self.pattern(arguments.text("pattern"))
                let most = try arguments.integer("max_results", in: 1...2_000, usual: 200)
                let (paths, hasMore) = try await folder.paths(
                    matching: pattern, below: try Self.folder(arguments), most: most)
                return ["paths": JSONValue(texts: paths), "has_more": .bool(hasMore)]
            },
            BuiltinTool(
                "grep", .query, "Finds the lines of files that hold a text as it is (no regular expression)",
                [
                    .text("pattern", "The text", required: true), Self.below,
                    .text("file_pattern", "Only in files of this pattern, e.g. *.md"),
                    .integer("context", 0...20, "Lines before and behind; usually none"),
                    .flag("case_insensitive", "Usually false"), .integer("max_results", 1...1_000, "Usually 100"),
                ]
            ) { arguments, _ in try await grep(arguments) },
        ]
    }

    private func read(_ arguments: ToolArguments) async throws -> JSONValue {
        let path = try Self.file(arguments, "file_path")
        let first = try arguments.integer("offset", in: 1...10_000_000, usual: 1)
        let count = try arguments.integer("limit", in: 1...Self.mostLines, usual: 2_000)
        let bytes = try await folder.read(path)
        guard let text = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else {
            throw ToolRefusal("\(path) is no text, but \(bytes.count) bytes of something else")
        }
        let lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        guard first <= lines.count else { throw ToolRefusal("\(path) has \(lines.count) lines") }
        var (taken, size) = (0, 0)
        for line in lines[(first - 1)...].prefix(count) {
            size += line.count + 1
            guard size <= Self.longestText || taken == 0 else { break }
            taken += 1
        }
        let wanted = lines[(first - 1)..<(first - 1 + taken)]
        let joined = Array(wanted.map(Array.init).joined(separator: [UInt8(ascii: "\n")]))
        let content = String(decoding: joined.prefix(Self.longestText), as: UTF8.self)
        return [
            "path": .string(path.description), "content": .string(content), "first_line": JSONValue(first),
            "lines": JSONValue(taken), "total_lines": JSONValue(lines.count),
        ]
    }

    private func grep(_ arguments: ToolArguments) async throws -> JSONValue {
        let text = try arguments.text("pattern")
        guard (1...TextSearch.longest).contains(text.utf8.count), !text.contains(where: \.isNewline) else {
            throw ToolRefusal("'pattern' is a text of one line, of at most \(TextSearch.longest) bytes")
        }
        let most = try arguments.integer("max_results", in: 1...1_000, usual: 100)
        let (found, isWhole) = try await folder.search(
            TextSearch(
                text, ignoresCase: try arguments.flag("case_insensitive", usual: false),
                context: try arguments.integer("context", in: 0...20, usual: 0)),
            below: try Self.folder(arguments),
            matching: try arguments.optionalText("file_pattern").map { try Self.pattern($0) }, most: most,
            until: .now + Self.patience)
        return [
            "matches": .array(
                found.map { match in
                    [
                        "path": .string(match.path.description), "line": JSONValue(match.line),
                        "text": .string(match.text),
                    ]
                }), "is_complete": .bool(isWhole),
        ]
    }

    // MARK: Writing

    private var writing: [BuiltinTool] {
        [
            BuiltinTool(
                "write_file", .action, "Makes a file, or replaces all of it",
                [Self.path, .text("content", "Its text", required: true)]
            ) { arguments, _ in
                let path = try Self.file(arguments, "file_path")
                let isNew = try await folder.write(Array(arguments.text("content").utf8), to: path)
                return ["path": .string(path.description), "is_new": .bool(isNew)]
            },
            BuiltinTool(
                "edit", .action, "Replaces a piece of a file's text that stands there exactly once",
                [
                    Self.path, .text("old_string", "The text as it is", required: true),
                    .text("new_string", "What stands there afterwards", required: true),
                    .flag("replace_all", "Replaces it wherever it stands; usually false"),
                ]
            ) { arguments, _ in
                let path = try Self.file(arguments, "file_path")
                let (old, new) = (try arguments.text("old_string"), try arguments.text("new_string"))
                let all = try arguments.flag("replace_all", usual: false)
                try await folder.edit(path) { text throws(ToolRefusal) in
                    try TextEdit.replace(old, with: new, in: text, all: all)
                }
                return ["path": .string(path.description)]
            },
            BuiltinTool(
                "make_directory", .action, "Makes a folder, with those on the way",
                [.text("path", "The folder", required: true)]
            ) { arguments, _ in
                let path = try Self.file(arguments, "path")
                try await folder.makeFolder(path)
                return ["path": .string(path.description)]
            },
            BuiltinTool("delete_file", .action, "Deletes a file", [Self.path]) { arguments, _ in
                let path = try Self.file(arguments, "file_path")
                try await folder.delete(path)
                return ["deleted": .string(path.description)]
            },
            BuiltinTool(
                "move_file", .action, "Gives a file another path, where nothing may be",
                [.text("old_path", "Where it is", required: true), .text("new_path", "Where it goes", required: true)]
            ) { arguments, _ in
                let (old, new) = (try Self.file(arguments, "old_path"), try Self.file(arguments, "new_path"))
                try await folder.move(old, to: new)
                return ["path": .string(new.description)]
            },
        ]
    }

    // MARK: Arguments

    static func file(_ arguments: ToolArguments, _ name: String) throws(ToolRefusal) -> VaultPath {
        try path(try arguments.text(name))
    }

    /// - Returns: nil for the work folder itself.
    static func folder(_ arguments: ToolArguments, _ name: String = "path") throws(ToolRefusal) -> VaultPath? {
        var text = try arguments.optionalText(name) ?? ""
        while text.utf8.last == UInt8(ascii: "/"), text.utf8.count > 1 {
            text = String(decoding: text.utf8.dropLast(), as: UTF8.self)
        }
        return text.isEmpty || text == "." ? nil : try path(text)
    }

    private static func path(_ text: String) throws(ToolRefusal) -> VaultPath {
        do throws(VaultError) { return try VaultPath(text) } catch {
            throw ToolRefusal(
                "'\(text.prefix(200))' is no path of the work folder: use names below it, without '..' and without "
                    + "names that begin with a dot")
        }
    }

    private static func pattern(_ text: String) throws(ToolRefusal) -> GlobPattern {
        guard let pattern = GlobPattern(text) else {
            throw ToolRefusal("a pattern has 1 to \(GlobPattern.longest) bytes")
        }
        return pattern
    }
}
