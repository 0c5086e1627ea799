internal import JSON
internal import Store

// How does the agent work with its notes? Through the vault, as people do through the gateway: paths are confined, a change is whole or
// not at all, and whoever changes a note says which content they have read, so that nothing written by hand is lost.

/// The tools of the server `vault`: finding, reading, writing.
struct VaultTools: Sendable {
    let vault: Vault

    private static let mostNotes = 20
    private static let longestQuery = 1_024
    /// Bytes of all notes that one call reads.
    private static let mostRead = 400_000

    static func server(_ vault: Vault) -> BuiltinServer {
        let tools = VaultTools(vault: vault)
        return BuiltinServer("vault", tools.reading + tools.writing + tools.properties)
    }

    static let path = ToolParameter.text("path", "Path below the vault, e.g. House/Router.md", required: true)
    static let tag = ToolParameter.text("tag", "The note's tag as read_note gave it: proof that its content is known")

    // MARK: Reading

    private var reading: [BuiltinTool] {
        [
            BuiltinTool(
                "read_note", .query, "Reads a note: its text, and a tag that names this content", [Self.path]
            ) { arguments, _ in try await read(arguments.text("path")) },
            BuiltinTool(
                "read_multiple_notes", .query, "Reads up to \(Self.mostNotes) notes",
                [.texts("paths", "Their paths", required: true)]
            ) { arguments, _ in
                var found: [JSONValue] = []
                var size = 0
                for path in try arguments.texts("paths", most: Self.mostNotes) {
                    guard size < Self.mostRead else {
                        found.append(["path": .string(path), "error": "not read: the notes before it are too long"])
                        continue
                    }
                    do {
                        let note = try await read(path)
                        size += note["content"]?.string?.utf8.count ?? 0
                        found.append(note)
                    } catch let error as VaultError {
                        found.append(["path": .string(path), "error": .string(error.description)])
                    }
                }
                return ["notes": .array(found)]
            },
            BuiltinTool(
                "search_notes", .query, "Finds the notes that speak of some words, best first",
                [
                    .text("query", "Words", required: true), .integer("limit", 1...50, "At most so many; usually 10"),
                    .text("prefix", "Only below this folder"), .text("tag", "Only with this tag"),
                ]
            ) { arguments, _ in
                let query = try arguments.text("query")
                guard query.utf8.count <= Self.longestQuery else { throw ToolRefusal("'query' is too long") }
                let (hits, hasAllWords) = try await vault.search(
                    query.split(whereSeparator: \.isWhitespace).map(String.init),
                    limit: try arguments.integer("limit", in: 1...50, usual: 10), filter: try Self.filter(arguments),
                    wholeBodies: false)
                return [
                    "has_all_words": .bool(hasAllWords),
                    "notes": .array(
                        hits.map { hit in
                            [
                                "path": .string(hit.path), "title": .string(hit.title),
                                "snippet": .string(hit.snippet.plain),
                            ]
                        }),
                ]
            },
            BuiltinTool(
                "list_notes", .query, "Lists notes in the order of their paths",
                [
                    .text("prefix", "Only below this folder"), .text("tag", "Only with this tag"),
                    .text("after", "Goes on behind this path"), .integer("limit", 1...1_000, "Usually 100"),
                ]
            ) { arguments, _ in
                let limit = try arguments.integer("limit", in: 1...1_000, usual: 100)
                let notes = try await vault.notes(
                    after: try arguments.optionalText("after"), limit: limit + 1, filter: try Self.filter(arguments))
                return [
                    "notes": .array(notes.prefix(limit).map(Self.summary)), "has_more": .bool(notes.count > limit),
                ]
            },
            BuiltinTool(
                "list_directory", .query, "Lists the notes and folders in one folder",
                [.text("path", "The folder; without it the vault itself")]
            ) { arguments, _ in try await list(try arguments.optionalText("path") ?? "") },
            BuiltinTool("list_all_tags", .query, "Lists all tags, the most used first") { _, _ in
                let tags = try await vault.tags()
                return [
                    "tags": .array(
                        tags.prefix(1_000).map { ["name": .string($0.name), "count": JSONValue($0.count)] })
                ]
            },
            BuiltinTool("get_vault_stats", .query, "Counts notes, tags and links") { _, _ in
                let graph = try await vault.graph()
                let newest = graph.notes.sorted { $0.modified > $1.modified }.prefix(10)
                return [
                    "notes": JSONValue(graph.notes.count), "links": JSONValue(graph.edges.count),
                    "tags": JSONValue(try await vault.tags().count),
                    "bytes": .integer(graph.notes.reduce(0) { $0 + $1.size }),
                    "recently_modified": JSONValue(texts: newest.map(\.path)),
                ]
            },
            BuiltinTool("get_backlinks", .query, "Lists the notes that link to a note", [Self.path]) { arguments, _ in
                let path = try VaultPath(arguments.text("path"))
                guard let notes = try await vault.graph().backlinks(to: path.description) else {
                    throw VaultError.notFound(path.description)
                }
                return ["backlinks": .array(notes.map(Self.summary))]
            },
        ]
    }

    private func read(_ path: String) async throws -> JSONValue {
        let file = try await vault.read(NotePath(path).file)
        return [
            "path": .string(file.path.description), "content": .string(try vault.parse(file).text),
            "tag": .string(file.tag),
        ]
    }

    private func list(_ folder: String) async throws -> JSONValue {
        var prefix = folder
        while prefix.utf8.last == UInt8(ascii: "/") { prefix = String(decoding: prefix.utf8.dropLast(), as: UTF8.self) }
        if prefix == "." { prefix = "" }
        if !prefix.isEmpty { prefix = try VaultPath(prefix).description + "/" }
        var folders: Set<String> = []
        var notes: [JSONValue] = []
        for note in try await vault.notes(filter: .init(prefix: prefix)) {
            let rest = note.path.utf8.dropFirst(prefix.utf8.count)
            if let slash = rest.firstIndex(of: UInt8(ascii: "/")) {
                folders.insert(String(decoding: rest[..<slash], as: UTF8.self))
            } else {
                notes.append(Self.summary(note))
            }
        }
        return ["folders": JSONValue(texts: folders.sorted()), "notes": .array(notes)]
    }

    private static func filter(_ arguments: ToolArguments) throws -> NoteIndex.Filter {
        .init(prefix: try arguments.optionalText("prefix") ?? "", tag: try arguments.optionalText("tag"))
    }

    private static func summary(_ note: NoteSummary) -> JSONValue {
        ["path": .string(note.path), "title": .string(note.title), "tags": JSONValue(texts: note.tags)]
    }

    // MARK: Writing

    private var writing: [BuiltinTool] {
        [
            BuiltinTool(
                "write_note", .action,
                "Makes a note; with 'tag' it replaces the one that was read. Mode append adds to its end.",
                [
                    Self.path, .text("content", "Markdown", required: true), Self.tag,
                    .choice("mode", ["create", "overwrite", "append"], "Usually create, with a tag overwrite"),
                ]
            ) { arguments, _ in try await write(arguments) },
            BuiltinTool(
                "patch_note", .action, "Replaces a piece of a note's text that stands there exactly once",
                [
                    Self.path, .text("old_string", "The text as it is", required: true),
                    .text("new_string", "What stands there afterwards", required: true), Self.tag,
                    .flag("replace_all", "Replaces it wherever it stands; usually false"),
                ]
            ) { arguments, _ in
                let old = try arguments.text("old_string")
                let new = try arguments.text("new_string")
                let all = try arguments.flag("replace_all", usual: false)
                return try await change(arguments) { text in try TextEdit.replace(old, with: new, in: text, all: all) }
            },
            BuiltinTool(
                "delete_note", .action, "Deletes a note that was read",
                [Self.path, .text("tag", "The note's tag as read_note gave it", required: true)]
            ) { arguments, _ in
                let path = try NotePath(arguments.text("path"))
                try await vault.delete(path.file, if: .matches([arguments.text("tag")]))
                return ["deleted": .string(path.description)]
            },
            BuiltinTool(
                "move_note", .action, "Gives a note another path and rewrites the links to it",
                [
                    .text("old_path", "Where it is", required: true),
                    .text("new_path", "Where it goes; nothing may be there", required: true),
                ]
            ) { arguments, _ in
                let move = try await vault.move(
                    NotePath(arguments.text("old_path")).file, to: NotePath(arguments.text("new_path")).file)
                return [
                    "path": .string(move.to.description), "rewritten": JSONValue(texts: move.rewritten),
                ]
            },
            BuiltinTool(
                "link_notes", .action, "Adds a line with a [[link]] to another note, unless there is one",
                [
                    .text("from", "The note that gets the link", required: true),
                    .text("to", "Path, name or title of the other one", required: true),
                ]
            ) { arguments, _ in try await link(arguments.text("from"), to: arguments.text("to")) },
        ]
    }

    private func write(_ arguments: ToolArguments) async throws -> JSONValue {
        let path = try NotePath(arguments.text("path"))
        let content = try arguments.text("content")
        let tag = try arguments.optionalText("tag")
        let mode = try arguments.choice(
            "mode", of: ["create", "overwrite", "append"], usual: tag == nil ? "create" : "overwrite")
        switch mode {
        case "append":
            return try await change(arguments, creating: true) { text in
                text.isEmpty || text.utf8.last == UInt8(ascii: "\n") ? text + content : text + "\n" + content
            }
        case "overwrite" where tag == nil:
            throw ToolRefusal("to overwrite a note give the 'tag' that read_note gave for it")
        default:
            let condition = tag.map { VaultCondition.matches([$0]) } ?? .missing
            let written: (isNew: Bool, tag: String)
            do {
                written = try await vault.write(Array(content.utf8), to: path.file, if: condition)
            } catch {
                guard case .notNew = error else { throw error }
                throw ToolRefusal("there is a note at \(path) already: read it, and give its 'tag' to overwrite it")
            }
            return ["path": .string(path.description), "is_new": .bool(written.isNew), "tag": .string(written.tag)]
        }
    }

    /// Makes a new text out of the note's, unless the note changes meanwhile.
    func change(
        _ arguments: ToolArguments, creating: Bool = false, _ body: (String) throws -> String
    ) async throws -> JSONValue {
        let path = try NotePath(arguments.text("path"))
        let tag = try arguments.optionalText("tag")
        var known: VaultFile?
        do {
            known = try await vault.read(path.file)
        } catch {
            guard case .notFound = error, creating, tag == nil else { throw error }
        }
        if let tag, tag != known?.tag { throw VaultError.precondition(path.description) }
        let text = try known.map { try vault.parse($0).text } ?? ""
        let condition = known.map { VaultCondition.matches([$0.tag]) } ?? .missing
        let (isNew, newTag) = try await vault.write(Array(try body(text).utf8), to: path.file, if: condition)
        return ["path": .string(path.description), "is_new": .bool(isNew), "tag": .string(newTag)]
    }

    private func link(_ from: String, to name: String) async throws -> JSONValue {
        guard let target = try await vault.find(name) else {
            throw ToolRefusal("there is no note called '\(name.prefix(200))'")
        }
        let path = try NotePath(from)
        guard target.path != path.description else { throw ToolRefusal("a note does not link to itself") }
        let words = String(decoding: target.path.utf8.dropLast(3), as: UTF8.self)
        guard !words.utf8.contains(where: { "#^|[]".utf8.contains($0) }) else {
            throw VaultError.unlinkable(target.path)
        }
        if let links = try await vault.graph().backlinks(to: target.path), links.contains(where: { $0.path == from }) {
            return ["path": .string(path.description), "link": .string("[[\(words)]]"), "is_new": false]
        }
        let changed = try await change(ToolArguments(["path": .string(from)])) { text in
            text + (text.utf8.last == UInt8(ascii: "\n") || text.isEmpty ? "" : "\n") + "\n[[\(words)]]\n"
        }
        guard case .object(var fields) = changed else { return changed }
        fields["link"] = .string("[[\(words)]]")
        fields["is_new"] = true
        return .object(fields)
    }
}
